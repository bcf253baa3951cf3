//! Requests to addresses outside AWS, with the same proxy and certificates as the calls.

use std::time::Duration;

use aws_smithy_runtime_api::client::{
    http::HttpConnector,
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};
use tokio::time::timeout;

use super::https::{connector, error_text};
use crate::core::{Error, ErrorKind, Result};

/// Maximum number of redirects, as in browsers and curl's documentation of safe limits.
const MAX_REDIRECTS: usize = 10;

/// Client for probes, and for what is sent to other servers than AWS's.
#[derive(Debug)]
pub struct HttpProbe {
    connector: aws_smithy_http_client::Connector,
}

impl HttpProbe {
    /// Reads the certificates; makes no request.
    ///
    /// # Errors
    /// Fails with `CaBundle` if the file of `AWS_CA_BUNDLE` can't be read or contains no certificates.
    pub fn new() -> Result<HttpProbe> {
        Ok(HttpProbe { connector: connector()? })
    }

    /// Status code of the answer to a GET request, within `longest`; that of the last one if redirects are followed.
    ///
    /// # Errors
    /// Fails without an answer, and after too many redirects.
    pub async fn status(&self, url: &str, longest: Duration, follow_redirects: bool) -> Result<u16> {
        match timeout(longest, self.get(url, follow_redirects)).await {
            Ok(answered) => answered,
            Err(_) => Err(unavailable(format!("no answer within {} s", longest.as_secs()))),
        }
    }

    /// Address to which a GET request is redirected, within `longest`; `None` if it is not.
    ///
    /// # Errors
    /// Fails without an answer.
    pub async fn redirect_target(&self, url: &str, longest: Duration) -> Result<Option<String>> {
        let answered = timeout(longest, self.request(url)).await;
        let answer = answered.map_err(|_| unavailable(format!("no answer within {} s", longest.as_secs())))??;
        Ok(answer.headers().get("location").map(|target| resolve(url, target)))
    }

    async fn get(&self, url: &str, follow_redirects: bool) -> Result<u16> {
        let mut url = url.to_owned();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.request(&url).await?;
            let status = answer.status().as_u16();
            let target = answer.headers().get("location").filter(|_| follow_redirects && matches!(status, 301 | 302 | 303 | 307 | 308));
            match target {
                Some(target) => url = resolve(&url, target),
                None => return Ok(status),
            }
        }
        Err(unavailable(format!("more than {MAX_REDIRECTS} redirects")))
    }

    /// Sends a body, and returns the status code and the body of the answer.
    ///
    /// # Errors
    /// Fails without an answer.
    pub async fn post(&self, url: &str, headers: Vec<(String, String)>, body: Vec<u8>) -> Result<(u16, Vec<u8>)> {
        let failed = |error: &(dyn std::error::Error + 'static)| unavailable(error_text(error));
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| failed(&error))?;
        request.set_uri(url.to_owned()).map_err(|error| failed(&error))?;
        for (name, value) in headers {
            request.headers_mut().try_insert(name, value).map_err(|error| failed(&error))?;
        }
        let mut answer = self.connector.call(request).await.map_err(|error: ConnectorError| failed(&error))?;
        let body = std::mem::replace(answer.body_mut(), SdkBody::taken());
        let body = ByteStream::new(body).collect().await.map_err(|error| failed(&error))?;
        Ok((answer.status().as_u16(), body.to_vec()))
    }

    async fn request(&self, url: &str) -> Result<HttpResponse> {
        let failed = |error: &(dyn std::error::Error + 'static)| unavailable(error_text(error));
        let mut request = HttpRequest::get(url).map_err(|error| failed(&error))?;
        request.headers_mut().insert("user-agent", concat!("acme/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert("accept", "*/*");
        self.connector.call(request).await.map_err(|error: ConnectorError| failed(&error))
    }
}

fn unavailable(message: String) -> Error {
    Error::new(ErrorKind::Unavailable, "Unreachable", message)
}

/// Address of a redirect from `base` to `target`, which may be relative.
fn resolve(base: &str, target: &str) -> String {
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    if target.contains("://") {
        return target.to_owned();
    }
    if target.starts_with("//") {
        return format!("{scheme}:{target}");
    }
    if target.starts_with('/') {
        return format!("{scheme}://{host}{target}");
    }
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let folder = path.rfind('/').map_or("/", |slash| &path[..=slash]);
    format!("{scheme}://{host}{folder}{target}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_redirects() {
        for (base, target, resolved) in [
            ("http://a.example.com/x", "https://b.example.com/y", "https://b.example.com/y"),
            ("http://a.example.com/x", "//b.example.com/y", "http://b.example.com/y"),
            ("https://a.example.com", "/y?z=1", "https://a.example.com/y?z=1"),
            ("https://a.example.com/x/old?q=/", "new", "https://a.example.com/x/new"),
            ("https://a.example.com?q", "new", "https://a.example.com/new"),
        ] {
            assert_eq!(resolve(base, target), resolved, "{base} {target}");
        }
    }
}
