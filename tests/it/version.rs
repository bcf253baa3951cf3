//! `acme version`: a newer release is looked for on request only.

use std::{
    io::{Read, Write},
    net::TcpListener,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::acme::{CommandOutput, binary};

fn run(arguments: &[&str], url: &str) -> CommandOutput {
    let mut command = Command::new(binary());
    command.args(arguments).env("ACME_RELEASES_URL", url).env("NO_COLOR", "1").env("NO_PROXY", "127.0.0.1");
    CommandOutput::from_output(command.output().expect("acme runs"))
}

/// A server whose latest release has this tag, and the number of its requests.
fn serve(tag: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let (count, base) = (Arc::new(AtomicUsize::new(0)), url.clone());
    let requests = count.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            requests.fetch_add(1, Ordering::SeqCst);
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).unwrap_or_default();
            let target = format!("{base}/example/acme/releases/tag/{tag}");
            write!(stream, "HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
        }
    });
    (format!("{url}/example/acme/releases/latest"), count)
}

#[test]
fn looks_for_a_newer_version_on_request_only() {
    let (url, requests) = serve("v999.1.0");
    let plain = run(&["version"], &url).assert_success();
    assert_eq!(plain.stdout, format!("acme {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!((plain.stderr.as_str(), requests.load(Ordering::SeqCst)), ("", 0));
    let newer = run(&["version", "--check"], &url).assert_success();
    assert!(newer.stderr.contains("Version 999.1.0 is available: http://127.0.0.1"), "{}", newer.stderr);
    assert_eq!(requests.load(Ordering::SeqCst), 1);
    let (url, _) = serve("v0.0.1");
    assert_eq!(run(&["version", "--check"], &url).assert_success().stderr, "This is the latest version.\n");
    // No server: a note, and no failure.
    let gone = run(&["version", "--check"], "http://127.0.0.1:1/releases/latest").assert_success();
    assert!(gone.stderr.starts_with("Note: can't find out the latest version: http://127.0.0.1:1/"), "{}", gone.stderr);
}
