//! One name, several spellings: a configuration says `ИдКонтрагента`, an
//! answer `idKontragenta`, a path `Docs/PrihodNaSklad`, a vendor sample
//! `allfields`.
//!
//! The table of letters is the vendor's, proved by pairs seen on real servers
//! (the tests hold them).

use serde_json::Value;
use unicode_normalization::UnicodeNormalization as _;

use super::Entity;

/// The spelling for paths: transliterated, the first capital kept.
pub(crate) fn uni(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    let mut word_starts = false;
    for letter in name.nfc() {
        if !(letter.is_alphanumeric() || letter == '_') {
            word_starts = !spelled.is_empty();
            continue;
        }
        let capital = letter.is_uppercase() || word_starts;
        let lower = letter.to_lowercase();
        let Some(latin) = lower.clone().next().and_then(latin) else {
            if capital {
                spelled.extend(letter.to_uppercase());
            } else {
                spelled.extend(lower);
            }
            word_starts = false;
            continue;
        };
        let mut rest = latin.chars();
        if let Some(first) = rest.next() {
            spelled.push(if capital {
                first.to_ascii_uppercase()
            } else {
                first
            });
            word_starts = false;
        }
        spelled.push_str(rest.as_str());
    }
    spelled
}

/// The spelling of properties: as [`uni`] with the first letter lowered, and
/// only the first (`ИНН` is `iNN`).
pub(crate) fn camel(name: &str) -> String {
    let spelled = uni(name);
    let mut rest = spelled.chars();
    match rest.next() {
        Some(first) => first.to_lowercase().chain(rest.as_str().chars()).collect(),
        None => spelled,
    }
}

/// Whether two spellings mean the same name: original, transliterated, in any
/// letter case.
pub(crate) fn same_name(a: &str, b: &str) -> bool {
    if a.is_ascii() && b.is_ascii() && is_plain(a) && is_plain(b) {
        return a.eq_ignore_ascii_case(b);
    }
    fold(a) == fold(b)
}

/// A name as a client wrote it, ready to be found among many others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    written: String,
    folded: String,
}

impl Name {
    pub(crate) fn new(written: &str) -> Self {
        Self {
            written: written.to_owned(),
            folded: fold(written),
        }
    }

    /// As the client wrote it.
    pub(crate) fn written(&self) -> &str {
        &self.written
    }

    pub(crate) fn is(&self, other: &str) -> bool {
        if other.is_ascii() && is_plain(other) {
            self.folded.eq_ignore_ascii_case(other)
        } else {
            self.folded == fold(other)
        }
    }

    /// The value of this name in `entity`, whatever the spelling.
    pub(crate) fn find<'e>(&self, entity: &'e Entity) -> Option<&'e Value> {
        entity.get(&self.written).or_else(|| {
            entity
                .iter()
                .find(|(name, _)| self.is(name))
                .map(|(_, value)| value)
        })
    }
}

fn fold(name: &str) -> String {
    uni(name).to_lowercase()
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The Latin spelling of a small Cyrillic letter; `None` for any other sign.
fn latin(letter: char) -> Option<&'static str> {
    Some(match letter {
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' => "g",
        'д' => "d",
        'е' | 'ё' | 'э' => "e",
        'ж' => "zh",
        'з' => "z",
        'и' => "i",
        'й' => "j",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "h",
        'ц' => "c",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "shh",
        'ъ' | 'ь' => "",
        'ы' => "y",
        'ю' => "yu",
        'я' => "ya",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_real_servers_come_out_letter_by_letter() {
        for (original, path) in [
            ("РазмещениеВЯчейки", "RazmeshhenieVYachejki"),
            ("УпаковочныйЛист", "UpakovochnyjList"),
            ("ОстаткиВЯчейках", "OstatkiVYachejkah"),
            ("ПечатьШК", "PechatShK"),
            ("РазмерыОбуви", "RazmeryObuvi"),
            ("Инвентаризация", "Inventarizaciya"),
            ("Агрегация", "Agregaciya"),
            ("ПриходНаСклад", "PrihodNaSklad"),
            ("ДубликатКМ", "DublikatKM"),
            ("ПросмотрСправочников", "ProsmotrSpravochnikov"),
            ("СборШК", "SborShK"),
            ("ИсторияСтатусовИНН", "IstoriyaStatusovINN"),
            ("PickAndShip", "PickAndShip"),
        ] {
            assert_eq!(uni(original), path);
        }
        for (original, property) in [
            ("ЭтоПапка", "etoPapka"),
            ("РежимУпаковок", "rezhimUpakovok"),
            ("ВыбранныйБПнаТСД", "vybrannyjBPnaTSD"),
            ("ИНН", "iNN"),
            ("ШК", "shK"),
            ("ОснШК", "osnShK"),
            ("ИдСклада1С", "idSklada1S"),
            ("ИмяБП", "imyaBP"),
            ("НастройкаБизнесПроцесса", "nastrojkaBiznesProcessa"),
            ("Цена", "cena"),
            ("DistributeByBarcode", "distributeByBarcode"),
            ("НаименованиеДляПоиска", "naimenovanieDlyaPoiska"),
        ] {
            assert_eq!(camel(original), property);
        }
    }

    #[test]
    fn letters_that_nobody_captured_follow_the_guess() {
        assert_eq!(uni("Съёмка"), "Semka");
        assert_eq!(uni("ФормаЮрлица"), "FormaYurlica");
        assert_eq!(uni("Щит"), "Shhit");
    }

    #[test]
    fn a_space_is_dropped_and_the_next_letter_made_capital() {
        assert_eq!(uni("Групповая приемка"), "GruppovayaPriemka");
        assert_eq!(camel("  цена за штуку "), "cenaZaShtuku");
        assert_eq!(uni("Приход (возврат)"), "PrihodVozvrat");
    }

    #[test]
    fn every_spelling_of_a_name_is_the_same_name() {
        for (a, b) in [
            ("ИдКонтрагента", "idKontragenta"),
            ("allfields", "allFields"),
            ("DistributeByBarcode", "distributeByBarcode"),
            ("Цена", "cena"),
            ("Групповая приемка", "GruppovayaPriemka"),
            ("СТАТУС", "status"),
        ] {
            assert!(same_name(a, b), "{a} and {b}");
            assert!(Name::new(a).is(b) && Name::new(b).is(a), "{a} and {b}");
        }
        for (a, b) in [("id", "uid"), ("Цена", "цены"), ("barcode", "barcodes")] {
            assert!(!same_name(a, b), "{a} and {b}");
            assert!(!Name::new(a).is(b), "{a} and {b}");
        }
    }
}
