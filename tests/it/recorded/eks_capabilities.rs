//! Capabilities of clusters: states, updates of roles, and what stays.

use serde_json::{Value, json};

use super::eks::update_started;
use crate::scripted_endpoint::{Answer, Script, ok, ownership_tags};

const ROLE: &str = "arn:aws:iam::123456789012:role/capability";
const CENTER: &str = "arn:aws:sso:::instance/ssoins-1234567890abcdef";
const LIST: &str = "GET /clusters/-/capabilities";
const READ: &str = "GET /clusters/-/capabilities/-";
const CREATE: &str = "POST /clusters/-/capabilities";
const UPDATE: &str = "POST /clusters/-/capabilities/-";

/// Argo CD as EKS describes it.
fn argocd(status: &str, roles: Value, issues: Value) -> Answer {
    ok(json!({ "capability": {
        "capabilityName": "argocd",
        "arn": "arn:aws:eks:us-east-1:123456789012:capability/shop-main/argocd/argocd/60c0",
        "clusterName": "shop-main", "type": "ARGOCD", "roleArn": ROLE, "status": status, "version": "3.1.8-eks-1",
        "configuration": { "argoCd": {
            "namespace": "argocd", "awsIdc": { "idcInstanceArn": CENTER, "idcRegion": "us-east-1" },
            "rbacRoleMappings": roles, "serverUrl": "https://60c0.eks-capabilities.us-east-1.amazonaws.com",
        } },
        "tags": ownership_tags("eks_capability.argocd"), "health": { "issues": issues }, "deletePropagationPolicy": "RETAIN",
    } }))
}

fn definition(roles: &str) -> String {
    format!(
        "  eks_capability:\n    argocd: {{ cluster: {{ id: shop-main }}, name: argocd, type: argocd, role: '{ROLE}', \
         argocd: {{ identity_center: '{CENTER}', roles: {roles} }} }}\n"
    )
}

fn mapping(role: &str, id: &str) -> Value {
    json!({ "role": role, "identities": [{ "id": id, "type": "SSO_GROUP" }] })
}

fn listed() -> Answer {
    ok(json!({ "capabilities": [{ "capabilityName": "argocd", "type": "ARGOCD", "status": "ACTIVE" }] }))
}

#[test]
fn waits_for_a_capability_and_says_why_it_is_degraded() {
    let admin = || json!([mapping("ADMIN", "ops")]);
    let issue = json!([{ "code": "AccessDenied", "message": "The role can't read the repository" }]);
    let endpoint = Script::new()
        .on(LIST, [ok(json!({ "capabilities": [] }))])
        .on(CREATE, [argocd("CREATING", admin(), json!([]))])
        .after(CREATE)
        .on(READ, [argocd("CREATING", admin(), json!([])), argocd("ACTIVE", admin(), json!([])), argocd("DEGRADED", admin(), issue)])
        .on(LIST, [listed()])
        .start(&definition("[{ role: admin, identities: [{ id: ops }] }]"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(CREATE)[0];
    assert_eq!(sent["type"], "ARGOCD");
    assert_eq!(sent["deletePropagationPolicy"], "RETAIN");
    assert_eq!(sent["configuration"]["argoCd"]["rbacRoleMappings"], admin());
    assert!(sent["configuration"]["argoCd"].get("networkAccess").is_none(), "the server is public by default");
    let plan = endpoint.run("plan", &[]);
    assert!(plan.combined_output().contains("The role can't read the repository"), "{}", plan.combined_output());
}

/// Mappings are added and removed by role.
#[test]
fn changes_only_the_role_mappings_that_differ() {
    let before = json!([mapping("ADMIN", "ops"), mapping("EDITOR", "developers")]);
    let after = json!([mapping("ADMIN", "ops"), mapping("VIEWER", "all")]);
    let endpoint = Script::new()
        .on(LIST, [listed()])
        .on(READ, [argocd("ACTIVE", before, json!([]))])
        .on(UPDATE, [update_started("AddonUpdate")])
        .after(UPDATE)
        .on(READ, [argocd("UPDATING", after.clone(), json!([])), argocd("ACTIVE", after, json!([]))])
        .start(&definition("[{ role: admin, identities: [{ id: ops }] }, { role: viewer, identities: [{ id: all }] }]"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(UPDATE)[0]["configuration"]["argoCd"]["rbacRoleMappings"];
    assert_eq!(sent["addOrUpdateRoleMappings"], json!([mapping("VIEWER", "all")]));
    assert_eq!(sent["removeRoleMappings"], json!([mapping("EDITOR", "developers")]));
    assert!(endpoint.request_bodies(UPDATE)[0].get("roleArn").is_none());
}

#[test]
fn a_plan_says_what_a_deleted_capability_leaves() {
    let endpoint = Script::new().on(LIST, [listed()]).on(READ, [argocd("ACTIVE", json!([]), json!([]))]).start(&definition("[]"));
    endpoint.apply();
    let plan = endpoint.run("plan", &["--destroy"]);
    assert!(plan.combined_output().contains("what it has deployed in the cluster is kept"), "{}", plan.combined_output());
}

#[test]
fn reports_mistakes_at_their_lines() {
    let role = "arn:aws:iam::123456789012:role/x";
    let wrong = format!(
        "  eks_capability:
    a: {{ cluster: {{ id: shop-main }}, type: argocd, role: '{role}' }}
    b: {{ cluster: {{ id: shop-main }}, type: ack, role: '{role}', argocd: {{ identity_center: 'arn:aws:sso:::instance/i' }} }}
"
    );
    let done = Script::new().start(&wrong).run("plan", &[]);
    for problem in ["Argo CD needs the instance of IAM Identity Center with its users", "`argocd` goes with `type: argocd`"] {
        assert!(done.stderr.contains(problem), "{problem}: {}", done.combined_output());
    }
    let untrusted = "  iam_role: { nodes: { trust: { services: [ec2.amazonaws.com] } } }
  eks_capability: { a: { cluster: { id: shop-main }, type: kro, role: nodes } }
";
    let done = Script::new().start(untrusted).run("plan", &[]);
    assert!(done.stderr.contains("does not trust `capabilities.eks.amazonaws.com`"), "{}", done.combined_output());
}
