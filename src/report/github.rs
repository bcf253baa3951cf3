//! What GitHub Actions shows beside the log: annotations at the lines of a definition, and a summary in Markdown.
//!
//! <https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions>

use std::{env, fs::OpenOptions, io::Write};

use anstream::adapter::strip_str;

use super::{Style, plan::Show, talk, value::Names};
use crate::engine::plan::{Change, Plan};

/// A summary has room for 1 MiB from each step.
const ROOM: usize = 900 * 1024;
/// Plans of more lines are folded.
const LONG: usize = 40;

/// An error as an annotation, at a line of a file or at none. Nothing elsewhere than in GitHub Actions.
pub fn error(file: Option<&str>, line: Option<usize>, message: &str) {
    if !is_here() {
        return;
    }
    let file = file.map(|file| format!("file={}", property(file)));
    let place: Vec<String> = file.into_iter().chain(line.map(|line| format!("line={line}"))).collect();
    let place = if place.is_empty() { String::new() } else { format!(" {}", place.join(",")) };
    talk(&format!("::error{place}::{}", data(&strip_str(message).to_string())));
}

/// Adds a plan to the summary.
pub fn plan(plan: &Plan) {
    if !is_here() {
        return;
    }
    let text = super::plan::render(plan, Show::default());
    let summary = plan.summary();
    let counts = [("create", summary.create), ("change", summary.update), ("replace", summary.replace), ("delete", summary.delete)];
    let counts: Vec<String> = counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} to {word}")).collect();
    let counts = match plan.obstacles.len() {
        0 if counts.is_empty() => "Nothing to do".to_owned(),
        0 => counts.join(", "),
        _ => "Blocked".to_owned(),
    };
    let text = fenced(&text);
    let text = match text.lines().count() {
        LONG.. => format!("<details><summary>The whole plan</summary>\n\n{text}\n\n</details>"),
        _ => text,
    };
    let head = format!("### Plan of {} ({})\n\n**{counts}; {} unchanged.**", plan.stack, plan.environment, summary.unchanged);
    add(&format!("{head}\n\n{}{text}\n", risks(&plan.changes, &Names::of_plan(plan))));
}

/// The risky values as a list, which stays visible above a folded plan.
fn risks(changes: &[Change], names: &Names) -> String {
    let of = |change: &Change| {
        let risks = super::plan::risks(change, names).into_iter();
        risks.map(|(value, why)| format!("- `{}` {value} ({why})\n", change.address)).collect::<Vec<_>>()
    };
    let lines: String = changes.iter().flat_map(of).collect();
    if lines.is_empty() { lines } else { format!("Risky:\n\n{lines}\n") }
}

/// Adds how a run ended to the summary.
pub fn outcome(command: &str, said: &str) {
    if !is_here() {
        return;
    }
    add(&format!("### Outcome of {command}\n\n{}\n", fenced(said)));
}

fn is_here() -> bool {
    env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

fn add(markdown: &str) {
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    let added = OpenOptions::new().create(true).append(true).open(path).and_then(|mut file| writeln!(file, "{markdown}"));
    if let Err(error) = added {
        talk(&format!("{} the summary of this step can't be written: {error}", Style::Changed.of("warning:")));
    }
}

/// A block of plain text that nothing in it can end.
fn fenced(text: &str) -> String {
    let mut text = strip_str(text).to_string();
    if text.len() > ROOM {
        text.truncate(text.floor_char_boundary(ROOM));
        text += "\n… the rest stands in the log";
    }
    let mut fence = "```".to_owned();
    while text.contains(&fence) {
        fence.push('`');
    }
    format!("{fence}text\n{}\n{fence}", text.trim_end())
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::{
        core::{Address, Live, Phase, Tags},
        engine::plan::difference,
    };

    #[test]
    fn risky_values_are_a_list() {
        let spec = json!({ "vpc": { "id": "vpc-1" }, "public_ip_on_launch": true });
        let (tags, outputs) = (Tags::new(), json!({}));
        let live = Live { kind: "subnet".into(), id: "subnet-1".into(), tags, phase: Phase::Ready, spec, outputs, version: None };
        let mut changes = difference(&BTreeMap::new(), &BTreeMap::from([(Address::new("subnet", "a"), live)]));
        assert_eq!(risks(&changes, &Names::of([])), "");
        changes[0].fields[0].risk = Some("anyone can reach it");
        assert_eq!(risks(&changes, &Names::of([])), "Risky:\n\n- `subnet.a` public_ip_on_launch true (anyone can reach it)\n\n");
    }
}
