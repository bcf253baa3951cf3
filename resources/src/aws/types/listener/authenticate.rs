//! Authentication of users before a request is forwarded.

use std::collections::{BTreeMap, HashMap};

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    Action as SdkAction, ActionTypeEnum, AuthenticateCognitoActionConditionalBehaviorEnum as Behaviour, AuthenticateCognitoActionConfig,
    AuthenticateOidcActionConditionalBehaviorEnum as OidcBehaviour, AuthenticateOidcActionConfig,
};

use super::action::{FixedResponse, Forward, ListenerAction, Redirect};
use crate::{
    aws::{from_aws, to_aws, types::secret::Secret},
    core::ArnRef,
};

/// Authenticates users with a Cognito user pool; users without a session are sent to its sign-in page. HTTPS listeners only.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct AuthenticateCognito {
    /// ARN of the user pool, `arn:aws:cognito-idp:<region>:<account>:userpool/<id>`.
    #[field(pattern = "arn:.+")]
    pub user_pool: String,
    /// Id of the user pool's app client for the load balancer, with a client secret and the code grant.
    pub client_id: String,
    /// The user pool's domain: its prefix, or the full name of a custom domain.
    pub domain: String,
    /// Scopes requested of the user pool, separated by spaces.
    #[field(default = "openid")]
    pub scope: String,
    /// Name of the session cookie.
    #[field(default = "AWSELBAuthSessionCookie")]
    pub session_cookie: String,
    /// Maximum duration of a session, in seconds.
    #[field(default = 604_800, range = 1..=604_800)]
    pub session_timeout_seconds: u32,
    /// Treatment of an unauthenticated request.
    #[field(default = OnUnauthenticatedRequest::Authenticate, risky(OnUnauthenticatedRequest::Allow, "requests pass without authentication"))]
    pub on_unauthenticated_request: OnUnauthenticatedRequest,
    /// Additional parameters of the sign-in request.
    #[field(default, length = 0..=10)]
    pub extra_params: BTreeMap<String, String>,
    /// Action for authenticated requests.
    pub then: NextAction,
}

/// Authenticates users with an identity provider that speaks OpenID Connect; users without a session are sent to its sign-in page. HTTPS
/// listeners only.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct AuthenticateOidc {
    /// Issuer, a URL such as `https://login.example.com`.
    #[field(pattern = "https://.+")]
    pub issuer: String,
    /// Authorization endpoint, a URL.
    #[field(pattern = "https://.+")]
    pub authorization_endpoint: String,
    /// Token endpoint, a URL. The load balancer must be able to reach it.
    #[field(pattern = "https://.+")]
    pub token_endpoint: String,
    /// User info endpoint, a URL. The load balancer must be able to reach it.
    #[field(pattern = "https://.+")]
    pub user_info_endpoint: String,
    /// Id of the provider's client for the load balancer.
    #[field(length = 1..=2048)]
    pub client_id: String,
    /// Secret with the client's secret. acme copies it when the reference changes: after a new value of the same secret, change the name of
    /// its key, or its reference.
    pub client_secret: ArnRef<Secret>,
    /// Key in the secret's JSON object whose text is the client's secret; empty for the whole text of the secret.
    #[field(default, pattern = "[A-Za-z0-9_.-]*", length = 0..=100)]
    pub client_secret_key: String,
    /// Scopes requested of the provider, separated by spaces.
    #[field(default = "openid")]
    pub scope: String,
    /// Name of the session cookie.
    #[field(default = "AWSELBAuthSessionCookie")]
    pub session_cookie: String,
    /// Maximum duration of a session, in seconds.
    #[field(default = 604_800, range = 1..=604_800)]
    pub session_timeout_seconds: u32,
    /// Treatment of an unauthenticated request.
    #[field(default = OnUnauthenticatedRequest::Authenticate, risky(OnUnauthenticatedRequest::Allow, "requests pass without authentication"))]
    pub on_unauthenticated_request: OnUnauthenticatedRequest,
    /// Additional parameters of the sign-in request.
    #[field(default, length = 0..=10)]
    pub extra_params: BTreeMap<String, String>,
    /// Action for authenticated requests.
    pub then: NextAction,
}

/// Treatment of an unauthenticated request.
#[spec]
#[derive(Copy, Default)]
pub enum OnUnauthenticatedRequest {
    /// Redirects the client to the sign-in page.
    #[default]
    Authenticate,
    /// Lets the request pass.
    Allow,
    /// Returns status 401.
    Deny,
}

/// Action for an authenticated request.
#[spec]
pub enum NextAction {
    /// Forwards it to targets.
    Forward(Forward),
    /// Redirects it to another address.
    Redirect(Redirect),
    /// Returns a fixed response.
    FixedResponse(FixedResponse),
}

impl From<&NextAction> for ListenerAction {
    fn from(then: &NextAction) -> ListenerAction {
        match then.clone() {
            NextAction::Forward(forward) => ListenerAction::Forward(forward),
            NextAction::Redirect(redirect) => ListenerAction::Redirect(redirect),
            NextAction::FixedResponse(answer) => ListenerAction::FixedResponse(answer),
        }
    }
}

impl NextAction {
    /// The action that follows an authentication; `None` for another authentication.
    pub(super) fn of(action: ListenerAction) -> Option<NextAction> {
        Some(match action {
            ListenerAction::Forward(forward) => NextAction::Forward(forward),
            ListenerAction::Redirect(redirect) => NextAction::Redirect(redirect),
            ListenerAction::FixedResponse(answer) => NextAction::FixedResponse(answer),
            ListenerAction::AuthenticateCognito(_) | ListenerAction::AuthenticateOidc(_) => return None,
        })
    }
}

/// Adds to the configuration of an action what both have.
macro_rules! with_session {
    ($config:expr, $action:expr, $behaviour:ident) => {{
        let extra: HashMap<_, _> = $action.extra_params.clone().into_iter().collect();
        $config
            .scope(&$action.scope)
            .session_cookie_name(&$action.session_cookie)
            .session_timeout($action.session_timeout_seconds.into())
            .on_unauthenticated_request($behaviour::from(to_aws(&$action.on_unauthenticated_request).as_str()))
            .set_authentication_request_extra_params((!extra.is_empty()).then_some(extra))
    }};
}

/// Reads an action from its configuration: the fields that both have, and its own.
macro_rules! read_session {
    ($config:expr, $then:expr, { $($field:ident: $value:expr),* $(,)? }) => {{
        let timeout = $config.session_timeout.and_then(|seconds| seconds.try_into().ok());
        let behaviour = $config.on_unauthenticated_request.and_then(|behaviour| from_aws(behaviour.as_str()).ok());
        Self {
            $($field: $value,)*
            scope: $config.scope.unwrap_or_else(Self::default_scope),
            session_cookie: $config.session_cookie_name.unwrap_or_else(Self::default_session_cookie),
            session_timeout_seconds: timeout.unwrap_or_else(Self::default_session_timeout_seconds),
            on_unauthenticated_request: behaviour.unwrap_or_default(),
            extra_params: $config.authentication_request_extra_params.unwrap_or_default().into_iter().collect(),
            then: $then,
        }
    }};
}

impl AuthenticateCognito {
    /// The first of its two actions in AWS.
    pub(super) fn to_sdk(&self) -> SdkAction {
        let config = AuthenticateCognitoActionConfig::builder().user_pool_arn(&self.user_pool).user_pool_domain(&self.domain);
        let config = with_session!(config.user_pool_client_id(&self.client_id), self, Behaviour);
        SdkAction::builder().r#type(ActionTypeEnum::AuthenticateCognito).authenticate_cognito_config(config.build()).build()
    }

    pub(super) fn read(config: &AuthenticateCognitoActionConfig, then: NextAction) -> AuthenticateCognito {
        let config = config.clone();
        read_session!(config, then, {
            user_pool: config.user_pool_arn.unwrap_or_default(),
            client_id: config.user_pool_client_id.unwrap_or_default(),
            domain: config.user_pool_domain.unwrap_or_default(),
        })
    }
}

impl AuthenticateOidc {
    /// The first of its two actions in AWS, without the client's secret.
    pub(super) fn to_sdk(&self) -> SdkAction {
        let config = AuthenticateOidcActionConfig::builder()
            .issuer(&self.issuer)
            .authorization_endpoint(&self.authorization_endpoint)
            .token_endpoint(&self.token_endpoint)
            .user_info_endpoint(&self.user_info_endpoint)
            .client_id(&self.client_id);
        let config = with_session!(config, self, OidcBehaviour);
        SdkAction::builder().r#type(ActionTypeEnum::AuthenticateOidc).authenticate_oidc_config(config.build()).build()
    }

    /// AWS never reports the client's secret: the listener's tags record which one was sent.
    pub(super) fn read(config: &AuthenticateOidcActionConfig, then: NextAction) -> AuthenticateOidc {
        let config = config.clone();
        read_session!(config, then, {
            issuer: config.issuer.unwrap_or_default(),
            authorization_endpoint: config.authorization_endpoint.unwrap_or_default(),
            token_endpoint: config.token_endpoint.unwrap_or_default(),
            user_info_endpoint: config.user_info_endpoint.unwrap_or_default(),
            client_id: config.client_id.unwrap_or_default(),
            client_secret: ArnRef::to(""),
            client_secret_key: String::new(),
        })
    }
}
