//! What somebody meant who mistyped a name.

/// The name at the smallest edit distance from `word`.
pub(crate) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are nobody's slip of the finger, and the distance takes time that grows with both lengths.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_ascii_lowercase().replace(['-', '.', ' '], "_");
    names.min_by_key(|name| distance(word.as_bytes(), name.as_bytes()))
}

/// Insertions, deletions and substitutions from one to the other (Wagner and Fischer, 1974), one row at a time.
fn distance(from: &[u8], to: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, byte) in from.iter().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(to) {
            let above = *cell;
            left = (left.min(above) + 1).min(diagonal + usize::from(byte != other));
            diagonal = above;
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance(b"", b""), 0);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"abc", b""), 3);
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"ttl", b"tll"), 1);
    }

    #[test]
    fn the_nearest_name_is_found_in_other_spellings_too() {
        let names = || ["ttl", "timeout", "max_connections", "db"].into_iter();
        assert_eq!(nearest("timout", names()), Some("timeout"));
        assert_eq!(nearest("MAX-CONNECTIONS", names()), Some("max_connections"));
        assert_eq!(nearest("tt", names()), Some("ttl"));
        assert_eq!(nearest(&"x".repeat(100_000), names()), None);
    }
}
