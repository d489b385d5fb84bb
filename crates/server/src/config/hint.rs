//! "Did you mean": the nearest of the names there are.

/// The name that differs least from `given`, where few letters differ.
pub(super) fn nearest<'a>(given: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Beyond a third of the letters it is another word, not a misspelt one.
    let limit = given.len() / 3 + 1;
    names.map(|name| (distance(given, name), name)).filter(|(far, _)| *far <= limit).min().map(|(_, name)| name)
}

/// Letters to add, drop or change (Levenshtein), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, other) in b.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let names = ["listen", "http.workers", "gate.flush_interval_ms"];
        assert_eq!(nearest("lisen", names.into_iter()), Some("listen"));
        assert_eq!(nearest("gate.flush_intervall_ms", names.into_iter()), Some("gate.flush_interval_ms"));
        assert_eq!(nearest("colour", names.into_iter()), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
