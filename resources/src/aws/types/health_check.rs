//! `health_check`: a check of an endpoint, an alarm or other checks, on which records and failover depend.

mod check;
mod health;

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_route53::types::{
    AlarmIdentifier, CloudWatchRegion, HealthCheck as SdkHealthCheck, HealthCheckConfig, HealthCheckRegion, HealthCheckType,
    InsufficientDataHealthStatus, ResettableElementName, TagResourceType,
};

use crate::{
    aws::{
        Aws, Cx, partition,
        services::{
            self,
            route53::{ABANDONED_TAG, caller_reference, ownership_from_reference, read_tags, retag_as, short_token},
        },
    },
    core::{
        ArnOutput, Created, Deletion, DnsName, Error, Existing, GrantTarget, IamActions, IamGrant, Observed, Phase, PriceContext, Pricing,
        Problem, Product, Ref, Resource, Result, STACK_TAG, Scope, TagChange, TypeInfo,
    },
};

/// Longest caller reference: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHealthCheck.html>.
const MAX_REFERENCE: usize = 64;
/// Regions from which AWS checks, if none are given:
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html>.
const REGIONS: [&str; 8] =
    ["ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-1", "sa-east-1", "us-east-1", "us-west-1", "us-west-2"];

/// A health check of Route 53. Records that refer to it are returned only while it succeeds.
#[spec]
pub struct HealthCheck {
    /// What it checks.
    #[field(replaces, important)]
    #[serde(rename = "type")]
    pub kind: HealthCheckKind,
    /// Domain name of the endpoint. With an `ip_address`, it is the HTTP header `Host`.
    #[field(default, important, dropped = None)]
    pub domain: Option<DnsName>,
    /// IPv4 or IPv6 address of the endpoint, which must be public.
    #[field(unset = "the addresses of the `domain`", length = 1..=45, important, dropped(kept, "AWS does not reset an address"))]
    pub ip_address: Option<String>,
    /// Port of the endpoint; required for `tcp`.
    #[field(unset = "80, with `https` 443", range = 1..=65_535, dropped = self.default_port())]
    pub port: Option<u16>,
    /// Path and query of the request.
    #[field(unset = "`/`", length = 0..=255, pattern = "(/.*)?")]
    pub path: String,
    /// Text that the first 5,120 bytes of the response must contain. Adding or removing it replaces the check.
    #[field(unset = "any response with a status of 2xx or 3xx", length = 1..=255, dropped = None)]
    pub search: Option<String>,
    /// Time between two requests of each checker, in seconds. AWS charges more for 10.
    #[field(default = 30, one_of = [10, 30], replaces)]
    pub interval_seconds: u16,
    /// Number of consecutive checks after which the state changes.
    #[field(default = 3, range = 1..=10)]
    pub failure_threshold: u8,
    /// Measures the latency from the regions. AWS charges for it.
    #[field(default = false, replaces)]
    pub measure_latency: bool,
    /// Regions from which AWS checks, at least three.
    #[field(default = REGIONS.map(str::to_owned).into(), length = 3..=8, one_of = [
        "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "eu-west-1", "sa-east-1", "us-east-1", "us-west-1", "us-west-2"
    ])]
    pub regions: BTreeSet<String>,
    /// Sends the domain name when the TLS connection starts (SNI), with `https`.
    #[field(default = true)]
    pub sni: bool,
    /// Inverts the result.
    #[field(default = false)]
    pub inverted: bool,
    /// Stops checking and counts as healthy.
    #[field(default = false, risky(true, "failures go unnoticed"))]
    pub disabled: bool,
    /// Checks that a check of type `calculated` combines.
    #[field(default, length = 0..=256, important)]
    pub children: BTreeSet<Ref<HealthCheck>>,
    /// Number of `children` that must be healthy.
    #[field(default = 0, range = 0..=256)]
    pub healthy_children: u16,
    /// Alarm whose state a check of type `alarm` takes over.
    #[field(default, important, dropped = None)]
    pub alarm: Option<AlarmState>,
}

/// What a health check checks.
#[spec]
#[derive(Copy, PartialEq)]
pub enum HealthCheckKind {
    /// An HTTP request.
    Http,
    /// An HTTPS request; the certificate is not verified.
    Https,
    /// A TCP connection.
    Tcp,
    /// Other checks.
    Calculated,
    /// A CloudWatch alarm.
    Alarm,
}

/// An alarm as the source of a health check.
#[spec]
pub struct AlarmState {
    /// Name of the alarm.
    #[field(length = 1..=255)]
    pub name: String,
    /// Region of the alarm, such as `us-east-1`, where the metrics of health checks are.
    #[field(length = 1..=64)]
    pub region: String,
    /// State of the check while the alarm has too few data.
    #[field(default = MissingData::LastKnown)]
    pub on_missing_data: MissingData,
}

/// State of a check while its alarm has too few data.
#[spec]
#[derive(Copy, Default)]
#[allow(missing_docs)]
pub enum MissingData {
    Healthy,
    Unhealthy,
    /// The last state for which there were enough.
    #[default]
    LastKnown,
}

impl Resource for HealthCheck {
    const TYPE: TypeInfo = TypeInfo::new("health_check", &services::route53::SERVICE, "{uuid}", "arn:aws:route53:::healthcheck/{id}")
        .global()
        .tagged_after_create()
        // Records that refer to it are then always healthy.
        .deletable_while_in_use()
        .quota(200, "TooManyHealthChecks")
        .not_found("NoSuchHealthCheck")
        .already_exists("HealthCheckAlreadyExists")
        .in_use("HealthCheckInUse")
        .iam_actions(
            IamActions::new("route53:healthcheck/*")
                .list(&["route53:ListHealthChecks"])
                .read(&[
                    "route53:GetHealthCheck",
                    "route53:GetHealthCheckStatus",
                    "route53:ListTagsForResource",
                    "route53:ListTagsForResources",
                ])
                .change(&["route53:DeleteHealthCheck", "route53:UpdateHealthCheck"])
                .grants(&[
                    IamGrant::change(&["route53:CreateHealthCheck"], GrantTarget::AllResources),
                    IamGrant::read(&["cloudwatch:DescribeAlarms"], GrantTarget::AllResources).needed_for(|| HealthCheck::POINTERS.alarm),
                ]),
        );
    type Api = Aws;
    type Outputs = ArnOutput;

    /// HTTPS, a searched text, a fast interval and latency measurement are options: <https://aws.amazon.com/route53/pricing/#Health_Checks>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |usage_type| Product::new("AmazonRoute53").family("DNS Health Check").usage_type(usage_type).global();
        let options = [self.kind == HealthCheckKind::Https, self.search.is_some(), self.interval_seconds < 30, self.measure_latency];
        let options = options.into_iter().map(|is_used| f64::from(u8::from(is_used))).sum();
        let check = context.monthly("health check", 1.0, "check-months", product("Health-Check-AWS"));
        let mut parts = vec![check.assuming("of an endpoint in AWS")];
        if options > 0.0 {
            parts.push(context.monthly("options", options, "option-months", product("Health-Check-Option-AWS")));
        }
        Pricing::of(parts)
    }

    /// One page has 100 checks, of which an account has 200 at most by default.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<SdkHealthCheck> = aws.route53.list_health_checks().into_paginator().items().send().try_collect().await?;
        let is_known = |check: &SdkHealthCheck| check.health_check_config().is_some_and(|config| kind(&config.r#type).is_some());
        // Route 53 is global and its tags are indexed in us-east-1 only.
        let may_own = |arn: &str, id: &str| scope.tag_index.is_none() || aws.region != "us-east-1" || scope.covers(id, arn);
        let (mut own, mut unknown) = (Vec::new(), Vec::new());
        for check in all.into_iter().filter(|check| check.linked_service.is_none() && is_known(check)) {
            let address = |name: &str| format!("{}.{name}", Self::TYPE.name);
            let ownership = ownership_from_reference(&check.caller_reference, scope, address);
            let arn = arn(aws, &check.id);
            match scope.tags(&arn) {
                Some(tags) => own.push((check, tags)),
                None if ownership.is_some() || may_own(&arn, &check.id) => unknown.push((check, ownership)),
                None => {}
            }
        }
        let ids = unknown.iter().map(|(check, _)| check.id.clone()).collect();
        let mut tags = read_tags(aws, TagResourceType::Healthcheck, ids).await?;
        for (check, ownership) in unknown {
            let mut tags = tags.remove(&check.id).unwrap_or_default();
            if !tags.contains_key(STACK_TAG) && !tags.contains_key(ABANDONED_TAG) {
                tags.extend(ownership.unwrap_or_default());
            }
            own.push((check, tags));
        }
        let all = own.into_iter().map(|(check, mut tags)| {
            tags.remove(ABANDONED_TAG);
            observed(aws, check, tags)
        });
        scope.collect_owned(all)
    }

    /// The same caller reference with the same settings returns the check of an earlier attempt without a response.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = cx.call.address.split_once('.').map_or(cx.call.address.as_str(), |(_, name)| name);
        let reference = caller_reference(&cx.call.stack, &cx.call.environment, name, &short_token(&cx.call.token), MAX_REFERENCE);
        let reply = cx.route53.create_health_check().caller_reference(reference).health_check_config(self.config()?).send().await?;
        let check = reply.health_check.ok_or_else(|| Error::missing_field("HealthCheck"))?;
        // The engine sets the tags before it uses this.
        Ok(Created::from_answer(check.id.clone(), observed(cx, check, cx.call.tags.clone())))
    }

    /// UpdateHealthCheck keeps the settings that it does not name.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: HealthCheckChanges) -> Result<()> {
        let version = live.version.as_ref().and_then(|version| version.parse().ok());
        let config = self.config()?;
        let call = cx.route53.update_health_check().health_check_id(&live.id).set_health_check_version(version);
        let call = call.set_ip_address(config.ip_address).set_port(config.port).set_search_string(config.search_string);
        let call = call.set_failure_threshold(config.failure_threshold).set_inverted(config.inverted).set_disabled(config.disabled);
        let call = call.set_health_threshold(config.health_threshold).set_enable_sni(config.enable_sni);
        let call = call.set_alarm_identifier(config.alarm_identifier);
        let mut call = call.set_insufficient_data_health_status(config.insufficient_data_health_status);
        let reset = |call: aws_sdk_route53::operation::update_health_check::builders::UpdateHealthCheckFluentBuilder, element| {
            call.reset_elements(element)
        };
        call = match config.fully_qualified_domain_name {
            None if changes.domain => reset(call, ResettableElementName::FullyQualifiedDomainName),
            domain => call.set_fully_qualified_domain_name(domain),
        };
        call = match config.resource_path {
            None if changes.path => reset(call, ResettableElementName::ResourcePath),
            path => call.set_resource_path(path),
        };
        call = match config.child_health_checks {
            None if changes.children => reset(call, ResettableElementName::ChildHealthChecks),
            children => call.set_child_health_checks(children),
        };
        call.set_regions(config.regions).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.route53.delete_health_check().health_check_id(&live.id).send().await)
    }

    /// The caller reference can't change: a check that loses its ownership tags gets another tag for this, or `list` would add them again.
    async fn retag<'a>(aws: &'a Aws, change: &'a TagChange<'a>) -> Result<()> {
        let mut set = change.set.clone();
        if change.remove.iter().any(|key| key == STACK_TAG) {
            set.insert(ABANDONED_TAG.to_owned(), "yes".to_owned());
        }
        retag_as(aws, TagResourceType::Healthcheck, &TagChange { set, remove: change.remove.clone(), ..*change }).await
    }

    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        health::health(aws, live).await.map(Some)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    /// A check with a text to search for has another type in AWS.
    fn replaces(&self, live: &Self) -> HealthCheckChanges {
        HealthCheckChanges { search: self.search.is_some() != live.search.is_some(), ..HealthCheckChanges::default() }
    }

    /// AWS reports the port and path that it uses.
    fn normalize(&self, live: &mut Self) {
        let path = |path: &str| if path.is_empty() { "/".to_owned() } else { path.to_owned() };
        if path(&self.path) == path(&live.path) {
            live.path = self.path.clone();
        }
    }
}

impl HealthCheck {
    fn default_port(&self) -> Option<u16> {
        match self.kind {
            HealthCheckKind::Http => Some(80),
            HealthCheckKind::Https => Some(443),
            _ => None,
        }
    }

    /// Whether it checks an endpoint.
    fn has_endpoint(&self) -> bool {
        matches!(self.kind, HealthCheckKind::Http | HealthCheckKind::Https | HealthCheckKind::Tcp)
    }

    fn config(&self) -> Result<HealthCheckConfig> {
        let kind = match (self.kind, &self.search) {
            (HealthCheckKind::Http, None) => HealthCheckType::Http,
            (HealthCheckKind::Http, Some(_)) => HealthCheckType::HttpStrMatch,
            (HealthCheckKind::Https, None) => HealthCheckType::Https,
            (HealthCheckKind::Https, Some(_)) => HealthCheckType::HttpsStrMatch,
            (HealthCheckKind::Tcp, _) => HealthCheckType::Tcp,
            (HealthCheckKind::Calculated, _) => HealthCheckType::Calculated,
            (HealthCheckKind::Alarm, _) => HealthCheckType::CloudwatchMetric,
        };
        let config = HealthCheckConfig::builder().r#type(kind).inverted(self.inverted).disabled(self.disabled);
        if self.has_endpoint() {
            let config = config.set_ip_address(self.ip_address.clone()).set_port(self.port.or(self.default_port()).map(Into::into));
            let config = config.set_fully_qualified_domain_name(self.domain.as_ref().map(ToString::to_string));
            let config =
                config.set_resource_path((!self.path.is_empty()).then(|| self.path.clone())).set_search_string(self.search.clone());
            let config = config.request_interval(self.interval_seconds.into()).failure_threshold(self.failure_threshold.into());
            let config = config.measure_latency(self.measure_latency);
            let config = config.set_enable_sni((self.kind == HealthCheckKind::Https).then_some(self.sni));
            let regions = self.regions.iter().map(|region| HealthCheckRegion::from(region.as_str())).collect();
            return Ok(config.set_regions(Some(regions)).build()?);
        }
        let children: Vec<String> = self.children.iter().map(|child| child.get().to_owned()).collect();
        let Some(alarm) = &self.alarm else {
            let config = config.set_child_health_checks((!children.is_empty()).then_some(children));
            return Ok(config.health_threshold(self.healthy_children.into()).build()?);
        };
        let missing = match alarm.on_missing_data {
            MissingData::Healthy => InsufficientDataHealthStatus::Healthy,
            MissingData::Unhealthy => InsufficientDataHealthStatus::Unhealthy,
            MissingData::LastKnown => InsufficientDataHealthStatus::LastKnownStatus,
        };
        let identifier = AlarmIdentifier::builder().name(&alarm.name).region(CloudWatchRegion::from(alarm.region.as_str())).build()?;
        Ok(config.alarm_identifier(identifier).insufficient_data_health_status(missing).build()?)
    }

    fn read(config: HealthCheckConfig) -> Result<HealthCheck> {
        let kind = kind(&config.r#type).ok_or_else(|| Error::missing_field("Type"))?;
        let regions: BTreeSet<String> = config.regions().iter().map(|region| region.as_str().to_owned()).collect();
        let missing = match config.insufficient_data_health_status {
            Some(InsufficientDataHealthStatus::Healthy) => MissingData::Healthy,
            Some(InsufficientDataHealthStatus::Unhealthy) => MissingData::Unhealthy,
            _ => MissingData::LastKnown,
        };
        Ok(HealthCheck {
            kind,
            domain: config.fully_qualified_domain_name.filter(|name| !name.is_empty()).map(|name| DnsName::new(&name)),
            ip_address: config.ip_address.filter(|address| !address.is_empty()),
            port: config.port.and_then(|port| port.try_into().ok()).filter(|port| *port > 0),
            path: config.resource_path.unwrap_or_default(),
            search: config.search_string.filter(|text| !text.is_empty()),
            interval_seconds: config.request_interval.and_then(|seconds| seconds.try_into().ok()).unwrap_or(30),
            failure_threshold: config.failure_threshold.and_then(|count| count.try_into().ok()).unwrap_or(3),
            measure_latency: config.measure_latency.unwrap_or_default(),
            // AWS reports them only for checks of endpoints.
            regions: if regions.is_empty() { Self::default_regions() } else { regions },
            sni: config.enable_sni.filter(|_| kind == HealthCheckKind::Https).unwrap_or(true),
            inverted: config.inverted.unwrap_or_default(),
            disabled: config.disabled.unwrap_or_default(),
            children: config.child_health_checks.unwrap_or_default().into_iter().map(Ref::to).collect(),
            healthy_children: config.health_threshold.and_then(|count| count.try_into().ok()).unwrap_or_default(),
            alarm: config.alarm_identifier.map(|alarm| AlarmState {
                name: alarm.name,
                region: alarm.region.as_str().to_owned(),
                on_missing_data: missing,
            }),
        })
    }
}

/// `None` for a type that acme does not manage, such as those of Application Recovery Controller.
fn kind(kind: &HealthCheckType) -> Option<HealthCheckKind> {
    match kind {
        HealthCheckType::Http | HealthCheckType::HttpStrMatch => Some(HealthCheckKind::Http),
        HealthCheckType::Https | HealthCheckType::HttpsStrMatch => Some(HealthCheckKind::Https),
        HealthCheckType::Tcp => Some(HealthCheckKind::Tcp),
        HealthCheckType::CloudwatchMetric => Some(HealthCheckKind::Alarm),
        HealthCheckType::Calculated => Some(HealthCheckKind::Calculated),
        _ => None,
    }
}

fn observed(aws: &Aws, check: SdkHealthCheck, tags: crate::core::Tags) -> Result<Observed<HealthCheck>> {
    let config = check.health_check_config.ok_or_else(|| Error::missing_field("HealthCheckConfig"))?;
    let outputs = ArnOutput { arn: arn(aws, &check.id) };
    let version = check.health_check_version.to_string();
    Ok(Observed::new(check.id, tags, HealthCheck::read(config)?, outputs).version(Some(version)))
}

fn arn(aws: &Aws, id: &str) -> String {
    format!("arn:{}:route53:::healthcheck/{id}", partition(&aws.region))
}
