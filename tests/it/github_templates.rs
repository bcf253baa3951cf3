//! The workflows in `templates/github`: their steps run in a shell, with acme on the simulated cloud and a stub of GitHub's program.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::acme::{CommandOutput, binary, write_file};

const STACK: &str = "
stack: small
region: eu-west-1
environments: { production: {} }
resources:
  vpc:
    main: { cidr: 10.0.0.0/16 }
";

/// A repository whose workflow runs.
struct Runner {
    folder: tempfile::TempDir,
    workflow: Value,
}

impl Runner {
    /// `gh` is the body of a shell script, which gets the arguments of each call.
    fn new(workflow: &str, gh: &str) -> Runner {
        let folder = tempfile::tempdir().expect("a folder");
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/github").join(workflow)).expect("a workflow");
        let runner = Runner { workflow: serde_yaml::from_str(&text).expect("YAML"), folder };
        fs::create_dir(runner.path("bin")).expect("a folder");
        let acme = std::path::absolute(binary()).expect("a path");
        runner.script("acme", &format!("exec {} \"$@\" --local={}", acme.display(), runner.path("cloud").display()));
        runner.script("gh", &format!("echo \"$*\" >> {}\n{gh}", runner.path("calls").display()));
        runner.write(STACK);
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn script(&self, name: &str, body: &str) {
        let file = write_file(self.folder.path(), &format!("bin/{name}"), &format!("#!/bin/sh\n{body}\n"));
        assert!(Command::new("chmod").arg("+x").arg(file).status().expect("chmod runs").success());
    }

    fn write(&self, stack: &str) {
        write_file(self.folder.path(), "stack.yaml", stack);
    }

    /// Runs the script of a step with GitHub's shell, for this event, with further variables.
    fn run(&self, job: &str, step: &str, event: &str, more: &[(&str, &str)]) -> CommandOutput {
        let steps = self.workflow["jobs"][job]["steps"].as_array().expect("steps");
        let script = steps.iter().find(|one| one["name"] == step).and_then(|one| one["run"].as_str()).expect("a step with a script");
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").expect("a path"));
        let mut shell = Command::new("bash");
        shell.args(["-e", "-c", script]).current_dir(self.folder.path()).env("PATH", path);
        for (name, value) in self.workflow["env"].as_object().expect("variables") {
            shell.env(name, value.as_str().expect("a text"));
        }
        shell.env_remove("ACME_BACKEND").env("XDG_STATE_HOME", self.path("state")).env("RUNNER_TEMP", self.folder.path());
        shell.envs([("GITHUB_ACTIONS", "true"), ("GITHUB_REPOSITORY", "example/shop"), ("GITHUB_RUN_ID", "99"), ("GITHUB_SHA", "abc")]);
        shell.envs([("GITHUB_EVENT_NAME", event), ("GITHUB_SERVER_URL", "https://github.example.com")]).envs(more.iter().copied());
        shell.env("GITHUB_STEP_SUMMARY", self.path("summary.md")).env("GITHUB_OUTPUT", self.path("output"));
        CommandOutput::from_output(shell.output().expect("bash runs"))
    }

    fn plan(&self) {
        self.run("plan", "Plan", "pull_request", &[("COMMIT", "abc")]).assert_success();
    }

    /// Calls of `gh` since the last call of this function.
    fn take_calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        calls.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_merge_applies_the_plan_that_was_reviewed_or_nothing() {
    let runner = Runner::new("acme.yml", "");
    runner.plan();
    let comment = fs::read_to_string(runner.path("comment.md")).expect("a comment");
    assert!(comment.starts_with("<!-- acme stack.yaml production -->\n") && comment.contains("1 to create"), "{comment}");
    // What was merged is not what was reviewed.
    runner.write(&STACK.replace("10.0.0.0/16", "10.1.0.0/16"));
    let refused = runner.run("apply", "Apply", "push", &[]);
    assert!(refused.code == 1 && refused.stderr.contains("error[stale-plan]"), "{}", refused.combined_output());
    runner.write(STACK);
    let applied = runner.run("apply", "Apply", "push", &[]).assert_success();
    assert!(applied.combined_output().contains("Done: 1 created"), "{}", applied.combined_output());
    // A second time, AWS is not what the plan was made for.
    let refused = runner.run("apply", "Apply", "push", &[]);
    assert!(refused.code == 1 && refused.stderr.contains("error[stale-plan]"), "{}", refused.combined_output());
    // A plan without changes is a plan, too.
    runner.plan();
    runner.run("apply", "Apply", "push", &[]).assert_success();
}

#[test]
fn a_merge_fetches_the_plan_of_its_pull_request() {
    let runner = Runner::new("acme.yml", "case \"$*\" in *commits/abc/pulls*) echo head ;; *head_sha=head*) echo 7 ;; esac");
    runner.run("apply", "Fetch the plan", "push", &[]).assert_success();
    let calls = runner.take_calls();
    assert!(calls[1].contains("workflows/acme.yml/runs?event=pull_request&status=success"), "{calls:#?}");
    assert!(calls[2].starts_with("run download 7 --repo example/shop --name plan --dir "), "{calls:#?}");
    // A run that was started by hand has made its own plan.
    runner.run("apply", "Fetch the plan", "workflow_dispatch", &[]).assert_success();
    assert!(runner.take_calls()[0].starts_with("run download 99 "));
    let without = Runner::new("acme.yml", "");
    let refused = without.run("apply", "Fetch the plan", "push", &[]);
    assert!(refused.code == 1 && refused.stdout.starts_with("::error::No successful plan"), "{}", refused.combined_output());
    assert!(!without.take_calls().iter().any(|call| call.starts_with("run download")));
}

#[test]
fn drift_opens_an_issue_and_closes_it_once_it_is_gone() {
    // The number of the open issue is in a file.
    let runner = Runner::new("drift.yml", "case \"$*\" in 'issue list'*) cat \"$RUNNER_TEMP/number\" 2> /dev/null || true ;; esac");
    let report = |expected: &str| {
        let _ = fs::remove_file(runner.path("output"));
        let found = runner.run("drift", "Look for drift", "schedule", &[]).assert_success();
        let output = fs::read_to_string(runner.path("output")).expect("an output");
        assert_eq!(output.trim(), format!("code={expected}"), "{}", found.combined_output());
        runner.run("drift", "Report", "schedule", &[("CODE", expected)]).assert_success();
        let calls = runner.take_calls();
        calls.into_iter().filter(|call| !call.starts_with("issue list")).collect::<Vec<_>>()
    };
    let acme = |arguments: &[&str]| {
        let mut command = Command::new(runner.path("bin/acme"));
        command.args(arguments).current_dir(runner.folder.path()).env_remove("ACME_BACKEND").env_remove("GITHUB_ACTIONS");
        CommandOutput::from_output(command.output().expect("acme runs")).assert_success()
    };
    acme(&["apply", "stack.yaml", "--env", "production", "--yes"]);
    assert_eq!(report("0"), [""; 0]);

    let cloud = runner.path("cloud/cloud.jsonl");
    let text = fs::read_to_string(&cloud).expect("a cloud");
    let own = "\"dns_hostnames\":true";
    assert_eq!(text.matches(own).count(), 1, "{text}");
    fs::write(&cloud, text.replace(own, "\"dns_hostnames\":false")).expect("written");
    let opened = report("2");
    assert!(
        opened.len() == 1 && opened[0].starts_with("issue create --repo example/shop --title Drift of stack.yaml (production)"),
        "{opened:#?}"
    );
    let issue = fs::read_to_string(runner.path("issue.md")).expect("an issue");
    assert!(issue.contains("vpc.main") && issue.contains("[Run](https://github.example.com/example/shop/actions/runs/99)"), "{issue}");
    fs::write(runner.path("number"), "12").expect("written");
    assert!(report("2")[0].starts_with("issue edit 12 "));
    fs::write(&cloud, text).expect("written");
    assert!(report("0")[0].starts_with("issue close 12 "));

    // An error is not drift.
    runner.write("stack: small");
    assert_eq!(runner.run("drift", "Look for drift", "schedule", &[]).code, 1);
}
