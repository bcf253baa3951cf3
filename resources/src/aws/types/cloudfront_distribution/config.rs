//! The configuration of a distribution in CloudFront's format.
//!
//! Lists have a quantity, and no items if it is 0.

use aws_sdk_cloudfront::types as sdk;

use super::{
    Behavior, CachePolicyChoice, CloudfrontDistribution, CloudfrontDistributionChanges, ErrorResponse, GeoRule, ViewerMtls,
    behavior::EdgeLambda,
};
use crate::{
    aws::{
        to_aws,
        types::{cloudfront_cache_policy::quantity, cloudfront_function::CloudfrontFunction},
    },
    core::{ArnRef, Error, ErrorKind, Result},
};

/// `config` with the settings of `spec`. Everything that acme does not manage stays: settings without a field, and fields that the definition
/// leaves unset, unless they are among `changes`.
pub(super) fn merged(
    spec: &CloudfrontDistribution,
    mut config: sdk::DistributionConfig,
    changes: &CloudfrontDistributionChanges,
) -> Result<sdk::DistributionConfig> {
    config.comment.clone_from(&spec.comment);
    config.enabled = spec.enabled;
    config.default_root_object = Some(spec.root_object.clone());
    config.price_class = Some(sdk::PriceClass::from(to_aws(&spec.price_class).as_str()));
    config.http_version = Some(sdk::HttpVersion::from(to_aws(&spec.http_version).as_str()));
    config.is_ipv6_enabled = Some(spec.ipv6);
    let aliases: Vec<String> = spec.aliases.iter().map(ToString::to_string).collect();
    config.aliases = Some(sdk::Aliases::builder().quantity(quantity(aliases.len())).set_items(items(aliases)).build()?);
    config.viewer_certificate = Some(viewer_certificate(spec, config.viewer_certificate, changes));
    let current = config.origins.map(|origins| origins.items).unwrap_or_default();
    let origin = |(id, origin): (&String, &super::Origin)| origin.to_sdk(id, current.iter().find(|one| one.id == *id));
    let origins = spec.origins.iter().map(origin).collect::<Result<Vec<_>>>()?;
    config.origins = Some(sdk::Origins::builder().quantity(quantity(origins.len())).set_items(Some(origins)).build()?);
    let groups = spec.origin_groups.iter().map(|(id, group)| group.to_sdk(id)).collect::<Result<Vec<_>>>()?;
    config.origin_groups = Some(sdk::OriginGroups::builder().quantity(quantity(groups.len())).set_items(items(groups)).build()?);
    config.default_cache_behavior = Some(default_behavior(&spec.default_behavior, config.default_cache_behavior)?);
    let current = config.cache_behaviors.and_then(|behaviors| behaviors.items).unwrap_or_default();
    let behavior = |one: &Behavior| path_behavior(one, current.iter().find(|current| current.path_pattern == one.path));
    let behaviors = spec.behaviors.iter().map(behavior).collect::<Result<Vec<_>>>()?;
    config.cache_behaviors = Some(sdk::CacheBehaviors::builder().quantity(quantity(behaviors.len())).set_items(items(behaviors)).build()?);
    let errors = spec.error_responses.iter().map(error_response).collect::<Result<Vec<_>>>()?;
    config.custom_error_responses =
        Some(sdk::CustomErrorResponses::builder().quantity(quantity(errors.len())).set_items(items(errors)).build()?);
    config.restrictions = Some(restrictions(spec)?);
    match &spec.web_acl {
        Some(acl) => config.web_acl_id = Some(acl.get().to_owned()),
        None if changes.web_acl => config.web_acl_id = Some(String::new()),
        None => {}
    }
    match &spec.access_log {
        Some(log) => {
            let logging = sdk::LoggingConfig::builder().enabled(true).include_cookies(log.cookies);
            config.logging = Some(logging.bucket(&log.bucket).prefix(&log.prefix).build());
        }
        None if changes.access_log => {
            config.logging = Some(sdk::LoggingConfig::builder().enabled(false).include_cookies(false).bucket("").prefix("").build());
        }
        None => {}
    }
    match &spec.viewer_mtls {
        Some(mtls) => config.viewer_mtls_config = Some(viewer_mtls(mtls)?),
        None if changes.viewer_mtls => config.viewer_mtls_config = None,
        None => {}
    }
    if spec.anycast_ip_list.is_some() || changes.anycast_ip_list {
        config.anycast_ip_list_id.clone_from(&spec.anycast_ip_list);
    }
    Ok(config)
}

/// The items of a list; `None` for an empty one.
fn items<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}

fn viewer_certificate(
    spec: &CloudfrontDistribution,
    current: Option<sdk::ViewerCertificate>,
    changes: &CloudfrontDistributionChanges,
) -> sdk::ViewerCertificate {
    let (tls, clients) =
        (sdk::MinimumProtocolVersion::from(spec.minimum_tls.as_str()), sdk::SslSupportMethod::from(spec.tls_clients.as_str()));
    let certificate = sdk::ViewerCertificate::builder().minimum_protocol_version(tls.clone()).ssl_support_method(clients.clone());
    match (&spec.certificate, &spec.iam_certificate) {
        (Some(certificate_arn), _) => certificate.acm_certificate_arn(certificate_arn.get()).build(),
        (None, Some(id)) => certificate.iam_certificate_id(id).build(),
        (None, None) => {
            let is_own = |one: &sdk::ViewerCertificate| one.acm_certificate_arn.is_some() || one.iam_certificate_id.is_some();
            match current.filter(|one| is_own(one) && !changes.certificate && !changes.iam_certificate) {
                Some(mut kept) => {
                    (kept.minimum_protocol_version, kept.ssl_support_method) = (Some(tls), Some(clients));
                    kept
                }
                None => sdk::ViewerCertificate::builder().cloud_front_default_certificate(true).build(),
            }
        }
    }
}

/// Sets the fields of a behavior, which are the same with and without a path.
macro_rules! set_behavior {
    ($spec:expr, $behavior:expr) => {{
        let (spec, behavior): (&Behavior, _) = ($spec, $behavior);
        behavior.target_origin_id.clone_from(&spec.origin);
        behavior.viewer_protocol_policy = sdk::ViewerProtocolPolicy::from(to_aws(&spec.viewer_protocol).as_str());
        behavior.allowed_methods = Some(methods(spec)?);
        behavior.compress = Some(spec.compress);
        behavior.smooth_streaming = Some(spec.smooth_streaming);
        behavior.field_level_encryption_id = Some(spec.field_level_encryption.clone());
        behavior.realtime_log_config_arn = Some(spec.realtime_log.clone()).filter(|arn| !arn.is_empty());
        behavior.function_associations = Some(functions(spec)?);
        behavior.lambda_function_associations = Some(lambda_functions(spec)?);
        behavior.trusted_key_groups = Some(key_groups(spec)?);
        behavior.grpc_config = Some(sdk::GrpcConfig::builder().enabled(spec.grpc).build()?);
        behavior.origin_request_policy_id = spec.origin_request_policy.id().map(str::to_owned);
        behavior.response_headers_policy_id = spec.headers_policy.id().map(str::to_owned);
        behavior.cache_policy_id = spec.cache_policy.id().map(str::to_owned);
        match spec.cache_policy {
            CachePolicyChoice::Legacy if behavior.forwarded_values.is_none() => {
                let message = format!("the behavior of `{}` has no deprecated cache settings to keep: choose a cache policy", spec.path);
                return Err(Error::new(ErrorKind::Rejected, "NoLegacySettings", message));
            }
            CachePolicyChoice::Legacy => {}
            _ => {
                behavior.forwarded_values = None;
                (behavior.min_ttl, behavior.default_ttl, behavior.max_ttl) = (None, None, None);
            }
        }
    }};
}

#[allow(deprecated, reason = "acme keeps the deprecated settings that it finds")]
fn default_behavior(spec: &Behavior, current: Option<sdk::DefaultCacheBehavior>) -> Result<sdk::DefaultCacheBehavior> {
    let mut behavior = match current {
        Some(current) => current,
        None => {
            let behavior = sdk::DefaultCacheBehavior::builder().target_origin_id(&spec.origin);
            behavior.viewer_protocol_policy(sdk::ViewerProtocolPolicy::RedirectToHttps).build()?
        }
    };
    set_behavior!(spec, &mut behavior);
    Ok(behavior)
}

#[allow(deprecated, reason = "acme keeps the deprecated settings that it finds")]
fn path_behavior(spec: &Behavior, current: Option<&sdk::CacheBehavior>) -> Result<sdk::CacheBehavior> {
    let mut behavior = match current {
        Some(current) => current.clone(),
        None => {
            let behavior = sdk::CacheBehavior::builder().path_pattern(&spec.path).target_origin_id(&spec.origin);
            behavior.viewer_protocol_policy(sdk::ViewerProtocolPolicy::RedirectToHttps).build()?
        }
    };
    set_behavior!(spec, &mut behavior);
    Ok(behavior)
}

fn methods(spec: &Behavior) -> Result<sdk::AllowedMethods> {
    let list = |names: &[&str]| names.iter().map(|name| sdk::Method::from(*name)).collect::<Vec<_>>();
    let cached: &[&str] = if spec.cache_options { &["HEAD", "GET", "OPTIONS"] } else { &["HEAD", "GET"] };
    let cached = sdk::CachedMethods::builder().quantity(quantity(cached.len())).set_items(Some(list(cached))).build()?;
    let names = spec.methods.names();
    let allowed = sdk::AllowedMethods::builder().quantity(quantity(names.len())).set_items(Some(list(names)));
    Ok(allowed.cached_methods(cached).build()?)
}

fn functions(spec: &Behavior) -> Result<sdk::FunctionAssociations> {
    let association = |(event, function): (&String, &ArnRef<CloudfrontFunction>)| {
        let association = sdk::FunctionAssociation::builder().event_type(sdk::EventType::from(event.as_str()));
        association.function_arn(function.get()).build()
    };
    let all = spec.functions.iter().map(association).collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(sdk::FunctionAssociations::builder().quantity(quantity(all.len())).set_items(items(all)).build()?)
}

fn lambda_functions(spec: &Behavior) -> Result<sdk::LambdaFunctionAssociations> {
    let association = |(event, function): (&String, &EdgeLambda)| {
        let association = sdk::LambdaFunctionAssociation::builder().event_type(sdk::EventType::from(event.as_str()));
        association.lambda_function_arn(&function.version).include_body(function.include_body).build()
    };
    let all = spec.lambda_functions.iter().map(association).collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(sdk::LambdaFunctionAssociations::builder().quantity(quantity(all.len())).set_items(items(all)).build()?)
}

fn key_groups(spec: &Behavior) -> Result<sdk::TrustedKeyGroups> {
    let groups: Vec<String> = spec.trusted_key_groups.iter().cloned().collect();
    let list = sdk::TrustedKeyGroups::builder().enabled(!groups.is_empty()).quantity(quantity(groups.len()));
    Ok(list.set_items(items(groups)).build()?)
}

fn error_response(spec: &ErrorResponse) -> Result<sdk::CustomErrorResponse> {
    let response = sdk::CustomErrorResponse::builder().error_code(spec.code.into()).error_caching_min_ttl(spec.min_ttl_seconds.into());
    let code = if spec.response_code == 0 { String::new() } else { spec.response_code.to_string() };
    Ok(response.response_page_path(&spec.page).response_code(code).build()?)
}

fn restrictions(spec: &CloudfrontDistribution) -> Result<sdk::Restrictions> {
    let rule = match spec.geo_restriction.rule {
        GeoRule::None => sdk::GeoRestrictionType::None,
        GeoRule::Allow => sdk::GeoRestrictionType::Whitelist,
        GeoRule::Block => sdk::GeoRestrictionType::Blacklist,
    };
    let countries: Vec<String> = spec.geo_restriction.countries.iter().cloned().collect();
    let restriction = sdk::GeoRestriction::builder().restriction_type(rule).quantity(quantity(countries.len()));
    Ok(sdk::Restrictions::builder().geo_restriction(restriction.set_items(items(countries)).build()?).build())
}

fn viewer_mtls(spec: &ViewerMtls) -> Result<sdk::ViewerMtlsConfig> {
    let config = sdk::ViewerMtlsConfig::builder().mode(sdk::ViewerMtlsMode::from(to_aws(&spec.mode).as_str()));
    if spec.trust_store.is_empty() {
        return Ok(config.build());
    }
    let store = sdk::TrustStoreConfig::builder().trust_store_id(&spec.trust_store);
    let store = store.advertise_trust_store_ca_names(spec.advertise_authorities).ignore_certificate_expiry(spec.ignore_expiry);
    Ok(config.trust_store_config(store.build()?).build())
}
