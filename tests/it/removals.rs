//! What an update takes away: released before what it refers to is deleted, and after the deletion of what needs it.

use crate::{
    acme::{Acme, write_file},
    exclusive::{any_plan, apply_all, codes},
};

/// The operations of an apply, in order: `changed iam_role.node`.
fn operations(before: &str, after: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let define = |text: &str| write_file(folder.path(), "stack.yaml", &format!("stack: shop\nregion: eu-west-1\n{text}"));
    acme.apply(&define(before));
    let path = define(after);
    assert_eq!(codes(&any_plan(&acme, &path)), [""; 0]);
    let done = acme.run("apply", &path, &["--yes"]).assert_success().combined_output();
    acme.assert_no_changes(&path);
    let step = |line: &str| {
        let mut words = line.split_whitespace();
        let verb = words.next().filter(|verb| ["changed", "deleted", "created", "removed", "pruned"].contains(verb))?;
        Some(format!("{verb} {}", words.find(|word| word.contains('.'))?))
    };
    done.lines().filter_map(step).collect()
}

fn is_before(operations: &[String], first: &str, second: &str) -> bool {
    let at = |wanted: &str| operations.iter().rposition(|one| one.ends_with(wanted));
    at(first).zip(at(second)).is_some_and(|(first, second)| first < second)
}

const NETWORK: &str = "resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
";

#[test]
fn the_address_of_a_load_balancer_is_released_after_its_subnet_leaves() {
    let text = |mappings: &str, addresses: &str| {
        format!(
            "{NETWORK}  elastic_ip: {{ {addresses} }}\n  load_balancer: {{ web: {{ type: network, deletion_protection: false, subnet_mappings: [{mappings}] }} }}\n"
        )
    };
    let (a, b) = ("{ subnet: a, elastic_ip: a }", "{ subnet: b, elastic_ip: b }");
    let steps = operations(&text(&format!("{a}, {b}"), "a: {}, b: {}"), &text(a, "a: {}"));
    assert!(is_before(&steps, "load_balancer.web", "elastic_ip.b"), "{steps:?}");
}

#[test]
fn a_security_group_is_deleted_after_its_users_leave_it() {
    let text = |groups: &str, used: &str| {
        format!("{NETWORK}  security_group: {{ {groups} }}\n  load_balancer: {{ web: {{ subnets: [a, b], security_groups: [{used}], internal: true, deletion_protection: false }} }}
  vpc_endpoint: {{ ecr: {{ vpc: main, service: ecr.api, type: interface, subnets: [a], security_groups: [{used}] }} }}\n")
    };
    let steps = operations(&text("web: { vpc: main }, old: { vpc: main }", "web, old"), &text("web: { vpc: main }", "web"));
    assert!(is_before(&steps, "load_balancer.web", "security_group.old"), "{steps:?}");
    assert!(is_before(&steps, "vpc_endpoint.ecr", "security_group.old"), "{steps:?}");
}

/// The deletion of a node group needs the permissions of its role.
#[test]
fn a_role_keeps_its_policies_until_its_users_are_deleted() {
    let text = |policies: &str, nodes: &str| {
        format!(
            "{NETWORK}  iam_role:
    cluster: {{ trust: {{ services: [eks.amazonaws.com] }} }}
    node: {{ trust: {{ services: [ec2.amazonaws.com] }}, policies: [{policies}] }}
  eks_cluster: {{ main: {{ version: '1.33', role: cluster, subnets: [a, b], deletion_protection: false }} }}
  iam_policy: {{ own: {{ document: {{ Statement: [{{ Effect: Allow, Action: 's3:GetObject', Resource: '*' }}] }} }} }}
{nodes}"
        )
    };
    let before = text(
        "AmazonEKSWorkerNodePolicy, '{{ iam_policy.own.arn }}'",
        "  eks_node_group: { main: { cluster: main, role: node, subnets: [a], min: 0, max: 1 } }\n",
    );
    let policy = "  iam_policy: { own: { document: { Statement: [{ Effect: Allow, Action: 's3:GetObject', Resource: '*' }] } } }\n";
    let after = text("", "").replace(policy, "");
    assert_ne!(after, text("", ""));
    let steps = operations(&before, &after);
    assert!(is_before(&steps, "eks_node_group.main", "iam_role.node"), "{steps:?}");
    assert!(is_before(&steps, "iam_role.node", "iam_policy.own"), "{steps:?}");
}

/// RDS keeps a subnet of a group as long as a database uses it.
#[test]
fn a_subnet_group_keeps_its_subnets_until_its_databases_are_deleted() {
    let third = "    c: { vpc: main, cidr: 10.0.2.0/24, availability_zone: eu-west-1c }\n";
    let text = |third: &str, subnets: &str, database: &str| {
        format!(
            "{NETWORK}{third}  security_group: {{ web: {{ vpc: main }} }}\n  rds_subnet_group: {{ main: {{ subnets: [{subnets}] }} }}\n{database}"
        )
    };
    let database = "  rds_instance: { main: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: main,
      security_groups: [web], deletion_protection: false, on_delete: delete } }\n";
    let steps = operations(&text(third, "a, b, c", database), &text("", "a, b", ""));
    assert!(is_before(&steps, "rds_instance.main", "rds_subnet_group.main"), "{steps:?}");
    assert!(is_before(&steps, "rds_subnet_group.main", "subnet.c"), "{steps:?}");
}

/// A policy keeps its name when its description changes, so the old one must be deleted first, but a role uses it.
#[test]
fn a_policy_in_use_is_not_deleted_before_its_replacement() {
    let text = |description: &str| {
        format!(
            "resources:
  iam_policy: {{ own: {{ name: own, description: {description}, document: {{ Statement: [{{ Effect: Allow, Action: 's3:GetObject', Resource: '*' }}] }} }} }}
  iam_role: {{ app: {{ trust: {{ services: [ec2.amazonaws.com] }}, policies: ['{{{{ iam_policy.own.arn }}}}'] }} }}
"
        )
    };
    let plans = apply_all(&[&text("One"), &text("Two")]);
    assert_eq!(codes(&plans[1]), ["held iam_policy.own"], "{:#}", plans[1].0);
}

#[test]
fn a_plan_says_what_happens_to_automated_backups() {
    let folder = tempfile::tempdir().unwrap();
    let acme = Acme::local(&folder.path().join("cloud"));
    let text = |more: &str| {
        format!(
            "stack: shop\nregion: eu-west-1\n{NETWORK}  security_group: {{ web: {{ vpc: main }} }}
  rds_subnet_group: {{ main: {{ subnets: [a, b] }} }}
  rds_instance: {{ main: {{ engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20, subnet_group: main,
      security_groups: [web], deletion_protection: false{more} }} }}\n"
        )
    };
    let path = write_file(folder.path(), "stack.yaml", &text(""));
    acme.apply(&path);
    let shown = acme.run("plan", &path, &["--destroy"]).stdout;
    assert!(shown.contains("its automated backups are kept for 7 days"), "{shown}");
    write_file(folder.path(), "stack.yaml", &text(", delete_automated_backups: true"));
    acme.apply(&path);
    let shown = acme.run("plan", &path, &["--destroy"]).stdout;
    assert!(shown.contains("its automated backups are deleted, too"), "{shown}");
}

#[test]
fn a_cluster_with_ipv6_needs_subnets_with_ipv6_ranges() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "stack: shop\nregion: eu-west-1\n{NETWORK}  iam_role: {{ cluster: {{ trust: {{ services: [eks.amazonaws.com] }} }} }}
  eks_cluster: {{ main: {{ version: '1.33', role: cluster, subnets: [a, b], ip_family: ipv6 }} }}\n"
    );
    let path = write_file(folder.path(), "stack.yaml", &text);
    let done = Acme::without_cloud().run("validate", &path, &[]);
    assert_ne!(done.code, 0);
    assert!(done.combined_output().contains("has no IPv6 range"), "{}", done.combined_output());
}
