//! Actions for requests.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_elasticloadbalancingv2::types::{
    Action as SdkAction, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig, RedirectActionConfig,
    RedirectActionStatusCodeEnum, TargetGroupStickinessConfig, TargetGroupTuple,
};

use super::authenticate::{AuthenticateCognito, AuthenticateOidc, NextAction};
use crate::{
    aws::types::target_group::TargetGroup,
    core::{ArnRef, Pointer, Problem},
};

/// Action for a request.
#[spec]
pub enum ListenerAction {
    /// Forwards it to targets.
    Forward(Forward),
    /// Redirects it to another address.
    Redirect(Redirect),
    /// Returns a fixed response.
    FixedResponse(FixedResponse),
    /// Authenticates the user with a Cognito user pool, and then applies another action.
    AuthenticateCognito(AuthenticateCognito),
    /// Authenticates the user with an identity provider, and then applies another action.
    AuthenticateOidc(AuthenticateOidc),
}

/// Forwards requests to targets.
#[spec]
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Forward {
    /// Target groups that share the requests.
    #[field(length = 1..=5)]
    pub target_groups: BTreeSet<WeightedTargetGroup>,
    /// Duration of stickiness to a target group, in seconds; 0 disables it.
    #[field(default = 0, range = 0..=604_800)]
    pub stickiness_seconds: u32,
}

/// Target group with its share of the requests.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct WeightedTargetGroup {
    /// The target group.
    pub target_group: ArnRef<TargetGroup>,
    /// Its weight among the target groups.
    #[field(default = 1, range = 0..=999)]
    pub weight: u16,
}

/// Redirects requests to another address. By default, each part is that of the request.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Redirect {
    /// Protocol.
    #[field(default = "#{protocol}", one_of = ["HTTP", "HTTPS", "#{protocol}"])]
    pub protocol: String,
    /// Port.
    #[field(default = "#{port}", pattern = r"#\{port\}|[0-9]{1,5}")]
    pub port: String,
    /// Host.
    #[field(default = "#{host}", length = 1..=128)]
    pub host: String,
    /// Path, which begins with `/`.
    #[field(default = "/#{path}", length = 1..=128, pattern = "/.*")]
    pub path: String,
    /// Query.
    #[field(default = "#{query}", length = 0..=128)]
    pub query: String,
    /// Status code, 301 (permanent) or 302 (temporary).
    #[field(default = 301, range = 301..=302)]
    pub status_code: u16,
}

/// Returns a fixed response.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct FixedResponse {
    /// Status code, 2xx, 4xx or 5xx.
    #[field(range = 200..=599)]
    pub status_code: u16,
    /// Media type of the body.
    #[field(
        unset = "AWS's default, text/plain",
        one_of = ["text/plain", "text/css", "text/html", "application/javascript", "application/json"]
    )]
    #[field(dropped = "text/plain")]
    pub content_type: Option<String>,
    /// Body.
    #[field(default, length = 0..=1024)]
    pub body: String,
}

impl ListenerAction {
    /// The action after an authentication, with the name of the authentication.
    pub fn then(&self) -> Option<(&'static str, &NextAction)> {
        match self {
            ListenerAction::AuthenticateCognito(authenticate) => Some(("authenticate_cognito", &authenticate.then)),
            ListenerAction::AuthenticateOidc(authenticate) => Some(("authenticate_oidc", &authenticate.then)),
            ListenerAction::Forward(_) | ListenerAction::Redirect(_) | ListenerAction::FixedResponse(_) => None,
        }
    }
    /// ARNs of the target groups to which it forwards.
    pub(super) fn target_groups(&self) -> Vec<String> {
        match (self, self.then()) {
            (_, Some((_, then))) => ListenerAction::from(then).target_groups(),
            (ListenerAction::Forward(forward), _) => {
                forward.target_groups.iter().map(|group| group.target_group.get().to_owned()).collect()
            }
            _ => Vec::new(),
        }
    }
    /// Problems of the action, at this pointer.
    pub(super) fn check(&self, at: Pointer) -> Vec<Problem> {
        let (at, answer) = match (self, self.then()) {
            (ListenerAction::FixedResponse(answer), _) => (at.item("fixed_response"), answer),
            // The field has this name in both kinds of authentication.
            (_, Some((name, NextAction::FixedResponse(answer)))) => {
                (at.item(name).field(AuthenticateCognito::POINTERS.then).item("fixed_response"), answer)
            }
            _ => return Vec::new(),
        };
        let problem = || {
            Problem::new(at.field(FixedResponse::POINTERS.status_code), "a fixed response has a status of 2xx, 4xx or 5xx")
                .help("use `redirect`")
        };
        (300..=399).contains(&answer.status_code).then(problem).into_iter().collect()
    }

    /// Converts the actions for AWS: several have an order. The secret of a client is not among them, see [`super::client_secret`].
    pub(super) fn to_sdk(&self) -> Vec<SdkAction> {
        let Some((_, then)) = self.then() else { return vec![self.to_single_sdk_action()] };
        let mut actions = vec![self.to_single_sdk_action(), ListenerAction::from(then).to_single_sdk_action()];
        for (order, action) in (1..).zip(&mut actions) {
            action.order = Some(order);
        }
        actions
    }

    /// Gateway load balancers accept one target group, without weights. Only application load balancers accept stickiness.
    fn to_single_sdk_action(&self) -> SdkAction {
        match self {
            ListenerAction::AuthenticateCognito(authenticate) => authenticate.to_sdk(),
            ListenerAction::AuthenticateOidc(authenticate) => authenticate.to_sdk(),
            ListenerAction::Forward(Forward { target_groups, stickiness_seconds }) => {
                let action = SdkAction::builder().r#type(ActionTypeEnum::Forward);
                let plain = target_groups.len() == 1 && *stickiness_seconds == 0;
                if let Some(only) = target_groups.first().filter(|only| plain && only.weight == 1) {
                    return action.target_group_arn(only.target_group.get()).build();
                }
                let shares = target_groups.iter().map(|share| {
                    TargetGroupTuple::builder().target_group_arn(share.target_group.get()).weight(share.weight.into()).build()
                });
                let sticky = (*stickiness_seconds > 0).then(|| {
                    let seconds = (*stickiness_seconds).try_into().unwrap_or(i32::MAX);
                    TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(seconds).build()
                });
                let forward = ForwardActionConfig::builder().set_target_groups(Some(shares.collect()));
                action.forward_config(forward.set_target_group_stickiness_config(sticky).build()).build()
            }
            ListenerAction::Redirect(to) => {
                let code =
                    if to.status_code == 302 { RedirectActionStatusCodeEnum::Http302 } else { RedirectActionStatusCodeEnum::Http301 };
                let config = RedirectActionConfig::builder().protocol(&to.protocol).port(&to.port).host(&to.host).path(&to.path);
                SdkAction::builder()
                    .r#type(ActionTypeEnum::Redirect)
                    .redirect_config(config.query(&to.query).status_code(code).build())
                    .build()
            }
            ListenerAction::FixedResponse(answer) => {
                let config = FixedResponseActionConfig::builder().status_code(answer.status_code.to_string());
                let config = config.set_content_type(answer.content_type.clone());
                let config = config.set_message_body((!answer.body.is_empty()).then(|| answer.body.clone())).build();
                SdkAction::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build()
            }
        }
    }

    /// Other sequences can't be declared: they are read as a forward without target groups, so that a plan shows a difference.
    pub(super) fn read(actions: &[SdkAction]) -> ListenerAction {
        let mut actions: Vec<&SdkAction> = actions.iter().collect();
        actions.sort_by_key(|action| action.order);
        match actions[..] {
            [action] => ListenerAction::read_single(action),
            [first, last] => {
                let then = NextAction::of(ListenerAction::read_single(last));
                match (&first.authenticate_cognito_config, &first.authenticate_oidc_config, then) {
                    (Some(config), _, Some(then)) => ListenerAction::AuthenticateCognito(AuthenticateCognito::read(config, then)),
                    (_, Some(config), Some(then)) => ListenerAction::AuthenticateOidc(AuthenticateOidc::read(config, then)),
                    _ => ListenerAction::Forward(Forward::default()),
                }
            }
            _ => ListenerAction::Forward(Forward::default()),
        }
    }

    fn read_single(action: &SdkAction) -> ListenerAction {
        if let Some(to) = &action.redirect_config {
            let (to, same) = (to.clone(), Redirect::default());
            return ListenerAction::Redirect(Redirect {
                protocol: to.protocol.unwrap_or(same.protocol),
                port: to.port.unwrap_or(same.port),
                host: to.host.unwrap_or(same.host),
                path: to.path.unwrap_or(same.path),
                query: to.query.unwrap_or(same.query),
                status_code: if to.status_code == Some(RedirectActionStatusCodeEnum::Http302) { 302 } else { 301 },
            });
        }
        if let Some(answer) = &action.fixed_response_config {
            return ListenerAction::FixedResponse(FixedResponse {
                status_code: answer.status_code().and_then(|code| code.parse().ok()).unwrap_or_default(),
                content_type: answer.content_type.clone(),
                body: answer.message_body.clone().unwrap_or_default(),
            });
        }
        let share = |arn: &str, weight: Option<i32>| WeightedTargetGroup {
            target_group: ArnRef::to(arn),
            weight: weight.and_then(|weight| weight.try_into().ok()).unwrap_or(1),
        };
        let forward = action.forward_config.as_ref();
        let groups = forward.map(|forward| forward.target_groups()).unwrap_or_default();
        let mut groups: BTreeSet<_> = groups.iter().filter_map(|g| Some(share(g.target_group_arn()?, g.weight))).collect();
        if let Some(arn) = action.target_group_arn().filter(|_| groups.is_empty()) {
            groups.insert(share(arn, None));
        }
        let sticky = forward.and_then(|f| f.target_group_stickiness_config()).filter(|sticky| sticky.enabled == Some(true));
        ListenerAction::Forward(Forward {
            target_groups: groups,
            stickiness_seconds: sticky.and_then(|s| s.duration_seconds).and_then(|s| s.try_into().ok()).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_fixed_responses_that_redirect() {
        let problems = |action: serde_json::Value| {
            let action: ListenerAction = serde_json::from_value(action).expect("an action");
            action.check(Pointer::new("/default_action")).into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        let answer = |status: u16| serde_json::json!({ "fixed_response": { "status_code": status } });
        for status in [200, 299, 400, 503] {
            assert_eq!(problems(answer(status)), [""; 0], "{status}");
        }
        for status in [300, 301, 399] {
            assert_eq!(problems(answer(status)), ["/default_action/fixed_response/status_code"], "{status}");
        }
        let behind = serde_json::json!({ "authenticate_cognito": {
            "user_pool": "arn:pool", "client_id": "1", "domain": "shop", "then": answer(302),
        } });
        assert_eq!(problems(behind), ["/default_action/authenticate_cognito/then/fixed_response/status_code"]);
    }

    #[test]
    fn sends_stickiness_only_where_there_is_some() {
        let weighted = |stickiness_seconds| {
            let target_groups = [("arn:a", 1), ("arn:b", 3)];
            let target_groups = target_groups.map(|(arn, weight)| WeightedTargetGroup { target_group: ArnRef::to(arn), weight });
            let action = ListenerAction::Forward(Forward { target_groups: target_groups.into(), stickiness_seconds });
            let sent = action.to_sdk().remove(0).forward_config.and_then(|forward| forward.target_group_stickiness_config);
            sent.map(|sticky| (sticky.enabled, sticky.duration_seconds))
        };
        assert_eq!(weighted(0), None);
        assert_eq!(weighted(60), Some((Some(true), Some(60))));
    }

    #[test]
    fn actions_round_trip_through_the_sdk() {
        let group = |arn: &str, weight| WeightedTargetGroup { target_group: ArnRef::to(arn), weight };
        let forward = |groups: &[WeightedTargetGroup], stickiness_seconds| {
            ListenerAction::Forward(Forward { target_groups: groups.iter().cloned().collect(), stickiness_seconds })
        };
        let redirect =
            serde_json::from_value(serde_json::json!({ "redirect": { "protocol": "HTTPS", "port": "443", "status_code": 302 } }));
        let authenticate = serde_json::from_value(serde_json::json!({ "authenticate_cognito": {
            "user_pool": "arn:pool", "client_id": "1", "domain": "shop", "on_unauthenticated_request": "deny",
            "extra_params": { "lang": "en" }, "then": { "forward": { "target_groups": [{ "target_group": "arn:a" }] } },
        } }));
        let oidc = serde_json::from_value(serde_json::json!({ "authenticate_oidc": {
            "issuer": "https://login.example.com", "authorization_endpoint": "https://login.example.com/authorize",
            "token_endpoint": "https://login.example.com/token", "user_info_endpoint": "https://login.example.com/user",
            "client_id": "1", "client_secret": { "arn": "" }, "scope": "openid email", "session_timeout_seconds": 3600,
            "then": { "fixed_response": { "status_code": 200 } },
        } }));
        let answer = FixedResponse { status_code: 404, content_type: None, body: "no".into() };
        for action in [
            forward(&[group("arn:a", 1)], 0),
            forward(&[group("arn:a", 9), group("arn:b", 1)], 60),
            redirect.expect("a redirect"),
            authenticate.expect("an authentication"),
            oidc.expect("an authentication"),
            ListenerAction::FixedResponse(answer),
        ] {
            let mut actions = action.to_sdk();
            actions.reverse();
            assert_eq!(ListenerAction::read(&actions), action);
        }
    }
}
