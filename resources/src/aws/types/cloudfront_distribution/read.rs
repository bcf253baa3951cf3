//! Reading distributions.

use std::collections::BTreeMap;

use aws_sdk_cloudfront::types as sdk;

use super::{
    super::prelude::*,
    AccessLog, Behavior, CachePolicyChoice, CloudfrontDistribution, ErrorResponse, GeoRestriction, GeoRule, HeadersPolicyChoice, Origin,
    OriginGroup, OriginRequestPolicyChoice, Outputs, ViewerMtls,
    behavior::{EdgeLambda, Methods},
};
use crate::{
    aws::{from_aws, services::cloudfront::tags},
    core::{DnsName, Tags},
};

/// Status of a distribution whose changes have reached all edge locations.
pub(super) const DEPLOYED: &str = "Deployed";
/// Hosted zone of all distributions: <https://docs.aws.amazon.com/general/latest/gr/cf_region.html>.
const ZONE_ID: &str = "Z2FDTNDATAQYW2";
/// The same in China: <https://docs.amazonaws.cn/en_us/aws/latest/userguide/route53.html>.
const ZONE_ID_IN_CHINA: &str = "Z3RFFRIM2A3IF5";

/// Reads the distributions that the index shows, or are waited for. The list of an account is read only without an index: it lacks most
/// settings, and tags.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<CloudfrontDistribution>>> {
    let indexed = |index: &BTreeMap<String, Tags>| {
        let ids = index.keys().filter(|arn| CloudfrontDistribution::TYPE.matches_arn(arn)).filter_map(|arn| arn.rsplit('/').next());
        ids.map(str::to_owned).collect::<Vec<_>>()
    };
    let ids = match (&scope.adopt, scope.waited_for(), &scope.tag_index) {
        (Some(id), _, _) => vec![id.clone()],
        (None, Some(ids), _) => ids.iter().cloned().collect(),
        (None, None, Some(index)) if !scope.any_owner => indexed(index),
        _ => all_ids(aws).await?,
    };
    for_each_concurrent(ids, |id| async move {
        let Some(reply) = ok_or_not_found(aws.cloudfront.get_distribution().id(&id).send().await)? else { return Ok(None) };
        let distribution = reply.distribution.ok_or_else(|| Error::missing_field("Distribution"))?;
        let arn = &distribution.arn;
        let Some(tags) = scope.tags_or_fetch(arn, tags(aws, arn)).await? else { return Ok(None) };
        if !scope.owns(&tags) && scope.ids.is_none() {
            return Ok(None);
        }
        observed(aws, distribution, reply.e_tag, tags).map(Some)
    })
    .await
}

/// Ids of all distributions of the account.
async fn all_ids(aws: &Aws) -> Result<Vec<String>> {
    let all: Vec<sdk::DistributionSummary> = aws.cloudfront.list_distributions().into_paginator().items().send().try_collect().await?;
    Ok(all.into_iter().map(|distribution| distribution.id).collect())
}

/// The current configuration, and its version.
pub(super) async fn current_config(aws: &Aws, id: &str) -> Result<(sdk::DistributionConfig, Option<String>)> {
    let reply = aws.cloudfront.get_distribution_config().id(id).send().await?;
    Ok((reply.distribution_config.ok_or_else(|| Error::missing_field("DistributionConfig"))?, reply.e_tag))
}

pub(super) fn observed(
    aws: &Aws,
    distribution: sdk::Distribution,
    version: Option<String>,
    tags: Tags,
) -> Result<Observed<CloudfrontDistribution>> {
    let config = distribution.distribution_config.ok_or_else(|| Error::missing_field("DistributionConfig"))?;
    let phase = match (distribution.status.as_str(), config.enabled) {
        (DEPLOYED, _) => Phase::Ready,
        // It answers requests meanwhile.
        (status, true) => Phase::PendingChanges(status.to_owned()),
        (status, false) => Phase::Progressing(status.to_owned()),
    };
    let zone_id = if partition(&aws.region) == "aws-cn" { ZONE_ID_IN_CHINA } else { ZONE_ID };
    let outputs = Outputs { arn: distribution.arn, domain_name: distribution.domain_name, zone_id: zone_id.to_owned() };
    Ok(Observed::new(distribution.id, tags, spec(config)?, outputs).phase(phase).version(version))
}

fn text(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

/// The settings that acme manages.
pub(super) fn spec(config: sdk::DistributionConfig) -> Result<CloudfrontDistribution> {
    let certificate = config.viewer_certificate.unwrap_or_else(|| sdk::ViewerCertificate::builder().build());
    let origins = config.origins.map(|origins| origins.items).unwrap_or_default().into_iter();
    let groups = config.origin_groups.and_then(|groups| groups.items).unwrap_or_default().into_iter();
    let errors = config.custom_error_responses.and_then(|errors| errors.items).unwrap_or_default();
    let default = config.default_cache_behavior.ok_or_else(|| Error::missing_field("DefaultCacheBehavior"))?;
    let log = config.logging.filter(|log| log.enabled);
    Ok(CloudfrontDistribution {
        comment: config.comment,
        enabled: config.enabled,
        aliases: config.aliases.and_then(|list| list.items).unwrap_or_default().iter().map(|alias| DnsName::new(alias)).collect(),
        certificate: text(certificate.acm_certificate_arn).map(ArnRef::to),
        iam_certificate: text(certificate.iam_certificate_id),
        minimum_tls: certificate.minimum_protocol_version.map_or_else(|| "TLSv1".to_owned(), |tls| tls.as_str().to_owned()),
        tls_clients: certificate.ssl_support_method.map_or_else(|| "sni-only".to_owned(), |method| method.as_str().to_owned()),
        viewer_mtls: config.viewer_mtls_config.map(viewer_mtls).transpose()?,
        origins: origins.map(|origin| Ok((origin.id.clone(), Origin::read(origin)?))).collect::<Result<_>>()?,
        origin_groups: groups.map(|group| (group.id.clone(), OriginGroup::read(group))).collect(),
        default_behavior: default_behavior(default)?,
        behaviors: config
            .cache_behaviors
            .and_then(|list| list.items)
            .unwrap_or_default()
            .into_iter()
            .map(path_behavior)
            .collect::<Result<_>>()?,
        root_object: config.default_root_object.unwrap_or_default(),
        error_responses: errors.into_iter().map(error_response).collect(),
        web_acl: text(config.web_acl_id).map(ArnRef::to),
        geo_restriction: config.restrictions.and_then(|all| all.geo_restriction).map(geo_restriction).unwrap_or_default(),
        access_log: log.map(|log| AccessLog { bucket: log.bucket, prefix: log.prefix, cookies: log.include_cookies }),
        price_class: config.price_class.map(|class| from_aws(class.as_str())).transpose()?.unwrap_or_default(),
        http_version: config.http_version.map(|version| from_aws(&version.as_str().to_lowercase())).transpose()?.unwrap_or_default(),
        ipv6: config.is_ipv6_enabled.unwrap_or_default(),
        anycast_ip_list: text(config.anycast_ip_list_id),
        wait_until_deployed: true,
    })
}

/// Reads the fields of a behavior, which are the same with and without a path.
macro_rules! read_behavior {
    ($behavior:expr, $path:expr) => {{
        let (behavior, path): (_, String) = ($behavior, $path);
        let methods = behavior.allowed_methods.as_ref();
        let cached = methods.and_then(|methods| methods.cached_methods.as_ref()).map(|cached| cached.items()).unwrap_or_default();
        let functions = behavior.function_associations.and_then(|list| list.items).unwrap_or_default().into_iter();
        let lambdas = behavior.lambda_function_associations.and_then(|list| list.items).unwrap_or_default();
        Ok(Behavior {
            path,
            origin: behavior.target_origin_id,
            viewer_protocol: from_aws(behavior.viewer_protocol_policy.as_str())?,
            methods: Methods::of_count(methods.map_or(0, |methods| methods.items().len())),
            cache_options: cached.contains(&sdk::Method::Options),
            compress: behavior.compress.unwrap_or_default(),
            cache_policy: CachePolicyChoice::with_id(behavior.cache_policy_id.as_deref()),
            origin_request_policy: OriginRequestPolicyChoice::with_id(behavior.origin_request_policy_id.as_deref()),
            headers_policy: HeadersPolicyChoice::with_id(behavior.response_headers_policy_id.as_deref()),
            functions: functions.map(|one| (one.event_type.as_str().to_owned(), ArnRef::to(one.function_arn))).collect(),
            lambda_functions: lambdas.into_iter().map(lambda_function).collect(),
            trusted_key_groups: behavior.trusted_key_groups.and_then(|list| list.items).unwrap_or_default().into_iter().collect(),
            realtime_log: behavior.realtime_log_config_arn.unwrap_or_default(),
            field_level_encryption: behavior.field_level_encryption_id.unwrap_or_default(),
            smooth_streaming: behavior.smooth_streaming.unwrap_or_default(),
            grpc: behavior.grpc_config.is_some_and(|grpc| grpc.enabled),
        })
    }};
}

fn default_behavior(behavior: sdk::DefaultCacheBehavior) -> Result<Behavior> {
    read_behavior!(behavior, String::new())
}

fn path_behavior(behavior: sdk::CacheBehavior) -> Result<Behavior> {
    let path = behavior.path_pattern.clone();
    read_behavior!(behavior, path)
}

fn lambda_function(association: sdk::LambdaFunctionAssociation) -> (String, EdgeLambda) {
    let function = EdgeLambda { version: association.lambda_function_arn, include_body: association.include_body.unwrap_or_default() };
    (association.event_type.as_str().to_owned(), function)
}

fn error_response(response: sdk::CustomErrorResponse) -> ErrorResponse {
    ErrorResponse {
        code: u16::try_from(response.error_code).unwrap_or_default(),
        page: response.response_page_path.unwrap_or_default(),
        response_code: response.response_code.and_then(|code| code.parse().ok()).unwrap_or_default(),
        min_ttl_seconds: response.error_caching_min_ttl.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(10),
    }
}

fn geo_restriction(restriction: sdk::GeoRestriction) -> GeoRestriction {
    let rule = match restriction.restriction_type {
        sdk::GeoRestrictionType::Whitelist => GeoRule::Allow,
        sdk::GeoRestrictionType::Blacklist => GeoRule::Block,
        _ => GeoRule::None,
    };
    GeoRestriction { rule, countries: restriction.items.unwrap_or_default().into_iter().collect() }
}

fn viewer_mtls(config: sdk::ViewerMtlsConfig) -> Result<ViewerMtls> {
    let store = config.trust_store_config;
    Ok(ViewerMtls {
        mode: from_aws(config.mode.as_str())?,
        advertise_authorities: store.as_ref().is_some_and(|store| store.advertise_trust_store_ca_names == Some(true)),
        ignore_expiry: store.as_ref().is_some_and(|store| store.ignore_certificate_expiry == Some(true)),
        trust_store: store.map(|store| store.trust_store_id).unwrap_or_default(),
    })
}
