//! `policies` in a real cluster.

use super::Lab;
use crate::acme::write_file;

const STACK: &str = "
stack: shop
region: us-east-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { deletion_protection: false }
policies:
  network_engine: other
  access: { 'system:operators': view }
  namespaces:
    shop:
      network:
        ingress:
          - { apps: web, from_namespaces: [edge], from_cidrs: [10.0.0.0/16], except: [10.0.9.0/24], ports: [8080, http] }
        egress:
          - { to_apps: { tier: api }, ports: [5432, 53/UDP] }
      quota: { requests.cpu: 8, pods: 50 }
      limits: { default_request: { cpu: 0.1, memory: 128Mi }, default: { memory: 512Mi } }
      access:
        'system:developers': [{ apiGroups: [apps], resources: [deployments], verbs: [get, patch] }]
        'system:auditors': view
";
const KINDS: &str = "networkpolicies,resourcequotas,limitranges,roles,rolebindings,clusterrolebindings,namespaces";

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn rules_of_namespaces_pass_their_life_in_a_real_cluster() {
    let lab = Lab::start();
    let stack = write_file(lab.folder.path(), "policies.yaml", STACK);
    lab.apply(&stack);
    lab.assert_no_changes(&stack);
    assert_eq!(lab.server.objects_of_acme(KINDS).len(), 12, "{:#?}", lab.server.objects_of_acme(KINDS));
    let can = |what: &[&str]| lab.server.kubectl(&[&["auth", "can-i"], what].concat()).trim().to_owned();
    let developer = ["--as=ada", "--as-group=system:developers", "-n", "shop"];
    assert_eq!(can(&[&["patch", "deployments.apps"][..], &developer].concat()), "yes");

    let edited = write_file(lab.folder.path(), "policies.yaml", &STACK.replace("ports: [5432, 53/UDP]", "ports: [5432]"));
    assert_eq!(lab.changes(&edited), ["update kubernetes_object.policies-shop-networkpolicy-egress"]);
    // The role of a binding can't change, so the binding is replaced.
    let edited = write_file(lab.folder.path(), "policies.yaml", &STACK.replace("'system:auditors': view", "'system:auditors': edit"));
    lab.apply(&edited);
    lab.assert_no_changes(&edited);
    lab.acme.destroy(&edited);
    assert_eq!(lab.server.objects_of_acme(KINDS), [""; 0]);
}
