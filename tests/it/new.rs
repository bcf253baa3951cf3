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

const SHOP: &str = "
stack: shop
region: eu-west-1
environments: { staging: {}, production: {} }
resources:
  ecr_repository: { app: {} }
";

fn read_yaml(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_yaml::from_str(&text).expect("YAML")
}

/// The workflows and the roles for a definition, from an installed binary.
#[test]
fn writes_the_workflows_and_the_roles_for_github() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("stack.yaml"), SHOP).unwrap();
    let like = ["github", "--like", "github", "--repository", "example/web"];
    let done = run_new(folder.path(), &like).assert_success();
    assert!(
        done.stderr.contains("Wrote github.yaml, .github/workflows/acme.yml, .github/workflows/drift.yml.\nRun `acme apply github.yaml`"),
        "{}",
        done.stderr
    );
    for name in ["acme", "drift"] {
        let workflow = read_yaml(&folder.path().join(format!(".github/workflows/{name}.yml")));
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("templates/github/{name}.yml"));
        // Everything but the region is as in the template.
        let text = std::fs::read_to_string(&template).unwrap().replace("${{ vars.AWS_REGION }}", "eu-west-1");
        assert_eq!(workflow, serde_yaml::from_str::<Value>(&text).unwrap(), "{name}");
        let text = std::fs::read_to_string(folder.path().join(format!(".github/workflows/{name}.yml"))).unwrap();
        assert!(!text.contains("To use this file") && !text.contains("vars.AWS_REGION") && !text.contains("bootstrap.yaml"), "{text}");
    }
    // The roles have the policies of this definition, and can be created.
    let definition = folder.path().join("github.yaml");
    assert_standard_layout(&definition);
    let (bootstrap, text) = (read_yaml(&definition), std::fs::read_to_string(&definition).unwrap());
    assert_eq!((&bootstrap["values"]["repository"], &bootstrap["region"]), (&Value::from("example/web"), &Value::from("eu-west-1")));
    assert!(text.contains("acme policy stack.yaml --env production --resources") && !text.contains("quickstart"), "{text}");
    let printed = Acme::without_cloud().run("policy", &folder.path().join("stack.yaml"), &["--env", "production", "--resources"]);
    let printed: Value = serde_yaml::from_str(&printed.assert_success().stdout).unwrap();
    assert_eq!(bootstrap["resources"]["iam_policy"], printed["iam_policy"]);
    let attached = text.matches("iam_policy['").count();
    assert_eq!(attached, printed["iam_policy"].as_object().unwrap().len(), "{text}");
    let acme = Acme::local(&folder.path().join("cloud"));
    acme.apply(&definition);
    acme.assert_no_changes(&definition);

    // A second environment has workflows and variables of its own.
    let staging = ["github-staging", "--like", "github", "--repository", "example/web", "--env", "staging", "-o", "json"];
    let done = run_new(folder.path(), &staging).assert_success();
    let files = [".github/workflows/acme-staging.yml", ".github/workflows/drift-staging.yml"];
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    assert_eq!(told["files"], serde_json::json!(["github-staging.yaml", files[0], files[1]]), "{told}");
    assert!(done.stderr.contains("ACME_PLAN_ROLE_STAGING and ACME_APPLY_ROLE_STAGING"), "{}", done.stderr);
    let workflow = read_yaml(&folder.path().join(files[0]));
    assert_eq!((&workflow["name"], &workflow["env"]["ENVIRONMENT"]), (&Value::from("acme staging"), &Value::from("staging")));
    assert_eq!(workflow["jobs"]["apply"]["environment"], "staging");
    let text = std::fs::read_to_string(folder.path().join(files[0])).unwrap();
    assert!(text.contains("${{ vars.ACME_APPLY_ROLE_STAGING }}") && !text.contains("vars.ACME_APPLY_ROLE }}"), "{text}");
    let text = std::fs::read_to_string(folder.path().join("github-staging.yaml")).unwrap();
    assert!(text.contains("environment_of_repository: staging") && text.contains("repository/shop-staging-*"), "{text}");
}

#[test]
fn writes_no_workflow_over_another_file_or_for_unclear_answers() {
    let folder = tempfile::tempdir().unwrap();
    let run = |more: &[&str]| run_new(folder.path(), &[&["github", "--like", "github"], more].concat());
    let repository = ["--repository", "example/web"];
    let refused = |more: &[&str], code: &str, message: &str| {
        let done = run(more);
        let expected = format!("error[{code}]");
        assert!(done.code == 1 && done.stderr.contains(&expected) && done.stderr.contains(message), "{}", done.combined_output());
        assert!(!folder.path().join(".github").exists() && !folder.path().join("github.yaml").exists());
    };
    refused(&repository, "definition-file", "acme.yaml");
    std::fs::write(folder.path().join("acme.yaml"), SHOP.replace("production", "live")).unwrap();
    refused(&[], "invalid-answer", "choose one of `live`, `staging` with `--env`");
    refused(&["--env", "live"], "invalid-answer", "name it with `--repository OWNER/NAME`");
    refused(&["--env", "live", "--repository", "web"], "invalid-answer", "`web` is not a repository");
    refused(&[&repository[..], &["--env", "live", "--file", "../acme.yaml"]].concat(), "invalid-answer", "is not a path in the repository");
    refused(&[&repository[..], &["--env", "live", "--size", "small"]].concat(), "invalid-answer", "omit `--domain` and `--size`");
    let other = run_new(folder.path(), &["shop", "--like", "remote", "--repository", "example/web"]);
    assert!(other.code == 1 && other.stderr.contains("only `--like github`"), "{}", other.stderr);

    std::fs::write(folder.path().join("acme.yaml"), SHOP.replace("environments: { staging: {}, production: {} }\n", "")).unwrap();
    std::fs::create_dir_all(folder.path().join(".github/workflows")).unwrap();
    std::fs::write(folder.path().join(".github/workflows/drift.yml"), "mine").unwrap();
    let done = run(&repository);
    assert!(done.code == 1 && done.stderr.contains("error[file-exists]: `.github/workflows/drift.yml` exists"), "{}", done.stderr);
    assert!(!folder.path().join("github.yaml").exists() && !folder.path().join(".github/workflows/acme.yml").exists());
    // A definition without environments is applied without one.
    std::fs::remove_file(folder.path().join(".github/workflows/drift.yml")).unwrap();
    run(&repository).assert_success();
    let workflow = read_yaml(&folder.path().join(".github/workflows/acme.yml"));
    assert_eq!(
        (&workflow["env"]["ENVIRONMENT"], &workflow["jobs"]["apply"]["environment"]),
        (&Value::from(""), &Value::from("production"))
    );
}
