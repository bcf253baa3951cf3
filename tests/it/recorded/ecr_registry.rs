//! Registries, pull-through caches and templates of repositories: settings without tags, whose owner a parameter names.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, ok, ownership_tags};

const ACCOUNT: &str = "123456789012";

fn owner(address: &str, stack: &str) -> String {
    let order = ["acme:stack", "acme:environment", "acme:address"];
    let tags = ownership_tags(address);
    let text: Vec<String> = order.iter().map(|key| format!("{key}={}", tags[key])).collect();
    text.join(",").replace("acme:stack=shop", &format!("acme:stack={stack}"))
}

fn parameter(text: &str) -> Answer {
    ok(json!({ "Parameter": { "Name": "/acme/ownership/ecr_registry/private", "Value": text, "Type": "String" } }))
}

fn no_parameter() -> Answer {
    json_error(400, "ParameterNotFound", "There is no such parameter.")
}

fn replication(regions: &[&str]) -> Answer {
    let to: Vec<Value> = regions.iter().map(|region| json!({ "region": region, "registryId": ACCOUNT })).collect();
    let rules = if to.is_empty() { json!([]) } else { json!([{ "destinations": to }]) };
    ok(json!({ "registryId": ACCOUNT, "replicationConfiguration": { "rules": rules } }))
}

/// A registry with AWS's defaults and this replication.
fn registry(regions: &[&str]) -> Script {
    Script::new()
        .on("DescribeRegistry", [replication(regions)])
        .on("GetRegistryPolicy", [json_error(400, "RegistryPolicyNotFoundException", "There is none.")])
        .on(
            "GetRegistryScanningConfiguration",
            [ok(json!({ "registryId": ACCOUNT, "scanningConfiguration": { "scanType": "BASIC", "rules": [] } }))],
        )
}

const REPLICATED: &str =
    "  ecr_registry: { main: { replication: [{ destinations: [{ region: us-west-2, account: '123456789012' }] }] } }\n";

#[test]
fn a_registry_is_claimed_before_it_is_changed_and_keeps_its_settings_afterwards() {
    let ours = owner("ecr_registry.main", "shop");
    let endpoint = registry(&[])
        .on("GetParameter", [no_parameter()])
        .on("PutParameter", [ok(json!({ "Version": 1 }))])
        .on("PutReplicationConfiguration", [ok(json!({}))])
        .on("DeleteParameter", [ok(json!({}))])
        .after("PutParameter")
        .on("GetParameter", [parameter(&ours)])
        .after("PutReplicationConfiguration")
        .on("DescribeRegistry", [replication(&["us-west-2"])])
        .after("DeleteParameter")
        .on("GetParameter", [no_parameter()])
        .start(REPLICATED);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 PutParameter", "200 PutReplicationConfiguration"]);
    let claim = &endpoint.request_bodies("PutParameter")[0];
    assert_eq!((&claim["Value"], &claim["Overwrite"]), (&json!(ours), &json!(false)), "{claim}");
    let plan = endpoint.run("plan", &["--destroy"]).assert_success();
    assert!(plan.stdout.contains("the registry keeps its settings"), "{}", plan.stdout);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes()[2..], ["200 DeleteParameter"]);
}

#[test]
fn settings_of_others_are_not_taken_over() {
    let other = owner("ecr_registry.main", "platform");
    for (found, expected) in
        [(no_parameter(), "exists but is not part of this stack"), (parameter(&other), "belongs to the stack platform")]
    {
        let endpoint = registry(&["eu-west-1"]).on("GetParameter", [found]).start(REPLICATED);
        let done = endpoint.run("apply", &["--yes"]);
        assert!(done.code != 0 && done.combined_output().contains(expected), "{}", done.combined_output());
        assert_eq!(endpoint.writes(), Vec::<String>::new());
    }
}

/// Two stacks claim the registry at the same time: Systems Manager lets one win.
#[test]
fn one_of_two_stacks_gets_the_registry() {
    let taken = json_error(400, "ParameterAlreadyExists", "The parameter already exists.");
    let endpoint = registry(&[])
        .on("GetParameter", [no_parameter(), no_parameter(), parameter(&owner("ecr_registry.main", "platform"))])
        .on("PutParameter", [taken])
        .start(REPLICATED);
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0, "{}", done.combined_output());
    assert!(endpoint.writes().iter().all(|write| write == "400 PutParameter"), "{:?}", endpoint.writes());
}

const SECRET: &str = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf";

fn rules(secret: &str) -> Answer {
    ok(json!({ "pullThroughCacheRules": [{
        "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "registry-1.docker.io", "upstreamRegistry": "docker-hub",
        "registryId": ACCOUNT, "credentialArn": secret,
    }] }))
}

fn cache(secret: &str) -> String {
    format!("  ecr_pull_through_cache: {{ hub: {{ prefix: hub, upstream: docker-hub, secret: '{secret}' }} }}\n")
}

/// The owner of a resource that is called by its prefix.
fn owners(address: &str) -> Answer {
    let id = address.replace('.', "/");
    ok(json!({ "Parameters": [{ "Name": format!("/acme/ownership/{id}"), "Value": owner(address, "shop"), "Type": "String" }] }))
}

#[test]
fn a_pull_through_cache_lives_from_its_claim_to_its_release() {
    let (create, delete) = ("CreatePullThroughCacheRule", "DeletePullThroughCacheRule");
    let none = || ok(json!({ "pullThroughCacheRules": [] }));
    let other = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/other-AbCdEf";
    let endpoint = Script::new()
        .on("DescribePullThroughCacheRules", [none()])
        .on("GetParametersByPath", [owners("ecr_pull_through_cache.hub")])
        .on("PutParameter", [ok(json!({ "Version": 1 }))])
        .on(create, [ok(json!({}))])
        .on("UpdatePullThroughCacheRule", [ok(json!({}))])
        .on(delete, [ok(json!({}))])
        .on("DeleteParameter", [ok(json!({}))])
        .after(create)
        .on("DescribePullThroughCacheRules", [rules(SECRET)])
        .after("UpdatePullThroughCacheRule")
        .on("DescribePullThroughCacheRules", [rules(other)])
        .after(delete)
        .on("DescribePullThroughCacheRules", [none()])
        .start(&cache(SECRET));
    endpoint.apply();
    endpoint.redefine(&cache(other));
    endpoint.apply();
    endpoint.run("destroy", &["--yes"]).assert_success();
    let expected = ["PutParameter", create, "UpdatePullThroughCacheRule", delete, "DeleteParameter"];
    assert_eq!(endpoint.writes(), expected.map(|call| format!("200 {call}")));
    let sent = &endpoint.request_bodies(create)[0];
    assert_eq!((&sent["upstreamRegistryUrl"], &sent["credentialArn"]), (&json!("registry-1.docker.io"), &json!(SECRET)));
}

/// A rule that AWS rejects leaves no claim.
#[test]
fn a_rejected_pull_through_cache_is_released() {
    let refused = json_error(400, "UnableToAccessSecretException", "The secret can't be read.");
    let endpoint = Script::new()
        .on("DescribePullThroughCacheRules", [ok(json!({ "pullThroughCacheRules": [] }))])
        .on("GetParametersByPath", [ok(json!({ "Parameters": [] }))])
        .on("PutParameter", [ok(json!({ "Version": 1 }))])
        .on("CreatePullThroughCacheRule", [refused])
        .on("DeleteParameter", [ok(json!({}))])
        .start(&cache(SECRET));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("UnableToAccessSecretException"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 PutParameter", "400 CreatePullThroughCacheRule", "200 DeleteParameter"]);
}

#[test]
fn a_secret_for_a_pull_through_cache_has_ecr_s_prefix() {
    let endpoint = Script::new()
        .start("  secret: { hub: { name: hub } }\n  ecr_pull_through_cache: { hub: { prefix: hub, upstream: docker-hub, secret: hub } }\n");
    let done = endpoint.run("plan", &[]);
    assert!(done.code != 0 && done.combined_output().contains("does not begin with `ecr-pullthroughcache/`"), "{}", done.combined_output());
}

const EXPIRY: &str = r#"{ rules: [{ rulePriority: 1, selection: { tagStatus: untagged, countType: imageCountMoreThan, countNumber: 5 }, action: { type: expire } }] }"#;

fn template(more: &str) -> String {
    format!("  ecr_creation_template: {{ copies: {{ prefix: copies, applied_for: [REPLICATION]{more} }} }}\n")
}

fn templates(more: Value) -> Answer {
    let mut template = json!({
        "prefix": "copies", "appliedFor": ["REPLICATION"], "imageTagMutability": "MUTABLE",
        "encryptionConfiguration": { "encryptionType": "AES256" },
    });
    template.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    ok(json!({ "registryId": ACCOUNT, "repositoryCreationTemplates": [template] }))
}

/// The second page has the template. What a change leaves out stays; an empty text removes a policy.
#[test]
fn a_creation_template_lives_from_its_claim_to_its_release() {
    let (create, update) = ("CreateRepositoryCreationTemplate", "UpdateRepositoryCreationTemplate");
    let (describe, delete) = ("DescribeRepositoryCreationTemplates", "DeleteRepositoryCreationTemplate");
    let none = || ok(json!({ "registryId": ACCOUNT, "repositoryCreationTemplates": [] }));
    let expiry = json!({ "rules": [{
        "rulePriority": 1, "selection": { "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 5 },
        "action": { "type": "expire" },
    }] });
    let page = ok(json!({ "registryId": ACCOUNT, "repositoryCreationTemplates": [], "nextToken": "more" }));
    let endpoint = Script::new()
        .on(describe, [none()])
        .on("GetParametersByPath", [owners("ecr_creation_template.copies")])
        .on("PutParameter", [ok(json!({ "Version": 1 }))])
        .on(create, [ok(json!({ "registryId": ACCOUNT }))])
        .on(update, [ok(json!({ "registryId": ACCOUNT }))])
        .on(delete, [ok(json!({ "registryId": ACCOUNT }))])
        .on("DeleteParameter", [ok(json!({}))])
        .after(create)
        .on(describe, [templates(json!({ "lifecyclePolicy": expiry.to_string() }))])
        .after(update)
        .on(
            describe,
            [page, templates(json!({ "imageTagMutability": "IMMUTABLE" })), templates(json!({ "imageTagMutability": "IMMUTABLE" }))],
        )
        .after(delete)
        .on(describe, [none()])
        .start(&template(&format!(", lifecycle_policy: {EXPIRY}")));
    endpoint.apply();
    endpoint.redefine(&template(", immutable_tags: true"));
    endpoint.apply();
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["PutParameter", create, update, delete, "DeleteParameter"].map(|call| format!("200 {call}")));
    let sent = &endpoint.request_bodies(create)[0];
    assert_eq!(sent["appliedFor"], json!(["REPLICATION"]));
    assert_eq!(sent["lifecyclePolicy"].as_str().map(|text| serde_json::from_str::<Value>(text).expect("JSON")), Some(expiry));
    let sent = &endpoint.request_bodies(update)[0];
    assert_eq!(sent, &json!({ "prefix": "copies", "imageTagMutability": "IMMUTABLE", "lifecyclePolicy": "" }));
}

#[test]
fn a_template_of_others_is_not_taken_over() {
    let endpoint = Script::new()
        .on("DescribeRepositoryCreationTemplates", [templates(json!({}))])
        .on("GetParametersByPath", [ok(json!({ "Parameters": [] }))])
        .start(&template(""));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("exists but is not part of this stack"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), Vec::<String>::new());
}
