//! Mistakes in definitions: each is reported once, where it is, with its cause and not with its consequences.

use std::path::Path;

use serde_json::Value;

use crate::{
    acme::{Acme, CommandOutput, write_file},
    composition::{assert_problems, folder, problems, write},
};

/// Problems of a definition of one file.
#[track_caller]
fn problems_of(text: &str) -> String {
    let folder = folder(&[("stack.yaml", text)]);
    problems(folder.path(), &[])
}

/// Asserts that a definition has exactly one problem, with each of these texts.
#[track_caller]
fn assert_single(files: &[(&str, &str)], expected: &[&str]) {
    let folder = folder(files);
    let found = problems(folder.path(), &[]);
    for text in expected {
        assert!(found.contains(text), "`{text}` is missing:\n{found}");
    }
    assert_eq!(found.matches("error[").count(), 2, "the problem, and the message about the definition:\n{found}");
}

fn json(done: &CommandOutput) -> Value {
    serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("no JSON ({error}):\n{}", done.combined_output()))
}

#[test]
fn a_problem_in_json_names_the_file_that_has_it() {
    let folder = folder(&[
        ("stack.yaml", "stack: shop\ninclude: [more.yaml, { module: modules/mail }]\n"),
        ("more.yaml", "queues:\n  orders: { visibilty: 3 }\n"),
        ("modules/mail/module.yaml", "queues:\n  jobs:\n    delay: 3\n"),
    ]);
    let done = Acme::without_cloud().run("validate", &folder.path().join("stack.yaml"), &["-o", "json"]);
    let document = json(&done);
    let place = |problem: &Value| {
        let file = problem["file"].as_str().and_then(|file| Path::new(file).file_name()?.to_str());
        (file.unwrap_or_default().to_owned(), problem["line"].as_u64(), problem["column"].as_u64())
    };
    let places: Vec<_> = document["problems"].as_array().expect("problems").iter().map(place).collect();
    assert_eq!(places, [("more.yaml".to_owned(), Some(2), Some(13)), ("module.yaml".to_owned(), Some(3), Some(5))]);
    assert_eq!(place(&document["error"]).0, "more.yaml");
}

#[test]
fn a_limit_that_is_not_checked_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", "stack: shop\nregion: eu-west-1\nkeys: { files: {} }\n");
    let plan = acme.run("plan", &stack, &["--max-monthly", "1"]).assert_success();
    let unchecked = "the limit of 1.00 a month was not checked";
    assert!(plan.stdout.contains("Cost: not known") && plan.stdout.contains(unchecked), "{}", plan.stdout);
    assert!(!plan.stdout.contains("NoPrices"), "{}", plan.stdout);
    let plan = json(&acme.run("plan", &stack, &["--max-monthly", "1", "-o", "json"]).assert_success());
    for amount in ["before", "monthly", "change"] {
        assert_eq!(plan["cost"][amount], Value::Null, "{amount}");
    }
    let quiet = acme.run("apply", &stack, &["--max-monthly", "1", "--yes", "-q"]).assert_success();
    assert!(quiet.stderr.contains("warning:") && quiet.stderr.contains(unchecked), "{}", quiet.combined_output());
    let refused = acme.run("plan", &stack, &["--max-monthly", "-5"]);
    assert!(refused.code == 2 && refused.stderr.contains("not below 0"), "{}", refused.stderr);
}

#[test]
fn a_stack_that_is_free_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: eu-west-1\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let plan = acme.run("plan", &stack, &["--max-monthly", "1"]).assert_success();
    assert!(plan.stdout.contains("Cost: 0.00 USD a month (+0.00)"), "{}", plan.stdout);
    assert!(!plan.stderr.contains("warning:"), "{}", plan.stderr);
    let plan = json(&acme.run("plan", &stack, &["--cost", "-o", "json"]).assert_success());
    assert_eq!(plan["cost"]["monthly"], 0.0);
}

#[test]
fn existing_resources_need_a_property() {
    let text = |tags: &str| {
        format!("stack: shop\nvalues: {{ e: {{}} }}\nexisting: {{ vpc: {{ main: {{ tags: {tags} }} }} }}\nresources: {{ subnet: {{ a: {{ vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }} }} }}\n")
    };
    for tags in ["{}", "'{{ e }}'"] {
        assert_single(&[("stack.yaml", &text(tags))], &["`tags` of `vpc.main` is empty", "error[existing]", "stack.yaml:3"]);
    }
    let found = problems_of("stack: shop\nexisting: { vpc: { z: { name: '' } } }\n");
    assert!(found.contains("`name` of `vpc.z` must be text, not an empty text"), "{found}");
}

#[test]
fn files_of_values_of_no_environment_are_a_warning() {
    let folder = folder(&[
        ("stack.yaml", "stack: shop\nvalues: { size: 1 }\nenvironments: { staging: {}, production: {} }\n"),
        ("values/prodction.yaml", "size: 2\n"),
        ("values/sandbox.yaml", "other: 2\n"),
    ]);
    let acme = Acme::without_cloud();
    let stack = folder.path().join("stack.yaml");
    let done = acme.run("validate", &stack, &[]).assert_success();
    assert!(done.stderr.contains("prodction.yaml` has no effect") && done.stderr.contains("did you mean `production`?"), "{}", done.stderr);
    assert!(!done.stderr.contains("sandbox"), "{}", done.stderr);
    write(folder.path(), &[("other.yaml", "stack: other\nenvironments: { prodction: {} }\n")]);
    let done = acme.run("validate", &stack, &[]).assert_success();
    assert!(!done.stderr.contains("warning"), "another stack has this environment: {}", done.stderr);
}

#[test]
fn a_value_of_the_resource_itself_is_an_error() {
    let text = "stack: shop\nresources:\n  parameter:\n    p: { value: '{{ parameter.p.id }}' }\n";
    assert_single(&[("stack.yaml", text)], &["stack.yaml:4:17", "`value` of `parameter.p` refers to itself"]);
}

#[test]
fn problems_of_a_comparison_name_the_environment() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = "stack: shop\nenvironments: { production: { size: a }, staging: { size: 1 }, test: { size: 2 } }\n\
                resources: { log_group: { web: { retention_days: '{{ size }}' } } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let acme = Acme::without_cloud();
    let run = |more: &[&str]| {
        let done = acme.run("plan", &stack, more);
        assert_eq!(done.code, 1, "{}", done.combined_output());
        done
    };
    let found = run(&["--env", "staging", "--diff", "production"]);
    assert!(found.stderr.contains("in the environment `production`"), "{}", found.stderr);
    let found = json(&run(&["--env", "staging", "--diff", "production", "-o", "json"]));
    assert_eq!(found["problems"][0]["notes"][0], "in the environment `production`", "{found:#}");
    for more in [&["--env", "staging", "--diff", "nope"][..], &["--diff", "staging"]] {
        let found = json(&run(&[more, &["-o", "json"]].concat()));
        let problems = found["problems"].as_array().expect("problems");
        assert!(problems.len() == 1 && problems[0]["code"] == "environment", "{found:#}");
    }
    let done = acme.run("plan", &stack, &["--env", "staging", "--diff", "test", "-o", "terraform"]);
    assert!(done.code == 2 && done.stderr.contains("--diff") && done.stderr.contains("terraform"), "{}", done.combined_output());
}

#[test]
fn usage_of_an_undeclared_resource_is_not_ignored() {
    let stack = |environments: &str| {
        format!("stack: shop\nregion: eu-west-1\n{environments}usage: {{ kms_key.zz: {{ requests: 5 }} }}\nkeys: {{ files: {{}} }}\n")
    };
    let expected = ["stack.yaml:3:10", "there is no resource `kms_key.zz`", "names of type `kms_key`: files"];
    assert_single(&[("stack.yaml", &stack(""))], &expected);
    // Another environment may have it.
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", &stack("environments: { a: {}, b: {} }\n"));
    let plan = acme.run("plan", &stack, &["--env", "a", "--cost"]).assert_success();
    assert!(plan.stdout.contains("`usage` of `kms_key.zz` has no effect"), "{}", plan.stdout);
}
