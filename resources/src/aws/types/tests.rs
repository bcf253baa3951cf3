//! Laws of the registry about what a reviewer sees.

use serde_json::Value;

use super::*;

/// Number of fields from which on a reviewer does not read all.
const MANY_FIELDS: usize = 3;

#[test]
fn each_type_with_many_fields_says_which_matter() {
    for kind in RESOURCE_TYPES.iter() {
        let schema = kind.schema();
        let fields = schema["properties"].as_object().map_or(0, serde_json::Map::len);
        let text = schema.to_string();
        assert!(
            fields < MANY_FIELDS || text.contains("\"x-acme-important\":true"),
            "{} has {fields} fields, and none is important",
            kind.name
        );
    }
}

#[test]
fn what_is_free_has_no_usage_that_costs() {
    for kind in RESOURCE_TYPES.iter() {
        let keys = kind.operations.usage_keys();
        assert!(kind.free.is_none() || keys.is_empty(), "{} is free", kind.name);
        assert!(kind.free.is_none_or(|reason| reason.contains(' ')), "{}: no reason", kind.name);
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(keys.iter().all(|key| is_name(key.name) && key.default >= 0.0), "{}", kind.name);
    }
}

/// An update of such a type changes its name, and with it the id.
#[test]
fn a_permanent_id_is_an_output_of_a_type_that_can_be_renamed() {
    for kind in RESOURCE_TYPES.iter() {
        let Some(output) = kind.permanent_id else { continue };
        assert!(kind.outputs().pattern(output).is_some(), "{} has no output `{output}`", kind.name);
        assert!(!kind.output_depends_on(output, &["/name"]), "{}: `{output}` changes with the name", kind.name);
        assert_eq!(kind.id, "{name}", "{}: the id is not the name", kind.name);
        assert!(kind.naming.is_some() && !kind.replaces.contains(&"/name"), "{}: another name replaces it", kind.name);
        assert!(!kind.unique_keys.is_empty() || !kind.identity.is_empty(), "{}: names are not unique", kind.name);
    }
}

/// A rule for SSH from anywhere, one for HTTPS, and one for the network.
#[test]
fn a_rule_that_is_open_to_the_world_is_risky() {
    let rules = serde_json::json!([
        { "port": 22, "cidr": "0.0.0.0/0" }, { "port": 443, "cidr": "0.0.0.0/0" }, { "port": 22, "cidr": "10.0.0.0/8" },
        { "protocol": "all", "cidr": "::/0" }, { "protocol": "icmp", "cidr": "0.0.0.0/0" },
    ]);
    let kind = resource_type("security_group").expect("a type");
    let spec = kind.operations.parse(&serde_json::json!({ "vpc": "main", "ingress": rules })).expect("a valid spec");
    let risky = kind.marks(&spec).risks;
    let ports: Vec<_> = risky.iter().map(|(pointer, _)| spec.pointer(pointer).expect("a rule")["from_port"].clone()).collect();
    assert_eq!(ports, [serde_json::Value::Null, 22.into()], "{risky:?}");
}

#[test]
fn a_rule_for_a_large_part_of_the_internet_is_risky() {
    let sources = ["0.0.0.0/1", "128.0.0.0/1", "2000::/3", "54.0.0.0/8", "10.0.0.0/8", "fc00::/7"];
    let kind = resource_type("security_group").expect("a type");
    let rules = serde_json::json!([{ "port": 22, "cidrs": sources }]);
    let spec = kind.operations.parse(&serde_json::json!({ "vpc": "main", "ingress": rules })).expect("a valid spec");
    let risks = kind.marks(&spec).risks;
    let mut risky: Vec<&str> = risks.iter().filter_map(|(pointer, _)| spec.pointer(pointer)?["cidr"].as_str()).collect();
    risky.sort_unstable();
    assert_eq!(risky, ["0.0.0.0/1", "128.0.0.0/1", "2000::/3"], "{risks:?}");
}

#[test]
fn a_wildcard_in_the_policy_of_a_bucket_is_risky() {
    let statement = serde_json::json!({ "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::shop/*" });
    let kind = resource_type("s3_bucket").expect("a type");
    let spec = kind.operations.parse(&serde_json::json!({ "policy": { "Statement": [statement] } })).expect("a valid spec");
    let risks = kind.marks(&spec).risks;
    assert!(risks.iter().any(|(pointer, _)| pointer == "/policy/Statement/0"), "{risks:?}");
}

/// Fields whose subnets AWS lets be in another VPC.
const ANY_SUBNETS: [&str; 5] = [
    // Each start of an instance or task, or each build, uses the present ones.
    "autoscaling_group.subnets",
    "codebuild_project.vpc",
    "event_rule.targets",
    // A mount target is a part that is deleted and created. AWS allows one VPC at a time.
    "file_system.mount_targets",
    // As above.
    "launch_template.network_interfaces",
];

/// Whether a part of a schema refers to subnets.
fn refers_to_subnets(root: &Value, schema: &Value, depth: usize) -> bool {
    let target = crate::core::resolve_ref(root, schema);
    let is_below = |part: &Value| depth < 8 && refers_to_subnets(root, part, depth + 1);
    schema["x-acme-ref"] == "subnet"
        || match target {
            Value::Object(map) => map.values().any(is_below),
            Value::Array(list) => list.iter().any(is_below),
            _ => false,
        }
}

#[test]
fn fields_with_subnets_tell_what_another_vpc_does() {
    let mut free = Vec::new();
    for kind in RESOURCE_TYPES.iter() {
        let schema = kind.schema();
        let fields = schema["properties"].as_object().expect("fields");
        for (key, _) in fields.iter().filter(|(_, field)| refers_to_subnets(schema, field, 0)) {
            let pointer = format!("/{key}");
            let is_told = kind.replaces.contains(&pointer.as_str()) || kind.keeps.contains(&(pointer.as_str(), "vpc"));
            if !is_told && !kind.replaces.contains(&"/vpc") {
                free.push(format!("{}.{key}", kind.name));
            }
        }
    }
    free.sort_unstable();
    assert_eq!(free, ANY_SUBNETS, "fields with subnets have `replaces` or `keeps = \"vpc\"`, or are in this list with a reason");
}
