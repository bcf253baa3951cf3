//! Workarounds for stand-ins that resource types should not contain. They never affect AWS.

use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::{body::SdkBody, byte_stream::ByteStream};

/// HTTP client that fixes responses: moto names the root element of some S3 responses after the call, but the SDK requires the
/// documented name. Stand-ins answer reads of settings that they don't have with the objects of the bucket.
pub fn with_fixed_answers(inner: SharedHttpClient) -> SharedHttpClient {
    SharedHttpClient::new(FixedAnswers(inner))
}

#[derive(Debug)]
struct FixedAnswers<T>(T);

/// Reads, each with the root element of moto, and the documented one.
const ROOTS: [(&str, &str, &str); 3] = [
    ("?versioning", "GetBucketVersioningResponse", "VersioningConfiguration"),
    ("?notification", "GetBucketNotificationResponse", "NotificationConfiguration"),
    ("?accelerate", "GetBucketAccelerateConfigurationResponse", "AccelerateConfiguration"),
];

/// Reads of settings, each with the response for none.
const EMPTY: [(&str, &str); 2] = [
    ("intelligent-tiering", "<ListBucketIntelligentTieringConfigurationsOutput/>"),
    ("requestPayment", "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>"),
];

impl HttpClient for FixedAnswers<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(FixedAnswers(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for FixedAnswers<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = self.0.clone();
        let renamed = ROOTS.iter().find(|(query, ..)| request.method() == "GET" && request.uri().contains(query)).copied();
        let empty = EMPTY.iter().find(|(query, _)| request.method() == "GET" && request.uri().contains(query)).map(|(_, empty)| *empty);
        HttpConnectorFuture::new(async move {
            let mut response = inner.call(request).await?;
            if renamed.is_some() || empty.is_some() {
                let body = std::mem::replace(response.body_mut(), SdkBody::empty());
                let bytes = ByteStream::new(body).collect().await.map_err(|error| ConnectorError::io(error.into()))?.into_bytes();
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let text = renamed.map_or(text.clone(), |(_, found, documented)| text.replace(found, documented));
                let text = empty.filter(|_| text.contains("<ListBucketResult")).map_or(text, str::to_owned);
                response.headers_mut().remove("content-length");
                *response.body_mut() = SdkBody::from(text);
            }
            Ok(response)
        })
    }
}
