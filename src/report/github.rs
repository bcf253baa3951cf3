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
/// Most bytes of a plan. A comment of a pull request, which repeats the summary, has at most 65,536 characters.
const MAX_PLAN_BYTES: usize = 60_000;
/// Most bytes of the list of risky values: the plan below it must show, too.
const MAX_RISKS_BYTES: usize = 15_000;
/// Most bytes of what is above, and of what is below the sections of a folded plan.
const MAX_AROUND_BYTES: usize = 10_000;
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
    let title = escape_markdown(&format!("{} ({})", plan.stack, plan.environment));
    let head = format!("### Plan for {title}\n\n**{counts}; {} unchanged.**", summary.unchanged);
    let cost = plan.costs.as_ref().map(|costs| format!("{}\n\n", escape_markdown(&super::cost::headline(costs)))).unwrap_or_default();
    let above = format!("{head}\n\n{cost}{}", risk_list(&plan.changes, &AddressNames::from_plan(plan)));
    let room = MAX_PLAN_BYTES.saturating_sub(above.len());
    let text = match text.lines().count() {
        FOLD_ABOVE_LINES.. => folded(&super::plan::render_parts(plan), room),
        _ => code_block_within(&text, room),
    };
    append_to_summary(&format!("{above}{text}\n"));
}

/// A plan with its sections folded, each under its counts, in about `room` bytes. It says how much is left out.
fn folded(parts: &PlanParts, room: usize) -> String {
    // The first line is the title, which is the heading.
    let head: Vec<&str> = parts.head.lines().skip(1).collect();
    let head = if head.is_empty() { String::new() } else { format!("{}\n\n", code_block_within(&head.join("\n"), MAX_AROUND_BYTES)) };
    let tail = code_block_within(parts.tail.trim(), MAX_AROUND_BYTES);
    // Within HTML, only these characters have a meaning.
    let heading = |text: &str| printable_line(text).replace('&', "&amp;").replace('<', "&lt;");
    let summary = |text: &str| format!("<details><summary>{}</summary>\n\n", heading(text));
    let end = "\n\n</details>\n\n";
    let around: usize = parts.sections.iter().map(|(heading, _)| summary(heading).len() + end.len()).sum();
    let mut room = room.saturating_sub(head.len() + tail.len() + around);
    let mut text = String::new();
    for (position, (heading, section)) in parts.sections.iter().enumerate() {
        // Each section may take what the ones before it left of their shares.
        let block = code_block_within(section, room / (parts.sections.len() - position));
        room = room.saturating_sub(block.len());
        text += &format!("{}{block}{end}", summary(heading));
    }
    format!("{head}{text}{tail}")
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
    let lines: Vec<String> = changes.iter().flat_map(of).collect();
    if lines.is_empty() {
        return String::new();
    }
    let mut length = 0;
    let shown: String = lines
        .iter()
        .take_while(|line| {
            length += line.len();
            length <= MAX_RISKS_BYTES
        })
        .map(String::as_str)
        .collect();
    let more = match lines.len() - shown.lines().count() {
        0 => String::new(),
        more => format!("- … and {more} more: see the log of this step\n"),
    };
    format!("Risky:\n\n{shown}{more}\n")
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
    code_block_within(text, MAX_SUMMARY_BYTES)
}

/// Same, with the first lines of a text that does not fit into `room` bytes, and the number of the others.
fn code_block_within(text: &str, room: usize) -> String {
    let mut text = plain(text).trim_end().to_owned();
    if text.len() + BLOCK_BYTES > room {
        let kept = text.floor_char_boundary(room.saturating_sub(BLOCK_BYTES + LEFT_OUT_BYTES));
        // A cut line would look like a whole one.
        let kept = text.get(..kept).and_then(|kept| kept.rfind('\n')).map_or(0, |end| end + 1);
        let left_out = text.get(kept..).unwrap_or_default().lines().count();
        text.truncate(kept);
        text += &format!("… {left_out} more {}: see the log of this step", if left_out == 1 { "line" } else { "lines" });
    }
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{text}\n{fence}")
}

/// Bytes of the fences of a block.
const BLOCK_BYTES: usize = "```text\n\n```".len();
/// Most bytes of the line that says how many are left out.
const LEFT_OUT_BYTES: usize = 120;

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
    fn a_block_that_is_too_long_ends_with_the_number_of_missing_lines() {
        let lines: String = (0..100).map(|number| format!("line {number} é\n")).collect();
        assert!(code_block_within(&lines, 10_000).ends_with("line 99 é\n```"));
        for room in [0, 1, 130, 200, 500, 1000] {
            let block = code_block_within(&lines, room);
            assert!(block.len() <= room.max(BLOCK_BYTES + LEFT_OUT_BYTES), "{room}: {}", block.len());
            let kept = block.lines().filter(|line| line.starts_with("line ")).count();
            assert!(block.contains(&format!("\n… {} more lines: see the log of this step", 100 - kept)), "{room}: {block}");
        }
    }

    #[test]
    fn a_folded_plan_fits_into_a_comment_and_shows_all_its_sections() {
        let section = |name: &str, lines: usize| (format!("{name}: {lines} to create"), "+ aws_resource.some\n".repeat(lines));
        let sections = vec![section("network", 10_000), section("compute", 20), section("data", 10_000)];
        let parts = PlanParts { sections, head: "title\nNote: one".to_owned(), tail: "Plan: 20020 to create.".to_owned() };
        let text = folded(&parts, 50_000);
        assert!(text.len() <= 50_000 && text.len() > 45_000, "{}", text.len());
        for part in ["<summary>network: 10000 to create", "<summary>data: 10000 to create", "Note: one", "Plan: 20020 to create.\n```"] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(text.matches("more lines: see the log of this step").count(), 2);
        assert_eq!(text.matches("<details>").count(), text.matches("</details>").count());
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
        changes[0].fields[0].risks = vec![risky("anyone can reach it"); 400];
        let markdown = risk_list(&changes, &AddressNames::of([]));
        let shown = markdown.matches("anyone can reach it").count();
        assert!(markdown.len() < MAX_RISKS_BYTES + 100 && shown > 100 && shown < 400, "{}", markdown.len());
        assert!(markdown.ends_with(&format!("- … and {} more: see the log of this step\n\n", 400 - shown)), "{markdown}");
        changes[0].fields[0].risks = vec![risky("see <img src=x> [here](https://example.com), @all")];
        let markdown = risk_list(&changes, &AddressNames::of([]));
        assert!(markdown.contains(r"(see \<img src\=x\> \[here\](https\:\/\/example\.com), \@all)"), "{markdown}");
    }
}
