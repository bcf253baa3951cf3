//! A first definition with `acme new`.

use std::{collections::BTreeSet, path::Path, process::Command};

use serde_json::Value;

use crate::{
    acme::{Acme, CommandOutput, binary},
    standin,
};

fn run_new(folder: &Path, arguments: &[&str]) -> CommandOutput {
    let mut process = standin::with_test_credentials(Command::new(binary()));
    CommandOutput::from_output(process.arg("new").args(arguments).current_dir(folder).env("NO_COLOR", "1").output().expect("acme runs"))
}

fn assert_standard_layout(definition: &Path) {
    let text = std::fs::read_to_string(definition).expect("a definition");
    let formatted = acme::definition::formatted_text(&acme::definition::Source::new("acme.yaml", text.as_str()));
    assert_eq!(formatted.ok().as_deref(), Some(text.as_str()));
}

#[test]
fn every_template_part_can_be_planned() {
    let parts = ["network", "cluster", "database", "registry", "bucket", "secret", "dns", "load-balancer", "firewall"];
    for with in parts.map(str::to_owned).into_iter().chain([parts.join(",")]) {
        let folder = tempfile::tempdir().unwrap();
        run_new(folder.path(), &["shop", "--region", "eu-west-1", "--with", &with]).assert_success();
        let definition = folder.path().join("acme.yaml");
        assert_standard_layout(&definition);
        let acme = Acme::local(&folder.path().join("cloud"));
        for environment in ["staging", "production"] {
            let plan = acme.with_args(&["--env", environment]).plan(&definition);
            assert!(!plan.changes().is_empty(), "{with}: nothing to make");
        }
    }
}

/// URL for editors: a release publishes the schema under this name.
#[test]
fn first_line_names_the_schema_of_this_version() {
    let folder = tempfile::tempdir().unwrap();
    run_new(folder.path(), &["shop"]).assert_success();
    let text = std::fs::read_to_string(folder.path().join("acme.yaml")).unwrap();
    let (repository, version) = (env!("CARGO_PKG_REPOSITORY"), env!("CARGO_PKG_VERSION"));
    let schema = format!("# yaml-language-server: $schema={repository}/releases/download/v{version}/schema.json");
    assert_eq!(text.lines().next(), Some(schema.as_str()));
    let release = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml");
    let release = std::fs::read_to_string(release).unwrap();
    assert!(release.contains("docs/schema.json dist/") && release.contains("dist/*"), "{release}");
}

#[test]
fn writes_a_commented_definition() {
    let folder = tempfile::tempdir().unwrap();
    let done = run_new(folder.path(), &["--name", "shop", "--region", "eu-west-1", "--with", "database,dns", "--out", "first.yaml"])
        .assert_success();
    let text = std::fs::read_to_string(folder.path().join("first.yaml")).unwrap();
    insta::assert_snapshot!(format!("{}{}", done.stderr, text.replace(concat!("/v", env!("CARGO_PKG_VERSION"), "/"), "/vVERSION/")));
}

#[test]
fn refuses_to_overwrite_files_and_rejects_invalid_arguments() {
    let folder = tempfile::tempdir().unwrap();
    // Beside another definition, the file has the name of the stack.
    for file in ["acme.yaml", "shop.yaml"] {
        std::fs::write(folder.path().join(file), "mine").unwrap();
    }
    let outputs: Vec<String> = [
        run_new(folder.path(), &["shop"]),
        run_new(folder.path(), &["Shop"]),
        run_new(folder.path(), &["shop", "--region", "mars-1", "--out", "other.yaml"]),
        run_new(folder.path(), &[]),
    ]
    .into_iter()
    .map(|done| format!("$? = {}\n{}", done.code, done.stderr))
    .collect();
    insta::assert_snapshot!(outputs.join("\n"));
    for file in ["acme.yaml", "shop.yaml"] {
        assert_eq!(std::fs::read_to_string(folder.path().join(file)).unwrap(), "mine");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn starts_from_an_architecture_with_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let answers = ["shop", "--like", "gitops", "--region", "us-east-1", "--domain", "shop.example.org", "--size", "small"];
    let done = run_new(folder.path(), &answers).assert_success();
    let definition = folder.path().join("acme.yaml");
    assert_standard_layout(&definition);
    let text = std::fs::read_to_string(&definition).unwrap();
    let example = text.lines().position(|line| line.contains("git.example.com")).unwrap() + 1;
    assert!(done.stderr.contains(&format!("replace the names under example.com in these lines: {example}")), "{}", done.stderr);
    for part in [
        "stack: shop\n",
        "region: us-east-1\n",
        "  domain: shop.example.org\n",
        "acme plan   acme.yaml",
        "[t3.medium], capacity: ON_DEMAND",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    let acme = Acme::local(&folder.path().join("cloud"));
    for environment in ["staging", "production"] {
        let plan = acme.with_args(&["--env", environment]).plan(&definition);
        assert!(plan.changes().len() > 50, "{:?}", plan.changes());
    }
}

#[test]
fn an_architecture_without_sizes_has_no_other_ones() {
    let folder = tempfile::tempdir().unwrap();
    let done = run_new(folder.path(), &["shop", "--like", "microservices", "--size", "large"]);
    assert!(done.code != 0 && done.stderr.contains("omit `--size`"), "{}", done.stderr);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// The commands that `acme new` prints and writes, one after the other, in an empty folder.
#[test]
fn the_first_walk_needs_no_file_name() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let mut process = standin::with_test_credentials(Command::new(binary()));
        process.args(arguments).current_dir(folder.path()).env("NO_COLOR", "1").env("XDG_STATE_HOME", folder.path().join("state"));
        for variable in ["ACME_ENV", "ACME_BACKEND", "ACME_LOCAL_FAULT", "GITHUB_ACTIONS", "CI"] {
            process.env_remove(variable);
        }
        CommandOutput::from_output(process.output().expect("acme runs"))
    };
    let made = run(&["new", "shop"]).assert_success();
    let text = std::fs::read_to_string(folder.path().join("acme.yaml")).expect("the definition");
    let told = made.stderr.split('`').nth(1).expect("a command");
    let written = text.lines().filter_map(|line| line.strip_prefix("#   ")).filter_map(|line| line.split("     ").next());
    let validate = ["acme validate", "acme validate --env staging"];
    let walk: Vec<String> = validate.into_iter().chain([told]).chain(written).map(str::to_owned).collect();
    assert_eq!(walk.len(), 7, "{walk:?}");
    for line in &walk {
        let mut arguments: Vec<&str> = line.split_whitespace().skip(1).collect();
        // What the definition shows for AWS works on the simulated cloud, too.
        if arguments[0] != "validate" && !arguments.contains(&"--local") {
            arguments.push("--local");
        }
        if ["apply", "destroy"].contains(&arguments[0]) {
            arguments.push("--yes");
        }
        let done = run(&arguments);
        assert_eq!(done.code, 0, "{line}:\n{}", done.combined_output());
    }
    let other = run(&["new", "other"]).assert_success();
    assert!(other.stderr.contains("Wrote other.yaml. Run `acme plan other.yaml --env staging --local`"), "{}", other.stderr);
    run(&["plan", "other.yaml", "--env", "staging", "--local"]).assert_success();
    let text = std::fs::read_to_string(folder.path().join("other.yaml")).expect("the definition");
    assert!(text.contains("acme apply   other.yaml --env staging --local "), "{text}");
}

/// The stack for `apply --remote`: it can be created, changed and deleted, and its role has no permission but its own log and the backend.
#[test]
fn writes_the_runner_of_remote_runs() {
    let folder = tempfile::tempdir().unwrap();
    let done = run_new(folder.path(), &["runner", "--like", "remote", "--region", "us-east-1", "--out", "runner.yaml"]).assert_success();
    assert!(done.stderr.contains("Run `acme plan runner.yaml --local`"), "{}", done.stderr);
    let definition = folder.path().join("runner.yaml");
    let text = std::fs::read_to_string(&definition).unwrap();
    assert!(text.contains("acme apply runner.yaml") && text.contains("region: us-east-1") && !text.contains("templates/remote"), "{text}");
    let acme = Acme::local(&folder.path().join("cloud"));
    Acme::without_cloud().run("validate", &definition, &[]).assert_success();
    assert_eq!(acme.plan(&definition).changes(), ["create codebuild_project.main", "create iam_role.runner", "create log_group.runner"]);
    acme.apply(&definition);
    acme.assert_no_changes(&definition);
    let outputs = acme.run("outputs", &definition, &[]).assert_success().stdout;
    assert!(outputs.contains("project = acme-runner"), "{outputs}");
    let shown: Value = serde_yaml::from_str(&acme.run("show", &definition, &[]).assert_success().stdout).unwrap();
    let policies = shown["resources"]["iam_role"]["runner"]["inline_policies"].as_object().expect("policies");
    let statements: Vec<&Value> = policies.values().flat_map(|policy| policy["Statement"].as_array().expect("statements")).collect();
    let services: BTreeSet<&str> = statements
        .iter()
        .flat_map(|statement| statement["Action"].as_array().expect("actions"))
        .map(|action| action.as_str().expect("an action").split(':').next().expect("a service"))
        .collect();
    assert_eq!(services.into_iter().collect::<Vec<_>>(), ["logs", "s3"]);
    assert!(statements.iter().all(|statement| statement["Resource"] != serde_json::json!(["*"])), "{statements:#?}");
    // The statements in comments are complete.
    let mut is_block = false;
    let lines = text.lines().map(|line| {
        is_block = line.starts_with("        # backend-key:")
            || line.starts_with("        # assume:")
            || (is_block && line.starts_with("        #  "));
        if is_block { line.replacen("# ", "", 1) } else { line.to_owned() }
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    std::fs::write(&definition, &text).expect("written");
    let plan = acme.plan(&definition);
    assert_eq!(plan.changes(), ["update iam_role.runner"], "{:#}", plan.0);
    acme.apply(&definition);
    let shown = acme.run("show", &definition, &[]).assert_success().stdout;
    assert!(shown.contains("kms:GenerateDataKey") && shown.contains("sts:AssumeRole"), "{shown}");
    acme.destroy(&definition);
    for (option, value) in [("--size", "large"), ("--domain", "example.org")] {
        let refused = run_new(folder.path(), &["other", "--like", "remote", option, value]);
        assert!(refused.code != 0 && refused.stderr.contains(&format!("omit `{option}`")), "{}", refused.stderr);
    }
}
