//! Database Migration Service: roles with fixed names, states, whole settings, and tasks that are stopped for changes.

use serde_json::{Value, json};

use super::rds::answer;
use crate::scripted_endpoint::{Answer, Endpoint, Script, json_error, json_ownership_tags, ok, xml_error};

pub(super) const ROLE: &str = "arn:aws:iam::123456789012:role/dms";
const INSTANCE: &str = "arn:aws:dms:us-east-1:123456789012:rep:MAIN";
pub(super) const SOURCE: &str = "arn:aws:dms:us-east-1:123456789012:endpoint:FROM";
const TARGET: &str = "arn:aws:dms:us-east-1:123456789012:endpoint:TO";
const TASK: &str = "arn:aws:dms:us-east-1:123456789012:task:COPY";

const GROUP: &str = "  dms_subnet_group: { main: { subnets: [{ id: subnet-1 }, { id: subnet-2 }] } }\n";

pub(super) fn merged(mut base: Value, more: Value) -> Value {
    if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
        base.extend(more);
    }
    base
}

pub(super) fn tags(address: &str) -> Answer {
    ok(json!({ "TagList": json_ownership_tags(address) }))
}

fn group() -> Answer {
    let group = json!({
        "ReplicationSubnetGroupIdentifier": "shop-main", "ReplicationSubnetGroupDescription": "Managed by acme", "VpcId": "vpc-1",
        "Subnets": [{ "SubnetIdentifier": "subnet-1" }, { "SubnetIdentifier": "subnet-2" }],
    });
    ok(json!({ "ReplicationSubnetGroup": group, "ReplicationSubnetGroups": [group] }))
}

fn role(action: &str, name: &str) -> Answer {
    let role = format!(
        "<Role><Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::123456789012:role/{name}</Arn>\
         <CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>"
    );
    answer(action, &role)
}

fn policies(attached: &str) -> Answer {
    let list = format!("<AttachedPolicies>{attached}</AttachedPolicies><IsTruncated>false</IsTruncated>");
    answer("ListAttachedRolePolicies", &list)
}

fn plan(endpoint: &Endpoint) -> Value {
    serde_json::from_str(&endpoint.run("plan", &["-o", "json"]).stdout).expect("a plan")
}

/// DMS does not believe in a new role at once.
#[test]
fn creates_the_role_that_every_account_needs() {
    let none = xml_error(404, "NoSuchEntity", "The role with name dms-vpc-role cannot be found.");
    let unknown = "The IAM Role arn:aws:iam::123456789012:role/dms-vpc-role is not configured properly.";
    let create = "CreateReplicationSubnetGroup";
    let script = |found: Answer, attached: &str, created: Answer| {
        Script::new()
            .on("GetRole", [found])
            .on("ListAttachedRolePolicies", [policies(attached)])
            .on("ListRolePolicies", [answer("ListRolePolicies", "<PolicyNames/><IsTruncated>false</IsTruncated>")])
            .on("CreateRole", [created])
            .on("AttachRolePolicy", [answer("AttachRolePolicy", "")])
            .on("DescribeReplicationSubnetGroups", [ok(json!({ "ReplicationSubnetGroups": [] }))])
            .on(create, [json_error(400, "AccessDeniedFault", unknown), group()])
            .after(create)
            .on("DescribeReplicationSubnetGroups", [group()])
            .on("ListTagsForResource", [tags("dms_subnet_group.main")])
    };
    let found = || role("GetRole", "dms-vpc-role");
    let endpoint = script(none, "", role("CreateRole", "dms-vpc-role")).start(GROUP);
    let policy = "service-role/AmazonDMSVPCManagementRole";
    let expected = json!([{ "kind": "service_role", "name": "dms-vpc-role", "service": "dms.amazonaws.com", "policy": policy }]);
    assert_eq!(plan(&endpoint)["prerequisites"], expected);
    let screen = endpoint.run("plan", &[]).assert_success().stdout;
    assert!(screen.contains("  + role dms-vpc-role of dms.amazonaws.com\n"), "{screen}");
    endpoint.apply();
    let writes = ["200 CreateRole", "200 AttachRolePolicy", &format!("400 {create}"), &format!("200 {create}")];
    assert_eq!(endpoint.writes(), writes);
    let sent = &endpoint.request_bodies("AttachRolePolicy")[0];
    assert_eq!(sent["PolicyArn"], format!("arn:aws:iam::aws:policy/{policy}"));
    assert_eq!(endpoint.planned_changes(), [""; 0]);

    // An interrupted run has left a role without a policy, which is completed; one with a policy is left alone.
    let taken = xml_error(409, "EntityAlreadyExists", "Role with name dms-vpc-role already exists.");
    let endpoint = script(found(), "", taken.clone()).start(GROUP);
    endpoint.apply();
    assert!(endpoint.writes().contains(&"200 AttachRolePolicy".to_owned()));
    let attached = "<member><PolicyName>Own</PolicyName><PolicyArn>arn:aws:iam::123456789012:policy/Own</PolicyArn></member>";
    let whole = script(found(), attached, taken).start(GROUP);
    assert_eq!(plan(&whole)["prerequisites"], json!([]));
}

#[test]
fn changes_the_subnets_of_a_group_as_a_whole() {
    let endpoint = Script::new()
        .on("DescribeReplicationSubnetGroups", [group()])
        .on("ListTagsForResource", [tags("dms_subnet_group.main")])
        .on("ModifyReplicationSubnetGroup", [group()])
        .start(&GROUP.replace("subnet-2", "subnet-3"));
    endpoint.run("apply", &["--yes"]);
    let sent = &endpoint.request_bodies("ModifyReplicationSubnetGroup")[0];
    assert_eq!(sent["SubnetIds"], json!(["subnet-1", "subnet-3"]));
    let single = "  dms_subnet_group: { main: { subnets: [{ id: subnet-1 }] } }\n";
    let done = Script::new().start(single).run("plan", &[]);
    assert!(done.stderr.contains("at least two availability zones"), "{}", done.combined_output());
}

const REPLICATION: &str = "
  dms_instance:
    main:
      class: dms.t3.medium
      subnet_group: { id: shop-main }
      security_groups: [{ id: sg-1 }]
";

fn instance(status: &str, more: Value) -> Answer {
    let instance = json!({
        "ReplicationInstanceIdentifier": "shop-main", "ReplicationInstanceArn": INSTANCE, "ReplicationInstanceStatus": status,
        "ReplicationInstanceClass": "dms.t3.medium", "AllocatedStorage": 50, "EngineVersion": "3.5.4", "MultiAZ": false,
        "VpcSecurityGroups": [{ "VpcSecurityGroupId": "sg-1", "Status": "active" }], "AvailabilityZone": "us-east-1a",
        "ReplicationSubnetGroup": { "ReplicationSubnetGroupIdentifier": "shop-main" }, "AutoMinorVersionUpgrade": true,
        "PreferredMaintenanceWindow": "sun:05:00-sun:05:30", "PubliclyAccessible": false, "NetworkType": "IPV4",
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/0123", "PendingModifiedValues": {},
        "ReplicationInstancePrivateIpAddresses": ["10.0.0.7"], "ReplicationInstancePublicIpAddresses": [null],
    });
    let instance = merged(instance, more);
    ok(json!({ "ReplicationInstance": instance, "ReplicationInstances": if status.is_empty() { json!([]) } else { json!([instance]) } }))
}

fn instance_script(first: Answer) -> Script {
    Script::new()
        .on("GetRole", [role("GetRole", "dms-vpc-role")])
        .on(
            "ListAttachedRolePolicies",
            [policies("<member><PolicyName>P</PolicyName><PolicyArn>arn:aws:iam::aws:policy/P</PolicyArn></member>")],
        )
        .on("DescribeReplicationInstances", [first])
        .on("ListTagsForResource", [tags("dms_instance.main")])
        .on("CreateReplicationInstance", [instance("creating", json!({}))])
        .on("ModifyReplicationInstance", [instance("modifying", json!({}))])
        .on("DeleteReplicationInstance", [instance("deleting", json!({}))])
}

#[test]
fn waits_for_an_instance_and_for_its_pending_changes() {
    let (list, create, modify) = ("DescribeReplicationInstances", "CreateReplicationInstance", "ModifyReplicationInstance");
    let pending = json!({ "PendingModifiedValues": { "ReplicationInstanceClass": "dms.t3.large", "MultiAZ": true } });
    let changed = json!({ "ReplicationInstanceClass": "dms.t3.large", "MultiAZ": true });
    let endpoint = instance_script(instance("", json!({})))
        .after(create)
        .on(list, [instance("creating", json!({})), instance("available", json!({}))])
        .after(modify)
        .on(list, [instance("modifying", pending.clone()), instance("available", pending), instance("available", changed)])
        .start(REPLICATION);
    endpoint.apply();
    assert_eq!(endpoint.planned_changes(), [""; 0], "a newer minor version, AWS's key and AWS's window are no changes");
    endpoint.redefine(&REPLICATION.replace("dms.t3.medium", "dms.t3.large\n      multi_az: true"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(modify)[0];
    assert_eq!(
        (&sent["ReplicationInstanceClass"], &sent["MultiAZ"], &sent["ApplyImmediately"]),
        (&json!("dms.t3.large"), &json!(true), &json!(true))
    );
    assert_eq!((sent.get("AllocatedStorage"), sent.get("EngineVersion")), (None, None));
}

#[test]
fn names_the_tasks_that_keep_an_instance() {
    let delete = "DeleteReplicationInstance";
    let busy = json_error(400, "InvalidResourceStateFault", "Replication Instance should have no tasks.");
    let task = json!({ "ReplicationTaskIdentifier": "other", "ReplicationTaskArn": TASK, "Status": "running" });
    let endpoint = instance_script(instance("available", json!({})))
        .on(delete, [busy, instance("deleting", json!({}))])
        .on("DescribeReplicationTasks", [ok(json!({ "ReplicationTasks": [task] }))])
        .after(delete)
        .on("DescribeReplicationInstances", [instance("deleting", json!({})), instance("", json!({}))])
        .start(REPLICATION);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("400 {delete}"), format!("200 {delete}")]);
}

fn copy(kind: &str, more: &str) -> String {
    let rule = "{ rule-type: selection, rule-id: \"1\", rule-name: all, object-locator: { schema-name: \"%\", table-name: \"%\" }, rule-action: include }";
    format!(
        "  dms_task:\n    copy:\n      instance: {{ id: '{INSTANCE}' }}\n      source: {{ id: '{SOURCE}' }}\n      target: {{ id: '{TARGET}' }}\n      \
         type: {kind}\n      mappings: {{ rules: [{rule}] }}\n{more}"
    )
}

fn task(status: &str, more: Value) -> Answer {
    let mappings = json!({ "rules": [{
        "rule-type": "selection", "rule-id": "1", "rule-name": "all", "rule-action": "include",
        "object-locator": { "schema-name": "%", "table-name": "%" },
    }] });
    let settings =
        json!({ "Logging": { "EnableLogging": false, "CloudWatchLogGroup": null }, "FullLoadSettings": { "CommitRate": 10000 } });
    let task = json!({
        "ReplicationTaskIdentifier": "shop-copy", "ReplicationTaskArn": TASK, "ReplicationInstanceArn": INSTANCE, "Status": status,
        "SourceEndpointArn": SOURCE, "TargetEndpointArn": TARGET, "MigrationType": "full-load", "TableMappings": mappings.to_string(),
        "ReplicationTaskSettings": settings.to_string(),
    });
    let task = merged(task, more);
    ok(json!({ "ReplicationTask": task, "ReplicationTasks": if status.is_empty() { json!([]) } else { json!([task]) } }))
}

fn connection(status: &str, failure: &str) -> Answer {
    let one = json!({ "Status": status, "LastFailureMessage": failure, "EndpointIdentifier": "from", "ReplicationInstanceArn": INSTANCE });
    ok(json!({ "Connections": if status.is_empty() { json!([]) } else { json!([one]) }, "Connection": one }))
}

fn task_script(first: Answer) -> Script {
    Script::new()
        .on("DescribeReplicationTasks", [first])
        .on("ListTagsForResource", [tags("dms_task.copy")])
        .on("DescribeConnections", [connection("successful", "")])
        .on("TestConnection", [connection("testing", "")])
        .on("CreateReplicationTask", [task("creating", json!({}))])
        .on("ModifyReplicationTask", [task("modifying", json!({}))])
        .on("StartReplicationTask", [task("starting", json!({}))])
        .on("StopReplicationTask", [task("stopping", json!({}))])
        .on("DeleteReplicationTask", [task("deleting", json!({}))])
}

/// DMS starts a task only after a test of both connections, which it does not do by itself.
#[test]
fn tests_the_connections_before_it_starts_a_task() {
    let list = "DescribeReplicationTasks";
    let endpoint = task_script(task("", json!({})))
        .on(
            "DescribeConnections",
            [connection("", ""), connection("testing", ""), connection("failed", "no route to host"), connection("successful", "")],
        )
        .after("CreateReplicationTask")
        .on(list, [task("creating", json!({})), task("ready", json!({}))])
        .after("StartReplicationTask")
        .on(list, [task("starting", json!({})), task("running", json!({}))])
        .start(&copy("full-load", ""));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateReplicationTask", "200 TestConnection", "200 TestConnection", "200 StartReplicationTask"]);
    assert_eq!(endpoint.request_bodies("StartReplicationTask")[0]["StartReplicationTaskType"], "start-replication");
}

#[test]
fn stops_a_running_task_for_a_change_and_resumes_it() {
    let (list, started) = ("DescribeReplicationTasks", json!({ "ReplicationTaskStartDate": 1_790_000_000 }));
    let settings = json!({ "Logging": { "EnableLogging": false }, "FullLoadSettings": { "CommitRate": 5000 }, "Added": 1 }).to_string();
    let changed = merged(started.clone(), json!({ "MigrationType": "full-load-and-cdc", "ReplicationTaskSettings": settings }));
    let endpoint = task_script(task("running", started.clone()))
        .after("StopReplicationTask")
        .on(list, [task("stopping", started.clone()), task("stopped", started)])
        .after("ModifyReplicationTask")
        .on(list, [task("modifying", changed.clone()), task("stopped", changed.clone())])
        .after("StartReplicationTask")
        .on(list, [task("running", changed)])
        .start(&copy("full-load-and-cdc", "      settings: { FullLoadSettings: { CommitRate: 5000 } }\n"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 StopReplicationTask", "200 ModifyReplicationTask", "200 StartReplicationTask"]);
    assert_eq!(endpoint.request_bodies("StartReplicationTask")[0]["StartReplicationTaskType"], "resume-processing");
    let sent: Value = endpoint.request_bodies("ModifyReplicationTask")[0]["ReplicationTaskSettings"]
        .as_str()
        .map(serde_json::from_str)
        .expect("settings")
        .expect("JSON");
    assert_eq!(sent, json!({ "FullLoadSettings": { "CommitRate": 5000 } }), "settings that AWS adds are not sent back");
}

#[test]
fn a_stopped_full_load_begins_again() {
    let (list, started) =
        ("DescribeReplicationTasks", json!({ "ReplicationTaskStartDate": 1_790_000_000, "StopReason": "Stop Reason NORMAL" }));
    let endpoint = task_script(task("stopped", started.clone()))
        .after("StartReplicationTask")
        .on(list, [task("running", started)])
        .start(&copy("full-load", ""));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies("StartReplicationTask")[0]["StartReplicationTaskType"], "reload-target");
}

#[test]
fn a_task_that_has_copied_everything_counts_as_running() {
    let done = json!({ "StopReason": "Stop Reason FULL_LOAD_ONLY_FINISHED", "ReplicationTaskStartDate": 1_790_000_000 });
    let endpoint = task_script(task("stopped", done)).start(&copy("full-load", ""));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    let endpoint = task_script(task("failed", json!({ "LastFailureMessage": "No tables were found" }))).start(&copy("full-load", ""));
    let plan = endpoint.run("plan", &[]);
    assert!(plan.combined_output().contains("No tables were found"), "{}", plan.combined_output());
}

#[test]
fn stops_a_task_before_it_deletes_it() {
    let list = "DescribeReplicationTasks";
    let endpoint = task_script(task("running", json!({})))
        .after("StopReplicationTask")
        .on(list, [task("stopping", json!({})), task("stopped", json!({}))])
        .after("DeleteReplicationTask")
        .on(list, [task("deleting", json!({})), task("", json!({}))])
        .start(&copy("full-load", ""));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 StopReplicationTask", "200 DeleteReplicationTask"]);
}

#[test]
fn a_task_needs_a_source_and_a_target() {
    let endpoints = format!(
        "  dms_endpoint:\n    a: {{ type: target, engine: dynamodb, dynamodb_role: '{ROLE}' }}\n    b: {{ type: target, engine: dynamodb, dynamodb_role: '{ROLE}' }}\n"
    );
    let wrong = copy("full-load", "")
        .replace(&format!("source: {{ id: '{SOURCE}' }}"), "source: a")
        .replace(&format!("target: {{ id: '{TARGET}' }}"), "target: b");
    let done = Script::new().start(&format!("{endpoints}{wrong}")).run("plan", &[]);
    assert!(done.stderr.contains("`dms_endpoint.a` is a target, not a source"), "{}", done.combined_output());
}

/// A task is healthy if it has copied everything, and keeps up with the source.
#[test]
fn a_task_is_healthy_when_it_has_caught_up() {
    let definition = copy("full-load-and-cdc", "");
    let progress =
        |percent: u32| json!({ "MigrationType": "full-load-and-cdc", "ReplicationTaskStats": { "FullLoadProgressPercent": percent } });
    let tables = |state: &str| ok(json!({ "TableStatistics": [{ "SchemaName": "shop", "TableName": "orders", "TableState": state }] }));
    let latency = |seconds: f64| ok(json!({ "MetricDataResults": [{ "Id": "latest", "Values": [seconds] }] }));
    for (percent, state, seconds, status) in [
        (100, "Table completed", 3.0, None),
        (100, "Table completed", 90.0, Some("it is 90 s behind the source, more than 60 s")),
        (40, "Full load", 3.0, Some("the full load is at 40 %")),
        (100, "Table error", 3.0, Some("the table shop.orders has an error")),
    ] {
        let endpoint = task_script(task("running", progress(percent)))
            .on("DescribeTableStatistics", [tables(state)])
            .on("GetMetricData", [latency(seconds)])
            .start(&definition);
        let shown = endpoint.run("show", &["--live", "-o", "json"]).assert_success().stdout;
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(shown["resources"][0]["phase"]["status"].as_str(), status, "{shown:#}");
        let search = |sent: &Value| sent["MetricDataQueries"][0]["Expression"].as_str().unwrap_or_default().to_owned();
        assert!(endpoint.request_bodies("GetMetricData").iter().all(|sent| search(sent).contains("ReplicationTaskIdentifier=\"COPY\"")));
    }
}
