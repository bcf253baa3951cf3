//! ECR: what is archived counts as held.

use serde_json::json;

use crate::script::{Script, ok};

/// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ListImagesFilter.html>: "If not specified, only images with ACTIVE status
/// are returned".
#[test]
fn archived_images_are_not_deleted_unasked() {
    let arn = "arn:aws:ecr:us-east-1:123456789012:repository/shop-main";
    let endpoint = Script::new()
        .indexed(&[(arn, "ecr_repository.main")])
        .on("DescribeRepositories", [ok(json!({ "repositories": [{ "repositoryName": "shop-main", "repositoryArn": arn }] }))])
        .on("ListImages", [ok(json!({ "imageIds": [] }))])
        .on_text("ListImages", "\"imageStatus\":\"ANY\"", [ok(json!({ "imageIds": [{ "imageDigest": "sha256:0a" }] }))])
        .start("  ecr_repository: { main: {} }\n");
    let done = endpoint.run("destroy", &["--yes"]);
    assert!(done.screen().contains("1 image"), "{}", done.screen());
    assert_eq!(endpoint.writes(), Vec::<String>::new());
}
