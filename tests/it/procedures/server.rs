//! A server on this machine whose answers a test decides.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Answers `GET /health` with 200, and with 500 after a number of requests; `/moved` with a redirect to it; `/slow` after ten seconds.
pub struct Server {
    pub url: String,
    /// Number of requests to `/health` until it fails.
    healthy_requests: Arc<AtomicUsize>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let healthy_requests = Arc::new(AtomicUsize::new(usize::MAX));
        let left = healthy_requests.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let left = left.clone();
                thread::spawn(move || drop(answer(stream, &left)));
            }
        });
        Server { url, healthy_requests }
    }

    /// Fails after this many requests to `/health`.
    pub fn fail_after(&self, requests: usize) {
        self.healthy_requests.store(requests, Ordering::SeqCst);
    }

    /// Answers every request again.
    pub fn recover(&self) {
        self.fail_after(usize::MAX);
    }
}

/// Answers one request, and closes the connection.
fn answer(mut stream: TcpStream, left: &AtomicUsize) -> std::io::Result<()> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? == 0 || header == "\r\n" {
            break;
        }
    }
    let (status, more) = match line.split(' ').nth(1).unwrap_or_default() {
        "/health" => {
            let is_healthy = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            (if is_healthy { "200 OK" } else { "500 Internal Server Error" }, "")
        }
        "/moved" => ("302 Found", "Location: /health\r\n"),
        "/circle" => ("302 Found", "Location: /circle\r\n"),
        "/slow" => {
            thread::sleep(Duration::from_secs(10));
            ("200 OK", "")
        }
        _ => ("404 Not Found", ""),
    };
    write!(stream, "HTTP/1.1 {status}\r\n{more}Content-Length: 0\r\nConnection: close\r\n\r\n")
}
