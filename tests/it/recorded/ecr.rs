//! ECR: archived images count as contents.

use serde_json::json;

use crate::scripted_endpoint::{Script, ok};

/// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImagesFilter.html>: "If not specified, only images with ACTIVE status
/// are returned".
#[test]
fn does_not_delete_archived_images_without_consent() {
    let arn = "arn:aws:ecr:us-east-1:123456789012:repository/shop-main";
    let endpoint = Script::new()
        .with_tagged_resources(&[(arn, "ecr_repository.main")])
        .on("DescribeRepositories", [ok(json!({ "repositories": [{ "repositoryName": "shop-main", "repositoryArn": arn }] }))])
        .on("ListImages", [ok(json!({ "imageIds": [] }))])
        .on_containing("ListImages", "\"imageStatus\":\"ANY\"", [ok(json!({ "imageIds": [{ "imageDigest": "sha256:0a" }] }))])
        .start("  ecr_repository: { main: {} }\n");
    let done = endpoint.run("destroy", &["--yes"]);
    assert!(done.combined_output().contains("1 image"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), Vec::<String>::new());
}
