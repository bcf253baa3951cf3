//! `composite_alarm`: an alarm of CloudWatch about other alarms.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::{self as sdk, AlarmType};

use super::{
    metric_alarm::{check_actions, shared},
    prelude::*,
};

/// An alarm of CloudWatch about the states of other alarms.
///
/// To delete composite alarms that refer to each other, first set the rule of one to `FALSE`.
#[spec]
pub struct CompositeAlarm {
    /// Name, unique in account and region, among all alarms.
    #[field(name(max = 255), replaces)]
    pub name: Option<String>,
    /// Description, which notifications contain.
    #[field(default, length = 0..=1024)]
    pub description: String,
    /// Rule, such as `ALARM("{{ metric_alarm.errors.name }}") AND NOT ALARM("{{ metric_alarm.deploying.name }}")`. acme creates the alarms that
    /// it names in expressions first.
    #[field(length = 1..=10_240, important)]
    pub rule: String,
    /// Whether the actions run.
    #[field(default = true, important, risky(false, "no action runs"))]
    pub actions_enabled: bool,
    /// ARNs of the actions that run in alarm: topics, functions, or actions of Systems Manager.
    #[field(default, length = 0..=5, important)]
    pub alarm_actions: BTreeSet<String>,
    /// ARNs of the actions that run when the alarm ends.
    #[field(default, length = 0..=5)]
    pub ok_actions: BTreeSet<String>,
    /// ARNs of the actions that run when the state is not known.
    #[field(default, length = 0..=5)]
    pub insufficient_data_actions: BTreeSet<String>,
    /// Name or ARN of an alarm that suppresses the actions while it is in alarm.
    #[field(default, length = 1..=1600, dropped = None)]
    pub suppressor: Option<String>,
    /// Longest wait for the suppressor to go into alarm before the actions run, in seconds.
    #[field(default = 0, range = 0..=86_400, requires = suppressor)]
    pub suppressor_wait_seconds: i32,
    /// Longest wait after the suppressor's alarm before the actions run, in seconds.
    #[field(default = 0, range = 0..=86_400, requires = suppressor)]
    pub suppressor_extension_seconds: i32,
}

impl Resource for CompositeAlarm {
    const TYPE: TypeInfo =
        TypeInfo::new("composite_alarm", &services::cloudwatch::SERVICE, "{name}", "arn:aws:cloudwatch:{region}:{account}:alarm:{name}")
            .without_token()
            .quota(5000, "LimitExceeded")
            .iam_actions(
                IamActions::new("cloudwatch:alarm:{name}")
                    .read(&["cloudwatch:ListTagsForResource"])
                    .create(&["cloudwatch:PutCompositeAlarm"])
                    .change(&["cloudwatch:DeleteAlarms", "cloudwatch:PutCompositeAlarm"])
                    .grants(&[IamGrant::read(&["cloudwatch:DescribeAlarms"], GrantTarget::Arn("cloudwatch:alarm:*"))]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AmazonCloudWatch").family("Alarm").usage_type("CW:CompositeAlarmMonitorUsage");
        Pricing::of(vec![context.monthly("alarm", 1.0, "alarm-months", product)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut alarms = Vec::new();
        for page in shared::describe(aws, scope, AlarmType::CompositeAlarm).await? {
            alarms.extend(page.composite_alarms.unwrap_or_default());
        }
        let alarms = shared::distinct(alarms, |alarm| alarm.alarm_name.clone());
        for_each_concurrent(alarms, |alarm| read(aws, scope, alarm)).await
    }

    /// PutCompositeAlarm would overwrite an alarm of another owner, and keep its tags.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().ok_or_else(|| Error::missing_field("AlarmName"))?;
        shared::ensure_absent(cx.api, &name).await?;
        self.put(cx, None, Some(services::cloudwatch::to_tags(&cx.call.tags))).await?;
        Ok(name.into())
    }

    /// PutCompositeAlarm replaces the whole alarm, so it repeats the settings that acme does not manage.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: CompositeAlarmChanges) -> Result<()> {
        let call = cx.cloudwatch.describe_alarms().alarm_names(&live.id).alarm_types(AlarmType::CompositeAlarm);
        let live = call.send().await?.composite_alarms.and_then(|alarms| alarms.into_iter().next());
        self.put(cx, live, None).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.cloudwatch.delete_alarms().alarm_names(&live.id).send().await)
    }

    async fn health(aws: &Aws, live: &Existing<Self>) -> Result<Option<Phase>> {
        shared::health(aws, &live.id, AlarmType::CompositeAlarm).await.map(Some)
    }

    fn check(&self) -> Vec<Problem> {
        let lists = [
            (Self::POINTERS.alarm_actions, &self.alarm_actions),
            (Self::POINTERS.ok_actions, &self.ok_actions),
            (Self::POINTERS.insufficient_data_actions, &self.insufficient_data_actions),
        ];
        let mut problems: Vec<Problem> = lists.into_iter().flat_map(|(pointer, actions)| check_actions(&pointer, actions)).collect();
        let depth = |text: &str| text.matches('(').count() as i64 - text.matches(')').count() as i64;
        if depth(&self.rule) != 0 {
            problems.push(Problem::new(Self::POINTERS.rule, "has unbalanced parentheses"));
        }
        problems
    }

    /// White space in a rule has no meaning, and a suppressor may be reported by its ARN.
    fn normalize(&self, live: &mut Self) {
        if words(&self.rule) == words(&live.rule) {
            live.rule.clone_from(&self.rule);
        }
        if let (Some(wanted), Some(found)) = (&self.suppressor, &live.suppressor) {
            let same = |arn: &str, name: &str| arn.strip_suffix(name).is_some_and(|rest| rest.ends_with(":alarm:"));
            if same(found, wanted) || same(wanted, found) {
                live.suppressor.clone_from(&self.suppressor);
            }
        }
    }
}

fn words(rule: &str) -> Vec<&str> {
    rule.split_whitespace().collect()
}

impl CompositeAlarm {
    async fn put(&self, cx: &Cx<'_>, live: Option<sdk::CompositeAlarm>, tags: Option<Vec<sdk::Tag>>) -> Result<()> {
        let call = cx.cloudwatch.put_composite_alarm().set_alarm_name(self.name.clone()).set_tags(tags).alarm_rule(&self.rule);
        let call = call.alarm_description(&self.description).actions_enabled(self.actions_enabled);
        let call = call.set_alarm_actions(Some(self.alarm_actions.iter().cloned().collect()));
        let call = call.set_ok_actions(Some(self.ok_actions.iter().cloned().collect()));
        let call = call.set_insufficient_data_actions(Some(self.insufficient_data_actions.iter().cloned().collect()));
        let call = match &self.suppressor {
            Some(suppressor) => {
                let call = call.actions_suppressor(suppressor).actions_suppressor_wait_period(self.suppressor_wait_seconds);
                call.actions_suppressor_extension_period(self.suppressor_extension_seconds)
            }
            None => call,
        };
        call.set_action_configuration(live.and_then(|live| live.action_configuration)).send().await?;
        Ok(())
    }
}

/// Reads the tags, which the description lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, alarm: sdk::CompositeAlarm) -> Result<Option<Observed<CompositeAlarm>>> {
    let name = alarm.alarm_name.ok_or_else(|| Error::missing_field("AlarmName"))?;
    let arn = alarm.alarm_arn.ok_or_else(|| Error::missing_field("AlarmArn"))?;
    let Some(tags) = shared::tags_of_stack(aws, scope, &name, &arn).await? else { return Ok(None) };
    let set = |list: Option<Vec<String>>| list.unwrap_or_default().into_iter().collect();
    let spec = CompositeAlarm {
        name: Some(name.clone()),
        description: alarm.alarm_description.unwrap_or_default(),
        rule: alarm.alarm_rule.unwrap_or_default(),
        actions_enabled: alarm.actions_enabled.unwrap_or(true),
        alarm_actions: set(alarm.alarm_actions),
        ok_actions: set(alarm.ok_actions),
        insufficient_data_actions: set(alarm.insufficient_data_actions),
        suppressor: alarm.actions_suppressor.filter(|suppressor| !suppressor.is_empty()),
        suppressor_wait_seconds: alarm.actions_suppressor_wait_period.unwrap_or_default(),
        suppressor_extension_seconds: alarm.actions_suppressor_extension_period.unwrap_or_default(),
    };
    Ok(Some(Observed::new(name, tags, spec, ArnOutput { arn })))
}
