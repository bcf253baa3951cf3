//! Resources under another address: `moved:`, and what is recognized without it.

use std::path::{Path, PathBuf};

use acme::definition::{LoadOptions, Source, load};
use serde_json::Value;

use crate::acme::{Acme, Plan, write_file};

fn define(folder: &Path, text: &str) -> PathBuf {
    write_file(folder, "stack.yaml", &format!("stack: shop\nregion: eu-west-1\n{text}"))
}

/// Applies the first text, and plans the second one.
fn replan(before: &str, after: &str) -> (Plan, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    acme.apply(&define(folder.path(), before));
    let stack = define(folder.path(), after);
    let plan = acme.run("plan", &stack, &["-o", "json"]);
    (Plan(serde_json::from_str(&plan.stdout).expect("JSON")), acme.run("plan", &stack, &[]).combined_output())
}

fn moved_from<'a>(plan: &'a Plan, address: &str) -> &'a Value {
    let changes = plan.0["changes"].as_array().expect("a list");
    &changes.iter().find(|change| change["address"] == address).unwrap_or_else(|| panic!("{address}: {:#}", plan.0))["moved_from"]
}

/// Two resources with the same settings are two resources.
#[test]
fn equal_settings_are_no_reason_to_repurpose_data() {
    for (kind, fields) in [
        ("s3_bucket", "{}"),
        ("secret", "{}"),
        ("ecr_repository", "{}"),
        ("kms_key", "{}"),
        ("log_group", "{ retention_days: 7 }"),
        ("sqs_queue", "{}"),
    ] {
        let text = |name: &str| format!("resources: {{ {kind}: {{ {name}: {fields} }} }}\n");
        let (plan, shown) = replan(&text("archive"), &text("website"));
        assert_eq!(plan.changes(), [format!("create {kind}.website"), format!("delete {kind}.archive")], "{shown}");
        let remedy = format!("write `moved: {{ {kind}.archive: {kind}.website }}`");
        assert!(shown.contains(&remedy), "{shown}");
        let stated = format!("moved: {{ {kind}.archive: {kind}.website }}\n{}", text("website"));
        let (plan, shown) = replan(&text("archive"), &stated);
        assert_eq!(plan.changes(), [format!("update {kind}.website")], "{shown}");
        assert_eq!(
            *moved_from(&plan, &format!("{kind}.website")),
            serde_json::json!({ "address": format!("{kind}.archive"), "because": "declared" })
        );
        assert!(shown.contains(&format!("→ moved from {kind}.archive (under `moved`)")), "{shown}");
    }
}

#[test]
fn a_move_says_which_name_stays() {
    let (_, shown) = replan("queues: { a: {} }\n", "moved: { sqs_queue.a: sqs_queue.b }\nqueues: { b: {} }\n");
    assert!(shown.contains("→ moved from sqs_queue.a (under `moved`), keeps the name shop-a"), "{shown}");
}

#[test]
fn the_same_name_is_the_same_resource() {
    let (plan, shown) = replan("queues: { a: { name: jobs } }\n", "queues: { b: { name: jobs, delay_seconds: 5 } }\n");
    assert_eq!(plan.changes(), ["update sqs_queue.b"], "{shown}");
    assert_eq!(moved_from(&plan, "sqs_queue.b")["because"], "unique_key");
    assert!(shown.contains("→ moved from sqs_queue.a (same name)"), "{shown}");
}

#[test]
fn a_resource_without_data_and_name_is_recognized_by_its_fields() {
    let text = |name: &str| format!("resources: {{ vpc: {{ {name}: {{ cidr: 10.0.0.0/16 }} }} }}\n");
    let (plan, shown) = replan(&text("a"), &text("b"));
    assert_eq!(plan.changes(), ["update vpc.b"], "{shown}");
    assert_eq!(moved_from(&plan, "vpc.b")["because"], "equal_fields");
    assert!(shown.contains("→ moved from vpc.a (same fields)"), "{shown}");
}

#[test]
fn a_chain_leads_to_its_end() {
    let chain = "moved: { sqs_queue.a: sqs_queue.b, sqs_queue.b: sqs_queue.c }\nqueues: { c: {} }\n";
    for first in ["a", "b"] {
        let (plan, shown) = replan(&format!("queues: {{ {first}: {{}} }}\n"), chain);
        assert_eq!(plan.changes(), ["update sqs_queue.c"], "{shown}");
        assert_eq!(moved_from(&plan, "sqs_queue.c")["address"], format!("sqs_queue.{first}"));
    }
}

/// A typo would delete the resource and create an empty one.
#[test]
fn a_move_from_an_address_that_does_not_exist_blocks_the_plan() {
    let before = "queues: { orders: {} }\n";
    let (plan, shown) = replan(before, "moved: { sqs_queue.order: sqs_queue.purchases }\nqueues: { purchases: {} }\n");
    let obstacle = &plan.0["obstacles"][0];
    assert!(obstacle["code"] == "unmatched" && shown.contains("stack.yaml:3"), "{obstacle:#}");
    assert!(obstacle["help"].as_str().is_some_and(|help| help.starts_with("did you mean `sqs_queue.orders`?")), "{obstacle:#}");
    // A new environment has nothing to move.
    let (plan, _) = replan("keys: { main: {} }\n", "moved: { sqs_queue.a: sqs_queue.b }\nqueues: { b: {} }\nkeys: { main: {} }\n");
    assert_eq!((plan.0["obstacles"].as_array().map(Vec::len), plan.changes()), (Some(0), vec!["create sqs_queue.b".to_owned()]));
}

#[test]
fn mistakes_in_moved_are_shown_at_their_lines() {
    for (text, expected) in [
        (
            "moved:\n  sqs_queue.a: sqs_queue.c\n  sqs_queue.b: sqs_queue.c\nqueues: { c: {} }\n",
            vec![("ambiguous-move", 4), ("ambiguous-move", 5)],
        ),
        ("moved:\n  sqs_queue.a: sqs_queue.b\n  sqs_queue.b: sqs_queue.a\nqueues: { c: {} }\n", vec![("moved", 4), ("moved", 5)]),
        ("moved:\n  sqs_queue.a: sqs_queue.d\nqueues: { c: {} }\n", vec![("moved", 4)]),
        ("moved:\n  queues.a: queues.c\nqueues: { c: {} }\n", vec![("moved", 4)]),
        ("forget: [queues.a]\n", vec![("forget", 3)]),
        ("forget: [\"s3_bucket.*\"]\n", vec![("forget", 3)]),
        ("forget: [modules.mail]\n", vec![("forget", 3)]),
        ("moved: { sqs_queue.a: sqs_queue.c }\nforget: [sqs_queue.a]\nqueues: { c: {} }\n", vec![("forget", 4)]),
        ("logs: { web: { ignore_changes: { fields: [], reason: Nobody. } } }\n", vec![("ignore-changes", 3)]),
    ] {
        let source = Source::new("stack.yaml", format!("stack: shop\nregion: eu-west-1\n{text}"));
        let problems = load(&source, &LoadOptions::default()).err().unwrap_or_default();
        let found: Vec<(&str, usize)> =
            problems.iter().map(|problem| (&*problem.code, problem.line(&source).unwrap_or_default())).collect();
        assert_eq!(found, expected, "{text}{problems:?}");
    }
}

#[test]
fn an_entry_of_a_section_is_answered_with_its_address() {
    for (text, help) in [
        ("forget: [queues.buys]\n", "write `sqs_queue.buys`"),
        ("moved: { queues.buys: queues.orders }\nqueues: { orders: {} }\n", "write `sqs_queue.buys`"),
        ("moved: { sqs_queue.buys: sqs_queue.order }\nqueues: { orders: {} }\n", "did you mean `sqs_queue.orders`?"),
    ] {
        let source = Source::new("stack.yaml", format!("stack: shop\nregion: eu-west-1\n{text}"));
        let problems = load(&source, &LoadOptions::default()).err().unwrap_or_default();
        assert!(problems.iter().any(|problem| problem.help.as_deref() == Some(help)), "{text}{problems:?}");
    }
}

/// Many updates that are alike are one entry; the parts of a comment on GitHub have all.
#[test]
fn updates_that_are_alike_are_one_entry() {
    let text =
        |delay: u32| format!("queues:\n  jobs: {{ for_each: 30, delay_seconds: {delay} }}\n  mail: {{ delay_seconds: {} }}\n", delay + 1);
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    acme.apply(&define(folder.path(), &text(0)));
    let stack = define(folder.path(), &text(5));
    let short = acme.run("plan", &stack, &[]).assert_success().stdout;
    assert!(short.contains("~ 30 sqs_queue  in place, all alike; `--full` lists them"), "{short}");
    assert!(short.contains("sqs_queue.jobs-0 … sqs_queue.jobs-9\n      delay_seconds: 0 → 5\n"), "{short}");
    assert!(short.contains("~ sqs_queue.mail") && !short.contains("sqs_queue.jobs-17"), "{short}");
    let full = acme.run("plan", &stack, &["--full"]).assert_success().stdout;
    assert!(full.contains("~ sqs_queue.jobs-17") && !full.contains("all alike"), "{full}");
}
