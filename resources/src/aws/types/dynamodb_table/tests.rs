use serde_json::{Value, json};

use super::{check::pointers, *};

fn table(fields: Value) -> DynamodbTable {
    let mut spec = json!({
        "name": "orders", "key": { "partition": "customer", "sort": "created" }, "attributes": { "customer": "string", "created": "number" },
    });
    if let (Some(spec), Value::Object(fields)) = (spec.as_object_mut(), fields) {
        spec.extend(fields);
    }
    serde_json::from_value(spec).expect("a table")
}

fn provisioned(fields: Value) -> Value {
    let mut all = json!({ "billing": "provisioned", "read_capacity": 5, "write_capacity": 5 });
    if let (Some(all), Value::Object(fields)) = (all.as_object_mut(), fields) {
        all.extend(fields);
    }
    all
}

#[test]
fn accepts_what_dynamodb_takes() {
    let index = json!({ "key": { "partition": "created" }, "projection": "include", "include": ["total"] });
    let scaled = json!({ "read": { "min": 5, "max": 50 }, "write": { "min": 1, "max": 5, "target_percent": 80 } });
    for fields in [
        json!({}),
        json!({ "global_indexes": { "by-day": index } }),
        json!({ "local_indexes": { "by-total": { "sort": "total" } },
            "attributes": { "customer": "string", "created": "number", "total": "number" } }),
        json!({ "max_read_units": 100 }),
        json!({ "point_in_time": { "table": { "id": "other" }, "time": "2026-11-29T12:00:00Z" } }),
        provisioned(json!({ "scaling": scaled })),
        json!({ "key": { "partition": "${a.b.c}" }, "attributes": { "customer": "string" } }),
    ] {
        assert_eq!(pointers(&table(fields.clone())), [].into(), "{fields}");
    }
}

#[test]
fn reports_what_dynamodb_refuses() {
    let refused = [
        (json!({ "attributes": { "customer": "string" } }), "/key/sort"),
        (json!({ "attributes": { "customer": "string", "created": "number", "total": "number" } }), "/attributes/total"),
        (json!({ "key": { "partition": "customer", "sort": "customer" }, "attributes": { "customer": "string" } }), "/key"),
        (json!({ "key": { "partition": "customer" }, "local_indexes": { "by-day": { "sort": "created" } } }), "/local_indexes"),
        (json!({ "global_indexes": { "by": { "key": { "partition": "created" } } } }), "/global_indexes/by"),
        (json!({ "global_indexes": { "by-day": { "key": { "partition": "day" } } } }), "/global_indexes/by-day/key/partition"),
        (
            json!({ "global_indexes": { "by-day": { "key": { "partition": "created" }, "projection": "include" } } }),
            "/global_indexes/by-day/include",
        ),
        (json!({ "read_capacity": 1 }), "/read_capacity"),
        (json!({ "point_in_time": { "table": { "id": "other" }, "time": "noon" } }), "/point_in_time/time"),
        (json!({ "billing": "provisioned", "read_capacity": 1 }), "/write_capacity"),
        (provisioned(json!({ "max_write_units": 1 })), "/max_write_units"),
        (
            provisioned(json!({ "global_indexes": { "by-day": { "key": { "partition": "created" }, "read_capacity": 1 } } })),
            "/global_indexes/by-day/write_capacity",
        ),
        (json!({ "scaling": { "read": { "min": 1, "max": 5 } } }), "/scaling"),
        (provisioned(json!({ "scaling": { "read": { "min": 6, "max": 5 } } })), "/scaling/read"),
        (provisioned(json!({ "scaling": { "write": { "min": 6, "max": 10 } } })), "/scaling/write"),
        (provisioned(json!({ "scaling": {} })), "/scaling"),
        (provisioned(json!({ "scaling": { "indexes": { "by-day": {} } } })), "/scaling/indexes/by-day"),
    ];
    for (fields, at) in refused {
        assert_eq!(pointers(&table(fields.clone())), [at.to_owned()].into(), "{fields}");
    }
}

#[test]
fn only_a_type_in_the_tables_own_key_replaces_it() {
    let both = |day: &str, customer: &str| {
        table(json!({
            "global_indexes": { "by-day": { "key": { "partition": "day" } } },
            "attributes": { "customer": customer, "created": "number", "day": day },
        }))
    };
    assert!(!both("string", "string").replaces(&both("number", "string")).attributes);
    assert!(both("string", "string").replaces(&both("string", "binary")).attributes);
}

#[test]
fn capacity_within_the_limits_of_its_scaling_is_as_desired() {
    let ours = table(provisioned(json!({ "scaling": { "read": { "min": 5, "max": 50 } } })));
    let scaled = |read: i64| {
        let mut live = table(provisioned(json!({ "read_capacity": read, "write_capacity": 9 })));
        ours.normalize(&mut live);
        (live.read_capacity, live.write_capacity)
    };
    assert_eq!([scaled(40), scaled(51), scaled(4)], [(5, 9), (51, 9), (4, 9)]);
}
