//! Stand-ins for AWS: moto and ministack, installed into a virtual environment under `target/` and started on loopback ports.

mod nursery;

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// Packages of the virtual environment; another text creates another one. Without cbor2, ministack answers CBOR with JSON.
const REQUIREMENTS: &[&str] = &["moto[server]==5.2.1", "ministack==1.5.33", "boto3==1.43.106", "cbor2==5.7.1"];

/// Kind of stand-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandinKind {
    Moto,
    Ministack,
}

impl StandinKind {
    pub const BOTH: [StandinKind; 2] = [StandinKind::Moto, StandinKind::Ministack];
    pub fn name(self) -> &'static str {
        match self {
            StandinKind::Moto => "moto",
            StandinKind::Ministack => "ministack",
        }
    }
}

/// A running stand-in, stopped when dropped.
pub struct Standin {
    pub kind: StandinKind,
    pub url: String,
    server: Server,
    _folder: tempfile::TempDir,
    _slot: StartSlot,
}

/// Process of a stand-in.
enum Server {
    /// moto, by its id in the nursery.
    Forked(u64),
    /// ministack, with its console.
    Own(Child, Mutex<LineChannel>),
}

impl Server {
    fn start(kind: StandinKind, port: u16, folder: &Path) -> Server {
        if kind == StandinKind::Moto {
            return Server::Forked(nursery::start_moto(port, folder));
        }
        let log = File::create(folder.join("log")).expect("a log file");
        let mut server = with_test_credentials(Command::new(python()))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/standin/corrected_ministack.py"))
            .current_dir(folder)
            // Everything in memory; only the endpoint as a listener, no container engine.
            .envs([("GATEWAY_PORT", port.to_string()), ("BIND_HOST", "127.0.0.1".into()), ("MINISTACK_HOST", "127.0.0.1".into())])
            .envs([("LOG_LEVEL", "ERROR"), ("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0"), ("PERSIST_STATE", "0")])
            .env("DOCKER_HOST", "unix:///nonexistent")
            .env("TMPDIR", folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("python starts");
        let console = Mutex::new(LineChannel::attach(&mut server));
        Server::Own(server, console)
    }

    fn is_running(&mut self) -> bool {
        match self {
            Server::Forked(process) => nursery::is_running(*process),
            Server::Own(child, _) => child.try_wait().is_ok_and(|end| end.is_none()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self {
            Server::Forked(process) => nursery::stop(*process),
            Server::Own(child, _) => {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

/// A process that answers each line with a line.
pub struct LineChannel(ChildStdin, BufReader<ChildStdout>);

impl LineChannel {
    /// Takes the pipes of a process.
    pub fn attach(child: &mut Child) -> LineChannel {
        let (stdin, stdout) = (child.stdin.take().expect("a pipe in"), child.stdout.take().expect("a pipe out"));
        LineChannel(stdin, BufReader::new(stdout))
    }
    /// Sends a line and returns the answer.
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.0, "{line}").expect("it listens");
        let mut answer = String::new();
        self.1.read_line(&mut answer).expect("it answers");
        assert!(!answer.is_empty(), "`{line}` ended the process");
        answer
    }
}

impl Standin {
    /// Starts a stand-in and waits until it responds to EC2 calls, the first of which takes seconds.
    pub fn start(kind: StandinKind) -> Standin {
        let turn = StartSlot::acquire();
        for _ in 0..3 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let port = free_port();
            let mut server = Server::start(kind, port, folder.path());
            if wait_until_ready(&mut server, port) {
                return Standin { kind, url: format!("http://127.0.0.1:{port}"), server, _folder: folder, _slot: turn };
            }
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            eprintln!("{} did not start on port {port}:\n{log}", kind.name());
        }
        panic!("{} did not start", kind.name());
    }

    /// Runs Python with boto3 against this endpoint, outside acme. `client(service)` creates a client; returns the value of `out`
    /// in the script.
    pub fn run_boto3(&self, script: &str) -> Value {
        run_boto3(&self.url, script)
    }

    /// Saves ministack's state.
    pub fn save(&self, name: &str) {
        self.send_control_command("save", name);
    }
    /// Restores ministack's saved state. No call may be in progress.
    pub fn load(&self, name: &str) {
        self.send_control_command("load", name);
    }
    fn send_control_command(&self, command: &str, name: &str) {
        let Server::Own(_, console) = &self.server else { panic!("only ministack's stores are known") };
        console.lock().expect("the console").ask(&format!("{command} {name}"));
    }

    /// All resources created since the start, by service, without empty lists.
    pub fn all_resources(&self) -> Value {
        list_everything(&self.url, self.kind)
    }
}

/// All resources at an endpoint. Calls that a stand-in of this kind lacks list nothing; any other error panics.
pub fn list_everything(url: &str, kind: StandinKind) -> Value {
    run_boto3(url, &format!("standin = '{}'\n{}", kind.name(), include_str!("everything.py")))
}

/// Runs Python with boto3 against an endpoint; returns the value of `out` in the script.
pub fn run_boto3(url: &str, script: &str) -> Value {
    nursery::run_script(url, script)
}

fn python_prelude(url: &str) -> String {
    format!(
        "import boto3, functools, json, sys\nfrom botocore.config import Config\nout = {{}}\n@functools.cache\n\
         def client(service):\n    return boto3.client(service, endpoint_url='{url}', region_name='us-east-1', \
         config=Config(s3={{'addressing_style': 'path'}}, retries={{'max_attempts': 2}}))\n"
    )
}

/// Runs one script repeatedly in one process: importing boto3 takes longer than the script.
pub struct ScriptRunner {
    python: Child,
    console: LineChannel,
}

impl ScriptRunner {
    pub fn start(url: &str, script: &str) -> ScriptRunner {
        let text = serde_json::to_string(script).expect("a text is JSON, and Python");
        let whole = format!(
            "{}\nsource = compile({text}, 'script', 'exec')\nfor _ in sys.stdin:\n    scope = {{**globals(), 'out': {{}}}}\n    \
             exec(source, scope)\n    print(json.dumps(scope['out'], default=str), flush=True)\n",
            python_prelude(url)
        );
        let mut command = with_test_credentials(Command::new(python()));
        let mut python = command.args(["-c", &whole]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
        let console = LineChannel::attach(&mut python);
        ScriptRunner { python, console }
    }
    /// Current value of `out` in the script.
    pub fn run_script(&mut self) -> Value {
        serde_json::from_str(&self.console.ask("look")).expect("the script prints JSON")
    }
}

impl Drop for ScriptRunner {
    fn drop(&mut self) {
        let _ = self.python.kill();
        let _ = self.python.wait();
    }
}

/// Sets credentials for the stand-ins, without the developer's own configuration.
pub fn with_test_credentials(mut command: Command) -> Command {
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AWS_") || name.to_lowercase().ends_with("_proxy")) {
        command.env_remove(name);
    }
    command.envs([
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_CONFIG_FILE", "/nonexistent"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]);
    command
}

fn wait_until_ready(server: &mut Server, port: u16) -> bool {
    let until = Instant::now() + Duration::from_secs(90);
    let body = "Action=DescribeVpcs&Version=2016-11-15";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    while Instant::now() < until && server.is_running() {
        let tried = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.set_read_timeout(Some(Duration::from_secs(60)))?;
            stream.write_all(request.as_bytes())?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer)?;
            Ok(answer)
        });
        if tried.is_ok_and(|answer| String::from_utf8_lossy(&answer).contains("vpcSet")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

/// Python with the stand-ins.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| ensure_venv("standins", REQUIREMENTS))
}

/// Python of a virtual environment under `target/` with these packages.
pub fn ensure_venv(name: &str, requirements: &[&str]) -> PathBuf {
    let venv = ensure_installed(name, requirements, |venv| {
        run_installer(Command::new("python3").args(["-m", "venv"]).arg(venv));
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run_installer(Command::new(venv.join("bin/python")).args(pip).args(requirements));
    });
    venv.join("bin/python")
}

/// A folder under `target/` with these packages installed. Created once for all runs; a file lock prevents two test runs from
/// creating it at the same time.
pub fn ensure_installed(name: &str, requirements: &[&str], install: impl FnOnce(&Path)) -> PathBuf {
    let target = target_dir();
    fs::create_dir_all(&target).expect("the target folder can be made");
    let lock = File::create(target.join(format!("{name}.lock"))).expect("a lock file");
    lock.lock().expect("the lock can be taken");
    let folder = target.join(name);
    let (marker, wanted) = (folder.join("installed.txt"), requirements.join("\n"));
    if fs::read_to_string(&marker).ok().as_ref() != Some(&wanted) {
        eprintln!("installing {} into {}", requirements.join(", "), folder.display());
        let _ = fs::remove_dir_all(&folder);
        install(&folder);
        fs::write(&marker, wanted).expect("the marker can be written");
    }
    folder
}

/// Folder of builds, and of packages installed by tests.
pub fn target_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").to_owned()
}

/// Runs an installer.
pub fn run_installer(command: &mut Command) {
    let done = command.output();
    let help = "these tests need Python 3.10 or newer with the venv module, PyPI, and for the browser test npm";
    match done {
        Ok(done) if done.status.success() => {}
        Ok(done) => {
            panic!("{command:?} failed; {help}\n{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
        }
        Err(error) => panic!("{command:?}: {error}; {help}"),
    }
}

/// A port where nothing listens. It is below the range from which the system takes ports for listeners and connections, and no other test of
/// this process gets it, so nobody takes it before its server listens.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    // Another run of the tests begins elsewhere.
    let first = std::process::id().wrapping_mul(977);
    PORTS
        .map(|_| PORTS.start + first.wrapping_add(TAKEN.fetch_add(1, Ordering::SeqCst)) % (PORTS.end - PORTS.start))
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

/// At most eight servers in parallel: one takes up to 450 MB.
struct StartSlot;
static RUNNING: AtomicU32 = AtomicU32::new(0);

impl StartSlot {
    fn acquire() -> StartSlot {
        while RUNNING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < 8).then_some(n + 1)).is_err() {
            std::thread::sleep(Duration::from_millis(50));
        }
        StartSlot
    }
}
impl Drop for StartSlot {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}
