//! Sets of completion indexes as Jobs write them, `1,3-5,7`, and what pods say about their index.

use std::fmt;

use crate::pod::Pod;

/// The index of a pod, as annotation and as label.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often the index of a pod failed before it.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How often it failed before without that being counted.
pub(super) const IGNORED_FAILURES: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// Indexes as intervals, both ends included, in order and not touching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i32, i32)>);

impl Indexes {
    /// Reads a list; what is no number, and indexes from `completions` on, are left out.
    pub(super) fn parse(text: &str, completions: i32) -> Self {
        let mut all = Self::default();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (Ok(first), Ok(last)) = (first.parse::<i32>(), last.parse::<i32>()) else { continue };
            if first >= completions {
                break;
            }
            all.append((first, last.min(completions - 1)));
        }
        all
    }

    /// Adds an interval that does not begin before the last one.
    fn append(&mut self, interval: (i32, i32)) {
        match self.0.last_mut() {
            Some(last) if interval.0 <= last.1.saturating_add(1) => last.1 = last.1.max(interval.1),
            _ => self.0.push(interval),
        }
    }

    /// Both together.
    pub(super) fn merged(&self, other: &Self) -> Self {
        let mut intervals: Vec<(i32, i32)> = self.0.iter().chain(&other.0).copied().collect();
        intervals.sort_unstable();
        let mut all = Self::default();
        intervals.into_iter().for_each(|interval| all.append(interval));
        all
    }

    /// How many indexes.
    pub(super) fn total(&self) -> i32 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// Whether an index is among them.
    pub(super) fn has(&self, index: i32) -> bool {
        let at = self.0.partition_point(|(_, last)| *last < index);
        self.0.get(at).is_some_and(|(first, _)| *first <= index)
    }

    /// How many of these are in `other` too.
    pub(super) fn shared_with(&self, other: &Self) -> i32 {
        let mut count = 0;
        for (first, last) in &self.0 {
            let from = other.0.partition_point(|(_, end)| end < first);
            let overlapping = other.0[from..].iter().take_while(|(start, _)| start <= last);
            count += overlapping.map(|(start, end)| last.min(end) - first.max(start) + 1).sum::<i32>();
        }
        count
    }

    /// The first `count` indexes below `completions` that are not among them.
    pub(super) fn first_missing(&self, count: usize, completions: i32) -> Vec<i32> {
        let mut missing = Vec::new();
        let mut candidate = 0;
        for (first, last) in self.0.iter().copied().chain([(completions, completions)]) {
            while candidate < first.min(completions) && missing.len() < count {
                missing.push(candidate);
                candidate += 1;
            }
            candidate = candidate.max(last.saturating_add(1));
        }
        missing
    }
}

impl FromIterator<i32> for Indexes {
    fn from_iter<T: IntoIterator<Item = i32>>(indexes: T) -> Self {
        let mut sorted: Vec<i32> = indexes.into_iter().collect();
        sorted.sort_unstable();
        let mut all = Self::default();
        sorted.into_iter().for_each(|index| all.append((index, index)));
        all
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

fn number(pod: &Pod, annotation: &str) -> Option<i32> {
    pod.meta.annotations.get(annotation)?.parse().ok().filter(|number| *number >= 0)
}

/// The completion index of a pod; `None` when it has none that makes sense.
pub(super) fn index_of(pod: &Pod) -> Option<i32> {
    number(pod, INDEX)
}

/// How often the index of this pod failed before it: counted, and not counted.
pub(super) fn failures_before(pod: &Pod) -> (i32, i32) {
    (number(pod, FAILURES).unwrap_or_default(), number(pod, IGNORED_FAILURES).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written() {
        // (text, completions) → canonical text, total
        let cases = [
            ("", 10, "", 0),
            ("0", 10, "0", 1),
            ("0,1", 10, "0,1", 2),
            ("0,1,2", 10, "0-2", 3),
            ("1,3-5,7", 10, "1,3-5,7", 5),
            ("1,3-5,7", 5, "1,3,4", 3),
            ("1-9", 4, "1-3", 3),
            ("5", 5, "", 0),
            ("x,2,3-y,4", 10, "2,4", 2),
            ("2147483647", i32::MAX, "", 0),
            ("0-3,4", 10, "0-4", 5),
        ];
        for (text, completions, want, total) in cases {
            let indexes = Indexes::parse(text, completions);
            assert_eq!((indexes.to_string().as_str(), indexes.total()), (want, total), "{text} {completions}");
        }
    }

    #[test]
    fn sets_are_joined_and_asked() {
        let one = Indexes::parse("1,4-6,9", 20);
        let other: Indexes = [7, 2, 0, 5, 2].into_iter().collect();
        assert_eq!(other.to_string(), "0,2,5,7");
        assert_eq!(one.merged(&other).to_string(), "0-2,4-7,9");
        let has: Vec<i32> = (0..11).filter(|index| one.has(*index)).collect();
        assert_eq!(has, [1, 4, 5, 6, 9]);
        assert_eq!((one.shared_with(&other), other.shared_with(&one)), (1, 1));
        assert_eq!(one.shared_with(&Indexes::parse("0-20", 30)), 5);
        assert_eq!(Indexes::default().shared_with(&one), 0);
    }

    #[test]
    fn missing_indexes_come_in_order() {
        let cases: [(&str, usize, i32, &[i32]); 7] = [
            ("", 2, 5, &[0, 1]),
            ("0-1", 2, 5, &[2, 3]),
            ("1,3", 9, 5, &[0, 2, 4]),
            ("0-4", 9, 5, &[]),
            ("", 0, 5, &[]),
            ("3-9", 9, 20, &[0, 1, 2, 10, 11, 12, 13, 14, 15]),
            ("", 3, 2, &[0, 1]),
        ];
        for (held, count, completions, want) in cases {
            assert_eq!(Indexes::parse(held, 100).first_missing(count, completions), want, "{held} {count}");
        }
    }
}
