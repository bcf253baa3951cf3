//! Keeps the SDK from making a changing call again whose answer did not come: it may have been served. The engine looks first.

use aws_smithy_runtime_api::client::{
    interceptors::context::InterceptorContext,
    retries::classifiers::{ClassifyRetry, RetryAction, RetryClassifierPriority},
};

/// A classifier that comes after all of the SDK's own.
#[derive(Debug)]
pub(super) struct Unanswered;

impl ClassifyRetry for Unanswered {
    fn classify_retry(&self, context: &InterceptorContext) -> RetryAction {
        let unanswered = match (context.output_or_error(), context.response()) {
            (Some(Ok(_)), _) => false,
            (_, None) => true,
            // What is refused as one too many was not served; what failed inside the service may have been.
            (_, Some(response)) => matches!(response.status().as_u16(), 500 | 502 | 504),
        };
        if unanswered && !context.request().is_some_and(reads) { RetryAction::RetryForbidden } else { RetryAction::NoActionIndicated }
    }

    fn name(&self) -> &'static str {
        "unanswered changes"
    }

    fn priority(&self) -> RetryClassifierPriority {
        RetryClassifierPriority::run_after(RetryClassifierPriority::transient_error_classifier())
    }
}

/// Whether a request only reads, in the protocols of our services: by its method, its target header, or the action in its form.
fn reads(request: &aws_smithy_runtime_api::client::orchestrator::HttpRequest) -> bool {
    if matches!(request.method(), "GET" | "HEAD") {
        return true;
    }
    let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let form = || {
        let body = std::str::from_utf8(request.body().bytes()?).ok()?;
        body.split('&').find_map(|pair| pair.strip_prefix("Action="))
    };
    let action = target.or_else(form).unwrap_or_default();
    ["Describe", "List", "Get", "BatchGet", "Head"].iter().any(|verb| action.starts_with(verb))
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_types::body::SdkBody;

    use super::*;

    fn request(method: &str, target: Option<&str>, body: &str) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method(method).unwrap();
        if let Some(target) = target {
            request.headers_mut().insert("x-amz-target", target.to_owned());
        }
        request
    }

    #[test]
    fn reads_are_told_from_changes_in_every_protocol() {
        assert!(reads(&request("GET", None, "")));
        assert!(reads(&request("POST", None, "Action=DescribeVpcs&Version=2016-11-15")));
        assert!(reads(&request("POST", Some("AmazonEC2ContainerRegistry_V20150921.ListTagsForResource"), "{}")));
        assert!(!reads(&request("POST", None, "Action=CreateVpc&Version=2016-11-15")));
        assert!(!reads(&request("POST", Some("TrentService.CreateKey"), "{}")));
        assert!(!reads(&request("POST", None, "{\"name\":\"cluster\"}")));
        assert!(!reads(&request("PUT", None, "")));
    }
}
