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
    assert_eq!(found.matches("error[").count(), 1, "{found}");
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
        format!(
            "stack: shop\nvalues: {{ e: {{}} }}\nexisting: {{ vpc: {{ main: {{ tags: {tags} }} }} }}\nresources: {{ subnet: {{ a: {{ vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }} }} }}\n"
        )
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

const MODULE: &str = "\
inputs:
  retention: { type: number, description: Days }
values: { days: '{{ inputs.retention }}' }
logs: { worker: { retention_days: '{{ days }}' } }
queues: { jobs: { delay_seconds: '{{ inputs.retention }}' } }
outputs:
  queue_url: { value: '{{ queues.jobs.id }}', description: URL of the queue }
  days: { value: '{{ days }}', description: Days }
";

/// Mistakes with the one problem of each: the place, and a part of the message.
#[test]
fn a_problem_hides_its_consequences() {
    let uses = "resources: { parameter: { a: { value: '{{ modules.mail.days }}' } } }\n";
    let typed = format!("stack: shop\ninclude:\n  - {{ module: mail, inputs: {{ retention: many }} }}\n{uses}");
    assert_single(&[("stack.yaml", &typed), ("mail/module.yaml", MODULE)], &["stack.yaml:3:42", "must be of the type `number`"]);
    let mistyped = format!("stack: shop\ninclude:\n  - {{ module: mail, inputs: {{ retenton: 3 }} }}\n{uses}");
    assert_single(&[("stack.yaml", &mistyped), ("mail/module.yaml", MODULE)], &["no input `retenton`", "did you mean `retention`?"]);
    assert_single(&[("stack.yaml", &typed)], &["there is no file `", "mail/module.yaml`"]);
    let missing = "stack: shop\ninclude: [none.yaml]\nresources:\n  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a } }\n  \
                   parameter: { a: { value: '{{ size }}' } }\n";
    assert_single(&[("stack.yaml", missing)], &["there is no file `", "none.yaml`"]);
    let subnet = "resources: { subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a } } }\noutputs: { id: '{{ existing.main.id }}' }\n";
    for (existing, expected) in [
        ("exsting: { vpc: { main: { name: shared } } }", "there is no section `exsting`"),
        ("existing: { vcp: { main: { name: shared } } }", "there is no resource type `vcp`"),
        ("existing: { vpc: { main: { tgas: { Name: shared } } } }", "there is no key `tgas` here"),
    ] {
        assert_single(&[("stack.yaml", &format!("stack: shop\n{existing}\n{subnet}"))], &["stack.yaml:2:", expected]);
    }
    let values = "stack: shop\nvalues: { size: 3, other: '{{ size }}' }\nenvironments: { production: {} }\n\
                  logs: { web: { retention_days: '{{ size }}' }, db: { retention_days: '{{ other }}' } }\n";
    assert_single(&[("stack.yaml", values), ("values/production.yaml", "size: '{{ nothing }}'\n")], &["values/production.yaml:1:7"]);
    let loops = "stack: shop\nqueues: { jobs: { for_each: '{{ nothing }}' } }\noutputs: { a: '{{ queues.jobs-1.id }}' }\n";
    assert_single(&[("stack.yaml", loops)], &["stack.yaml:2:29", "`nothing` is not defined"]);
}

#[test]
fn a_missing_existing_resource_is_the_only_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "stack: shop\nregion: eu-west-1\nexisting: { subnet: { private: { tags: { tier: none }, all: true } } }\n\
                resources: { rds_subnet_group: { main: { subnets: [private], description: Orders } } }\n";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let found = json(&acme.run("plan", &stack, &["-o", "json"]));
    let problems = found["problems"].as_array().expect("problems");
    assert!(
        problems.len() == 1 && problems[0]["message"].as_str().is_some_and(|text| text.contains("there is no subnet with")),
        "{found:#}"
    );
}

#[test]
fn suggestions_are_names_of_the_place() {
    let stack = |value: &str| {
        format!(
            "stack: shop\nvalues: {{ ports: {{ http: 80, https: 443 }} }}\ninclude: [{{ module: mail, inputs: {{ retention: 3 }} }}]\n\
                 queues: {{ a: {{ delay_seconds: {value} }}, b: {{ for_each: [x], delay_seconds: \"{{{{ each.value | length }}}}\" }} }}\n"
        )
    };
    for (value, expected) in [
        ("'{{ modules.mail.queue_ur }}'", "did you mean `queue_url`?"),
        ("'{{ modules.mial.queue_url }}'", "did you mean `mail`?"),
        ("'{{ modules.other.queue_url }}'", "modules: mail"),
        ("'{{ ports.htp }}'", "did you mean `http`?"),
        ("'{{ ports.ssh }}'", "keys of `ports`: http, https"),
        ("-5", "expected a whole number from 0 to 4294967295, not -5"),
        ("[]", "not a list"),
    ] {
        assert_problems(&[("stack.yaml", &stack(value)), ("mail/module.yaml", MODULE)], &[expected]);
    }
    let each = "stack: shop\nqueues: { a: { for_each: [x], description: '{{ each.kye }}' } }\n";
    assert!(problems_of(each).contains("did you mean `key`?"));
    assert!(problems_of("stack: shop\nqueues: { a: { when: 'yes' } }\n").contains("write `true` or `false`"));
    let module = MODULE.replace("inputs.retention }}' }\nlogs", "inputs.retenton }}' }\nlogs");
    assert_problems(&[("stack.yaml", &stack("1")), ("mail/module.yaml", &module)], &["did you mean `retention`?"]);
    let moved = problems_of("stack: shop\nqueues: { a: {} }\nmoved: { sqs_quee.orders: sqs_queue.a }\n");
    assert!(moved.contains("stack.yaml:3:10") && moved.contains("did you mean `sqs_queue`?"), "{moved}");
}

#[test]
fn problems_of_includes_are_at_their_keys() {
    let module = ("web/module.yaml", "queues: {}\n");
    for (entry, place) in [
        ("{ module: web, input: {} }", "stack.yaml:3:20"),
        ("{ module: web, checksum: 3 }", "stack.yaml:3:30"),
        ("{ module: web, as: 'a b' }", "stack.yaml:3:24"),
        ("{ module: none, as: web }", "stack.yaml:3:15"),
    ] {
        assert_single(&[("stack.yaml", &format!("stack: shop\ninclude:\n  - {entry}\n")), module], &[place]);
    }
    let stack = "stack: shop\nvalues: { zones: 2 }\n";
    let folder = folder(&[("stack.yaml", stack)]);
    let found = problems(folder.path(), &["--set", "zons=5"]);
    assert!(found.contains("did you mean `zones`?") && !found.contains("  |"), "{found}");
    let found = problems_of("stack: shop\nqueues: { a: { delay_seconds: \"{{ 'a' * 2 }}\" } }\n");
    assert!(found.contains("found text"), "{found}");
}

#[test]
fn errors_of_git_are_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let checksum = format!("sha256:{}", "0".repeat(64));
    let text = format!("stack: shop\ninclude: [{{ module: 'git::file:///none/modules.git//web?ref=v1', checksum: '{checksum}' }}]\n");
    let stack = write_file(folder.path(), "stack.yaml", &text);
    let cache = folder.path().join("cache").display().to_string();
    let done = Acme::without_cloud().run_with_env(&[("XDG_CACHE_HOME", &cache)], "validate", &stack, &[]);
    let line = done.stderr.lines().find(|line| line.contains("can't fetch")).unwrap_or_default();
    assert!(done.code == 1 && line.contains("does not appear to be a git repository"), "{}", done.stderr);
    assert!(line.contains("and the repository exists") && !line.contains("fatal:"), "{line}");
}

#[test]
fn a_stale_plan_names_the_changed_file_or_stack() {
    let folder = folder(&[
        ("network.yaml", "stack: network\nregion: eu-west-1\nqueues: { a: {} }\noutputs: { text: one }\n"),
        (
            "stack.yaml",
            "stack: shop\nregion: eu-west-1\ninclude: [more.yaml]\nstacks: { network: {} }\n\
             resources: { parameter: { text: { value: '{{ stacks.network.text }}' } } }\n",
        ),
        ("more.yaml", "queues: { orders: {} }\n"),
    ]);
    let acme = Acme::local(&folder.path().join("cloud"));
    let (network, stack, plan) = (folder.path().join("network.yaml"), folder.path().join("stack.yaml"), folder.path().join("one.acmeplan"));
    acme.apply(&network);
    let out = plan.display().to_string();
    acme.run("plan", &stack, &["--out", &out]).assert_success();
    let refused = || {
        let done = acme.run("apply", &plan, &["--yes"]);
        assert_eq!(done.code, 1, "{}", done.combined_output());
        done.stderr
    };
    write(folder.path(), &[("more.yaml", "queues: { bills: {} }\n")]);
    let found = refused();
    assert!(found.contains("more.yaml` has changed") && !found.contains("stack.yaml` has changed"), "{found}");
    write(folder.path(), &[("more.yaml", "queues: { orders: {} }\n")]);
    write(folder.path(), &[("network.yaml", "stack: network\nregion: eu-west-1\nqueues: { a: {}, b: {} }\noutputs: { text: two }\n")]);
    acme.apply(&network);
    let found = refused();
    assert!(
        found.contains("another stack has changed") && found.contains("the stack network (default) is at revision 2, it was at 1"),
        "{found}"
    );
}
