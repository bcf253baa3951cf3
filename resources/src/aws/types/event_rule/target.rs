//! Targets of a rule.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::types as sdk;

use super::{
    super::{iam_role::IamRole, prelude::*, sqs_queue::SqsQueue},
    EcsTask,
};

/// A target of a rule.
#[spec]
#[derive(PartialEq)]
pub struct Target {
    /// ARN of the resource that receives the events.
    #[field(length = 1..=1600, pattern = "arn:aws.+")]
    pub arn: String,
    /// Role that EventBridge assumes to send the events. Queues, topics, functions and log groups have policies of their own instead.
    #[field(default, dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// JSON text to send instead of the event.
    #[field(default, length = 0..=8192, conflicts_with = input_path, conflicts_with = input_transformer)]
    pub input: String,
    /// Path to the part of the event to send, such as `$.detail`.
    #[field(default, length = 0..=256, conflicts_with = input_transformer)]
    pub input_path: String,
    /// Text with parts of the event to send.
    #[field(default, dropped = None)]
    pub input_transformer: Option<InputTransformer>,
    /// Number of retries.
    #[field(default = 185, range = 0..=185)]
    pub max_retries: i32,
    /// Age at which EventBridge gives an event up, in seconds.
    #[field(default = 86_400, range = 60..=86_400)]
    pub max_age_seconds: i32,
    /// Queue for events that can't be delivered.
    #[field(default, dropped = None)]
    pub dead_letter_queue: Option<ArnRef<SqsQueue>>,
    /// Message group, for a FIFO queue.
    #[field(default, length = 0..=100)]
    pub message_group: String,
    /// Path to the partition key in the event, for a Kinesis stream.
    #[field(default, length = 0..=256)]
    pub partition_key_path: String,
    /// The request, for an API or an API destination.
    #[field(default, dropped = None)]
    pub http: Option<HttpRequest>,
    /// The task to run, for an ECS cluster.
    #[field(default, dropped = None)]
    pub ecs: Option<EcsTask>,
}

/// A text with parts of the event.
#[spec]
#[derive(PartialEq)]
pub struct InputTransformer {
    /// Paths to parts of the event, by the name that the template uses.
    #[field(default, length = 0..=100)]
    pub paths: BTreeMap<String, String>,
    /// Template with `<name>` for each part.
    #[field(length = 1..=8192)]
    pub template: String,
}

/// Parts of an HTTP request.
#[spec]
#[derive(PartialEq)]
pub struct HttpRequest {
    /// Values for the `*` in the path.
    #[field(default)]
    pub path_values: Vec<String>,
    /// Headers.
    #[field(default)]
    pub headers: BTreeMap<String, String>,
    /// Query parameters.
    #[field(default)]
    pub query: BTreeMap<String, String>,
}

/// Bus and name of a rule.
pub(super) type RuleName<'a> = (&'a str, &'a str);

/// Targets that one call takes.
const TARGETS_PER_CALL: usize = 10;

/// Lists all targets.
pub(super) async fn list(aws: &Aws, (bus, rule): RuleName<'_>) -> Result<Vec<sdk::Target>> {
    let (mut targets, mut token) = (Vec::new(), None);
    loop {
        let call = aws.eventbridge.list_targets_by_rule().rule(rule).event_bus_name(bus).limit(100).set_next_token(token);
        let page = call.send().await?;
        targets.extend(page.targets.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            return Ok(targets);
        }
    }
}

/// Removes the targets that are no longer declared, because their number is limited, and sets those that differ. PutTargets replaces a whole
/// target, so it repeats the settings that acme does not manage.
pub(super) async fn update(
    cx: &Cx<'_>,
    rule: RuleName<'_>,
    live: &BTreeMap<String, Target>,
    wanted: &BTreeMap<String, Target>,
) -> Result<()> {
    let leaving: Vec<String> = live.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
    remove(cx, rule, leaving).await?;
    let changed: Vec<_> = wanted.iter().filter(|(id, target)| live.get(*id) != Some(*target)).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let mut existing: BTreeMap<String, sdk::Target> = BTreeMap::new();
    if changed.iter().any(|(id, _)| live.contains_key(*id)) {
        existing = list(cx.api, rule).await?.into_iter().map(|target| (target.id.clone(), target)).collect();
    }
    let targets = changed.into_iter().map(|(id, target)| target.to_sdk(id, existing.remove(id)));
    let targets: Vec<sdk::Target> = targets.collect::<Result<_>>()?;
    for targets in targets.chunks(TARGETS_PER_CALL) {
        let call = cx.eventbridge.put_targets().rule(rule.1).event_bus_name(rule.0).set_targets(Some(targets.to_vec()));
        let failed = call.send().await?.failed_entries.unwrap_or_default();
        let failed = failed.into_iter().next().map(|entry| (entry.target_id, entry.error_code, entry.error_message));
        ensure_none(failed)?;
    }
    Ok(())
}

/// Removes all targets.
pub(super) async fn remove_all(cx: &Cx<'_>, rule: RuleName<'_>) -> Result<()> {
    let Some(targets) = ok_or_not_found(list(cx.api, rule).await)? else { return Ok(()) };
    remove(cx, rule, targets.into_iter().map(|target| target.id).collect()).await
}

async fn remove(cx: &Cx<'_>, rule: RuleName<'_>, ids: Vec<String>) -> Result<()> {
    for ids in ids.chunks(TARGETS_PER_CALL) {
        let call = cx.eventbridge.remove_targets().rule(rule.1).event_bus_name(rule.0).set_ids(Some(ids.to_vec()));
        let failed = call.send().await?.failed_entries.unwrap_or_default();
        let failed = failed.into_iter().next().map(|entry| (entry.target_id, entry.error_code, entry.error_message));
        ensure_none(failed)?;
    }
    Ok(())
}

/// A success may contain failures: the first one as an error.
fn ensure_none(failed: Option<(Option<String>, Option<String>, Option<String>)>) -> Result<()> {
    match failed {
        Some((target, code, message)) => {
            let message = format!("target `{}`: {}", target.unwrap_or_default(), message.unwrap_or_default());
            Err(Error::from_code(&code.unwrap_or_default(), message))
        }
        None => Ok(()),
    }
}

impl Target {
    pub(super) fn to_sdk(&self, id: &str, live: Option<sdk::Target>) -> Result<sdk::Target> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let target = sdk::Target::builder().id(id).arn(&self.arn).set_role_arn(self.role.as_ref().map(|role| role.get().to_owned()));
        let target = target.set_input(text(&self.input)).set_input_path(text(&self.input_path));
        let transformer = self.input_transformer.as_ref().map(|transformer| {
            let paths = (!transformer.paths.is_empty()).then(|| transformer.paths.clone().into_iter().collect());
            sdk::InputTransformer::builder().set_input_paths_map(paths).input_template(&transformer.template).build()
        });
        let target = target.set_input_transformer(transformer.transpose()?);
        let retries = sdk::RetryPolicy::builder().maximum_retry_attempts(self.max_retries);
        let has_retries = (self.max_retries, self.max_age_seconds) != (Self::default_max_retries(), Self::default_max_age_seconds());
        let retries = has_retries.then(|| retries.maximum_event_age_in_seconds(self.max_age_seconds).build());
        let dead_letters = self.dead_letter_queue.as_ref().map(|queue| sdk::DeadLetterConfig::builder().arn(queue.get()).build());
        let target = target.set_retry_policy(retries).set_dead_letter_config(dead_letters);
        let group = text(&self.message_group).map(|group| sdk::SqsParameters::builder().message_group_id(group).build());
        let key = text(&self.partition_key_path).map(|path| sdk::KinesisParameters::builder().partition_key_path(path).build());
        let target = target.set_sqs_parameters(group).set_kinesis_parameters(key.transpose()?);
        let http = self.http.as_ref().map(|http| {
            let values = (!http.path_values.is_empty()).then(|| http.path_values.clone());
            let map = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone().into_iter().collect());
            let request = sdk::HttpParameters::builder().set_path_parameter_values(values);
            request.set_header_parameters(map(&http.headers)).set_query_string_parameters(map(&http.query)).build()
        });
        let target = target.set_http_parameters(http);
        // A target with another ARN is another kind of target.
        let live = live.filter(|live| live.arn == self.arn);
        let task = self.ecs.as_ref().map(|ecs| ecs.to_sdk(live.as_ref().and_then(|live| live.ecs_parameters.clone())));
        let target = target.set_ecs_parameters(task.transpose()?);
        let target = match live {
            Some(live) => target
                .set_run_command_parameters(live.run_command_parameters)
                .set_batch_parameters(live.batch_parameters)
                .set_redshift_data_parameters(live.redshift_data_parameters)
                .set_sage_maker_pipeline_parameters(live.sage_maker_pipeline_parameters)
                .set_app_sync_parameters(live.app_sync_parameters),
            None => target,
        };
        Ok(target.build()?)
    }

    pub(super) fn from_sdk(target: sdk::Target) -> (String, Target) {
        let retries = target.retry_policy.unwrap_or_else(|| sdk::RetryPolicy::builder().build());
        let transformer = target.input_transformer.map(|transformer| InputTransformer {
            paths: transformer.input_paths_map.unwrap_or_default().into_iter().collect(),
            template: transformer.input_template,
        });
        let map = |map: Option<HashMap<String, String>>| map.unwrap_or_default().into_iter().collect();
        let read = Target {
            arn: target.arn,
            role: target.role_arn.filter(|role| !role.is_empty()).map(ArnRef::to),
            input: target.input.unwrap_or_default(),
            input_path: target.input_path.unwrap_or_default(),
            input_transformer: transformer,
            max_retries: retries.maximum_retry_attempts.unwrap_or_else(Self::default_max_retries),
            max_age_seconds: retries.maximum_event_age_in_seconds.unwrap_or_else(Self::default_max_age_seconds),
            dead_letter_queue: target.dead_letter_config.and_then(|queue| queue.arn).map(ArnRef::to),
            message_group: target.sqs_parameters.and_then(|sqs| sqs.message_group_id).unwrap_or_default(),
            partition_key_path: target.kinesis_parameters.map(|kinesis| kinesis.partition_key_path).unwrap_or_default(),
            http: target.http_parameters.map(|http| HttpRequest {
                path_values: http.path_parameter_values.unwrap_or_default(),
                headers: map(http.header_parameters),
                query: map(http.query_string_parameters),
            }),
            ecs: target.ecs_parameters.map(EcsTask::from_sdk),
        };
        (target.id, read)
    }
}

/// Whether EventBridge accepts an id.
pub(super) fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}
