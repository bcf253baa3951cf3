//! Calls without a response. The SDK must not repeat a mutating one, which may have taken effect: the engine checks first. Reads are
//! repeated, but not for half a minute if there is no network.

use std::future::Future;

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{
            Intercept,
            context::{AfterDeserializationInterceptorContextRef, FinalizerInterceptorContextMut},
            dyn_dispatch_hint,
        },
        orchestrator::Metadata,
        retries::RequestAttempts,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, retry::RetryConfig};

use super::error::is_throttling;

/// Maximum number of attempts of a read without a response.
const MAX_READ_ATTEMPTS: u32 = 4;

tokio::task_local! {
    /// Set while optional reads are made.
    static OPTIONAL: ();
}

/// Makes reads that nothing depends on: they are not repeated without a response, or after an internal error of the service.
pub async fn optional_reads<F: Future>(reads: F) -> F::Output {
    OPTIONAL.scope((), reads).await
}

/// Stops retries of such calls. The SDK decides about a retry after an attempt, with the configuration at that time. A retry classifier
/// would not work: it does not know the action, and the request no longer exists then.
#[derive(Debug)]
pub(super) struct StopUnansweredRetries;

#[dyn_dispatch_hint]
impl Intercept for StopUnansweredRetries {
    fn name(&self) -> &'static str {
        "unanswered changes"
    }

    /// The SDK reads as much of an XML document as there is: of one that was cut off, half an id.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.response().body().bytes() {
            Some(body) if context.response().status().is_success() && !is_complete(body) => Err("the response is cut off".into()),
            _ => Ok(()),
        }
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let unanswered = match (context.output_or_error(), context.response()) {
            (Some(Ok(_)), _) => false,
            (_, None) => true,
            // The call succeeded, but its response can't be read.
            (_, Some(response)) if response.status().is_success() => true,
            // A throttled call had no effect; one that failed inside the service may have had. A proxy's error has no code.
            (_, Some(response)) => {
                let throttled = || {
                    response.headers().get("x-amzn-errortype").is_some_and(|code| is_throttling(format!("\"{code}\"").as_bytes()))
                        || response.body().bytes().is_some_and(is_throttling)
                };
                matches!(response.status().as_u16(), 500 | 502 | 503 | 504) && !throttled()
            }
        };
        let last = match cfg.load::<Metadata>() {
            Some(call) if is_read_action(call.name()) && OPTIONAL.try_with(|()| ()).is_err() => {
                context.response().is_none() && cfg.load::<RequestAttempts>().is_some_and(|so_far| so_far.attempts() >= MAX_READ_ATTEMPTS)
            }
            _ => true,
        };
        if unanswered && last {
            cfg.interceptor_state().store_put(RetryConfig::standard().with_max_attempts(1));
        }
        Ok(())
    }
}

/// Whether an action only reads.
fn is_read_action(action: &str) -> bool {
    ["Describe", "List", "Get", "BatchGet", "Head"].iter().any(|verb| action.starts_with(verb))
}

/// Whether a body is not XML, or ends with the end of its first element.
fn is_complete(body: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return true };
    let text = text.trim();
    let mut rest = text;
    // Declarations and comments precede the element.
    while rest.starts_with("<?") || rest.starts_with("<!") {
        let Some((_, after)) = rest.split_once('>') else { return false };
        rest = after.trim_start();
    }
    let Some(element) = rest.strip_prefix('<') else { return !text.starts_with('<') };
    let name: String = element.chars().take_while(|c| !c.is_whitespace() && !matches!(c, '>' | '/')).collect();
    let is_empty_element = element.split_once('>').is_some_and(|(tag, after)| tag.ends_with('/') && after.trim().is_empty());
    is_empty_element || text.ends_with(&format!("</{name}>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_documents_that_are_cut_off() {
        let whole = r#"<?xml version="1.0" encoding="UTF-8"?>
<AllocateAddressResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><allocationId>eipalloc-0123</allocationId></AllocateAddressResponse>
"#;
        assert!(is_complete(whole.as_bytes()));
        // Only the line break at the end may be missing.
        let trimmed = whole.trim_end().len();
        for length in 1..trimmed {
            assert!(!is_complete(&whole.as_bytes()[..length]), "{}", &whole[..length]);
        }
        for other in ["", "{}", r#"{"a": "<b>"}"#, "<a/>", "<a b=\"c\" />", "<!DOCTYPE html><html></html>", "<a></a>"] {
            assert!(is_complete(other.as_bytes()), "{other}");
        }
    }
}
