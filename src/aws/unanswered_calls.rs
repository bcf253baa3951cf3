//! Calls whose answer did not come. The SDK must not make a changing one again: it may have been served; the engine looks first. A read
//! is made again, but not for half a minute where there is no network.

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

/// How often a read is tried that is not answered at all.
const MAX_READ_ATTEMPTS: u32 = 4;

/// Ends the tries of such calls. Whether one follows is asked after an attempt is complete, by the configuration as it is then; a
/// retry classifier would not do: it is not told which action it judges, and the request is gone by then.
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
            // What is refused as one too many was not served; what failed inside the service may have been.
            (_, Some(response)) => matches!(response.status().as_u16(), 500 | 502 | 504),
        };
        let last = match cfg.load::<Metadata>() {
            Some(call) if is_read_action(call.name()) => {
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
