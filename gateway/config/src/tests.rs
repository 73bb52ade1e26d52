//! Whole files: what they say, and that each fault has a twin that passes.
use super::*;

#[test]
fn every_shipped_file_loads() {
    for (file, text) in [
        ("gateway.yaml", DEFAULT),
        (
            "in-front.yaml",
            include_str!("../../../config/in-front.yaml"),
        ),
    ] {
        let loaded = check(text, file, &Overrides::default());
        let loaded = loaded.unwrap_or_else(|findings| panic!("{findings:#?}"));
        assert_eq!(loaded.config.language, Language::Ru);
    }
}
