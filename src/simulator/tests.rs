use std::{fs, io::Write, sync::Arc};

use serde_json::Map;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::{made_up::Maker, shape::resolve, *};
use crate::{
    aws::types,
    core::{ENVIRONMENT, OnDelete, Phase, Sort},
};

struct Cloud {
    local: Local,
    dir: TempDir,
}

fn cloud() -> Cloud {
    with(Behaviour::default())
}

fn with(behaviour: Behaviour) -> Cloud {
    let dir = TempDir::new().unwrap();
    Cloud { local: Local::open(dir.path(), "eu-west-1", behaviour).unwrap(), dir }
}

fn faulty(text: &str) -> Cloud {
    let mut behaviour = Behaviour::default();
    behaviour.extend(text).unwrap();
    with(behaviour)
}

fn kind(name: &str) -> &'static ResourceType {
    types::kind(name).unwrap()
}

fn tags(address: &str) -> Tags {
    [(STACK, "shop"), (ENVIRONMENT, "test"), (ADDRESS, address)].into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn scope() -> Scope {
    Scope { stack: "shop".into(), environment: "test".into(), prefix: "shop-test-".into(), ..Scope::default() }
}

impl Cloud {
    /// Creates with a token that is the address's own.
    async fn make(&self, name: &str, address: &str, spec: Value) -> Result<String> {
        self.make_with(name, address, address, spec).await
    }
    async fn make_with(&self, name: &str, address: &str, token: &str, spec: Value) -> Result<String> {
        let call = Call {
            address: address.into(),
            tags: tags(address),
            token: token.into(),
            on_delete: OnDelete::Delete,
            stack: "shop".into(),
            environment: "test".into(),
        };
        let spec = kind(name).operations.parse(spec).unwrap();
        self.local.create(kind(name), &call, &spec).await
    }
    async fn vpc(&self) -> String {
        self.make("vpc", "vpc.main", json!({ "cidr": "10.0.0.0/16" })).await.unwrap()
    }
    async fn subnet(&self, vpc: &str, cidr: &str) -> Result<String> {
        let spec = json!({ "vpc": { "id": vpc }, "cidr": cidr, "availability_zone": "eu-west-1a" });
        self.make("subnet", &format!("subnet.{cidr}"), spec).await
    }
    async fn list(&self, name: &str) -> Vec<Live> {
        self.local.list(kind(name), &scope()).await.unwrap()
    }
    fn again(&self, behaviour: Behaviour) -> Local {
        Local::open(self.dir.path(), "eu-west-1", behaviour).unwrap()
    }
    fn file(&self) -> PathBuf {
        self.dir.path().join("eu-west-1.jsonl")
    }
}

fn refused<T: std::fmt::Debug>(result: Result<T>) -> (Sort, String) {
    let error = result.unwrap_err();
    (error.sort, error.code)
}

#[tokio::test]
async fn a_life() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    assert!(vpc.starts_with("vpc-") && vpc.len() == 4 + 17, "{vpc}");
    let [live] = <[Live; 1]>::try_from(cloud.list("vpc").await).unwrap();
    assert_eq!((live.id.as_str(), &live.phase, &live.tags), (vpc.as_str(), &Phase::Ready, &tags("vpc.main")));
    assert_eq!(live.outputs, json!({ "arn": format!("arn:aws:ec2:eu-west-1:123456789012:vpc/{vpc}"), "owner_id": "123456789012" }));
    // What the create call cannot set stands at AWS's default until an update brings it.
    assert_eq!(live.spec["dns_hostnames"], json!(false));
    let wanted = json!({ "cidr": "10.9.0.0/16", "dns_hostnames": true, "dns_support": false });
    cloud.local.update(kind("vpc"), &vpc, &wanted, &["/dns_hostnames".into()]).await.unwrap();
    let spec = &cloud.list("vpc").await[0].spec;
    assert_eq!((&spec["dns_hostnames"], &spec["dns_support"], &spec["cidr"]), (&json!(true), &json!(true), &json!("10.0.0.0/16")));
    cloud.local.retag(kind("vpc"), &vpc, &Tags::new()).await.unwrap();
    assert!(cloud.list("vpc").await.is_empty());
    cloud.local.delete(kind("vpc"), &vpc).await.unwrap();
    assert!(cloud.local.dump().is_empty());
    let count = |action: &str| cloud.local.counts()[&("vpc".to_owned(), action.to_owned())];
    assert_eq!((count("create"), count("list"), count("update"), count("retag"), count("delete")), (1, 3, 1, 1, 1));
}

#[tokio::test]
async fn what_is_not_there_is_gone() {
    let cloud = cloud();
    let gone = (Sort::Gone, "InvalidVpcID.NotFound".to_owned());
    assert_eq!(refused(cloud.local.delete(kind("vpc"), "vpc-0").await), gone);
    assert_eq!(refused(cloud.local.update(kind("vpc"), "vpc-0", &json!({}), &[]).await), gone);
    assert_eq!(refused(cloud.local.retag(kind("vpc"), "vpc-0", &Tags::new()).await), gone);
}

#[tokio::test]
async fn references_must_exist() {
    let cloud = cloud();
    assert_eq!(refused(cloud.subnet("vpc-0", "10.0.0.0/24").await), (Sort::Refused, "InvalidVpcID.NotFound".to_owned()));
    let vpc = cloud.vpc().await;
    let subnet = cloud.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    assert_eq!(refused(cloud.subnet(&subnet, "10.0.1.0/24").await).1, "InvalidVpcID.NotFound", "a subnet is no VPC");
}

#[tokio::test]
async fn subnets_lie_inside_and_apart() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    cloud.subnet(&vpc, "10.0.4.0/22").await.unwrap();
    for overlapping in ["10.0.4.0/24", "10.0.7.0/24", "10.0.0.0/20", "10.0.4.0/22"] {
        let spec = json!({ "vpc": { "id": vpc }, "cidr": overlapping, "availability_zone": "eu-west-1b" });
        let made = cloud.make("subnet", "subnet.other", spec).await;
        assert_eq!(refused(made), (Sort::Refused, "InvalidSubnet.Conflict".to_owned()), "{overlapping}");
    }
    assert_eq!(refused(cloud.subnet(&vpc, "10.1.0.0/24").await), (Sort::Refused, "InvalidSubnet.Range".to_owned()));
    cloud.subnet(&vpc, "10.0.0.0/22").await.unwrap();
    cloud.subnet(&vpc, "10.0.8.0/24").await.unwrap();
}

#[tokio::test]
async fn a_second_range_holds_subnets() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    assert_eq!(refused(cloud.subnet(&vpc, "10.1.0.0/24").await).1, "InvalidSubnet.Range");
    let wanted = json!({ "secondary_cidrs": ["10.1.0.0/16"] });
    cloud.local.update(kind("vpc"), &vpc, &wanted, &["/secondary_cidrs/0".into()]).await.unwrap();
    cloud.subnet(&vpc, "10.1.0.0/24").await.unwrap();
}

#[tokio::test]
async fn what_is_in_use_stays() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    let subnet = cloud.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let error = cloud.local.delete(kind("vpc"), &vpc).await.unwrap_err();
    assert_eq!((error.sort, error.code.as_str()), (Sort::Conflict, "DependencyViolation"));
    assert!(error.message.contains(&subnet) && error.message.contains("subnet.10.0.0.0/24"), "{error}");
    cloud.local.delete(kind("subnet"), &subnet).await.unwrap();
    cloud.local.delete(kind("vpc"), &vpc).await.unwrap();
}

#[tokio::test]
async fn a_reference_that_is_given_up_no_longer_holds() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    let gateway = cloud.make("internet_gateway", "internet_gateway.main", json!({ "vpc": { "id": vpc } })).await.unwrap();
    // Attaching is not part of the create call.
    let (attached, detached) = (json!({ "vpc": { "id": vpc } }), json!({ "vpc": null }));
    cloud.local.update(kind("internet_gateway"), &gateway, &attached, &["/vpc/id".into()]).await.unwrap();
    assert_eq!(refused(cloud.local.delete(kind("vpc"), &vpc).await).0, Sort::Conflict);
    cloud.local.update(kind("internet_gateway"), &gateway, &detached, &["/vpc".into()]).await.unwrap();
    cloud.local.delete(kind("vpc"), &vpc).await.unwrap();
}

#[tokio::test]
async fn names_are_taken_once() {
    let cloud = cloud();
    let repository = json!({ "name": "shop-test-users" });
    let id = cloud.make("ecr_repository", "ecr_repository.users", repository.clone()).await.unwrap();
    assert_eq!(id, "shop-test-users");
    let second = cloud.make("ecr_repository", "ecr_repository.others", repository.clone()).await;
    assert_eq!(refused(second), (Sort::Exists, "RepositoryAlreadyExistsException".to_owned()));
    let vpc = cloud.vpc().await;
    let group = json!({ "name": "web", "description": "web", "vpc": { "id": vpc } });
    cloud.make("security_group", "security_group.web", group.clone()).await.unwrap();
    assert_eq!(refused(cloud.make("security_group", "security_group.b", group).await), (Sort::Exists, "InvalidGroup.Duplicate".to_owned()));
    cloud.local.delete(kind("ecr_repository"), &id).await.unwrap();
    cloud.make("ecr_repository", "ecr_repository.others", repository).await.unwrap();
}

#[tokio::test]
async fn a_foreign_thing_with_a_wanted_name_is_shown() {
    let cloud = cloud();
    let id = cloud.make("ecr_repository", "ecr_repository.users", json!({ "name": "users" })).await.unwrap();
    cloud.local.retag(kind("ecr_repository"), &id, &Tags::new()).await.unwrap();
    assert!(cloud.list("ecr_repository").await.is_empty());
    let wanted = Scope { wanted: ["users".to_owned()].into(), ..scope() };
    assert_eq!(cloud.local.list(kind("ecr_repository"), &wanted).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_makes_one_thing_where_the_api_takes_one() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    let table = json!({ "vpc": { "id": vpc } });
    let first = cloud.make_with("route_table", "route_table.a", "token", table.clone()).await.unwrap();
    assert_eq!(cloud.make_with("route_table", "route_table.a", "token", table.clone()).await.unwrap(), first);
    assert_ne!(cloud.make_with("route_table", "route_table.a", "another", table).await.unwrap(), first);
    // CreateVpc takes none: whoever asks twice has two.
    assert_ne!(cloud.vpc().await, vpc);
}

#[tokio::test]
async fn ids_are_the_same_in_every_run_and_never_come_again() {
    let (one, other) = (cloud(), cloud());
    let first = one.vpc().await;
    assert_eq!(first, other.vpc().await);
    one.local.delete(kind("vpc"), &first).await.unwrap();
    drop(one.again(Behaviour::default()));
    assert_ne!(one.vpc().await, first);
}

#[tokio::test]
async fn protection_and_fixed_fields_hold() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    let subnets = [cloud.subnet(&vpc, "10.0.0.0/24").await.unwrap(), cloud.subnet(&vpc, "10.0.1.0/24").await.unwrap()];
    let subnets = subnets.map(|id| json!({ "id": id }));
    let spec = json!({ "name": "web", "type": "network", "subnets": subnets });
    let id = cloud.make("load_balancer", "load_balancer.web", spec.clone()).await.unwrap();
    let mut wanted = kind("load_balancer").operations.parse(spec).unwrap();
    wanted["deletion_protection"] = json!(true);
    let protect = ["/deletion_protection".into()];
    cloud.local.update(kind("load_balancer"), &id, &wanted, &protect).await.unwrap();
    assert_eq!(refused(cloud.local.delete(kind("load_balancer"), &id).await), (Sort::Refused, "OperationNotPermitted".to_owned()));
    let fixed = cloud.local.update(kind("vpc"), &vpc, &json!({ "cidr": "10.7.0.0/16" }), &["/cidr".into()]).await;
    assert_eq!(refused(fixed), (Sort::Refused, "InvalidParameterCombination".to_owned()));
}

#[tokio::test]
async fn quotas_end_it() {
    let cloud = cloud();
    let (most, code) = kind("elastic_ip").quota.unwrap();
    for n in 0..most {
        cloud.make("elastic_ip", &format!("elastic_ip.{n}"), json!({})).await.unwrap();
    }
    assert_eq!(refused(cloud.make("elastic_ip", "elastic_ip.more", json!({})).await), (Sort::Refused, code.to_owned()));
}

#[tokio::test]
async fn a_reopened_cloud_is_the_same() {
    let cloud = cloud();
    let vpc = cloud.vpc().await;
    let subnet = cloud.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    for n in 0..400 {
        let tags = Tags::from([("n".to_owned(), n.to_string())]);
        cloud.local.retag(kind("vpc"), &vpc, &tags).await.unwrap();
    }
    let again = cloud.again(Behaviour::default());
    assert_eq!(again.dump(), cloud.local.dump());
    assert!(fs::read_to_string(cloud.file()).unwrap().lines().count() < 10, "the past is left out");
    // Both see what the other writes, the one that was there before the file was written anew as well.
    assert_eq!(refused(again.delete(kind("vpc"), &vpc).await).0, Sort::Conflict);
    cloud.local.delete(kind("subnet"), &subnet).await.unwrap();
    again.delete(kind("vpc"), &vpc).await.unwrap();
    assert!(cloud.local.dump().is_empty());
}

#[tokio::test]
async fn an_unfinished_line_is_not_read() {
    let cloud = cloud();
    cloud.vpc().await;
    let before = cloud.local.dump();
    let line = fs::read_to_string(cloud.file()).unwrap().lines().last().unwrap().to_owned();
    let mut file = fs::OpenOptions::new().append(true).open(cloud.file()).unwrap();
    file.write_all(&line.as_bytes()[..line.len() / 2]).unwrap();
    let again = cloud.again(Behaviour::default());
    assert_eq!(again.dump(), before);
    let vpc = before.keys().next().unwrap().trim_start_matches("vpc/").to_owned();
    again.retag(kind("vpc"), &vpc, &Tags::new()).await.unwrap();
    assert_eq!(cloud.again(Behaviour::default()).dump(), again.dump());
    assert_ne!(again.dump(), before);
    // A finished line that cannot be read is told, not skipped.
    file.write_all(b"{\"kind\"\n").unwrap();
    assert_eq!(Local::open(cloud.dir.path(), "eu-west-1", Behaviour::default()).err().unwrap().code, "LocalState");
}

#[tokio::test]
async fn a_refused_call_changes_nothing() {
    let cloud = faulty("refuse:2");
    let vpc = cloud.vpc().await;
    let before = cloud.local.dump();
    assert_eq!(refused(cloud.subnet(&vpc, "10.0.0.0/24").await), (Sort::Refused, "InjectedFault".to_owned()));
    assert_eq!(cloud.local.dump(), before);
    cloud.subnet(&vpc, "10.0.0.0/24").await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_takes_effect() {
    let cloud = faulty("lost:1, lost:2");
    assert_eq!(refused(cloud.make("vpc", "vpc.main", json!({ "cidr": "10.0.0.0/16" })).await).0, Sort::Unreachable);
    let vpc = cloud.list("vpc").await[0].id.clone();
    assert_eq!(refused(cloud.local.delete(kind("vpc"), &vpc).await).0, Sort::Unreachable);
    assert!(cloud.list("vpc").await.is_empty());
}

#[tokio::test]
async fn what_belongs_to_others_can_be_referred_to() {
    let cloud = cloud();
    let spec = json!({ "vpc": { "id": "vpc-0123456789abcdef0" }, "cidr": "10.9.0.0/24", "availability_zone": "eu-west-1a" });
    assert_eq!(refused(cloud.make("subnet", "subnet.main", spec.clone()).await).1, "InvalidVpcID.NotFound");
    cloud.local.seed_around(kind("subnet"), &spec).unwrap();
    cloud.make("subnet", "subnet.main", spec).await.unwrap();
    let copy = TempDir::new().unwrap();
    cloud.local.copy(copy.path()).unwrap();
    assert_eq!(Local::open(copy.path(), "eu-west-1", Behaviour::default()).unwrap().dump(), cloud.local.dump());
}

#[tokio::test]
async fn a_crash_is_before_or_after() {
    let spec = json!({ "cidr": "10.0.0.0/16" });
    for (fault, left) in [("crash-before:1", 0), ("crash-after:1", 1)] {
        let mut behaviour = Behaviour::default();
        behaviour.extend(fault).unwrap();
        let halted = Arc::new(Notify::new());
        behaviour.faults.crash = Crash::Halt(halted.clone());
        let cloud = with(behaviour);
        tokio::select! {
            _ = cloud.make("vpc", "vpc.main", spec.clone()) => panic!("{fault}: the dead have no answer"),
            () = halted.notified() => {}
        }
        tokio::select! {
            biased;
            _ = cloud.list("vpc") => panic!("{fault}: the dead make no further call"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(cloud.again(Behaviour::default()).dump().len(), left);
        assert_eq!(cloud.local.struck(), [Struck { call: 1, action: "create", address: "vpc.main".to_owned() }]);
    }
}

#[tokio::test]
async fn every_third_call_is_one_too_many() {
    let cloud = faulty("throttle:3");
    cloud.vpc().await;
    cloud.list("vpc").await;
    assert_eq!(cloud.local.list(kind("vpc"), &scope()).await.unwrap_err().sort, Sort::Throttled);
    cloud.list("vpc").await;
}

#[test]
fn faults_are_understood_or_told() {
    let mut behaviour = Behaviour::default();
    behaviour.extend("refuse:7, settle:0.5,lag:20").unwrap();
    assert_eq!((behaviour.settle, behaviour.read_lag), (Settle::Slowly(0.5), Duration::from_millis(20)));
    for wrong in ["refuse", "refuse:0", "explode:3", "settle:-1"] {
        assert!(behaviour.extend(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn reads_lag_behind() {
    let cloud = with(Behaviour { read_lag: Duration::from_millis(150), ..Behaviour::default() });
    let vpc = cloud.vpc().await;
    assert!(cloud.list("vpc").await.is_empty());
    assert_eq!(cloud.local.dump().len(), 1);
    assert_eq!(refused(cloud.subnet(&vpc, "10.0.0.0/24").await), (Sort::NotYet, "InvalidVpcID.NotFound".to_owned()));
    let wait = || tokio::time::sleep(Duration::from_millis(200));
    wait().await;
    assert_eq!(cloud.list("vpc").await[0].spec["dns_hostnames"], json!(false));
    let wanted = json!({ "dns_hostnames": true });
    cloud.local.update(kind("vpc"), &vpc, &wanted, &["/dns_hostnames".into()]).await.unwrap();
    assert_eq!(cloud.list("vpc").await[0].spec["dns_hostnames"], json!(false));
    wait().await;
    assert_eq!(cloud.list("vpc").await[0].spec["dns_hostnames"], json!(true));
    cloud.local.delete(kind("vpc"), &vpc).await.unwrap();
    assert_eq!(cloud.list("vpc").await.len(), 1);
    assert!(cloud.local.dump().is_empty());
    wait().await;
    assert!(cloud.list("vpc").await.is_empty());
}

#[tokio::test]
async fn things_take_their_time() {
    let cloud = with(Behaviour { settle: Settle::Slowly(0.005), ..Behaviour::default() });
    let vpc = cloud.vpc().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let subnet = cloud.subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let address = cloud.make("elastic_ip", "elastic_ip.a", json!({})).await.unwrap();
    let spec = json!({ "subnet": { "id": subnet }, "elastic_ip": { "id": address } });
    let gateway = cloud.make("nat_gateway", "nat_gateway.a", spec).await.unwrap();
    assert_eq!(cloud.list("nat_gateway").await[0].phase, Phase::Settling("creating".into()));
    let outputs = (&cloud.list("nat_gateway").await[0].outputs["public_ip"], &cloud.list("elastic_ip").await[0].outputs["public_ip"]);
    assert_eq!(outputs.0, outputs.1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(cloud.list("nat_gateway").await[0].phase, Phase::Ready);
    cloud.local.delete(kind("nat_gateway"), &gateway).await.unwrap();
    assert_eq!(cloud.list("nat_gateway").await[0].phase, Phase::Leaving);
    assert_eq!(refused(cloud.local.delete(kind("subnet"), &subnet).await).0, Sort::Conflict);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(cloud.list("nat_gateway").await.is_empty());
    cloud.local.delete(kind("subnet"), &subnet).await.unwrap();
}

#[tokio::test]
async fn two_thousand_are_no_burden() {
    let cloud = cloud();
    let begun = std::time::Instant::now();
    for vpc in 0..20 {
        let (address, spec) = (format!("vpc.{vpc}"), json!({ "cidr": format!("10.{vpc}.0.0/16") }));
        let id = cloud.make("vpc", &address, spec).await.unwrap();
        for n in 0..100 {
            let cidr = format!("10.{vpc}.{}.{}/26", n / 4, n % 4 * 64);
            cloud.subnet(&id, &cidr).await.unwrap();
        }
    }
    let made = begun.elapsed();
    assert_eq!(cloud.again(Behaviour::default()).dump().len(), 2020);
    // Far above what it takes, far below what anything quadratic would.
    assert!(begun.elapsed() < Duration::from_secs(20), "made after {made:?}, read after {:?}", begun.elapsed());
}

/// Every type's outputs have the shape its schema asks for, whatever its spec.
#[test]
fn outputs_fit_their_schemas() {
    for kind in types::KINDS.iter() {
        let spec = json!({ "name": "shop-test-x", "domain": "shop.example.com", "engine": "postgres" });
        let maker = Maker {
            kind,
            region: "eu-west-1",
            seed: "seed".into(),
            path: "/".into(),
            spec: &spec,
            inherited: Map::new(),
            id: String::new(),
            arn: String::new(),
        };
        let maker = maker.name();
        let schema = Value::from(kind.operations.outputs_schema());
        let outputs = maker.outputs(&schema);
        assert!(fits(&schema, &schema, &outputs), "{}: {outputs} does not fit {schema}", kind.name);
        assert!(!maker.id.is_empty() && !maker.id.contains(['{', '}']), "{}: {}", kind.name, maker.id);
        assert!(!outputs.to_string().contains("simulated-"), "{}: an output has no rule of its own: {outputs}", kind.name);
        if let Some(arn) = outputs.get("arn") {
            assert!(arn.as_str().is_some_and(|arn| arn.starts_with("arn:aws:")), "{}: {outputs}", kind.name);
        }
    }
}

fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolve(root, schema);
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        return choices.iter().any(|choice| fits(root, choice, value));
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
        && value.as_array().into_iter().flatten().all(|item| items.is_none_or(|items| fits(root, items, item)))
        && required.into_iter().all(|name| value.get(name).is_some())
        && properties.into_iter().all(|(name, property)| value.get(name).is_none_or(|value| fits(root, property, value)))
}

#[tokio::test]
#[ignore = "prints figures"]
async fn exhaustive_figures() {
    for subnets in [1_000, 2_000, 10_000, 20_000] {
        let cloud = cloud();
        let begun = std::time::Instant::now();
        for vpc in 0..subnets / 500 {
            let id = cloud.make("vpc", &format!("vpc.{vpc}"), json!({ "cidr": format!("10.{vpc}.0.0/16") })).await.unwrap();
            for n in 0..500 {
                cloud.subnet(&id, &format!("10.{vpc}.{}.{}/26", n / 4, n % 4 * 64)).await.unwrap();
            }
        }
        let made = begun.elapsed();
        let begun = std::time::Instant::now();
        let again = cloud.again(Behaviour::default());
        let opened = begun.elapsed();
        let listed = again.list(kind("subnet"), &scope()).await.unwrap().len();
        let size = fs::metadata(cloud.file()).unwrap().len() / 1024;
        println!("{subnets}: made {made:?}, opened {opened:?}, listed {listed} after {:?}, {size} KiB", begun.elapsed());
    }
}
