//! `acme graph --serve`: the page, its events, and what it refuses.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    acme::{Acme, repository_stack, write_file},
    browser::find_tools,
    standin,
};

const STACK: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet: { a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a } }
";

/// Longest time to an answer or an event.
const TIMEOUT: Duration = Duration::from_secs(300);

/// A running `acme graph --serve`, ended when dropped.
struct Playground {
    process: Child,
    /// `127.0.0.1:PORT`
    address: String,
    /// Path with the token, which ends with a slash.
    path: String,
}

impl Playground {
    fn start(acme: &Acme, stack: &Path) -> Playground {
        Playground::start_with(acme, stack, &[])
    }
    fn start_with(acme: &Acme, stack: &Path, more: &[&str]) -> Playground {
        let mut command = acme.command("graph", stack, &[&["--serve"], more].concat());
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("acme starts");
        let mut url = String::new();
        BufReader::new(process.stdout.take().expect("its output")).read_line(&mut url).expect("a line");
        let rest = url.trim_end().strip_prefix("http://").unwrap_or_else(|| panic!("no URL: {url}"));
        let (address, path) = rest.split_once('/').expect("a path");
        Playground { process, address: address.to_owned(), path: format!("/{path}") }
    }
    /// Head and body of an answer to a request with this host.
    fn get(&self, path: &str, host: &str) -> (String, String) {
        self.request("GET", path, host)
    }
    fn request(&self, method: &str, path: &str, host: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        write!(stream, "{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_lowercase(), body.to_owned())
    }
    /// The state now, and what changes from now on.
    fn events(&self) -> Events {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a timeout");
        write!(stream, "GET {}events HTTP/1.1\r\nhost: {}\r\n\r\n", self.path, self.address).expect("a request");
        Events { stream: BufReader::new(stream), read_at: 0 }
    }
}

impl Drop for Playground {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

struct Events {
    stream: BufReader<TcpStream>,
    /// Time of the last look at the resources of which an event was seen, in milliseconds since 1970.
    read_at: u64,
}

/// Time after which the page of a simulated stack is read again without a reason, in milliseconds.
const IDLE_PAUSE: u64 = 10_000;

impl Events {
    /// The next event of this name for which the condition holds. Skips the others.
    fn find(&mut self, name: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + TIMEOUT;
        let mut event = String::new();
        loop {
            let mut line = String::new();
            // An idle stream has comments, which end the timeout of a read.
            assert!(Instant::now() < until, "no event `{name}` of this kind");
            assert!(self.stream.read_line(&mut line).expect("an event in time") > 0, "the stream ended");
            if let Some(found) = line.trim_end().strip_prefix("event: ") {
                event = found.to_owned();
            }
            if let Some(data) = line.trim_end().strip_prefix("data: ").filter(|_| event == name || event == "read") {
                let data: Value = serde_json::from_str(data).expect("JSON");
                if event == "read" {
                    self.read_at = data["at"].as_u64().expect("a time");
                }
                if event == name && holds(&data) {
                    return data;
                }
            }
        }
    }
}

#[test]
fn only_the_page_of_this_machine_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let playground = Playground::start(&acme, &stack);
    assert!(playground.address.starts_with("127.0.0.1:"));
    assert!(playground.path.len() >= 34, "the path has a token: {}", playground.path);
    let port = playground.address.rsplit(':').next().unwrap();

    let (head, page) = playground.get(&playground.path, &playground.address);
    assert!(head.starts_with("http/1.1 200"), "{head}");
    for part in ["default-src 'none'", "frame-ancestors 'none'", "cache-control: no-store", "referrer-policy: no-referrer"] {
        assert!(head.contains(part), "{part}: {head}");
    }
    assert!(page.contains("vpc.main") && page.contains("EventSource"));
    let title = page.split("<title>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or_default();
    assert!(title.ends_with(", simulated cloud"), "{title}");
    for part in ["https://", "src=", "@import", "url("] {
        assert!(!page.contains(part), "the page loads nothing: {part}");
    }
    let of_file = acme.run("graph", &stack, &["--format", "html"]).assert_success().stdout;
    assert!(!of_file.contains("EventSource") && !of_file.contains("connect-src"), "a file follows nothing");

    assert!(playground.get(&playground.path, &format!("localhost:{port}")).0.starts_with("http/1.1 200"));
    // A name of somebody else that points here.
    for host in [format!("rebound.example.com:{port}"), "127.0.0.1".into(), format!("127.0.0.1:{port}.example.com"), String::new()] {
        let (head, body) = playground.get(&playground.path, &host);
        assert!(head.starts_with("http/1.1 403") && !body.contains("vpc"), "{host}: {head}");
    }
    let wrong = format!("/{}/", "0".repeat(32));
    for path in ["/", "/events", wrong.as_str(), &format!("{wrong}events")] {
        let (head, body) = playground.get(path, &playground.address);
        assert!(head.starts_with("http/1.1 404") && !body.contains("vpc"), "{path}: {head}");
    }
    let refused = acme.run("graph", &stack, &["--serve", "--plan"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let refused = acme.run("graph", &stack, &["--cost"]);
    assert_eq!(refused.code, 2, "{}", refused.stderr);
}

#[test]
fn events_follow_a_run_of_another_process_and_the_definition() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let playground = Playground::start(&acme, &stack);
    let mut events = playground.events();
    assert_eq!(events.find("run", |_| true), Value::Null);
    let first = events.find("stack", |_| true);
    assert_eq!((&first["plan"]["summary"]["create"], &first["history"]), (&serde_json::json!(2), &serde_json::json!([])));
    assert!(first["apply"].as_str().unwrap().contains("--local="), "{}", first["apply"]);

    acme.run_with_env(&[("ACME_LOCAL_FAULT", "settle:0.5")], "apply", &stack, &["--yes"]).assert_success();
    let run = events.find("run", |run| run["outcome"] == "done");
    let calls: Vec<&str> = run["calls"].as_array().unwrap().iter().map(|call| call["address"].as_str().unwrap()).collect();
    assert!(calls.contains(&"vpc.main") && calls.contains(&"subnet.a"), "{calls:?}");
    assert!(run["calls"].as_array().unwrap().iter().all(|call| call["state"] == "done"), "{run}");
    // The plan may have been read before the end of the run was, so this looks at the present, too.
    let mut events = playground.events();
    let after =
        events.find("stack", |stack| stack["plan"]["changes"] == serde_json::json!([]) && stack["history"] != serde_json::json!([]));
    assert!(after["graph"]["nodes"].as_array().unwrap().iter().all(|node| node["id"].is_string()));
    assert_eq!(after["history"][0]["revision"], 1);
    let (_, details) = playground.get(&format!("{}runs/1", playground.path), &playground.address);
    assert_eq!(serde_json::from_str::<Value>(&details).unwrap()["changes"].as_array().unwrap().len(), 2);
    assert!(playground.get(&format!("{}runs/9", playground.path), &playground.address).0.starts_with("http/1.1 404"));

    // A mistake is shown, and what was there stays.
    fs::write(&stack, STACK.replace("cidr: 10.0.0.0/16", "cidr: wrong")).unwrap();
    let problem = events.find("stack", |stack| !stack["problem"].is_null());
    assert!(problem["problem"]["problems"][0]["line"].is_u64() && problem["graph"]["nodes"].as_array().unwrap().len() == 2, "{problem}");
    fs::write(&stack, STACK.replace("10.0.0.0/24", "10.0.1.0/24")).unwrap();
    events.find("stack", |stack| stack["problem"].is_null() && stack["plan"]["summary"]["replace"] == 1);
}

#[test]
fn events_follow_every_file_of_the_definition() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let file = |name: &str, text: &str| write_file(folder.path(), name, text);
    let module = "resources: { ecr_repository: { app: { keep_last: 7 } } }\n";
    let included = file("network.yaml", "resources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n");
    fs::create_dir_all(folder.path().join("modules/app")).unwrap();
    let module = file("modules/app/module.yaml", module);
    let values = file("more.yaml", "cidr: 10.0.0.0/24\n");
    let text = "
stack: shop
region: eu-west-1
values: { cidr: 10.0.9.0/24 }
include:
  - network.yaml
  - { module: ./modules/app, as: shop }
resources:
  subnet: { a: { vpc: main, cidr: '{{ cidr }}', availability_zone: eu-west-1a } }
";
    let stack = file("stack.yaml", text);
    let playground = Playground::start_with(&acme, &stack, &["--values", values.to_str().unwrap()]);
    let mut events = playground.events();
    let mut spec = |address: &str, field: &str, value: &Value| {
        let before = events.read_at;
        events.find("stack", |stack| {
            let nodes = stack["graph"]["nodes"].as_array().unwrap();
            nodes.iter().any(|node| node["address"] == address && node["spec"][field] == *value)
        });
        assert!(before == 0 || events.read_at < before + IDLE_PAUSE, "the edit is seen before the next look without a reason");
        // An opened page is read once more.
        if before == 0 {
            events.find("read", |_| true);
        }
    };
    spec("subnet.a", "cidr", &"10.0.0.0/24".into());
    fs::write(&included, "resources: { vpc: { main: { cidr: 10.0.0.0/20 } } }\n").unwrap();
    spec("vpc.main", "cidr", &"10.0.0.0/20".into());
    fs::write(&values, "cidr: 10.0.1.0/24\n").unwrap();
    spec("subnet.a", "cidr", &"10.0.1.0/24".into());
    fs::write(&module, "resources: { ecr_repository: { app: { keep_last: 8 } } }\n").unwrap();
    spec("ecr_repository.shop-app", "keep_last", &8.into());
}

#[test]
fn a_run_is_shown_as_running_while_its_process_lives() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let slow = STACK.replace("subnet:", "nat_gateway: { a: { subnet: a, connectivity: private } }\n  subnet:");
    let stack = write_file(folder.path(), "stack.yaml", &slow);
    let playground = Playground::start(&acme, &stack);
    let mut events = playground.events();
    let mut apply = acme.command("apply", &stack, &["--yes"]);
    let apply = apply.env("ACME_LOCAL_FAULT", "settle:1").stdout(Stdio::null()).stderr(Stdio::null());
    let mut apply = apply.spawn().expect("acme starts");
    events.find("run", |run| run["running"] == true && run["calls"].as_array().is_some_and(|calls| !calls.is_empty()));
    let listed = acme.run("history", &stack, &["-o", "json"]).assert_success();
    let entry = &serde_json::from_str::<Value>(&listed.stdout).unwrap()["revisions"][0];
    assert_eq!((&entry["running"], &entry["unfinished"]), (&Value::Bool(true), &Value::Bool(false)), "{entry:#}");
    let listed = acme.run("history", &stack, &[]).assert_success();
    assert!(listed.stdout.contains("running") && !listed.stderr.contains("unfinished"), "{}{}", listed.stdout, listed.stderr);
    let one = acme.run("history", &stack, &["1"]).assert_success().stdout;
    assert!(one.contains("Outcome     running\n"), "{one}");

    apply.kill().expect("it ends");
    apply.wait().expect("it has ended");
    events.find("run", |run| run["running"] == false && run["outcome"].is_null());
    let listed = acme.run("history", &stack, &[]).assert_success();
    assert!(listed.stdout.contains("unfinished") && listed.stderr.contains("continues it"), "{}{}", listed.stdout, listed.stderr);
}

#[test]
fn a_refresh_reads_the_stack_again() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(folder.path(), "stack.yaml", STACK);
    let playground = Playground::start(&acme, &stack);
    let mut events = playground.events();
    // An opened page is read once more.
    (0..2).for_each(|_| drop(events.find("read", |_| true)));
    let before = events.read_at;
    let (head, _) = playground.get(&format!("{}refresh", playground.path), &playground.address);
    assert!(head.starts_with("http/1.1 405"), "a link can't refresh it: {head}");
    let (head, _) = playground.request("POST", &format!("{}refresh", playground.path), &playground.address);
    assert!(head.starts_with("http/1.1 202"), "{head}");
    events.find("read", |_| true);
    assert!(events.read_at < before + IDLE_PAUSE, "the stack is read at once");
}

#[test]
fn the_page_follows_an_apply_in_a_browser() {
    let (browser, driver) = match find_tools() {
        Ok(tools) => tools,
        Err(missing) => {
            assert!(env::var_os("CI").is_none_or(|value| value.is_empty()), "CI needs the browser test: {missing}");
            // Not `eprintln!`, which the test harness hides for a passing test.
            let _ = writeln!(io::stderr(), "SKIPPED: the page of a running apply was not tested in a browser: {missing}");
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    // The region of the recorded prices.
    let text = fs::read_to_string(repository_stack("reference.yaml")).unwrap().replace("us-east-1", "eu-west-1");
    let text = format!("{text}\ninclude: [more.yaml]\n");
    let more = write_file(folder.path(), "more.yaml", "resources: { elastic_ip: { spare: {} } }\n");
    let stack = write_file(folder.path(), "stack.yaml", &text);
    let prices = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/prices").display().to_string();
    let playground = Playground::start_with(&acme, &stack, &["--cost", "--prices", &prices]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/playground.mjs");
    let url = format!("http://{}{}", playground.address, playground.path);
    let mut node = Command::new("node");
    node.arg(script).arg(browser).arg(&url).arg(standin::target_dir()).current_dir(driver);
    let mut node = node.stdout(Stdio::piped()).spawn().expect("node runs");
    let lines = BufReader::new(node.stdout.take().expect("its output")).lines().map(|line| line.expect("text"));
    let mut seen = None;
    for line in lines {
        match line.as_str() {
            "ready" => drop(acme.run_with_env(&[("ACME_LOCAL_FAULT", "settle:0.01")], "apply", &stack, &["--yes"]).assert_success()),
            "applied" => {
                let resources = "resources: { elastic_ip: { spare: {} }, vpc: { second: { cidr: 10.99.0.0/16 } } }\n";
                fs::write(&more, resources).unwrap();
            }
            "edited" => fs::write(&stack, text.replacen("\nstack: ", "\nstack: 7 ", 1)).unwrap(),
            json => seen = Some(serde_json::from_str::<Value>(json).expect("JSON")),
        }
    }
    assert!(node.wait().expect("it ends").success());
    let seen = seen.expect("a result");
    let text = |part: &str, name: &str| seen[part][name].as_str().unwrap_or_else(|| panic!("{part} {name}: {seen:#}")).to_owned();
    assert_eq!(seen["errors"], serde_json::json!([]));
    let requests = seen["requests"].as_array().unwrap();
    assert!(requests.iter().all(|request| request.as_str().unwrap().starts_with(&url)), "nothing from elsewhere: {requests:#?}");
    assert!(text("before", "plan").contains("to create") && text("before", "run").contains("No run yet"), "{seen:#}");
    assert!(text("before", "read").starts_with("As of "), "{seen:#}");
    let changes: Vec<&str> = seen["changes"].as_array().unwrap().iter().map(|change| change.as_str().unwrap()).collect();
    assert!(
        changes.iter().any(|change| change.starts_with("+vpc.main") && change.contains("cidr 10.")),
        "the words of the text plan: {changes:#?}"
    );
    assert!(changes.iter().any(|change| change.contains("risky: ")), "{changes:#?}");
    // Each of three gateways costs 730 × 0.048 USD, all of it new.
    assert!(text("costs", "sum").contains(" USD a month (+"), "{seen:#}");
    let rows: Vec<&str> = seen["costs"]["rows"].as_array().unwrap().iter().map(|row| row.as_str().unwrap()).collect();
    assert!(rows.iter().any(|row| row.split_whitespace().eq(["nat_gateway.a", "35.04", "+35.04"])), "{rows:#?}");
    assert_eq!(seen["costs"]["wide"], false, "the table fits");
    assert!(text("during", "run").contains("applying") && text("during", "run").contains("running"), "{seen:#}");
    assert!(seen["during"]["running"].as_u64().unwrap() > 0);
    assert!(text("during", "first").starts_with(['…', '↻']), "running steps come first: {seen:#}");
    assert!(text("during", "history").contains("#1 apply, running"), "{seen:#}");
    assert_eq!(seen["faint"], serde_json::json!([]), "every text has a contrast of 4.5:1");
    assert!(text("after", "history").contains("#1 apply, done") && seen["left"] == 0, "{seen:#}");
    assert!(seen["chosen"].as_str().unwrap().contains("vpc-"), "the panel has the id: {seen:#}");
    assert_eq!(
        (&seen["narrow"]["overflow"], &seen["narrow"]["below"], &seen["medium"]),
        (&0.into(), &0.into(), &0.into()),
        "nothing is cut off"
    );
    let panel = |side: &str| seen["narrow"]["panel"][side].as_f64().unwrap();
    assert!(panel("left") >= 0.0 && panel("right") <= 400.0, "{seen:#}");
    assert_eq!((&seen["narrow"]["closed"], &seen["narrow"]["buttons"]), (&Value::Bool(true), &Value::Bool(true)), "{seen:#}");
    let revision = seen["revision"].as_str().unwrap();
    assert!(
        revision.contains("vpc.main create") && revision.contains("cidr 10.") && !revision.to_lowercase().contains("unfinished"),
        "{seen:#}"
    );
    assert_eq!(seen["escaped"], true);
    assert!(seen["found"]["visible"] == true && seen["found"]["height"].as_f64().unwrap() > 25.0, "the match is readable: {seen:#}");
    assert_eq!(seen["matches"], "1 found");
    let problem = seen["problem"].as_str().unwrap();
    assert!(problem.contains("stack") && !problem.contains("to create"), "an old plan does not stay: {seen:#}");
    for name in ["before", "during", "after", "narrow", "problem"] {
        let screenshot = standin::target_dir().join(format!("playground-{name}.png"));
        assert!(fs::metadata(&screenshot).unwrap().len() > 10_000, "the screenshot {name} is empty");
    }
}
