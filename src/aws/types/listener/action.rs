//! What happens to a request.

use std::collections::BTreeSet;

use aws_sdk_elasticloadbalancingv2::types::{
    Action as SdkAction, ActionTypeEnum, FixedResponseActionConfig, ForwardActionConfig, RedirectActionConfig,
    RedirectActionStatusCodeEnum, TargetGroupStickinessConfig, TargetGroupTuple,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::authenticate::{AuthenticateCognito, Then};
use crate::{
    aws::types::target_group::TargetGroup,
    core::{ArnRef, Problem},
};

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Goes to targets.
    Forward(Forward),
    /// Is answered with another address.
    Redirect(Redirect),
    /// Is answered at once.
    FixedResponse(FixedResponse),
    /// Has to come from a user of a Cognito user pool, and goes on then.
    AuthenticateCognito(AuthenticateCognito),
}

/// Goes to targets.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Target groups that share the requests; at most five.
    pub target_groups: BTreeSet<Share>,
    /// How long a client stays with its target group, in seconds. Default: 0, not at all.
    #[serde(default)]
    pub stickiness_seconds: u32,
}

/// A target group's share of the requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The target group.
    pub target_group: ArnRef<TargetGroup>,
    /// Its share, 0 to 999. Default: 1.
    #[serde(default = "one")]
    pub weight: u16,
}

/// Is answered with another address. What is not given stays as in the request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Redirect {
    /// `HTTP` or `HTTPS`. Default: `#{protocol}`, the request's.
    pub protocol: String,
    /// Port. Default: `#{port}`.
    pub port: String,
    /// Host. Default: `#{host}`.
    pub host: String,
    /// Path. Default: `/#{path}`.
    pub path: String,
    /// Query. Default: `#{query}`.
    pub query: String,
    /// 301 (for good) or 302. Default: 301.
    pub status_code: u16,
}

impl Default for Redirect {
    fn default() -> Redirect {
        let same = |text: &str| text.to_owned();
        Redirect {
            protocol: same("#{protocol}"),
            port: same("#{port}"),
            host: same("#{host}"),
            path: same("/#{path}"),
            query: same("#{query}"),
            status_code: 301,
        }
    }
}

/// Is answered at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedResponse {
    /// Status code, 2xx, 4xx or 5xx.
    pub status_code: u16,
    /// `text/plain`, `text/css`, `text/html`, `application/javascript` or `application/json`. AWS's default: text/plain.
    #[serde(default)]
    pub content_type: Option<String>,
    /// Body, at most 1024 characters. Default: empty.
    #[serde(default)]
    pub body: String,
}

fn one() -> u16 {
    1
}

impl Action {
    pub(super) fn check(&self, at: &str) -> Vec<Problem> {
        match self {
            Action::AuthenticateCognito(authenticate) => authenticate.check(&format!("{at}/authenticate_cognito")),
            Action::Forward(forward) if forward.target_groups.is_empty() => {
                vec![Problem::new(format!("{at}/forward/target_groups"), "a forward needs a target group")]
            }
            Action::Redirect(redirect) if ![301, 302].contains(&redirect.status_code) => {
                vec![Problem::new(format!("{at}/redirect/status_code"), "a redirect is a 301 or a 302")]
            }
            _ => Vec::new(),
        }
    }

    /// Whether users have to sign in.
    pub(super) fn authenticates(&self) -> bool {
        matches!(self, Action::AuthenticateCognito(_))
    }

    /// As AWS takes it. Where there are several actions, it wants to be told their order.
    pub(super) fn to_sdk(&self) -> Vec<SdkAction> {
        let Action::AuthenticateCognito(authenticate) = self else { return vec![self.single()] };
        let mut actions = vec![authenticate.to_sdk(), Action::from(&authenticate.then).single()];
        for (order, action) in (1..).zip(&mut actions) {
            action.order = Some(order);
        }
        actions
    }

    /// Network and gateway load balancers take one target group, without shares.
    fn single(&self) -> SdkAction {
        match self {
            Action::AuthenticateCognito(authenticate) => authenticate.to_sdk(),
            Action::Forward(Forward { target_groups, stickiness_seconds }) => {
                let action = SdkAction::builder().r#type(ActionTypeEnum::Forward);
                let plain = target_groups.len() == 1 && *stickiness_seconds == 0;
                if let Some(only) = target_groups.first().filter(|only| plain && only.weight == one()) {
                    return action.target_group_arn(only.target_group.get()).build();
                }
                let shares = target_groups.iter().map(|share| {
                    TargetGroupTuple::builder().target_group_arn(share.target_group.get()).weight(share.weight.into()).build()
                });
                let sticky = TargetGroupStickinessConfig::builder().enabled(*stickiness_seconds > 0);
                let seconds = (*stickiness_seconds > 0).then(|| (*stickiness_seconds).try_into().unwrap_or(i32::MAX));
                let forward = ForwardActionConfig::builder().set_target_groups(Some(shares.collect()));
                action.forward_config(forward.target_group_stickiness_config(sticky.set_duration_seconds(seconds).build()).build()).build()
            }
            Action::Redirect(to) => {
                let code =
                    if to.status_code == 302 { RedirectActionStatusCodeEnum::Http302 } else { RedirectActionStatusCodeEnum::Http301 };
                let config = RedirectActionConfig::builder().protocol(&to.protocol).port(&to.port).host(&to.host).path(&to.path);
                SdkAction::builder()
                    .r#type(ActionTypeEnum::Redirect)
                    .redirect_config(config.query(&to.query).status_code(code).build())
                    .build()
            }
            Action::FixedResponse(answer) => {
                let config = FixedResponseActionConfig::builder().status_code(answer.status_code.to_string());
                let config = config.set_content_type(answer.content_type.clone());
                let config = config.set_message_body((!answer.body.is_empty()).then(|| answer.body.clone())).build();
                SdkAction::builder().r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config).build()
            }
        }
    }

    /// Other actions in a row (authentication by OpenID Connect before another) are not ours to write: they read as a forward to nothing,
    /// so that they show as a difference.
    pub(super) fn read(actions: &[SdkAction]) -> Action {
        let mut actions: Vec<&SdkAction> = actions.iter().collect();
        actions.sort_by_key(|action| action.order);
        match actions[..] {
            [action] => Action::read_single(action),
            [first, last] => match (&first.authenticate_cognito_config, Action::read_single(last)) {
                (Some(config), Action::Forward(to)) => AuthenticateCognito::read(config, Then::Forward(to)).into(),
                (Some(config), Action::Redirect(to)) => AuthenticateCognito::read(config, Then::Redirect(to)).into(),
                (Some(config), Action::FixedResponse(answer)) => AuthenticateCognito::read(config, Then::FixedResponse(answer)).into(),
                _ => Action::Forward(Forward::default()),
            },
            _ => Action::Forward(Forward::default()),
        }
    }

    fn read_single(action: &SdkAction) -> Action {
        if let Some(to) = &action.redirect_config {
            let (to, same) = (to.clone(), Redirect::default());
            return Action::Redirect(Redirect {
                protocol: to.protocol.unwrap_or(same.protocol),
                port: to.port.unwrap_or(same.port),
                host: to.host.unwrap_or(same.host),
                path: to.path.unwrap_or(same.path),
                query: to.query.unwrap_or(same.query),
                status_code: if to.status_code == Some(RedirectActionStatusCodeEnum::Http302) { 302 } else { 301 },
            });
        }
        if let Some(answer) = &action.fixed_response_config {
            return Action::FixedResponse(FixedResponse {
                status_code: answer.status_code().and_then(|code| code.parse().ok()).unwrap_or_default(),
                content_type: answer.content_type.clone(),
                body: answer.message_body.clone().unwrap_or_default(),
            });
        }
        let share = |arn: &str, weight: Option<i32>| Share {
            target_group: ArnRef::to(arn),
            weight: weight.and_then(|weight| weight.try_into().ok()).unwrap_or_else(one),
        };
        let forward = action.forward_config.as_ref();
        let groups = forward.map(|forward| forward.target_groups()).unwrap_or_default();
        let mut groups: BTreeSet<_> = groups.iter().filter_map(|g| Some(share(g.target_group_arn()?, g.weight))).collect();
        if let Some(arn) = action.target_group_arn().filter(|_| groups.is_empty()) {
            groups.insert(share(arn, None));
        }
        let sticky = forward.and_then(|f| f.target_group_stickiness_config()).filter(|sticky| sticky.enabled == Some(true));
        Action::Forward(Forward {
            target_groups: groups,
            stickiness_seconds: sticky.and_then(|s| s.duration_seconds).and_then(|s| s.try_into().ok()).unwrap_or_default(),
        })
    }
}

impl From<AuthenticateCognito> for Action {
    fn from(authenticate: AuthenticateCognito) -> Action {
        Action::AuthenticateCognito(authenticate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_survive() {
        let group = |arn: &str, weight| Share { target_group: ArnRef::to(arn), weight };
        let forward = |groups: &[Share], stickiness_seconds| {
            Action::Forward(Forward { target_groups: groups.iter().cloned().collect(), stickiness_seconds })
        };
        let redirect =
            serde_json::from_value(serde_json::json!({ "redirect": { "protocol": "HTTPS", "port": "443", "status_code": 302 } }));
        let authenticate = serde_json::from_value(serde_json::json!({ "authenticate_cognito": {
            "user_pool": "arn:pool", "client_id": "1", "domain": "shop", "on_unauthenticated_request": "deny",
            "extra_params": { "lang": "en" }, "then": { "forward": { "target_groups": [{ "target_group": "arn:a" }] } },
        } }));
        let answer = FixedResponse { status_code: 404, content_type: None, body: "no".into() };
        for action in [
            forward(&[group("arn:a", 1)], 0),
            forward(&[group("arn:a", 9), group("arn:b", 1)], 60),
            redirect.expect("a redirect"),
            authenticate.expect("an authentication"),
            Action::FixedResponse(answer),
        ] {
            let mut actions = action.to_sdk();
            actions.reverse();
            assert_eq!(Action::read(&actions), action);
        }
    }
}
