//! `event_rule`: a rule of EventBridge, with its targets.

mod check;
mod ecs;
mod target;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use aws_sdk_eventbridge::types as sdk;

use super::{iam_role::IamRole, prelude::*};
use crate::{
    aws::{from_aws, to_aws},
    core::ErrorKind,
};

pub use ecs::EcsTask;
pub use target::{HttpRequest, InputTransformer, Target};

/// A rule of EventBridge, which sends events or runs on a schedule.
#[spec]
#[derive(Default)]
pub struct EventRule {
    /// Name, unique in its event bus.
    #[field(name(max = 64), pattern = "[A-Za-z0-9_.-]+", replaces)]
    pub name: Option<String>,
    /// Name of the event bus whose events it receives.
    #[field(default = "default", length = 1..=256, pattern = "[A-Za-z0-9_./-]+", replaces)]
    pub bus: String,
    /// Description.
    #[field(default, length = 0..=512)]
    pub description: String,
    /// Event pattern: the events to send, as `{source: [aws.ec2], detail-type: [...]}`.
    #[field(default, important)]
    pub pattern: Document,
    /// Schedule in UTC, such as `rate(5 minutes)` or `cron(0 3 * * ? *)`. Only rules of the default bus have one.
    #[field(default, length = 0..=256, pattern = r"|(rate|cron)\(.+\)", important)]
    pub schedule: String,
    /// Whether the rule is in use.
    #[field(default, important, risky(RuleState::Disabled, "no event is sent"))]
    pub state: RuleState,
    /// Role that EventBridge assumes for targets without a role of their own.
    #[field(default, dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Targets, by id. A queue, topic or function needs a policy of its own that allows `events.amazonaws.com`.
    #[field(default, length = 0..=5, after_create, important)]
    pub targets: BTreeMap<String, Target>,
}

/// Use of a rule.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RuleState {
    /// Events are sent.
    #[default]
    Enabled,
    /// No events are sent.
    Disabled,
    /// Events are sent, including those of all management calls that CloudTrail records, read-only ones, too.
    EnabledWithAllCloudtrailManagementEvents,
}

/// Events of applications.
const CUSTOM_EVENTS: UsageKey =
    UsageKey::new("custom_events", "events of applications in a month, in units of 64 KiB; state them at one rule of a bus");

impl Resource for EventRule {
    const TYPE: TypeInfo = TypeInfo::new(
        "event_rule",
        &services::eventbridge::SERVICE,
        "{bus}/{name}",
        "arn:aws:events:{region}:{account}:rule/{bus|default=|*/}{name}",
    )
    .deletable_while_in_use()
    .without_token()
    .quota(300, "LimitExceededException")
    .iam_actions(
        IamActions::new("events:rule/*{name}")
            .list(&["events:ListEventBuses", "events:ListRules"])
            .read(&["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"])
            .create(&["events:PutRule"])
            .change(&["events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets"])
            .grants(&[IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["events.amazonaws.com"]))]),
    );
    const USAGE: &'static [UsageKey] = &[CUSTOM_EVENTS];
    type Api = Aws;
    type Outputs = ArnOutput;

    /// Events of AWS are free: <https://aws.amazon.com/eventbridge/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AWSEvents").family("EventBridge").with("eventType", "Custom Event").usage_type("Event-64K-Chunks");
        Pricing::of(vec![context.metered("events of applications", &CUSTOM_EVENTS, "events", product)])
    }

    /// Each event bus has a list of its own.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        for bus in buses(aws).await? {
            let mut token = None;
            loop {
                let call = aws.eventbridge.list_rules().event_bus_name(&bus).limit(100).set_next_token(token);
                let Some(page) = ok_or_not_found(call.send().await)? else { break };
                let rules = page.rules.unwrap_or_default().into_iter().filter(|rule| rule.managed_by.is_none());
                found.extend(rules.filter(|rule| scope.covers(rule.name().unwrap_or_default(), rule.arn().unwrap_or_default())));
                token = page.next_token;
                if token.is_none() {
                    break;
                }
            }
        }
        for_each_concurrent(found, |rule| read(aws, scope, rule)).await
    }

    /// PutRule would overwrite a rule of another owner, and keep its tags.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().ok_or_else(|| Error::missing_field("Name"))?;
        if ok_or_not_found(cx.eventbridge.describe_rule().name(&name).event_bus_name(&self.bus).send().await)?.is_some() {
            let message = format!("there is a rule `{name}` of the bus `{}`, which EventBridge would overwrite", self.bus);
            return Err(Error::new(ErrorKind::AlreadyExists, services::eventbridge::SERVICE.error_codes.already_exists, message));
        }
        self.put(cx, Some(services::eventbridge::to_tags(&cx.call.tags))).await?;
        Ok(format!("{}/{name}", self.bus).into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: EventRuleChanges) -> Result<()> {
        if changes.description || changes.pattern || changes.schedule || changes.state || changes.role {
            self.put(cx, None).await?;
        }
        if changes.targets {
            target::update(cx, (&self.bus, name_of(&live.id)), &live.spec.targets, &self.targets).await?;
        }
        Ok(())
    }

    /// A rule can be deleted only without targets.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let rule = (live.spec.bus.as_str(), name_of(&live.id));
        target::remove_all(cx, rule).await?;
        Deletion::requested(cx.eventbridge.delete_rule().name(rule.1).event_bus_name(rule.0).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }
}

/// Name in an id.
fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or_default()
}

impl EventRule {
    /// PutRule replaces the whole rule.
    async fn put(&self, cx: &Cx<'_>, tags: Option<Vec<sdk::Tag>>) -> Result<()> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let call = cx.eventbridge.put_rule().set_name(self.name.clone()).event_bus_name(&self.bus).set_tags(tags);
        let call = call.set_description(text(&self.description)).set_event_pattern(self.pattern.text());
        let call = call.set_schedule_expression(text(&self.schedule)).state(to_aws(&self.state).as_str().into());
        call.set_role_arn(self.role.as_ref().map(|role| role.get().to_owned())).send().await?;
        Ok(())
    }
}

/// Names of all event buses.
async fn buses(aws: &Aws) -> Result<Vec<String>> {
    let (mut names, mut token) = (Vec::new(), None);
    loop {
        let page = aws.eventbridge.list_event_buses().limit(100).set_next_token(token).send().await?;
        names.extend(page.event_buses.unwrap_or_default().into_iter().filter_map(|bus| bus.name));
        token = page.next_token;
        if token.is_none() {
            return Ok(names);
        }
    }
}

/// Reads tags and targets, which the list lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, rule: sdk::Rule) -> Result<Option<Observed<EventRule>>> {
    let name = rule.name.ok_or_else(|| Error::missing_field("Name"))?;
    let arn = rule.arn.ok_or_else(|| Error::missing_field("Arn"))?;
    let bus = rule.event_bus_name.unwrap_or_else(EventRule::default_bus);
    let id = format!("{bus}/{name}");
    let tags = match scope.tags_by_id(&id, &arn) {
        Some(tags) => Some(tags),
        None => {
            let reply = ok_or_not_found(aws.eventbridge.list_tags_for_resource().resource_arn(&arn).send().await)?;
            reply.map(|reply| services::eventbridge::from_tags(reply.tags()))
        }
    };
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
    let Some(targets) = ok_or_not_found(target::list(aws, (&bus, &name)).await)? else { return Ok(None) };
    let spec = EventRule {
        name: Some(name),
        bus,
        description: rule.description.unwrap_or_default(),
        pattern: Document::parse(&rule.event_pattern.unwrap_or_default())?,
        schedule: rule.schedule_expression.unwrap_or_default(),
        state: rule.state.map(|state| from_aws(state.as_str())).transpose()?.unwrap_or_default(),
        role: rule.role_arn.filter(|role| !role.is_empty()).map(ArnRef::to),
        targets: targets.into_iter().map(Target::from_sdk).collect(),
    };
    Ok(Some(Observed::new(id, tags, spec, ArnOutput { arn })))
}
