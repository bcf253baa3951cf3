//! `listener`: a port of a load balancer, and the rules by which its requests find a target group.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Action as SdkAction, ActionTypeEnum, Certificate as SdkCertificate, FixedResponseActionConfig, ForwardActionConfig,
    HostHeaderConditionConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig, Listener as SdkListener,
    PathPatternConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair, RedirectActionConfig, RedirectActionStatusCodeEnum,
    Rule as SdkRule, RuleCondition, SourceIpConditionConfig, TargetGroupStickinessConfig, TargetGroupTuple,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    certificate::Certificate,
    load_balancer::{LoadBalancer, tags_of},
    target_group::{Protocol, TargetGroup},
};
use crate::{
    aws::{Aws, Error, Result, Scope, Service, found, tags},
    resource::{Changed, Cx, Observed, Phase, Problem, Resource},
    types::ArnRef,
};

/// A port of a load balancer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The load balancer it belongs to. Changing it replaces the listener.
    pub load_balancer: ArnRef<LoadBalancer>,
    /// Port; none for a gateway load balancer.
    #[serde(default)]
    pub port: Option<u16>,
    /// `HTTP`, `HTTPS`, `TCP`, `TLS`, `UDP` or `TCP_UDP`; none for a gateway load balancer.
    #[serde(default)]
    pub protocol: Option<Protocol>,
    /// Certificate of an HTTPS or TLS listener.
    #[serde(default)]
    pub certificate: Option<ArnRef<Certificate>>,
    /// Which TLS versions and ciphers an HTTPS or TLS listener takes. Default when it is made:
    /// `ELBSecurityPolicy-TLS13-1-2-2021-06`.
    #[serde(default)]
    pub ssl_policy: Option<String>,
    /// ALPN policy of a TLS listener, such as `HTTP2Preferred`.
    #[serde(default)]
    pub alpn: Option<String>,
    /// What happens to a request that no rule takes.
    pub default_action: Action,
    /// Rules of an application load balancer, by priority. Default: none.
    #[serde(default)]
    pub rules: BTreeSet<Rule>,
}

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
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// `HTTP` or `HTTPS`. Default: `#{protocol}`, the request's.
    #[serde(default = "same_protocol")]
    pub protocol: String,
    /// Port. Default: `#{port}`.
    #[serde(default = "same_port")]
    pub port: String,
    /// Host. Default: `#{host}`.
    #[serde(default = "same_host")]
    pub host: String,
    /// Path. Default: `/#{path}`.
    #[serde(default = "same_path")]
    pub path: String,
    /// Query. Default: `#{query}`.
    #[serde(default = "same_query")]
    pub query: String,
    /// 301 (for good) or 302. Default: 301.
    #[serde(default = "for_good")]
    pub status_code: u16,
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

/// A rule: the request that meets every condition gets the action.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Place among the rules, 1 (first) to 50000.
    pub priority: u32,
    /// Host names, with `*` and `?`. Default: any.
    #[serde(default)]
    pub hosts: BTreeSet<String>,
    /// Paths, with `*` and `?`. Default: any.
    #[serde(default)]
    pub paths: BTreeSet<String>,
    /// HTTP header → its values, with `*` and `?`. Default: any.
    #[serde(default)]
    pub headers: BTreeMap<String, BTreeSet<String>>,
    /// HTTP methods. Default: any.
    #[serde(default)]
    pub methods: BTreeSet<String>,
    /// Query parameters, one of which must match. Default: any.
    #[serde(default)]
    pub query: BTreeSet<Query>,
    /// Client addresses in CIDR notation. Default: any.
    #[serde(default)]
    pub source_ips: BTreeSet<String>,
    /// What happens to the request.
    pub action: Action,
}

/// A query parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// Its name. Default: empty, any name.
    #[serde(default)]
    pub key: String,
    /// Its value, with `*` and `?`.
    pub value: String,
}

fn one() -> u16 {
    1
}
fn same_protocol() -> String {
    "#{protocol}".to_owned()
}
fn same_port() -> String {
    "#{port}".to_owned()
}
fn same_host() -> String {
    "#{host}".to_owned()
}
fn same_path() -> String {
    "/#{path}".to_owned()
}
fn same_query() -> String {
    "#{query}".to_owned()
}
fn for_good() -> u16 {
    301
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for Listener {
    const TYPE: &'static str = "listener";
    const SERVICE: Service = Service::Elbv2;
    const REPLACE: &'static [&'static str] = &["/load_balancer"];
    const PARENT: Option<&'static str> = Some("load_balancer");
    const ARN: Option<&'static str> = Some("elasticloadbalancing:listener/");
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let pages = stream::iter(scope.parents.clone()).map(|parent| async move {
            found(aws.elbv2.describe_listeners().load_balancer_arn(parent).into_paginator().items().send().try_collect().await)
        });
        let all: Vec<Option<Vec<SdkListener>>> = pages.buffer_unordered(8).try_collect().await?;
        let all: Vec<_> =
            all.into_iter().flatten().flatten().filter_map(|listener| Some((listener.listener_arn.clone()?, listener))).collect();
        let tags = tags_of(aws, scope, all.iter().map(|(arn, _)| arn.clone())).await?;
        let own = all.into_iter().filter_map(|(arn, listener)| {
            let tags = tags.get(&arn).filter(|tags| scope.owns(tags))?.clone();
            Some((arn, tags, listener))
        });
        let observed: Vec<_> = stream::iter(own)
            .map(|(arn, tags, listener)| async move {
                let Some(rules) = found(rules(aws, &arn).await)? else { return Ok(None) };
                let spec = Listener::read(listener, &rules);
                Ok::<_, Error>(Some(Observed { id: arn.clone(), tags, phase: Phase::Ready, spec, outputs: Outputs { arn } }))
            })
            .buffer_unordered(8)
            .try_collect()
            .await?;
        Ok(observed.into_iter().flatten().collect())
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.elbv2.create_listener().load_balancer_arn(self.load_balancer.get()).set_tags(Some(tags::elbv2(cx.tags)));
        let call = call.set_port(self.port.map(Into::into)).set_protocol(self.protocol.and_then(Protocol::to_sdk));
        let secure = matches!(self.protocol, Some(Protocol::Https | Protocol::Tls));
        let policy = self.ssl_policy.clone().or_else(|| secure.then(|| "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()));
        let call = call.set_certificates(self.certificates()).set_ssl_policy(policy);
        let call = call.set_alpn_policy(self.alpn.clone().map(|policy| vec![policy])).default_actions(self.default_action.to_sdk());
        let made = call.send().await?.listeners.unwrap_or_default().into_iter().next();
        made.and_then(|listener| listener.listener_arn).ok_or_else(|| Error::missing("ListenerArn"))
    }

    /// Rules are made by calls of their own.
    fn created(&self) -> Self {
        Listener { rules: BTreeSet::new(), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let elb = &cx.aws.elbv2;
        if changed.any(&["/port", "/protocol", "/certificate", "/ssl_policy", "/alpn", "/default_action"]) {
            let call = elb.modify_listener().listener_arn(id).set_port(self.port.map(Into::into));
            let call = call.set_protocol(self.protocol.and_then(Protocol::to_sdk)).set_certificates(self.certificates());
            let call = call.set_ssl_policy(self.ssl_policy.clone()).set_alpn_policy(self.alpn.clone().map(|policy| vec![policy]));
            call.default_actions(self.default_action.to_sdk()).send().await?;
        }
        if !changed.has("/rules") {
            return Ok(());
        }
        let mut old: BTreeMap<u32, &Rule> = before.rules.iter().map(|rule| (rule.priority, rule)).collect();
        let (mut modified, mut arns) = (Vec::new(), BTreeMap::new());
        for rule in &self.rules {
            match old.remove(&rule.priority) {
                Some(same) if same == rule => {}
                Some(_) => modified.push(rule),
                None => {
                    let call = elb.create_rule().listener_arn(id).priority(rule.priority.try_into().unwrap_or(i32::MAX));
                    call.set_conditions(Some(rule.conditions())).actions(rule.action.to_sdk()).send().await?;
                }
            }
        }
        if !modified.is_empty() || !old.is_empty() {
            arns.extend(
                rules(cx.aws, id).await?.into_iter().filter_map(|rule| Some((rule.priority?.parse::<u32>().ok()?, rule.rule_arn?))),
            );
        }
        for rule in modified {
            let call = elb.modify_rule().set_rule_arn(arns.get(&rule.priority).cloned());
            call.set_conditions(Some(rule.conditions())).actions(rule.action.to_sdk()).send().await?;
        }
        for arn in old.keys().filter_map(|priority| arns.get(priority)) {
            elb.delete_rule().rule_arn(arn).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.elbv2.delete_listener().listener_arn(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let secure = matches!(self.protocol, Some(Protocol::Https | Protocol::Tls));
        if self.port.is_some() != self.protocol.is_some() {
            problems.push(Problem::new("/port", "a listener has a port and a protocol, or neither for a gateway load balancer"));
        }
        if secure != self.certificate.is_some() {
            problems.push(Problem::new("/certificate", "a listener has a certificate if, and only if, it speaks HTTPS or TLS"));
        }
        let mut priorities = BTreeSet::new();
        for (at, rule) in self.rules.iter().enumerate() {
            if !priorities.insert(rule.priority) {
                problems.push(Problem::new(format!("/rules/{at}/priority"), format!("two rules have priority {}", rule.priority)));
            }
            if !(1..=50_000).contains(&rule.priority) {
                problems.push(Problem::new(format!("/rules/{at}/priority"), "a priority is between 1 and 50000"));
            }
            if rule.conditions().is_empty() {
                problems.push(Problem::new(format!("/rules/{at}"), "a rule needs a condition, such as `paths`"));
            }
            problems.extend(rule.action.check(&format!("/rules/{at}/action")));
        }
        problems.extend(self.default_action.check("/default_action"));
        problems
    }
}

impl Listener {
    fn certificates(&self) -> Option<Vec<SdkCertificate>> {
        self.certificate.as_ref().map(|certificate| vec![SdkCertificate::builder().certificate_arn(certificate.get()).build()])
    }

    fn read(listener: SdkListener, rules: &[SdkRule]) -> Listener {
        Listener {
            load_balancer: ArnRef::to(listener.load_balancer_arn.unwrap_or_default()),
            port: listener.port.and_then(|port| port.try_into().ok()),
            protocol: listener.protocol.as_ref().and_then(Protocol::from_sdk),
            certificate: listener.certificates.unwrap_or_default().into_iter().find_map(|c| c.certificate_arn).map(ArnRef::to),
            ssl_policy: listener.ssl_policy,
            alpn: listener.alpn_policy.unwrap_or_default().into_iter().next(),
            default_action: Action::read(listener.default_actions.as_deref().unwrap_or_default()),
            rules: rules.iter().filter_map(Rule::read).collect(),
        }
    }
}

impl Action {
    fn check(&self, at: &str) -> Vec<Problem> {
        match self {
            Action::Forward(forward) if forward.target_groups.is_empty() => {
                vec![Problem::new(format!("{at}/forward/target_groups"), "a forward needs a target group")]
            }
            Action::Redirect(redirect) if ![301, 302].contains(&redirect.status_code) => {
                vec![Problem::new(format!("{at}/redirect/status_code"), "a redirect is a 301 or a 302")]
            }
            _ => Vec::new(),
        }
    }

    /// Network and gateway load balancers take one target group, without shares.
    fn to_sdk(&self) -> SdkAction {
        match self {
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

    /// Several actions (authentication before another) are not ours to write: they read as a forward to nothing, so that they
    /// show as a difference.
    fn read(actions: &[SdkAction]) -> Action {
        let [action] = actions else { return Action::Forward(Forward::default()) };
        if let Some(to) = &action.redirect_config {
            let or = |text: Option<&str>, default: fn() -> String| text.map_or_else(default, str::to_owned);
            return Action::Redirect(Redirect {
                protocol: or(to.protocol(), same_protocol),
                port: or(to.port(), same_port),
                host: or(to.host(), same_host),
                path: or(to.path(), same_path),
                query: or(to.query(), same_query),
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

impl Rule {
    fn conditions(&self) -> Vec<RuleCondition> {
        let list = |set: &BTreeSet<String>| (!set.is_empty()).then(|| set.iter().cloned().collect::<Vec<_>>());
        let field = |name: &str| RuleCondition::builder().field(name);
        let mut all = Vec::new();
        if let Some(hosts) = list(&self.hosts) {
            all.push(field("host-header").host_header_config(HostHeaderConditionConfig::builder().set_values(Some(hosts)).build()));
        }
        if let Some(paths) = list(&self.paths) {
            all.push(field("path-pattern").path_pattern_config(PathPatternConditionConfig::builder().set_values(Some(paths)).build()));
        }
        for (name, values) in &self.headers {
            let config = HttpHeaderConditionConfig::builder().http_header_name(name).set_values(list(values)).build();
            all.push(field("http-header").http_header_config(config));
        }
        if let Some(methods) = list(&self.methods) {
            let config = HttpRequestMethodConditionConfig::builder().set_values(Some(methods)).build();
            all.push(field("http-request-method").http_request_method_config(config));
        }
        if !self.query.is_empty() {
            let pairs = self.query.iter().map(|query| {
                let key = (!query.key.is_empty()).then(|| query.key.clone());
                QueryStringKeyValuePair::builder().set_key(key).value(&query.value).build()
            });
            let config = QueryStringConditionConfig::builder().set_values(Some(pairs.collect())).build();
            all.push(field("query-string").query_string_config(config));
        }
        if let Some(ips) = list(&self.source_ips) {
            all.push(field("source-ip").source_ip_config(SourceIpConditionConfig::builder().set_values(Some(ips)).build()));
        }
        all.into_iter().map(|condition| condition.build()).collect()
    }

    fn read(rule: &SdkRule) -> Option<Rule> {
        let set = |values: &[String]| values.iter().cloned().collect::<BTreeSet<_>>();
        let mut read = Rule {
            priority: rule.priority()?.parse().ok()?,
            hosts: BTreeSet::new(),
            paths: BTreeSet::new(),
            headers: BTreeMap::new(),
            methods: BTreeSet::new(),
            query: BTreeSet::new(),
            source_ips: BTreeSet::new(),
            action: Action::read(rule.actions()),
        };
        for condition in rule.conditions() {
            if let Some(config) = condition.host_header_config() {
                read.hosts = set(config.values());
            }
            if let Some(config) = condition.path_pattern_config() {
                read.paths = set(config.values());
            }
            if let Some(config) = condition.http_header_config() {
                read.headers.insert(config.http_header_name().unwrap_or_default().to_owned(), set(config.values()));
            }
            if let Some(config) = condition.http_request_method_config() {
                read.methods = set(config.values());
            }
            if let Some(config) = condition.query_string_config() {
                let pairs = config.values().iter();
                read.query =
                    pairs.map(|q| Query { key: q.key.clone().unwrap_or_default(), value: q.value.clone().unwrap_or_default() }).collect();
            }
            if let Some(config) = condition.source_ip_config() {
                read.source_ips = set(config.values());
            }
        }
        Some(read)
    }
}

/// The rules of a listener but the default one, whose priority is no number.
async fn rules(aws: &Aws, listener: &str) -> Result<Vec<SdkRule>> {
    Ok(aws.elbv2.describe_rules().listener_arn(listener).into_paginator().items().send().try_collect().await?)
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
        let answer = FixedResponse { status_code: 404, content_type: None, body: "no".into() };
        for action in [
            forward(&[group("arn:a", 1)], 0),
            forward(&[group("arn:a", 9), group("arn:b", 1)], 60),
            redirect.expect("a redirect"),
            Action::FixedResponse(answer),
        ] {
            assert_eq!(Action::read(&[action.to_sdk()]), action);
        }
    }
}
