//! Output of `--stats`: calls by service and action.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use crate::aws::CallCount;

/// Renders a table of calls, the most frequent first, and the total.
pub fn render(counts: &BTreeMap<(String, String), CallCount>, took: Duration) -> String {
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by_key(|(name, count)| (std::cmp::Reverse(count.calls), *name));
    let (calls, retries) = counts.values().fold((0, 0), |(c, r), count| (c + count.calls, r + count.retries));
    let mut out = String::new();
    for ((service, action), count) in rows {
        let again = if count.retries > 0 { format!(" ({} retries)", count.retries) } else { String::new() };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:>6}  {service} {action}{again}", count.calls);
    }
    let _ = write!(out, "{calls:>6}  calls in total, {retries} of them retries, in {:.1} s", took.as_secs_f64());
    out
}
