//! Graphs as Mermaid, DOT, JSON, and as a self-contained HTML page.

use std::{collections::BTreeMap, fmt::Write};

use serde_json::{Map, Value, json};

use super::{format_duration, printer};
use crate::{
    core::{printable, printable_line},
    engine::{
        graph::{Edge, Graph, Node},
        plan::Action,
    },
};

/// Renders Mermaid, which Markdown viewers draw.
pub fn mermaid(graph: &Graph) -> String {
    let mut out = format!("---\ntitle: {}\n---\nflowchart LR\n", mermaid_title(&graph_title(graph)));
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (number, node) in graph.nodes.iter().enumerate() {
        let label: Vec<String> = node_label(node).iter().map(|line| mermaid_text(line)).collect();
        push_line(&mut out, &format!("  n{number}[\"{}\"]", label.join("<br/>")));
        for class in [action_class(node), node.critical.then_some("critical")].into_iter().flatten() {
            classes.entry(class).or_default().push(format!("n{number}"));
        }
    }
    let mut critical = Vec::new();
    for (number, edge) in visible_edges(graph).enumerate() {
        let arrow = if edge.deferred { "-.->" } else { "-->" };
        push_line(&mut out, &format!("  n{} {arrow} n{}", edge.dependency, edge.dependent));
        critical.extend(edge.critical.then(|| number.to_string()));
    }
    for (class, nodes) in classes {
        let style = match class {
            "critical" => "stroke:#b45309,stroke-width:3px".to_owned(),
            other => format!("fill:{}", fill_color(other)),
        };
        push_line(&mut out, &format!("  classDef {class} {style}\n  class {} {class}", nodes.join(",")));
    }
    if !critical.is_empty() {
        push_line(&mut out, &format!("  linkStyle {} stroke:#b45309,stroke-width:3px", critical.join(",")));
    }
    out
}

/// Renders DOT for Graphviz.
pub fn dot(graph: &Graph) -> String {
    let quoted = |text: &str| format!("\"{}\"", dot_text(text));
    let mut out = format!(
        "digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", fontname=\"sans-serif\"];\n",
        quoted(&graph_title(graph))
    );
    for node in &graph.nodes {
        // A line break is a backslash and an n in DOT.
        let label = node_label(node).iter().map(|line| dot_text(line)).collect::<Vec<_>>().join("\\n");
        let mut look = format!("label=\"{label}\"");
        if let Some(class) = action_class(node) {
            let _ = write!(look, ", fillcolor=\"{}\"", fill_color(class));
        }
        if node.critical {
            look.push_str(", color=\"#b45309\", penwidth=3");
        }
        push_line(&mut out, &format!("  {} [{look}];", quoted(&node.address)));
    }
    for edge in visible_edges(graph) {
        let look = match (edge.critical, edge.deferred) {
            (true, _) => " [color=\"#b45309\", penwidth=3]",
            (false, true) => " [style=dashed]",
            (false, false) => "",
        };
        push_line(
            &mut out,
            &format!("  {} -> {}{look};", quoted(&graph.nodes[edge.dependency].address), quoted(&graph.nodes[edge.dependent].address)),
        );
    }
    out.push_str("}\n");
    out
}

/// Document in the format `acme-graph/2`.
pub fn json(graph: &Graph) -> Value {
    let mut whole = json!(graph);
    if let Some(map) = whole.as_object_mut() {
        map.insert("format".into(), "acme-graph/2".into());
    }
    whole
}

/// Renders a self-contained page: no network, no library.
pub fn html(graph: &Graph) -> String {
    page(graph, &graph_title(graph), &Assets { policy: "", style: &[STYLE], script: &[LAYOUT, DRAWING, PANEL] })
}

/// Renders the page that `graph --serve` shows, which gets its state as events.
pub fn live_page(graph: &Graph) -> String {
    let place = if printer::is_simulated() { ", simulated cloud" } else { "" };
    let title = format!("{} ({}){place}", graph.stack, graph.environment);
    let script = [&[LAYOUT, DRAWING, PANEL][..], &LIVE_SCRIPTS].concat();
    page(graph, &title, &Assets { policy: "; connect-src 'self'", style: &[STYLE, include_str!("graph/live.css")], script: &script })
}

/// Data of an event of that page.
pub fn live_event(value: &Value) -> String {
    printable_value(value).to_string()
}

const STYLE: &str = include_str!("graph/style.css");
const LAYOUT: &str = include_str!("graph/layout.js");
const DRAWING: &str = include_str!("graph/drawing.js");
const PANEL: &str = include_str!("graph/panel.js");
/// Scripts of the page that follows a stack, in one module with the others. The last one subscribes to the events.
const LIVE_SCRIPTS: [&str; 6] = [
    include_str!("graph/live.js"),
    include_str!("graph/plan.js"),
    include_str!("graph/costs.js"),
    include_str!("graph/run.js"),
    include_str!("graph/history.js"),
    include_str!("graph/events.js"),
];

/// Parts of a page, which are all inline.
struct Assets<'a> {
    /// Directives of the content security policy in addition to those of every page.
    policy: &'a str,
    style: &'a [&'a str],
    script: &'a [&'a str],
}

/// The page with a title.
fn page(graph: &Graph, title: &str, assets: &Assets<'_>) -> String {
    // Inside a script element, only `</script` and `<!--` are special.
    let data = printable_value(&json!(graph)).to_string().replace('<', "\\u003c");
    let title = printable_line(title).replace('&', "&amp;").replace('<', "&lt;");
    // By parts, so that a value can't contain another placeholder.
    let mut page = String::new();
    for part in include_str!("graph/page.html").split("{{") {
        match part.split_once("}}") {
            Some(("TITLE", rest)) => page.extend([&title, rest]),
            Some(("DATA", rest)) => page.extend([&data, rest]),
            Some(("POLICY", rest)) => page.extend([assets.policy, rest]),
            Some(("STYLE", rest)) => page.extend(assets.style.iter().copied().chain([rest])),
            Some(("SCRIPT", rest)) => page.extend(assets.script.iter().copied().chain([rest])),
            _ => page.push_str(part),
        }
    }
    page
}

/// JSON with printable texts and keys.
fn printable_value(value: &Value) -> Value {
    match value {
        Value::String(text) => printable(text).into(),
        Value::Array(list) => list.iter().map(printable_value).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (printable_line(key).into_owned(), printable_value(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Text in a quoted label of Mermaid, where `#` begins an entity, and Markdown and HTML have a meaning.
fn mermaid_text(text: &str) -> String {
    let escaped = |c: char| match c {
        '"' => "#quot;".to_owned(),
        '#' | '&' | '<' | '>' | '`' | '*' | '\\' | '[' | ']' => format!("#{};", u32::from(c)),
        _ => c.to_string(),
    };
    printable_line(text).chars().map(escaped).collect()
}

/// Text as a YAML value of Mermaid's front matter.
fn mermaid_title(text: &str) -> String {
    let text = printable_line(text);
    if text.chars().all(|c| c.is_alphanumeric() || " (),._-".contains(c)) { text.into_owned() } else { json!(text).to_string() }
}

/// Text in a quoted string of DOT.
fn dot_text(text: &str) -> String {
    printable_line(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn graph_title(graph: &Graph) -> String {
    let time = match graph.estimated_seconds {
        0 => String::new(),
        seconds => format!(", estimated time {}", format_duration(std::time::Duration::from_secs(seconds))),
    };
    format!("{} ({}){time}", graph.stack, graph.environment)
}

/// Edges not implied by others, and the critical path.
fn visible_edges(graph: &Graph) -> impl Iterator<Item = &Edge> {
    graph.edges.iter().filter(|edge| !edge.implied || edge.critical)
}

fn node_label(node: &Node) -> Vec<String> {
    let id = node.id.as_deref().map(|id| id.rsplit('/').next().unwrap_or(id).to_owned());
    let count = node.resources.map(|count| if count == 1 { "1 resource".to_owned() } else { format!("{count} resources") });
    [Some(node.address.clone()), count, id, node.phase.clone()].into_iter().flatten().collect()
}

/// Planned action, if any.
fn action_class(node: &Node) -> Option<&'static str> {
    match node.action? {
        Action::None => None,
        Action::Create => Some("create"),
        Action::Update => Some("update"),
        Action::Replace => Some("replace"),
        Action::Delete => Some("delete"),
        Action::Forget => Some("forget"),
    }
}

fn fill_color(class: &str) -> &'static str {
    match class {
        "create" => "#bbf7d0",
        "update" => "#fef08a",
        "replace" => "#fed7aa",
        "delete" => "#fecaca",
        _ => "#e5e7eb",
    }
}

fn push_line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
