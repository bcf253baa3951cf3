//! Rules between the fields of a distribution, and with other resources.

use std::collections::BTreeSet;

use super::{
    super::{prelude::*, waf_web_acl::WebAclScope},
    Behavior, CloudfrontDistribution, ErrorResponse, GeoRestriction, GeoRule, HttpVersion, Methods, Origin, OriginAccess, OriginGroup,
    OriginType, ViewerMtls, ViewerMtlsMode,
};
use crate::{
    aws::{global_region, services::cloudfront::partition_problem, types::cloudfront_access_control::AccessControlledOrigin},
    core::{DnsName, Pointer},
};

/// Headers that CloudFront does not add to requests, and beginnings of such headers.
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html>
const RESERVED_HEADERS: [&str; 22] = [
    "accept-encoding",
    "cache-control",
    "connection",
    "content-length",
    "cookie",
    "expect",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "request-range",
    "te",
    "trailer",
    "transfer-encoding",
];
const RESERVED_PREFIXES: [&str; 4] = ["x-amz-", "x-edge-", "upgrade", "via"];
/// Events of functions.
const VIEWER_EVENTS: [&str; 2] = ["viewer-request", "viewer-response"];
const ALL_EVENTS: [&str; 4] = ["viewer-request", "viewer-response", "origin-request", "origin-response"];

pub(super) fn check(spec: &CloudfrontDistribution) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_aliases(spec, &mut problems);
    for (id, origin) in &spec.origins {
        check_origin(origin, CloudfrontDistribution::POINTERS.origins.item(id), &mut problems);
    }
    for (id, group) in &spec.origin_groups {
        check_group(spec, id, group, &mut problems);
    }
    let default = CloudfrontDistribution::POINTERS.default_behavior;
    check_behavior(spec, &spec.default_behavior, default.clone(), &mut problems);
    if !spec.default_behavior.path.is_empty() {
        problems.push(Problem::new(default.field(Behavior::POINTERS.path), "the default behavior is for all paths"));
    }
    let mut paths = BTreeSet::new();
    for (at, behavior) in spec.behaviors.iter().enumerate() {
        let place = || CloudfrontDistribution::POINTERS.behaviors.item(at);
        check_behavior(spec, behavior, place(), &mut problems);
        let path = || place().field(Behavior::POINTERS.path);
        match behavior.path.as_str() {
            "" => problems.push(Problem::new(path(), "a behavior needs a `path`").help("add one, such as `path: /images/*`")),
            text if !paths.insert(text) => problems.push(Problem::new(path(), format!("two behaviors have the path `{text}`"))),
            _ => {}
        }
    }
    let mut codes = BTreeSet::new();
    for (at, response) in spec.error_responses.iter().enumerate() {
        let place = || CloudfrontDistribution::POINTERS.error_responses.item(at);
        if !codes.insert(response.code) {
            problems.push(Problem::new(place().field(ErrorResponse::POINTERS.code), format!("two responses are for {}", response.code)));
        }
        if response.page.is_empty() != (response.response_code == 0) {
            problems.push(Problem::new(place(), "`page` and `response_code` go together"));
        }
    }
    let geo = &spec.geo_restriction;
    if (geo.rule == GeoRule::None) != geo.countries.is_empty() {
        let place = CloudfrontDistribution::POINTERS.geo_restriction.field(GeoRestriction::POINTERS.countries);
        problems.push(Problem::new(place, "`rule: allow` and `rule: block` need countries, and `rule: none` has none"));
    }
    if let Some(mtls) = &spec.viewer_mtls
        && (mtls.mode == ViewerMtlsMode::Passthrough) != mtls.trust_store.is_empty()
    {
        let place = CloudfrontDistribution::POINTERS.viewer_mtls.field(ViewerMtls::POINTERS.trust_store);
        problems.push(Problem::new(place, "certificates are checked with a trust store, unless the mode is `passthrough`"));
    }
    problems
}

fn check_aliases(spec: &CloudfrontDistribution, problems: &mut Vec<Problem>) {
    let pointer = || CloudfrontDistribution::POINTERS.aliases;
    if !spec.aliases.is_empty() && spec.certificate.is_none() && spec.iam_certificate.is_none() {
        let problem = Problem::new(pointer(), "aliases need a certificate");
        problems.push(problem.help("set `certificate` to one of us-east-1 that has these names"));
    }
    for alias in spec.aliases.iter().filter(|alias| !alias.as_str().contains("${")) {
        let name = alias.as_str();
        let wildcard = name.trim_start_matches("*.").contains('*').then_some("`*` stands for the whole first label of a name");
        problems.extend(DnsName::violation(name).or(wildcard).map(|message| Problem::new(pointer(), format!("`{name}`: {message}"))));
    }
}

fn check_origin(origin: &Origin, at: Pointer, problems: &mut Vec<Problem>) {
    let is_known = !origin.domain.contains("${");
    let is_bucket = origin.domain.contains(".s3.") || origin.domain.contains(".s3-");
    let website = origin.domain.contains(".s3-website");
    let domain = || at.clone().field(Origin::POINTERS.domain);
    match &origin.kind {
        OriginType::S3 if is_known && (!is_bucket || website) => {
            let message = format!("`{}` is not the domain name of a bucket's API", origin.domain);
            let help = if website {
                "for a website of a bucket, use `type: { custom: { protocol: http-only } }`"
            } else {
                "use `{{ s3_bucket.NAME.regional_domain_name }}`, or `type: { custom: {} }` for another server"
            };
            problems.push(Problem::new(domain(), message).help(help));
        }
        OriginType::Custom(_) | OriginType::Vpc(_) if matches!(origin.access, OriginAccess::Identity(_)) => {
            problems.push(Problem::new(at.clone().field(Origin::POINTERS.access), "only a bucket has access identities"));
        }
        _ => {}
    }
    if let OriginAccess::Identity(identity) = &origin.access
        && (identity.is_empty() || identity.contains('/'))
    {
        let problem = Problem::new(at.clone().field(Origin::POINTERS.access), format!("`{identity}` is not the id of an access identity"));
        problems.push(problem.help("write the id alone, such as `E127EXAMPLE51Z`"));
    }
    for name in origin.headers.keys() {
        let lower = name.to_ascii_lowercase();
        if RESERVED_HEADERS.contains(&lower.as_str()) || RESERVED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix)) {
            let place = at.clone().field(Origin::POINTERS.headers).item(name);
            problems.push(Problem::new(place, format!("CloudFront does not accept `{name}` as a header for an origin")));
        }
    }
}

fn check_group(spec: &CloudfrontDistribution, id: &str, group: &OriginGroup, problems: &mut Vec<Problem>) {
    let at = || CloudfrontDistribution::POINTERS.origin_groups.item(id);
    if spec.origins.contains_key(id) {
        problems.push(Problem::new(at(), format!("an origin has the id `{id}`, too")));
    }
    for (place, member) in [(OriginGroup::POINTERS.primary, &group.primary), (OriginGroup::POINTERS.secondary, &group.secondary)] {
        problems.extend(unknown_origin(at().field(place), member, spec.origins.keys()));
    }
    if group.primary == group.secondary {
        problems.push(Problem::new(at().field(OriginGroup::POINTERS.secondary), "must be another origin than the first"));
    }
}

fn unknown_origin<'a>(at: Pointer, id: &str, known: impl Iterator<Item = &'a String> + Clone) -> Option<Problem> {
    if known.clone().any(|one| one == id) {
        return None;
    }
    let names: Vec<String> = known.map(|name| format!("`{name}`")).collect();
    Some(Problem::new(at, format!("there is no origin `{id}`")).help(format!("the origins are {}", names.join(", "))))
}

fn check_behavior(spec: &CloudfrontDistribution, behavior: &Behavior, at: Pointer, problems: &mut Vec<Problem>) {
    let field = |pointer: Pointer| at.clone().field(pointer);
    let origins = spec.origins.keys().chain(spec.origin_groups.keys());
    problems.extend(unknown_origin(field(Behavior::POINTERS.origin), &behavior.origin, origins));
    if spec.origin_groups.contains_key(&behavior.origin) && behavior.methods == Methods::All {
        let problem = Problem::new(field(Behavior::POINTERS.methods), "an origin group answers GET, HEAD and OPTIONS only");
        problems.push(problem.help("use `methods: read` or `read_options`"));
    }
    if behavior.cache_options && behavior.methods == Methods::Read {
        let problem = Problem::new(field(Behavior::POINTERS.cache_options), "OPTIONS is not among the methods");
        problems.push(problem.help("use `methods: read_options` or `all`"));
    }
    if behavior.grpc && (behavior.methods != Methods::All || !matches!(spec.http_version, HttpVersion::Http2 | HttpVersion::Http2And3)) {
        problems.push(Problem::new(field(Behavior::POINTERS.grpc), "gRPC needs `methods: all` and HTTP/2"));
    }
    for event in behavior.functions.keys().filter(|event| !VIEWER_EVENTS.contains(&event.as_str())) {
        let problem = Problem::new(field(Behavior::POINTERS.functions).item(event), format!("`{event}` is not an event of functions"));
        problems.push(problem.help("the events are `viewer-request` and `viewer-response`"));
    }
    for (event, function) in &behavior.lambda_functions {
        let place = || field(Behavior::POINTERS.lambda_functions).item(event);
        if !ALL_EVENTS.contains(&event.as_str()) {
            let problem = Problem::new(place(), format!("`{event}` is not an event of Lambda@Edge"));
            problems.push(problem.help("the events are `viewer-request`, `viewer-response`, `origin-request` and `origin-response`"));
        }
        if function.include_body && !event.ends_with("-request") {
            problems.push(Problem::new(place(), "only the events of requests have a body"));
        }
        // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/edge-functions-restrictions.html
        if !behavior.functions.is_empty() && VIEWER_EVENTS.contains(&event.as_str()) {
            let problem = Problem::new(place(), "a behavior has either `functions` or functions of Lambda@Edge for viewer events");
            problems.push(problem.help("use `functions` for both events, or an origin event"));
        }
    }
}

pub(super) fn check_declared(declared: &Declared<'_, CloudfrontDistribution>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = partition_problem(declared.region()).into_iter().collect();
    let Some(spec) = declared.spec() else { return problems };
    if let Some(certificate) = &spec.certificate {
        let pointer = || CloudfrontDistribution::POINTERS.certificate;
        let known = declared.referenced(certificate);
        let home = declared.region().map(global_region);
        let region = match &known {
            Some((address, _)) => declared.region_of(address),
            None => certificate.get().strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).filter(|region| !region.contains("${")),
        };
        if let (Some(region), Some(home)) = (region, home)
            && region != home
        {
            let problem = Problem::new(pointer(), format!("the certificate is in {region}, and CloudFront uses those of {home} only"));
            problems.push(problem.help(format!("set `region: {home}` at the certificate")));
        }
        if let Some((address, certificate)) = known {
            let names: Vec<&DnsName> = certificate.alternative_names.iter().chain([&certificate.domain]).collect();
            let is_known = names.iter().all(|name| !name.as_str().contains("${"));
            let missing = spec.aliases.iter().filter(|alias| !alias.as_str().contains("${") && !is_covered(alias.as_str(), &names));
            problems.extend(missing.filter(|_| is_known).map(|alias| {
                let problem = Problem::new(CloudfrontDistribution::POINTERS.aliases, format!("`{address}` is not for `{alias}`"));
                problem.help("add the name to `alternative_names` of the certificate")
            }));
        }
    }
    if let Some(acl) = &spec.web_acl {
        let pointer = CloudfrontDistribution::POINTERS.web_acl;
        let help = "use a firewall with `scope: cloudfront`";
        match declared.referenced(acl) {
            Some((address, found)) if found.scope != WebAclScope::Cloudfront => {
                problems.push(Problem::new(pointer, format!("`{address}` has the scope `regional`")).help(help));
            }
            None if acl.get().contains(":regional/webacl/") => {
                problems.push(Problem::new(pointer, "the firewall has the scope `regional`").help(help));
            }
            _ => {}
        }
    }
    for (id, origin) in &spec.origins {
        let OriginAccess::Control(control) = &origin.access else { continue };
        let is_bucket_control = |kind: AccessControlledOrigin| matches!(kind, AccessControlledOrigin::S3);
        if let Some((address, control)) = declared.referenced(control)
            && is_bucket_control(control.origin_type) != (origin.kind == OriginType::S3)
        {
            let place = CloudfrontDistribution::POINTERS.origins.item(id).field(Origin::POINTERS.access);
            problems.push(Problem::new(place, format!("`{address}` is for another kind of origin")).help("compare its `origin_type`"));
        }
    }
    problems
}

/// Whether a certificate for these names is one for the alias. A wildcard stands for one label, and fits the same wildcard.
fn is_covered(alias: &str, names: &[&DnsName]) -> bool {
    let parent = alias.split_once('.').map(|(_, rest)| format!("*.{rest}"));
    names.iter().any(|name| name.as_str() == alias || Some(name.as_str()) == parent.as_deref())
}
