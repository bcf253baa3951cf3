//! Calls without a response. The SDK must not repeat a mutating one, which may have taken effect: the engine checks first. Reads are
//! repeated, but not for half a minute if there is no network.

use std::future::Future;

use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::{
        interceptors::{Intercept, context::FinalizerInterceptorContextMut, dyn_dispatch_hint},
        orchestrator::Metadata,
        retries::RequestAttempts,
        runtime_components::RuntimeComponents,
    },
};
use aws_smithy_types::{config_bag::ConfigBag, retry::RetryConfig};

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

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        cfg: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let unanswered = match (context.output_or_error(), context.response()) {
            (Some(Ok(_)), _) => false,
            (_, None) => true,
            // A throttled call had no effect; one that failed inside the service may have had.
            (_, Some(response)) => matches!(response.status().as_u16(), 500 | 502 | 504),
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
