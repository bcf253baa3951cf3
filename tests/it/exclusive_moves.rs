//! What only one resource can use moves from one to another in one plan: target groups, names of a service in a VPC, Elastic IP addresses.

use crate::{
    acme::{Acme, write_file},
    exclusive::{apply_all, codes},
};

const NETWORK: &str = "resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  internet_gateway: { main: { vpc: main } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  security_group: { web: { vpc: main } }
  elastic_ip: { one: {} }
";

fn balancers(listeners: &str) -> String {
    format!(
        "{NETWORK}  load_balancer:
    one: {{ subnets: [a, b], security_groups: [web], internal: true, deletion_protection: false }}
    two: {{ subnets: [a, b], security_groups: [web], internal: true, deletion_protection: false }}
  target_group:
    app: {{ vpc: main, port: 8080, protocol: HTTP, target_type: ip }}
    api: {{ vpc: main, port: 8081, protocol: HTTP, target_type: ip }}
  listener:
{listeners}"
    )
}

fn listener(name: &str, balancer: &str, action: &str) -> String {
    format!("    {name}: {{ load_balancer: {balancer}, port: 80, protocol: HTTP, default_action: {{ {action} }} }}\n")
}

fn forward(group: &str) -> String {
    format!("forward: {{ target_groups: [{{ target_group: {group} }}] }}")
}

const NOTHING: &str = "fixed_response: { status_code: 404 }";

/// AWS: "The following target groups cannot be associated with more than one load balancer".
#[test]
fn a_target_group_moves_between_load_balancers_when_the_old_listener_has_let_go() {
    let one = balancers(&(listener("one", "one", &forward("app")) + &listener("two", "two", NOTHING)));
    let two = balancers(&(listener("one", "one", NOTHING) + &listener("two", "two", &forward("app"))));
    let only_two = balancers(&listener("two", "two", &forward("app")));
    let only_three = balancers(&listener("three", "one", &forward("app")));
    let plans = apply_all(&[&one, &two, &one, &only_two, &only_three]);
    assert!(plans.iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
    assert_eq!(plans[1].changes(), ["update listener.one", "update listener.two"]);
    assert_eq!(plans[3].changes(), ["delete listener.one", "update listener.two"]);
    assert_eq!(plans[4].changes(), ["create listener.three", "delete listener.two"]);
}

/// Neither can let go first.
#[test]
fn load_balancers_that_exchange_their_target_groups_are_refused() {
    let before = balancers(&(listener("one", "one", &forward("app")) + &listener("two", "two", &forward("api"))));
    let after = balancers(&(listener("one", "one", &forward("api")) + &listener("two", "two", &forward("app"))));
    let plans = apply_all(&[&before, &after]);
    assert_eq!(codes(&plans[1]), ["taken listener.one"], "{:#}", plans[1].0);
}

/// The new load balancer exists beside the old one, but its listener gets the target group when the old listener is gone.
#[test]
fn the_listener_of_a_replaced_load_balancer_releases_its_target_group_first() {
    let text = balancers(&listener("one", "one", &forward("app")));
    let plans = apply_all(&[&text, &text.replacen("internal: true", "internal: false", 1)]);
    assert!(codes(&plans[1]).is_empty(), "{:#}", plans[1].0);
    let changes = plans[1].0["changes"].as_array().expect("a list");
    let order = |address: &str| changes.iter().find(|change| change["address"] == address).map(|one| one["replacement_order"].clone());
    assert_eq!(order("load_balancer.one"), Some("create_before_destroy".into()));
    assert_eq!(order("listener.one"), Some("destroy_before_create".into()));
}

/// Two interface endpoints of a service in a VPC can't both have its private names.
#[test]
fn an_interface_endpoint_is_deleted_before_another_one_gets_the_names_of_its_service() {
    let endpoint = |text: &str| format!("{NETWORK}  vpc_endpoint:\n{text}");
    let kept = "type: interface, subnets: [a], security_groups: [web]";
    let logs = endpoint(&format!("    logs: {{ vpc: main, service: logs, {kept}, private_dns: true }}\n"));
    let other = endpoint(&format!(
        "    other: {{ vpc: main, service: com.amazonaws.eu-west-1.logs, {kept}, private_dns: true, tags: {{ team: web }} }}\n"
    ));
    let without = endpoint(&format!(
        "    other: {{ vpc: main, service: logs, {kept}, private_dns: false }}\n    third: {{ vpc: main, service: logs, {kept}, private_dns: true }}\n"
    ));
    let plans = apply_all(&[&logs, &other, &without]);
    assert!(plans.iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
    let third = plans[2].0["changes"].as_array().expect("a list").iter().find(|change| change["address"] == "vpc_endpoint.third").cloned();
    assert_eq!(third.expect("a change")["action"], "create", "{:#}", plans[2].0);
}

/// A NAT gateway and a network load balancer can't share an address.
#[test]
fn an_address_moves_between_a_nat_gateway_and_a_load_balancer() {
    let nat = format!("{NETWORK}  nat_gateway: {{ main: {{ subnet: a, elastic_ip: one, depends_on: [internet_gateway.main] }} }}\n");
    let balancer = format!(
        "{NETWORK}  load_balancer: {{ main: {{ type: network, subnet_mappings: [{{ subnet: a, elastic_ip: one }}], deletion_protection: false }} }}\n"
    );
    let plans = apply_all(&[&nat, &balancer, &nat]);
    assert!(plans.iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
    assert_eq!(plans[1].changes(), ["create load_balancer.main", "delete nat_gateway.main"]);
    assert_eq!(plans[2].changes(), ["create nat_gateway.main", "delete load_balancer.main"]);
}

/// Metric and composite alarms have one set of names.
#[test]
fn a_name_moves_between_two_types_that_share_their_names() {
    let alarm = |key: &str| {
        format!(
            "    {key}:\n      metric: {{ namespace: Shop, name: Errors, statistic: Sum, period_seconds: 60 }}\n      comparison: \
             GreaterThanThreshold\n      threshold: 5\n      evaluation_periods: 1\n"
        )
    };
    let metric = format!("resources:\n  metric_alarm:\n{}{}", alarm("errors"), alarm("orders"));
    let composite = format!(
        "resources:\n  metric_alarm:\n{}  composite_alarm: {{ orders: {{ rule: 'ALARM({{{{ metric_alarm.errors.name }}}})' }} }}\n",
        alarm("errors")
    );
    let plans = apply_all(&[&metric, &composite, &metric]);
    assert!(plans.iter().all(|plan| codes(plan).is_empty()), "{plans:#?}");
    assert_eq!(plans[1].changes(), ["create composite_alarm.orders", "delete metric_alarm.orders"]);
    assert_eq!(plans[2].changes(), ["create metric_alarm.orders", "delete composite_alarm.orders"]);
}

#[test]
fn what_only_one_can_use_is_refused_at_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let refused = |resources: &str, message: &str| {
        let definition = write_file(folder.path(), "stack.yaml", &format!("stack: shop\nregion: eu-west-1\n{resources}"));
        let done = Acme::without_cloud().run("validate", &definition, &[]);
        assert!(done.code != 0 && done.combined_output().contains(message), "{message}: {}", done.combined_output());
        assert!(done.combined_output().contains("stack.yaml:"), "{}", done.combined_output());
    };
    let nat = format!("{NETWORK}  nat_gateway: {{ main: {{ subnet: a, elastic_ip: one }} }}\n");
    let balancer = "  load_balancer: { main: { type: network, subnet_mappings: [{ subnet: a, elastic_ip: one }] } }\n";
    refused(&format!("{nat}{balancer}"), "both use `elastic_ip.one`");
    let names = format!(
        "{NETWORK}  rds_subnet_group: {{ main: {{ subnets: [a, b] }} }}
  aurora_cluster: {{ main: {{ engine: aurora-postgresql, version: '16', subnet_group: main, security_groups: [web] }} }}
  aurora_instance: {{ main: {{ cluster: main, class: db.r7g.large }} }}
  rds_instance:
    main: {{ engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20, subnet_group: main, security_groups: [web] }}
"
    );
    refused(&names, "both use `arn:aws:rds:*:*:db:shop-main`");
    let both = listener("one", "one", &forward("app")) + &listener("two", "two", &forward("app"));
    refused(&balancers(&both), "can't exist beside");
    let endpoint = "type: interface, subnets: [a], private_dns: true";
    let two = format!("    a: {{ vpc: main, service: logs, {endpoint} }}\n    b: {{ vpc: main, service: logs, {endpoint} }}\n");
    refused(&format!("{NETWORK}  vpc_endpoint:\n{two}"), "can't exist beside");
}
