//! `apply --remote`: a stub of CodeBuild runs the commands of the runner's project in a shell, with moto as the cloud of the stack.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    acme::{CommandOutput, binary, write_file},
    composition::git,
    standin::{Standin, StandinKind, run_boto3, with_test_credentials},
    wire::{Request, Response, Server, ec2_error, header, json_error, send, service_and_action},
};

const STACK: &str = "
stack: shop
region: us-east-1
values: { range: \"10.9\" }
environments: { staging: {}, production: {} }
include: [parts/network.yaml]
outputs: { network: \"{{ vpc.main.id }}\" }
";

const NETWORK: &str = "
resources:
  vpc: { main: { cidr: \"{{ range }}.0.0/16\" } }
  subnet: { a: { vpc: main, cidr: \"{{ range }}.1.0/24\", availability_zone: us-east-1a } }
";

/// Longest wait for a condition: a test that gets here has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// A stub of CodeBuild and CloudWatch Logs, in front of a stand-in for everything else.
struct CodeBuild {
    url: String,
    state: Arc<Shared>,
    _server: Server,
    _standin: Standin,
}

struct Shared {
    upstream: String,
    folder: tempfile::TempDir,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    builds: Vec<Build>,
    /// Action of EC2 or CodeBuild whose next request waits.
    hold: Option<&'static str>,
    is_held: bool,
    /// Whether the request that waited has its answer.
    is_answered: bool,
    /// Action that EC2 or CodeBuild refuses.
    refuse: Option<&'static str>,
    /// Ends builds before their first command.
    fault: bool,
    /// Variables of the project.
    variables: Vec<(String, String)>,
    /// Whether the program of the user's version is in the image.
    has_no_acme: bool,
    /// Access keys that created VPCs.
    creators: Vec<String>,
}

struct Build {
    id: String,
    variables: Vec<(String, String)>,
    lines: Vec<String>,
    status: &'static str,
    /// Phase that was begun last.
    phase: &'static str,
    process_group: Option<u32>,
    /// Reads of the build, and reads of its log after its end.
    reads: usize,
    late_reads: usize,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CodeBuild {
    fn start() -> CodeBuild {
        let standin = Standin::start(StandinKind::Moto);
        let upstream = standin.url.trim_start_matches("http://").to_owned();
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["bin", "home"] {
            fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        let acme = std::path::absolute(binary()).expect("a path");
        std::os::unix::fs::symlink(acme, folder.path().join("bin/acme")).expect("a link");
        let shared = Arc::new(Shared { upstream, folder, state: Mutex::default(), changed: Condvar::new() });
        let url = Arc::new(Mutex::new(String::new()));
        let (served, own_url) = (shared.clone(), url.clone());
        let server = Server::start(move |request| {
            let endpoint = own_url.lock().unwrap_or_else(PoisonError::into_inner).clone();
            respond(&served, &endpoint, request)
        });
        url.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&server.url);
        CodeBuild { url: server.url.clone(), state: shared, _server: server, _standin: standin }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state.state)
    }

    /// Waits until the state has this property.
    fn wait_for(&self, what: &str, is_met: impl Fn(&State) -> bool) {
        let begun = Instant::now();
        let mut state = self.state();
        while !is_met(&state) {
            assert!(
                begun.elapsed() < PATIENCE,
                "waited for {what}; logs: {:#?}",
                state.builds.iter().map(|b| &b.lines).collect::<Vec<_>>()
            );
            state = self.state.changed.wait_timeout(state, Duration::from_millis(100)).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The next request of this action waits until [`CodeBuild::release`]; a request of another action waits no longer.
    fn hold(&self, action: &'static str) {
        let mut state = self.state();
        (state.hold, state.is_held, state.is_answered) = (Some(action), false, false);
        self.state.changed.notify_all();
    }

    fn wait_until_held(&self) {
        self.wait_for("a held request", |state| state.is_held);
    }

    fn release(&self) {
        self.state().hold = None;
        self.state.changed.notify_all();
    }

    /// Lets the request go, and waits for its answer.
    fn release_and_wait(&self) {
        self.release();
        self.wait_for("the answer to the held request", |state| state.is_answered);
    }

    fn wait_until_ended(&self) {
        self.wait_for("the end of all builds", |state| state.builds.iter().all(|build| build.status != "IN_PROGRESS"));
    }

    fn build_count(&self) -> usize {
        self.state().builds.len()
    }
}

/// A request that waits, waits no longer; builds end with the test.
impl Drop for CodeBuild {
    fn drop(&mut self) {
        self.release();
        for build in &self.state().builds {
            kill_group(build);
        }
    }
}

fn kill_group(build: &Build) {
    if let (Some(group), "IN_PROGRESS") = (build.process_group, build.status) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).stderr(Stdio::null()).status();
    }
}

fn reply(value: &Value) -> Response {
    let headers = vec![("content-type".into(), "application/x-amz-json-1.1".into())];
    Response { status: 200, headers, body: value.to_string().into_bytes() }
}

fn respond(shared: &Arc<Shared>, endpoint: &str, request: &Request) -> std::io::Result<Response> {
    let (service, action) = service_and_action(request);
    let was_held = wait_while_held(shared, &action);
    let response = answer(shared, endpoint, request, (&service, &action));
    if was_held {
        lock(&shared.state).is_answered = true;
        shared.changed.notify_all();
    }
    response
}

fn answer(shared: &Arc<Shared>, endpoint: &str, request: &Request, (service, action): (&str, &str)) -> std::io::Result<Response> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    Ok(match (service, action) {
        ("codebuild", "StartBuild") if lock(&shared.state).refuse == Some("StartBuild") => {
            json_error("AccountLimitExceededException", "Cannot have more than 1 builds in queue for the account")
        }
        ("codebuild", "StartBuild") => start_build(shared, endpoint, &body),
        ("codebuild", "ListBuildsForProject") if body["projectName"] != "acme-runner" => {
            json_error("ResourceNotFoundException", "Project not found")
        }
        ("codebuild", "ListBuildsForProject") => {
            // An error for a project with more than a hundred builds; descending is the default.
            assert!(body.get("sortOrder").is_none(), "{body}");
            let ids: Vec<String> = lock(&shared.state).builds.iter().rev().map(|build| build.id.clone()).collect();
            let more = (ids.len() > 100).then_some("more");
            reply(&json!({ "ids": ids[..ids.len().min(100)], "nextToken": more }))
        }
        ("codebuild", "BatchGetBuilds") => {
            let mut state = lock(&shared.state);
            let wanted = body["ids"].as_array().cloned().unwrap_or_default();
            let builds: Vec<Value> =
                state.builds.iter_mut().filter(|build| wanted.contains(&json!(build.id))).map(Build::describe).collect();
            reply(&json!({ "builds": builds, "buildsNotFound": [] }))
        }
        ("codebuild", "StopBuild") => {
            let mut state = lock(&shared.state);
            let build = state.builds.iter_mut().find(|build| body["id"] == build.id.as_str()).expect("a build");
            kill_group(build);
            build.status = "STOPPED";
            let described = build.describe();
            shared.changed.notify_all();
            reply(&json!({ "build": described }))
        }
        ("logs", "GetLogEvents") => log_events(shared, &body),
        (_, action) if lock(&shared.state).refuse.is_some_and(|refused| refused == action) => {
            ec2_error(400, "InvalidSubnet.Conflict", "The CIDR conflicts with another subnet")
        }
        (_, action) => {
            if action == "CreateVpc" {
                lock(&shared.state).creators.push(access_key(request));
            }
            send(&shared.upstream, request)?
        }
    })
}

fn access_key(request: &Request) -> String {
    let authorization = header(&request.headers, "authorization").expect("a signed request");
    authorization.split(['=', '/']).nth(1).expect("a credential").to_owned()
}

/// Returns whether the request waited.
fn wait_while_held(shared: &Shared, action: &str) -> bool {
    let mut state = lock(&shared.state);
    if state.is_held || state.hold.is_none_or(|held| held != action) {
        return false;
    }
    state.is_held = true;
    shared.changed.notify_all();
    while state.hold.is_some_and(|held| held == action) {
        state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    true
}

impl Build {
    fn describe(&mut self) -> Value {
        self.reads += 1;
        // A build waits for its machine at first.
        let phase = match self.reads {
            1 => "QUEUED",
            2 => "PROVISIONING",
            _ if self.status != "IN_PROGRESS" => "COMPLETED",
            _ => self.phase,
        };
        let is_provisioned = self.reads > 2 && self.phase != "PROVISIONING";
        let contexts = json!([{ "statusCode": "COMMAND_EXECUTION_ERROR", "message": "the commands of the phase failed" }]);
        let status = if self.status == "IN_PROGRESS" { Value::Null } else { json!(self.status) };
        let phases = ["PROVISIONING", "INSTALL", "BUILD"];
        let last = phases.iter().position(|name| *name == self.phase).unwrap_or(0);
        let phases: Vec<Value> = phases[..=last]
            .iter()
            .enumerate()
            .map(|(at, name)| match at == last {
                true => json!({ "phaseType": name, "phaseStatus": status, "contexts": contexts }),
                false => json!({ "phaseType": name, "phaseStatus": "SUCCEEDED" }),
            })
            .collect();
        let variables: Vec<Value> =
            self.variables.iter().map(|(name, value)| json!({ "name": name, "value": value, "type": "PLAINTEXT" })).collect();
        json!({
            "id": self.id, "arn": arn(&self.id), "buildStatus": self.status, "buildComplete": self.status != "IN_PROGRESS", "currentPhase": phase,
            "phases": phases, "logs": if is_provisioned { json!({ "groupName": "runner", "streamName": self.id }) } else { json!({}) },
            "environment": {
                "type": "LINUX_CONTAINER", "image": "image", "computeType": "BUILD_GENERAL1_SMALL", "environmentVariables": variables,
            },
        })
    }
}

fn arn(id: &str) -> String {
    format!("arn:aws:codebuild:us-east-1:123456789012:build/{id}")
}

/// Three events a page. The last two of a log arrive late.
fn log_events(shared: &Shared, body: &Value) -> Response {
    let mut state = lock(&shared.state);
    let build = state.builds.iter_mut().find(|build| body["logStreamName"] == build.id.as_str()).expect("a build");
    assert_eq!(body["startFromHead"], true);
    let from: usize = body["nextToken"].as_str().and_then(|token| token.strip_prefix("f/")).map_or(0, |at| at.parse().expect("a number"));
    let has_ended = build.status != "IN_PROGRESS";
    build.late_reads += usize::from(has_ended);
    let shown = if build.late_reads > 3 { build.lines.len() } else { build.lines.len().saturating_sub(2) }.max(from);
    let to = shown.min(from + 3);
    let events: Vec<Value> = build.lines[from..to].iter().map(|line| json!({ "timestamp": 1, "message": format!("{line}\n") })).collect();
    reply(&json!({ "events": events, "nextForwardToken": format!("f/{to}"), "nextBackwardToken": "b/0" }))
}

/// The commands of a phase of the runner's project.
fn commands(phase: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/remote/runner.yaml")).expect("the template");
    let template: Value = serde_yaml::from_str(&text).expect("YAML");
    let buildspec = template["resources"]["codebuild_project"]["main"]["source"]["buildspec"].as_str().expect("a text");
    let buildspec: Value = serde_yaml::from_str(buildspec).expect("YAML");
    assert_eq!(buildspec["env"]["shell"], "bash");
    let commands = buildspec["phases"][phase]["commands"].as_array().expect("commands").iter();
    // A command that fails ends the phase. To the left of `&&`, `set -e` has no effect: verifications must not depend on it.
    commands.map(|command| command.as_str().expect("a text").trim_end()).collect::<Vec<_>>().join(" &&\n")
}

fn start_build(shared: &Arc<Shared>, endpoint: &str, body: &Value) -> Response {
    let mut state = lock(&shared.state);
    assert!(body["idempotencyToken"].as_str().is_some_and(|token| token.len() > 20), "{body}");
    let overrides = body["environmentVariablesOverride"].as_array().expect("variables");
    let pair =
        |variable: &Value| (variable["name"].as_str().expect("a name").to_owned(), variable["value"].as_str().expect("a value").to_owned());
    let variables: Vec<(String, String)> = overrides.iter().map(pair).chain(state.variables.clone()).collect();
    let id = format!("acme-runner:{:08}", state.builds.len() + 1);
    let (status, phase) = if state.fault { ("FAULT", "PROVISIONING") } else { ("IN_PROGRESS", "INSTALL") };
    let build = Build {
        id: id.clone(),
        variables: variables.clone(),
        lines: vec!["[Container] Entering phase INSTALL".to_owned()],
        status,
        phase,
        process_group: None,
        reads: 0,
        late_reads: 0,
    };
    state.builds.push(build);
    let described = state.builds.last_mut().expect("a build").describe();
    if !state.fault {
        let program = if state.has_no_acme { "/nonexistent".to_owned() } else { shared.folder.path().join("bin").display().to_string() };
        let home = shared.folder.path().join("home");
        let environment = [
            ("PATH", format!("{program}:{}", std::env::var("PATH").expect("a path"))),
            ("HOME", home.display().to_string()),
            ("AWS_ENDPOINT_URL", endpoint.to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("CODEBUILD_BUILD_ARN", arn(&id)),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value));
        let (shared, environment) = (shared.clone(), environment.into_iter().chain(variables).collect::<Vec<_>>());
        thread::spawn(move || run_build(&shared, &id, &environment));
    }
    reply(&json!({ "build": described }))
}

fn run_build(shared: &Shared, id: &str, environment: &[(String, String)]) {
    let with_build = |change: &mut dyn FnMut(&mut Build)| {
        if let Some(build) = lock(&shared.state).builds.iter_mut().find(|build| build.id == id) {
            change(build);
        }
        shared.changed.notify_all();
    };
    for (phase, name) in [("install", "INSTALL"), ("build", "BUILD")] {
        with_build(&mut |build| build.phase = name);
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("exec 2>&1\n{}", commands(phase))]).env_clear().envs(environment.iter().cloned());
        shell.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_EC2_METADATA_DISABLED", "true")]);
        shell.current_dir(shared.folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
        let mut child: Child = shell.spawn().expect("bash runs");
        with_build(&mut |build| build.process_group = Some(child.id()));
        for line in BufReader::new(child.stdout.take().expect("a pipe")).lines().map_while(Result::ok) {
            with_build(&mut |build| build.lines.push(line.clone()));
        }
        let has_succeeded = child.wait().expect("it ends").success();
        with_build(&mut |build| build.lines.push(format!("[Container] Phase complete: {name}")));
        if !has_succeeded {
            with_build(&mut |build| {
                if build.status == "IN_PROGRESS" {
                    build.status = "FAILED"
                }
            });
            return;
        }
    }
    with_build(&mut |build| {
        if build.status == "IN_PROGRESS" {
            build.status = "SUCCEEDED"
        }
    });
}

/// A user's machine.
struct User {
    folder: tempfile::TempDir,
    url: String,
}

impl User {
    fn new(codebuild: &CodeBuild) -> User {
        let user = User { folder: tempfile::tempdir().expect("a folder"), url: codebuild.url.clone() };
        for name in ["parts", "home"] {
            fs::create_dir(user.path(name)).expect("a folder");
        }
        write_file(user.folder.path(), "stack.yaml", STACK);
        write_file(user.folder.path(), "parts/network.yaml", NETWORK);
        write_file(user.folder.path(), "more.yaml", "range: \"10.0\"\n");
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command on the stack, not yet run.
    fn command(&self, command: &str, more: &[&str]) -> Command {
        let stack = ["stack.yaml", "--env", "staging", "--values", "more.yaml", "--backend", "s3"];
        self.bare_command(&[&[command], stack.as_slice(), more].concat())
    }

    fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut whole = with_test_credentials(Command::new(binary()));
        for name in ["ACME_BACKEND", "ACME_ENV", "ACME_LOG", "ACME_LOG_PATH", "ACME_PRICES", "CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"]
        {
            whole.env_remove(name);
        }
        whole
            .env("NO_COLOR", "1")
            .env("AWS_ENDPOINT_URL", &self.url)
            .env("XDG_STATE_HOME", self.path("home"))
            .env("XDG_CACHE_HOME", self.path("home"));
        whole.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        whole
    }

    fn run(&self, command: &str, more: &[&str]) -> CommandOutput {
        CommandOutput::from_output(self.command(command, more).output().expect("acme runs"))
    }

    /// Starts a command, and leaves it running.
    fn spawn(&self, command: &str, more: &[&str]) -> Child {
        self.command(command, more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("acme starts")
    }

    /// Plans in the backend.
    fn packages(&self) -> Value {
        run_boto3(
            &self.url,
            "
listed = client('s3').list_objects_v2(Bucket='acme-123456789012-us-east-1', Prefix='shop/staging/remote/')
out = [entry['Key'] for entry in listed.get('Contents', [])]
",
        )
    }
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill runs").success());
}

fn output(child: Child) -> CommandOutput {
    CommandOutput::from_output(child.wait_with_output().expect("acme ends"))
}

#[test]
#[ignore = "full run"]
fn a_build_applies_the_plan_and_its_events_are_shown_here() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    let done = user.run("apply", &["--yes", "--remote"]).assert_success();
    for part in
        ["+ vpc.main", "build: provisioning", "created vpc.main", "created subnet.a", "Done: 2 created", "Outputs:", "network = vpc-"]
    {
        assert!(done.combined_output().contains(part), "`{part}` is missing in\n{}", done.combined_output());
    }
    assert!(!done.combined_output().contains("[Container]"), "{}", done.stderr);
    codebuild.wait_until_ended();
    assert_eq!(user.packages(), json!([]));
    // The build has no values of the definition.
    let variables: Vec<String> = codebuild.state().builds[0].variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(variables.len(), 6, "{variables:?}");
    assert!(variables.iter().all(|variable| variable.starts_with("ACME_REMOTE_") && !variable.contains("10.0")), "{variables:?}");

    // Everybody sees who ran it, and where.
    let history = user.run("history", &["-o", "json"]).assert_success().stdout;
    assert!(history.contains("in arn:aws:codebuild:us-east-1:123456789012:build/acme-runner:00000001"), "{history}");

    let again = user.run("apply", &["--yes", "--remote"]).assert_success();
    assert!(again.stderr.contains("no changes, so no build was started") && codebuild.build_count() == 1, "{}", again.stderr);
    let replayed = user.run("remote", &["-o", "json"]).assert_success();
    let events: Vec<Value> = replayed.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((&events[0]["event"], &events[events.len() - 2]["outcome"]), (&json!("run_started"), &json!("done")), "{}", replayed.stdout);

    // However much the project has built since, of other stacks.
    codebuild.state().builds.extend((0..100).map(|number| Build {
        id: format!("acme-runner:other-{number}"),
        variables: Vec::new(),
        lines: Vec::new(),
        status: "SUCCEEDED",
        phase: "BUILD",
        process_group: None,
        reads: 0,
        late_reads: 0,
    }));
    let found = user.run("remote", &[]).assert_success();
    assert!(found.stderr.contains("build/acme-runner:00000001.") && found.stderr.contains("created vpc.main"), "{}", found.stderr);

    let destroyed = user.run("destroy", &["--yes", "--remote", "-o", "json"]).assert_success();
    let first: Value = serde_json::from_str(destroyed.stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!((&first["event"], &first["project"]), (&json!("remote_build"), &json!("acme-runner")));
    let vpcs = run_boto3(&user.url, "out = [v for v in client('ec2').describe_vpcs()['Vpcs'] if not v['IsDefault']]");
    assert_eq!(vpcs, json!([]));
}

#[test]
#[ignore = "full run"]
fn a_failed_run_is_rolled_back_there_and_a_stale_plan_is_refused_there() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    codebuild.state().refuse = Some("CreateSubnet");
    let failed = user.run("apply", &["--yes", "--remote"]);
    assert_eq!(failed.code, 1, "{}", failed.combined_output());
    assert!(
        failed.stderr.contains("creating subnet.a failed: InvalidSubnet.Conflict") && failed.stderr.contains("Rolling back:"),
        "{}",
        failed.stderr
    );
    // Printed commands are complete here.
    assert!(failed.stderr.contains("stack.yaml --env staging --values more.yaml"), "{}", failed.stderr);
    codebuild.state().refuse = None;
    codebuild.wait_until_ended();

    // Someone is faster than the build.
    codebuild.hold("StartBuild");
    let remote = user.spawn("apply", &["--yes", "--remote"]);
    codebuild.wait_until_held();
    user.run("apply", &["--yes", "--only", "vpc.main"]).assert_success();
    codebuild.release();
    let stale = output(remote);
    assert_eq!(stale.code, 1, "{}", stale.combined_output());
    assert!(stale.stderr.contains("error[stale-plan]: no changes made: the live state has changed"), "{}", stale.stderr);
    assert!(
        stale.stderr.contains("plan again with `acme apply stack.yaml --env staging --values more.yaml --backend s3 --remote`"),
        "{}",
        stale.stderr
    );
    codebuild.wait_until_ended();

    // A saved plan is applied as it was reviewed, or refused here.
    user.run("plan", &["--out", "shop.acmeplan"]).assert_success();
    let apply = |more: &[&str]| {
        let arguments = [&["apply", "shop.acmeplan", "--backend", "s3", "--remote"], more].concat();
        CommandOutput::from_output(user.bare_command(&arguments).output().expect("acme runs"))
    };
    let done = apply(&[]).assert_success();
    assert!(done.stderr.contains("created subnet.a") && done.stderr.contains("Done: 1 created"), "{}", done.stderr);
    let builds = codebuild.build_count();
    let refused = apply(&[]);
    assert!(refused.code == 1 && refused.stderr.contains("error[stale-plan]") && codebuild.build_count() == builds, "{}", refused.stderr);
    assert_eq!(user.packages(), json!([]));
}

#[test]
#[ignore = "full run"]
fn a_run_survives_its_client_and_is_followed_by_another_one() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    codebuild.hold("CreateSubnet");
    let client = user.spawn("apply", &["--yes", "--remote"]);
    codebuild.wait_until_held();
    interrupt(&client);
    let left = output(client);
    assert_eq!(left.code, 130, "{}", left.combined_output());
    let follow = "acme remote stack.yaml --env staging --values more.yaml --backend s3";
    assert!(left.stderr.contains(&format!("Detached: the build continues. `{follow}` follows it again")), "{}", left.stderr);

    // The build has the lease.
    let build = arn("acme-runner:00000001");
    let second = user.run("apply", &["--yes", "--remote"]);
    assert!(second.code == 1 && second.stderr.contains("error[remote-running]") && second.stderr.contains(follow), "{}", second.stderr);
    let local = user.run("apply", &["--yes"]);
    assert!(local.code == 1 && local.stderr.contains("error[Locked]") && local.stderr.contains(&build), "{}", local.stderr);
    let stacks = user.bare_command(&["stacks", "--region", "us-east-1", "--backend", "s3"]).output().expect("acme runs");
    assert!(CommandOutput::from_output(stacks).stdout.contains(&build));

    // One client is killed while it follows; the next one follows to the end.
    let mut killed = user.spawn("remote", &[]);
    codebuild.wait_for("the client to read the log", |state| state.builds[0].reads > 6);
    killed.kill().expect("it is killed");
    killed.wait().expect("it has ended");
    let last = user.spawn("remote", &[]);
    codebuild.release();
    let done = output(last).assert_success();
    assert!(done.stderr.contains("created vpc.main") && done.stderr.contains("Done: 2 created"), "{}", done.stderr);
    assert_eq!(codebuild.build_count(), 1);
    user.run("plan", &["--detailed-exitcode"]).assert_success();
}

#[test]
#[ignore = "full run"]
fn a_stopped_build_is_continued_by_the_next_run() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    codebuild.hold("CreateSubnet");
    let client = user.spawn("apply", &["--yes", "--remote"]);
    codebuild.wait_until_held();
    let stopped = user.run("remote", &["--stop", "--yes"]).assert_success();
    assert!(stopped.stderr.contains("acme rollback stack.yaml --env staging"), "{}", stopped.stderr);
    let ended = output(client);
    assert_eq!(ended.code, 3, "{}", ended.combined_output());
    assert!(ended.stderr.contains("error[remote-ended]: the build ended with STOPPED in the middle of the run"), "{}", ended.stderr);
    // The call was under way when the build was stopped.
    codebuild.release_and_wait();

    let next = user.run("apply", &["--yes", "--remote"]).assert_success();
    assert!(
        next.stderr.contains("The last run (revision 1, apply by ") && next.stderr.contains(&arn("acme-runner:00000001")),
        "{}",
        next.stderr
    );
    assert!(next.stderr.contains("Done:"), "{}", next.stderr);
    user.run("plan", &["--detailed-exitcode"]).assert_success();
    let subnets = "[s for s in client('ec2').describe_subnets()['Subnets'] if s['CidrBlock'] == '10.0.1.0/24']";
    assert_eq!(run_boto3(&user.url, &format!("out = len({subnets})")), json!(1));
}

/// The build needs neither the repository of a module nor its credentials, and assumes the role of the stack.
#[test]
#[ignore = "full run"]
fn a_build_has_the_modules_and_the_role_of_the_stack() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    let module = format!("description: A network.\ninputs: {{ range: {{ type: string, description: Its range }} }}\n{NETWORK}")
        .replace("{{ range }}", "{{ inputs.range }}");
    let (work, modules) = (user.path("work"), user.path("modules.git"));
    fs::create_dir_all(work.join("network")).expect("a folder");
    write_file(&work, "network/module.yaml", &module);
    git(&work, &["init", "--quiet"]);
    git(&work, &["add", "."]);
    git(&work, &["commit", "--quiet", "-m", "One"]);
    git(&work, &["tag", "v1"]);
    git(user.folder.path(), &["clone", "--quiet", "--bare", "work", "modules.git"]);
    let stack = |checksum: &str| {
        let text = format!(
            "stack: shop\nregion: us-east-1\nrole: arn:aws:iam::123456789012:role/deploy\nvalues: {{ range: \"10.9\" }}\nenvironments: {{ staging: {{}} }}\ninclude:\n  \
             - module: git::file://{}//network?ref=v1\n    inputs: {{ range: \"{{{{ range }}}}\" }}\n    checksum: {checksum}\n",
            modules.display()
        );
        write_file(user.folder.path(), "stack.yaml", &text);
    };
    stack("sha256:0000");
    let wrong = user.bare_command(&["validate", "stack.yaml", "--env", "staging", "--values", "more.yaml"]).output().expect("acme runs");
    let wrong = CommandOutput::from_output(wrong).stderr;
    let checksum = wrong.split("have the checksum `").nth(1).and_then(|rest| rest.split('`').next());
    stack(checksum.unwrap_or_else(|| panic!("no checksum: {wrong}")));

    // The client keeps the module that it planned with.
    user.run("plan", &[]).assert_success();
    fs::remove_dir_all(&modules).expect("it is there");
    let applied = user.run("apply", &["--yes", "--remote"]).assert_success();
    assert!(applied.combined_output().contains("Done: 2 created"), "{}", applied.combined_output());
    let creators = codebuild.state().creators.clone();
    assert!(creators.len() == 1 && creators[0].starts_with("ASIA"), "{creators:?}");
}

/// The role of the user who wrote the plan may differ from those of everybody who can write to the backend.
#[test]
#[ignore = "full run"]
fn a_plan_that_was_changed_in_the_backend_is_refused() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    codebuild.hold("StartBuild");
    let client = user.spawn("apply", &["--yes", "--remote"]);
    codebuild.wait_until_held();
    let packages = user.packages();
    let [package] = packages.as_array().expect("a list").as_slice() else { panic!("{packages}") };
    let change = "
    bucket = 'acme-123456789012-us-east-1'
    text = client('s3').get_object(Bucket=bucket, Key=key)['Body'].read()
    assert b'10.0.' in text
    client('s3').put_object(Bucket=bucket, Key=key, Body=text.replace(b'10.0.', b'10.1.'))
";
    run_boto3(&user.url, &format!("for key in [{package}]:{change}"));
    codebuild.release();
    let refused = output(client);
    assert!(refused.code == 1 && refused.stderr.contains("error[UnfitPackage]"), "{}", refused.combined_output());
    codebuild.wait_until_ended();
    assert_eq!(user.packages(), json!([]));
    let vpcs = run_boto3(&user.url, "out = [v for v in client('ec2').describe_vpcs()['Vpcs'] if not v['IsDefault']]");
    assert_eq!(vpcs, json!([]));
}

#[test]
#[ignore = "full run"]
fn a_build_that_fails_before_the_run_makes_no_changes() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    let missing = user.run("apply", &["--yes", "--remote=other"]);
    assert!(missing.code == 1 && missing.stderr.contains("error[no-runner]"), "{}", missing.stderr);

    codebuild.state().refuse = Some("StartBuild");
    let full = user.run("apply", &["--yes", "--remote"]);
    assert!(full.code == 1 && full.stderr.contains("error[runner-limit]: no changes made"), "{}", full.combined_output());
    assert_eq!(user.packages(), json!([]));

    codebuild.state().refuse = None;
    codebuild.state().fault = true;
    let fault = user.run("apply", &["--yes", "--remote"]);
    assert!(fault.code == 1 && fault.stderr.contains("error[remote-ended]: no changes made"), "{}", fault.combined_output());
    assert!(fault.stderr.contains("ended with FAULT before the run began"), "{}", fault.stderr);
    assert!(!fault.stderr.contains("is starting a remote run"), "CodeBuild refused the run before: {}", fault.stderr);
    assert_eq!(user.packages(), json!([]));

    // The program has to come from somewhere, with the right checksum.
    let releases = user.path("releases");
    let version = env!("CARGO_PKG_VERSION");
    let folder = releases.join("download").join(format!("v{version}"));
    fs::create_dir_all(&folder).expect("a folder");
    let program = std::path::absolute(binary()).expect("a path");
    let script = format!(
        "printf '#!/bin/sh\\nexec {} \"$@\"\\n' > acme && chmod +x acme && for machine in x86_64 aarch64; do \
         tar -czf acme-$machine-unknown-linux-musl.tar.gz acme; done && sha256sum *.tar.gz > SHA256SUMS",
        program.display()
    );
    assert!(Command::new("bash").args(["-ec", &script]).current_dir(&folder).status().expect("bash runs").success());
    {
        let mut state = codebuild.state();
        (state.fault, state.has_no_acme) = (false, true);
        state.variables = vec![("ACME_RELEASES".to_owned(), format!("file://{}", releases.display()))];
    }
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("checksums");
    let wrong: String = sums.lines().map(|line| format!("{:064}  {}\n", 0, line.split("  ").nth(1).expect("a name"))).collect();
    fs::write(folder.join("SHA256SUMS"), wrong).expect("written");
    let failed = user.run("apply", &["--yes", "--remote"]);
    assert!(failed.code == 1 && failed.stderr.contains("ended with FAILED before the run began"), "{}", failed.combined_output());
    assert!(failed.stderr.contains("FAILED") && failed.stderr.contains(".tar.gz"), "{}", failed.stderr);
    assert_eq!(user.packages(), json!([]));
    fs::write(folder.join("SHA256SUMS"), sums).expect("written");
    user.run("apply", &["--yes", "--remote"]).assert_success();
    assert!(user.run("history", &[]).assert_success().stdout.contains("apply"));

    // The plan is another one than that for which the build was started.
    codebuild.wait_until_ended();
    let before = codebuild.state().builds.last().expect("a build").variables.clone();
    let mut runner = user.bare_command(&["runner"]);
    runner.envs(before).env("AWS_REGION", "us-east-1");
    let gone = CommandOutput::from_output(runner.output().expect("acme runs"));
    assert!(
        gone.code == 1 && gone.stderr.contains("error[NoPackage]") && gone.stdout.contains("\"exit_code\":1"),
        "{}",
        gone.combined_output()
    );
}

/// The second client finds the record of the first one, which has no answer of CodeBuild yet.
#[test]
#[ignore = "full run"]
fn of_two_clients_at_once_one_starts_a_build() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    codebuild.hold("StartBuild");
    let first = user.spawn("apply", &["--yes", "--remote"]);
    codebuild.wait_until_held();
    let mut second = user.spawn("apply", &["--yes", "--remote"]);
    let mut lines = BufReader::new(second.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("is starting a remote run of this stack")), "the second client did not wait");
    codebuild.hold("CreateSubnet");
    let rest = lines.collect::<Vec<_>>().join("\n");
    assert!(rest.contains("error[remote-running]") && rest.contains(&arn("acme-runner:00000001")), "{rest}");
    assert_eq!(output(second).code, 1);
    codebuild.release();
    assert!(output(first).assert_success().stderr.contains("Done: 2 created"));
    assert_eq!((codebuild.build_count(), user.packages()), (1, json!([])));
}

#[test]
#[ignore = "full run"]
fn a_client_that_was_killed_while_it_starts_a_build_leaves_a_run_that_is_found() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    codebuild.hold("StartBuild");
    let mut killed = user.spawn("apply", &["--yes", "--remote"]);
    codebuild.wait_until_held();
    killed.kill().expect("it is killed");
    killed.wait().expect("it has ended");
    codebuild.hold("CreateSubnet");
    codebuild.wait_until_held();
    let second = user.run("apply", &["--yes", "--remote"]);
    assert!(second.code == 1 && second.stderr.contains("error[remote-running]"), "{}", second.combined_output());
    codebuild.release();
    assert!(user.run("remote", &[]).assert_success().stderr.contains("Done: 2 created"));

    // Its build was never started.
    codebuild.wait_until_ended();
    let write = |record: &str| {
        let put = format!("client('s3').put_object(Bucket='acme-123456789012-us-east-1', Key='shop/staging/remote.json', Body={record:?})");
        run_boto3(&user.url, &format!("{put}\nout = None"));
    };
    let record = json!({
        "format": "acme-remote-run/1", "run": "0000000000001-0000000000000000", "project": "acme-runner", "actor": "ann@laptop", "build": null,
        "was_refused": false,
    });
    write(&record.to_string());
    let unknown = user.run("remote", &[]);
    assert!(unknown.code == 1 && unknown.stderr.contains("error[no-remote-run]"), "{}", unknown.combined_output());
    assert!(unknown.stderr.contains("of ann@laptop, has no build"), "{}", unknown.stderr);
    user.run("destroy", &["--yes", "--remote"]).assert_success();
    assert_eq!(codebuild.build_count(), 2);

    write("{}");
    let damaged = user.run("remote", &[]);
    assert!(damaged.code == 1 && damaged.stderr.contains("error[RemoteRecord]"), "{}", damaged.combined_output());
}

#[test]
#[ignore = "full run"]
fn decisions_calls_and_statistics_of_the_build_come_back() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    let done = user.run("apply", &["--yes", "--remote", "-vv", "--stats", "--log", "run.log"]).assert_success();
    // Only the build makes changes.
    for part in ["call: EC2 CreateVpc {", "planned vpc.main: create", "EC2 CreateVpc\n", "calls in total"] {
        assert!(done.stderr.contains(part), "`{part}` is missing in\n{}", done.stderr);
    }
    let log = fs::read_to_string(user.path("run.log")).expect("a log");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let created: Vec<&Value> = lines.iter().filter(|line| line["action"] == "CreateVpc").collect();
    assert!(created.len() == 1 && created[0]["remote"] == true && created[0]["status"] == 200, "{created:?}");
    assert!(lines.iter().all(|line| line["run"] == lines[0]["run"]) && lines.iter().any(|line| line["remote"].is_null()), "{log}");

    let followed = user.run("remote", &["-v"]).assert_success();
    assert!(followed.stderr.contains("planned vpc.main: create") && !followed.stderr.contains("call: "), "{}", followed.stderr);
    let quiet = user.run("remote", &[]).assert_success();
    assert!(!quiet.combined_output().contains("planned vpc.main") && !quiet.combined_output().contains("remote_log"), "{}", quiet.stderr);
}

#[test]
#[ignore = "full run"]
fn a_build_of_a_stack_with_charts_is_told_to_install_helm() {
    let codebuild = CodeBuild::start();
    let user = User::new(&codebuild);
    let definition = "
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.2.0/24, availability_zone: us-east-1b }
  eks_cluster: { main: { role: \"arn:aws:iam::123456789012:role/eks\", subnets: [a, b] } }
  helm_release: { web: { cluster: main, release: web, namespace: web, chart: \"oci://registry.example.com/web\", version: 1.0.0 } }
";
    write_file(user.folder.path(), "parts/network.yaml", definition);
    codebuild.state().fault = true;
    let ended = user.run("apply", &["--yes", "--remote", "--only", "vpc.main"]);
    assert!(ended.stderr.contains("ended with FAULT before the run began"), "{}", ended.combined_output());
    let variables = codebuild.state().builds[0].variables.clone();
    assert!(variables.contains(&("ACME_REMOTE_HELM".to_owned(), "true".to_owned())), "{variables:?}");
}

/// The commands of the project install the pinned Helm if the build asks for it, and no other one.
#[test]
fn a_build_installs_helm_with_the_right_checksum() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "mkdir bin home linux-amd64 && printf '#!/bin/sh\\necho acme 1.2.3\\n' > bin/acme && printf '#!/bin/sh\\necho v3.20.1+g0\\n' > bin/helm \
                  && printf '#!/bin/sh\\necho v4.9.9+g0\\n' > linux-amd64/helm && cp -r linux-amd64 linux-arm64 && chmod +x bin/* linux-*/helm \
                  && for machine in amd64 arm64; do tar -czf helm-v4.9.9-linux-$machine.tar.gz linux-$machine; \
                  sha256sum helm-v4.9.9-linux-$machine.tar.gz | cut -d' ' -f1; done";
    let made = Command::new("bash").args(["-ec", script]).current_dir(folder.path()).output().expect("bash runs");
    let made = CommandOutput::from_output(made).assert_success().stdout;
    let [amd64, arm64] = made.lines().collect::<Vec<_>>()[..] else { panic!("{made}") };
    let path = |name: &str| folder.path().join(name).display().to_string();
    let location = format!("file://{}", folder.path().display());
    let install = |more: &[(&str, &str)]| {
        let mut shell = Command::new("bash");
        shell.args(["-c", &commands("install")]).env_clear().current_dir(folder.path()).stdin(Stdio::null());
        shell.env("PATH", format!("{}:{}", path("bin"), std::env::var("PATH").expect("a path"))).env("HOME", path("home"));
        shell.envs([("ACME_REMOTE_VERSION", "1.2.3"), ("ACME_HELM_VERSION", "4.9.9"), ("ACME_HELM_LOCATION", location.as_str())]);
        shell.envs(more.iter().copied());
        CommandOutput::from_output(shell.output().expect("bash runs"))
    };
    let installed = Path::new(&path("home/.local/bin/helm")).to_owned();

    install(&[]).assert_success();
    assert!(!installed.exists(), "nobody asked for it");
    let wrong = "0".repeat(64);
    let failed = install(&[("ACME_REMOTE_HELM", "true"), ("ACME_HELM_AMD64", &wrong), ("ACME_HELM_ARM64", &wrong)]);
    assert!(failed.code != 0 && failed.combined_output().contains("FAILED") && !installed.exists(), "{}", failed.combined_output());
    install(&[("ACME_REMOTE_HELM", "true"), ("ACME_HELM_AMD64", amd64), ("ACME_HELM_ARM64", arm64)]).assert_success();
    let version = Command::new(&installed).arg("version").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&version.stdout).trim(), "v4.9.9+g0");

    // The image has Helm 4.
    fs::remove_file(&installed).expect("it is there");
    fs::copy(path("linux-amd64/helm"), path("bin/helm")).expect("copied");
    install(&[("ACME_REMOTE_HELM", "true"), ("ACME_HELM_AMD64", &wrong), ("ACME_HELM_ARM64", &wrong)]).assert_success();
    assert!(!installed.exists());
}
