//! Calls that replace a whole object send back the parts that acme has no field for.

use serde_json::{Value, json};

use super::{
    eks::{GROUP, group, update_started},
    rds::answer,
    s3,
};
use crate::scripted_endpoint::{Answer, Script, ok, xml, xml_ownership_tags};

/// A plan as JSON.
fn plan(endpoint: &crate::scripted_endpoint::Endpoint) -> Value {
    let done = endpoint.run("plan", &["-o", "json"]).assert_success();
    serde_json::from_str(&done.stdout).expect("JSON")
}

#[test]
fn an_update_of_a_node_group_keeps_its_strategy_and_the_thresholds_of_node_repair() {
    let config = "POST /clusters/-/node-groups/-/update-config";
    let overrides = json!([{
        "nodeMonitoringCondition": "AcceleratedInstanceNotReady", "nodeUnhealthyReason": "NvidiaXID13Error", "minRepairWaitTimeMins": 10,
        "repairAction": "Replace",
    }]);
    let state = |nodes: u32, repair: bool| {
        group(json!({
            "updateConfig": { "maxUnavailable": nodes, "updateStrategy": "MINIMAL" },
            "nodeRepairConfig": { "enabled": repair, "maxUnhealthyNodeThresholdCount": 3, "nodeRepairConfigOverrides": overrides },
        }))
    };
    let endpoint = Script::new()
        .on("GET /clusters/-/node-groups", [ok(json!({ "nodegroups": ["shop-main"] }))])
        .on("GET /clusters/-/node-groups/-", [state(1, true)])
        .on(config, [update_started("ConfigUpdate")])
        .after(config)
        .on("GET /clusters/-/node-groups/-", [state(2, false)])
        .start(&format!("{GROUP}      max_unavailable: 2\n      node_repair: false\n"));
    endpoint.apply();
    let sent = &endpoint.request_bodies(config)[0];
    assert_eq!(sent["updateConfig"], json!({ "maxUnavailable": 2, "updateStrategy": "MINIMAL" }));
    let expected = json!({ "enabled": false, "maxUnhealthyNodeThresholdCount": 3, "nodeRepairConfigOverrides": overrides });
    assert_eq!(sent["nodeRepairConfig"], expected);
}

#[test]
fn an_update_of_an_endpoint_keeps_its_other_dns_options() {
    let state = |kind: &str| {
        let tags = xml_ownership_tags("vpc_endpoint.s3", "item", "key", "value") + "<item><key>Name</key><value>shop-s3</value></item>";
        xml(format!(
            "<DescribeVpcEndpointsResponse><vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId><vpcEndpointType>Interface\
             </vpcEndpointType><vpcId>vpc-1</vpcId><serviceName>com.amazonaws.us-east-1.s3</serviceName><state>available</state>\
             <ownerId>123456789012</ownerId><dnsOptions><dnsRecordIpType>{kind}</dnsRecordIpType>\
             <privateDnsOnlyForInboundResolverEndpoint>true</privateDnsOnlyForInboundResolverEndpoint></dnsOptions>\
             <tagSet>{tags}</tagSet></item></vpcEndpointSet></DescribeVpcEndpointsResponse>"
        ))
    };
    let modify = "ModifyVpcEndpoint";
    let endpoint = Script::new()
        .on("DescribeVpcEndpoints", [state("ipv4")])
        .on(modify, [xml("<ModifyVpcEndpointResponse><return>true</return></ModifyVpcEndpointResponse>")])
        .after(modify)
        .on("DescribeVpcEndpoints", [state("dualstack")])
        .start("  vpc_endpoint: { s3: { vpc: { id: vpc-1 }, service: s3, type: interface, dns_record_ip_type: dualstack } }\n");
    endpoint.apply();
    let sent = &endpoint.request_bodies(modify)[0];
    assert_eq!(sent["DnsOptions.DnsRecordIpType"], "dualstack");
    assert_eq!(sent["DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint"], "true");
}

const BALANCER: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/net/shop-edge/1";

/// A network load balancer with these subnets and security groups.
fn balancer(subnets: &[&str], groups: &[&str]) -> Answer {
    let zones: String = subnets.iter().map(|subnet| format!("<member><SubnetId>{subnet}</SubnetId></member>")).collect();
    let groups: String = groups.iter().map(|group| format!("<member>{group}</member>")).collect();
    let inside = format!(
        "<member><LoadBalancerArn>{BALANCER}</LoadBalancerArn><LoadBalancerName>shop-edge</LoadBalancerName><Type>network</Type>\
         <Scheme>internet-facing</Scheme><AvailabilityZones>{zones}</AvailabilityZones><SecurityGroups>{groups}</SecurityGroups>\
         <IpAddressType>dualstack</IpAddressType><EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>off\
         </EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic><EnablePrefixForIpv6SourceNat>on</EnablePrefixForIpv6SourceNat></member>"
    );
    answer("DescribeLoadBalancers", &format!("<LoadBalancers>{inside}</LoadBalancers>"))
}

#[test]
fn an_update_of_a_load_balancer_keeps_its_source_nat_and_private_link_settings() {
    let tags = xml_ownership_tags("load_balancer.edge", "member", "Key", "Value");
    let tags = format!("<TagDescriptions><member><ResourceArn>{BALANCER}</ResourceArn><Tags>{tags}</Tags></member></TagDescriptions>");
    let endpoint = Script::new()
        .on("DescribeTags", [answer("DescribeTags", &tags)])
        .on("DescribeLoadBalancers", [balancer(&["subnet-a"], &["sg-1"])])
        .on("SetSubnets", [answer("SetSubnets", "")])
        .on("SetSecurityGroups", [answer("SetSecurityGroups", "")])
        .after("SetSecurityGroups")
        .on("DescribeLoadBalancers", [balancer(&["subnet-a", "subnet-b"], &["sg-1", "sg-2"])])
        .start(
            "  load_balancer: { edge: { type: network, deletion_protection: false, ip_address_type: dualstack,
               subnets: [{ id: subnet-a }, { id: subnet-b }], security_groups: [{ id: sg-1 }, { id: sg-2 }] } }\n",
        );
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 SetSubnets", "200 SetSecurityGroups"]);
    assert_eq!(endpoint.request_bodies("SetSubnets")[0]["EnablePrefixForIpv6SourceNat"], "on");
    assert_eq!(endpoint.request_bodies("SetSecurityGroups")[0]["EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic"], "off");
}

#[test]
fn an_update_of_a_rule_keeps_its_regular_expressions_and_transforms() {
    let (listener, balancer) = (
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/shop-web/1/2",
        "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/shop-web/1",
    );
    let described = |resource: &str, address: &str| {
        let tags = xml_ownership_tags(address, "member", "Key", "Value");
        format!("<member><ResourceArn>{resource}</ResourceArn><Tags>{tags}</Tags></member>")
    };
    let tags = described(listener, "listener.web");
    let answer_404 = "<member><Type>fixed-response</Type><FixedResponseConfig><StatusCode>404</StatusCode></FixedResponseConfig></member>";
    let listeners = format!(
        "<Listeners><member><ListenerArn>{listener}</ListenerArn><LoadBalancerArn>{balancer}</LoadBalancerArn><Port>80</Port>\
         <Protocol>HTTP</Protocol><DefaultActions>{answer_404}</DefaultActions></member></Listeners>"
    );
    let rules = |path: &str| {
        format!(
            "<Rules><member><RuleArn>{listener}/10</RuleArn><Priority>10</Priority><Conditions><member><Field>path-pattern</Field>\
             <PathPatternConfig><Values><member>{path}</member></Values></PathPatternConfig></member><member><Field>host-header</Field>\
             <HostHeaderConfig><RegexValues><member>^shop[0-9]</member></RegexValues></HostHeaderConfig></member></Conditions>\
             <Actions>{answer_404}</Actions><Transforms><member><Type>url-rewrite</Type><UrlRewriteConfig><Rewrites><member><Regex>^/a\
             </Regex><Replace>/b</Replace></member></Rewrites></UrlRewriteConfig></member></Transforms></member></Rules>"
        )
    };
    let endpoint = Script::new()
        .on("DescribeTags", [answer("DescribeTags", &format!("<TagDescriptions>{tags}</TagDescriptions>"))])
        .on("DescribeListeners", [answer("DescribeListeners", &listeners)])
        .on("DescribeRules", [answer("DescribeRules", &rules("/old"))])
        .on("ModifyRule", [answer("ModifyRule", "")])
        .after("ModifyRule")
        .on("DescribeRules", [answer("DescribeRules", &rules("/new"))])
        .start(&format!(
            "  listener: {{ web: {{ load_balancer: '{balancer}', port: 80, protocol: HTTP,
                default_action: {{ fixed_response: {{ status_code: 404 }} }},
                rules: [{{ priority: 10, paths: [/new], action: {{ fixed_response: {{ status_code: 404 }} }} }}] }} }}\n"
        ));
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 ModifyRule"]);
    let sent = &endpoint.request_bodies("ModifyRule")[0];
    assert_eq!(sent["Conditions.member.1.PathPatternConfig.Values.member.1"], "/new");
    assert_eq!(sent["Conditions.member.2.HostHeaderConfig.RegexValues.member.1"], "^shop[0-9]");
    // The call keeps transforms that it does not name.
    let keys: Vec<&String> = sent.as_object().expect("an object").keys().collect();
    assert!(keys.iter().all(|key| !key.contains("Transforms")), "{keys:?}");
}

/// A bucket with the default settings and this lifecycle rule.
fn bucket(rule: &str) -> Script {
    let tags = xml_ownership_tags("s3_bucket.files", "Tag", "Key", "Value");
    let script = Script::new()
        .with_tagged_resources(&[("arn:aws:s3:::shop-files", "s3_bucket.files")])
        .on("GET /-?tagging", [xml(format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"))]);
    // Of several responses to an action, the last one counts.
    s3::bucket(script).on("GET /-?lifecycle", [lifecycle(rule)])
}

fn lifecycle(rule: &str) -> Answer {
    let rule = format!("<Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter>{rule}</Rule>");
    xml(format!("<LifecycleConfiguration>{rule}</LifecycleConfiguration>"))
}

#[test]
fn lifecycle_rules_by_date_are_shown_and_kept_if_declared() {
    let date = "<Date>2030-01-01T00:00:00.000Z</Date>";
    let by_date = format!("<Expiration>{date}</Expiration><Transition>{date}<StorageClass>GLACIER</StorageClass></Transition>");
    let abort = |days: u32| {
        format!("<AbortIncompleteMultipartUpload><DaysAfterInitiation>{days}</DaysAfterInitiation></AbortIncompleteMultipartUpload>")
    };
    let definition = |days: u32, more: &str| {
        format!("  s3_bucket: {{ files: {{ lifecycle_rules: {{ old: {{ prefix: logs/, abort_multipart_days: {days}{more} }} }} }} }}\n")
    };
    let dates = ", expire_date: 2030-01-01, dated_transitions: [{ date: 2030-01-01, storage_class: GLACIER }]";
    let live = format!("{by_date}{}", abort(7));

    // What the definition does not say is shown before it is removed.
    let shown = plan(&bucket(&live).start(&definition(7, "")));
    let fields = shown["changes"][0]["fields"].to_string();
    for part in ["/lifecycle_rules/old/expire_date", "/lifecycle_rules/old/dated_transitions", "2030-01-01", "GLACIER"] {
        assert!(fields.contains(part), "{part} is missing in {fields}");
    }

    let endpoint = bucket(&live).start(&definition(7, dates));
    assert_eq!(endpoint.planned_changes(), [""; 0]);

    let put = "PUT /-?lifecycle";
    let endpoint = bucket(&live)
        .on(put, [xml("")])
        .after(put)
        .on("GET /-?lifecycle", [lifecycle(&format!("{by_date}{}", abort(9)))])
        .start(&definition(9, dates));
    endpoint.apply();
    let sent = endpoint.request_bodies(put)[0].to_string();
    assert_eq!(sent.matches("<Date>2030-01-01T00:00:00Z</Date>").count(), 2, "{sent}");
}
