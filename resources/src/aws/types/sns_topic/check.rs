//! Rules of topics.

use std::collections::BTreeSet;

use super::{
    super::{iam_role::check_trust, prelude::*},
    DeliveryLog, Protocol, SnsTopic, Subscription,
};
use crate::{aws::to_aws, core::Pointer};

pub(super) fn check(topic: &SnsTopic) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut keys = BTreeSet::new();
    for (index, one) in topic.subscriptions.iter().enumerate() {
        let at = |field: Pointer| SnsTopic::POINTERS.subscriptions.item(index).field(field);
        if !keys.insert(one.key()) {
            problems.push(Problem::new(at(Subscription::POINTERS.endpoint), "is subscribed twice").help("keep one of the two"));
        }
        if topic.fifo && one.protocol != Protocol::Sqs {
            let problem = Problem::new(at(Subscription::POINTERS.protocol), "a FIFO topic delivers to queues only");
            problems.push(problem.help("use `protocol: sqs`"));
        }
        if one.pending_confirmation.is_some() {
            let problem = Problem::new(at(Subscription::POINTERS.pending_confirmation), "only AWS sets this");
            problems.push(problem.help("remove `pending_confirmation`"));
        }
        problems.extend(check_endpoint(one).map(|message| Problem::new(at(Subscription::POINTERS.endpoint), message)));
        let is_http = matches!(one.protocol, Protocol::Http | Protocol::Https);
        if one.raw && !is_http && !matches!(one.protocol, Protocol::Sqs | Protocol::Firehose) {
            let message = format!("the protocol `{}` has no raw delivery", to_aws(&one.protocol));
            problems.push(Problem::new(at(Subscription::POINTERS.raw), message).help("remove `raw`"));
        }
        if !one.delivery_policy.is_empty() && !is_http {
            let problem = Problem::new(at(Subscription::POINTERS.delivery_policy), "only HTTP endpoints have a delivery policy");
            problems.push(problem.help("remove `delivery_policy`"));
        }
        if one.role.is_some() != (one.protocol == Protocol::Firehose) {
            let problem = Problem::new(at(Subscription::POINTERS.role), "Firehose streams need a role, and other endpoints take none");
            problems.push(problem.help(if one.role.is_some() { "remove `role`" } else { "add `role: …`" }));
        }
    }
    problems
}

/// What is wrong with the form of an endpoint.
fn check_endpoint(one: &Subscription) -> Option<&'static str> {
    let (endpoint, is_arn_of) = (&one.endpoint, |service: &str| one.endpoint.split(':').nth(2) == Some(service));
    if endpoint.contains("${") {
        return None;
    }
    let (is_valid, message) = match one.protocol {
        Protocol::Http => (endpoint.starts_with("http://"), "is not a URL that starts with `http://`"),
        Protocol::Https => (endpoint.starts_with("https://"), "is not a URL that starts with `https://`"),
        Protocol::Email | Protocol::EmailJson => (endpoint.contains('@'), "is not an e-mail address"),
        Protocol::Sqs => (is_arn_of("sqs"), "is not the ARN of a queue"),
        Protocol::Lambda => (is_arn_of("lambda"), "is not the ARN of a function"),
        Protocol::Firehose => (is_arn_of("firehose"), "is not the ARN of a Firehose stream"),
        Protocol::Application => (is_arn_of("sns"), "is not the ARN of an endpoint of a mobile device"),
        Protocol::Sms => (endpoint.strip_prefix('+').unwrap_or(endpoint).bytes().all(|b| b.is_ascii_digit()), "is not a phone number"),
    };
    (!is_valid).then_some(message)
}

pub(super) fn check_declared(declared: &Declared<'_, SnsTopic>) -> Vec<Problem> {
    let Some(topic) = declared.spec() else { return Vec::new() };
    let mut roles = Vec::new();
    for (protocol, log) in &topic.delivery_logs {
        let at = |field: Pointer| SnsTopic::POINTERS.delivery_logs.item(to_aws(protocol)).field(field);
        roles.extend(log.success_role.as_ref().map(|role| (at(DeliveryLog::POINTERS.success_role), role)));
        roles.extend(log.failure_role.as_ref().map(|role| (at(DeliveryLog::POINTERS.failure_role), role)));
    }
    for (index, one) in topic.subscriptions.iter().enumerate() {
        let at = SnsTopic::POINTERS.subscriptions.item(index).field(Subscription::POINTERS.role);
        roles.extend(one.role.as_ref().map(|role| (at, role)));
    }
    roles.into_iter().filter_map(|(at, role)| check_trust(declared, at, role, "sns.amazonaws.com")).collect()
}
