//! Option groups, proxies and event subscriptions of RDS: settings that AWS adds, states, targets, and what keeps a group.

use serde_json::json;

use super::rds::answer;
use crate::scripted_endpoint::{Answer, Script, xml_error, xml_ownership_tags};

fn tags(address: &str) -> Answer {
    answer("ListTagsForResource", &format!("<TagList>{}</TagList>", xml_ownership_tags(address, "Tag", "Key", "Value")))
}

const GROUPS: &str = "DescribeOptionGroups";
const CHANGE_GROUP: &str = "ModifyOptionGroup";

fn group(options: &str) -> Answer {
    let group = format!(
        "<OptionGroup><OptionGroupName>shop-audit</OptionGroupName><EngineName>mysql</EngineName><MajorEngineVersion>8.0</MajorEngineVersion>\
         <OptionGroupDescription>Managed by acme</OptionGroupDescription><Options>{options}</Options>\
         <OptionGroupArn>arn:aws:rds:us-east-1:123456789012:og:shop-audit</OptionGroupArn></OptionGroup>"
    );
    answer(GROUPS, &format!("<OptionGroupsList>{group}</OptionGroupsList>"))
}

fn audit(events: &str) -> String {
    let setting = |name: &str, value: &str| format!("<OptionSetting><Name>{name}</Name><Value>{value}</Value></OptionSetting>");
    format!(
        "<Option><OptionName>MARIADB_AUDIT_PLUGIN</OptionName><OptionSettings>{}{}</OptionSettings></Option>",
        setting("SERVER_AUDIT_EVENTS", events),
        setting("SERVER_AUDIT_FILE_ROTATIONS", "9")
    )
}

fn audit_group(events: &str) -> String {
    format!(
        "  rds_option_group:\n    audit:\n      engine: mysql\n      version: \"8.0\"\n      options:\n        MARIADB_AUDIT_PLUGIN: {{ settings: {{ \
         SERVER_AUDIT_EVENTS: {events} }} }}\n"
    )
}

/// AWS reports all settings of an option; those that the definition does not name are no changes.
#[test]
fn changes_only_the_settings_that_are_named() {
    let changed = answer(CHANGE_GROUP, "");
    let endpoint = Script::new()
        .on(GROUPS, [group(&audit("CONNECT"))])
        .on("ListTagsForResource", [tags("rds_option_group.audit")])
        .on(CHANGE_GROUP, [changed])
        .after(CHANGE_GROUP)
        .on(GROUPS, [group(&audit("QUERY"))])
        .after(CHANGE_GROUP)
        .on(GROUPS, [group("")])
        .start(&audit_group("CONNECT"));
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.redefine(&audit_group("QUERY"));
    endpoint.apply();
    endpoint.redefine(
        &audit_group("QUERY")
            .replace("MARIADB_AUDIT_PLUGIN: { settings: { SERVER_AUDIT_EVENTS: QUERY } }", "{}")
            .replace("options:\n        {}", "options: {}"),
    );
    endpoint.apply();
    let sent = endpoint.request_bodies(CHANGE_GROUP);
    assert!(sent[0].to_string().contains("QUERY") && !sent[0].to_string().contains("ROTATIONS"), "{}", sent[0]);
    assert!(sent[1].to_string().contains("OptionsToRemove") && sent[1].to_string().contains("MARIADB_AUDIT_PLUGIN"), "{}", sent[1]);
}

#[test]
fn names_the_snapshots_that_keep_an_option_group() {
    let delete = "DeleteOptionGroup";
    let busy = xml_error(400, "InvalidOptionGroupStateFault", "The option group 'shop-audit' cannot be deleted because it is in use.");
    let snapshot =
        "<DBSnapshot><DBSnapshotIdentifier>orders-final</DBSnapshotIdentifier><OptionGroupName>shop-audit</OptionGroupName></DBSnapshot>";
    let endpoint = Script::new()
        .on(GROUPS, [group("")])
        .on("ListTagsForResource", [tags("rds_option_group.audit")])
        .on("DescribeDBSnapshots", [answer("DescribeDBSnapshots", &format!("<DBSnapshots>{snapshot}</DBSnapshots>"))])
        .on(delete, [busy, answer(delete, "")])
        .after(delete)
        .on(GROUPS, [answer(GROUPS, "<OptionGroupsList/>")])
        .start(&audit_group("CONNECT"));
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), [format!("400 {delete}"), format!("200 {delete}")]);
}

const PROXY: &str = "
  rds_proxy:
    orders:
      engine_family: POSTGRESQL
      subnets: [{ id: subnet-1 }, { id: subnet-2 }]
      security_groups: [{ id: sg-1 }]
      role: 'arn:aws:iam::123456789012:role/proxy'
      auth: [{ secret: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf' }]
      instance: { id: primary }
";
const PROXIES: &str = "DescribeDBProxies";
const TARGETS: &str = "DescribeDBProxyTargets";
const REGISTER: &str = "RegisterDBProxyTargets";
const DEREGISTER: &str = "DeregisterDBProxyTargets";

fn proxy(status: &str) -> Answer {
    let one = format!(
        "<member><DBProxyName>shop-orders</DBProxyName><DBProxyArn>arn:aws:rds:us-east-1:123456789012:db-proxy:prx-0123456789abcdef0</DBProxyArn>\
         <Status>{status}</Status><EngineFamily>POSTGRESQL</EngineFamily><VpcSubnetIds><member>subnet-1</member><member>subnet-2</member>\
         </VpcSubnetIds><VpcSecurityGroupIds><member>sg-1</member></VpcSecurityGroupIds><RoleArn>arn:aws:iam::123456789012:role/proxy</RoleArn>\
         <Auth><member><AuthScheme>SECRETS</AuthScheme><SecretArn>arn:aws:secretsmanager:us-east-1:123456789012:secret:orders-AbCdEf</SecretArn>\
         <IAMAuth>DISABLED</IAMAuth><ClientPasswordAuthType>POSTGRES_SCRAM_SHA_256</ClientPasswordAuthType></member></Auth>\
         <RequireTLS>true</RequireTLS><IdleClientTimeout>1800</IdleClientTimeout><DebugLogging>false</DebugLogging>\
         <Endpoint>shop-orders.proxy-abc.us-east-1.rds.amazonaws.com</Endpoint></member>"
    );
    answer(PROXIES, &format!("<DBProxies>{}</DBProxies>", if status.is_empty() { "" } else { &one }))
}

fn targets(database: &str, state: &str) -> Answer {
    let target = format!(
        "<member><RdsResourceId>{database}</RdsResourceId><Type>RDS_INSTANCE</Type><TargetHealth><State>{state}</State></TargetHealth></member>"
    );
    answer(TARGETS, &format!("<Targets>{}</Targets>", if database.is_empty() { "" } else { &target }))
}

fn pool() -> Answer {
    let config = "<MaxConnectionsPercent>100</MaxConnectionsPercent><MaxIdleConnectionsPercent>50</MaxIdleConnectionsPercent>\
                  <ConnectionBorrowTimeout>120</ConnectionBorrowTimeout><SessionPinningFilters/>";
    let group = format!("<member><TargetGroupName>default</TargetGroupName><ConnectionPoolConfig>{config}</ConnectionPoolConfig></member>");
    answer("DescribeDBProxyTargetGroups", &format!("<TargetGroups>{group}</TargetGroups>"))
}

fn proxy_script(first: Answer, database: &str) -> Script {
    Script::new()
        .on(PROXIES, [first])
        .on("DescribeDBProxyTargetGroups", [pool()])
        .on(TARGETS, [targets(database, "AVAILABLE")])
        .on("ListTagsForResource", [tags("rds_proxy.orders")])
        .on("CreateDBProxy", [answer("CreateDBProxy", "<DBProxy><DBProxyName>shop-orders</DBProxyName></DBProxy>")])
        .on(REGISTER, [answer(REGISTER, "<DBProxyTargets/>")])
        .on(DEREGISTER, [answer(DEREGISTER, "")])
        .on("DeleteDBProxy", [answer("DeleteDBProxy", "")])
}

/// The target is registered once the proxy is available, and is used once it is registered.
#[test]
fn registers_the_target_of_an_available_proxy() {
    let missing = xml_error(404, "DBProxyTargetGroupNotFoundFault", "The specified target group isn't available.");
    let endpoint = proxy_script(proxy(""), "")
        .after("CreateDBProxy")
        .on("DescribeDBProxyTargetGroups", [missing.clone(), pool()])
        .on(TARGETS, [missing, targets("", "")])
        .on(PROXIES, [proxy("creating"), proxy("available")])
        .after(REGISTER)
        .on(PROXIES, [proxy("available")])
        .on(TARGETS, [targets("primary", "REGISTERING"), targets("primary", "AVAILABLE")])
        .start(PROXY);
    let done = endpoint.apply();
    assert!(done.stderr.contains("registering its target"), "{}", done.combined_output());
    assert_eq!(endpoint.writes(), ["200 CreateDBProxy", "200 RegisterDBProxyTargets"]);
    assert_eq!(endpoint.planned_changes(), [""; 0], "AWS chooses how clients prove a password");
}

#[test]
fn a_target_that_is_registered_already_is_no_error() {
    let registered = xml_error(400, "DBProxyTargetAlreadyRegisteredFault", "The proxy is already associated with the target.");
    let endpoint = proxy_script(proxy("available"), "old")
        .on(TARGETS, [targets("old", "AVAILABLE")])
        .after(DEREGISTER)
        .on(REGISTER, [registered])
        .on(TARGETS, [targets("primary", "AVAILABLE")])
        .start(PROXY);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 DeregisterDBProxyTargets", "400 RegisterDBProxyTargets"]);
    assert!(endpoint.request_bodies(DEREGISTER)[0].to_string().contains("old"));
}

#[test]
fn waits_until_a_proxy_is_deleted() {
    let endpoint = proxy_script(proxy("available"), "primary")
        .after("DeleteDBProxy")
        .on(PROXIES, [proxy("deleting"), proxy("deleting"), proxy("")])
        .start(PROXY);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 DeleteDBProxy"]);
}

const EVENTS: &str = "DescribeEventSubscriptions";
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:alerts";

fn subscription(status: &str, sources: &str, categories: &str) -> Answer {
    let list = |tag: &str, items: &str| items.split_whitespace().map(|item| format!("<{tag}>{item}</{tag}>")).collect::<String>();
    let one = format!(
        "<EventSubscription><CustSubscriptionId>shop-alerts</CustSubscriptionId><SnsTopicArn>{TOPIC}</SnsTopicArn><Status>{status}</Status>\
         <SourceType>db-instance</SourceType><SourceIdsList>{}</SourceIdsList><EventCategoriesList>{}</EventCategoriesList><Enabled>true</Enabled>\
         <EventSubscriptionArn>arn:aws:rds:us-east-1:123456789012:es:shop-alerts</EventSubscriptionArn></EventSubscription>",
        list("SourceId", sources),
        list("EventCategory", categories)
    );
    answer(EVENTS, &format!("<EventSubscriptionsList>{}</EventSubscriptionsList>", if status.is_empty() { "" } else { &one }))
}

fn alerts(more: &str) -> String {
    format!("  rds_event_subscription: {{ alerts: {{ topic: '{TOPIC}', source_type: db-instance{more} }} }}\n")
}

#[test]
fn changes_categories_and_sources_one_by_one() {
    let (modify, add) = ("ModifyEventSubscription", "AddSourceIdentifierToSubscription");
    let remove = "RemoveSourceIdentifierFromSubscription";
    let none = xml_error(400, "SNSNoAuthorization", "You do not have permission to publish to the SNS topic ARN.");
    let created =
        answer("CreateEventSubscription", "<EventSubscription><CustSubscriptionId>shop-alerts</CustSubscriptionId></EventSubscription>");
    let endpoint = Script::new()
        .on(EVENTS, [subscription("", "", "")])
        .on("ListTagsForResource", [tags("rds_event_subscription.alerts")])
        .on("CreateEventSubscription", [none, created])
        .on(modify, [answer(modify, "")])
        .on(add, [answer(add, "")])
        .on(remove, [answer(remove, "")])
        .after("CreateEventSubscription")
        .on(EVENTS, [subscription("creating", "a", "failover"), subscription("active", "a", "failover")])
        .after(add)
        .on(EVENTS, [subscription("modifying", "b", ""), subscription("active", "b", "")])
        .start(&alerts(", sources: [a], categories: [failover]"));
    endpoint.apply();
    endpoint.redefine(&alerts(", sources: [b]"));
    endpoint.apply();
    let writes = ["400 CreateEventSubscription", "200 CreateEventSubscription", "200 ModifyEventSubscription"];
    assert_eq!(endpoint.writes()[..3], writes);
    assert_eq!(
        (&endpoint.request_bodies(add)[0]["SourceIdentifier"], &endpoint.request_bodies(remove)[0]["SourceIdentifier"]),
        (&json!("b"), &json!("a"))
    );
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

#[test]
fn a_plan_warns_of_a_subscription_without_permission() {
    let endpoint = Script::new()
        .on(EVENTS, [subscription("no-permission", "", "")])
        .on("ListTagsForResource", [tags("rds_event_subscription.alerts")])
        .start(&alerts(""));
    let plan = endpoint.run("plan", &[]);
    assert!(plan.combined_output().contains("the topic does not let RDS publish"), "{}", plan.combined_output());
}
