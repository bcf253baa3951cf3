//! Runs and what became of a stack, as text.

use std::time::Duration;

use super::{Names, Style, duration, plan, time};
use crate::engine::{
    history::{Entry, Failed, Told},
    journal::{Action, Outcome},
    plan::{Change, Summary},
};

/// A table of runs, of at most 80 columns. What is unfinished carries a `!`.
pub fn list(entries: &[(u64, Option<Entry>)]) -> String {
    let rows: Vec<Row> = entries.iter().map(|(number, entry)| Row::of(*number, entry.as_ref())).collect();
    let widest = |column: fn(&Row) -> &str| rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0);
    let rest = [widest(|r| &r.number), widest(|r| &r.when), widest(|r| &r.command), widest(|r| r.outcome), widest(|r| &r.counts)];
    let took = widest(|r| &r.took);
    // The mark and the gaps take 14.
    let who = widest(|r| &r.who).min(80_usize.saturating_sub(14 + took + rest.iter().sum::<usize>()).max(4));
    let [number, when, command, outcome, counts] = rest;
    let line = |row: &Row| {
        let mark = Style::Changed.of(if row.unfinished { "!" } else { " " });
        let (word, gap) = (row.style.of(row.outcome), outcome - row.outcome.len());
        let (who_ran, before) = (shortened(&row.who, who), format!("{:>number$}  {:when$}", row.number, row.when));
        let after = format!("{:gap$}  {:counts$}  {:>took$}", "", row.counts, row.took);
        format!("{mark} {before}  {who_ran:who$}  {:command$}  {word}{}\n", row.command, after.trim_end())
    };
    rows.iter().map(line).collect()
}

struct Row {
    unfinished: bool,
    number: String,
    when: String,
    who: String,
    command: String,
    outcome: &'static str,
    style: Style,
    counts: String,
    took: String,
}

impl Row {
    fn of(number: u64, entry: Option<&Entry>) -> Row {
        let (outcome, style) = entry.map_or(("unreadable", Style::Removed), outcome);
        Row {
            unfinished: entry.is_some_and(|entry| entry.unfinished),
            number: number.to_string(),
            when: entry.map(|entry| time::local(entry.began)).unwrap_or_default(),
            who: entry.map(|entry| entry.begin.actor.clone()).unwrap_or_default(),
            command: entry.map(|entry| entry.begin.command.clone()).unwrap_or_default(),
            outcome,
            style,
            counts: entry.map(counts).unwrap_or_default(),
            took: entry.and_then(took).unwrap_or_default(),
        }
    }
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

fn outcome(entry: &Entry) -> (&'static str, Style) {
    match entry.outcome {
        Some(Outcome::Done) => ("done", Style::Added),
        Some(Outcome::RolledBack) => ("rolled back", Style::Changed),
        Some(Outcome::Kept) => ("kept", Style::Changed),
        Some(Outcome::Stuck) => ("stuck", Style::Removed),
        None => ("no end", Style::Removed),
    }
}

fn counts(entry: &Entry) -> String {
    let counts = [("+", entry.counts.create), ("~", entry.counts.update), ("-", entry.counts.delete)];
    let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(sign, n)| format!("{sign}{n}")).collect();
    counts.join(" ")
}

fn took(entry: &Entry) -> Option<String> {
    Some(duration(Duration::from_millis(entry.ended?.saturating_sub(entry.began))))
}

/// One run with all it did.
pub fn one(told: &Told) -> String {
    let entry = &told.entry;
    let begin = &entry.begin;
    let title =
        format!("Revision {} of {} ({}) in {}, account {}", begin.revision, begin.stack, begin.environment, begin.region, begin.account);
    let took = took(entry).map(|took| format!(", took {took}")).unwrap_or_default();
    let (word, style) = outcome(entry);
    let left = if entry.unfinished { ", unfinished" } else { "" };
    let mut facts = vec![
        ("When", format!("{}{took}", time::local(entry.began))),
        ("Who", begin.actor.clone()),
        ("Command", begin.command.clone()),
        ("Outcome", format!("{}{left}", style.of(word))),
    ];
    facts.extend(begin.continues.map(|earlier| ("Goes on", format!("from revision {earlier}"))));
    facts.push(("Commit", begin.commit.clone().unwrap_or_else(|| "none".to_owned())));
    facts.push(("Definition", begin.definition.clone()));
    let mut out = format!("{}\n", Style::Heading.of(title));
    for (name, value) in facts {
        out.push_str(&format!("  {name:<10}  {value}\n"));
    }
    let names = Names::of(told.done.iter().chain(&told.undone).filter_map(|change| Some((&change.address, change.before.as_ref()?))));
    if !told.done.is_empty() {
        out.push_str(&format!("\n{}", plan::changes(&told.done, &names)));
    }
    if let Some(why) = &told.why {
        out.push_str(&format!("\n{} {why}\n{}", Style::Changed.of("Rolled back:"), plan::changes(&told.undone, &names)));
    }
    if !told.failed.is_empty() {
        out.push('\n');
    }
    for failed in &told.failed {
        out.push_str(&failure(failed));
    }
    if let Some(damage) = &told.damage {
        out.push_str(&format!("\n{} {damage}\n", Style::Changed.of("Warning:")));
    }
    out
}

fn failure(failed: &Failed) -> String {
    let doing = match failed.action {
        Action::Create => "creating",
        Action::Update => "changing",
        Action::Tag => "tagging",
        Action::Delete => "deleting",
        Action::Forget => "giving up",
    };
    match &failed.code {
        Some(code) => format!("{} {doing} {}: {code}\n", Style::Removed.of("Failed:"), failed.address),
        None => format!("{} {doing} {}\n", Style::Removed.of("No answer:"), failed.address),
    }
}

/// What lies between two states of a stack, and how much that is. `none` says that there is nothing.
pub fn difference(title: &str, changes: &[Change], names: &Names, none: &str) -> String {
    let mut out = format!("{}\n{}\n", Style::Heading.of(title), plan::changes(changes, names));
    let summary = Summary::of(changes);
    let counts = [("new", summary.create), ("changed", summary.update), ("made anew", summary.replace), ("gone", summary.delete)];
    let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    out.push_str(&if counts.is_empty() { format!("{none}\n") } else { format!("{}.\n", counts.join(", ")) });
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{
        history::Counts,
        journal::{Begin, FORMAT},
    };

    #[test]
    fn a_list_is_at_most_80_columns_wide() {
        let begin = Begin {
            format: FORMAT.to_owned(),
            revision: 12_345,
            continues: None,
            stack: "shop".to_owned(),
            environment: "production".to_owned(),
            region: "eu-west-1".to_owned(),
            account: "123456789012".to_owned(),
            command: "rollback".to_owned(),
            actor: format!("{}@example.com", "a".repeat(60)),
            commit: None,
            definition: String::new(),
        };
        let counts = Counts { create: 120, update: 34, delete: 56 };
        let entry = Entry { begin, began: 0, ended: Some(4_000_000), outcome: Some(Outcome::RolledBack), counts, unfinished: true };
        let short = Entry { outcome: None, ended: None, counts: Counts::default(), ..entry.clone() };
        let text = anstream::adapter::strip_str(&list(&[(12_345, Some(entry)), (12_344, Some(short)), (1, None)])).to_string();
        assert!(text.lines().all(|line| line.chars().count() <= 80 && line == line.trim_end()), "{text}");
        assert!(text.contains("a…  rollback  rolled back  +120 ~34 -56  1 h 06 min\n"), "{text}");
    }
}
