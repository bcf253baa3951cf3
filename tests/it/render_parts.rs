//! `acme render`: sources, pipelines, observability and Ansible of whole stacks, on the simulated cloud.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    acme::{Acme, CommandOutput, repository_stack},
    render::{files, render},
};

const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

/// A stack, applied in both environments, and the repository rendered from them.
pub struct Repository {
    folder: tempfile::TempDir,
    stack: PathBuf,
}

impl Repository {
    fn applied(stack: &str) -> Repository {
        let repository = Repository { folder: tempfile::tempdir().expect("a folder"), stack: repository_stack(stack) };
        for environment in ENVIRONMENTS {
            repository.acme(environment).apply(&repository.stack);
        }
        repository
    }
    /// Rendered for both environments.
    pub fn rendered(stack: &str) -> Repository {
        let repository = Repository::applied(stack);
        for environment in ENVIRONMENTS {
            repository.assert_code(environment, &[], 0);
        }
        repository
    }
    fn acme(&self, environment: &str) -> Acme {
        Acme::local(&self.folder.path().join(environment)).with_args(&["--env", environment])
    }
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }
    #[track_caller]
    fn assert_code(&self, environment: &str, more: &[&str], code: i32) -> CommandOutput {
        let done = render(&self.acme(environment), &self.stack, &self.root(), more);
        assert_eq!(done.code, code, "{}", done.combined_output());
        done
    }
}

#[test]
fn renders_sources_and_pipelines_for_both_environments() {
    let repository = Repository::applied("microservices.yaml");
    repository.assert_code("staging", &["--check"], 2);
    assert!(!repository.root().exists(), "a check writes nothing");
    let done = repository.assert_code("staging", &[], 0);
    assert!(done.stdout.contains("+ sources/backend/main.go\n"), "{}", done.stdout);
    repository.assert_code("production", &[], 0);
    let rendered = files(&repository.root());
    let module = rendered.get("sources/backend/go.mod").expect("a Go service");
    assert!(module.starts_with("module example.com/backend\n"), "{module}");
    assert!(rendered["sources/frontend/vite.config.js"].contains("\"/backend\""), "the page calls the service");
    assert!(
        rendered.iter().all(|(path, text)| path.starts_with("sources/") != text.contains("Rendered by acme from the stack microservices."))
    );
    for environment in ENVIRONMENTS {
        let settings = &rendered[&format!("ci/environments/{environment}/stack.env")];
        let image =
            settings.lines().find_map(|line| line.strip_prefix("IMAGE_backend=123456789012.dkr.ecr.eu-west-1.")).unwrap_or_default();
        assert!(image.ends_with(&format!("/microservices-{environment}-backend")), "{settings}");
        assert!(settings.contains(&format!("\nCLUSTER=microservices-{environment}-main\n")), "{settings}");
        repository.assert_code(environment, &["--check"], 0);
        let again = repository.assert_code(environment, &[], 0);
        assert!(again.stderr.contains("no changes"), "{}", again.stderr);
    }
    assert_eq!(files(&repository.root()), rendered, "a second render changes nothing");
    let left: Vec<_> = rendered
        .iter()
        .filter(|(_, text)| {
            text.contains("acme-st")
                || text.contains("acme-service")
                || text.contains("acme-region")
                || text.contains("acme-g")
                || text.contains("acme-api")
        })
        .collect();
    assert!(left.iter().all(|(path, _)| path.is_empty()), "example values are left: {left:#?}");
}

#[test]
fn leaves_sources_to_people_and_reports_edited_files() {
    let repository = Repository::rendered("microservices.yaml");
    // People own sources: nothing of theirs is changed, restored or reported.
    fs::write(repository.path("sources/backend/main.go"), "package main\n").expect("written");
    fs::remove_file(repository.path("sources/backend/metrics.go")).expect("deleted");
    repository.assert_code("staging", &[], 0);
    repository.assert_code("staging", &["--check"], 0);
    assert_eq!(fs::read_to_string(repository.path("sources/backend/main.go")).expect("a file"), "package main\n");
    assert!(!repository.path("sources/backend/metrics.go").exists());
    // A folder that is gone is rendered again; what a killed run has left does not harm.
    fs::remove_dir_all(repository.path("sources/backend")).expect("deleted");
    fs::create_dir(repository.path("sources/.backend.acme-render")).expect("created");
    fs::write(repository.path("sources/.backend.acme-render/half.go"), "package").expect("written");
    repository.assert_code("staging", &["--check"], 2);
    repository.assert_code("staging", &["--only", "services"], 0);
    let sources = files(&repository.path("sources"));
    assert!(sources.contains_key("backend/metrics.go") && sources.keys().all(|path| !path.contains("half.go")));

    // A file that another system needs not.
    fs::write(repository.path("Jenkinsfile"), "").expect("written");
    let done = repository.assert_code("staging", &[], 0);
    assert!(done.stderr.contains("Jenkinsfile: acme did not render it"), "{}", done.stderr);
    // An edit is kept until it is given up.
    let (edited, missing) = (repository.path("ci/stages/scan.sh"), repository.path("ci/stages/test.sh"));
    let before = fs::read_to_string(&edited).expect("a file");
    fs::write(&edited, format!("{before}echo more\n")).expect("written");
    let done = repository.assert_code("production", &[], 2);
    assert!(done.stderr.contains("ci/stages/scan.sh: it was edited"), "{}", done.stderr);
    assert!(fs::read_to_string(&edited).expect("a file").ends_with("echo more\n"));
    let forced = repository.assert_code("production", &["--force", "--check"], 2);
    assert!(forced.stdout.contains("- echo more"), "{}", forced.stdout);
    repository.assert_code("production", &["--force"], 0);
    assert_eq!(fs::read_to_string(&edited).expect("a file"), before);
    assert_eq!(fs::read_to_string(repository.path("Jenkinsfile")).expect("a file"), "");
    fs::remove_file(&missing).expect("deleted");
    repository.assert_code("production", &["--check"], 2);
    repository.assert_code("production", &["--only", "gitops"], 1);
    repository.assert_code("production", &["--only", "ansible"], 1);
    repository.assert_code("production", &["--only", "pipelines"], 0);
    assert!(missing.exists());
}

/// What the scripts of pipelines call: a registry whose images are files, and Docker.
const PROGRAMS: [(&str, &str); 2] = [
    (
        "aws",
        r#"#!/bin/bash
while [ $# -gt 0 ]; do
  case "$1" in --repository-name) repository="$2" ;; describe-images) ask=1 ;; get-login-password) echo password ;; esac
  shift
done
if [ -n "${ask:-}" ]; then cat "$REGISTRY_FOLDER/$repository" 2> /dev/null || echo None; fi
"#,
    ),
    (
        "docker",
        r#"#!/bin/bash
echo "docker $*" >> "$REGISTRY_FOLDER.log"
last="${!#}"
name() { local path="${1#*/}"; path="${path%:*}"; echo "${path%@*}"; }
put() { mkdir -p "$(dirname "$REGISTRY_FOLDER/$1")"; echo "$2" > "$REGISTRY_FOLDER/$1"; }
case "$1 ${2:-}" in
  "login "*) cat > /dev/null ;;
  "push "*) name="$(name "$last")"; put "$name" "sha256:$(echo "$name" | sha256sum | cut -c1-64)" ;;
  "buildx imagetools") put "$(name "$6")" "${last#*@}" ;;
esac
"#,
    ),
];

/// Runs a program and expects success.
#[track_caller]
pub fn run(folder: &Path, command: &mut Command) -> String {
    let output = command.current_dir(folder).output().expect("it starts");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {text}");
    text
}

/// A rendered repository in Git, with a remote.
fn git_repository(repository: &Repository) -> PathBuf {
    let root = repository.root();
    let remote = repository.folder.path().join("remote.git");
    let git =
        |arguments: &[&str]| run(&root, Command::new("git").args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments));
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["init", "--quiet", "--bare", remote.to_str().expect("a path")]);
    git(&["remote", "add", "origin", remote.to_str().expect("a path")]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=First"]);
    git(&["push", "--quiet", "origin", "main"]);
    remote
}

#[test]
fn a_release_passes_one_digest_through_all_stages() {
    let repository = Repository::rendered("microservices.yaml");
    let remote = git_repository(&repository);
    let programs = repository.folder.path().join("bin");
    fs::create_dir(&programs).expect("a folder");
    for (name, text) in PROGRAMS {
        fs::write(programs.join(name), text).expect("written");
        run(&programs, Command::new("chmod").args(["+x", name]));
    }
    let registry = repository.folder.path().join("registry");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let stage = |stage: &str, tag: &str| {
        let mut bash = Command::new("bash");
        bash.arg(format!("ci/stages/{stage}.sh")).arg(tag).env("PATH", &path).env("REGISTRY_FOLDER", &registry);
        bash
    };
    let values = |environment: &str| {
        let file = format!("main:services/backend/overlays/{environment}/values.yaml");
        run(&remote, Command::new("git").args(["show", &file]))
    };
    // Production copies what staging has, so staging comes first.
    let refused = stage("publish", "v1.0.0.prod").current_dir(repository.root()).output().expect("it starts");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("staging has no image of backend"), "{text}");
    let refused = stage("publish", "v1.0.0").current_dir(repository.root()).output().expect("it starts");
    assert!(!refused.status.success());

    run(&repository.root(), &mut stage("publish", "v1.0.0.staging"));
    run(&repository.root(), &mut stage("deploy", "v1.0.0.staging"));
    let log = fs::read_to_string(registry.with_extension("log")).expect("a log");
    assert!(log.contains("--severity HIGH,CRITICAL") && log.contains("--format cyclonedx"), "{log}");
    run(&repository.root(), &mut stage("publish", "v1.0.0.prod"));
    run(&repository.root(), &mut stage("deploy", "v1.0.0.prod"));
    let digest =
        |text: &str| text.lines().find_map(|line| Some(line.strip_prefix("image: ")?.split_once('@')?.1.to_owned())).expect("a digest");
    assert_eq!(digest(&values("staging")), digest(&values("production")));
    assert!(values("production").contains("/microservices-production-backend@sha256:"));
    // One commit for each service, which changes one line.
    let log = run(&remote, Command::new("git").args(["log", "--format=%s", "main"]));
    assert_eq!(log.lines().filter(|line| line.starts_with("Release v1.0.0.prod of ")).count(), 2, "{log}");
    // A repeated run changes nothing.
    run(&repository.root(), &mut stage("publish", "v1.0.0.prod"));
    assert!(run(&repository.root(), &mut stage("deploy", "v1.0.0.prod")).contains("runs v1.0.0.prod already"));
    let builds = fs::read_to_string(registry.with_extension("log")).expect("a log").matches("docker build --provenance=false").count();
    assert_eq!(builds, 2, "each service is built once");
}
