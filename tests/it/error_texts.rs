//! Texts of errors say what is wrong in words for people, where it is, and what to do.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{
    acme::{CommandOutput, binary, write_file},
    standin::with_test_credentials,
};

const TEXT: &str =
    "stack: shop\nregion: us-east-1\nenvironments: { staging: {}, production: {} }\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";

fn run_in(folder: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> CommandOutput {
    let mut command = with_test_credentials(Command::new(binary()));
    command.current_dir(folder).args(arguments).env("NO_COLOR", "1").env("XDG_STATE_HOME", folder.join("state"));
    for variable in ["ACME_ENV", "ACME_BACKEND", "ACME_LOCAL_FAULT", "GITHUB_ACTIONS", "CI"] {
        command.env_remove(variable);
    }
    CommandOutput::from_output(command.envs(variables.iter().copied()).output().expect("acme runs"))
}

fn validate(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", text);
    let done = run_in(folder.path(), &[], &["validate"]);
    assert_eq!(done.code, 1, "{text}: {}", done.combined_output());
    done.stderr
}

#[test]
fn empty_variables_are_as_good_as_none() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    let empty = ["ACME_ENV", "ACME_BACKEND", "ACME_KUBE_PROXY_URL", "ACME_LOG", "ACME_LOG_PATH"].map(|name| (name, ""));
    let planned = run_in(folder.path(), &empty, &["plan", "--local", "--env", "staging"]).assert_success();
    assert!(planned.stdout.contains("vpc.main"), "{}", planned.stdout);
    assert!(run_in(folder.path(), &empty, &["validate"]).assert_success().stderr.contains("environment production"));
}

#[test]
fn an_error_of_a_variable_names_it() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    let unknown = run_in(folder.path(), &[("ACME_ENV", "prod")], &["validate"]);
    assert!(unknown.stderr.contains("there is no environment `prod`, which `ACME_ENV` names"), "{}", unknown.stderr);
    let option = run_in(folder.path(), &[("ACME_ENV", "staging")], &["validate", "--env", "prod"]);
    assert!(option.stderr.contains("there is no environment `prod`\n"), "{}", option.stderr);
    let invalid = run_in(folder.path(), &[("ACME_ENV", "A_B")], &["validate"]);
    assert!(invalid.code == 2 && invalid.stderr.contains("invalid value 'A_B' for 'ACME_ENV'"), "{}", invalid.stderr);
    let option = run_in(folder.path(), &[("ACME_ENV", "A_B")], &["validate", "--env", "A_B"]);
    assert!(option.stderr.contains("invalid value 'A_B' for '--env <NAME>'"), "{}", option.stderr);
}

#[test]
fn numbers_of_options_say_what_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    for value in ["0", "x", "-1"] {
        for arguments in [["apply", "--parallelism", value], ["rehearse", "--jobs", value]] {
            let refused = run_in(folder.path(), &[], &arguments);
            assert!(refused.code == 2 && refused.stderr.contains("use a number from 1 on"), "{arguments:?}: {}", refused.stderr);
        }
    }
    let refused = run_in(folder.path(), &[], &["apply", "--lock-timeout", "1m"]);
    assert!(refused.stderr.contains("use a whole number, without a unit"), "{}", refused.stderr);
}

#[test]
fn yaml_that_can_not_be_read_is_explained_in_our_words() {
    let aliases = (1..9).map(|level| format!("x-{level}: &l{level} [{}]\n", vec![format!("*l{}", level - 1); 9].join(", ")));
    let bomb = format!("stack: shop\nx-0: &l0 [a]\n{}", aliases.collect::<String>());
    for (text, message, help) in [
        ("stack: shop\n---\nstack: other\n", "a definition is one YAML document", "remove `---`, or split the file"),
        ("stack: shop\nnetwork: { zones: {{ zones }} }\n", "an expression has no quotes", "put the expression in quotes"),
        ("stack: shop\n? [a, b]\n: c\n", "the key of a map must be text", "write `key: value`"),
        (bomb.as_str(), "the aliases (`*name`) expand to more than 100000 values", "use fewer aliases"),
    ] {
        let shown = validate(text);
        assert!(shown.contains(message) && shown.contains(help), "{text}: {shown}");
        for foreign in ["from_str_multiple", "scalar", "replayed"] {
            assert!(!shown.contains(foreign), "{shown}");
        }
    }
}

#[test]
fn a_file_that_is_no_definition_has_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("binary.yaml"), [0xff_u8, 0xfe, 0, 1]).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let mut cases = vec![("binary.yaml", "it is not text in UTF-8"), ("folder", "it is a folder"), ("none.yaml", "there is no such file")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("loop.yaml", folder.path().join("loop.yaml")).unwrap();
        cases.push(("loop.yaml", "its symbolic link leads back to itself"));
    }
    for (file, reason) in cases {
        let done = run_in(folder.path(), &[], &["plan", file, "--local", "-o", "json"]);
        let error: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.combined_output()));
        assert_eq!(error["error"]["code"], "file", "{error}");
        assert!(error["error"]["message"].as_str().unwrap().ends_with(reason) && error["error"]["help"].is_string(), "{error}");
    }
}

#[test]
fn the_error_of_every_command_has_a_remedy_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", &TEXT.replace("environments: { staging: {}, production: {} }\n", ""));
    write_file(folder.path(), "wrong.yaml", TEXT);
    for (arguments, code, help) in [
        (&["drift", "--local"][..], "not-applied", "create it with `acme apply acme.yaml --local=.acme`"),
        (&["outputs", "--local"], "not-applied", "create it with `acme apply"),
        (&["rollback", "--local", "--yes"], "nothing-to-undo", "run `acme history acme.yaml --local=.acme` to list its runs"),
        (&["history", "7", "--local"], "no-revision", "run `acme history"),
        (&["plan", "--local", "--region", "us-east-2"], "pinned-region", "change `region:` or remove `--region`"),
        (&["plan", "wrong.yaml", "--env", "prod", "--local"], "invalid-definition", "did you mean `production`?"),
        (&["kubeconfig", "--local"], "simulated-cluster", "run `acme explain simulated-cluster` for details"),
        (&["rollback", "--local", "--to", "x"], "", ""),
    ] {
        let done = run_in(folder.path(), &[], &[arguments, &["-o", "json"]].concat());
        if code.is_empty() {
            assert_eq!(done.code, 2);
            continue;
        }
        let error: Value = serde_json::from_str(&done.stdout).unwrap_or_else(|error| panic!("{error}: {}", done.combined_output()));
        assert_eq!(error["error"]["code"], code, "{error}");
        assert!(error["error"]["help"].as_str().is_some_and(|shown| shown.starts_with(help)), "{error}");
    }
}

#[test]
fn an_invalid_definition_names_the_code_to_explain() {
    let shown = validate("stack: shop\nregion: eu-west-1\nresources: { vpc: { main: { cidr: 10.0.0.0/8 } } }\n");
    assert!(shown.contains("the definition has 1 problem: run `acme explain invalid` for details\n"), "{shown}");
    let shown = validate("stack: shop\nregion: eu-west-1\nqueus: {}\nresources: { vpc: { main: { cidr: 10.0.0.0/8 } } }\n");
    assert!(shown.contains("2 problems: run `acme explain unknown-section` for details on the first\n"), "{shown}");
}

#[test]
fn a_value_of_a_wrong_type_says_what_to_write() {
    for (resource, message, help) in [
        ("s3_bucket: { a: { versioning: maybe } }", "expected true or false", "write `true` or `false`"),
        ("s3_bucket: { a: { name: [shop-a] } }", "expected text, not a list", "write it without brackets: shop-a"),
        ("s3_bucket: { a: { name: { a: b } } }", "expected text, not a map", "write one text, not `field: value` pairs"),
        ("sqs_queue: { a: { visibility_timeout_seconds: -1 } }", "expected a whole number from 0 to 4294967295, not -1", "help: "),
        (
            "sqs_queue: { a: { visibility_timeout_seconds: 99999999999 } }",
            "expected a whole number from 0 to 4294967295, not 99999999999",
            "help: ",
        ),
        ("sqs_queue: { a: { policy: x } }", "expected a policy document: a map with `Statement`", "help: "),
        ("vpc: { main: { cidr: 10.0.0.0/8 } }", "must be between /16 and /28, not /8", "for example `10.0.0.0/16`"),
        ("eks_cluster: { main: { role: a, subnets: { a: b } } }", "expected a list, not a map", "write a list"),
        ("target_group: { a: { port: 80, protocol: http } }", "`http` is not a valid value", "did you mean `HTTP`?"),
        (
            "eks_node_group: { a: { cluster: { id: a }, role: { arn: 'arn:aws:iam::123456789012:role/a' }, subnets: [{ id: subnet-1 }], min: 5, max: 2 } }",
            "must be at least `min: 5`",
            "raise `max`, or lower `min`",
        ),
        (
            "security_group: { a: { ingress: [{ protocol: http, port: 80, cidr: 0.0.0.0/0 }] } }",
            "the protocol `http` has no ports",
            "HTTP, HTTPS and SSH use `tcp`",
        ),
        ("iam_role: { a: { trust: { services: ec2.amazonaws.com } } }", "expected a list of services", "help: "),
    ] {
        let shown = validate(&format!("stack: shop\nregion: eu-west-1\nresources: {{ {resource} }}\n"));
        assert!(shown.contains(message) && shown.contains(help), "{resource}: {shown}");
        assert!(!shown.contains("a policy has no key") && !shown.contains("u32"), "{resource}: {shown}");
    }
}

/// The dump of a request of the SDK, and passwords of proxies, are nothing for people.
#[test]
fn addresses_that_can_not_be_reached_are_named_without_dumps() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    let endpoint = run_in(folder.path(), &[], &["plan", "--env", "staging", "--endpoint-url", "nonsense"]);
    assert!(endpoint.stderr.contains("`nonsense` is not a valid endpoint") && !endpoint.stderr.contains("SdkBody"), "{}", endpoint.stderr);
    let proxy = run_in(folder.path(), &[("HTTPS_PROXY", "http://ann:PLANTED@127.0.0.1:1")], &["plan", "--env", "staging", "-v"]);
    assert!(proxy.stderr.contains("the proxy 127.0.0.1:1: Connection refused"), "{}", proxy.stderr);
    assert!(!proxy.stderr.contains("PLANTED") && !proxy.stderr.contains("tunnel"), "{}", proxy.stderr);
}

/// One cause, one message.
#[test]
fn parts_of_a_network_do_not_repeat_its_problem() {
    for range in ["10.0.0.0/8", "10.0.0.0/29"] {
        let shown = validate(&format!("stack: shop\nregion: eu-west-1\nnetwork: {{ cidr: {range}, zone: 2 }}\n"));
        assert!(shown.contains("the network has no field `zone`") && shown.contains("`cidr` of `vpc.main`"), "{shown}");
        assert!(shown.contains("the definition has 2 problems"), "{shown}");
    }
}

#[test]
fn nothing_is_said_twice() {
    let folder = tempfile::tempdir().unwrap();
    write_file(folder.path(), "acme.yaml", TEXT);
    let destroyed = run_in(folder.path(), &[], &["destroy", "--local", "--env", "staging", "--yes"]).assert_success();
    assert!(destroyed.combined_output().contains("No changes: nothing of the stack exists."), "{}", destroyed.combined_output());
    assert!(!destroyed.stderr.contains("Done:"), "{}", destroyed.stderr);
    fs::write(folder.path().join("empty.yaml"), "").unwrap();
    let formatted = run_in(folder.path(), &[], &["fmt", "empty.yaml"]).assert_success();
    assert_eq!((formatted.stderr.as_str(), fs::read(folder.path().join("empty.yaml")).unwrap().len()), ("", 0));
}

#[test]
fn unknown_codes_are_listed_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let unknown = run_in(folder.path(), &[], &["explain", "qqqqqqqqqqqqqqqqqqqqqqq"]);
    let listed = unknown.stderr.split("help: codes: ").nth(1).unwrap_or_else(|| panic!("{}", unknown.stderr));
    let names: Vec<String> = listed.split(", ").filter(|name| !name.starts_with("and ")).map(str::to_lowercase).collect();
    assert!(names.len() == 10 && names.is_sorted(), "{names:?}");
    let none = run_in(folder.path(), &[], &["explain", ""]);
    assert!(none.code == 1 && none.stderr.contains("no code is given"), "{}", none.stderr);
}
