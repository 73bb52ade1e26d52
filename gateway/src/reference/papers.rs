//! `README` and `REFERENCE` in two languages: alike in shape and in what is typed, every link alive.

use harness::document;

/// What must be alike in both editions of a paper: the level of each heading, the rows of each
/// table, the blocks of code; of those that are typed, every word but comments and the language.
fn shape(text: &str) -> Vec<String> {
    let mut shape = Vec::new();
    let mut block: Option<&str> = None;
    for line in text.lines() {
        match (block, line.strip_prefix("```")) {
            (None, Some(kind)) => {
                block = Some(kind);
                shape.push(format!("block {kind}"));
            }
            (Some(_), Some(_)) => block = None,
            (Some("sh" | "yaml" | "python" | "csv"), None) => {
                let typed = line.split("  #").next().unwrap_or_default().trim_end();
                if !typed.trim_start().starts_with('#') {
                    shape.push(typed.replace("language: ru", "language: en"));
                }
            }
            (Some(_), None) => {}
            (None, None) => {
                let heading = line.len() - line.trim_start_matches('#').len();
                let cells = line.starts_with('|').then(|| line.matches(" | ").count());
                match (heading, cells) {
                    (1.., _) => shape.push(format!("heading {heading}")),
                    (0, Some(cells)) => shape.push(format!("row of {cells}")),
                    (0, None) if line.starts_with("- ") => shape.push("point".to_owned()),
                    (0, None) => {}
                }
            }
        }
    }
    shape
}

#[test]
fn both_editions_of_a_paper_have_the_same_sections_tables_and_commands() {
    for (english, russian) in [
        ("README.md", "README.ru.md"),
        ("REFERENCE.md", "REFERENCE.ru.md"),
    ] {
        let [one, other] = [english, russian].map(|file| {
            let text = std::fs::read_to_string(document::path(file)).unwrap();
            let partner = if file == english { russian } else { english };
            assert!(
                text.contains(&format!("]({partner})")),
                "{file} names {partner}"
            );
            text
        });
        let (one, other) = (shape(&one), shape(&other));
        let differs = one.iter().zip(&other).position(|(one, other)| one != other);
        let near = |shape: &[String]| {
            let from = differs
                .unwrap_or(one.len().min(other.len()))
                .saturating_sub(3);
            shape.iter().skip(from).take(6).cloned().collect::<Vec<_>>()
        };
        assert_eq!(near(&one), near(&other), "{english}, {russian}");
        assert_eq!(one.len(), other.len(), "{english}, {russian}");
    }
}

/// A link within a paper leads to one of its headings, one to another paper to that file.
#[test]
fn links_of_the_papers_lead_somewhere() {
    for file in [
        "README.md",
        "README.ru.md",
        "REFERENCE.md",
        "REFERENCE.ru.md",
    ] {
        let text = std::fs::read_to_string(document::path(file)).unwrap();
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.starts_with("http") {
                continue;
            }
            let (paper, anchor) = link.split_once('#').unwrap_or((link, ""));
            let paper = if paper.is_empty() { file } else { paper };
            let target = std::fs::read_to_string(document::path(paper));
            let target = target.unwrap_or_else(|fault| panic!("{file}: {link}: {fault}"));
            let leads = target
                .lines()
                .any(|line| line.starts_with('#') && anchor_of(line) == anchor);
            assert!(anchor.is_empty() || leads, "{file}: {link}");
        }
    }
}

/// As GitHub makes it of a heading.
fn anchor_of(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
