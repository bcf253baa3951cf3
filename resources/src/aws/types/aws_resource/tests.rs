//! The digest, comparison, patches and hashes.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{AwsResource, compare, digest, patch, secrets, shape::Shape, write_only};
use crate::{
    aws::types::RESOURCE_TYPES,
    core::{Resource, Tags},
};

fn map(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("an object")
}

fn patch_of(type_name: &str, wanted: Value, model: Value) -> Vec<Value> {
    patch::operations(digest::find(type_name).expect("a type"), &map(wanted), &map(model))
}

fn is_equal(type_name: &str, wanted: Value, live: Value) -> bool {
    let (wanted, live) = (map(wanted), map(live));
    compare::align(digest::find(type_name).expect("a type"), &wanted, &live) == wanted
}

#[test]
fn the_digest_is_complete() {
    assert!(digest::all().len() > 70);
    for (name, digest) in digest::all() {
        assert!(matches!(digest.properties, Shape::Object(_)), "{name}");
        assert!(!digest.id.is_empty() && !digest.read_actions.is_empty() && !digest.change_actions.is_empty(), "{name}");
        let named = digest.id.iter().all(|part| digest.attributes.contains_key(part) || digest.properties.field(part).is_some());
        assert!(named, "{name}: {:?}", digest.id);
    }
}

#[test]
fn an_arn_names_one_type_and_its_identifier() {
    let mut wrong = Vec::new();
    for (name, digest) in digest::all() {
        let identifier = if digest.is_identified_by_arn() { "" } else { &["a1", "b2", "c3"][..digest.id.len()].join("|") };
        let pattern = digest.arn.replace("{}", "0123abcd");
        let filled = digest::all()[name].arn_of(identifier, &Map::new(), "eu-west-1", "123456789012");
        let arn = if digest.is_identified_by_arn() {
            pattern.replace("{region}", "eu-west-1").replace("{account}", "123456789012")
        } else {
            filled.replace("{}", "0123abcd")
        };
        let expected = if digest.is_identified_by_arn() { arn.clone() } else { identifier.to_owned() };
        if digest::find_by_arn(&arn) != Some((name, expected)) {
            wrong.push(format!("{name}: {arn} {:?}", digest::find_by_arn(&arn)));
        }
        let natives = RESOURCE_TYPES.iter().filter(|kind| kind.name != AwsResource::TYPE.name && kind.matches_arn(&arn));
        wrong.extend(natives.map(|kind| format!("{arn} is of {}, too", kind.name)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn reads_identifiers_of_several_parts() {
    let found = digest::find_by_arn("arn:aws-cn:eks:cn-north-1:123456789012:identityproviderconfig/shop/oidc/users/0a1b");
    assert_eq!(found, Some(("AWS::EKS::IdentityProviderConfig", "users|shop|oidc".to_owned())));
    let found = digest::find_by_arn("arn:aws:cognito-identity:eu-west-1:123456789012:identitypool/eu-west-1:0a1b-2c");
    assert_eq!(found, Some(("AWS::Cognito::IdentityPool", "eu-west-1:0a1b-2c".to_owned())));
    assert_eq!(digest::find_by_arn("arn:aws:lambda:eu-west-1:123456789012:function:resize:1"), None);
}

#[test]
fn compares_only_what_the_definition_names() {
    let pool = "AWS::Cognito::UserPool";
    let wanted = json!({ "UserPoolName": "shop", "Policies": { "PasswordPolicy": { "MinimumLength": 12 } } });
    let live = json!({
        "UserPoolName": "shop", "MfaConfiguration": "OFF", "Policies": { "PasswordPolicy": { "MinimumLength": 12.0, "RequireNumbers": true } },
    });
    assert!(is_equal(pool, wanted.clone(), live) || compare::is_equal(&json!(12), &json!(12.0)));
    assert!(!is_equal(pool, wanted, json!({ "UserPoolName": "shop", "Policies": { "PasswordPolicy": { "MinimumLength": 8 } } })));
}

#[test]
fn an_order_matters_only_where_the_schema_says_so() {
    let order = |values: Value| json!({ "SecurityGroupIds": values });
    let (one, other) = (order(json!(["sg-1", "sg-2"])), order(json!(["sg-2", "sg-1"])));
    assert!(is_equal(
        "AWS::ElastiCache::ServerlessCache",
        json!({ "SecurityGroupIds": ["b", "a"] }),
        json!({ "SecurityGroupIds": ["a", "b"] })
    ));
    assert!(!is_equal(
        "AWS::ElastiCache::ServerlessCache",
        json!({ "SecurityGroupIds": ["b"] }),
        json!({ "SecurityGroupIds": ["a", "b"] })
    ));
    let servers = |values: &Value| json!({ "DomainNameServers": values["SecurityGroupIds"] });
    assert!(!is_equal("AWS::EC2::DHCPOptions", servers(&one), servers(&other)));
}

#[test]
fn a_document_is_equal_to_its_text() {
    let policy = json!({ "Version": "2012-10-17", "Statement": [] });
    assert!(is_equal(
        "AWS::Events::EventBus",
        json!({ "Name": "a", "Policy": policy.clone() }),
        json!({ "Name": "a", "Policy": policy.to_string() })
    ));
}

#[test]
fn a_patch_adds_what_differs_and_removes_what_is_there() {
    let group = "AWS::ResourceGroups::Group";
    let model = json!({ "Name": "a", "Description": "old", "ResourceQuery": { "Type": "T", "Query": { "TagFilters": [] } } });
    let wanted =
        json!({ "Name": "a", "Description": null, "Resources": null, "ResourceQuery": { "Query": { "TagFilters": [{ "Key": "k~/" }] } } });
    assert_eq!(
        patch_of(group, wanted, model.clone()),
        [
            json!({ "op": "remove", "path": "/Description" }),
            json!({ "op": "add", "path": "/ResourceQuery/Query/TagFilters", "value": [{ "Key": "k~/" }] }),
        ]
    );
    assert!(patch_of(group, json!({ "Name": "other", "Description": "old" }), model).is_empty(), "AWS refuses a patch of the name");
    let keys = patch_of(
        "AWS::Lambda::Function",
        json!({ "Environment": { "Variables": { "a/b": "1" } } }),
        json!({ "Environment": { "Variables": {} } }),
    );
    assert_eq!(keys[0]["path"], "/Environment/Variables/a~1b");
}

#[test]
fn hashes_stand_for_values_that_aws_does_not_report() {
    let function = digest::find("AWS::Lambda::Function").expect("a type");
    let wanted = map(json!({ "Code": { "S3Bucket": "b", "S3Key": "k" }, "MemorySize": 128 }));
    let mut tags = write_only::hash_tags(function, &wanted, "salt");
    assert_eq!(tags.keys().collect::<Vec<_>>(), ["acme:hash-Code"]);
    assert!(write_only::changed_hash_tags(function, &wanted, "other", &tags).is_empty());
    tags.insert("team".into(), "web".into());

    let mut live = map(json!({ "MemorySize": 128 }));
    write_only::take_hash_tags(&mut tags, &mut live);
    assert_eq!(tags, Tags::from([("team".into(), "web".into())]));
    assert_eq!(compare::align(function, &wanted, &live), wanted);

    let other = map(json!({ "Code": { "S3Bucket": "b", "S3Key": "k2" }, "MemorySize": 128 }));
    assert_eq!(compare::align(function, &other, &live), map(json!({ "MemorySize": 128 })));
    // A rollback has the hash only: it neither compares nor writes the code.
    assert_eq!(compare::align(function, &live, &map(json!({ "MemorySize": 128 })))["Code"], live["Code"]);
    assert!(patch::operations(function, &live, &map(json!({ "MemorySize": 128 }))).is_empty());
}

#[test]
fn resources_with_a_name_can_not_exist_twice() {
    let group = |name: &str| AwsResource {
        r#type: "AWS::ResourceGroups::Group".into(),
        properties: super::Properties(map(json!({ "Name": name, "Description": "x" }))),
    };
    assert_eq!(group("a").conflict_groups(), group("a").conflict_groups());
    assert_ne!(group("a").conflict_groups(), group("b").conflict_groups());
    let options = AwsResource { r#type: "AWS::EC2::DHCPOptions".into(), properties: super::Properties::default() };
    assert!(options.conflict_groups().is_empty());
}

#[test]
fn states_what_a_definition_can_refer_to() {
    let options = AwsResource { r#type: "AWS::EC2::DHCPOptions".into(), properties: super::Properties::default() };
    let facts = options.own_facts().expect("facts");
    assert_eq!(facts.outputs, ["DhcpOptionsId", "arn", "identifier"].map(str::to_owned).into_iter().collect::<BTreeSet<_>>());
    assert!(facts.on_delete.is_none() && facts.change_actions.contains(&"ec2:CreateDhcpOptions".to_owned()));
}

#[test]
fn every_value_that_aws_never_reports_was_reviewed() {
    // The script that writes the digest refuses others; these are the ones that hold secrets.
    let named: Vec<&str> =
        digest::all().iter().filter(|(_, digest)| !digest.named_values.is_empty()).map(|(name, _)| name.as_str()).collect();
    for name in ["AWS::Glue::Job", "AWS::Lambda::Function", "AWS::Pipes::Pipe", "AWS::Synthetics::Canary"] {
        assert!(named.contains(&name), "{name} is not in {named:?}");
    }
    for (name, digest) in digest::all() {
        for path in digest.named_values.keys().chain(digest.secrets.keys()) {
            let mut shape = &digest.properties;
            for part in path.split('/') {
                shape = if part == "*" && shape.is_list() { shape.item() } else { shape.field(part).unwrap_or(&Shape::Any) };
            }
            // Nested configurations are of any shape.
            let is_known = *shape != Shape::Any || path.contains("Configurations/*") || path.ends_with("Arguments");
            assert!(is_known || path.starts_with("PrivateKeyList"), "{name}: {path}");
        }
    }
}

#[test]
fn a_hidden_secret_is_neither_shown_nor_overwritten() {
    let function = digest::find("AWS::Lambda::Function").expect("a type");
    let live = json!({ "Environment": { "Variables": { "DB_PASSWORD": "tiger", "STAGE": "test" } }, "MemorySize": 128 });
    let mut shown = live.clone();
    secrets::hide(function, &mut shown);
    assert_eq!(shown["Environment"]["Variables"], json!({ "DB_PASSWORD": "****", "STAGE": "test" }));
    let (shown, live) = (map(shown), map(live));
    assert_eq!(secrets::reveal(function, &shown, &live), live);
    assert!(patch::operations(function, &secrets::reveal(function, &shown, &live), &live).is_empty());
    let gone = secrets::reveal(function, &shown, &map(json!({ "MemorySize": 128 })));
    assert_eq!(write_only::known_values(&gone["Environment"]), Some(json!({ "Variables": { "STAGE": "test" } })));

    let pipe = digest::find("AWS::Pipes::Pipe").expect("a type");
    let environment = json!([{ "Name": "API_KEY", "Value": "tiger" }, { "Name": "STAGE", "Value": "test" }]);
    let mut shown = json!({ "TargetParameters": { "BatchJobParameters": { "ContainerOverrides": { "Environment": environment } } } });
    secrets::hide(pipe, &mut shown);
    let shown = &shown["TargetParameters"]["BatchJobParameters"]["ContainerOverrides"]["Environment"];
    assert_eq!(*shown, json!([{ "Name": "API_KEY", "Value": "****" }, { "Name": "STAGE", "Value": "test" }]));
}
