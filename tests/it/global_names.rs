//! Names that are unique among all accounts contain account and region, unless the resource has another one already.

use serde_json::{Value, json};

use crate::acme::{Acme, write_file};

/// A bucket with a policy that names it, and others that refer to it.
const SHOP: &str = r#"
stack: shop
resources:
  s3_bucket:
    files:
      on_delete: delete
      policy:
        Statement:
          - { Effect: Deny, Principal: "*", Action: "s3:PutObject", Resource: "{{ s3_bucket.files.arn }}/*" }
  iam_policy:
    read: { document: { Statement: [{ Effect: Allow, Action: "s3:GetObject", Resource: "{{ s3_bucket.files.arn }}/*" }] } }
  sqs_queue:
    jobs:
      on_delete: delete
      policy: { Statement: [{ Effect: Allow, Principal: { Service: s3.amazonaws.com }, Action: "sqs:SendMessage", Resource: "{{ sqs_queue.jobs.arn }}" }] }
  secret:
    where: { description: "in {{ account }}" }
outputs:
  account: "{{ account }}"
"#;

/// Account of the simulated cloud, and its region.
const LOCATION: &str = "-123456789012-us-east-1";

/// Live bucket, role policy and secret of the stack, as `acme show --live` prints them.
fn live(acme: &Acme, definition: &std::path::Path, type_name: &str) -> Value {
    let shown = acme.run("show", definition, &["--live", "-o", "json"]).assert_success();
    let shown: Value = serde_json::from_str(&shown.stdout).expect("JSON");
    let of_type = |live: &&Value| live["tags"]["acme:address"].as_str().is_some_and(|address| address.starts_with(type_name));
    let resources = shown["resources"].as_array().expect("a list").iter().find(of_type);
    resources.unwrap_or_else(|| panic!("no {type_name} in {shown}")).clone()
}

#[test]
fn generated_names_of_buckets_contain_account_and_region() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(folder.path());
    let definition = write_file(folder.path(), "shop.yaml", SHOP);
    let name = format!("shop-files{LOCATION}");

    let saved = folder.path().join("shop.plan");
    acme.run("plan", &definition, &["--out", &saved.display().to_string()]).assert_success();
    acme.run("apply", &saved, &["--yes"]).assert_success();
    let bucket = live(&acme, &definition, "s3_bucket");
    assert_eq!(bucket["id"], name);
    assert_eq!(bucket["spec"]["policy"]["Statement"][0]["Resource"], json!([format!("arn:aws:s3:::{name}/*")]));
    let granted = &live(&acme, &definition, "iam_policy")["spec"]["document"]["Statement"][0]["Resource"];
    assert_eq!(*granted, json!([format!("arn:aws:s3:::{name}/*")]));
    let queue = &live(&acme, &definition, "sqs_queue")["spec"]["policy"]["Statement"][0]["Resource"];
    assert_eq!(*queue, json!(["arn:aws:sqs:us-east-1:123456789012:shop-jobs"]));
    assert_eq!(live(&acme, &definition, "secret")["spec"]["description"], "in 123456789012");
    assert_eq!(acme.run("outputs", &definition, &[]).assert_success().stdout.trim(), "account = 123456789012");

    acme.assert_no_changes(&definition);
    assert!(acme.run("drift", &definition, &[]).assert_success().stdout.contains("No drift"));
    acme.destroy(&definition);
}

/// Earlier versions generated names without account and region.
#[test]
fn existing_buckets_keep_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(folder.path());
    let named = SHOP.replace("    files:\n", "    files:\n      name: shop-files\n");
    let before = write_file(folder.path(), "before.yaml", &named);
    acme.apply(&before);

    let definition = write_file(folder.path(), "shop.yaml", SHOP);
    acme.assert_no_changes(&definition);
    let edited = write_file(folder.path(), "edited.yaml", &SHOP.replace("s3:PutObject", "s3:DeleteObject"));
    assert_eq!(acme.plan(&edited).changes(), ["update s3_bucket.files"]);
    acme.apply(&edited);
    let bucket = live(&acme, &edited, "s3_bucket");
    assert_eq!(bucket["id"], "shop-files");
    assert_eq!(bucket["spec"]["policy"]["Statement"][0]["Resource"], json!(["arn:aws:s3:::shop-files/*"]));
    acme.assert_no_changes(&edited);

    // A rollback and a rename of the key find the same bucket.
    acme.run("rollback", &edited, &["--yes"]).assert_success();
    acme.assert_no_changes(&definition);
    let renamed = SHOP.replace("    files:\n", "    documents:\n").replace("s3_bucket.files", "s3_bucket.documents");
    let moved = "moved: { s3_bucket.files: s3_bucket.documents }";
    let renamed = write_file(folder.path(), "renamed.yaml", &format!("{renamed}\n{moved}\n"));
    assert_eq!(acme.plan(&renamed).changes(), ["update s3_bucket.documents"]);
    acme.apply(&renamed);
    assert_eq!(live(&acme, &renamed, "s3_bucket")["id"], "shop-files");
    acme.assert_no_changes(&renamed);
    acme.destroy(&renamed);
}

/// Without a connection, the account is not known.
#[test]
fn commands_without_a_connection_leave_the_account_open() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::without_cloud();
    let definition = write_file(folder.path(), "shop.yaml", SHOP);
    acme.run("validate", &definition, &[]).assert_success();

    let expanded = acme.run("show", &definition, &["--expanded"]).assert_success().stdout;
    assert!(expanded.contains("in {{ account }}") && expanded.contains("{{ s3_bucket.files.arn }}/*"), "{expanded}");
    assert!(!expanded.contains("name: shop-files"), "{expanded}");
    let again = write_file(folder.path(), "again.yaml", &expanded);
    assert_eq!(acme.run("show", &again, &["--expanded"]).assert_success().stdout, expanded);

    let graph = acme.run("graph", &definition, &["--format", "json"]).assert_success().stdout;
    assert!(graph.contains("shop-files-<account>-<region>"), "{graph}");
    let policy = acme.run("policy", &definition, &["--for", "apply"]).assert_success().stdout;
    for resource in ["arn:aws:s3:::shop-files-*-*/*", "arn:aws:s3:::shop-files/*"] {
        assert!(policy.contains(&format!("\"{resource}\"")), "{resource}: {policy}");
    }
    assert!(![&expanded, &graph, &policy].iter().any(|text| text.contains("99999999") || text.contains("undefined")), "{policy}");

    // The name has the length it will have: 27 characters for account and region.
    let long = SHOP
        .replace("    files:\n", &format!("    {}:\n", "a".repeat(80)))
        .replace("s3_bucket.files", &format!("s3_bucket.{}", "a".repeat(80)));
    acme.run("validate", &write_file(folder.path(), "long.yaml", &long), &[]).assert_success();
}

/// Both exist for a while, so that nothing is without a bucket.
#[test]
fn a_bucket_in_another_region_has_another_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(folder.path());
    let text = "stack: shop\nregion: eu-west-1\nresources:\n  s3_bucket: { files: { on_delete: delete } }\n";
    let definition = write_file(folder.path(), "shop.yaml", text);
    acme.apply(&definition);
    assert_eq!(live(&acme, &definition, "s3_bucket")["id"], "shop-files-123456789012-eu-west-1");
    let moved = write_file(folder.path(), "shop.yaml", &text.replace("{ on_delete", "{ region: us-east-1, on_delete"));
    let plan = acme.plan(&moved);
    assert_eq!(plan.changes(), ["replace s3_bucket.files"]);
    assert_eq!(plan.0["changes"][0]["replacement_order"], "create_before_destroy", "{:#}", plan.0);
    acme.apply(&moved);
    acme.assert_no_changes(&moved);
    assert_eq!(live(&acme, &moved, "s3_bucket")["id"], "shop-files-123456789012-us-east-1");
}
