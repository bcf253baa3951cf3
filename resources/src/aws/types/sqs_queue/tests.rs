use super::*;

#[test]
fn reads_the_attributes_that_it_writes() {
    let written = json!({
        "name": "orders.fifo", "fifo": true, "content_based_deduplication": true, "deduplication_scope": "messageGroup",
        "throughput_limit": "perMessageGroupId", "delay_seconds": 5, "max_receives": 3,
        "dead_letter_queue": "arn:aws:sqs:eu-west-1:123456789012:failed.fifo", "data_key_reuse_seconds": 60,
        "redrive_sources": ["arn:aws:sqs:eu-west-1:123456789012:carts.fifo"], "policy": { "Statement": [] },
        "kms_key": "arn:aws:kms:eu-west-1:123456789012:key/0123", "managed_encryption": false,
    });
    let queue: SqsQueue = serde_json::from_value(written).expect("a queue");
    assert!(queue.check().is_empty());
    let read = SqsQueue::from_attributes("orders.fifo", &queue.attributes()).expect("attributes");
    assert_eq!(json!(read), json!(queue));
}

#[test]
fn reads_a_number_of_receives_written_as_text() {
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:failed","maxReceiveCount":"7"}"#;
    let attributes = HashMap::from([(Attribute::RedrivePolicy, policy.to_owned())]);
    assert_eq!(SqsQueue::from_attributes("orders", &attributes).map(|queue| queue.max_receives).ok(), Some(7));
}

#[test]
fn encrypts_with_one_kind_of_key() {
    let encryption = |queue: SqsQueue| {
        let attributes = queue.attributes();
        [Attribute::KmsMasterKeyId, Attribute::SqsManagedSseEnabled].map(|name| attributes[&name].clone())
    };
    assert_eq!(encryption(SqsQueue { kms_key: Some(ArnRef::to("key")), ..SqsQueue::default() }), ["key", "false"]);
    assert_eq!(encryption(SqsQueue::default()), ["", "true"]);
}
