//! Ids, ARNs and outputs that acme knows before the resources exist, compared with those that the cloud reports.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use acme::{
    aws::{Aws, Settings},
    core::{PatternInputs, expression, iam_path},
    definition::{LoadOptions, Location, Source, load},
    engine::{
        cloud::Cloud,
        discover::{Hints, discover},
    },
    simulator::{Behaviour, Simulator},
};
use aws_sdk_s3::config::{Credentials, SharedCredentialsProvider};
use serde_json::Value;

use crate::{
    acme::{Acme, write_file},
    resource_lifecycle::lifecycles,
};

/// Outputs that the stand-ins make up: moto reports no VPC of a cluster, ministack always the same.
const MADE_UP_BY_STANDINS: [&str; 1] = ["eks_cluster.vpc_id"];

/// Compares all known values of a stack's resources with the live ones. Returns the known ones: `iam_role.arn`.
pub async fn compare_known_values(cloud: &Cloud, definition: &Path) -> Result<BTreeSet<String>, String> {
    let text = std::fs::read_to_string(definition).map_err(|error| error.to_string())?;
    let account = cloud.account().await.map_err(|error| error.to_string())?;
    let location = Location { account: Some(account.clone()), region: Some(cloud.region().to_owned()) };
    let options = LoadOptions { location, ..LoadOptions::default() };
    let stack = load(&Source::new("stack.yaml", &text), &options).map_err(|problems| format!("{problems:?}"))?;
    let live_state = discover(cloud, &stack, Hints::default()).await.map_err(|error| error.to_string())?;
    let live = |address: &str| live_state.iter().find(|live| live.tags.get("acme:address").is_some_and(|tag| tag == address));
    let (mut known, mut wrong) = (BTreeSet::new(), Vec::new());
    for declared in stack.resources.values() {
        let Some(found) = live(&declared.address.to_string()) else { continue };
        let output = |type_name: &str, name: &str, output: &str| live(&format!("{type_name}.{name}"))?.output(output);
        let spec = expression::resolve(&declared.spec, &|reference| output(reference.type_name, reference.name, reference.output));
        let referenced = |type_name: &str, field: &str| {
            let mut values =
                declared.depends_on.iter().filter(|one| one.type_name == type_name).map(|one| output(type_name, &one.name, field));
            let first = values.next()??;
            values.all(|value| value.as_ref() == Some(&first)).then_some(first)
        };
        let inputs = PatternInputs {
            resource_type: declared.resource_type,
            region: declared.region.as_deref().unwrap_or(cloud.region()),
            account: &account,
            iam_path: &iam_path(&stack.name, &stack.environment),
            spec: &spec,
            referenced: &referenced,
        };
        for name in found.outputs.as_object().into_iter().flat_map(|outputs| outputs.keys()).map(String::as_str).chain(["id"]) {
            let Some(value) = inputs.output(name) else { continue };
            let full_name = format!("{}.{name}", declared.address.type_name);
            if matches!(cloud, Cloud::Aws(_)) && MADE_UP_BY_STANDINS.contains(&full_name.as_str()) {
                continue;
            }
            known.insert(full_name);
            if found.output(name).as_ref() != Some(&value) {
                wrong.push(format!("{}.{name} is {}, known as {value}", declared.address, found.output(name).unwrap_or(Value::Null)));
            }
        }
    }
    if wrong.is_empty() { Ok(known) } else { Err(format!("known values are wrong: {wrong:#?}")) }
}

/// Same, of a stack at a stand-in's endpoint.
pub fn compare_known_values_at(endpoint: &str, definition: &Path) -> Result<BTreeSet<String>, String> {
    let settings = Settings {
        region: Some("us-east-1".to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        credentials: Some(SharedCredentialsProvider::new(Credentials::new("test", "test", None, None, "test"))),
        ..Settings::default()
    };
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let aws = Aws::connect(settings).await.map_err(|error| error.to_string())?;
        compare_known_values(&Cloud::Aws(Arc::new(aws)), definition).await
    })
}

#[test]
fn values_of_every_type_are_as_known_in_the_simulated_cloud() {
    let mut known = BTreeSet::new();
    let mut failed = Vec::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (kind, life) in lifecycles() {
        let folder = tempfile::tempdir().expect("a folder");
        let definition = write_file(folder.path(), "stack.yaml", &life.definition(&kind, Some(&life.spec)));
        let cloud = folder.path().join("cloud");
        Acme::local(&cloud).apply(&definition);
        let simulator = Simulator::with_behaviour(cloud, "us-east-1", Behaviour::default()).expect("a cloud");
        match runtime.block_on(compare_known_values(&Cloud::Simulated(Box::new(simulator)), &definition)) {
            Ok(found) => known.extend(found),
            Err(error) => failed.push(format!("{kind}: {error}")),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let arns: Vec<&str> = known.iter().filter_map(|name| name.strip_suffix(".arn")).collect();
    let expected = [
        "aurora_cluster",
        "aurora_global",
        "aurora_instance",
        "aurora_parameter_group",
        "backup_vault",
        "budget",
        "cache_cluster",
        "cache_parameter_group",
        "cache_replication_group",
        "cache_subnet_group",
        "cache_user",
        "cache_user_group",
        "classic_load_balancer",
        "cloudfront_function",
        "code_pipeline",
        "codebuild_project",
        "composite_alarm",
        "dashboard",
        "dms_subnet_group",
        "dynamodb_table",
        "ecr_repository",
        "eks_cluster",
        "event_rule",
        "iam_policy",
        "iam_role",
        "instance_profile",
        "log_group",
        "metric_alarm",
        "oidc_provider",
        "parameter",
        "rds_event_subscription",
        "rds_instance",
        "rds_option_group",
        "rds_parameter_group",
        "rds_subnet_group",
        "s3_bucket",
        "sns_topic",
        "sqs_queue",
        "trail",
    ];
    assert_eq!(arns, expected);
}
