//! The languages that everything people read exists in.

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    Ru,
    En,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::Ru, Self::En];

    /// As a language tag (RFC 5646).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ru => "ru",
            Self::En => "en",
        }
    }

    /// The language of `Accept-Language` (RFC 9110, 12.5.4) that we have, by weight and then by
    /// place; `otherwise` when it names none of ours.
    #[must_use]
    pub fn accepted(header: Option<&str>, otherwise: Self) -> Self {
        let mut best = None;
        for range in header.unwrap_or_default().split(',').take(32) {
            let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
            let primary = tag.trim().split('-').next().unwrap_or_default();
            let language = match primary.to_ascii_lowercase().as_str() {
                "ru" => Self::Ru,
                "en" => Self::En,
                _ => continue,
            };
            let weight = match parameters.trim().strip_prefix("q=") {
                Some(text) => text.trim().parse::<f32>().unwrap_or(0.0),
                None => 1.0,
            };
            if weight > best.map_or(0.0, |(_, heaviest)| heaviest) {
                best = Some((language, weight));
            }
        }
        best.map_or(otherwise, |(language, _)| language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_language_we_have_is_taken() {
        for (header, expected) in [
            ("en", Language::En),
            ("en-US,en;q=0.9", Language::En),
            ("de, en;q=0.3, ru;q=0.2", Language::En),
            ("en;q=0.3, ru;q=0.9", Language::Ru),
            ("ru-RU, en", Language::Ru),
            ("de, fr", Language::Ru),
            ("en;q=0", Language::Ru),
            ("en;q=x", Language::Ru),
        ] {
            assert_eq!(
                Language::accepted(Some(header), Language::Ru),
                expected,
                "{header}"
            );
        }
        assert_eq!(Language::accepted(None, Language::En), Language::En);
    }
}
