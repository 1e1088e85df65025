// SPDX-License-Identifier: Apache-2.0
//! The known word that somebody probably meant.

/// The one of `known` nearest to `word`, when it is near enough to be worth a question: at most a third of the
/// letters wrong, letter case and neighbours swapped counting as one.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = word.chars().count().max(3).div_ceil(3);
    let ranked = known
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate));
    ranked
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap with their neighbour until one word is the other (optimal string
/// alignment); a different letter case of the whole word costs one.
fn distance(left: &str, right: &str) -> usize {
    if left.eq_ignore_ascii_case(right) {
        return usize::from(left != right);
    }
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let replaced = last[column] + usize::from(from != to);
            let mut cost = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            if row > 0 && column > 0 && *from == right[column - 1] && left[row - 1] == *to {
                cost = cost.min(before[column - 1] + 1);
            }
            current.push(cost);
        }
        before = std::mem::replace(&mut last, current);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant() {
        let known = [
            "journal-type",
            "journal-directory",
            "name",
            "page-size-bytes",
        ];
        assert_eq!(nearest("journal-typ", known), Some("journal-type"));
        assert_eq!(nearest("juornal-type", known), Some("journal-type"));
        assert_eq!(nearest("JOURNAL-TYPE", known), Some("journal-type"));
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("quite-different", known), None);
        assert_eq!(nearest("", []), None);
    }

    #[test]
    fn a_swap_of_neighbours_costs_one() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
