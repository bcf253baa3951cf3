//! Terraform's state as a source of resources to import: `terraform.tfstate`, version 4.
//!
//! The format is not documented for other programs, but stable: <https://developer.hashicorp.com/terraform/language/state>. acme reads types,
//! names, indices and the attributes that identify a resource.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::mapping::{TYPE_MAPPINGS, TypeMapping};
use crate::{
    aws::types,
    engine::session::{Candidate, Candidates, LeftOut, resource_name},
};

/// Version of the format.
const VERSION: u64 = 4;

/// Terraform types whose resources are parts of a resource of acme, and what that is called there.
const PARTS: &[(&str, &str)] = &[
    ("aws_app_cookie_stickiness_policy", "classic_load_balancer"),
    ("aws_appautoscaling_policy", "dynamodb_table"),
    ("aws_appautoscaling_target", "dynamodb_table"),
    ("aws_autoscaling_lifecycle_hook", "autoscaling_group"),
    ("aws_autoscaling_notification", "autoscaling_group"),
    ("aws_autoscaling_policy", "autoscaling_group"),
    ("aws_autoscaling_schedule", "autoscaling_group"),
    ("aws_backup_selection", "backup_plan"),
    ("aws_backup_vault_lock_configuration", "backup_vault"),
    ("aws_backup_vault_notifications", "backup_vault"),
    ("aws_backup_vault_policy", "backup_vault"),
    ("aws_cloudwatch_event_target", "event_rule"),
    ("aws_cloudwatch_log_data_protection_policy", "log_group"),
    ("aws_cloudwatch_log_metric_filter", "log_group"),
    ("aws_cloudwatch_log_subscription_filter", "log_group"),
    ("aws_codebuild_webhook", "codebuild_project"),
    ("aws_db_proxy_default_target_group", "rds_proxy"),
    ("aws_db_proxy_target", "rds_proxy"),
    ("aws_default_security_group", "vpc"),
    ("aws_dynamodb_contributor_insights", "dynamodb_table"),
    ("aws_dynamodb_resource_policy", "dynamodb_table"),
    ("aws_ec2_transit_gateway_prefix_list_reference", "transit_gateway_route_table"),
    ("aws_ec2_transit_gateway_route", "transit_gateway_route_table"),
    ("aws_ec2_transit_gateway_route_table_association", "transit_gateway_route_table"),
    ("aws_ec2_transit_gateway_route_table_propagation", "transit_gateway_route_table"),
    ("aws_ecr_lifecycle_policy", "ecr_repository"),
    ("aws_ecr_registry_policy", "ecr_registry"),
    ("aws_ecr_registry_scanning_configuration", "ecr_registry"),
    ("aws_ecr_repository_policy", "ecr_repository"),
    ("aws_efs_backup_policy", "file_system"),
    ("aws_efs_file_system_policy", "file_system"),
    ("aws_efs_mount_target", "file_system"),
    ("aws_efs_replication_configuration", "file_system"),
    ("aws_eip_association", "elastic_ip"),
    ("aws_eks_access_policy_association", "eks_access_entry"),
    ("aws_globalaccelerator_endpoint_group", "accelerator"),
    ("aws_globalaccelerator_listener", "accelerator"),
    ("aws_iam_role_policies_exclusive", "iam_role"),
    ("aws_iam_role_policy", "iam_role"),
    ("aws_iam_role_policy_attachment", "iam_role"),
    ("aws_internet_gateway_attachment", "internet_gateway"),
    ("aws_kms_alias", "kms_key"),
    ("aws_kms_grant", "kms_key"),
    ("aws_kms_key_policy", "kms_key"),
    ("aws_lb_cookie_stickiness_policy", "classic_load_balancer"),
    ("aws_lb_listener_certificate", "listener"),
    ("aws_lb_listener_rule", "listener"),
    ("aws_lb_target_group_attachment", "target_group"),
    ("aws_load_balancer_policy", "classic_load_balancer"),
    ("aws_main_route_table_association", "route_table"),
    ("aws_network_acl_association", "network_acl"),
    ("aws_network_acl_rule", "network_acl"),
    ("aws_proxy_protocol_policy", "classic_load_balancer"),
    ("aws_rds_cluster_role_association", "aurora_cluster"),
    ("aws_route", "route_table"),
    ("aws_route_table_association", "route_table"),
    ("aws_s3_bucket_accelerate_configuration", "s3_bucket"),
    ("aws_s3_bucket_acl", "s3_bucket"),
    ("aws_s3_bucket_cors_configuration", "s3_bucket"),
    ("aws_s3_bucket_intelligent_tiering_configuration", "s3_bucket"),
    ("aws_s3_bucket_lifecycle_configuration", "s3_bucket"),
    ("aws_s3_bucket_logging", "s3_bucket"),
    ("aws_s3_bucket_notification", "s3_bucket"),
    ("aws_s3_bucket_object_lock_configuration", "s3_bucket"),
    ("aws_s3_bucket_ownership_controls", "s3_bucket"),
    ("aws_s3_bucket_policy", "s3_bucket"),
    ("aws_s3_bucket_public_access_block", "s3_bucket"),
    ("aws_s3_bucket_replication_configuration", "s3_bucket"),
    ("aws_s3_bucket_request_payment_configuration", "s3_bucket"),
    ("aws_s3_bucket_server_side_encryption_configuration", "s3_bucket"),
    ("aws_s3_bucket_versioning", "s3_bucket"),
    ("aws_s3_bucket_website_configuration", "s3_bucket"),
    ("aws_secretsmanager_secret_policy", "secret"),
    ("aws_secretsmanager_secret_rotation", "secret"),
    ("aws_secretsmanager_secret_version", "secret"),
    ("aws_security_group_rule", "security_group"),
    ("aws_shield_application_layer_automatic_response", "shield_protection"),
    ("aws_shield_protection_health_check_association", "shield_protection"),
    ("aws_sns_topic_policy", "sns_topic"),
    ("aws_sns_topic_subscription", "sns_topic"),
    ("aws_sqs_queue_policy", "sqs_queue"),
    ("aws_sqs_queue_redrive_policy", "sqs_queue"),
    ("aws_vpc_dhcp_options_association", "vpc"),
    ("aws_vpc_ipv4_cidr_block_association", "vpc"),
    ("aws_vpc_ipv6_cidr_block_association", "vpc"),
    ("aws_wafv2_web_acl_logging_configuration", "waf_web_acl"),
];

/// Further names of Terraform for a type.
const ALIASES: &[(&str, &str)] = &[
    ("aws_alb", "load_balancer"),
    ("aws_alb_listener", "listener"),
    ("aws_alb_target_group", "target_group"),
    ("aws_codestarconnections_connection", "code_connection"),
    ("aws_default_network_acl", "network_acl"),
    ("aws_default_route_table", "route_table"),
    ("aws_dms_s3_endpoint", "dms_endpoint"),
    ("aws_vpc_security_group_egress_rule", "security_group_rule"),
];

/// Attributes that may hold the physical id, in the order in which they are tried.
const ID_ATTRIBUTES: &[&str] =
    &["arn", "id", "identifier", "cluster_identifier", "name", "key_id", "url", "endpoint_arn", "association_id"];

/// The file.
#[derive(Deserialize)]
struct State {
    version: u64,
    #[serde(default)]
    resources: Vec<StateResource>,
}

/// Resource of the file, with all its instances.
#[derive(Deserialize)]
struct StateResource {
    #[serde(default)]
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    terraform_type: String,
    name: String,
    #[serde(default)]
    instances: Vec<Instance>,
}

/// Instance of a resource; with `count` or `for_each`, one of several.
#[derive(Deserialize)]
struct Instance {
    #[serde(default)]
    index_key: Option<Value>,
    #[serde(default)]
    attributes: Map<String, Value>,
    /// Set for an object that a later apply destroys.
    #[serde(default)]
    deposed: Option<String>,
}

/// Resources in a Terraform state.
///
/// # Errors
/// Fails if the text is not a state of this version.
pub fn read_state(text: &str) -> Result<Candidates, String> {
    let state: State = serde_json::from_str(text).map_err(|error| format!("it is not a Terraform state: {error}"))?;
    if state.version != VERSION {
        return Err(format!(
            "its format has version {}, not {VERSION}: run `terraform apply -refresh-only` with Terraform 0.12 or newer",
            state.version
        ));
    }
    let mut found = Candidates::default();
    for resource in state.resources.iter().filter(|resource| resource.mode == "managed") {
        for instance in resource.instances.iter().filter(|instance| instance.deposed.is_none()) {
            add_instance(&mut found, resource, instance);
        }
    }
    Ok(found)
}

fn add_instance(found: &mut Candidates, resource: &StateResource, instance: &Instance) {
    let origin = terraform_address(resource, instance);
    let terraform_type = resource.terraform_type.as_str();
    if PARTS.iter().any(|(part, _)| *part == terraform_type) {
        found.parts.push(origin);
        return;
    }
    let Some((type_name, mapping)) = mapped_type(terraform_type) else {
        let reason = format!("acme has no type for `{terraform_type}`");
        found.left_out.push(LeftOut { origin, reason });
        return;
    };
    let Some(resource_type) = types::resource_type(type_name) else { return };
    let ids = possible_ids(type_name, mapping.map_or("arn", |mapping| mapping.arn_attribute), &instance.attributes);
    let region = if resource_type.is_global() { None } else { region(&instance.attributes) };
    found.candidates.push(Candidate { resource_types: vec![resource_type], ids, region, name: Some(name(resource, instance)), origin });
}

/// Type of acme for a type of Terraform.
fn mapped_type(terraform_type: &str) -> Option<(&'static str, Option<&'static TypeMapping>)> {
    let by_name = |name: &str| TYPE_MAPPINGS.iter().find(|mapping| mapping.type_name == name);
    if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == terraform_type) {
        return Some((name, by_name(name)));
    }
    // Objects in clusters and what Cloud Control manages are not identified by these attributes.
    let mapping = TYPE_MAPPINGS.iter().find(|mapping| mapping.terraform_type == terraform_type && mapping.type_name != "aws_resource");
    mapping.filter(|_| terraform_type.starts_with("aws_")).map(|mapping| (mapping.type_name, Some(mapping)))
}

/// Texts of which one is the physical id.
fn possible_ids(type_name: &str, arn_attribute: &str, attributes: &Map<String, Value>) -> Vec<String> {
    let text = |key: &str| attributes.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let joined = |keys: &[&str]| keys.iter().map(|key| text(key)).collect::<Option<Vec<_>>>().map(|parts| parts.join("/"));
    let own = match type_name {
        "dns_record" => {
            let name = text("fqdn").or(text("name")).map(|name| name.trim_end_matches('.').to_lowercase().replace("\\052", "*"));
            let zone = text("zone_id").zip(name).zip(text("type"));
            zone.map(|((zone, name), record_type)| format!("{zone}/{name}/{record_type}/{}", text("set_identifier").unwrap_or_default()))
        }
        "event_rule" => text("name").map(|name| format!("{}/{name}", text("event_bus_name").unwrap_or("default"))),
        "eks_access_entry" => joined(&["cluster_name", "principal_arn"]),
        "eks_pod_identity" => joined(&["cluster_name", "association_id"]),
        "eks_addon" => joined(&["cluster_name", "addon_name"]),
        "eks_node_group" => joined(&["cluster_name", "node_group_name"]),
        "eks_fargate_profile" => joined(&["cluster_name", "fargate_profile_name"]),
        "waf_association" => text("resource_arn").map(str::to_owned),
        "sqs_queue" => text("url").or(text("id")).map(str::to_owned),
        "rds_instance" | "aurora_instance" => text("identifier").map(str::to_owned),
        "kms_key" => text("key_id").map(str::to_owned),
        _ => None,
    };
    let mut ids: Vec<String> = own.into_iter().collect();
    for text in [arn_attribute].iter().chain(ID_ATTRIBUTES).filter_map(|key| text(key)) {
        for id in [text.to_owned(), text.replace(':', "/")] {
            if !ids.contains(&id) && (!text.starts_with("arn:") || id == text) {
                ids.push(id);
            }
        }
    }
    ids
}

/// Region of a resource: its own argument, or the part of its ARN.
fn region(attributes: &Map<String, Value>) -> Option<String> {
    let text = |key: &str| attributes.get(key).and_then(Value::as_str);
    let of_arn = || text("arn").and_then(|arn| arn.split(':').nth(3));
    text("region").or_else(of_arn).filter(|region| !region.is_empty()).map(str::to_owned)
}

/// Address in Terraform: `module.network.aws_subnet.private["a"]`.
fn terraform_address(resource: &StateResource, instance: &Instance) -> String {
    let module = resource.module.as_ref().map(|module| format!("{module}.")).unwrap_or_default();
    let index = instance.index_key.as_ref().map(|key| format!("[{key}]")).unwrap_or_default();
    format!("{module}{}.{}{index}", resource.terraform_type, resource.name)
}

/// Name in acme: of the modules, the resource and the index, without `this`, and without the index of a single instance.
fn name(resource: &StateResource, instance: &Instance) -> String {
    let mut parts: Vec<String> = Vec::new();
    for module in resource.module.iter().flat_map(|module| split_modules(module)) {
        parts.push(module);
    }
    if !matches!(resource.name.as_str(), "this" | "default") || parts.is_empty() {
        parts.push(resource.name.clone());
    }
    match &instance.index_key {
        Some(Value::String(key)) => parts.push(key.clone()),
        Some(Value::Number(number)) if resource.instances.len() > 1 || number.as_u64() != Some(0) => parts.push(number.to_string()),
        _ => {}
    }
    resource_name(&parts.join("-"))
}

/// Names of modules, each with its index: `module.a.module.b["x.y"]` has `a` and `b-x.y`.
fn split_modules(path: &str) -> Vec<String> {
    let mut names: BTreeMap<usize, String> = BTreeMap::new();
    let (mut current, mut quoted, mut number) = (String::new(), false, 0);
    for c in path.chars() {
        match c {
            '"' => quoted = !quoted,
            '.' if !quoted => {
                names.insert(number, std::mem::take(&mut current));
                number += 1;
            }
            '[' if !quoted => current.push('-'),
            ']' if !quoted => {}
            c => current.push(c),
        }
    }
    names.insert(number, current);
    // Every second part is the word `module`.
    names.into_iter().filter(|(number, _)| number % 2 == 1).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(resources: Value) -> Candidates {
        read_state(&json!({ "version": 4, "terraform_version": "1.11.4", "resources": resources }).to_string()).expect("a state")
    }

    #[test]
    fn names_come_from_modules_and_indices() {
        let subnet = |index: Value| json!({ "index_key": index, "attributes": { "id": "subnet-1" } });
        let found = state(json!([
            { "mode": "managed", "type": "aws_vpc", "name": "this", "module": "module.network", "instances": [
                { "index_key": 0, "attributes": { "id": "vpc-1", "arn": "arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1" } } ] },
            { "mode": "managed", "type": "aws_subnet", "name": "private", "module": "module.network[\"a.b\"]",
              "instances": [subnet(json!(0)), subnet(json!(1))] },
            { "mode": "managed", "type": "aws_subnet", "name": "public", "instances": [subnet(json!("eu-west-1a"))] },
            { "mode": "data", "type": "aws_ami", "name": "latest", "instances": [{ "attributes": {} }] },
            { "mode": "managed", "type": "aws_route", "name": "nat", "instances": [{ "attributes": {} }] },
            { "mode": "managed", "type": "random_id", "name": "suffix", "instances": [{ "attributes": {} }] },
        ]));
        let names: Vec<&str> = found.candidates.iter().filter_map(|candidate| candidate.name.as_deref()).collect();
        assert_eq!(names, ["network", "network-a-b-private-0", "network-a-b-private-1", "public-eu-west-1a"]);
        assert_eq!(found.candidates[2].origin, "module.network[\"a.b\"].aws_subnet.private[1]");
        assert_eq!(found.candidates[0].region.as_deref(), Some("eu-west-1"));
        assert_eq!(found.parts, ["aws_route.nat"]);
        assert_eq!(found.left_out, [LeftOut { origin: "random_id.suffix".into(), reason: "acme has no type for `random_id`".into() }]);
    }

    #[test]
    fn ids_have_the_form_of_the_type() {
        let ids = |terraform_type: &str, attributes: Value| {
            let found =
                state(json!([{ "mode": "managed", "type": terraform_type, "name": "a", "instances": [{ "attributes": attributes }] }]));
            found.candidates[0].ids[0].clone()
        };
        assert_eq!(
            ids("aws_route53_record", json!({ "zone_id": "Z1", "fqdn": "www.example.com", "type": "A", "name": "www" })),
            "Z1/www.example.com/A/"
        );
        assert_eq!(ids("aws_db_instance", json!({ "id": "db-ABC", "identifier": "orders", "arn": "arn:aws:rds:x:1:db:orders" })), "orders");
        assert_eq!(ids("aws_eks_node_group", json!({ "id": "main:web", "cluster_name": "main", "node_group_name": "web" })), "main/web");
        assert_eq!(ids("aws_lb", json!({ "id": "arn:aws:x", "arn": "arn:aws:x" })), "arn:aws:x");
        assert_eq!(ids("aws_sqs_queue", json!({ "url": "https://sqs/1/a" })), "https://sqs/1/a");
    }

    #[test]
    fn refuses_other_files() {
        assert!(read_state("stack: shop").err().expect("an error").contains("not a Terraform state"));
        assert!(read_state("{\"version\": 3, \"modules\": []}").err().expect("an error").contains("version 3"));
    }

    #[test]
    fn parts_belong_to_types() {
        for (part, type_name) in PARTS.iter().chain(ALIASES) {
            assert!(types::resource_type(type_name).is_some(), "{part}: {type_name}");
        }
        for (part, _) in PARTS {
            assert!(mapped_type(part).is_none(), "{part} is a resource of its own");
        }
    }
}
