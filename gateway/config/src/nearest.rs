//! The word that somebody most likely meant.

/// The candidate with the fewest edits from `word`, if they are few for its length.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(64).collect();
    let mut best = None;
    for candidate in candidates {
        let edits = distance(&word, &candidate.to_lowercase().chars().collect::<Vec<_>>());
        let allowed = (word.len().max(candidate.chars().count()) / 3).max(1);
        if edits <= allowed && best.is_none_or(|(fewest, _)| edits < fewest) {
            best = Some((edits, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut left_of_a = None;
    for (row, &in_a) in a.iter().enumerate() {
        let mut next = vec![row + 1];
        let mut left_of_b = None;
        for (column, &in_b) in b.iter().enumerate() {
            let at = |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX);
            let replaced = at(&last, column).saturating_add(usize::from(in_a != in_b));
            let inserted = at(&next, column).saturating_add(1);
            let deleted = at(&last, column + 1).saturating_add(1);
            let mut edits = replaced.min(inserted).min(deleted);
            if left_of_a == Some(in_b) && left_of_b == Some(in_a) && column > 0 {
                edits = edits.min(at(&before, column - 1).saturating_add(1));
            }
            next.push(edits);
            left_of_b = Some(in_b);
        }
        left_of_a = Some(in_a);
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        let keys = ["port", "print", "rights", "upstream", "https"];
        for (typed, meant) in [
            ("prot", Some("port")),
            ("Port", Some("port")),
            ("http", Some("https")),
            ("upsteam", Some("upstream")),
            ("right", Some("rights")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
    }
}
