//! `cdn`: distributions of CloudFront. Unless `origins` is set, each delivers a dedicated bucket, which admits only it, or a server. With
//! `zone`, it gets a certificate and DNS records for its aliases.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, Fields, SectionEntry, field_names, set_default};
use crate::{aws, core::OnDelete};

/// Fields of a distribution in addition to those of `cloudfront_distribution`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cdn {
    /// Host name of the server whose contents are delivered, over HTTPS, such as `{{ load_balancers.web.dns_name }}`. Its id among the
    /// origins is `server`. Its responses are not cached, and it gets requests of all methods with all headers, unless `default_behavior` is
    /// set. Default: a dedicated bucket, with the id `bucket`.
    #[serde(default)]
    pub server: Option<String>,
    /// Zone in which acme creates the records of `aliases`, and those that validate their certificate. Default: none.
    #[serde(default)]
    pub zone: Option<Value>,
    /// Treatment of the dedicated bucket if it is removed from the definition while it holds files: `retain` or `delete`. Default: acme
    /// refuses to delete it.
    #[serde(default)]
    pub on_delete: Option<OnDelete>,
}

/// Region of certificates of distributions:
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cnames-and-https-requirements.html>.
const CERTIFICATE_REGION: &str = "us-east-1";

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let own: Cdn = out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default();
        let has_origins = entry.is_set("origins");
        for (field, _) in
            [("server", own.server.is_some()), ("on_delete", own.on_delete.is_some())].iter().filter(|(_, set)| *set && has_origins)
        {
            let message = format!("`{field}` is for the origin that acme adds, but this distribution has `origins`");
            out.compiler.problem_at_key("cdn", &format!("{}/{field}", entry.pointer), message, "remove one of the two");
        }
        match &own.server {
            Some(server) if !has_origins => set_server(&mut entry.fields, server),
            None if !has_origins => add_bucket(out, &mut entry, own.on_delete),
            _ => {}
        }
        if let Some(zone) = own.zone {
            add_certificate_and_records(out, &mut entry, &zone);
        }
        if let Some(draft) = out.add_resource("cloudfront_distribution", entry.name, entry.fields, &entry.pointer) {
            draft.extra_fields = field_names::<Cdn>();
            if own.server.is_some() {
                draft.pointer_overrides.push(("/origins/server/domain".into(), format!("{}/server", draft.pointer)));
            }
        }
    }
}

/// The server decides about every request: a cache that ignores cookies would mix up users.
fn set_server(fields: &mut Fields, server: &str) {
    fields.insert("origins".into(), json!({ "server": { "domain": server, "type": { "custom": {} } } }));
    let behavior = json!({
        "origin": "server", "methods": "all", "cache_policy": { "managed": "CachingDisabled" },
        "origin_request_policy": { "managed": "AllViewer" },
    });
    set_default(fields, "default_behavior", behavior);
}

fn add_bucket(out: &mut Expansion<'_, '_>, entry: &mut SectionEntry, on_delete: Option<OnDelete>) {
    let name = format!("cdn-{}", entry.name);
    let partition = aws::partition(out.frame.region.unwrap_or("*"));
    // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/private-content-restricting-access-to-s3.html
    let read = json!({
        "Sid": "AllowCloudFrontServicePrincipal", "Effect": "Allow", "Principal": { "Service": "cloudfront.amazonaws.com" },
        "Action": "s3:GetObject", "Resource": format!("arn:{partition}:s3:::${{s3_bucket.{name}.name}}/*"),
        "Condition": { "StringEquals": { "AWS:SourceArn": format!("${{cloudfront_distribution.{}.arn}}", entry.name) } },
    });
    let bucket = json!({ "policy": { "Statement": [read] }, "on_delete": on_delete });
    if let Some(draft) = out.add_generated("s3_bucket", &name, bucket, &entry.pointer) {
        draft.pointer_overrides.push(("/on_delete".into(), format!("{}/on_delete", entry.pointer)));
    }
    let description = format!("Bucket of the distribution {}", entry.name);
    out.add_generated("cloudfront_access_control", &name, json!({ "description": description }), &entry.pointer);
    let domain = format!("${{s3_bucket.{name}.regional_domain_name}}");
    let origin = json!({ "domain": domain, "access": { "control": name } });
    entry.fields.insert("origins".into(), json!({ "bucket": origin }));
    set_default(&mut entry.fields, "default_behavior", json!({ "origin": "bucket" }));
    set_default(&mut entry.fields, "root_object", "index.html");
}

fn add_certificate_and_records(out: &mut Expansion<'_, '_>, entry: &mut SectionEntry, zone: &Value) {
    let aliases: Vec<String> =
        entry.fields.get("aliases").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let zone_at = format!("{}/zone", entry.pointer);
    let Some((first, others)) = aliases.split_first() else {
        out.compiler.problem_at_key(
            "cdn",
            &zone_at,
            "`zone` is for the records of `aliases`, but there are none",
            "add `aliases: [www.example.com]`",
        );
        return;
    };
    if !entry.is_set("certificate") && !entry.is_set("iam_certificate") {
        let name = format!("cdn-{}", entry.name);
        let spec = json!({ "domain": first, "alternative_names": others, "zone": zone, "region": CERTIFICATE_REGION });
        if let Some(draft) = out.add_generated("certificate", &name, spec, &format!("{}/aliases", entry.pointer)) {
            draft.pointer_overrides.push(("/zone".into(), zone_at.clone()));
        }
        entry.fields.insert("certificate".into(), name.into());
    }
    let output = |output: &str| format!("${{cloudfront_distribution.{}.{output}}}", entry.name);
    let target = json!({ "target": output("domain_name"), "zone_id": output("zone_id") });
    let ipv6 = entry.fields.get("ipv6").and_then(Value::as_bool).unwrap_or(true);
    for alias in &aliases {
        for (kind, suffix) in [("A", ""), ("AAAA", "-ipv6")].into_iter().take(if ipv6 { 2 } else { 1 }) {
            let spec = json!({ "zone": zone, "domain": alias, "type": kind, "alias": target });
            if let Some(draft) =
                out.add_generated("dns_record", format!("cdn-{alias}{suffix}"), spec, &format!("{}/aliases", entry.pointer))
            {
                draft.pointer_overrides.push(("/zone".into(), zone_at.clone()));
            }
        }
    }
}
