//! Questions about databases, before the first change: versions, classes, storage and parameters.

use serde_json::json;

use super::{
    preflight::{assert_denied, assert_plan},
    rds::{DATABASE, answer},
};
use crate::scripted_endpoint::{Answer, Script, xml_error};

const ENGINES: &str = "DescribeDBEngineVersions";
const ORDERABLE: &str = "DescribeOrderableDBInstanceOptions";

fn engine_versions() -> Answer {
    let version = |version: &str, family: &str| {
        format!(
            "<DBEngineVersion><EngineVersion>{version}</EngineVersion><DBParameterGroupFamily>{family}</DBParameterGroupFamily></DBEngineVersion>"
        )
    };
    let all = [("15.14", "postgres15"), ("16.9", "postgres16"), ("16.10", "postgres16")].map(|(text, family)| version(text, family));
    answer(ENGINES, &format!("<DBEngineVersions>{}</DBEngineVersions>", all.concat()))
}

fn orderable(classes: &[&str]) -> Answer {
    let option = |class: &&str| {
        format!(
            "<OrderableDBInstanceOption><DBInstanceClass>{class}</DBInstanceClass><StorageType>gp3</StorageType>\
             <MinStorageSize>20</MinStorageSize><MaxStorageSize>65536</MaxStorageSize><MultiAZCapable>false</MultiAZCapable>\
             </OrderableDBInstanceOption>"
        )
    };
    let options: String = classes.iter().map(option).collect();
    answer(ORDERABLE, &format!("<OrderableDBInstanceOptions>{options}</OrderableDBInstanceOptions>"))
}

#[test]
fn asks_for_database_versions_classes_and_storage() {
    let script = || {
        Script::new()
            .on(ENGINES, [engine_versions()])
            .on(ORDERABLE, [orderable(&["db.m6g.large", "db.t4g.medium"])])
            .on_containing(ORDERABLE, "DBInstanceClass", [orderable(&[])])
            .on_containing(ORDERABLE, "DBInstanceClass=db.t4g.medium", [orderable(&["db.t4g.medium"])])
    };
    let endpoint = assert_plan(script(), DATABASE, &[]);
    // The newest version that satisfies `16`.
    let asked = endpoint.request_bodies(ORDERABLE);
    assert_eq!((asked.len(), &asked[0]["EngineVersion"]), (1, &json!("16.10")));

    for (from, to, expected) in [
        (
            "version: \"16\"",
            "version: \"16.99\"",
            "8: `version` of `rds_instance.orders`: AWS does not offer `16.99` of postgres (did you mean `16.9`? versions: 16.9, 16.10)",
        ),
        (
            "db.t4g.medium",
            "db.t4g.medum",
            "9: `class` of `rds_instance.orders`: AWS does not offer `db.t4g.medum` with postgres 16.10 (did you mean `db.t4g.medium`? \
             classes: db.m6g.large, db.t4g.medium)",
        ),
        (
            "storage_gib: 50",
            "storage_gib: 100\n      storage_type: io2\n      iops: 3000",
            "11: `storage_type` of `rds_instance.orders`: AWS does not offer `io2` for `db.t4g.medium` with postgres 16.10 (storage types: \
             gp3)",
        ),
        (
            "storage_gib: 50",
            "storage_gib: 50\n      multi_az: true",
            "11: `multi_az` of `rds_instance.orders`: AWS does not offer a standby for `db.t4g.medium` with postgres 16.10 (set \
             `multi_az: false`, or another class)",
        ),
    ] {
        assert_plan(script(), &DATABASE.replace(from, to), &[expected]);
    }
    let denied = || xml_error(403, "AccessDenied", "not authorized");
    let unknown = DATABASE.replace("db.t4g.medium", "db.t4g.medum");
    assert_denied(Script::new().on(ENGINES, [denied()]), &unknown, "rds:DescribeDBEngineVersions");
    assert_denied(script().on(ORDERABLE, [denied()]), &unknown, "rds:DescribeOrderableDBInstanceOptions");
}

#[test]
fn asks_for_parameters_of_a_family() {
    const DEFAULTS: &str = "DescribeEngineDefaultParameters";
    let parameters = |all: &[(&str, bool)]| {
        let parameter = |(name, modifiable): &(&str, bool)| {
            format!("<Parameter><ParameterName>{name}</ParameterName><IsModifiable>{modifiable}</IsModifiable></Parameter>")
        };
        let all: String = all.iter().map(parameter).collect();
        answer(DEFAULTS, &format!("<EngineDefaults><Parameters>{all}</Parameters></EngineDefaults>"))
    };
    let all = [("data_directory", false), ("max_connections", true)];
    let script = || {
        Script::new().on(ENGINES, [engine_versions()]).on(DEFAULTS, [parameters(&all)]).on_containing(
            DEFAULTS,
            "max_conections",
            [parameters(&[])],
        )
    };
    let group = |family: &str, name: &str| {
        format!("  rds_parameter_group:\n    main:\n      family: {family}\n      parameters:\n        {name}: 500\n")
    };
    assert_plan(script(), &group("postgres16", "max_connections"), &[]);
    for (family, name, expected) in [
        (
            "postgres61",
            "max_connections",
            "6: `family` of `rds_parameter_group.main`: AWS does not offer `postgres61` (did you mean `postgres16`? families: postgres15, \
             postgres16)",
        ),
        (
            "postgres16",
            "max_conections",
            "8: `parameters` of `rds_parameter_group.main`: AWS does not offer `max_conections` for `postgres16` (did you mean \
             `max_connections`? parameters: data_directory, max_connections)",
        ),
        (
            "postgres16",
            "data_directory",
            "8: `parameters` of `rds_parameter_group.main`: RDS does not let `data_directory` be changed (remove `data_directory`)",
        ),
    ] {
        assert_plan(script(), &group(family, name), &[expected]);
    }
    let denied = xml_error(403, "AccessDenied", "not authorized");
    assert_denied(script().on(DEFAULTS, [denied]), &group("postgres16", "max_conections"), "rds:DescribeEngineDefaultParameters");
}
