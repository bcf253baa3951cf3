//! ECR: archived images count as contents, and images are found by tag or digest.

use serde_json::json;

use crate::scripted_endpoint::{Script, json_error, ok};

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

const DIGEST: &str = "sha256:0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a";

/// A stack that writes the URI of an image, found by this version, into a parameter.
fn image_stack(version: &str) -> String {
    format!(
        "  parameter: {{ image: {{ value: '{{{{ existing.web.uri }}}}' }} }}\nexisting:\n  container_image:\n    web: {{ repository: shop/web, {version} }}\n"
    )
}

fn image_detail(account: &str, status: &str) -> serde_json::Value {
    json!({ "registryId": account, "repositoryName": "shop/web", "imageDigest": DIGEST, "imageTags": ["v1"], "imageStatus": status })
}

/// <https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html>: a request with `imageIds` must have neither
/// `maxResults` nor `nextToken`, so it has one page.
#[test]
fn finds_an_image_by_tag_or_digest_in_one_call() {
    for (version, id) in [("tag: v1", json!({ "imageTag": "v1" })), (&*format!("digest: '{DIGEST}'"), json!({ "imageDigest": DIGEST }))] {
        let endpoint = Script::new()
            .on("DescribeImages", [ok(json!({ "imageDetails": [image_detail("123456789012", "ACTIVE")] }))])
            .start(&image_stack(version));
        let plan = endpoint.run("plan", &["-o", "json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan.stdout).expect("a plan");
        assert_eq!(plan["existing"], json!([{ "address": "container_image.web", "ids": [DIGEST] }]));
        let uri = format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/web@{DIGEST}");
        assert!(plan.to_string().contains(&uri), "{plan:#}");
        assert_eq!(endpoint.request_bodies("DescribeImages"), [json!({ "repositoryName": "shop/web", "imageIds": [id] })]);
        assert_eq!(endpoint.writes(), Vec::<String>::new());
    }
}

#[test]
fn finds_an_image_of_another_account_in_another_region() {
    let endpoint = Script::new()
        .on("DescribeImages", [ok(json!({ "imageDetails": [image_detail("111122223333", "ACTIVE")] }))])
        .start(&image_stack("tag: v1, account: '111122223333', region: eu-west-1"));
    let plan = endpoint.run("plan", &["-o", "json"]);
    let uri = format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/shop/web@{DIGEST}");
    assert!(plan.stdout.contains(&uri), "{}", plan.combined_output());
    assert_eq!(endpoint.request_bodies("DescribeImages")[0]["registryId"], "111122223333");
    assert!(endpoint.request_headers("DescribeImages", "authorization")[0].contains("/eu-west-1/ecr/"));
}

#[test]
fn explains_why_an_image_can_not_be_used() {
    let archived = ok(json!({ "imageDetails": [image_detail("123456789012", "ARCHIVED")] }));
    for (answer, message) in [
        (
            json_error(400, "ImageNotFoundException", "The image with imageId {imageTag:'v1'} does not exist"),
            "there is no image with the tag `v1` in the repository `shop/web`",
        ),
        (json_error(400, "RepositoryNotFoundException", "The repository does not exist"), "there is no repository `shop/web`"),
        (json_error(400, "AccessDeniedException", "not authorized to perform: ecr:DescribeImages"), "not authorized to perform"),
        (archived, "the image with the tag `v1` in the repository `shop/web` is archived"),
    ] {
        let endpoint = Script::new().on("DescribeImages", [answer]).start(&image_stack("tag: v1"));
        let done = endpoint.run("plan", &[]);
        assert!(done.code == 1 && done.stderr.contains(message), "`{message}` is missing:\n{}", done.combined_output());
        assert!(done.stderr.contains("stack.yaml:7:5"), "{}", done.stderr);
    }
}
