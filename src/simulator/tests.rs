use std::{fs, io::Write, sync::Arc};

use tempfile::TempDir;
use tokio::sync::Notify;

use super::*;
use crate::{
    aws::types,
    core::{ENVIRONMENT_TAG, ErrorKind, OnDelete, Phase, STACK_TAG},
};

mod outputs;
mod recovery;

struct TestCloud {
    simulator: Simulator,
    dir: TempDir,
}

fn new_cloud() -> TestCloud {
    cloud_with(Behaviour::default())
}

fn cloud_with(behaviour: Behaviour) -> TestCloud {
    let dir = TempDir::new().unwrap();
    TestCloud { simulator: Simulator::open(dir.path(), "eu-west-1", behaviour).unwrap(), dir }
}

fn cloud_with_faults(text: &str) -> TestCloud {
    let mut behaviour = Behaviour::default();
    behaviour.extend(text).unwrap();
    cloud_with(behaviour)
}

fn resource_type(name: &str) -> &'static ResourceType {
    types::resource_type(name).unwrap()
}

fn tags(address: &str) -> Tags {
    [(STACK_TAG, "shop"), (ENVIRONMENT_TAG, "test"), (ADDRESS_TAG, address)]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}

fn scope() -> Scope {
    Scope { stack: "shop".into(), environment: "test".into(), prefix: "shop-test-".into(), ..Scope::default() }
}

impl TestCloud {
    /// Creates with a token derived from the address.
    async fn create(&self, name: &str, address: &str, spec: Value) -> Result<String> {
        self.create_with_token(name, address, address, spec).await
    }
    async fn create_with_token(&self, name: &str, address: &str, token: &str, spec: Value) -> Result<String> {
        let call = new_call(address, token);
        let spec = resource_type(name).operations.parse(&spec).unwrap();
        self.simulator.create(resource_type(name), &call, &spec).await
    }
    async fn restore(&self, name: &str, address: &str, id: &str, spec: Value) -> Result<String> {
        let call = CallContext { dormant: Some(id.to_owned()), ..new_call(address, "") };
        let spec = resource_type(name).operations.parse(&spec).unwrap();
        self.simulator.create(resource_type(name), &call, &spec).await
    }
    async fn create_vpc(&self) -> String {
        self.create("vpc", "vpc.main", json!({ "cidr": "10.0.0.0/16" })).await.unwrap()
    }
    async fn create_subnet(&self, vpc: &str, cidr: &str) -> Result<String> {
        let spec = json!({ "vpc": { "id": vpc }, "cidr": cidr, "availability_zone": "eu-west-1a" });
        self.create("subnet", &format!("subnet.{cidr}"), spec).await
    }
    async fn list(&self, name: &str) -> Vec<LiveResource> {
        self.simulator.list(resource_type(name), &scope()).await.unwrap()
    }
    fn reopen(&self, behaviour: Behaviour) -> Simulator {
        Simulator::open(self.dir.path(), "eu-west-1", behaviour).unwrap()
    }
    fn file(&self) -> PathBuf {
        self.dir.path().join("cloud.jsonl")
    }
}

fn new_call(address: &str, token: &str) -> CallContext {
    CallContext {
        address: address.into(),
        region: None,
        tags: tags(address),
        token: token.into(),
        on_delete: OnDelete::Delete,
        is_undone: false,
        dormant: None,
        stack: "shop".into(),
        environment: "test".into(),
    }
}

fn rejection<T: std::fmt::Debug>(result: Result<T>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind, error.code)
}

#[tokio::test]
async fn creates_updates_retags_and_deletes_a_vpc() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    assert!(vpc.starts_with("vpc-") && vpc.len() == 4 + 17, "{vpc}");
    let [live] = <[LiveResource; 1]>::try_from(cloud.list("vpc").await).unwrap();
    assert_eq!((live.id.as_str(), &live.phase, &*live.tags), (vpc.as_str(), &Phase::Ready, &tags("vpc.main")));
    assert_eq!(
        (&live.outputs["arn"], &live.outputs["owner_id"]),
        (&json!(format!("arn:aws:ec2:eu-west-1:123456789012:vpc/{vpc}")), &json!("123456789012"))
    );
    // A field that the create call can't set has AWS's default until an update.
    assert_eq!(live.spec["dns_hostnames"], json!(false));
    let wanted = json!({ "cidr": "10.9.0.0/16", "dns_hostnames": true, "dns_support": false });
    cloud.simulator.update(resource_type("vpc"), (None, &vpc), &wanted, &["/dns_hostnames".into()]).await.unwrap();
    let spec = &cloud.list("vpc").await[0].spec;
    assert_eq!((&spec["dns_hostnames"], &spec["dns_support"], &spec["cidr"]), (&json!(true), &json!(true), &json!("10.0.0.0/16")));
    cloud.simulator.retag(resource_type("vpc"), (None, &vpc), &Tags::new()).await.unwrap();
    assert!(cloud.list("vpc").await.is_empty());
    cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap();
    assert!(cloud.simulator.dump().is_empty());
    let count = |action: &str| cloud.simulator.counts()[&("vpc".to_owned(), action.to_owned())];
    assert_eq!((count("create"), count("list"), count("update"), count("retag"), count("delete")), (1, 3, 1, 1, 1));
}

#[tokio::test]
async fn returns_not_found_for_a_missing_resource() {
    let cloud = new_cloud();
    let gone = (ErrorKind::NotFound, "InvalidVpcID.NotFound".to_owned());
    assert_eq!(rejection(cloud.simulator.delete(resource_type("vpc"), (None, "vpc-0"), OnDelete::Delete).await), gone);
    assert_eq!(rejection(cloud.simulator.update(resource_type("vpc"), (None, "vpc-0"), &json!({}), &[]).await), gone);
    assert_eq!(rejection(cloud.simulator.retag(resource_type("vpc"), (None, "vpc-0"), &Tags::new()).await), gone);
}

#[tokio::test]
async fn rejects_references_to_missing_resources() {
    let cloud = new_cloud();
    assert_eq!(rejection(cloud.create_subnet("vpc-0", "10.0.0.0/24").await), (ErrorKind::Rejected, "InvalidVpcID.NotFound".to_owned()));
    let vpc = cloud.create_vpc().await;
    let subnet = cloud.create_subnet(&vpc, "10.0.0.0/24").await.unwrap();
    assert_eq!(rejection(cloud.create_subnet(&subnet, "10.0.1.0/24").await).1, "InvalidVpcID.NotFound", "a subnet is not a VPC");
}

#[tokio::test]
async fn rejects_subnets_that_overlap_or_lie_outside_the_vpc() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    cloud.create_subnet(&vpc, "10.0.4.0/22").await.unwrap();
    for overlapping in ["10.0.4.0/24", "10.0.7.0/24", "10.0.0.0/20", "10.0.4.0/22"] {
        let spec = json!({ "vpc": { "id": vpc }, "cidr": overlapping, "availability_zone": "eu-west-1b" });
        let made = cloud.create("subnet", "subnet.other", spec).await;
        assert_eq!(rejection(made), (ErrorKind::Rejected, "InvalidSubnet.Conflict".to_owned()), "{overlapping}");
    }
    assert_eq!(rejection(cloud.create_subnet(&vpc, "10.1.0.0/24").await), (ErrorKind::Rejected, "InvalidSubnet.Range".to_owned()));
    cloud.create_subnet(&vpc, "10.0.0.0/22").await.unwrap();
    cloud.create_subnet(&vpc, "10.0.8.0/24").await.unwrap();
}

#[tokio::test]
async fn accepts_subnets_in_a_secondary_cidr() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    assert_eq!(rejection(cloud.create_subnet(&vpc, "10.1.0.0/24").await).1, "InvalidSubnet.Range");
    let wanted = json!({ "secondary_cidrs": ["10.1.0.0/16"] });
    cloud.simulator.update(resource_type("vpc"), (None, &vpc), &wanted, &["/secondary_cidrs/0".into()]).await.unwrap();
    let subnet = cloud.create_subnet(&vpc, "10.1.0.0/24").await.unwrap();
    let without = json!({ "secondary_cidrs": [] });
    let pointers = ["/secondary_cidrs".to_owned()];
    let remove = || cloud.simulator.update(resource_type("vpc"), (None, &vpc), &without, &pointers);
    assert_eq!(rejection(remove().await), (ErrorKind::Conflict, "DependencyViolation".to_owned()));
    cloud.simulator.delete(resource_type("subnet"), (None, &subnet), OnDelete::Delete).await.unwrap();
    remove().await.unwrap();
}

#[tokio::test]
async fn refuses_to_delete_a_resource_in_use() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    let subnet = cloud.create_subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let error = cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (ErrorKind::Conflict, "DependencyViolation"));
    assert!(error.message.contains(&subnet) && error.message.contains("subnet.10.0.0.0/24"), "{error}");
    assert!(!error.message.contains("of the stack"), "{error}");
    let others: Tags = [(STACK_TAG.to_owned(), "rules".to_owned())].into();
    cloud.simulator.retag(resource_type("subnet"), (None, &subnet), &others).await.unwrap();
    let error = cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap_err();
    assert!(error.message.contains("of the stack rules"), "{error}");
    cloud.simulator.delete(resource_type("subnet"), (None, &subnet), OnDelete::Delete).await.unwrap();
    cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap();
}

#[tokio::test]
async fn allows_deletion_after_the_reference_is_removed() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    let gateway = cloud.create("internet_gateway", "internet_gateway.main", json!({ "vpc": { "id": vpc } })).await.unwrap();
    // Attaching is not part of the create call.
    let (attached, detached) = (json!({ "vpc": { "id": vpc } }), json!({ "vpc": null }));
    cloud.simulator.update(resource_type("internet_gateway"), (None, &gateway), &attached, &["/vpc/id".into()]).await.unwrap();
    assert_eq!(rejection(cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await).0, ErrorKind::Conflict);
    cloud.simulator.update(resource_type("internet_gateway"), (None, &gateway), &detached, &["/vpc".into()]).await.unwrap();
    cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap();
}

#[tokio::test]
async fn rejects_duplicate_names() {
    let cloud = new_cloud();
    let repository = json!({ "name": "shop-test-users" });
    let id = cloud.create("ecr_repository", "ecr_repository.users", repository.clone()).await.unwrap();
    assert_eq!(id, "shop-test-users");
    let second = cloud.create("ecr_repository", "ecr_repository.others", repository.clone()).await;
    assert_eq!(rejection(second), (ErrorKind::AlreadyExists, "RepositoryAlreadyExistsException".to_owned()));
    let vpc = cloud.create_vpc().await;
    let group = json!({ "name": "web", "description": "web", "vpc": { "id": vpc } });
    cloud.create("security_group", "security_group.web", group.clone()).await.unwrap();
    assert_eq!(
        rejection(cloud.create("security_group", "security_group.b", group).await),
        (ErrorKind::AlreadyExists, "InvalidGroup.Duplicate".to_owned())
    );
    cloud.simulator.delete(resource_type("ecr_repository"), (None, &id), OnDelete::Delete).await.unwrap();
    cloud.create("ecr_repository", "ecr_repository.others", repository).await.unwrap();
}

#[tokio::test]
async fn lists_unowned_resources_with_a_looked_up_name() {
    let cloud = new_cloud();
    let id = cloud.create("ecr_repository", "ecr_repository.users", json!({ "name": "users" })).await.unwrap();
    cloud.simulator.retag(resource_type("ecr_repository"), (None, &id), &Tags::new()).await.unwrap();
    assert!(cloud.list("ecr_repository").await.is_empty());
    let wanted = Scope { lookup: ["users".to_owned()].into(), ..scope() };
    assert_eq!(cloud.simulator.list(resource_type("ecr_repository"), &wanted).await.unwrap().len(), 1);
}

#[tokio::test]
async fn creates_once_per_token_where_the_api_is_idempotent() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    let table = json!({ "vpc": { "id": vpc } });
    let first = cloud.create_with_token("route_table", "route_table.a", "token", table.clone()).await.unwrap();
    assert_eq!(cloud.create_with_token("route_table", "route_table.a", "token", table.clone()).await.unwrap(), first);
    assert_ne!(cloud.create_with_token("route_table", "route_table.a", "another", table).await.unwrap(), first);
    // CreateVpc has no token: two calls create two VPCs.
    assert_ne!(cloud.create_vpc().await, vpc);
}

#[tokio::test]
async fn ids_are_deterministic_and_never_reused() {
    let (one, other) = (new_cloud(), new_cloud());
    let first = one.create_vpc().await;
    assert_eq!(first, other.create_vpc().await);
    one.simulator.delete(resource_type("vpc"), (None, &first), OnDelete::Delete).await.unwrap();
    drop(one.reopen(Behaviour::default()));
    assert_ne!(one.create_vpc().await, first);
}

#[tokio::test]
async fn rejects_deletion_of_protected_resources_and_changes_to_immutable_fields() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    let subnets = [cloud.create_subnet(&vpc, "10.0.0.0/24").await.unwrap(), cloud.create_subnet(&vpc, "10.0.1.0/24").await.unwrap()];
    let subnets = subnets.map(|id| json!({ "id": id }));
    let spec = json!({ "name": "web", "type": "network", "subnets": subnets });
    let id = cloud.create("load_balancer", "load_balancer.web", spec.clone()).await.unwrap();
    let mut wanted = resource_type("load_balancer").operations.parse(&spec).unwrap();
    wanted["deletion_protection"] = json!(true);
    let protect = ["/deletion_protection".into()];
    cloud.simulator.update(resource_type("load_balancer"), (None, &id), &wanted, &protect).await.unwrap();
    assert_eq!(
        rejection(cloud.simulator.delete(resource_type("load_balancer"), (None, &id), OnDelete::Delete).await),
        (ErrorKind::Rejected, "OperationNotPermitted".to_owned())
    );
    let fixed = cloud.simulator.update(resource_type("vpc"), (None, &vpc), &json!({ "cidr": "10.7.0.0/16" }), &["/cidr".into()]).await;
    assert_eq!(rejection(fixed), (ErrorKind::Rejected, "InvalidParameterCombination".to_owned()));
}

#[tokio::test]
async fn rejects_creation_beyond_the_quota() {
    let cloud = new_cloud();
    let (most, code) = resource_type("elastic_ip").quota.unwrap();
    for n in 0..most {
        cloud.create("elastic_ip", &format!("elastic_ip.{n}"), json!({})).await.unwrap();
    }
    assert_eq!(rejection(cloud.create("elastic_ip", "elastic_ip.more", json!({})).await), (ErrorKind::Rejected, code.to_owned()));
}

#[tokio::test]
async fn keeps_its_state_when_reopened() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    let subnet = cloud.create_subnet(&vpc, "10.0.0.0/24").await.unwrap();
    for n in 0..400 {
        let tags = Tags::from([("n".to_owned(), n.to_string())]);
        cloud.simulator.retag(resource_type("vpc"), (None, &vpc), &tags).await.unwrap();
    }
    let again = cloud.reopen(Behaviour::default());
    assert_eq!(again.dump(), cloud.simulator.dump());
    assert!(fs::read_to_string(cloud.file()).unwrap().lines().count() < 10, "obsolete lines are removed");
    // Both see the writes of the other, including the one that was open before the file was rewritten.
    assert_eq!(rejection(again.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await).0, ErrorKind::Conflict);
    cloud.simulator.delete(resource_type("subnet"), (None, &subnet), OnDelete::Delete).await.unwrap();
    again.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap();
    assert!(cloud.simulator.dump().is_empty());
}

#[tokio::test]
async fn ignores_a_truncated_last_line() {
    let cloud = new_cloud();
    cloud.create_vpc().await;
    let before = cloud.simulator.dump();
    let line = fs::read_to_string(cloud.file()).unwrap().lines().last().unwrap().to_owned();
    let mut file = fs::OpenOptions::new().append(true).open(cloud.file()).unwrap();
    file.write_all(&line.as_bytes()[..line.len() / 2]).unwrap();
    let again = cloud.reopen(Behaviour::default());
    assert_eq!(again.dump(), before);
    let vpc = before.keys().next().unwrap().trim_start_matches("vpc/").to_owned();
    again.retag(resource_type("vpc"), (None, &vpc), &Tags::new()).await.unwrap();
    assert_eq!(cloud.reopen(Behaviour::default()).dump(), again.dump());
    assert_ne!(again.dump(), before);
    // A complete line that can't be parsed is reported, not skipped.
    file.write_all(b"{\"kind\"\n").unwrap();
    assert_eq!(Simulator::open(cloud.dir.path(), "eu-west-1", Behaviour::default()).err().unwrap().code, "LocalState");
}

#[tokio::test]
async fn a_rejected_call_changes_nothing() {
    let cloud = cloud_with_faults("refuse:2");
    let vpc = cloud.create_vpc().await;
    let before = cloud.simulator.dump();
    assert_eq!(rejection(cloud.create_subnet(&vpc, "10.0.0.0/24").await), (ErrorKind::Rejected, "InjectedFault".to_owned()));
    assert_eq!(cloud.simulator.dump(), before);
    cloud.create_subnet(&vpc, "10.0.0.0/24").await.unwrap();
}

#[tokio::test]
async fn a_call_with_a_lost_answer_takes_effect() {
    let cloud = cloud_with_faults("lost:1, lost:2");
    assert_eq!(rejection(cloud.create("vpc", "vpc.main", json!({ "cidr": "10.0.0.0/16" })).await).0, ErrorKind::Unavailable);
    let vpc = cloud.list("vpc").await[0].id.clone();
    assert_eq!(rejection(cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await).0, ErrorKind::Unavailable);
    assert!(cloud.list("vpc").await.is_empty());
}

#[tokio::test]
async fn seeds_referenced_resources_of_other_owners() {
    let cloud = new_cloud();
    let spec = json!({ "vpc": { "id": "vpc-0123456789abcdef0" }, "cidr": "10.9.0.0/24", "availability_zone": "eu-west-1a" });
    assert_eq!(rejection(cloud.create("subnet", "subnet.main", spec.clone()).await).1, "InvalidVpcID.NotFound");
    cloud.simulator.seed_references(resource_type("subnet"), None, &spec).unwrap();
    cloud.create("subnet", "subnet.main", spec).await.unwrap();
    let copy = TempDir::new().unwrap();
    cloud.simulator.copy(copy.path()).unwrap();
    assert_eq!(Simulator::open(copy.path(), "eu-west-1", Behaviour::default()).unwrap().dump(), cloud.simulator.dump());
}

#[tokio::test]
async fn crashes_before_or_after_a_call() {
    let spec = json!({ "cidr": "10.0.0.0/16" });
    for (fault, left) in [("crash-before:1", 0), ("crash-after:1", 1)] {
        let mut behaviour = Behaviour::default();
        behaviour.extend(fault).unwrap();
        let halted = Arc::new(Notify::new());
        behaviour.faults.crash = CrashMode::Halt(halted.clone());
        let cloud = cloud_with(behaviour);
        tokio::select! {
            _ = cloud.create("vpc", "vpc.main", spec.clone()) => panic!("{fault}: a crashed process got a response"),
            () = halted.notified() => {}
        }
        tokio::select! {
            biased;
            _ = cloud.list("vpc") => panic!("{fault}: a crashed process made another call"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(cloud.reopen(Behaviour::default()).dump().len(), left);
        assert_eq!(cloud.simulator.fault_hits(), [FaultHit { call: 1, action: "create", address: "vpc.main".to_owned() }]);
    }
}

#[tokio::test]
async fn throttles_every_third_call() {
    let cloud = cloud_with_faults("throttle:3");
    cloud.create_vpc().await;
    cloud.list("vpc").await;
    assert_eq!(cloud.simulator.list(resource_type("vpc"), &scope()).await.unwrap_err().kind, ErrorKind::Throttled);
    cloud.list("vpc").await;
}

#[test]
fn parses_faults_and_rejects_invalid_ones() {
    let mut behaviour = Behaviour::default();
    behaviour.extend("refuse:7, settle:0.5,lag:20").unwrap();
    assert_eq!((behaviour.timing, behaviour.read_lag), (Timing::Scaled(0.5), Duration::from_millis(20)));
    for wrong in ["refuse", "refuse:0", "explode:3", "settle:-1"] {
        assert!(behaviour.extend(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn survives_reads_that_lag_behind_writes() {
    let cloud = cloud_with(Behaviour { read_lag: Duration::from_millis(150), ..Behaviour::default() });
    let vpc = cloud.create_vpc().await;
    assert!(cloud.list("vpc").await.is_empty());
    assert_eq!(cloud.simulator.dump().len(), 1);
    assert_eq!(rejection(cloud.create_subnet(&vpc, "10.0.0.0/24").await), (ErrorKind::NotYetVisible, "InvalidVpcID.NotFound".to_owned()));
    let wait = || tokio::time::sleep(Duration::from_millis(200));
    wait().await;
    assert_eq!(cloud.list("vpc").await[0].spec["dns_hostnames"], json!(false));
    let wanted = json!({ "dns_hostnames": true });
    cloud.simulator.update(resource_type("vpc"), (None, &vpc), &wanted, &["/dns_hostnames".into()]).await.unwrap();
    assert_eq!(cloud.list("vpc").await[0].spec["dns_hostnames"], json!(false));
    wait().await;
    assert_eq!(cloud.list("vpc").await[0].spec["dns_hostnames"], json!(true));
    cloud.simulator.delete(resource_type("vpc"), (None, &vpc), OnDelete::Delete).await.unwrap();
    assert_eq!(cloud.list("vpc").await.len(), 1);
    assert!(cloud.simulator.dump().is_empty());
    wait().await;
    assert!(cloud.list("vpc").await.is_empty());
}

#[tokio::test]
async fn creation_and_deletion_take_time() {
    let cloud = cloud_with(Behaviour { timing: Timing::Scaled(0.005), ..Behaviour::default() });
    let vpc = cloud.create_vpc().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let subnet = cloud.create_subnet(&vpc, "10.0.0.0/24").await.unwrap();
    let address = cloud.create("elastic_ip", "elastic_ip.a", json!({})).await.unwrap();
    let spec = json!({ "subnet": { "id": subnet }, "elastic_ip": { "id": address } });
    let gateway = cloud.create("nat_gateway", "nat_gateway.a", spec).await.unwrap();
    assert_eq!(cloud.list("nat_gateway").await[0].phase, Phase::Progressing("creating".into()));
    let outputs = (&cloud.list("nat_gateway").await[0].outputs["public_ip"], &cloud.list("elastic_ip").await[0].outputs["public_ip"]);
    assert_eq!(outputs.0, outputs.1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(cloud.list("nat_gateway").await[0].phase, Phase::Ready);
    cloud.simulator.delete(resource_type("nat_gateway"), (None, &gateway), OnDelete::Delete).await.unwrap();
    assert_eq!(cloud.list("nat_gateway").await[0].phase, Phase::Deleting);
    assert_eq!(rejection(cloud.simulator.delete(resource_type("subnet"), (None, &subnet), OnDelete::Delete).await).0, ErrorKind::Conflict);
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert!(cloud.list("nat_gateway").await.is_empty());
    cloud.simulator.delete(resource_type("subnet"), (None, &subnet), OnDelete::Delete).await.unwrap();
}

#[tokio::test]
async fn scales_to_two_thousand_resources() {
    let cloud = new_cloud();
    let begun = std::time::Instant::now();
    for vpc in 0..20 {
        let (address, spec) = (format!("vpc.{vpc}"), json!({ "cidr": format!("10.{vpc}.0.0/16") }));
        let id = cloud.create("vpc", &address, spec).await.unwrap();
        for n in 0..100 {
            let cidr = format!("10.{vpc}.{}.{}/26", n / 4, n % 4 * 64);
            cloud.create_subnet(&id, &cidr).await.unwrap();
        }
    }
    let made = begun.elapsed();
    assert_eq!(cloud.reopen(Behaviour::default()).dump().len(), 2020);
    // Far above the real duration, far below that of a quadratic algorithm.
    assert!(begun.elapsed() < Duration::from_secs(20), "made after {made:?}, read after {:?}", begun.elapsed());
}

#[tokio::test]
async fn objects_are_deleted_with_their_cluster() {
    let cloud = new_cloud();
    let vpc = cloud.create_vpc().await;
    let mut clusters = Vec::new();
    for (name, net) in [("one", 1), ("two", 2)] {
        let mut subnets = Vec::new();
        for zone in ["a", "b"] {
            let (zone, cidr) = (format!("eu-west-1{zone}"), format!("10.0.{net}{}.0/24", if zone == "a" { 0 } else { 1 }));
            let spec = json!({ "vpc": { "id": vpc }, "cidr": cidr, "availability_zone": zone });
            subnets.push(json!({ "id": cloud.create("subnet", &format!("subnet.{name}-{zone}"), spec).await.unwrap() }));
        }
        let role = json!({ "arn": "arn:aws:iam::111122223333:role/cluster" });
        let spec = json!({ "name": name, "role": role, "subnets": subnets, "deletion_protection": false });
        clusters.push(cloud.create("eks_cluster", &format!("eks_cluster.{name}"), spec).await.unwrap());
        let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "web" } });
        let spec = json!({ "cluster": { "id": clusters.last() }, "manifest": manifest });
        cloud.create("kubernetes_object", &format!("kubernetes_object.{name}"), spec).await.unwrap();
    }
    cloud.simulator.delete(resource_type("eks_cluster"), (None, &clusters[0]), OnDelete::Delete).await.unwrap();
    let owners = |found: &[LiveResource]| found.iter().map(|live| live.spec["cluster"]["id"].clone()).collect::<Vec<_>>();
    assert_eq!(owners(&cloud.list("kubernetes_object").await), [json!(clusters[1])]);
    let reopened = cloud.reopen(Behaviour::default()).dump();
    assert_eq!(reopened.keys().filter(|key| key.starts_with("kubernetes_object/")).count(), 1, "{reopened:?}");
}
