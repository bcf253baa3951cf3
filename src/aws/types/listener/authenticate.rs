//! Signing in before a request goes on.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_elasticloadbalancingv2::types::{
    Action as SdkAction, ActionTypeEnum, AuthenticateCognitoActionConditionalBehaviorEnum as Behaviour, AuthenticateCognitoActionConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::action::{Action, FixedResponse, Forward, Redirect};
use crate::{
    aws::{text, word},
    core::Problem,
};

/// Has to come from a user of a Cognito user pool: who is not signed in is led to the pool's page. Only for HTTPS listeners.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuthenticateCognito {
    /// ARN of the user pool.
    pub user_pool: String,
    /// Id of the user pool's client for the load balancer, which has a secret and the code grant.
    pub client_id: String,
    /// The user pool's domain: its prefix, or its whole name when it is one's own.
    pub domain: String,
    /// What is asked of the user pool, separated by spaces. Default: openid.
    #[serde(default = "openid")]
    pub scope: String,
    /// Name of the cookie that keeps the session. Default: AWSELBAuthSessionCookie.
    #[serde(default = "session_cookie")]
    pub session_cookie: String,
    /// Longest time a session lasts, in seconds, 1 to 604800. Default: 604800.
    #[serde(default = "week")]
    pub session_timeout_seconds: u32,
    /// What happens to a request of nobody who is signed in. Default: authenticate.
    #[serde(default)]
    pub on_unauthenticated_request: OnUnauthenticatedRequest,
    /// Further parameters of the request to sign in, at most ten. Default: none.
    #[serde(default)]
    pub extra_params: BTreeMap<String, String>,
    /// What happens to the request then.
    pub then: Then,
}

/// What happens to a request of nobody who is signed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnUnauthenticatedRequest {
    /// It is led to where one signs in.
    #[default]
    Authenticate,
    /// It goes on.
    Allow,
    /// It is answered with a 401.
    Deny,
}

/// What happens to a request that may go on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Then {
    /// Goes to targets.
    Forward(Forward),
    /// Is answered with another address.
    Redirect(Redirect),
    /// Is answered at once.
    FixedResponse(FixedResponse),
}

impl From<&Then> for Action {
    fn from(then: &Then) -> Action {
        match then.clone() {
            Then::Forward(forward) => Action::Forward(forward),
            Then::Redirect(redirect) => Action::Redirect(redirect),
            Then::FixedResponse(answer) => Action::FixedResponse(answer),
        }
    }
}

fn openid() -> String {
    "openid".to_owned()
}

fn session_cookie() -> String {
    "AWSELBAuthSessionCookie".to_owned()
}

fn week() -> u32 {
    7 * 24 * 3600
}

impl AuthenticateCognito {
    pub(super) fn check(&self, at: &str) -> Vec<Problem> {
        let mut problems = Action::from(&self.then).check(&format!("{at}/then"));
        if !self.user_pool.starts_with("arn:") && !self.user_pool.contains("${") {
            let problem = Problem::new(format!("{at}/user_pool"), "a user pool is given by its ARN");
            problems.push(problem.help("write it as `arn:aws:cognito-idp:<region>:<account>:userpool/<id>`"));
        }
        if !(1..=week()).contains(&self.session_timeout_seconds) {
            problems.push(Problem::new(format!("{at}/session_timeout_seconds"), "a session lasts 1 to 604800 seconds"));
        }
        if self.extra_params.len() > 10 {
            problems.push(Problem::new(format!("{at}/extra_params"), "there are at most ten further parameters"));
        }
        problems
    }

    /// The first of the two actions that this is.
    pub(super) fn to_sdk(&self) -> SdkAction {
        let extra: HashMap<_, _> = self.extra_params.clone().into_iter().collect();
        let config = AuthenticateCognitoActionConfig::builder()
            .user_pool_arn(&self.user_pool)
            .user_pool_client_id(&self.client_id)
            .user_pool_domain(&self.domain)
            .scope(&self.scope)
            .session_cookie_name(&self.session_cookie)
            .session_timeout(self.session_timeout_seconds.into())
            .on_unauthenticated_request(Behaviour::from(text(&self.on_unauthenticated_request).as_str()))
            .set_authentication_request_extra_params((!extra.is_empty()).then_some(extra));
        SdkAction::builder().r#type(ActionTypeEnum::AuthenticateCognito).authenticate_cognito_config(config.build()).build()
    }

    pub(super) fn read(config: &AuthenticateCognitoActionConfig, then: Then) -> AuthenticateCognito {
        let config = config.clone();
        AuthenticateCognito {
            user_pool: config.user_pool_arn.unwrap_or_default(),
            client_id: config.user_pool_client_id.unwrap_or_default(),
            domain: config.user_pool_domain.unwrap_or_default(),
            scope: config.scope.unwrap_or_else(openid),
            session_cookie: config.session_cookie_name.unwrap_or_else(session_cookie),
            session_timeout_seconds: config.session_timeout.and_then(|seconds| seconds.try_into().ok()).unwrap_or_else(week),
            on_unauthenticated_request: config
                .on_unauthenticated_request
                .and_then(|behaviour| word(behaviour.as_str()).ok())
                .unwrap_or_default(),
            extra_params: config.authentication_request_extra_params.unwrap_or_default().into_iter().collect(),
            then,
        }
    }
}
