//! A switch as people write it: yes or no, also in Russian.

/// Names the words that are understood.
pub(super) const NAMES: &str = "yes|no";

pub(super) fn parse(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "yes" | "да" | "true" | "on" => Ok(true),
        "no" | "нет" | "false" | "off" => Ok(false),
        _ => Err(NAMES.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_switch_is_read_in_both_languages_and_never_guessed() {
        assert_eq!(parse("Да"), Ok(true));
        assert_eq!(parse("no"), Ok(false));
        assert!(parse("maybe").is_err());
        assert!(parse("").is_err());
    }
}
