//! Stand-ins for AWS: moto and ministack, installed into a virtual environment under `target/` and started on loopback ports.

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

/// Ends the server when the test's end of the pipe closes, so that it never outlives a killed test run. `save NAME` on that pipe saves
/// ministack's state, `load NAME` restores it.
const LAUNCHER: &str = "
import copy, os, sys, threading
answers = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)
saved = {}
def stores():
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()) if name.startswith('ministack.services') else []:
            if isinstance(value, (AccountRegionScopedDict, AccountScopedDict)):
                yield value._data
            elif isinstance(value, set):
                yield value
def save(name):
    saved[name] = copy.deepcopy({id(store): store for store in stores()})
def load(name):
    held = copy.deepcopy(saved[name])
    for store in stores():
        # A set of a module that was imported since may be a constant.
        if id(store) in held or isinstance(store, dict):
            then = held.get(id(store), {})
            store.clear()
            store.update(then)
def watch():
    for line in sys.stdin:
        command, name = line.split()
        {'save': save, 'load': load}[command](name)
        print(line, end='', file=answers, flush=True)
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
which, port = sys.argv[1:3]
sys.argv = [which]
if which == 'moto':
    # DescribeVpcEndpoints takes this filter at AWS; moto answers with status 500.
    from moto.ec2.models.vpcs import VPCEndPoint
    value_of = VPCEndPoint.get_filter_value
    def filter_value(endpoint, name, method=None):
        return endpoint.id if name == 'vpc-endpoint-id' else value_of(endpoint, name, method)
    VPCEndPoint.get_filter_value = filter_value
    # AWS ends the associations of a subnet with it; moto keeps them.
    from moto.ec2.models.subnets import SubnetBackend
    delete = SubnetBackend.delete_subnet
    def delete_subnet(backend, subnet_id):
        for table in backend.route_tables.values():
            for association in [a for a, subnet in table._associations.items() if subnet == subnet_id]:
                del table._associations[association]
        return delete(backend, subnet_id)
    SubnetBackend.delete_subnet = delete_subnet
    # AWS finds what has one of the keys; moto wants all keys of a resource to be among them.
    from moto.ec2 import utils as ec2_utils
    matches = ec2_utils.is_filter_matching
    def is_filter_matching(resource, name, wanted):
        if name == 'tag-key' and wanted is not None:
            return bool(set(resource.get_filter_value(name) or []) & set(wanted))
        return matches(resource, name, wanted)
    ec2_utils.is_filter_matching = is_filter_matching
    # DescribeNetworkAcls takes this filter at AWS, too.
    from moto.ec2.models.network_acls import NetworkAcl
    acl_value_of = NetworkAcl.get_filter_value
    def acl_filter_value(acl, name, method=None):
        return acl.id if name == 'network-acl-id' else acl_value_of(acl, name, method)
    NetworkAcl.get_filter_value = acl_filter_value
    # AWS takes the tags of an attachment under its own type.
    from moto.ec2.responses.transit_gateway_attachments import TransitGatewayAttachment
    specifications = TransitGatewayAttachment._parse_tag_specification
    def of_attachments(response, *args):
        found = specifications(response, *args)
        return {'transit-gateway-route-table': found['transit-gateway-attachment']} if 'transit-gateway-attachment' in found else found
    TransitGatewayAttachment._parse_tag_specification = of_attachments
    # AWS associates an attachment with the default route table only if its gateway is set so, and ends that association, too.
    from moto.ec2.models.transit_gateway_attachments import TransitGatewayAttachmentBackend
    attach = TransitGatewayAttachmentBackend.create_transit_gateway_vpc_attachment
    def create_attachment(backend, *args, **kwargs):
        made = attach(backend, *args, **kwargs)
        if backend.transit_gateways[made.transit_gateway_id].options['DefaultRouteTableAssociation'] == 'disable':
            made.transit_gateway_route_table.route_table_associations.pop(made.id, None)
            made.transit_gateway_route_table = None
        return made
    TransitGatewayAttachmentBackend.create_transit_gateway_vpc_attachment = create_attachment
    # No route table has references to prefix lists, which moto lacks.
    from moto.core.responses import ActionResult
    from moto.ec2.responses.transit_gateway_route_tables import TransitGatewayRouteTable
    no_references = lambda response: ActionResult({'TransitGatewayPrefixListReferences': []})
    TransitGatewayRouteTable.get_transit_gateway_prefix_list_references = no_references
    # AWS shows a bucket in the index of its own region, moto in that of every region.
    from types import SimpleNamespace
    from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend as Index
    s3_backend = Index.s3_backend.fget
    def buckets_of_region(index):
        backend = s3_backend(index)
        here = {name: bucket for name, bucket in backend.buckets.items() if bucket.region_name == index.region_name}
        return SimpleNamespace(buckets=here, tagger=backend.tagger)
    Index.s3_backend = property(buckets_of_region)
    # It has no Contributor Insights, and answers with status 500.
    from moto.core.responses import ActionResult
    from moto.dynamodb.responses import DynamoHandler
    DynamoHandler.describe_contributor_insights = lambda handler: ActionResult({'ContributorInsightsStatus': 'DISABLED'})
    # It names automated backups of clusters by the minute and keeps them, so a cluster could not be created again at once.
    from moto.rds.models import DBCluster
    DBCluster.save_automated_backup = lambda cluster: None
    # The path of Backup's ListTags may end without a slash.
    from moto.backup.responses import BackupResponse
    list_tags = BackupResponse.list_tags
    def list_tags_of(response):
        response.path = response.path.rstrip('/') + '/'
        return list_tags(response)
    BackupResponse.list_tags = list_tags_of
    # It has no replication of file systems, no replacement of instances and no notifications: none is set.
    from moto.efs.responses import EFSResponse
    EFSResponse.describe_replication_configurations = lambda response: ('{}', {'Content-Type': 'application/json'})
    from moto.autoscaling.responses import AutoScalingResponse
    AutoScalingResponse.describe_instance_refreshes = lambda response: ActionResult({'InstanceRefreshes': []})
    AutoScalingResponse.describe_notification_configurations = lambda response: ActionResult({'NotificationConfigurations': []})
    # It has no Global Accelerator, and answers with status 500: there are no accelerators.
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication as Dispatcher
    dispatch = Dispatcher.__call__
    def without_accelerators(app, environ, start_response):
        if not environ.get('HTTP_X_AMZ_TARGET', '').startswith('GlobalAccelerator'):
            return dispatch(app, environ, start_response)
        start_response('200 OK', [('Content-Type', 'application/x-amz-json-1.1')])
        return [b'{}']
    Dispatcher.__call__ = without_accelerators
    from moto.server import main
    main(['-H', '127.0.0.1', '-p', port])
else:
    # AWS gives the very address that is asked for, or none; ministack gives any.
    from ministack.services import ec2
    allocate, any_ip = ec2._ACTION_MAP['AllocateAddress'], ec2._random_ip
    def allocate_address(p):
        ec2._random_ip = lambda prefix: ec2._p(p, 'Address') or any_ip(prefix)
        try:
            return allocate(p)
        finally:
            ec2._random_ip = any_ip
    ec2._ACTION_MAP['AllocateAddress'] = allocate_address
    # A new bucket blocks all public access at AWS; ministack's does so only when it checks signatures.
    from ministack.services import s3
    s3._new_bucket_public_access_block = lambda: {'_public_access_block': s3._NEW_BUCKET_PUBLIC_ACCESS_BLOCK}
    # It keeps the tags of alarms, but not those of dashboards.
    from ministack.services import cloudwatch
    put_dashboard, validate_arn = cloudwatch._put_dashboard, cloudwatch._validate_alarm_tag_arn
    def arn_of(dashboard):
        return f'arn:aws:cloudwatch::{cloudwatch.get_account_id()}:dashboard/{dashboard}'
    def put_dashboard_with_tags(params, data, is_cbor, is_json=False):
        if data.get('Tags'):
            cloudwatch._resource_tags[arn_of(data['DashboardName'])] = {tag['Key']: tag['Value'] for tag in data['Tags']}
        return put_dashboard(params, data, is_cbor, is_json)
    def validate_any_arn(arn, is_json=False, is_cbor=False):
        return None if any(arn == arn_of(name) for name in cloudwatch._dashboards) else validate_arn(arn, is_json, is_cbor)
    cloudwatch._put_dashboard, cloudwatch._validate_alarm_tag_arn = put_dashboard_with_tags, validate_any_arn
    # In CBOR, the time of a dashboard's last change is a text, which is no time.
    cbor_ok = cloudwatch._cbor_ok
    def without_times(data):
        entries = [{**entry, 'LastModified': None} for entry in data.get('DashboardEntries', [])]
        return cbor_ok({**data, 'DashboardEntries': entries})
    cloudwatch._cbor_ok = without_times
    # It offers a few database classes, versions and endpoint services, and accepts all: so it must not be asked.
    from ministack.services import rds
    for actions, action in [
        (rds, 'DescribeOrderableDBInstanceOptions'),
        (rds, 'DescribeDBEngineVersions'),
        (ec2, 'DescribeVpcEndpointServices'),
    ]:
        del actions._ACTION_MAP[action]
    from ministack.services import elasticache
    elasticache._describe_engine_versions = lambda p: elasticache._error('InvalidAction', 'not known', 400)
    # It has no logging of firewalls: none logs.
    from ministack.services import waf
    waf_error = waf.error_response_json
    waf.error_response_json = lambda code, message, status=400: waf_error(
        'WAFNonexistentItemException' if message.endswith('GetLoggingConfiguration') else code, message, status)
    # It has no Application Auto Scaling: nothing is scaled.
    from ministack import app
    from ministack.core.router import SERVICE_PATTERNS
    async def nothing_scaled(method, path, headers, body, query_params):
        return 200, {'Content-Type': 'application/x-amz-json-1.1'}, b'{}'
    SERVICE_PATTERNS['application-autoscaling'] = {'target_prefixes': ['AnyScaleFrontendService']}
    app.SERVICE_HANDLERS['application-autoscaling'] = nothing_scaled
    # Nor Global Accelerator: there are no accelerators.
    SERVICE_PATTERNS['globalaccelerator'] = {'target_prefixes': ['GlobalAccelerator']}
    app.SERVICE_HANDLERS['globalaccelerator'] = nothing_scaled
    # Its groups have no notifications and are not replaced.
    from ministack.services import autoscaling
    for action in ['DescribeNotificationConfigurations', 'DescribeInstanceRefreshes']:
        autoscaling._ACTION_MAP.setdefault(
            action, lambda p, action=action: autoscaling._xml(200, action + 'Response', f'<{action}Result/>'))
    from ministack.app import main
    main()
";

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
    server: Child,
    control: Mutex<LineChannel>,
    _folder: tempfile::TempDir,
    _slot: StartSlot,
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
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
            let log = File::create(folder.path().join("log")).expect("a log file");
            let mut server = with_test_credentials(Command::new(python()))
                .args(["-c", LAUNCHER, kind.name(), &port.to_string()])
                .current_dir(folder.path())
                // Everything in memory; only the endpoint as a listener, no container engine.
                .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
                .envs([("GATEWAY_PORT", port.to_string()), ("BIND_HOST", "127.0.0.1".into()), ("MINISTACK_HOST", "127.0.0.1".into())])
                .envs([("LOG_LEVEL", "ERROR"), ("SFTP_ENABLED", "0"), ("IOT_MTLS_ENABLED", "0"), ("PERSIST_STATE", "0")])
                .env("DOCKER_HOST", "unix:///nonexistent")
                .env("TMPDIR", folder.path())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .expect("python starts");
            let console = Mutex::new(LineChannel::attach(&mut server));
            if wait_until_ready(&mut server, port) {
                return Standin { kind, url: format!("http://127.0.0.1:{port}"), server, control: console, _folder: folder, _slot: turn };
            }
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            eprintln!("{} did not start on port {port}:\n{log}", kind.name());
            let _ = server.kill();
            let _ = server.wait();
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
        assert_eq!(self.kind, StandinKind::Ministack, "only ministack's stores are known");
        self.control.lock().expect("the console").ask(&format!("{command} {name}"));
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

impl Drop for Standin {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

pub fn run_boto3(url: &str, script: &str) -> Value {
    let whole = format!("{}\n{script}\nprint(json.dumps(out, default=str))\n", python_prelude(url));
    let done = with_test_credentials(Command::new(python())).args(["-c", &whole]).output().expect("python runs");
    assert!(done.status.success(), "boto3 script failed:\n{script}\n{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).expect("the script prints JSON")
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

fn wait_until_ready(server: &mut Child, port: u16) -> bool {
    let until = Instant::now() + Duration::from_secs(90);
    let body = "Action=DescribeVpcs&Version=2016-11-15";
    let request = format!(
        "POST / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\nAuthorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    while Instant::now() < until && server.try_wait().is_ok_and(|end| end.is_none()) {
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

/// At most four servers in parallel: moto takes 450 MB.
struct StartSlot;
static RUNNING: AtomicU32 = AtomicU32::new(0);

impl StartSlot {
    fn acquire() -> StartSlot {
        while RUNNING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| (n < 4).then_some(n + 1)).is_err() {
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
