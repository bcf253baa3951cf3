//! Tests of a distribution's configuration.

use aws_sdk_cloudfront::types as sdk;
use serde_json::{Value, json};

use super::{CloudfrontDistribution, CloudfrontDistributionChanges, config::merged, managed::*, read};
use crate::core::{Resource, Spec};

fn distribution(spec: Value) -> CloudfrontDistribution {
    serde_json::from_value(spec).expect("a distribution")
}

fn empty() -> sdk::DistributionConfig {
    sdk::DistributionConfig::builder().caller_reference("token").comment("").enabled(true).build().expect("complete")
}

fn minimal() -> Value {
    json!({ "origins": { "files": { "domain": "files.s3.eu-west-1.amazonaws.com" } }, "default_behavior": { "origin": "files" } })
}

/// A distribution with every setting.
fn full() -> Value {
    json!({
        "comment": "Shop", "enabled": false, "aliases": ["shop.example.com"],
        "certificate": { "arn": "arn:aws:acm:us-east-1:123456789012:certificate/1" }, "minimum_tls": "TLSv1.2_2019", "tls_clients": "vip",
        "viewer_mtls": { "mode": "optional", "trust_store": "ts_1", "advertise_authorities": true, "ignore_expiry": true },
        "origins": {
            "files": { "domain": "files.s3.eu-west-1.amazonaws.com", "path": "/public", "access": { "control": { "id": "E1" } },
                       "shield_region": "eu-west-1", "headers": { "X-Shop": "1" }, "connection_attempts": 2 },
            "old": { "domain": "old.s3.eu-west-1.amazonaws.com", "access": { "identity": "E2" } },
            "web": { "domain": "web.example.com", "read_timeout_seconds": 60, "response_timeout_seconds": 90,
                     "type": { "custom": { "protocol": "match-viewer", "http_port": 8080, "tls": ["TLSv1.1", "TLSv1.2"], "ip": "dualstack",
                                           "client_certificate": "arn:aws:acm:us-east-1:123456789012:certificate/2" } } },
            "inner": { "domain": "inner.example.com", "type": { "vpc": { "id": "vo_1", "account": "123456789012" } } },
        },
        "origin_groups": { "both": { "primary": "files", "secondary": "old", "status_codes": [404, 500], "by_media_quality": true } },
        "default_behavior": {
            "origin": "web", "viewer_protocol": "https-only", "methods": "all", "cache_options": true, "compress": false, "grpc": true,
            "cache_policy": { "custom": { "id": "658327ea-0000-0000-0000-000000000000" } },
            "origin_request_policy": { "managed": "AllViewer" }, "headers_policy": { "managed": "SecurityHeadersPolicy" },
            "lambda_functions": { "origin-request":
                { "version": "arn:aws:lambda:us-east-1:123456789012:function:auth:3", "include_body": true } },
            "trusted_key_groups": ["kg"], "realtime_log": "arn:aws:cloudfront::123456789012:realtime-log-config/a",
            "field_level_encryption": "C1", "smooth_streaming": true,
        },
        "behaviors": [
            { "path": "/images/*", "origin": "both",
              "functions": { "viewer-request": { "arn": "arn:aws:cloudfront::123456789012:function/a" } } },
            { "path": "/api/*", "origin": "web", "cache_policy": { "managed": "CachingDisabled" } },
        ],
        "root_object": "index.html",
        "error_responses": [{ "code": 404, "page": "/404.html", "response_code": 404, "min_ttl_seconds": 60 }, { "code": 500 }],
        "web_acl": { "arn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/web/1" },
        "geo_restriction": { "rule": "allow", "countries": ["DE", "FR"] },
        "access_log": { "bucket": "logs.s3.amazonaws.com", "prefix": "web/", "cookies": true },
        "price_class": "PriceClass_100", "http_version": "http2and3", "ipv6": false, "anycast_ip_list": "aip_1",
    })
}

#[test]
fn a_configuration_round_trips() {
    for spec in [minimal(), full()] {
        let spec = distribution(spec);
        let config = merged(&spec, empty(), &CloudfrontDistributionChanges::default()).expect("complete");
        let mut read = read::spec(config).expect("known values");
        spec.normalize(&mut read);
        assert_eq!(serde_json::to_value(read).ok(), serde_json::to_value(spec).ok());
    }
}

#[test]
fn settings_without_a_field_survive_an_update() {
    let mut config = merged(&distribution(full()), empty(), &CloudfrontDistributionChanges::default()).expect("complete");
    config.continuous_deployment_policy_id = Some("policy".into());
    let signers = sdk::TrustedSigners::builder().enabled(true).quantity(1).items("self").build().expect("complete");
    config.default_cache_behavior.as_mut().expect("a behavior").trusted_signers = Some(signers);
    let unset = CloudfrontDistributionChanges::default();
    let kept = merged(&distribution(minimal()), config.clone(), &unset).expect("complete");
    assert_eq!(kept.continuous_deployment_policy_id.as_deref(), Some("policy"));
    assert!(kept.default_cache_behavior.is_some_and(|behavior| behavior.trusted_signers.is_some_and(|signers| signers.enabled)));
    assert!(kept.web_acl_id.is_some_and(|acl| acl.contains("webacl")) && kept.logging.is_some_and(|log| log.enabled));
    assert!(kept.viewer_certificate.is_some_and(|certificate| certificate.acm_certificate_arn.is_some()));
    assert!(kept.viewer_mtls_config.is_some());
    let pointers = ["/web_acl", "/access_log", "/certificate", "/viewer_mtls", "/anycast_ip_list"].map(str::to_owned);
    let cleared = merged(&distribution(minimal()), config, &CloudfrontDistribution::changes(&pointers)).expect("complete");
    assert_eq!(cleared.web_acl_id.as_deref(), Some(""));
    assert!(cleared.logging.is_some_and(|log| !log.enabled) && cleared.viewer_mtls_config.is_none());
    assert_eq!(cleared.viewer_certificate.and_then(|certificate| certificate.cloud_front_default_certificate), Some(true));
}

#[test]
#[allow(deprecated)]
fn deprecated_cache_settings_are_kept_but_not_created() {
    let mut spec = minimal();
    spec["default_behavior"]["cache_policy"] = json!("legacy");
    let spec = distribution(spec);
    let unset = CloudfrontDistributionChanges::default();
    assert_eq!(merged(&spec, empty(), &unset).map_err(|error| error.code).err().as_deref(), Some("NoLegacySettings"));
    let mut config = merged(&distribution(minimal()), empty(), &unset).expect("complete");
    let cookies = sdk::CookiePreference::builder().forward(sdk::ItemSelection::None).build().expect("complete");
    let values = sdk::ForwardedValues::builder().query_string(false).cookies(cookies).build().expect("complete");
    config.default_cache_behavior.as_mut().expect("a behavior").forwarded_values = Some(values);
    let behavior = |config: sdk::DistributionConfig| config.default_cache_behavior.expect("a behavior");
    let kept = behavior(merged(&spec, config.clone(), &unset).expect("complete"));
    assert!(kept.forwarded_values.is_some() && kept.cache_policy_id.is_none());
    let replaced = behavior(merged(&distribution(minimal()), config, &unset).expect("complete"));
    assert!(replaced.forwarded_values.is_none() && replaced.cache_policy_id.is_some());
}

#[test]
fn an_id_of_a_policy_of_aws_has_a_name() {
    assert_eq!(ManagedCachePolicy::with_id(ManagedCachePolicy::CachingDisabled.id()), Some(ManagedCachePolicy::CachingDisabled));
    assert_eq!(ManagedOriginRequestPolicy::with_id("x"), None);
    assert_eq!(serde_json::to_value(ManagedHeadersPolicy::CorsAndSecurity).ok(), Some(json!("CORS-and-SecurityHeadersPolicy")));
}

#[test]
fn reports_what_does_not_fit() {
    let places = |change: &dyn Fn(&mut Value)| {
        let mut spec = minimal();
        change(&mut spec);
        distribution(spec).check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
    };
    assert_eq!(places(&|_| {}), [""; 0]);
    assert_eq!(places(&|spec| spec["aliases"] = json!(["shop.example.com", "a.*.example.com"])), ["/aliases", "/aliases"]);
    assert_eq!(places(&|spec| spec["default_behavior"]["origin"] = json!("x")), ["/default_behavior/origin"]);
    assert_eq!(places(&|spec| spec["default_behavior"]["path"] = json!("/a")), ["/default_behavior/path"]);
    assert_eq!(places(&|spec| spec["origins"]["files"]["domain"] = json!("www.example.com")), ["/origins/files/domain"]);
    let website = "files.s3-website-eu-west-1.amazonaws.com";
    assert_eq!(places(&|spec| spec["origins"]["files"]["domain"] = json!(website)), ["/origins/files/domain"]);
    assert_eq!(
        places(&|spec| spec["origins"]["files"]["headers"] = json!({ "Host": "a", "X-Amz-Date": "b", "X-Shop": "c" })),
        ["/origins/files/headers/Host", "/origins/files/headers/X-Amz-Date"]
    );
    assert_eq!(
        places(&|spec| spec["origin_groups"] = json!({ "files": { "primary": "files", "secondary": "x" } })),
        ["/origin_groups/files", "/origin_groups/files/secondary"]
    );
    assert_eq!(
        places(&|spec| spec["behaviors"] =
            json!([{ "origin": "files" }, { "origin": "files", "path": "/a" }, { "origin": "files", "path": "/a" }])),
        ["/behaviors/0/path", "/behaviors/2/path"]
    );
    assert_eq!(places(&|spec| spec["default_behavior"]["cache_options"] = json!(true)), ["/default_behavior/cache_options"]);
    assert_eq!(places(&|spec| spec["default_behavior"]["grpc"] = json!(true)), ["/default_behavior/grpc"]);
    assert_eq!(
        places(&|spec| spec["default_behavior"]["functions"] = json!({ "origin-request": "a" })),
        ["/default_behavior/functions/origin-request"]
    );
    assert_eq!(
        places(&|spec| spec["error_responses"] = json!([{ "code": 404, "page": "/a" }, { "code": 404 }])),
        ["/error_responses/1", "/error_responses/1/code"].iter().rev().copied().collect::<Vec<_>>()
    );
    assert_eq!(places(&|spec| spec["geo_restriction"] = json!({ "countries": ["DE"] })), ["/geo_restriction/countries"]);
}
