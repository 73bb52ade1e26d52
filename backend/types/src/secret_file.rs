//! Who may read a file with a secret: one rule for both programs.

/// For its owner alone; or root's, who lets one group read it. So certbot keeps its keys, and a
/// service that runs as another user has no other way to what root has given it.
#[must_use]
pub fn is_private(mode: u32, owner: u32) -> bool {
    mode & 0o077 == 0 || (owner == 0 && mode & 0o037 == 0)
}

#[cfg(test)]
mod tests {
    use super::is_private;

    #[test]
    fn a_secret_is_its_owners_or_roots_and_one_groups() {
        for (mode, owner) in [(0o600, 1000), (0o400, 0), (0o640, 0), (0o440, 0)] {
            assert!(is_private(mode, owner), "{mode:o} of {owner}");
        }
        for (mode, owner) in [
            (0o640, 1000),
            (0o660, 0),
            (0o644, 0),
            (0o604, 1000),
            (0o650, 0),
        ] {
            assert!(!is_private(mode, owner), "{mode:o} of {owner}");
        }
    }
}
