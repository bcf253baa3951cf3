//! `dashboard`: a dashboard of CloudWatch.

use super::prelude::*;
use crate::core::{ErrorKind, Pointer};

/// A dashboard of CloudWatch. It is visible in all regions of the account.
#[spec]
pub struct Dashboard {
    /// Name, unique in the account.
    #[field(name(max = 255), pattern = "[A-Za-z0-9_-]+", replaces)]
    pub name: Option<String>,
    /// Its widgets, in CloudWatch's format: `{widgets: [{type: metric, …}]}`.
    #[field(important)]
    pub body: Document,
}

impl Resource for Dashboard {
    const TYPE: TypeInfo =
        TypeInfo::new("dashboard", &services::cloudwatch::SERVICE, "{name}", "arn:aws:cloudwatch::{account}:dashboard/{name}")
            .deletable_while_in_use()
            .without_token()
            .iam_actions(
                IamActions::new("cloudwatch:dashboard/{name}")
                    .list(&["cloudwatch:ListDashboards"])
                    .read(&["cloudwatch:GetDashboard", "cloudwatch:ListTagsForResource"])
                    .create(&["cloudwatch:PutDashboard"])
                    .change(&["cloudwatch:DeleteDashboards", "cloudwatch:PutDashboard"]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    /// The first three of an account are free, which can't be counted here.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AmazonCloudWatch").family("Dashboard").usage_type("DashboardsUsageHour").global();
        Pricing::of(vec![context.monthly("dashboard", 1.0, "dashboard-months", product).assuming("not one of the account's first three")])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.cloudwatch.list_dashboards().into_paginator().items().send().try_collect().await?;
        let named = all.into_iter().filter_map(|entry| Some((entry.dashboard_name?, entry.dashboard_arn?)));
        let ours = named.filter(|(name, arn)| scope.covers(name, arn));
        for_each_concurrent(ours, |(name, arn)| read(aws, scope, name, arn)).await
    }

    /// PutDashboard would overwrite a dashboard of another owner.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().ok_or_else(|| Error::missing_field("DashboardName"))?;
        if ok_or_not_found(cx.cloudwatch.get_dashboard().dashboard_name(&name).send().await)?.is_some() {
            let message = format!("there is a dashboard `{name}`, which CloudWatch would overwrite");
            return Err(Error::new(ErrorKind::AlreadyExists, services::cloudwatch::ALREADY_EXISTS, message));
        }
        let call = cx.cloudwatch.put_dashboard().dashboard_name(&name).dashboard_body(self.body.to_json());
        call.set_tags(Some(services::cloudwatch::to_tags(&cx.call.tags))).send().await?;
        Ok(name.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: DashboardChanges) -> Result<()> {
        cx.cloudwatch.put_dashboard().dashboard_name(&live.id).dashboard_body(self.body.to_json()).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.cloudwatch.delete_dashboards().dashboard_names(&live.id).send().await)
    }

    /// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
    fn check(&self) -> Vec<Problem> {
        let at: fn() -> Pointer = || Self::POINTERS.body;
        let Some(widgets) = self.body.value().get("widgets") else {
            return vec![Problem::new(at(), "a dashboard has a list of widgets").help("write `widgets: [{type: metric, …}]`")];
        };
        let Some(widgets) = widgets.as_array() else { return vec![Problem::new(at(), "`widgets` is not a list")] };
        if widgets.len() > 500 {
            return vec![Problem::new(at(), format!("a dashboard has at most 500 widgets, not {}", widgets.len()))];
        }
        let without_type = widgets.iter().position(|widget| !widget["type"].is_string());
        without_type.map(|index| Problem::new(at(), format!("widget {} has no `type`", index + 1))).into_iter().collect()
    }
}

/// Reads body and tags. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, name: String, arn: String) -> Result<Option<Observed<Dashboard>>> {
    let fetch = async {
        let reply = ok_or_not_found(aws.cloudwatch.list_tags_for_resource().resource_arn(&arn).send().await)?;
        Ok(reply.map(|reply| services::cloudwatch::from_tags(reply.tags())))
    };
    let tags = scope.tags_or_fetch(&arn, fetch).await?.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name));
    let Some(tags) = tags else { return Ok(None) };
    let Some(reply) = ok_or_not_found(aws.cloudwatch.get_dashboard().dashboard_name(&name).send().await)? else { return Ok(None) };
    let body = Document::parse(&reply.dashboard_body.unwrap_or_default())?;
    Ok(Some(Observed::new(name.clone(), tags, Dashboard { name: Some(name), body }, ArnOutput { arn })))
}
