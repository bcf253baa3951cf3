//! `trail`: a trail of CloudTrail, with a bucket for its files and, if wanted, a log group.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, field_names, is_set};
use crate::{
    aws::{self, types::resource_type},
    core::OnDelete,
    definition::{default_name, name_prefix},
};

/// Fields of the trail in addition to those of `trail`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrailFields {
    /// Days after which files are deleted from the dedicated bucket. Default: never.
    #[serde(default)]
    pub keep_days: Option<u16>,
    /// Treatment of that bucket if it is removed from the definition while it holds files: `retain` or `delete`. Default: acme refuses to
    /// delete it.
    #[serde(default)]
    pub on_delete: Option<OnDelete>,
    /// Sends the events to a dedicated log group, too, which keeps them for these days. Default: no log group.
    #[serde(default)]
    pub log_retention_days: Option<u16>,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(mut fields) = out.parse_fields(value, at) else { return };
    let own: TrailFields = out.take_own_fields(&mut fields, at, "`trail`").unwrap_or_default();
    let (own_bucket, own_logs) = (!is_set(&fields, "bucket"), own.log_retention_days.is_some());
    let conflicts = [
        ("keep_days", own.keep_days.is_some() && !own_bucket, "bucket"),
        ("on_delete", own.on_delete.is_some() && !own_bucket, "bucket"),
        ("log_retention_days", own_logs && is_set(&fields, "log_group"), "log group"),
    ];
    for (field, _, noun) in conflicts.into_iter().filter(|(_, conflicts, _)| *conflicts) {
        let message = format!("`{field}` configures a dedicated {noun}, but this trail has another one");
        let help = format!("remove the line, or configure the {noun} itself");
        out.compiler.problem_at_key("trail", &format!("{at}/{field}"), message, help);
    }
    let name = fields.get("name").and_then(Value::as_str).map(str::to_owned);
    if own_bucket {
        let name = name.or_else(|| generated_name(out)).unwrap_or_default();
        let prefix = fields.get("prefix").and_then(Value::as_str).filter(|prefix| !prefix.is_empty());
        let policy = bucket_policy(out, &name, prefix.map(|prefix| format!("{prefix}/")).unwrap_or_default().as_str(), at);
        let rules = own.keep_days.map_or(json!({}), |days| json!({ "old-files": { "expire_days": days } }));
        let spec = json!({ "policy": policy, "on_delete": own.on_delete, "lifecycle_rules": rules, "versioning": false });
        if let Some(draft) = out.add_generated("s3_bucket", "trail", spec, at) {
            draft.pointer_overrides.push(("/lifecycle_rules".into(), format!("{at}/keep_days")));
        }
        fields.insert("bucket".into(), "trail".into());
    }
    if let Some(days) = own.log_retention_days.filter(|_| !is_set(&fields, "log_group")) {
        let logs = json!({ "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "${log_group.trail.arn}:log-stream:*" });
        let role = json!({
            "description": "Lets CloudTrail write to its log group", "trust": { "services": ["cloudtrail.amazonaws.com"] },
            "inline_policies": { "logs": { "Statement": [logs] } },
        });
        if let Some(draft) = out.add_generated("log_group", "trail", json!({ "retention_days": days }), at) {
            draft.pointer_overrides.push(("/retention_days".into(), format!("{at}/log_retention_days")));
        }
        out.add_generated("iam_role", "trail", role, at);
        fields.insert("log_group".into(), "trail".into());
        fields.insert("log_role".into(), "trail".into());
    }
    if let Some(draft) = out.add_resource("trail", "main", fields, at) {
        draft.extra_fields = field_names::<TrailFields>();
    }
}

/// Name that the trail gets if it has none. The policy of its bucket names it, and must be there before it.
fn generated_name(out: &Expansion<'_, '_>) -> Option<String> {
    let naming = resource_type("trail")?.naming?;
    let name = format!("{}main", out.compiler.prefix);
    Some(default_name(&name_prefix(out.frame.stack, out.frame.environment), &name, naming, "", "", ""))
}

/// Bucket policy that allows CloudTrail to write this trail's files.
///
/// Source: <https://docs.aws.amazon.com/awscloudtrail/latest/userguide/create-s3-bucket-policy-for-cloudtrail.html>
fn bucket_policy(out: &mut Expansion<'_, '_>, trail: &str, prefix: &str, at: &str) -> Value {
    let region = out.frame.region.unwrap_or("*");
    let partition = aws::partition(region);
    let account = out.compiler.render(&"{{ account }}".into(), at);
    let account = account.as_str().unwrap_or_default();
    let bucket = format!("arn:{partition}:s3:::${{s3_bucket.trail.name}}");
    let source = json!({ "aws:SourceArn": format!("arn:{partition}:cloudtrail:{region}:{account}:trail/{trail}") });
    let principal = json!({ "Service": "cloudtrail.amazonaws.com" });
    json!({ "Statement": [
        {
            "Sid": "AWSCloudTrailAclCheck", "Effect": "Allow", "Principal": principal, "Action": "s3:GetBucketAcl", "Resource": bucket,
            "Condition": { "ArnLike": source },
        },
        {
            "Sid": "AWSCloudTrailWrite", "Effect": "Allow", "Principal": principal, "Action": "s3:PutObject",
            "Resource": format!("{bucket}/{prefix}AWSLogs/{account}/*"),
            "Condition": { "ArnLike": source, "StringEquals": { "s3:x-amz-acl": "bucket-owner-full-control" } },
        },
    ] })
}
