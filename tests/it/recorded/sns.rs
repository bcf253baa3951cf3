//! SNS: unconfirmed subscriptions, topics of others, and archives.

use serde_json::Value;

use crate::scripted_endpoint::{Answer, Script, xml, xml_error, xml_ownership_tags};

const ARN: &str = "arn:aws:sns:us-east-1:123456789012:shop-orders";
const MAIL: &str = "<member><SubscriptionArn>PendingConfirmation</SubscriptionArn><Owner>123456789012</Owner><Protocol>email</Protocol>\
                    <Endpoint>ops@example.com</Endpoint></member>";

fn answer(action: &str, result: &str) -> Answer {
    xml(format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
}

fn topics(listed: bool) -> Answer {
    let topic = format!("<member><TopicArn>{ARN}</TopicArn></member>");
    answer("ListTopics", &format!("<Topics>{}</Topics>", if listed { &topic } else { "" }))
}

fn subscriptions(all: &str) -> Answer {
    answer("ListSubscriptionsByTopic", &format!("<Subscriptions>{all}</Subscriptions>"))
}

fn attributes(more: &[(&str, &str)]) -> Answer {
    let entry = |(key, value): &(&str, &str)| format!("<entry><key>{key}</key><value>{value}</value></entry>");
    let all: String = [("TopicArn", ARN), ("Owner", "123456789012")].iter().chain(more).map(entry).collect();
    answer("GetTopicAttributes", &format!("<Attributes>{all}</Attributes>"))
}

fn script() -> Script {
    let tags = xml_ownership_tags("sns_topic.orders", "member", "Key", "Value");
    Script::new()
        .on("ListTagsForResource", [answer("ListTagsForResource", &format!("<Tags>{tags}</Tags>"))])
        .on("GetTopicAttributes", [attributes(&[])])
        .on("SetTopicAttributes", [xml("<SetTopicAttributesResponse/>")])
        .on("DeleteTopic", [xml("<DeleteTopicResponse/>")])
}

const TOPIC: &str =
    "  sns_topic: { orders: { subscriptions: [{ protocol: email, endpoint: ops@example.com, filter: { kind: [order] } }] } }\n";

/// SNS sends one e-mail, and its answers don't show the settings of the subscription until it is confirmed.
#[test]
fn asks_only_once_for_a_confirmation() {
    let endpoint = script()
        .on("ListTopics", [topics(false)])
        .on("ListSubscriptionsByTopic", [subscriptions("")])
        .on("CreateTopic", [answer("CreateTopic", &format!("<TopicArn>{ARN}</TopicArn>"))])
        .on("Subscribe", [answer("Subscribe", &format!("<SubscriptionArn>{ARN}:0123</SubscriptionArn>"))])
        .after("CreateTopic")
        .on("ListTopics", [topics(true)])
        .after("Subscribe")
        .on("ListSubscriptionsByTopic", [subscriptions(MAIL)])
        .start(TOPIC);
    endpoint.apply();
    assert_eq!(endpoint.writes(), ["200 CreateTopic", "200 Subscribe"]);
    let sent = &endpoint.request_bodies("Subscribe")[0];
    assert_eq!((&sent["Protocol"], &sent["ReturnSubscriptionArn"]), (&Value::from("email"), &Value::from("true")));
    // Nothing can delete it, and it disappears by itself.
    endpoint.redefine("  sns_topic: { orders: { subscriptions: [] } }\n");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes()[2..], ["200 DeleteTopic"]);
}

/// SNS compares the tags of a topic that exists.
#[test]
fn does_not_take_over_a_topic_of_others() {
    let message = "Invalid parameter: Tags Reason: Topic already exists with different tags";
    let endpoint = script()
        .on("ListTopics", [topics(false)])
        .on("CreateTopic", [xml_error(400, "InvalidParameter", message)])
        .start("  sns_topic: { orders: {} }\n");
    let done = endpoint.run("apply", &["--yes"]);
    assert!(done.code != 0 && done.combined_output().contains("already exists"), "{}", done.combined_output());
}

/// Other accounts subscribe to a topic, too, if its policy allows it.
#[test]
fn leaves_subscriptions_of_other_accounts_alone() {
    let foreign = MAIL.replace("123456789012", "210987654321").replace("PendingConfirmation", &format!("{ARN}:4567"));
    let endpoint = script()
        .with_tagged_resources(&[(ARN, "sns_topic.orders")])
        .on("ListTopics", [topics(true)])
        .on("ListSubscriptionsByTopic", [subscriptions(&foreign)])
        .start("  sns_topic: { orders: { subscriptions: [] } }\n");
    assert_eq!(endpoint.planned_changes(), [""; 0]);
}

/// <https://docs.aws.amazon.com/sns/latest/dg/message-archiving-and-replay-topic-owner.html>: a topic with an archive can't be deleted.
#[test]
fn removes_the_archive_before_the_topic() {
    let arn = format!("{ARN}.fifo");
    let archive = [("FifoTopic", "true"), ("ArchivePolicy", "{&quot;MessageRetentionPeriod&quot;:&quot;30&quot;}")];
    let listed = answer("ListTopics", &format!("<Topics><member><TopicArn>{arn}</TopicArn></member></Topics>"));
    let endpoint = script()
        .with_tagged_resources(&[(arn.as_str(), "sns_topic.orders")])
        .on("ListTopics", [listed])
        .on("GetTopicAttributes", [attributes(&archive)])
        .start("  sns_topic: { orders: { fifo: true, archive_days: 30 } }\n");
    endpoint.run("destroy", &["--yes"]).assert_success();
    assert_eq!(endpoint.writes(), ["200 SetTopicAttributes", "200 DeleteTopic"]);
    assert_eq!(endpoint.request_bodies("SetTopicAttributes")[0]["AttributeValue"], "{}");
}
