//! Results of `acme render`.

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::Style;
use crate::{
    core::printable_line,
    render::{
        folder::{Comparison, FileChange, KeptReason},
        is_header_line,
    },
};

/// Lines around each difference.
const CONTEXT: usize = 2;

/// The differences of all files, line by line.
pub fn diff(comparison: &Comparison) -> String {
    comparison.all_changes().map(diff_of_file).collect()
}

fn diff_of_file(change: &FileChange) -> String {
    let (word, style) = match (&change.before, &change.after) {
        (None, _) => ("+", Style::Added),
        (_, None) => ("-", Style::Removed),
        _ => ("~", Style::Changed),
    };
    let mut out = format!("{}\n", style.paint(format!("{word} {}", printable_line(&change.path))));
    let (Some(before), Some(after)) = (&change.before, &change.after) else { return out };
    push_line_changes(&mut out, before, after);
    out
}

/// The differences of two versions of a file, line by line.
pub fn diff_of_texts(path: &str, before: &str, after: &str) -> String {
    let mut out = format!("{}\n", Style::Changed.paint(format!("~ {}", printable_line(path))));
    push_line_changes(&mut out, before, after);
    out
}

fn push_line_changes(out: &mut String, before: &str, after: &str) {
    let diff = TextDiff::from_lines(before, after);
    for group in diff.grouped_ops(CONTEXT) {
        for line in group.iter().flat_map(|op| diff.iter_changes(op)).filter(|line| !is_header_line(line.value())) {
            let text = printable_line(line.value().trim_end());
            let line = match line.tag() {
                ChangeTag::Equal => format!("      {text}"),
                ChangeTag::Insert => format!("    {}", Style::Added.paint(format!("+ {text}"))),
                ChangeTag::Delete => format!("    {}", Style::Removed.paint(format!("- {text}"))),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }
}

/// Numbers of files, and the files that acme left alone.
pub fn summary(comparison: &Comparison, total: usize, is_check: bool) -> String {
    let count = |wanted: fn(&FileChange) -> bool| comparison.all_changes().filter(|change| wanted(change)).count();
    let created = count(|change| change.before.is_none());
    let deleted = count(|change| change.after.is_none());
    let changed = comparison.all_changes().count() - created - deleted;
    let mut out = match (comparison.all_changes().next().is_none(), is_check) {
        (true, _) => format!("{total} files, no changes."),
        (false, true) => format!("{total} files: {created} missing, {changed} out of date, {deleted} no longer rendered."),
        (false, false) => format!("{total} files: {created} created, {changed} changed, {deleted} deleted."),
    };
    for kept in &comparison.kept {
        let reason = match &kept.reason {
            KeptReason::OfPeople => "acme did not render it".to_owned(),
            KeptReason::Edited => {
                "it was edited; move the change into the definition and run `acme render --force`, or remove the header".to_owned()
            }
            KeptReason::OfStack(stack) => format!("it is rendered from the stack {}", printable_line(stack)),
        };
        out.push_str(&format!("\n{} {}: {reason}", Style::Changed.paint("left alone:"), printable_line(&kept.path)));
    }
    out
}

/// For programs.
pub fn json(comparison: &Comparison) -> Value {
    let paths = |wanted: fn(&FileChange) -> bool| -> Vec<&str> {
        comparison.all_changes().filter(|change| wanted(change)).map(|change| change.path.as_str()).collect()
    };
    let kept = comparison.kept.iter().map(|kept| {
        let reason = match kept.reason {
            KeptReason::OfPeople => "not_rendered",
            KeptReason::Edited => "edited",
            KeptReason::OfStack(_) => "other_stack",
        };
        json!({ "path": kept.path, "reason": reason })
    });
    json!({
        "format": "acme-render/1",
        "created": paths(|change| change.before.is_none()),
        "changed": paths(|change| change.before.is_some() && change.after.is_some()),
        "deleted": paths(|change| change.after.is_none()),
        "left_alone": kept.collect::<Vec<_>>(),
    })
}
