//! Connection and credentials from the environment, as for the AWS CLI.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use crate::{
    acme::{Acme, CommandOutput, write_file},
    standin::python,
    wire::{Request, Response, Server, header, query_error},
};

const STACK: &str = "stack: shop\nregion: us-east-1\nresources:\n  vpc: { main: { cidr: 10.0.0.0/16 } }\n";
const PASSWORD: &str = "PLANTED-proxy-password";

/// An endpoint that denies everything, with the requests it received.
struct DenyingEndpoint {
    server: Server,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl DenyingEndpoint {
    fn start() -> DenyingEndpoint {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all = asked.clone();
        let answer = move |request: &Request| -> std::io::Result<Response> {
            all.lock().expect("the requests").push(request.clone());
            Ok(query_error(403, "AccessDenied", "not you"))
        };
        DenyingEndpoint { server: Server::start(answer), requests: asked }
    }
    fn headers(&self, name: &str) -> Vec<String> {
        let asked = self.requests.lock().expect("the requests");
        asked.iter().map(|request| header(&request.headers, name).unwrap_or_default().to_owned()).collect()
    }
}

fn plan(folder: &Path, endpoint: &str, variables: &[(&str, &str)]) -> CommandOutput {
    let stack = write_file(folder, "stack.yaml", STACK);
    Acme::without_cloud().with_only_args(&["--endpoint-url", endpoint]).run_with_env(variables, "plan", &stack, &[])
}

#[test]
fn uses_the_proxy_unless_no_proxy_lists_the_endpoint() {
    let (folder, proxy) = (tempfile::tempdir().expect("a folder"), DenyingEndpoint::start());
    let address = proxy.server.url.replace("http://", &format!("http://someone:{PASSWORD}@"));
    let done = plan(folder.path(), "http://aws.example.com", &[("HTTP_PROXY", &address)]);
    assert!(done.stderr.contains("error[AccessDenied]"), "{}", done.combined_output());
    let hosts = proxy.headers("host");
    assert!(!hosts.is_empty() && hosts.iter().all(|host| host == "aws.example.com"), "{hosts:?}");
    assert!(proxy.headers("proxy-authorization").iter().all(|sent| sent.starts_with("Basic ")), "the proxy does not see the caller");

    let asked = hosts.len();
    let endpoint = DenyingEndpoint::start();
    let variables = [("HTTP_PROXY", address.as_str()), ("NO_PROXY", "127.0.0.1")];
    assert!(plan(folder.path(), &endpoint.server.url, &variables).stderr.contains("error[AccessDenied]"));
    assert_eq!(proxy.headers("host").len(), asked, "the proxy got a request for an excepted host");
}

#[test]
fn hides_the_password_of_an_unreachable_proxy() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("http://someone:{PASSWORD}@127.0.0.1:1");
    for endpoint in ["http://aws.example.com", "https://aws.example.com"] {
        let done = plan(folder.path(), endpoint, &[("HTTP_PROXY", &address), ("HTTPS_PROXY", &address)]);
        assert!(done.stderr.contains("error[Unreachable]"), "{}", done.combined_output());
        assert!(!done.combined_output().contains(PASSWORD), "{}", done.combined_output());
    }
}

#[test]
fn takes_credentials_from_the_credential_process_of_the_profile() {
    let (folder, endpoint) = (tempfile::tempdir().expect("a folder"), DenyingEndpoint::start());
    let given = write_file(
        folder.path(),
        "credentials.json",
        r#"{ "Version": 1, "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "SecretAccessKey": "PLANTED", "SessionToken": "token-of-the-program" }"#,
    );
    // Entering a second factor takes a while.
    let profile = format!("[profile shop]\ncredential_process = sleep 6 && cat {}\n", given.display());
    let config = write_file(folder.path(), "config", &profile).display().to_string();
    let variables =
        [("AWS_CONFIG_FILE", config.as_str()), ("AWS_PROFILE", "shop"), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let done = plan(folder.path(), &endpoint.server.url, &variables);
    assert!(done.stderr.contains("error[AccessDenied]"), "{}", done.combined_output());
    assert!(endpoint.headers("authorization").iter().all(|signed| signed.contains("Credential=AKIAIOSFODNN7EXAMPLE/")));
    assert!(endpoint.headers("x-amz-security-token").iter().all(|token| token == "token-of-the-program"));
}

/// Responds to everything over TLS with status 403; writes its authority's certificate to a file.
const TLS_SERVER_SCRIPT: &str = "
import datetime, http.server, ipaddress, ssl, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
folder, now = sys.argv[1], datetime.datetime.now(datetime.timezone.utc)
def made(subject, issuer, signer, authority):
    key = ec.generate_private_key(ec.SECP256R1())
    name = lambda text: x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        address = x509.IPAddress(ipaddress.ip_address('127.0.0.1'))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return key, builder.sign(signer or key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
ca_key, ca = made('authority', 'authority', None, True)
key, certificate = made('endpoint', 'authority', ca_key, False)
form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
open(folder + '/authority.pem', 'wb').write(ca)
open(folder + '/endpoint.pem', 'wb').write(key.private_bytes(*form) + certificate)
class Denier(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_POST(self):
        self.rfile.read(int(self.headers.get('content-length', 0)))
        text = b'<ErrorResponse><Error><Code>AccessDenied</Code><Message>not you</Message></Error></ErrorResponse>'
        self.send_response(403)
        self.send_header('content-length', str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_HEAD = do_POST
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Denier)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + '/endpoint.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
";

struct TlsEndpoint {
    process: Child,
    url: String,
    ca_certificate: PathBuf,
}

impl TlsEndpoint {
    fn start(folder: &Path) -> TlsEndpoint {
        let mut process =
            Command::new(python()).args(["-c", TLS_SERVER_SCRIPT]).arg(folder).stdout(Stdio::piped()).spawn().expect("python starts");
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("a pipe")).read_line(&mut port).expect("a port");
        TlsEndpoint { process, url: format!("https://127.0.0.1:{}", port.trim()), ca_certificate: folder.join("authority.pem") }
    }
}

impl Drop for TlsEndpoint {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn trusts_the_certificates_of_a_ca_bundle() {
    let folder = tempfile::tempdir().expect("a folder");
    let endpoint = TlsEndpoint::start(folder.path());
    let stranger = plan(folder.path(), &endpoint.url, &[]);
    assert!(stranger.stderr.contains("error[Unreachable]") && stranger.stderr.contains("UnknownIssuer"), "{}", stranger.combined_output());
    let bundle = endpoint.ca_certificate.display().to_string();
    let known = plan(folder.path(), &endpoint.url, &[("AWS_CA_BUNDLE", &bundle)]);
    assert!(known.stderr.contains("error[AccessDenied]"), "{}", known.combined_output());

    let broken = fs::read_to_string(&endpoint.ca_certificate).expect("the certificate").replace("MII", "XII");
    for (text, why) in [("nothing", "contains no certificate"), (broken.as_str(), "")] {
        let bundle = write_file(folder.path(), "bundle.pem", text).display().to_string();
        let done = plan(folder.path(), &endpoint.url, &[("AWS_CA_BUNDLE", &bundle)]);
        assert_eq!(done.code, 1, "{}", done.combined_output());
        assert!(done.stderr.contains("error[CaBundle]") && done.stderr.contains(why), "{}", done.combined_output());
    }
    let done = plan(folder.path(), &endpoint.url, &[("AWS_CA_BUNDLE", "/nowhere/bundle.pem")]);
    assert!(done.stderr.contains("error[CaBundle]") && done.stderr.contains("/nowhere/bundle.pem"), "{}", done.combined_output());
}
