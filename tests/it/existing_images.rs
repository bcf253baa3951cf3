//! Container images that a stack uses and does not own.

use serde_json::json;

use crate::{
    acme::Acme,
    composition::{folder, problems, write},
    standin::{Standin, StandinKind},
};

/// A stack with an image found by its tag, and further keys.
fn stack_with(more: &str) -> String {
    let image = "existing: { container_image: { web: { repository: shop/web, tag: v1 } } }";
    let parameters = "image: { name: /shop/image, value: '{{ existing.web.uri }}' }, digest: { value: '{{ container_image.web.digest }}' }";
    format!("stack: shop\nregion: us-east-1\n{image}\n{more}resources: {{ parameter: {{ {parameters} }} }}\n")
}

#[test]
fn an_image_is_used_by_its_digest() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let folder = folder(&[("stack.yaml", &stack_with("outputs: { image: '{{ existing.web.uri }}' }\n"))]);
    let stack = folder.path().join("stack.yaml");
    let plan = acme.run("plan", &stack, &[]);
    assert!(plan.stdout.contains("uses container_image.web: sha256:"), "{}", plan.combined_output());
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    let uri = acme.run("outputs", &stack, &["--name", "image"]).assert_success().stdout;
    assert!(uri.contains("/shop/web@sha256:"), "{uri}");
    let expanded = acme.run("show", &stack, &["--expanded"]).assert_success().stdout;
    write(folder.path(), &[("stack.yaml", &expanded)]);
    acme.assert_no_changes(&stack);
    write(folder.path(), &[("stack.yaml", &expanded.replace("tag: v1", "tag: v2"))]);
    assert_eq!(acme.plan(&stack).changes(), ["update parameter.digest", "update parameter.image"]);
    acme.destroy(&stack);
}

/// A tag that moves to another image changes what refers to it.
#[test]
#[ignore = "full run"]
fn an_image_is_used_by_its_digest_on_moto() {
    let standin = Standin::start(StandinKind::Moto);
    let acme = Acme::at_endpoint(&standin.url);
    let folder = folder(&[("stack.yaml", &stack_with(""))]);
    let stack = folder.path().join("stack.yaml");
    let missing = acme.run("plan", &stack, &[]);
    assert!(missing.code == 1 && missing.stderr.contains("there is no repository `shop/web`"), "{}", missing.combined_output());
    standin.run_boto3("client('ecr').create_repository(repositoryName='shop/web')");
    let missing = acme.run("plan", &stack, &[]);
    assert!(missing.code == 1 && missing.stderr.contains("there is no image with the tag `v1`"), "{}", missing.combined_output());
    let push = |size: usize| {
        // moto's digest of an image is that of its layers.
        let part = |media_type: &str| json!({ "mediaType": media_type, "size": size, "digest": format!("sha256:{size:064}") });
        let config = part("application/vnd.docker.container.image.v1+json");
        let layer = part("application/vnd.docker.image.rootfs.diff.tar.gzip");
        let media_type = "application/vnd.docker.distribution.manifest.v2+json";
        let manifest = json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer] }).to_string();
        let pushed = standin.run_boto3(&format!(
            "out = client('ecr').put_image(repositoryName='shop/web', imageTag='v1', imageManifest={manifest:?})['image']['imageId']['imageDigest']"
        ));
        pushed.as_str().expect("a digest").to_owned()
    };
    let value = || standin.run_boto3("out = client('ssm').get_parameter(Name='/shop/image')['Parameter']['Value']");
    let first = push(1);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    assert_eq!(value(), format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/web@{first}"));
    let second = push(2);
    assert_eq!(acme.plan(&stack).changes(), ["update parameter.digest", "update parameter.image"]);
    acme.apply(&stack);
    assert_eq!(value(), format!("123456789012.dkr.ecr.us-east-1.amazonaws.com/shop/web@{second}"));
    acme.destroy(&stack);
    let left = standin.run_boto3("out = [r['repositoryName'] for r in client('ecr').describe_repositories()['repositories']]");
    assert_eq!(left, json!(["shop/web"]));
}

#[test]
fn the_policy_for_plans_allows_the_lookup() {
    let text = stack_with("").replace("tag: v1", "tag: v1, account: '111122223333', region: eu-west-1");
    let folder = folder(&[("stack.yaml", &text)]);
    for purpose in ["plan", "apply"] {
        let policy = Acme::without_cloud().run("policy", &folder.path().join("stack.yaml"), &["--for", purpose]).assert_success().stdout;
        for text in ["ecr:DescribeImages", "arn:aws:ecr:eu-west-1:111122223333:repository/shop/web"] {
            assert!(policy.contains(text), "`{text}` is missing:\n{policy}");
        }
        assert!(!policy.contains("ecr:CreateRepository"), "{policy}");
    }
}

#[test]
fn mistakes_are_reported_at_their_lines() {
    let digest = format!("sha256:{}", "0a".repeat(32));
    let images = [
        "a: { repository: 123456789012.dkr.ecr.us-east-1.amazonaws.com/web, tag: v1 }".to_owned(),
        "b: { repository: web }".to_owned(),
        format!("c: {{ repository: web, tag: v1, digest: '{digest}' }}"),
        "d: { tag: v1 }".to_owned(),
        "e: { repository: web, digest: v1 }".to_owned(),
        "f: { repository: web, tag: v1, account: shared }".to_owned(),
        "g: { repository: web, tags: v1 }".to_owned(),
    ];
    let images: String = images.iter().map(|image| format!("    {image}\n")).collect();
    let resources = "resources:\n  parameter:\n    x: { value: '{{ existing.f.url }}' }\n    y: { value: '{{ container_image.z.uri }}' }\n";
    let text = format!("stack: shop\nregion: us-east-1\nexisting:\n  container_image:\n{images}{resources}");
    let folder = folder(&[("stack.yaml", &text)]);
    let found = problems(folder.path(), &[]);
    for text in [
        "stack.yaml:5:22",
        "is not a valid name of a repository",
        "`container_image.b` has neither tag nor digest",
        "`container_image.c` has a tag and a digest",
        "`container_image.d` has no `repository`",
        "`v1` is not a valid digest",
        "`shared` is not a valid account id",
        "there is no key `tags` here",
        "refers to the output `url`, which `container_image.f` does not have",
        "refers to the unknown container image `z`",
    ] {
        assert!(found.contains(text), "`{text}` is missing:\n{found}");
    }
}
