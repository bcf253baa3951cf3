//! Checks requests against AWS's models of its services: stand-ins and scripts accept what AWS rejects.

use std::{
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use serde_json::{Value, json};

use crate::{
    standin::{LineChannel, python, with_test_credentials},
    wire::{Request, header, service_and_action},
};

/// Problems of acme's requests, each once. Requests of other clients are not checked.
pub fn find_problems(requests: &[Request]) -> Vec<String> {
    let requests: Vec<Value> = requests.iter().filter(|request| is_from_acme(request)).map(describe).collect();
    if requests.is_empty() {
        return Vec::new();
    }
    let answer = checker().lock().unwrap_or_else(PoisonError::into_inner).ask(&Value::from(requests).to_string());
    serde_json::from_str(&answer).expect("the checker prints a list")
}

fn is_from_acme(request: &Request) -> bool {
    header(&request.headers, "user-agent").is_some_and(|agent| agent.contains("aws-sdk-rust"))
}

fn describe(request: &Request) -> Value {
    json!({
        "service": service_and_action(request).0,
        "method": request.method,
        "path": request.path,
        "headers": request.headers,
        // One character per byte.
        "body": request.body.iter().copied().map(char::from).collect::<String>(),
    })
}

/// The process that checks; it ends with the tests, which close its input.
fn checker() -> &'static Mutex<LineChannel> {
    static CHECKER: OnceLock<Mutex<LineChannel>> = OnceLock::new();
    CHECKER.get_or_init(|| {
        let mut command = with_test_credentials(Command::new(python()));
        let script = include_str!("request_model.py");
        let mut python = command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        Mutex::new(LineChannel::attach(&mut python))
    })
}
