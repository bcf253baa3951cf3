//! Tests of cycles of resources.

use super::*;

#[test]
fn accepts_cycles_through_fields_that_are_set_last() {
    let text = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    a: { vpc: main, ingress: [{ port: 80, security_group: b }] }
    b: { vpc: main, ingress: [{ port: 80, security_group: a }] }
  iam_role:
    a: { trust: { Statement: [{ Effect: Allow, Principal: { AWS: '{{ iam_role.b.unique_id }}' }, Action: 'sts:AssumeRole' }] } }
    b:
      trust: { services: [ec2.amazonaws.com] }
      inline_policies: { a: { Statement: [{ Effect: Allow, Action: '*', Resource: '{{ iam_role.a.unique_id }}' }] } }
";
    let stack = compile(text, &LoadOptions::default());
    let deferrable = |kind: &str, name: &str| stack.resources[&Address::new(kind, name)].deferrable.clone();
    assert_eq!(deferrable("security_group", "a"), BTreeSet::from([Address::new("security_group", "b")]));
    assert_eq!(deferrable("iam_role", "a"), BTreeSet::new(), "the trust is set by the creation");
    assert_eq!(deferrable("iam_role", "b"), BTreeSet::from([Address::new("iam_role", "a")]));
}

#[test]
fn reports_cycles_with_the_fields_that_form_them() {
    let roles = "
  vpc: { main: { cidr: 10.0.0.0/16 } }
  security_group:
    a: { vpc: main, ingress: [{ port: 80, security_group: b }], depends_on: [security_group.b] }
    b: { vpc: main, depends_on: [security_group.a] }
    c: { vpc: main, ingress: [{ port: 80, security_group: a }] }
  iam_role:
    a: { trust: { Statement: [{ Effect: Allow, Principal: { AWS: '{{ iam_role.b.unique_id }}' }, Action: 'sts:AssumeRole' }] } }
    b: { trust: { services: [ec2.amazonaws.com] }, description: 'Beside {{ iam_role.a.unique_id }}' }
";
    let said = problems_of(roles);
    for line in [
        "┌→ security_group.a",
        "│  depends on security_group.b (`depends_on`)",
        "└─ which depends on security_group.a (`depends_on`)",
        "│  depends on iam_role.b (`trust`)",
        "└─ which depends on iam_role.a (`description`)",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert_eq!(said.matches("error[cycle]").count(), 2, "{said}");
}
