//! Plans with values that are known before the resources exist, or change with them.

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::{
    core::{Address, LiveResource},
    definition::Source,
    engine::{
        backend::BucketCreation,
        discover::LiveState,
        plan::{Action, Change, Goal, Plan, ReplacementOrder, plan},
        session::{Connection, RunOptions, Session, SessionOptions},
    },
    simulator::Simulator,
};

const CLUSTER: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  iam_policy:
    logs: { document: { Statement: [] }, description: first }
    network: { document: { Statement: [] }, description: 'in {{ eks_cluster.main.vpc_id }}' }
  iam_role:
    cluster: { trust: { services: [eks.amazonaws.com] }, policies: ['{{ iam_policy.logs.arn }}'] }
    node: { trust: { services: [ec2.amazonaws.com] } }
    admin: { trust: { services: [ec2.amazonaws.com, eks.amazonaws.com] } }
  eks_cluster: { main: { version: '1.33', role: cluster, subnets: [a, b], deletion_protection: false } }
  eks_node_group: { main: { cluster: main, role: node, subnets: [a, b], min: 1, desired: 1, max: 2 } }
  eks_access_entry: { admin: { cluster: main, principal_arn: '{{ iam_role.admin.arn }}' } }
";

/// A stack that exists in a simulated cloud.
struct Applied {
    folder: TempDir,
    live_state: LiveState,
}

impl Applied {
    async fn new(text: &str) -> Applied {
        let folder = tempfile::tempdir().expect("a folder");
        let session = open(&folder, text).await;
        let connected = session.connect(BucketCreation::Never).await.expect("a cloud");
        let mut locked = connected.lock("apply", std::time::Duration::ZERO, |_| {}).await.expect("it is free");
        let (events, _receiver) = mpsc::unbounded_channel();
        let proposed = locked.plan(Goal::Apply).await.expect("a plan");
        proposed.check().expect("no obstacles").apply(RunOptions::new(events)).await.expect("a run");
        locked.release().await.expect("it is held");
        let live_state = open(&folder, text).await.discover().await.expect("resources").live_state().clone();
        let applied = Applied { folder, live_state };
        assert!(applied.plan(text).await.is_empty(), "a second plan shows no changes");
        applied
    }

    /// Removes resources, as somebody outside acme would.
    fn without(mut self, addresses: &[&str]) -> Applied {
        for resources in self.live_state.live.values_mut() {
            resources.retain(|live| !addresses.contains(&address(live).as_str()));
        }
        self
    }

    fn live(&self, wanted: &str) -> &LiveResource {
        self.live_state.iter().find(|live| address(live) == wanted).expect("a live resource")
    }

    async fn plan(&self, text: &str) -> Plan {
        let session = open(&self.folder, text).await;
        plan(session.stack(), &self.live_state, Goal::Apply, session.region(), Simulator::ACCOUNT)
    }
}

fn address(live: &LiveResource) -> String {
    live.tags.get(crate::core::ADDRESS_TAG).cloned().unwrap_or_default()
}

async fn open(folder: &TempDir, text: &str) -> Session {
    let options = SessionOptions { connection: Connection::Simulated(folder.path().join("cloud")), ..SessionOptions::default() };
    Session::open(Source::new("shop.yaml", text), options).await.unwrap_or_else(|error| panic!("{error:?}"))
}

/// What a plan changes: `update iam_role.cluster`, and for a replacement its order.
fn changes(plan: &Plan) -> Vec<String> {
    assert!(plan.obstacles.is_empty(), "{:?}", plan.obstacles);
    let changed = plan.changes.iter().filter(|change| change.action != Action::None);
    let action = |change: &Change| match (change.action, change.replacement_order) {
        (Action::Replace, Some(ReplacementOrder::DestroyBeforeCreate)) => "delete and create".to_owned(),
        (Action::Replace, _) => "replace".to_owned(),
        (action, _) => format!("{action:?}").to_lowercase(),
    };
    changed.map(|change| format!("{} {}", action(change), change.address)).collect()
}

fn after(plan: &Plan, address: &str, pointer: &str) -> Value {
    let (type_name, name) = address.split_once('.').expect("an address");
    let change = plan.changes.iter().find(|change| change.address == Address::new(type_name, name)).expect("a change");
    change.fields.iter().find(|field| field.pointer == pointer).map_or(Value::Null, |field| field.after.clone())
}

#[tokio::test]
async fn a_recreated_role_changes_no_cluster_and_no_nodes() {
    let applied = Applied::new(CLUSTER).await.without(&["iam_role.cluster", "iam_role.node"]);
    assert_eq!(changes(&applied.plan(CLUSTER).await), ["create iam_role.cluster", "create iam_role.node"]);
}

/// EKS keeps the unique id of the role, which the new one does not have, and has one entry for each ARN.
#[tokio::test]
async fn an_access_entry_is_recreated_with_its_role() {
    let applied = Applied::new(CLUSTER).await.without(&["iam_role.admin"]);
    let plan = applied.plan(CLUSTER).await;
    assert_eq!(changes(&plan), ["delete and create eks_access_entry.admin", "create iam_role.admin"]);
    assert_eq!(after(&plan, "eks_access_entry.admin", "/principal_arn"), "${iam_role.admin.arn}");
}

#[tokio::test]
async fn a_replaced_policy_is_attached_under_its_new_name() {
    let applied = Applied::new(CLUSTER).await;
    let plan = applied.plan(&CLUSTER.replace("description: first", "description: second")).await;
    assert_eq!(changes(&plan), ["replace iam_policy.logs", "update iam_role.cluster"]);
    let name = plan.name_overrides[&Address::new("iam_policy", "logs")].clone();
    let arn = format!("arn:aws:iam::123456789012:policy/acme/shop/default/{name}");
    assert_eq!(after(&plan, "iam_role.cluster", "/policies"), json!([arn]));
}

/// The nodes and entries of a cluster with the same name are deleted with the old one. Its VPC stays the same.
#[tokio::test]
async fn what_is_in_a_replaced_cluster_is_recreated() {
    let named = CLUSTER.replace("main: { version", "main: { name: shop, version");
    let applied = Applied::new(&named).await;
    let plan = applied.plan(&named.replace("role: cluster", "role: admin")).await;
    let expected =
        ["eks_access_entry.admin", "eks_cluster.main", "eks_node_group.main"].map(|address| format!("delete and create {address}"));
    assert_eq!(changes(&plan), expected);
    assert!(plan.name_overrides.is_empty(), "the new ones have the same names: {:?}", plan.name_overrides);
    let plan = applied.without(&["eks_cluster.main", "eks_node_group.main", "eks_access_entry.admin"]).plan(&named).await;
    assert_eq!(changes(&plan), ["create eks_access_entry.admin", "create eks_cluster.main", "create eks_node_group.main"]);
}

#[tokio::test]
async fn a_generated_id_that_will_differ_replaces_its_users() {
    let text = CLUSTER.replace("{ cidr: 10.0.0.0/16 }", "{ cidr: 10.0.0.0/16, dedicated: true }");
    let plan = Applied::new(CLUSTER).await.plan(&text).await;
    let changes = changes(&plan);
    for address in ["vpc.main", "subnet.a", "subnet.b", "eks_node_group.main", "iam_policy.network"] {
        assert!(changes.contains(&format!("replace {address}")), "{address}: {changes:?}");
    }
    assert!(!changes.iter().any(|change| change.contains("iam_role")), "{changes:?}");
}

#[tokio::test]
async fn a_bucket_that_is_recreated_keeps_its_flow_logs() {
    let text = "
stack: shop
region: eu-west-1
account: '123456789012'
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  s3_bucket: { logs: {} }
  flow_log: { main: { vpc: main, bucket: logs } }
";
    let applied = Applied::new(text).await.without(&["s3_bucket.logs"]);
    assert_eq!(changes(&applied.plan(text).await), ["create s3_bucket.logs"]);
}

/// One apply is enough: the policy gets the new alias in the same plan.
#[tokio::test]
async fn an_output_that_an_update_changes_is_used_with_its_new_value() {
    let text = "
stack: shop
region: eu-west-1
resources:
  kms_key: { main: { name: alias/one } }
  iam_policy:
    use:
      document:
        Statement: [{ Effect: Allow, Action: 'kms:Decrypt', Resource: '*', Condition: { StringEquals: { 'kms:RequestAlias': '{{ kms_key.main.alias }}' } } }]
";
    let applied = Applied::new(text).await;
    let plan = applied.plan(&text.replace("alias/one", "alias/two")).await;
    assert_eq!(changes(&plan), ["update iam_policy.use", "update kms_key.main"]);
    assert!(after(&plan, "iam_policy.use", "/document/Statement").to_string().contains("alias/two"));
}

/// A version that AWS reports in another form, and so is not determined, is unknown rather than the old one.
#[tokio::test]
async fn an_output_that_an_update_changes_is_unknown_unless_it_is_determined() {
    let text = CLUSTER
        .replace("description: first", "description: 'for {{ eks_cluster.main.version }}'")
        .replace("policies: ['{{ iam_policy.logs.arn }}']", "policies: []");
    let applied = Applied::new(&text).await;
    let version = applied.live("eks_cluster.main").output("version").expect("a version");
    let plan = applied.plan(&text.replace("version: '1.33'", "version: '1.34'")).await;
    assert_eq!(changes(&plan), ["update eks_cluster.main", "replace iam_policy.logs"], "it was {version}");
    assert_eq!(after(&plan, "iam_policy.logs", "/description"), "for ${eks_cluster.main.version}");
}

#[tokio::test]
async fn the_name_of_a_fifo_queue_has_its_suffix() {
    let text = "
stack: shop
region: eu-west-1
resources:
  sqs_queue:
    jobs: { fifo: true, dead_letter_queue: failed, max_receives: 3 }
    failed: { fifo: true, name: failed }
    whole: { fifo: true, name: whole.fifo }
    plain: {}
";
    let applied = Applied::new(text).await;
    for (address, name) in [("jobs", "shop-jobs.fifo"), ("failed", "failed.fifo"), ("whole", "whole.fifo"), ("plain", "shop-plain")] {
        let live = applied.live(&format!("sqs_queue.{address}"));
        assert_eq!(live.spec["name"], name);
        assert_eq!(live.arn(), Some(format!("arn:aws:sqs:eu-west-1:123456789012:{name}").as_str()));
    }
    assert_eq!(changes(&applied.without(&["sqs_queue.failed"]).plan(text).await), ["create sqs_queue.failed"]);
}
