//! Output for GitHub Actions besides the log: annotations at the lines of a definition, and a summary in Markdown.
//!
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::{env, fs::OpenOptions, io::Write};

use super::{
    Style, eprint,
    plan::{PlanParts, RenderOptions},
    printer::{break_hash_commands, plain, write_workflow_command},
    value::AddressNames,
};
use crate::{
    core::printable_line,
    engine::plan::{Change, Plan},
};

/// Limit of a step's summary is 1 MiB; this leaves some room.
const MAX_SUMMARY_BYTES: usize = 900 * 1024;
/// Number of lines above which a plan is folded.
const FOLD_ABOVE_LINES: usize = 40;

/// Writes an error as an annotation, at a line of a file if there is one. Does nothing outside GitHub Actions.
pub fn annotate_error(file: Option<&str>, line: Option<usize>, message: &str) {
    if !is_github_actions() {
        return;
    }
    let file = file.map(|file| format!("file={}", escape_property(file)));
    let place: Vec<String> = file.into_iter().chain(line.map(|line| format!("line={line}"))).collect();
    let place = if place.is_empty() { String::new() } else { format!(" {}", place.join(",")) };
    write_workflow_command(&format!("::error{place}::{}", escape_data(message)));
}

/// Adds a plan to the summary.
pub fn summarize_plan(plan: &Plan) {
    if !is_github_actions() {
        return;
    }
    let text = super::plan::render(plan, RenderOptions::default());
    let summary = plan.summary();
    let counts = match plan.describe() {
        _ if !plan.obstacles.is_empty() => "Blocked".to_owned(),
        counts if counts.is_empty() => "No changes".to_owned(),
        counts => counts,
    };
    let text = match text.lines().count() {
        FOLD_ABOVE_LINES.. => folded(&super::plan::render_parts(plan)),
        _ => code_block(&text),
    };
    let title = escape_markdown(&format!("{} ({})", plan.stack, plan.environment));
    let head = format!("### Plan for {title}\n\n**{counts}; {} unchanged.**", summary.unchanged);
    let cost = plan.costs.as_ref().map(|costs| format!("{}\n\n", escape_markdown(&super::cost::headline(costs)))).unwrap_or_default();
    append_to_summary(&format!("{head}\n\n{cost}{}{text}\n", risk_list(&plan.changes, &AddressNames::from_plan(plan))));
}

/// A plan with its sections folded, each under its counts.
fn folded(parts: &PlanParts) -> String {
    let mut room = MAX_SUMMARY_BYTES;
    let mut text = String::new();
    for (heading, section) in &parts.sections {
        let block = if section.len() < room { code_block(section) } else { "See the log.".to_owned() };
        room = room.saturating_sub(block.len());
        // Within HTML, only these characters have a meaning.
        let heading = printable_line(heading).replace('&', "&amp;").replace('<', "&lt;");
        text += &format!("<details><summary>{heading}</summary>\n\n{block}\n\n</details>\n\n");
    }
    // The first line is the title, which is the heading.
    let head: Vec<&str> = parts.head.lines().skip(1).collect();
    let head = if head.is_empty() { String::new() } else { format!("{}\n\n", code_block(&head.join("\n"))) };
    format!("{head}{text}{}", code_block(parts.tail.trim()))
}

/// Lists the risky values; the list stays visible above a folded plan.
fn risk_list(changes: &[Change], names: &AddressNames) -> String {
    let of = |change: &Change| {
        let risks = super::plan::risks(change, names).into_iter();
        let line = |(value, why): (String, &str)| {
            format!("- {} {} ({})\n", code_span(&change.address.to_string()), code_span(&value), escape_markdown(why))
        };
        risks.map(line).collect::<Vec<_>>()
    };
    let lines: String = changes.iter().flat_map(of).collect();
    if lines.is_empty() { lines } else { format!("Risky:\n\n{lines}\n") }
}

/// Adds the outcome of a run to the summary.
pub fn summarize_outcome(command: &str, text: &str) {
    if !is_github_actions() {
        return;
    }
    append_to_summary(&format!("### Outcome of {command}\n\n{}\n", code_block(text)));
}

fn is_github_actions() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn append_to_summary(markdown: &str) {
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    let added = OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| writeln!(file, "{markdown}"));
    if let Err(error) = added {
        eprint(&format!("{} can't write the step summary: {error}", Style::Changed.paint("warning:")));
    }
}

/// Fenced block of plain text, with a fence that does not occur in the text.
fn code_block(text: &str) -> String {
    let mut text = plain(text);
    if text.len() > MAX_SUMMARY_BYTES {
        text.truncate(text.floor_char_boundary(MAX_SUMMARY_BYTES));
        text += "\n… see the log for the rest";
    }
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

/// Text as code within a line.
fn code_span(text: &str) -> String {
    let text = printable_line(text);
    let mut fence = "`".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    // One space at each end is not shown; without it, a backquote at an end would be part of the fence.
    let gap = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{gap}{text}{gap}{fence}")
}

/// Text without meaning in Markdown: links, images, HTML, mentions.
fn escape_markdown(text: &str) -> String {
    let escaped = |c: char| if c.is_ascii_punctuation() && !"(),;'-".contains(c) { format!("\\{c}") } else { c.to_string() };
    printable_line(text).chars().map(escaped).collect()
}

/// Text of a command, on one line and without other commands: the log shows it once more.
fn escape_data(text: &str) -> String {
    break_hash_commands(&plain(text), "\\[").replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn escape_property(text: &str) -> String {
    escape_data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        core::{Address, LiveResource},
        engine::plan::{RiskyValue, diff_states},
    };

    #[test]
    fn code_contains_any_text() {
        assert_eq!(code_span("a"), "`a`");
        assert_eq!(code_span("a`b``c"), "```a`b``c```");
        assert_eq!(code_span("`a\n# b"), "`` `a\\n# b ``");
        assert_eq!(code_block("a\n```\n````\nb\u{1b}[2J"), "`````text\na\n```\n````\nb\\u{1b}[2J\n`````");
    }

    #[test]
    fn lists_risky_values() {
        let spec = json!({ "vpc": { "id": "vpc-1" }, "public_ip_on_launch": true });
        let live = LiveResource::ready("subnet", "subnet-1", spec);
        let risky = |reason: &str| RiskyValue { pointer: "/public_ip_on_launch".to_owned(), reason: reason.to_owned() };
        let mut changes = diff_states(&BTreeMap::new(), &BTreeMap::from([(Address::new("subnet", "a"), live)]));
        assert_eq!(risk_list(&changes, &AddressNames::of([])), "");
        changes[0].fields[0].risks = vec![risky("anyone can reach it")];
        assert_eq!(
            risk_list(&changes, &AddressNames::of([])),
            "Risky:\n\n- `subnet.a` `public_ip_on_launch true` (anyone can reach it)\n\n"
        );
        changes[0].fields[0].risks = vec![risky("see <img src=x> [here](https://example.com), @all")];
        let markdown = risk_list(&changes, &AddressNames::of([]));
        assert!(markdown.contains(r"(see \<img src\=x\> \[here\](https\:\/\/example\.com), \@all)"), "{markdown}");
    }
}
