//! File systems: states, mount targets, and what AWS refuses.

use serde_json::{Value, json};

use crate::scripted_endpoint::{Answer, Script, json_error, json_ownership_tags, ok};

const ID: &str = "fs-0123456789abcdef0";
const LIST: &str = "GET /file-systems?MaxItems";
const CREATE: &str = "POST /file-systems";
const DELETE: &str = "DELETE /file-systems/-";
const UPDATE: &str = "PUT /file-systems/-";
const TARGETS: &str = "GET /mount-targets?FileSystemId";
const GROUPS: &str = "GET /mount-targets/-/security-groups";
const ADD: &str = "POST /mount-targets";
const REMOVE: &str = "DELETE /mount-targets/-";

fn tags() -> Value {
    let mut tags = json_ownership_tags("file_system.files");
    let more = [("Name", "shop-files"), ("acme:on-delete", "delete")];
    tags.as_array_mut().expect("tags").extend(more.map(|(key, value)| json!({ "Key": key, "Value": value })));
    tags
}

fn system(state: &str, mode: &str) -> Value {
    json!({
        "OwnerId": "123456789012", "CreationToken": "token", "FileSystemId": ID, "CreationTime": 1_700_000_000,
        "FileSystemArn": format!("arn:aws:elasticfilesystem:us-east-1:123456789012:file-system/{ID}"), "LifeCycleState": state,
        "NumberOfMountTargets": 0, "SizeInBytes": { "Value": 6144 }, "PerformanceMode": "generalPurpose", "Encrypted": true,
        "KmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/1", "ThroughputMode": mode, "Tags": tags(),
        "FileSystemProtection": { "ReplicationOverwriteProtection": "ENABLED" },
    })
}

fn systems(systems: &[Value]) -> Answer {
    ok(json!({ "FileSystems": systems }))
}

fn target(id: &str, subnet: &str, state: &str) -> Value {
    json!({
        "OwnerId": "123456789012", "MountTargetId": id, "FileSystemId": ID, "SubnetId": subnet, "LifeCycleState": state,
        "IpAddress": "10.0.0.9", "AvailabilityZoneName": "us-east-1a",
    })
}

fn targets(targets: &[Value]) -> Answer {
    ok(json!({ "MountTargets": targets }))
}

fn definition(more: &str) -> String {
    format!("  file_system: {{ files: {{ on_delete: delete{more} }} }}\n")
}

fn mounted(subnet: &str) -> String {
    definition(&format!(", mount_targets: [{{ subnet: {{ id: {subnet} }}, security_groups: [{{ id: sg-0123456789abcdef1 }}] }}]"))
}

fn groups() -> Answer {
    ok(json!({ "SecurityGroups": ["sg-0123456789abcdef1"] }))
}

#[test]
fn waits_for_the_file_system_and_for_its_mount_targets() {
    let endpoint = Script::new()
        .on(LIST, [systems(&[])])
        .on(CREATE, [ok(system("creating", "bursting"))])
        .on(ADD, [ok(target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", "creating"))])
        .on(TARGETS, [targets(&[])])
        .on(GROUPS, [groups()])
        .after(CREATE)
        .on(LIST, [systems(&[system("creating", "bursting")]), systems(&[system("available", "bursting")])])
        .after(ADD)
        .on(
            TARGETS,
            [
                targets(&[target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", "creating")]),
                targets(&[target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", "available")]),
            ],
        )
        .start(&mounted("subnet-0123456789abcdef1"));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 POST /file-systems", "200 POST /mount-targets"]);
    let sent = &endpoint.request_bodies(ADD)[0];
    assert_eq!((&sent["SubnetId"], &sent["SecurityGroups"]), (&json!("subnet-0123456789abcdef1"), &json!(["sg-0123456789abcdef1"])));
}

/// The token of a call without an answer names the file system that it made.
#[test]
fn finds_the_file_system_of_a_repeated_token() {
    let exists = json_error(409, "FileSystemAlreadyExists", "File system already exists with creation token");
    let endpoint = Script::new()
        .on(LIST, [systems(&[])])
        .on("GET /file-systems?CreationToken", [systems(&[system("available", "bursting")])])
        .on(CREATE, [exists])
        .on(TARGETS, [targets(&[])])
        .after("GET /file-systems?CreationToken")
        .on(LIST, [systems(&[system("available", "bursting")])])
        .start(&definition(""));
    endpoint.apply();
}

/// A zone has one mount target: the earlier one is deleted, and the new one is created when it is gone.
#[test]
fn replaces_a_mount_target_within_a_zone() {
    let conflict = json_error(409, "MountTargetConflict", "mount target already exists in this AZ");
    let old = |state: &str| target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", state);
    let endpoint = Script::new()
        .on(LIST, [systems(&[system("available", "bursting")])])
        .on(TARGETS, [targets(&[old("available")])])
        .on(GROUPS, [groups()])
        .on(ADD, [conflict.clone(), conflict, ok(target("fsmt-0123456789abcdef2", "subnet-0123456789abcdef2", "creating"))])
        .on(REMOVE, [ok(json!({}))])
        .after(REMOVE)
        .on(TARGETS, [targets(&[old("deleting")])])
        .after(ADD)
        .on(TARGETS, [targets(&[target("fsmt-0123456789abcdef2", "subnet-0123456789abcdef2", "available")])])
        .start(&mounted("subnet-0123456789abcdef2"));
    endpoint.apply();
    assert_eq!(endpoint.call_count(REMOVE), 1);
}

#[test]
fn deletes_mount_targets_first() {
    let in_use = json_error(409, "FileSystemInUse", "file system has mount targets");
    let endpoint = Script::new()
        .on(LIST, [systems(&[system("available", "bursting")])])
        .on(
            TARGETS,
            [
                targets(&[target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", "available")]),
                targets(&[target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", "available")]),
            ],
        )
        .on(GROUPS, [groups()])
        .on(REMOVE, [ok(json!({}))])
        .on(DELETE, [in_use, ok(json!({}))])
        .after(REMOVE)
        .on(TARGETS, [targets(&[target("fsmt-0123456789abcdef1", "subnet-0123456789abcdef1", "deleting")]), targets(&[])])
        .after(DELETE)
        .on(LIST, [systems(&[])])
        .start(&mounted("subnet-0123456789abcdef1"));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 DELETE /mount-targets/-", "409 DELETE /file-systems/-", "200 DELETE /file-systems/-"]);
}

/// The limit is 24 hours, so AWS's answer is shown instead of waiting.
#[test]
fn does_not_wait_a_day_to_change_the_throughput() {
    let refused = json_error(429, "TooManyRequests", "You can change the throughput mode once in 24 hours");
    let endpoint = Script::new()
        .on(LIST, [systems(&[system("available", "bursting")])])
        .on(TARGETS, [targets(&[])])
        .on(UPDATE, [refused])
        .start(&definition(", throughput_mode: elastic"));
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("once in 24 hours"), "{}", done.combined_output());
    assert_eq!(endpoint.call_count(UPDATE), 1);
}

fn replicated(status: &str, region: &str) -> Answer {
    ok(json!({ "Replications": [{
        "SourceFileSystemId": ID, "SourceFileSystemRegion": "us-east-1", "SourceFileSystemArn": "arn", "OriginalSourceFileSystemArn": "arn",
        "CreationTime": 1_700_000_000, "Destinations": [{ "Status": status, "FileSystemId": "fs-1", "Region": region }],
    }] }))
}

#[test]
fn ends_a_replication_before_another_begins() {
    let read = "GET /file-systems/-?FileSystemId";
    let (begin, end) = ("POST /file-systems/-/replication-configuration", "DELETE /file-systems/-/replication-configuration");
    let none = json_error(404, "ReplicationNotFound", "no replication");
    let endpoint = Script::new()
        .on(LIST, [systems(&[system("available", "bursting")])])
        .on(TARGETS, [targets(&[])])
        .on(read, [replicated("ENABLED", "us-west-2")])
        .on(end, [ok(json!({}))])
        .on(begin, [ok(json!({ "SourceFileSystemId": ID }))])
        .after(end)
        .on(read, [replicated("DELETING", "us-west-2"), none])
        .after(begin)
        .on(read, [replicated("ENABLING", "eu-west-1"), replicated("ENABLED", "eu-west-1")])
        .start(&definition(", replication: { region: eu-west-1 }"));
    endpoint.apply();
    assert_eq!(endpoint.request_bodies(begin)[0]["Destinations"], json!([{ "Region": "eu-west-1" }]));
}

#[test]
fn reports_mount_targets_of_one_zone() {
    let wrong = "  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: us-east-1a }
    b: { vpc: main, cidr: 10.0.2.0/24, availability_zone: us-east-1a }
  security_group: { files: { vpc: main } }
  file_system:
    files: { mount_targets: [{ subnet: a, security_groups: [files] }, { subnet: b, security_groups: [files] }] }
    single: { availability_zone: us-east-1b, mount_targets: [{ subnet: a, security_groups: [files] }] }
";
    let done = Script::new().start(wrong).run("plan", &[]);
    for text in ["are both in us-east-1a, and a zone has one mount target", "`subnet.a` is in us-east-1a, and the file system is not"] {
        assert!(done.stderr.contains(text), "{text}: {}", done.combined_output());
    }
}
