//! S3: settings of buckets that few stand-ins have, and the order in which S3 accepts them.

use serde_json::Value;

use super::s3::{bucket, s3_error, tags};
use crate::scripted_endpoint::{Endpoint, Script, xml};

/// A bucket of the stack.
fn script() -> Script {
    bucket(Script::new()).with_tagged_resources(&[("arn:aws:s3:::shop-files", "s3_bucket.files")]).on("GET /-?tagging", [tags("")])
}

fn sent(endpoint: &Endpoint, action: &str) -> Vec<String> {
    endpoint.request_bodies(action).into_iter().map(|body| body.as_str().map(str::to_owned).unwrap_or_else(|| body.to_string())).collect()
}

const PUT_NOTIFICATION: &str = "PUT /-?notification";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:jobs";

fn notifications(inside: &str) -> crate::scripted_endpoint::Answer {
    xml(format!("<NotificationConfiguration>{inside}</NotificationConfiguration>"))
}

/// S3 sends a test message to each destination, whose policy is not visible everywhere yet. The configuration of others is replaced, after a
/// plan that shows it.
#[test]
fn waits_for_the_policy_of_a_destination_and_shows_notifications_of_others() {
    let foreign = "<TopicConfiguration><Id>theirs</Id><Topic>arn:aws:sns:us-east-1:123456789012:news</Topic>\
                   <Event>s3:ObjectRemoved:*</Event></TopicConfiguration>";
    let ours = format!(
        "<QueueConfiguration><Id>images</Id><Queue>{QUEUE}</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key>\
         <FilterRule><Name>Prefix</Name><Value>images/</Value></FilterRule></S3Key></Filter></QueueConfiguration><EventBridgeConfiguration/>"
    );
    let not_yet = s3_error(400, "InvalidArgument", "Unable to validate the following destination configurations");
    let endpoint = script()
        .on("GET /-?notification", [notifications(foreign)])
        .on(PUT_NOTIFICATION, [not_yet, xml("")])
        .after(PUT_NOTIFICATION)
        .on("GET /-?notification", [notifications(&ours)])
        .start(&format!(
            "  s3_bucket: {{ files: {{ notifications: {{ event_bridge: true, rules: {{
               images: {{ queue: '{QUEUE}', events: ['s3:ObjectCreated:*'], prefix: images/ }} }} }} }} }}\n"
        ));
    let plan = endpoint.run("plan", &[]).assert_success();
    assert!(plan.stdout.contains("theirs"), "{}", plan.stdout);
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("400 {PUT_NOTIFICATION}"), format!("200 {PUT_NOTIFICATION}")]);
    let sent = &sent(&endpoint, PUT_NOTIFICATION)[1];
    assert!(sent.contains("<Id>images</Id>") && sent.contains("<EventBridgeConfiguration>") && !sent.contains("theirs"), "{sent}");
}

const ROLE: &str = "arn:aws:iam::123456789012:role/copier";

fn replication(rule: &str) -> crate::scripted_endpoint::Answer {
    xml(format!("<ReplicationConfiguration><Role>{ROLE}</Role><Rule><ID>all</ID>{rule}</Rule></ReplicationConfiguration>"))
}

/// S3 rejects replication without versions, and the suspension of versions with replication.
#[test]
fn ends_replication_before_it_suspends_versioning() {
    let rule = "<Priority>1</Priority><Status>Enabled</Status><Filter><Prefix/></Filter><DeleteMarkerReplication><Status>Disabled</Status>\
                </DeleteMarkerReplication><Destination><Bucket>arn:aws:s3:::copies</Bucket></Destination>";
    let (put_versions, put, delete) = ("PUT /-?versioning", "PUT /-?replication", "DELETE /-?replication");
    let suspended = || xml("<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>");
    let enabled = || xml("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>");
    let none = || s3_error(404, "ReplicationConfigurationNotFoundError", "There is none.");
    let not_yet = s3_error(400, "InvalidRequest", "Versioning must be 'Enabled' on the bucket to apply a replication configuration");
    let definition = |more: &str| format!("  s3_bucket: {{ files: {{ {more} }} }}\n");
    let replicating = format!("replication: {{ role: '{ROLE}', rules: {{ all: {{ priority: 1, bucket: 'arn:aws:s3:::copies' }} }} }}");
    let endpoint = script()
        .on("GET /-?versioning", [suspended()])
        .on(put_versions, [xml("")])
        .on(put, [not_yet, xml("")])
        .after(put)
        .on("GET /-?versioning", [enabled()])
        .on("GET /-?replication", [replication(rule)])
        .on(delete, [(204, String::new())])
        .after(delete)
        .on("GET /-?replication", [none()])
        .after(put_versions)
        .on("GET /-?versioning", [suspended()])
        .start(&definition(&replicating));
    endpoint.apply();
    let put_body = &sent(&endpoint, put)[1];
    assert!(put_body.contains("<Priority>1</Priority>") && put_body.contains("<DeleteMarkerReplication><Status>Disabled"), "{put_body}");
    endpoint.redefine(&definition("versioning: false"));
    endpoint.apply();
    let writes = endpoint.writes();
    let calls: Vec<&str> = writes.iter().filter_map(|write| write.split_once(' ')).map(|(_, call)| call).collect();
    // The versions that S3 did not know of yet are set again.
    assert_eq!(calls, [put_versions, put, put_versions, put, delete, put_versions]);
}

/// A second page, and configurations that differ, each with a call of its own.
#[test]
fn changes_only_the_archive_tiers_that_differ() {
    let tiers = |id: &str, days: u32| {
        format!(
            "<IntelligentTieringConfiguration><Id>{id}</Id><Status>Enabled</Status><Tiering><Days>{days}</Days>\
             <AccessTier>ARCHIVE_ACCESS</AccessTier></Tiering></IntelligentTieringConfiguration>"
        )
    };
    let page = |truncated: bool, inside: &str| {
        let next = if truncated { "<NextContinuationToken>more</NextContinuationToken>" } else { "" };
        xml(format!(
            "<ListBucketIntelligentTieringConfigurationsOutput><IsTruncated>{truncated}</IsTruncated>{next}{inside}\
             </ListBucketIntelligentTieringConfigurationsOutput>"
        ))
    };
    let (list, put, delete) = ("GET /-?intelligent-tiering", "PUT /-?intelligent-tiering&id", "DELETE /-?intelligent-tiering&id");
    let next = "GET /-?continuation-token&intelligent-tiering";
    let next_too = "GET /-?intelligent-tiering&continuation-token";
    let second = || page(false, &format!("{}{}", tiers("same", 100), tiers("gone", 120)));
    let endpoint = script()
        .on(list, [page(true, &tiers("old", 90))])
        .on(next, [second()])
        .on(next_too, [second()])
        .on(put, [xml("")])
        .on(delete, [(204, String::new())])
        .after(put)
        .on(list, [page(false, &format!("{}{}", tiers("old", 200), tiers("same", 100)))])
        .start("  s3_bucket: { files: { intelligent_tiering: { old: { archive_days: 200 }, same: { archive_days: 100 } } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("204 {delete}"), format!("200 {put}")]);
    let sent = &sent(&endpoint, put)[0];
    assert!(sent.contains("<Id>old</Id>") && sent.contains("<Days>200</Days>"), "{sent}");
}

/// Who pays can be read only from AWS: a stand-in answers with objects.
#[test]
fn sets_who_pays_and_acceleration() {
    let (payer, accelerate) = ("PUT /-?requestPayment", "PUT /-?accelerate");
    let endpoint = script()
        .on(payer, [xml("")])
        .on(accelerate, [xml("")])
        .after(payer)
        .on("GET /-?requestPayment", [xml("<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>")])
        .on("GET /-?accelerate", [xml("<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>")])
        .start("  s3_bucket: { files: { requester_pays: true, transfer_acceleration: true } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {accelerate}"), format!("200 {payer}")]);
}

/// An existing bucket gets Object Lock, and never loses it.
#[test]
fn locks_the_objects_of_an_existing_bucket_for_good() {
    let put = "PUT /-?object-lock";
    let locked = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>GOVERNANCE</Mode>\
                  <Days>30</Days></DefaultRetention></Rule></ObjectLockConfiguration>";
    let endpoint = script()
        .on(put, [xml("")])
        .after(put)
        .on("GET /-?object-lock", [xml(locked)])
        .start("  s3_bucket: { files: { object_lock: { mode: GOVERNANCE, days: 30 } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {put}")]);
    let body: &Value = &endpoint.request_bodies(put)[0];
    assert!(body.to_string().contains("<Days>30</Days>"), "{body}");
    endpoint.redefine("  s3_bucket: { files: {} }\n");
    let done = endpoint.run("plan", &[]);
    assert!(done.code != 0 && done.combined_output().contains("S3 never ends the Object Lock of a bucket"), "{}", done.combined_output());
}
