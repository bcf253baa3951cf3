//! Outputs of simulated resources.

use super::{
    super::{ids::IdGenerator, schema::resolve_ref},
    *,
};

/// Outputs of every type have the shape of their schema, for any spec.
#[test]
fn generated_outputs_match_their_schemas() {
    for kind in types::RESOURCE_TYPES.iter() {
        let spec = json!({
            "name": "shop-test-x", "domain": "shop.example.com", "engine": "postgres", "url": "https://oidc.example.com/id",
            "prefix": "public",
        });
        let maker = IdGenerator {
            resource_type: kind,
            region: "eu-west-1",
            account: "123456789012",
            seed: "seed".into(),
            iam_path: "/".into(),
            spec: &spec,
            referenced: Vec::new(),
            id: String::new(),
            arn: String::new(),
        };
        let maker = maker.generate_ids();
        let schema = Value::from(kind.operations.outputs_schema());
        let outputs = maker.generate_outputs(&schema);
        assert!(matches_schema(&schema, &schema, &outputs), "{}: {outputs} does not fit {schema}", kind.name);
        assert!(!maker.id.is_empty() && !maker.id.contains(['{', '}']), "{}: {}", kind.name, maker.id);
        // The attributes of `aws_resource` are those of many types.
        let has_rules = kind.name == "aws_resource" || !outputs.to_string().contains("simulated-");
        assert!(has_rules, "{}: an output has no rule of its own: {outputs}", kind.name);
        if let Some(arn) = outputs.get("arn") {
            assert!(arn.as_str().is_some_and(|arn| arn.starts_with("arn:aws:")), "{}: {outputs}", kind.name);
        }
    }
}

fn matches_schema(root: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolve_ref(root, schema);
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return choices.iter().any(|choice| matches_schema(root, choice, value));
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        _ => false,
    };
    let of_type = match schema.get("type") {
        Some(Value::String(kind)) => is(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    };
    let items = schema.get("items");
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    of_type
        && value.as_array().into_iter().flatten().all(|item| items.is_none_or(|items| matches_schema(root, items, item)))
        && required.into_iter().all(|name| value.get(name).is_some())
        && properties.into_iter().all(|(name, property)| value.get(name).is_none_or(|value| matches_schema(root, property, value)))
}

/// EKS can't change the VPC of a cluster.
#[tokio::test]
async fn a_cluster_stays_in_its_network() {
    let cloud = new_cloud();
    let old = cloud.create_vpc().await;
    let new = cloud.create("vpc", "vpc.new", json!({ "cidr": "10.9.0.0/16" })).await.unwrap();
    let subnet = async |vpc: &str, zone: &str, cidr: &str| {
        let spec = json!({ "vpc": { "id": vpc }, "cidr": cidr, "availability_zone": zone });
        json!({ "id": cloud.create("subnet", &format!("subnet.{}", cidr.replace('.', "-")), spec).await.unwrap() })
    };
    let before = [subnet(&old, "eu-west-1a", "10.0.0.0/24").await, subnet(&old, "eu-west-1b", "10.0.1.0/24").await];
    let same = [before[0].clone(), subnet(&old, "eu-west-1b", "10.0.2.0/24").await];
    let other = [subnet(&new, "eu-west-1a", "10.9.0.0/24").await, subnet(&new, "eu-west-1b", "10.9.1.0/24").await];
    let spec =
        |subnets: &[Value]| json!({ "name": "main", "role": { "arn": "arn:aws:iam::111122223333:role/cluster" }, "subnets": subnets });
    let cluster = cloud.create("eks_cluster", "eks_cluster.main", spec(&before)).await.unwrap();
    let move_to = async |subnets: &[Value]| {
        let kind = resource_type("eks_cluster");
        let wanted = kind.operations.parse(&spec(subnets)).unwrap();
        cloud.simulator.update(kind, (None, &cluster), &wanted, &["/subnets".into()]).await
    };
    move_to(&same).await.unwrap();
    assert_eq!(move_to(&other).await.unwrap_err().code, "InvalidParameterValue");
    assert_eq!(cloud.list("eks_cluster").await[0].output("vpc_id"), Some(json!(old)));
}
