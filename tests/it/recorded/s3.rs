//! S3: a bucket is read in many parts, and its tags from AWS remain.

use crate::scripted_endpoint::{Answer, Script, ok, xml, xml_ownership_tags};

pub(super) fn s3_error(status: u16, code: &str, message: &str) -> Answer {
    (status, format!("<Error><Code>{code}</Code><Message>{message}</Message><RequestId>req-1</RequestId></Error>"))
}

pub(super) fn tags(more: &str) -> Answer {
    let marks = xml_ownership_tags("s3_bucket.files", "Tag", "Key", "Value");
    xml(format!("<Tagging><TagSet>{marks}{more}</TagSet></Tagging>"))
}

/// A bucket with default settings.
pub(super) fn bucket(script: Script) -> Script {
    let encrypted = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>";
    let blocks: String = ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"]
        .map(|block| format!("<{block}>true</{block}>"))
        .concat();
    let none = |code| [s3_error(404, code, "There is none.")];
    script
        .on("GET /-?versioning", [xml("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")])
        .on(
            "GET /-?encryption",
            [xml(format!("<ServerSideEncryptionConfiguration><Rule>{encrypted}</Rule></ServerSideEncryptionConfiguration>"))],
        )
        .on("GET /-?publicAccessBlock", [xml(format!("<PublicAccessBlockConfiguration>{blocks}</PublicAccessBlockConfiguration>"))])
        .on(
            "GET /-?ownershipControls",
            [xml("<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>")],
        )
        .on("GET /-?lifecycle", none("NoSuchLifecycleConfiguration"))
        .on("GET /-?policy", none("NoSuchBucketPolicy"))
        .on("GET /-?cors", none("NoSuchCORSConfiguration"))
        .on("GET /-?notification", [xml("<NotificationConfiguration/>")])
        .on("GET /-?replication", none("ReplicationConfigurationNotFoundError"))
        .on("GET /-?object-lock", none("ObjectLockConfigurationNotFoundError"))
        .on("GET /-?logging", [xml("<BucketLoggingStatus/>")])
        .on(
            "GET /-?intelligent-tiering",
            [xml("<ListBucketIntelligentTieringConfigurationsOutput><IsTruncated>false</IsTruncated></ListBucketIntelligentTieringConfigurationsOutput>")],
        )
        .on("GET /-?website", none("NoSuchWebsiteConfiguration"))
        .on("GET /-?accelerate", [xml("<AccelerateConfiguration/>")])
        .on("GET /-?requestPayment", [xml("<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>")])
}

/// A bucket created by CloudFormation has tags that can't be removed, and that a put of the complete set must repeat.
#[test]
fn keeps_aws_system_tags_when_tagging() {
    let of_aws = "<Tag><Key>aws:cloudformation:stack-name</Key><Value>old</Value></Tag>";
    let team = "<Tag><Key>team</Key><Value>web</Value></Tag>";
    let put = "PUT /-?tagging";
    let endpoint = bucket(Script::new())
        .with_tagged_resources(&[("arn:aws:s3:::shop-files", "s3_bucket.files")])
        .on("GET /-?tagging", [tags(of_aws)])
        .on(put, [xml("")])
        .after(put)
        .on("GetResources", [ok(serde_json::json!({ "ResourceTagMappingList": [] }))])
        .on("GET /-?tagging", [tags(&format!("{of_aws}{team}"))])
        .start("  s3_bucket: { files: { tags: { team: web } } }\n");
    endpoint.apply();
    assert_eq!(endpoint.writes(), [format!("200 {put}")]);
    let sent = endpoint.request_bodies(put)[0].to_string();
    for key in ["aws:cloudformation:stack-name", "team", "acme:address"] {
        assert!(sent.contains(&format!("<Key>{key}</Key>")), "`{key}` is missing in {sent}");
    }
}

/// The same stack may exist in two regions; in the index of us-east-1, only global resources matter to another region.
#[test]
fn asks_the_tagging_api_of_us_east_1_for_global_resources() {
    let endpoint = Script::new().region("eu-west-1").start("  {}\n");
    assert!(endpoint.planned_changes().is_empty());
    let types = endpoint.request_bodies("GetResources").into_iter().map(|asked| asked["ResourceTypeFilters"].to_string());
    // Resources of Cloud Control can be of any service, so the region of the stack is asked for all types.
    let (all, global): (Vec<_>, Vec<_>) = types.partition(|types| types == "null");
    assert_eq!((all.len(), global.len()), (1, 1), "{all:?} {global:?}");
    assert!(global[0].contains("route53:hostedzone") && !global[0].contains("rds:db"), "{global:?}");
}

/// The name belongs to a bucket of another account.
#[test]
fn reports_a_bucket_name_taken_by_another_account() {
    let denied = [s3_error(403, "AccessDenied", "Access Denied")];
    let endpoint = Script::new().on("GET /-?versioning", denied).start("  s3_bucket: { files: { name: files } }\n");
    let done = endpoint.run("plan", &[]);
    assert!(done.code != 0 && done.stderr.contains("the bucket `files` exists in another account"), "{}", done.combined_output());
}

/// A bucket with more objects than one call of the type deletes is emptied by several.
#[test]
fn empties_a_large_bucket_in_several_steps() {
    let page = |truncated: bool| {
        let version = "<Version><Key>a</Key><VersionId>v1</VersionId></Version>";
        xml(format!("<ListVersionsResult><IsTruncated>{truncated}</IsTruncated>{version}</ListVersionsResult>"))
    };
    let pages = std::iter::repeat_with(|| page(true)).take(23).chain([page(false)]);
    let endpoint = bucket(Script::new())
        .with_tagged_resources(&[("arn:aws:s3:::shop-files", "s3_bucket.files")])
        .on("GET /-?tagging", [tags("<Tag><Key>acme:on-delete</Key><Value>delete</Value></Tag>")])
        .on("GET /-?versions", pages)
        .on("POST /-?delete", [xml("<DeleteResult/>")])
        .on("GET /-?uploads", [xml("<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>")])
        .on("DELETE /-", [(204, String::new())])
        .after("DELETE /-")
        .on("GetResources", [ok(serde_json::json!({ "ResourceTagMappingList": [] }))])
        .start("  s3_bucket: { files: { on_delete: delete } }\n");
    let done = endpoint.run("destroy", &["--yes"]);
    assert!(done.code == 0, "{}", done.combined_output());
    let writes = endpoint.writes();
    assert_eq!(writes.iter().filter(|write| write.contains("?delete")).count(), 24, "{writes:?}");
    assert_eq!(writes.last().map(String::as_str), Some("204 DELETE /-"), "{writes:?}");
}
