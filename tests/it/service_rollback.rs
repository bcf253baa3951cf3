//! `acme rollback --service` on a local repository of Git. The simulated cloud has no Argo CD to wait for: `kubernetes::gitops` has one.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    acme::CommandOutput,
    render_parts::run,
    render_services::{SERVICES, Shop},
};

/// File with the image of a service in production.
fn overlay(service: &str) -> String {
    format!("services/{service}/overlays/production/values.yaml")
}

/// A rendered repository with a clone and a bare remote.
pub struct Releases {
    shop: Shop,
    clone: PathBuf,
    pub remote: PathBuf,
}

impl Releases {
    fn new() -> Releases {
        let shop = Shop::applied();
        shop.rendered();
        Releases::of(shop)
    }
    fn of(shop: Shop) -> Releases {
        let (clone, remote) = (shop.root(), shop.folder.path().join("remote.git"));
        let releases = Releases { shop, clone, remote };
        releases.git(&["init", "--quiet", "--initial-branch=main"]);
        releases.git(&["init", "--quiet", "--bare", "--initial-branch=main", releases.remote.to_str().expect("a path")]);
        releases.git(&["remote", "add", "origin", releases.remote.to_str().expect("a path")]);
        releases.commit("Rendered");
        releases
    }
    fn git(&self, arguments: &[&str]) -> String {
        git(&self.clone, arguments)
    }
    fn commit(&self, message: &str) {
        self.git(&["add", "."]);
        self.git(&["commit", "--quiet", "--message", message]);
        self.git(&["push", "--quiet", "origin", "HEAD:main"]);
    }
    fn write(&self, service: &str, image: &str) {
        fs::write(self.clone.join(overlay(service)), format!("image: {image}\n")).expect("written");
    }
    fn release(&self, service: &str, image: &str) {
        self.write(service, image);
        self.commit(&format!("Release {image} of {service} to production"));
    }
    fn image(&self, service: &str) -> String {
        let shown = run(&self.remote, Command::new("git").args(["show", &format!("main:{}", overlay(service))]));
        shown.lines().find_map(|line| line.strip_prefix("image: ")).unwrap_or_default().to_owned()
    }
    fn roll_back(&self, service: &str, more: &[&str]) -> CommandOutput {
        let clone = self.clone.to_str().expect("a path");
        let arguments = [&["--service", service, "--repo", clone][..], more].concat();
        self.shop.acme("production").run_with_env(&IDENTITY, "rollback", &self.shop.stack(SERVICES), &arguments)
    }
    #[track_caller]
    fn assert_refused(&self, service: &str, code: &str, more: &str) {
        let before = run(&self.remote, Command::new("git").args(["rev-parse", "main"]));
        let refused = self.roll_back(service, &["--yes"]);
        assert_eq!(refused.code, 1, "{}", refused.combined_output());
        assert!(refused.stderr.contains(&format!("error[{code}]")) && refused.stderr.contains(more), "{}", refused.stderr);
        assert_eq!(run(&self.remote, Command::new("git").args(["rev-parse", "main"])), before, "nothing is pushed");
    }
}

/// Name of the author of commits that acme makes.
pub const IDENTITY: [(&str, &str); 4] = [
    ("GIT_AUTHOR_NAME", "a"),
    ("GIT_AUTHOR_EMAIL", "a@example.com"),
    ("GIT_COMMITTER_NAME", "a"),
    ("GIT_COMMITTER_EMAIL", "a@example.com"),
];

/// Runs Git as somebody.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    run(folder, Command::new("git").args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments))
}

#[test]
fn reverts_one_release_after_the_other() {
    let releases = Releases::new();
    for image in ["a:1", "a:2", "a:3"] {
        releases.release("web", image);
    }
    // Those of another service, and of another environment, are no releases of this one.
    releases.release("orders", "b:1");
    fs::write(releases.clone.join("services/web/overlays/staging/values.yaml"), "image: a:4\n").expect("written");
    releases.commit("Release a:4 of web to staging");
    let asked = releases.roll_back("web", &[]);
    assert_eq!(asked.code, 1);
    assert!(
        asked.stderr.contains("error[no-terminal]") && asked.stderr.contains("- a:3") && asked.stderr.contains("+ a:2"),
        "{}",
        asked.stderr
    );
    assert_eq!(releases.image("web"), "a:3", "nothing happens without an answer");

    let done = releases.roll_back("web", &["--yes"]).assert_success();
    assert!(done.stderr.contains("Release a:3 of web to production, by a, "), "{}", done.stderr);
    assert!(done.stderr.contains("Done: web runs a:2.") && done.stderr.contains(" s in all."), "{}", done.stderr);
    assert_eq!(releases.image("web"), "a:2");
    // A second one does not bring the first back.
    let done = releases.roll_back("web", &["--yes", "-o", "json"]).assert_success();
    let told: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&told["image"]["before"], &told["image"]["after"]), (&"a:2".into(), &"a:1".into()));
    assert_eq!(releases.image("web"), "a:1");
    // A release that comes back counts again.
    releases.git(&["pull", "--quiet", "origin", "main"]);
    releases.release("web", "a:3");
    releases.roll_back("web", &["--yes"]).assert_success();
    assert_eq!(releases.image("web"), "a:1");
    assert_eq!((releases.image("orders").as_str(), releases.git(&["status", "--porcelain"]).as_str()), ("b:1", ""));
    assert_eq!(releases.git(&["worktree", "list"]).lines().count(), 1, "no work tree is left");
    let message = run(&releases.remote, Command::new("git").args(["show", "--no-patch", "--format=%B", "main"]));
    assert!(message.contains("This reverts commit "), "{message}");
}

#[test]
fn clones_the_repository_of_the_definition_by_itself() {
    let releases = Releases::new();
    releases.release("web", "a:1");
    releases.release("web", "a:2");
    // Git of this machine reaches the address at another place.
    let replaced = format!("url.{}.insteadOf", releases.remote.display());
    let config = [
        ("GIT_CONFIG_COUNT", "1"),
        ("GIT_CONFIG_KEY_0", replaced.as_str()),
        ("GIT_CONFIG_VALUE_0", "https://git.example.com/platform.git"),
        ("TMPDIR", releases.shop.folder.path().to_str().expect("a path")),
    ];
    let variables = [&IDENTITY[..], &config[..]].concat();
    let (acme, stack) = (releases.shop.acme("production"), releases.shop.stack(SERVICES));
    let done = acme.run_with_env(&variables, "rollback", &stack, &["--service", "web", "--yes"]).assert_success();
    assert!(done.stderr.contains("web (production) in https://git.example.com/platform.git, branch main"), "{}", done.stderr);
    assert_eq!(releases.image("web"), "a:1");
    let left = fs::read_dir(releases.shop.folder.path()).expect("a folder").flatten();
    assert!(left.map(|entry| entry.file_name()).all(|name| !name.to_string_lossy().starts_with("acme-git-")), "the clone is deleted");
    let none = acme.run_with_env(&IDENTITY, "rollback", &stack, &["--service", "web", "--repo", "/nonexistent", "--yes"]);
    assert!(none.code == 1 && none.stderr.contains("error[git]"), "{}", none.combined_output());
}

#[test]
fn refuses_what_would_change_more_or_nothing() {
    let releases = Releases::new();
    releases.assert_refused("orders", "nothing-to-revert", "brought the first image");
    releases.release("orders", "b:1");
    releases.assert_refused("orders", "nothing-to-revert", "brought the first image");
    releases.write("orders", "b:2");
    releases.release("web", "a:1");
    releases.assert_refused("web", "mixed-commit", "git checkout ");
    fs::write(releases.clone.join("notes.txt"), "mine\n").expect("written");
    releases.assert_refused("web", "dirty-clone", "commit or stash them");
    fs::remove_file(releases.clone.join("notes.txt")).expect("deleted");
    let unknown = releases.roll_back("wep", &["--yes"]);
    assert!(unknown.stderr.contains("error[unknown-service]") && unknown.stderr.contains("did you mean `web`?"), "{}", unknown.stderr);
    // Git itself says why it can't push, and which commits exist.
    releases.release("web", "a:2");
    let hook = releases.remote.join("hooks/pre-receive");
    fs::write(&hook, "#!/bin/sh\necho the branch is protected >&2\nexit 1\n").expect("written");
    run(&releases.remote, Command::new("chmod").arg("+x").arg(&hook));
    releases.assert_refused("web", "git", "the branch is protected");
    assert_eq!(releases.git(&["worktree", "list"]).lines().count(), 1, "no work tree is left");
}

#[test]
fn a_revert_is_made_again_after_the_commits_of_others() {
    let releases = Releases::new();
    releases.release("web", "a:1");
    releases.release("web", "a:2");
    // Somebody pushes another commit just before acme does.
    let other = releases.shop.folder.path().join("other");
    git(&releases.clone, &["clone", "--quiet", releases.remote.to_str().expect("a path"), other.to_str().expect("a path")]);
    let hook = releases.clone.join(".git/hooks/pre-push");
    let race = |change: &str| {
        let text = format!(
            "#!/bin/sh\nrm \"$0\"\nunset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE\ncd {}\ngit pull --quiet\n{change}\ngit add .\n\
             git -c user.name=b -c user.email=b@example.com commit --quiet -m Other\ngit push --quiet\n",
            other.display()
        );
        fs::create_dir_all(hook.parent().expect("a folder")).expect("created");
        fs::write(&hook, text).expect("written");
        run(&releases.clone, Command::new("chmod").arg("+x").arg(&hook));
    };
    race("echo 1 > other.txt");
    releases.roll_back("web", &["--yes"]).assert_success();
    assert_eq!(releases.image("web"), "a:1");
    let log = run(&releases.remote, Command::new("git").args(["log", "--format=%s", "--max-count=2", "main"]));
    assert!(log.starts_with("Revert ") && log.ends_with("Other\n"), "{log}");
    // Another release of the service wins.
    releases.git(&["pull", "--quiet", "origin", "main"]);
    releases.release("web", "a:3");
    race(&format!("echo 'image: a:4' > {}", overlay("web")));
    let refused = releases.roll_back("web", &["--yes"]);
    assert!(refused.code == 1 && refused.stderr.contains("error[overtaken]"), "{}", refused.combined_output());
    assert_eq!(releases.image("web"), "a:4");
}
