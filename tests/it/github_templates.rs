//! The workflows in `templates/github`: their steps run in a shell, with acme on the simulated cloud and a stub of GitHub's program (`tests/gh-stub.sh`).

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::acme::{CommandOutput, binary, write_file};

const STACK: &str = "
stack: small
region: eu-west-1
environments: { production: {}, staging: {} }
values: { range: 10.0 }
resources:
  vpc:
    main: { cidr: '{{ range }}.0.0/16' }
";

/// A repository whose workflow runs.
struct Runner {
    folder: tempfile::TempDir,
    workflow: Value,
}

impl Runner {
    fn new(workflow: &str) -> Runner {
        let folder = tempfile::tempdir().expect("a folder");
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(repository.join("templates/github").join(workflow)).expect("a workflow");
        let runner = Runner { workflow: serde_yaml::from_str(&text).expect("YAML"), folder };
        fs::create_dir(runner.path("bin")).expect("a folder");
        let acme = std::path::absolute(binary()).expect("a path");
        runner.script("acme", &format!("exec {} \"$@\" --local={}", acme.display(), runner.path("cloud").display()));
        runner.script("gh", &format!("exec bash {} \"$@\"", repository.join("tests/gh-stub.sh").display()));
        runner.answer("issues", &json!([]));
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

    /// Sets what GitHub answers.
    fn answer(&self, path: &str, answer: &Value) {
        let file = self.path("github").join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, answer.to_string()).expect("written");
    }

    /// Keeps an artifact of a run.
    fn keep(&self, run: u64, name: &str, expired: bool) {
        let listed = json!({ "artifacts": [{ "name": name, "expired": expired }] });
        self.answer(&format!("repos/example/shop/actions/runs/{run}/artifacts?name={name}"), &listed);
        let folder = self.path(&format!("github/artifacts/{run}/{name}"));
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("plan.acmeplan"), format!("plan of run {run}")).expect("written");
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
        shell.envs([("GITHUB_EVENT_NAME", event), ("GITHUB_SERVER_URL", "https://github.example.com"), ("GITHUB_REF_NAME", "main")]);
        shell.envs([("GITHUB_WORKFLOW_REF", "example/shop/.github/workflows/acme.yml@refs/heads/main"), ("GH_TOKEN", "token")]);
        shell
            .env("GITHUB_STEP_SUMMARY", self.path("summary.md"))
            .env("GITHUB_OUTPUT", self.path("output"))
            .env("GH_STUB", self.path("github"));
        CommandOutput::from_output(shell.envs(more.iter().copied()).output().expect("bash runs"))
    }

    fn plan(&self) {
        let _ = fs::remove_file(self.path("summary.md"));
        self.run("plan", "Plan", "pull_request", &[("COMMIT", "abc")]).assert_success();
    }

    /// Runs acme as a person does.
    fn acme(&self, arguments: &[&str]) -> CommandOutput {
        let mut command = Command::new(self.path("bin/acme"));
        command.args(arguments).current_dir(self.folder.path()).env("XDG_STATE_HOME", self.path("state"));
        for variable in ["ACME_BACKEND", "ACME_ENV", "GITHUB_ACTIONS"] {
            command.env_remove(variable);
        }
        CommandOutput::from_output(command.output().expect("acme runs")).assert_success()
    }

    /// Calls of `gh` since the last call of this function.
    fn take_calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("github/calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("github/calls"));
        calls.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_merge_applies_the_plan_that_was_reviewed_or_nothing() {
    let runner = Runner::new("acme.yml");
    runner.plan();
    let comment = fs::read_to_string(runner.path("comment.md")).expect("a comment");
    assert!(comment.starts_with("<!-- acme stack.yaml production -->\n") && comment.contains("1 to create"), "{comment}");
    // What was merged is not what was reviewed.
    runner.write(&STACK.replace("range: 10.0", "range: 10.1"));
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

/// Everyone who can push a branch can make an artifact with any plan.
#[test]
fn a_merge_refuses_a_plan_for_something_else() {
    let runner = Runner::new("acme.yml");
    runner.acme(&["apply", "stack.yaml", "--env", "production", "--yes"]);
    runner.acme(&["apply", "stack.yaml", "--env", "staging", "--yes"]);
    runner.write(&STACK.replace("resources:", "resources:\n  ecr_repository: { app: {} }"));
    let before = fs::read_to_string(runner.path("cloud/cloud.jsonl")).expect("a cloud");
    write_file(runner.folder.path(), "other.yaml", &STACK.replace("vpc:\n", "vpc:\n    other: { cidr: 10.7.0.0/16 }\n"));
    for (options, reason) in [
        (["stack.yaml", "--env", "production", "--destroy"].as_slice(), "deletes resources of the stack"),
        (["stack.yaml", "--env", "staging"].as_slice(), "it is for the environment `staging`, not `production`"),
        (["stack.yaml", "--env", "production", "--set", "range=10.9"].as_slice(), "it was made with `--set range=10.9`"),
        (["stack.yaml", "--env", "production", "--replace", "vpc.main"].as_slice(), "it was made with `--replace vpc.main`"),
        (["other.yaml", "--env", "production"].as_slice(), "it is for the definition `other.yaml`, not `stack.yaml`"),
    ] {
        runner.acme(&[["plan"].as_slice(), options, &["--out", "plan.acmeplan"]].concat());
        let refused = runner.run("apply", "Apply", "push", &[]);
        let screen = refused.combined_output();
        assert!(refused.code == 1 && screen.contains("error[unexpected-plan]") && screen.contains(reason), "{screen}");
        assert_eq!(fs::read_to_string(runner.path("cloud/cloud.jsonl")).expect("a cloud"), before, "{reason}");
    }
    runner.plan();
    runner.run("apply", "Apply", "push", &[]).assert_success();
    assert_ne!(fs::read_to_string(runner.path("cloud/cloud.jsonl")).expect("a cloud"), before);
}

#[test]
fn a_definition_without_environments_needs_none() {
    let runner = Runner::new("acme.yml");
    runner.write(&STACK.replace("environments: { production: {}, staging: {} }\n", ""));
    let none = [("ENVIRONMENT", ""), ("COMMIT", "abc")];
    runner.run("plan", "Plan", "pull_request", &none).assert_success();
    let applied = runner.run("apply", "Apply", "push", &none).assert_success();
    assert!(applied.combined_output().contains("Done: 1 created"), "{}", applied.combined_output());
}

/// The pull request that was merged as the pushed commit.
fn pull_request() -> Value {
    json!({
        "number": 12, "merged_at": "2026-03-01T12:00:00Z", "merge_commit_sha": "abc", "base": { "ref": "main" },
        "head": { "ref": "feature", "sha": "head", "repo": { "full_name": "example/shop" } },
    })
}

/// A run of the plan for it.
fn run_of_pull_request(id: u64) -> Value {
    json!({
        "id": id, "event": "pull_request", "conclusion": "success", "head_sha": "head", "head_branch": "feature",
        "head_repository": { "full_name": "example/shop" }, "path": ".github/workflows/acme.yml",
        "run_started_at": "2026-03-01T11:00:00Z", "pull_requests": [],
    })
}

fn edited(value: &Value, pointer: &str, new: Value) -> Value {
    let mut value = value.clone();
    *value.pointer_mut(pointer).expect("a field") = new;
    value
}

const PULLS: &str = "repos/example/shop/commits/abc/pulls";
const RUNS: &str = "repos/example/shop/actions/workflows/acme.yml/runs?event=pull_request&status=success&head_sha=head&per_page=100";

#[test]
fn a_merge_fetches_the_plan_of_its_pull_request() {
    let runner = Runner::new("acme.yml");
    runner.answer(PULLS, &json!([edited(&pull_request(), "/base/ref", "release".into()), pull_request()]));
    // The other runs have a plan under the same number, but are not of this pull request, or began after its merge.
    let others = [
        ("/head_branch", json!("other")),
        ("/head_repository/full_name", json!("fork/shop")),
        ("/path", json!(".github/workflows/other.yml")),
        ("/event", json!("push")),
        ("/conclusion", json!("failure")),
        ("/head_sha", json!("before")),
        ("/run_started_at", json!("2026-03-01T13:00:00Z")),
    ];
    let mut runs: Vec<Value> =
        others.iter().zip(20..).map(|((pointer, value), id)| edited(&run_of_pull_request(id), pointer, value.clone())).collect();
    (20..27).for_each(|id| runner.keep(id, "plan-12", false));
    // The same commit in a pull request into another branch.
    runs.extend([run_of_pull_request(8), run_of_pull_request(7)]);
    runner.answer("repos/example/shop/actions/runs/8/artifacts?name=plan-12", &json!({ "artifacts": [] }));
    runner.keep(8, "plan-13", false);
    runner.keep(7, "plan-12", false);
    runner.answer(RUNS, &json!({ "workflow_runs": runs }));
    runner.run("apply", "Fetch the plan", "push", &[]).assert_success();
    assert_eq!(fs::read_to_string(runner.path("plan.acmeplan")).expect("a plan"), "plan of run 7");

    // A run that was started by hand has made its own plan.
    runner.take_calls();
    runner.keep(99, "plan-99", false);
    runner.run("apply", "Fetch the plan", "workflow_dispatch", &[]).assert_success();
    assert_eq!(fs::read_to_string(runner.path("plan.acmeplan")).expect("a plan"), "plan of run 99");
    assert_eq!(runner.take_calls().len(), 1);
    // A definition can include any file, so every change has a plan.
    let is_limited = |event: &str| runner.workflow["on"][event].as_object().expect("a trigger").contains_key("paths");
    assert!(!is_limited("pull_request") && !is_limited("push"));
    let steps = runner.workflow["jobs"]["plan"]["steps"].as_array().expect("steps");
    let kept = steps.iter().find(|step| step["name"] == "Keep the plan").expect("a step");
    assert_eq!(kept["with"]["name"], "plan-${{ github.event.pull_request.number || github.run_id }}");
    assert!(kept["with"]["retention-days"].as_u64().is_some_and(|days| days <= 30), "{kept}");
}

#[test]
fn a_merge_fetches_nothing_if_the_reviewed_plan_is_not_certain() {
    let one_run = json!({ "workflow_runs": [run_of_pull_request(7)] });
    let pulls_without = |pointer: &str, value: Value| json!([edited(&pull_request(), pointer, value)]);
    for (pulls, runs, artifacts, reason) in [
        // A branch with the same commit, and another workflow in its base, can keep a plan under the number of the pull request.
        (
            json!([pull_request()]),
            json!({ "workflow_runs": [run_of_pull_request(9), run_of_pull_request(7)] }),
            [7, 9].as_slice(),
            "Several runs",
        ),
        (json!([pull_request()]), one_run.clone(), [].as_slice(), "No run has planned commit head for pull request #12"),
        (json!([pull_request()]), json!({ "workflow_runs": [] }), [7].as_slice(), "No run has planned"),
        (json!([]), one_run.clone(), [7].as_slice(), "No pull request of this repository was merged as this commit"),
        (json!([pull_request(), edited(&pull_request(), "/number", json!(13))]), one_run.clone(), [7].as_slice(), "No pull request"),
        (pulls_without("/merged_at", Value::Null), one_run.clone(), [7].as_slice(), "No pull request"),
        (pulls_without("/merge_commit_sha", "other".into()), one_run.clone(), [7].as_slice(), "No pull request"),
        (pulls_without("/base/ref", "release".into()), one_run.clone(), [7].as_slice(), "No pull request"),
        (pulls_without("/head/repo/full_name", "fork/shop".into()), one_run, [7].as_slice(), "No pull request"),
    ] {
        let runner = Runner::new("acme.yml");
        runner.answer(PULLS, &pulls);
        runner.answer(RUNS, &runs);
        // An expired plan is none.
        runner.keep(7, "plan-12", true);
        artifacts.iter().for_each(|run| runner.keep(*run, "plan-12", false));
        let refused = runner.run("apply", "Fetch the plan", "push", &[]);
        assert!(refused.code == 1 && refused.stdout.starts_with(&format!("::error::{reason}")), "{reason}: {}", refused.combined_output());
        assert!(refused.stdout.contains("Start this workflow by hand"), "{}", refused.stdout);
        assert!(!runner.take_calls().iter().any(|call| call.starts_with("run download")));
    }
}

/// GitHub refuses a comment of more than 65,536 characters.
#[test]
fn a_comment_contains_the_end_of_a_long_plan() {
    let runner = Runner::new("acme.yml");
    let rules: String = (0..400).map(|port| format!("{{ port: {}, cidr: 0.0.0.0/0 }}, ", 1000 + port)).collect();
    let groups: String =
        (0..8).map(|number| format!("    open-{number}: {{ vpc: main, ingress: [{}] }}\n", rules.trim_end_matches(", "))).collect();
    runner.write(&format!("{STACK}  security_group:\n{groups}"));
    runner.plan();
    let comment = fs::read_to_string(runner.path("comment.md")).expect("a comment");
    assert!(comment.len() < 65_536, "{}", comment.len());
    for part in
        ["Risky:\n\n- `security_group.open-0", " more: see the log of this step\n", "Plan: 9 to create", "[Full run](", "commit abc."]
    {
        assert!(comment.contains(part), "`{part}` is missing in {comment}");
    }
    assert_eq!(comment.matches("<details>").count(), comment.matches("</details>").count());
    for (comments, expected) in [
        (json!([]), "api --silent repos/example/shop/issues/12/comments -F body=@"),
        (
            json!([
                { "id": 1, "user": { "login": "someone" }, "body": "<!-- acme stack.yaml production -->" },
                { "id": 2, "user": { "login": "github-actions[bot]" }, "body": "<!-- acme stack.yaml staging -->" },
                { "id": 3, "user": { "login": "github-actions[bot]" }, "body": "<!-- acme stack.yaml production -->\nold" },
            ]),
            "api --silent --method PATCH repos/example/shop/issues/comments/3 -F body=@",
        ),
    ] {
        runner.answer("repos/example/shop/issues/12/comments", &comments);
        runner.take_calls();
        runner.run("plan", "Comment", "pull_request", &[("NUMBER", "12")]).assert_success();
        assert!(runner.take_calls()[1].starts_with(expected));
    }
}

#[test]
fn drift_opens_an_issue_and_closes_it_once_it_is_gone() {
    let runner = Runner::new("drift.yml");
    let report = |expected: &str| {
        let _ = fs::remove_file(runner.path("output"));
        let found = runner.run("drift", "Look for drift", "schedule", &[]).assert_success();
        let output = fs::read_to_string(runner.path("output")).expect("an output");
        assert_eq!(output.trim(), format!("code={expected}"), "{}", found.combined_output());
        runner.run("drift", "Report", "schedule", &[("CODE", expected)]).assert_success();
        let calls = runner.take_calls();
        calls.into_iter().filter(|call| !call.starts_with("issue list")).collect::<Vec<_>>()
    };
    runner.acme(&["apply", "stack.yaml", "--env", "production", "--yes"]);
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
    assert!(issue.starts_with("<!-- acme drift stack.yaml production -->\n") && issue.contains("vpc.main"), "{issue}");
    assert!(issue.contains("[Run](https://github.example.com/example/shop/actions/runs/99)"), "{issue}");
    // The next morning finds that issue, beside one of another environment and one of a person.
    let listed = fs::read_to_string(runner.path("github/issues")).expect("issues");
    let mut issues: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let number = issues[0]["number"].clone();
    let other = |number: u64, author: &str, environment: &str| json!({ "number": number, "author": author, "state": "open", "title": "", "body": format!("<!-- acme drift stack.yaml {environment} -->") });
    issues.insert(0, other(1, "app/github-actions", "staging"));
    issues.insert(0, other(2, "someone", "production"));
    runner.answer("issues", &json!(issues));
    assert!(report("2")[0].starts_with(&format!("issue edit {number} ")));
    fs::write(&cloud, text).expect("written");
    assert!(report("0")[0].starts_with(&format!("issue close {number} ")));
    assert_eq!(report("0"), [""; 0]);

    // A long list ends with a hint.
    fs::write(runner.path("drift.txt"), "one more line\n".repeat(10_000)).expect("written");
    runner.run("drift", "Report", "schedule", &[("CODE", "2")]).assert_success();
    let issue = fs::read_to_string(runner.path("issue.md")).expect("an issue");
    assert!(issue.len() < 65_536 && issue.contains("… see the log of the run for the rest\n```\n"), "{}", issue.len());

    // An error is not drift.
    runner.write("stack: small");
    assert_eq!(runner.run("drift", "Look for drift", "schedule", &[]).code, 1);
}

/// A stub that accepts anything would hide mistakes.
#[test]
fn the_stub_of_gh_refuses_what_gh_refuses() {
    let runner = Runner::new("drift.yml");
    runner.answer("issues", &json!([{ "number": 3, "author": "app/github-actions", "state": "open", "title": "t", "body": "b" }]));
    let gh = |arguments: &str| {
        let mut shell = Command::new("bash");
        shell
            .args(["-c", &format!("gh {arguments}")])
            .env("PATH", format!("{}:{}", runner.path("bin").display(), std::env::var("PATH").unwrap()));
        shell.env("GH_STUB", runner.path("github")).env("GH_TOKEN", "token").env("GITHUB_REPOSITORY", "example/shop");
        CommandOutput::from_output(shell.output().expect("bash runs"))
    };
    let list = "issue list --repo example/shop --json number";
    assert_eq!(gh(&format!("{list} --app github-actions --jq .[0].number")).assert_success().stdout, "3\n");
    assert_eq!(gh(&format!("{list} --author 'github-actions[bot]'")).assert_success().stdout, "[]\n");
    for wrong in [
        &format!("{list} --creator x"),
        &format!("{list},url2"),
        "issue list",
        "issue reopen 3",
        "api none",
        "run download 7 --repo example/shop --name plan",
    ] {
        assert_ne!(gh(wrong).code, 0, "{wrong}");
    }
}
