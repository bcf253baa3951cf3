//! `shield_protection`: protection of a resource by Shield Advanced.

mod response;

use std::collections::BTreeSet;

use aws_sdk_shield::types::{Protection, SubscriptionState};

use super::{health_check::HealthCheck, prelude::*};
use crate::{
    aws::to_aws,
    core::{Pointer, Tags},
};

pub use response::ResponseAction;

/// Protection of a resource by Shield Advanced, to which the account must be subscribed: 3,000 USD a month for at least a year. acme never
/// subscribes.
#[spec]
pub struct ShieldProtection {
    /// Name.
    #[field(name(max = 128), pattern = "[ A-Za-z0-9_.-]+", replaces)]
    pub name: Option<String>,
    /// ARN of the resource: a load balancer, a distribution, an accelerator, an elastic IP address or a hosted zone, such as
    /// `{{ load_balancer.web.arn }}`.
    #[field(length = 1..=2048, pattern = "arn:.+", replaces, important, unique = "resource")]
    pub resource: String,
    /// Health checks of the resource, with which Shield detects attacks sooner.
    #[field(default, length = 0..=10, after_create)]
    pub health_checks: BTreeSet<ArnRef<HealthCheck>>,
    /// Action for requests of an attack, by rules that it adds to the web firewall of the resource: a distribution or an application
    /// load balancer.
    #[field(default, after_create, important, dropped = None)]
    pub automatic_response: Option<ResponseAction>,
}

impl Resource for ShieldProtection {
    const TYPE: TypeInfo =
        TypeInfo::new("shield_protection", &services::shield::SERVICE, "{uuid}", "arn:aws:shield::{account}:protection/{id}")
            .global()
            .without_token()
            .deletable_while_in_use()
            .quota(1_000, "LimitsExceededException")
            .iam_actions(
                IamActions::new("shield:protection/*")
                    .list(&["shield:ListProtections"])
                    .questions(&["shield:GetSubscriptionState"])
                    .read(&["shield:DescribeProtection", "shield:ListTagsForResource"])
                    .change(&["shield:AssociateHealthCheck", "shield:DeleteProtection", "shield:DisassociateHealthCheck"])
                    .grants(&[
                        IamGrant::change(&["shield:CreateProtection"], GrantTarget::TagOnCreate),
                        IamGrant::change(
                            &[
                                "shield:DisableApplicationLayerAutomaticResponse",
                                "shield:EnableApplicationLayerAutomaticResponse",
                                "shield:UpdateApplicationLayerAutomaticResponse",
                            ],
                            GrantTarget::AllResources,
                        ),
                        // Shield looks at what it protects with the caller's permissions.
                        // https://docs.aws.amazon.com/waf/latest/developerguide/shd-using-service-linked-roles.html
                        IamGrant::change(
                            &[
                                "cloudfront:GetDistribution",
                                "ec2:DescribeAddresses",
                                "elasticloadbalancing:DescribeLoadBalancers",
                                "globalaccelerator:DescribeAccelerator",
                                "route53:GetHealthCheck",
                                "route53:GetHostedZone",
                            ],
                            GrantTarget::AllResources,
                        ),
                        IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("shield.amazonaws.com")),
                    ]),
            );
    type Api = Aws;
    type Outputs = ArnOutput;

    fn price(&self, _: &PriceContext<'_>) -> Pricing {
        Pricing::default().without("the subscription of the account, and transfer")
    }

    /// Without a subscription, there is nothing to list.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all = aws.shield.list_protections().max_results(100).into_paginator().items().send();
        let all: Vec<Protection> = ok_or_not_found(all.try_collect().await)?.unwrap_or_default();
        let ours = all.into_iter().filter(|one| {
            let by_id = scope.covers(one.id().unwrap_or_default(), one.protection_arn().unwrap_or_default());
            by_id || scope.covers(one.name().unwrap_or_default(), one.protection_arn().unwrap_or_default())
        });
        for_each_concurrent(ours, |protection| read(aws, scope, protection)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.shield.create_protection().set_name(self.name.clone()).resource_arn(&self.resource);
        let reply = call.set_tags(Some(services::shield::to_tags(&cx.call.tags))).send().await?;
        Ok(reply.protection_id.ok_or_else(|| Error::missing_field("ProtectionId"))?.into())
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: ShieldProtectionChanges) -> Result<()> {
        let client = &cx.shield;
        if changes.health_checks {
            for check in self.health_checks.difference(&live.spec.health_checks) {
                client.associate_health_check().protection_id(&live.id).health_check_arn(check.get()).send().await?;
            }
            for check in live.spec.health_checks.difference(&self.health_checks) {
                client.disassociate_health_check().protection_id(&live.id).health_check_arn(check.get()).send().await?;
            }
        }
        if changes.automatic_response {
            response::set(cx, &self.resource, live.spec.automatic_response, self.automatic_response).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.shield.delete_protection().protection_id(&live.id).send().await)
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: ShieldProtectionChanges) -> Vec<Problem> {
        if !changes.resource {
            return Vec::new();
        }
        let state = questions.ask("shield:GetSubscriptionState", "", |aws| async {
            Ok(aws.shield.get_subscription_state().send().await?.subscription_state.as_str().to_owned())
        });
        if state.await.as_deref() != Some(SubscriptionState::Inactive.as_str()) {
            return Vec::new();
        }
        let problem = Problem::new(Pointer::ROOT, "the account is not subscribed to Shield Advanced");
        vec![problem.help("subscribe in the console, for 3,000 USD a month and at least a year, or remove the protection")]
    }

    fn check(&self) -> Vec<Problem> {
        let service = self.resource.split(':').nth(2);
        let has_responses = self.resource.contains("${")
            || service == Some("cloudfront")
            || (service == Some("elasticloadbalancing") && self.resource.contains(":loadbalancer/app/"));
        let mut problems = Vec::new();
        if let Some(response) = self.automatic_response.filter(|_| !has_responses) {
            let message =
                format!("only a distribution or an application load balancer has an automatic response such as `{}`", to_aws(&response));
            problems.push(Problem::new(Self::POINTERS.automatic_response, message));
        }
        let known = ["cloudfront", "ec2", "elasticloadbalancing", "globalaccelerator", "route53"];
        if !self.resource.contains("${") && !service.is_some_and(|service| known.contains(&service)) {
            let message = format!("Shield does not protect `{}`", self.resource);
            let help = "use the ARN of a load balancer, a distribution, an accelerator, an elastic IP address or a hosted zone";
            problems.push(Problem::new(Self::POINTERS.resource, message).help(help));
        }
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        // https://docs.aws.amazon.com/general/latest/gr/shield.html
        let region = declared.region().filter(|region| partition(region) != "aws");
        let problem = |region: &str| Problem::new(Pointer::ROOT, format!("Shield Advanced does not exist in the partition of {region}"));
        region.map(problem).into_iter().collect()
    }
}

/// Reads tags, health checks and responses. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, protection: Protection) -> Result<Option<Observed<ShieldProtection>>> {
    let arn = protection.protection_arn.clone().ok_or_else(|| Error::missing_field("ProtectionArn"))?;
    let id = protection.id.clone().ok_or_else(|| Error::missing_field("Id"))?;
    let fetch = async {
        let reply = ok_or_not_found(aws.shield.list_tags_for_resource().resource_arn(&arn).send().await)?;
        Ok(reply.map(|reply| services::shield::from_tags(reply.tags())))
    };
    let tags: Option<Tags> = scope.tags_or_fetch(&arn, fetch).await?;
    let Some(tags) = tags else { return Ok(None) };
    let Some(reply) = ok_or_not_found(aws.shield.describe_protection().protection_id(&id).send().await)? else { return Ok(None) };
    let protection = reply.protection.ok_or_else(|| Error::missing_field("Protection"))?;
    let health_check = |id: &String| ArnRef::to(format!("arn:{}:route53:::healthcheck/{id}", partition(&aws.region)));
    let spec = ShieldProtection {
        name: protection.name.clone(),
        resource: protection.resource_arn.clone().unwrap_or_default(),
        health_checks: protection.health_check_ids().iter().map(health_check).collect(),
        automatic_response: protection.application_layer_automatic_response_configuration.as_ref().and_then(ResponseAction::read),
    };
    Ok(Some(Observed::new(id, tags, spec, ArnOutput { arn })))
}
