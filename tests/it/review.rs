//! What a reviewer sees: the fields that matter, risks, large plans, differences between environments.

use serde_json::Value;

use crate::acme::{Acme, repository_stack, write_file};

#[test]
fn a_plan_marks_risks_and_counts_other_fields() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let stack = write_file(
        folder.path(),
        "stack.yaml",
        "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    open: { vpc: main, ingress: [{ port: 22, cidr: 0.0.0.0/0 }, { port: 443, cidr: 0.0.0.0/0 }] }
  iam_role:
    admin:
      description: Everything
      max_session_seconds: 7200
      trust: { Statement: [{ Effect: Allow, Principal: { AWS: '*' }, Action: 'sts:AssumeRole' }] }
      policies: [AdministratorAccess]
      inline_policies: { all: { Statement: [{ Effect: Allow, Action: '*', Resource: '*' }] } }
  s3_bucket:
    public:
      policy: { Statement: [{ Effect: Allow, Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::x/*' }] }
",
    );
    let text = acme.run("plan", &stack, &[]).assert_success().stdout;
    for words in [
        "(anyone on the internet can connect)",
        "(anyone can assume the role)",
        "(the role is an administrator of the account)",
        "(it allows every action on every resource: an administrator)",
        "(anyone can use it)",
        "more field",
    ] {
        assert!(text.contains(words), "{words} is missing:\n{text}");
    }
    assert_eq!(text.matches("anyone on the internet").count(), 1, "HTTPS is meant to be open:\n{text}");
    let plan = acme.plan(&stack);
    let changes = plan.0["changes"].as_array().unwrap();
    let group = changes.iter().find(|change| change["address"] == "security_group.open").unwrap();
    let ingress = group["fields"].as_array().unwrap().iter().find(|field| field["pointer"] == "/ingress").unwrap();
    assert_eq!(ingress["risk"], "anyone on the internet can connect");
    let pointer = ingress["risks"][0]["pointer"].as_str().unwrap();
    assert_eq!(ingress["after"].pointer(pointer.strip_prefix("/ingress").unwrap()).unwrap()["from_port"], 22);

    let full = acme.run("plan", &stack, &["--full"]).assert_success().stdout;
    assert!(full.contains("max_session_seconds: 7200") && !full.contains("more field"), "{full}");

    // A rule that was open before is not marked again.
    acme.apply(&stack);
    let edited = std::fs::read_to_string(&stack).unwrap().replace("{ port: 443, cidr: 0.0.0.0/0 }", "{ port: 443, cidr: 10.0.0.0/8 }");
    std::fs::write(&stack, edited).unwrap();
    let text = acme.run("plan", &stack, &[]).assert_success().stdout;
    assert!(text.contains("security_group.open") && !text.contains("anyone on the internet"), "{text}");
}

#[test]
fn a_large_plan_counts_new_resources_by_section() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud")).with_args(&["--env", "production"]);
    let stack = repository_stack("alb-eks-rds.yaml");
    let text = acme.run("plan", &stack, &[]).assert_success().stdout;
    let full = acme.run("plan", &stack, &["--full"]).assert_success().stdout;
    assert!(text.contains(" network: ") && text.contains("to create, not shown without `--full`:"), "{text}");
    assert!(text.lines().count() * 3 < full.lines().count(), "{} of {} lines", text.lines().count(), full.lines().count());
    assert!(full.contains("+ subnet.private-a") && !text.contains("+ subnet.private-a"), "{text}");
    // Risks are never folded.
    assert!(text.contains("+ eks_cluster.main") && text.contains("its API is reachable from the internet"), "{text}");

    let summary = folder.path().join("summary.md");
    let variables = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())];
    acme.run_with_env(&variables, "plan", &stack, &[]).assert_success();
    let markdown = std::fs::read_to_string(&summary).unwrap();
    assert!(markdown.contains("<details><summary>network: ") && markdown.contains("+ subnet.private-a"), "{markdown}");
    assert!(markdown.contains("Risky:") && markdown.contains("Plan: "), "{markdown}");
}

#[test]
fn two_environments_are_compared_without_a_call() {
    let stack = repository_stack("alb-eks-rds.yaml");
    let acme = Acme::without_cloud().with_args(&["--env", "staging"]);
    let done = acme.run("plan", &stack, &["--diff", "production", "-o", "json"]).assert_success();
    let found: Value = serde_json::from_str(&done.stdout).expect("JSON");
    assert_eq!((&found["from"], &found["to"]), (&"staging".into(), &"production".into()));
    let only_to = found["only_to"].as_array().unwrap();
    assert!(only_to.contains(&"nat_gateway.c".into()) && only_to.contains(&"subnet.public-c".into()), "{only_to:?}");
    let differing = found["differing"].as_array().unwrap();
    let fields_of = |address: &str| -> Vec<String> {
        let entry = differing.iter().find(|entry| entry["address"] == address);
        let fields = entry.into_iter().flat_map(|entry| entry["fields"].as_array().unwrap());
        fields.map(|field| field["pointer"].as_str().unwrap().to_owned()).collect()
    };
    let mut database = fields_of("rds_instance.orders");
    database.sort();
    assert_eq!(database, ["/backup_retention_days", "/class", "/multi_az"]);
    assert!(fields_of("vpc.main").is_empty(), "the names of environments are no difference");
    assert!(found["same"].as_u64().unwrap() > 20, "{found:#}");

    let text = acme.run("plan", &stack, &["--diff", "production"]).assert_success().stdout;
    assert!(text.contains("class: db.t4g.medium → db.m6g.large") && text.contains("only in production"), "{text}");
    let changed = acme.run("plan", &stack, &["--diff", "production", "--detailed-exitcode"]);
    assert_eq!(changed.code, 2);
    let same = acme.run("plan", &stack, &["--diff", "staging", "--detailed-exitcode"]);
    assert_eq!(same.code, 0, "{}", same.combined_output());
}
