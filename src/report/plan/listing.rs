//! The changes of a plan in parts that a page can fold, with the words of the text.

use serde_json::{Value, json};

use super::{
    AddressNames, RenderOptions, UNDECLARED,
    change::{FIELD_INDENT, RenderContext, reason_with_region, write_details},
    sections_of, write_commit_point, write_head, write_partial, write_prerequisites,
};
use crate::engine::plan::{Change, Plan, Summary};

/// Lists the changes by section, each with its action, address, reason and details. `head` and `tail` concern all of them.
pub fn listing(plan: &Plan) -> Value {
    let (options, names) = (RenderOptions::default(), &AddressNames::from_plan(plan));
    let (mut head, mut tail, mut sections) = (String::new(), String::new(), Vec::new());
    // Writing to a string cannot fail.
    if let Ok(mut context) = write_head(&mut head, plan, options, names) {
        for (name, changes) in sections_of(plan, options).into_values() {
            context.in_undeclared_section = name == UNDECLARED;
            let entry = |change: &Change| {
                let mut details = String::new();
                let _ = write_details(&mut details, change, &context);
                let (address, action) = (&change.address, change.action);
                json!({ "address": address, "action": action, "reason": reason_with_region(change, &context), "details": outdented(&details, FIELD_INDENT) })
            };
            let changes_of_section: Vec<Value> = changes.iter().map(|change| entry(change)).collect();
            sections.push(json!({ "name": name, "counts": Summary::of_changes(&changes).describe(), "changes": changes_of_section }));
        }
    }
    let _ = write_partial(&mut tail, plan)
        .and_then(|()| write_prerequisites(&mut tail, plan))
        .and_then(|()| write_commit_point(&mut tail, plan));
    // The page has its own title.
    let head = head.split_once('\n').map_or("", |(_, rest)| rest);
    json!({ "head": outdented(head, 2), "sections": sections, "tail": outdented(&tail, 0) })
}

/// Details of each change, from any source.
pub fn details(changes: &[Change]) -> Vec<String> {
    let names = &AddressNames::of(changes.iter().filter_map(|change| Some((&change.address, change.before.as_ref()?))));
    let options = RenderOptions::default();
    let context = RenderContext { options, shared_tags: Vec::new(), in_undeclared_section: false, names, gates: &[] };
    let text = |change| {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = write_details(&mut text, change, &context);
        outdented(&text, FIELD_INDENT)
    };
    changes.iter().map(text).collect()
}

/// Text without styles, and without this many columns at the beginning of each line that has them.
fn outdented(text: &str, columns: usize) -> String {
    let plain = anstream::adapter::strip_str(text).to_string();
    let margin = " ".repeat(columns);
    plain.lines().map(|line| line.strip_prefix(&margin).unwrap_or(line)).collect::<Vec<_>>().join("\n")
}
