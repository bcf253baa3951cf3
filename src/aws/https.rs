//! The HTTP client, by the variables that the AWS CLI knows: through the proxy of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, and
//! trusting the authorities of `AWS_CA_BUNDLE` besides the system's.

use std::env;

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::core::{Error, Result, Sort};

/// Makes it. Nothing is connected yet.
///
/// # Errors
/// `CaBundle` when the file of `AWS_CA_BUNDLE` can't be read or holds no certificates.
pub(super) fn client() -> Result<SharedHttpClient> {
    let bundle = env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty());
    let trusted = match bundle {
        Some(path) => TrustStore::default().with_pem_certificate(authorities(&path)?),
        None => TrustStore::default(),
    };
    let trusting = TlsContext::builder().with_trust_store(trusted).build().map_err(|error| bad_bundle(&error))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(trusting.clone()).build()
    }))
}

/// The file's text. The client takes it unseen and would break off at what is no certificate, so it is looked at first.
fn authorities(path: &str) -> Result<Vec<u8>> {
    let text = std::fs::read(path).map_err(|error| bad_bundle(&format!("`{path}`: {error}")))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let added = certificate.map_err(|error| error.to_string()).and_then(|der| store.add(der).map_err(|error| error.to_string()));
        added.map_err(|error| bad_bundle(&format!("`{path}`: {error}")))?;
    }
    if store.is_empty() {
        return Err(bad_bundle(&format!("`{path}` holds no certificate")));
    }
    Ok(text)
}

fn bad_bundle(error: &dyn std::fmt::Display) -> Error {
    Error::new(Sort::Refused, "CaBundle", format!("can't use the certificates of AWS_CA_BUNDLE: {error}"))
}
