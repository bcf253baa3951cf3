//! The HTTP client, configured by the same variables as the AWS CLI: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` for the proxy, and
//! `AWS_CA_BUNDLE` for certificate authorities in addition to the system's.

use std::{
    env,
    sync::{Arc, OnceLock},
};

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::core::{Error, ErrorKind, Result};

/// Creates the client without connecting. `tls`: the endpoint needs TLS, so certificates are read now; otherwise the first request that
/// needs them reads them (credentials may come from an `https` address even if the endpoint has none).
///
/// # Errors
/// Fails with `CaBundle` if the file of `AWS_CA_BUNDLE` can't be read or contains no certificates.
pub(super) fn client(tls: bool) -> Result<SharedHttpClient> {
    let clients = Clients { plain: client_trusting(TrustStore::empty())?, secure: OnceLock::new() };
    if tls || has_tls_proxy() {
        clients.secure()?;
    }
    Ok(SharedHttpClient::new(SchemeClient(Arc::new(clients))))
}

/// Client for `http` requests, and one for all others. Reading the system's certificates takes a sixth of a small plan's time.
#[derive(Debug)]
struct Clients {
    plain: SharedHttpClient,
    secure: OnceLock<Result<SharedHttpClient>>,
}

impl Clients {
    fn secure(&self) -> Result<&SharedHttpClient> {
        self.secure.get_or_init(|| client_trusting(trust_store()?)).as_ref().map_err(Clone::clone)
    }

    fn for_uri(&self, uri: &str) -> Result<&SharedHttpClient> {
        if uri.starts_with("http:") && !has_tls_proxy() { Ok(&self.plain) } else { self.secure() }
    }
}

/// Chooses the client by the scheme of each request.
#[derive(Debug)]
struct SchemeClient(Arc<Clients>);

impl HttpClient for SchemeClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let (settings, components) = (settings.clone(), components.clone());
        SharedHttpConnector::new(SchemeConnector { clients: self.0.clone(), settings, components })
    }
}

#[derive(Debug)]
struct SchemeConnector {
    clients: Arc<Clients>,
    settings: HttpConnectorSettings,
    components: RuntimeComponents,
}

impl HttpConnector for SchemeConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.clients.for_uri(request.uri()) {
            Ok(client) => client.http_connector(&self.settings, &self.components).call(request),
            Err(error) => HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        }
    }
}

fn client_trusting(trusted: TrustStore) -> Result<SharedHttpClient> {
    let trusting = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| ca_bundle_error(&error))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(trusting.clone()).build()
    }))
}

/// Client for requests to any address, over TLS or not.
///
/// # Errors
/// Fails with `CaBundle` if the file of `AWS_CA_BUNDLE` can't be read or contains no certificates.
pub(super) fn connector() -> Result<Connector> {
    let trusting = TlsContext::builder().with_trust_store(trust_store()?).build().map_err(|error| ca_bundle_error(&error))?;
    let connector = Connector::builder().proxy_config(ProxyConfig::from_env());
    Ok(connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(trusting).build())
}

/// Messages of an error and its causes.
pub(super) fn error_text(error: &(dyn std::error::Error + 'static)) -> String {
    super::error::describe_causes(error)
}

/// Certificate authorities of the system and of `AWS_CA_BUNDLE`.
fn trust_store() -> Result<TrustStore> {
    match env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty()) {
        Some(path) => Ok(TrustStore::default().with_pem_certificate(read_ca_bundle(&path)?)),
        None => Ok(TrustStore::default()),
    }
}

/// Whether the proxy itself is reached over TLS.
fn has_tls_proxy() -> bool {
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().any(|name| env::var(name).is_ok_and(|url| url.starts_with("https:")))
}

/// Reads and checks the file, because the client would panic on an invalid certificate.
fn read_ca_bundle(path: &str) -> Result<Vec<u8>> {
    let text = std::fs::read(path).map_err(|error| ca_bundle_error(&format!("`{path}`: {error}")))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate.map_err(|error| error.to_string()).and_then(|der| store.add(der).map_err(|error| error.to_string()));
        added.map_err(|error| ca_bundle_error(&format!("`{path}`: {error}")))?;
    }
    if store.is_empty() {
        return Err(ca_bundle_error(&format!("`{path}` contains no certificate")));
    }
    Ok(text)
}

fn ca_bundle_error(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Rejected, "CaBundle", format!("can't use the certificates of AWS_CA_BUNDLE: {error}"))
}
