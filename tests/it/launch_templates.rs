//! Node groups and their launch templates.

use acme::definition::{LoadOptions, Source, load};

use crate::acme::{Acme, write_file};

const STACK: &str = r#"
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  iam_role:
    cluster: { trust: { services: [eks.amazonaws.com] } }
    node: { trust: { services: [ec2.amazonaws.com] } }
  eks_cluster: { main: { version: "1.34", role: cluster, subnets: [a, b] } }
  launch_template: { workers: { TEMPLATE } }
  eks_node_group:
    main:
      cluster: main
      role: node
      subnets: [a, b]
      min: 1
      max: 3
      launch_template: workers
      launch_template_version: "{{ launch_template.workers.version }}"
"#;

#[test]
fn a_change_of_the_template_replaces_the_nodes_in_the_same_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(&folder.path().join("cloud"));
    let definition = |template: &str| write_file(folder.path(), "stack.yaml", &STACK.replace("TEMPLATE", template));
    let stack = definition("monitoring: false");
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    let stack = definition("monitoring: true");
    assert_eq!(acme.plan(&stack).changes(), ["update eks_node_group.main", "update launch_template.workers"]);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
}

#[test]
fn refuses_templates_that_eks_refuses() {
    let problems = |template: &str, group: &str| {
        let text = STACK.replace("TEMPLATE", template).replace("      min: 1\n", &format!("      min: 1\n{group}"));
        let source = Source::new("stack.yaml", &text);
        match load(&source, &LoadOptions::default()) {
            Ok(_) => String::new(),
            Err(problems) => problems.iter().map(|problem| problem.render(&source, false)).collect::<String>(),
        }
    };
    for (template, group, message) in [
        ("spot: {}", "", "EKS refuses a launch template with `spot`"),
        ("instance_profile: arn:aws:iam::123456789012:instance-profile/node", "", "EKS refuses a launch template with `instance_profile`"),
        ("network_interfaces: [{ subnet: a }]", "", "EKS refuses a launch template with `subnet`"),
        ("instance_type: m7g.large", "      instance_types: [m7g.large]\n", "both set an instance type"),
        ("image: ami-0123456789abcdef0", "      ami_type: AL2023_ARM_64_STANDARD\n", "`launch_template.workers` sets the machine image"),
        ("image: ami-0123456789abcdef0", "      version: \"1.34\"\n", "the version follows from the machine image"),
        ("user_data: echo", "", "no MIME archive"),
    ] {
        let found = problems(template, group);
        assert!(found.contains(message), "{template}: {found}");
    }
    for (template, group) in [
        ("instance_type: m7g.large", ""),
        ("image: ami-0123456789abcdef0, user_data: echo", "      ami_type: CUSTOM\n"),
        ("user_data: '[settings.kubernetes]'", "      ami_type: BOTTLEROCKET_ARM_64\n"),
        ("user_data: 'Content-Type: multipart/mixed; boundary=a'", ""),
    ] {
        assert_eq!(problems(template, group), "", "{template}");
    }
}
