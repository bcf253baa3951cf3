//! Resources in a VPC that is replaced, because its range changes.

use std::path::PathBuf;

use crate::acme::{Acme, write_file};

const STACK: &str = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
    c: { vpc: main, cidr: 10.0.2.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main, description: Web } }
  load_balancer:
    web: { type: application, internal: true, subnets: [a, b], security_groups: [web], deletion_protection: false }
    inner: { type: network, internal: true, subnet_mappings: [{ subnet: a }, { subnet: b }] , deletion_protection: false }
  classic_load_balancer:
    old: { internal: true, subnets: [a], security_groups: [web], listeners: [{ port: 80, instance_port: 80 }], health_check: { target: 'TCP:80' } }
  rds_subnet_group: { data: { subnets: [a, b] } }
  cache_subnet_group: { data: { subnets: [a, b] } }
  dms_subnet_group: { data: { subnets: [a, b] } }
  iam_role: { cluster: { trust: { services: [eks.amazonaws.com] } } }
  eks_cluster: { main: { version: '1.36', role: cluster, subnets: [a, b], deletion_protection: false } }
  security_group_rule:
    metrics:
      security_group: { id: '{{ eks_cluster.main.security_group_id }}' }
      rule: { port: 443, security_group: web }
  metric_alarm:
    errors:
      metric:
        { namespace: AWS/ApplicationELB, name: HTTPCode_ELB_5XX_Count, statistic: Sum, period_seconds: 60, dimensions: { LoadBalancer: '{{ load_balancer.web.arn_suffix }}' } }
      comparison: GreaterThanThreshold
      threshold: 10
      evaluation_periods: 5
";

/// What AWS can't move to another VPC.
const FIXED: [&str; 7] = [
    "cache_subnet_group.data",
    "classic_load_balancer.old",
    "dms_subnet_group.data",
    "eks_cluster.main",
    "load_balancer.inner",
    "load_balancer.web",
    "rds_subnet_group.data",
];

struct Shop {
    acme: Acme,
    stack: PathBuf,
    _folder: tempfile::TempDir,
}

impl Shop {
    fn applied() -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        let stack = write_file(folder.path(), "stack.yaml", STACK);
        let shop = Shop { acme, stack, _folder: folder };
        shop.acme.apply(&shop.stack);
        shop.acme.assert_no_changes(&shop.stack);
        shop
    }
    fn edit(&self, text: &str) {
        std::fs::write(&self.stack, text).unwrap();
    }
}

#[test]
fn another_range_replaces_what_aws_cannot_move() {
    let shop = Shop::applied();
    let moved = STACK.replace("10.0.", "10.1.");
    shop.edit(&moved);
    let plan = shop.acme.plan(&shop.stack);
    let replaced = plan.changes().into_iter().filter_map(|change| change.strip_prefix("replace ").map(str::to_owned));
    let network = ["security_group.web", "security_group_rule.metrics", "subnet.a", "subnet.b", "subnet.c", "vpc.main"];
    let mut expected: Vec<&str> = FIXED.into_iter().chain(network).collect();
    expected.sort_unstable();
    assert_eq!(replaced.collect::<Vec<_>>(), expected);
    shop.acme.apply(&shop.stack);
    shop.acme.assert_no_changes(&shop.stack);

    shop.acme.run("rollback", &shop.stack, &["--yes"]).assert_success();
    shop.edit(STACK);
    shop.acme.assert_no_changes(&shop.stack);
    shop.acme.destroy(&shop.stack);
}

#[test]
fn other_subnets_of_the_same_vpc_are_an_update() {
    let shop = Shop::applied();
    shop.edit(&STACK.replace("_subnet_group: { data: { subnets: [a, b]", "_subnet_group: { data: { subnets: [a, c]"));
    let groups = ["cache_subnet_group", "dms_subnet_group", "rds_subnet_group"];
    assert_eq!(shop.acme.plan(&shop.stack).changes(), groups.map(|group| format!("update {group}.data")));
    shop.acme.apply(&shop.stack);
    shop.acme.assert_no_changes(&shop.stack);
}

/// A load balancer that changes its subnets to those of another VPC of the stack, without any change of that.
#[test]
fn subnets_of_another_vpc_of_the_stack_replace_too() {
    let shop = Shop::applied();
    let second =
        STACK.replace("vpc: { main: { cidr: 10.0.0.0/16 } }", "vpc: { main: { cidr: 10.0.0.0/16 }, second: { cidr: 10.2.0.0/16 } }");
    let second = second.replacen(
        "  security_group:",
        "    x: { vpc: second, cidr: 10.2.0.0/24, availability_zone: eu-west-1a }\n    y: { vpc: second, cidr: 10.2.1.0/24, availability_zone: eu-west-1b }\n  security_group:",
        1,
    );
    shop.edit(&second);
    shop.acme.apply(&shop.stack);
    shop.edit(&second.replace("rds_subnet_group: { data: { subnets: [a, b]", "rds_subnet_group: { data: { subnets: [x, y]"));
    assert_eq!(shop.acme.plan(&shop.stack).changes(), ["replace rds_subnet_group.data"]);
    shop.acme.apply(&shop.stack);
    shop.acme.assert_no_changes(&shop.stack);
}
