//! A process from which moto and scripts with boto3 are forked: importing their modules takes seconds.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Mutex, OnceLock},
    thread,
    time::Duration,
};

use serde_json::{Value, json};

use super::{LineChannel, python, with_test_credentials};

/// Sends a request to the process, which starts with the first one and ends with the tests.
fn ask(request: &Value) -> Value {
    static NURSERY: OnceLock<Mutex<LineChannel>> = OnceLock::new();
    let nursery = NURSERY.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/standin/nursery.py");
        let mut command = with_test_credentials(Command::new(python()));
        let command = command.arg(script).env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true").env("PYTHONDONTWRITEBYTECODE", "1");
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        Mutex::new(LineChannel::attach(&mut process))
    });
    let answer = nursery.lock().unwrap_or_else(std::sync::PoisonError::into_inner).ask(&request.to_string());
    serde_json::from_str(&answer).expect("it answers in JSON")
}

/// Starts moto; returns the id of its process.
pub fn start_moto(port: u16, folder: &Path) -> u64 {
    ask(&json!({ "moto": port, "folder": folder })).as_u64().expect("a process")
}

pub fn is_running(process: u64) -> bool {
    ask(&json!({ "runs": process })) == true
}

pub fn stop(process: u64) {
    ask(&json!({ "stop": process }));
}

/// Value of `out` after a script; `client(service)` in it creates a client for the endpoint.
pub fn run_script(url: &str, script: &str) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("script");
    fs::write(&file, script).expect("written");
    let process = ask(&json!({ "script": file, "url": url })).as_u64().expect("a process");
    loop {
        let running = is_running(process);
        if let Ok(out) = fs::read_to_string(folder.path().join("script.out")) {
            return serde_json::from_str(&out).expect("the script's value is JSON");
        }
        if !running {
            let error = fs::read_to_string(folder.path().join("script.error")).unwrap_or_default();
            panic!("boto3 script failed:\n{script}\n{error}");
        }
        thread::sleep(Duration::from_millis(20));
    }
}
