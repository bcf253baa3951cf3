//! Workarounds for stand-ins that resource types should not contain. They never affect AWS.

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};

/// HTTP client that fixes responses: moto names the root element of one S3 response after the call, but the SDK requires the
/// documented name.
pub fn with_fixed_answers(inner: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(FixedAnswers(inner))
}

#[derive(Debug)]
struct FixedAnswers<T>(T);

impl HttpClient for FixedAnswers<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(FixedAnswers(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for FixedAnswers<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = self.0.clone();
        let versioning = request.method() == "GET" && request.uri().ends_with("?versioning");
        HttpConnectorFuture::new(async move {
            let mut response = inner.call(request).await?;
            if versioning {
                let body = std::mem::replace(response.body_mut(), SdkBody::empty());
                let bytes = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
                let text = String::from_utf8_lossy(&bytes).replace("GetBucketVersioningResponse", "VersioningConfiguration");
                response.headers_mut().remove("content-length");
                *response.body_mut() = SdkBody::from(text);
            }
            Ok(response)
        })
    }
}
