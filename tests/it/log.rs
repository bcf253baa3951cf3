//! `-v`, `-vv`, `--log` and `ACME_LOG`.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, repository_stack, write_file},
    scripted_endpoint::{Script, json_error, json_ownership_tags, ok},
    standin::free_port,
};

const STACK: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a } }
";

/// Lines of a log, each of which must be JSON.
fn read_log(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("a log");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Lines of an event.
fn events<'a>(log: &'a [Value], event: &str) -> Vec<&'a Value> {
    log.iter().filter(|line| line["event"] == event).collect()
}

#[test]
fn one_v_shows_decisions_and_two_show_calls() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let quiet = acme.run("plan", &stack, &[]).assert_success();
    assert!(!quiet.stderr.contains("planned"), "{}", quiet.stderr);
    let decisions = acme.run("plan", &stack, &["-v"]).assert_success();
    assert_eq!(decisions.stdout, quiet.stdout, "the log goes to stderr");
    assert!(decisions.stderr.contains("planned vpc.main: create: does_not_exist"), "{}", decisions.stderr);
    assert!(!decisions.stderr.contains("call: "), "{}", decisions.stderr);
    let calls = acme.run("plan", &stack, &["-vv"]).assert_success();
    assert!(calls.stderr.contains("call: simulated cloud list vpc"), "{}", calls.stderr);

    let applied = acme.run("apply", &stack, &["--yes", "-v"]).assert_success();
    for part in ["step: create vpc.main starts", "wait: until `vpc-"] {
        assert!(applied.stderr.contains(part), "{part}: {}", applied.stderr);
    }
    let found = acme.run("plan", &stack, &["-v"]).assert_success().stderr;
    assert!(found.contains("discovered: 1 of the type subnet in eu-west-1: subnet-"), "{found}");
}

#[test]
fn the_environment_turns_on_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let shown = |level: &str| acme.run_with_env(&[("ACME_LOG", level)], "plan", &stack, &[]).assert_success().stderr;
    assert!(!shown("off").contains("planned vpc.main"));
    assert!(shown("info").contains("planned vpc.main") && !shown("info").contains("call: "));
    assert!(shown("debug").contains("call: "));
    let refused = acme.run_with_env(&[("ACME_LOG", "loud")], "plan", &stack, &[]);
    assert!(refused.code == 1 && refused.stderr.contains("error[log-level]:"), "{}", refused.stderr);
}

#[test]
fn a_file_has_every_decision_step_and_call_of_each_run() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let (stack, file) = (repository_stack("reference.yaml"), folder.path().join("acme.log"));
    let path = file.display().to_string();
    let fast = [("ACME_LOCAL_FAULT", "settle:0.001"), ("ACME_LOG_PATH", path.as_str())];
    let applied = acme.run_with_env(&fast, "apply", &stack, &["--yes"]).assert_success();
    assert!(!applied.stderr.contains("call: "), "a file shows nothing on the terminal: {}", applied.stderr);
    let first = read_log(&file);
    let ended = events(&first, "command_ended");
    assert!(first[0]["format"] == "acme-log/1" && first[0]["command"] == "apply", "{}", first[0]);
    assert!(ended.len() == 1 && ended[0]["code"] == 0, "{ended:?}");

    // Each step is there once, with its calls.
    let steps = events(&first, "step");
    let planned = events(&first, "decision").into_iter().filter(|line| line["topic"] == "planned").count();
    assert!(planned > 40 && steps.len() >= planned, "{planned} {}", steps.len());
    let calls = events(&first, "call");
    let creates: Vec<&&Value> = calls.iter().filter(|call| call["action"].as_str().unwrap().starts_with("create ")).collect();
    assert_eq!(creates.len(), planned);
    for call in creates {
        let step = steps.iter().find(|step| step["step"] == call["step"]).unwrap_or_else(|| panic!("{call} has no step"));
        assert_eq!(step["address"], call["parameters"]["address"]);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    // The next command appends.
    acme.run("plan", &stack, &["--log", &path]).assert_success();
    let both = read_log(&file);
    assert_eq!(both[..first.len()], first);
    let runs: Vec<&Value> = events(&both, "command_started").into_iter().map(|line| &line["run"]).collect();
    assert!(runs.len() == 2 && runs[0] != runs[1], "{runs:?}");

    let refused = acme.run("plan", &stack, &["--log", &folder.path().join("none/acme.log").display().to_string()]);
    assert!(refused.code == 1 && refused.stderr.contains("error[file]: can't write the log"), "{}", refused.stderr);
}

/// What fails is logged with its code, and what is retried, too.
#[test]
fn a_file_has_failed_calls_and_retries() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let (stack, file) = (write_file(folder.path(), "stack.yaml", STACK), folder.path().join("acme.log"));
    let path = file.display().to_string();
    let failing = [("ACME_LOCAL_FAULT", "throttle:3"), ("ACME_LOG_PATH", path.as_str())];
    acme.run_with_env(&failing, "apply", &stack, &["--yes"]).assert_success();
    let log = read_log(&file);
    let throttled = events(&log, "call").into_iter().filter(|call| call["error"].is_string()).count();
    assert!(throttled > 0);
    acme.run_with_env(&[("ACME_LOCAL_FAULT", "refuse:1"), ("ACME_LOG_PATH", path.as_str())], "destroy", &stack, &["--yes"]);
    let log = read_log(&file);
    let failed: Vec<&Value> = events(&log, "step").into_iter().filter(|step| step["error"].is_string()).collect();
    assert!(!failed.is_empty(), "a step that failed has its error");
}

#[test]
fn a_log_hides_secrets_of_the_definition() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = "
stack: shop
region: eu-west-1
values: { tiger: PLANTED-value }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] }, policies: [AmazonEKSClusterPolicy] } }
  eks_cluster: { main: { role: cluster, subnets: [a, b], deletion_protection: false } }
  kubernetes_object:
    config:
      cluster: main
      manifest: { apiVersion: v1, kind: ConfigMap, metadata: { name: a, namespace: default }, data: { text: \"{{ tiger }}\" } }
  helm_release:
    web: { cluster: main, release: web, namespace: default, chart: web, repository: https://charts.example.com, version: 1.0.0, values: { motto: \"{{ tiger }}\" } }
";
    let stack = write_file(folder.path(), "stack.yaml", text);
    let file = folder.path().join("acme.log");
    let path = file.display().to_string();
    let fast = [("ACME_LOCAL_FAULT", "settle:0.001")];
    let shown = acme.run_with_env(&fast, "apply", &stack, &["--yes", "-q", "--log", &path]).assert_success().combined_output();
    let changed = write_file(folder.path(), "changed.yaml", &text.replace("PLANTED-value", "PLANTED-other"));
    acme.run_with_env(&fast, "apply", &changed, &["--yes", "-q", "--log", &path]).assert_success();
    let log = fs::read_to_string(&file).unwrap();
    assert!(log.contains("create helm_release") && log.contains("update kubernetes_object"), "its calls are there");
    for text in [shown, log] {
        assert!(!text.contains("PLANTED"), "{text}");
    }
}

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf";

/// A call to AWS has its parameters, without secrets, and what AWS answered.
#[test]
fn calls_to_aws_are_logged_with_request_id_attempt_and_outcome() {
    let parameter = json!({
        "Name": "/shop/token", "ARN": "arn:aws:ssm:us-east-1:123456789012:parameter/shop/token", "Type": "SecureString", "KeyId": "alias/aws/ssm",
        "Version": 1, "Tier": "Standard", "DataType": "text", "Description": "", "Policies": [],
    });
    let mut tags = json_ownership_tags("parameter.token");
    tags.as_array_mut().unwrap().push(json!({ "Key": "acme:secret", "Value": format!("1 {SECRET} password") }));
    let endpoint = Script::new()
        .on("GetSecretValue", [ok(json!({ "ARN": SECRET, "SecretString": r#"{"password":"PLANTED-password"}"# }))])
        // The first attempt fails, and the SDK repeats it.
        .on("DescribeParameters", [json_error(400, "ThrottlingException", "Rate exceeded"), ok(json!({ "Parameters": [] }))])
        .on("PutParameter", [ok(json!({ "Version": 1, "Tier": "Standard" }))])
        .after("PutParameter")
        .on("DescribeParameters", [ok(json!({ "Parameters": [parameter] }))])
        .on("ListTagsForResource", [ok(json!({ "TagList": tags }))])
        .start(&format!(
            "  parameter: {{ token: {{ name: /shop/token, type: secure_string, secret: \"{SECRET}\", secret_key: password }} }}\n"
        ));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.log");
    let mut command = endpoint.command("apply", &["--yes", "-vv", "--log", &file.display().to_string()]);
    command.envs([("AWS_SECRET_ACCESS_KEY", "PLANTED-secret-key"), ("AWS_SESSION_TOKEN", "PLANTED-session-token")]);
    let done = CommandOutput::from_output(command.output().expect("acme runs")).assert_success();
    let log = read_log(&file);
    let calls = events(&log, "call");
    let named = |action: &str| calls.iter().filter(|call| call["action"] == action).collect::<Vec<_>>();

    let put = named("PutParameter");
    let [put] = put[..] else { panic!("{put:?}") };
    assert_eq!(
        (&put["service"], &put["region"], &put["request_id"], &put["status"]),
        (&json!("SSM"), &json!("us-east-1"), &json!("req-1"), &json!(200))
    );
    assert_eq!((&put["parameters"]["name"], &put["error"], &put["attempt"]), (&json!("/shop/token"), &Value::Null, &json!(1)));
    assert!(put["step"].is_string() && put["milliseconds"].is_u64(), "{put}");
    let reads = named("DescribeParameters");
    assert_eq!((&reads[0]["error"], &reads[0]["status"], &reads[0]["attempt"]), (&json!("ThrottlingException"), &json!(400), &json!(1)));
    assert_eq!((&reads[1]["error"], &reads[1]["attempt"]), (&Value::Null, &json!(2)));
    let retries: Vec<&Value> = events(&log, "decision").into_iter().filter(|line| line["topic"] == "retry").collect();
    let [retry] = retries[..] else { panic!("a retry is a decision: {retries:?}") };
    let message = retry["message"].as_str().unwrap();
    assert!(
        message.starts_with("SSM DescribeParameters again, ") && message.ends_with(" s after the failure: ThrottlingException"),
        "{message}"
    );
    assert!(calls.iter().all(|call| call["parameters"].is_object()), "an input without fields is an object, too: {calls:?}");

    // As many as `--stats` counts, and no secret, authorization or token anywhere.
    assert!(done.stderr.contains("call: SSM PutParameter {"), "{}", done.stderr);
    let text = format!("{}{}", fs::read_to_string(&file).unwrap(), done.combined_output());
    for secret in ["PLANTED", "AWS4-HMAC-SHA256", "Signature="] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// A server that can't be reached is named, and no attempt is lost.
#[test]
fn calls_without_an_answer_are_logged() {
    let folder = tempfile::tempdir().unwrap();
    let closed = format!("127.0.0.1:{}", free_port());
    let acme = Acme::at_endpoint(&format!("http://{closed}"));
    let (stack, file) = (write_file(folder.path(), "stack.yaml", &STACK.replace("eu-west-1", "us-east-1")), folder.path().join("acme.log"));
    let done = acme.run("plan", &stack, &["--log", &file.display().to_string()]);
    assert_eq!(done.code, 1, "{}", done.stderr);
    let log = read_log(&file);
    let calls = events(&log, "call");
    assert!(!calls.is_empty());
    for call in calls {
        assert!(call["error"].as_str().unwrap().contains(&closed) && call["status"].is_null(), "{call}");
    }
}
