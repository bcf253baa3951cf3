//! A proxy in front of a Kubernetes API, at the endpoint that EKS reports: it checks the tokens of EKS, counts calls, and injects a failure into
//! one write.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use super::server::{ADMIN_TOKEN, ApiServer};
use crate::proxy::WriteFault;

/// A running gateway. Its threads end with the test process.
pub struct Gateway {
    /// Endpoint of the cluster.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    port: u16,
    tls: Arc<ClientConfig>,
    server_tls: Arc<ServerConfig>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: BTreeMap<String, usize>,
    writes: usize,
    fault: Option<(usize, WriteFault)>,
    faulted: Option<String>,
}

/// Connection of a client.
type Client = StreamOwned<ServerConnection, TcpStream>;

/// A request of HTTP/1.1.
struct Message {
    method: String,
    path: String,
    /// Lines of the head after the first, without `Authorization`, `Connection` and those about the body's length.
    headers: Vec<String>,
    token: Option<String>,
    body: Vec<u8>,
}

impl Gateway {
    /// In front of this server, for the cluster of this name.
    pub fn start(server: &ApiServer) -> Gateway {
        let mut roots = RootCertStore::empty();
        let certificates = CertificateDer::pem_slice_iter(&server.certificates()).collect::<Result<Vec<_>, _>>().expect("certificates");
        // The last one is the authority's.
        roots.add(certificates.last().expect("a certificate").clone()).expect("a root");
        let key = PrivateKeyDer::from_pem_slice(&server.private_key()).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().expect("TLS");
        let tls = Arc::new(tls.with_root_certificates(roots).with_no_client_auth());
        // kubectl and Helm send tokens over TLS only.
        let server_tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
        let server_tls = Arc::new(server_tls.with_no_client_auth().with_single_cert(certificates, key).expect("its certificate"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://{}", listener.local_addr().expect("an address"));
        let shared = Arc::new(Shared { port: server.port, tls, server_tls, state: Mutex::default() });
        let served = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                thread::spawn(move || served.serve(stream).ok());
            }
        });
        Gateway { url, shared }
    }

    /// Injects a failure into the n-th write from now on, counted from 1; `None` into none.
    pub fn set_fault(&self, fault: Option<(usize, WriteFault)>) {
        *self.shared.state() = State { fault, ..State::default() };
    }
    /// The write with the failure; `None` if there was no write with that number.
    pub fn faulted_write(&self) -> Option<String> {
        self.shared.state().faulted.clone()
    }
    /// Number of calls since the last call of this function, by method and path.
    pub fn take_calls(&self) -> BTreeMap<String, usize> {
        std::mem::take(&mut self.shared.state().calls)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one request on a connection.
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let connection = ServerConnection::new(self.server_tls.clone()).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        let Some(request) = read_request(&mut BufReader::new(&mut stream))? else { return Ok(()) };
        if !request.token.as_deref().is_some_and(is_token_of_eks) {
            return answer(&mut stream, 401, "Unauthorized", "Unauthorized");
        }
        match self.fault_of(&request) {
            None => {
                self.forward(&request, Some(&mut stream))?;
                stream.conn.send_close_notify();
                stream.flush()
            }
            Some(WriteFault::Refuse | WriteFault::RefuseFromHere) => answer(&mut stream, 403, "Forbidden", "refused by the test"),
            Some(WriteFault::LoseResponse) => self.forward(&request, None),
            Some(WriteFault::KillBefore(kill)) => {
                kill.0();
                Ok(())
            }
            Some(WriteFault::KillAfter(kill)) => {
                self.forward(&request, None)?;
                kill.0();
                Ok(())
            }
            Some(other) => panic!("{other:?} is not a fault of this gateway"),
        }
    }

    fn fault_of(&self, request: &Message) -> Option<WriteFault> {
        let mut state = self.state();
        let path = request.path.split('?').next().unwrap_or_default();
        *state.calls.entry(format!("{} {path}", request.method)).or_default() += 1;
        let is_trial = request.path.contains("dryRun=");
        if request.method == "GET" || is_trial {
            return None;
        }
        state.writes += 1;
        let fault = state.fault.clone().filter(|(number, _)| *number == state.writes).map(|(_, fault)| fault)?;
        state.faulted = Some(format!("{} {path}", request.method));
        Some(fault)
    }

    /// Sends the request to the server, and its response to the client, if there is one.
    fn forward(&self, request: &Message, mut client: Option<&mut Client>) -> std::io::Result<()> {
        let name = ServerName::try_from("127.0.0.1").expect("an address");
        let connection = ClientConnection::new(self.tls.clone(), name).map_err(std::io::Error::other)?;
        let mut upstream = StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", self.port))?);
        let mut head =
            format!("{} {} HTTP/1.1\r\nAuthorization: Bearer {ADMIN_TOKEN}\r\nConnection: close\r\n", request.method, request.path);
        request.headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
        head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
        upstream.write_all(head.as_bytes())?;
        upstream.write_all(&request.body)?;
        upstream.flush()?;
        let mut buffer = [0; 16384];
        loop {
            match upstream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    if let Some(client) = &mut client {
                        client.write_all(&buffer[..length])?;
                        client.flush()?;
                    }
                }
                // Servers close without the farewell of TLS.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a token is one of EKS: the presigned URL of a call to STS with the name of a cluster.
fn is_token_of_eks(token: &str) -> bool {
    let url = token.strip_prefix("k8s-aws-v1.").and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok());
    url.and_then(|url| String::from_utf8(url).ok()).is_some_and(|url| {
        url.starts_with("https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&")
            && url.contains("X-Amz-SignedHeaders=host%3Bx-k8s-aws-id")
            && url.contains("X-Amz-Expires=60")
    })
}

fn answer(stream: &mut Client, code: u16, reason: &str, message: &str) -> std::io::Result<()> {
    let status = serde_json::json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "message": message, "code": code });
    let body = status.to_string();
    write!(
        stream,
        "HTTP/1.1 {code} {reason}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn read_request(stream: &mut impl BufRead) -> std::io::Result<Option<Message>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(None) };
    let mut request = Message { method, path, headers: Vec::new(), token: None, body: Vec::new() };
    let (mut length, mut is_chunked) = (0, false);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end();
        let Some((name, value)) = line.split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "authorization" => request.token = value.trim().strip_prefix("Bearer ").map(str::to_owned),
            "content-length" => length = value.trim().parse().unwrap_or(0),
            "transfer-encoding" => is_chunked = true,
            "connection" => {}
            _ => request.headers.push(line.to_owned()),
        }
    }
    if is_chunked {
        loop {
            let mut size = String::new();
            stream.read_line(&mut size)?;
            let size = usize::from_str_radix(size.trim(), 16).map_err(std::io::Error::other)?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk)?;
            request.body.extend_from_slice(&chunk[..size]);
            if size == 0 {
                break;
            }
        }
    } else {
        request.body = vec![0; length];
        stream.read_exact(&mut request.body)?;
    }
    Ok(Some(request))
}
