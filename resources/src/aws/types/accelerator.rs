//! `accelerator`: an accelerator of Global Accelerator, with its listeners and endpoint groups.

mod check;
mod group;
mod listener;
mod price;
mod reconcile;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use aws_sdk_globalaccelerator::types as sdk;

use super::{prelude::*, s3_bucket::S3Bucket};
use crate::{
    aws::{from_aws, services::route53::short_token, to_aws},
    core::Tags,
};

pub use group::{Endpoint, EndpointGroup, HealthProbe, ProbeProtocol};
pub use listener::{AcceleratorListener, ClientAffinity, ListenerProtocol};

/// Hosted zone of all accelerators: <https://docs.aws.amazon.com/general/latest/gr/global_accelerator.html>.
const ZONE_ID: &str = "Z2BJ6XQ5FK7U4H";

/// An accelerator of Global Accelerator: static addresses whose traffic enters AWS's network near the client, and goes to the nearest
/// healthy endpoint. Its API is in us-west-2, whatever the stack's region is.
#[spec]
pub struct Accelerator {
    /// Name.
    #[field(name(max = 64), pattern = "[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")]
    pub name: Option<String>,
    /// Whether it accepts traffic.
    #[field(default = true, important, impact = "no traffic is accepted while it is disabled")]
    pub enabled: bool,
    /// Versions of IP.
    #[field(default, important)]
    pub ip: AcceleratorIp,
    /// Addresses from IPv4 ranges of your own, one or two. The others are from AWS. Only a new accelerator gets them.
    #[field(default, length = 0..=2, pattern = r"[0-9]{1,3}(\.[0-9]{1,3}){3}", initial_only)]
    pub own_addresses: BTreeSet<String>,
    /// Ports, and where their traffic goes.
    #[field(default, length = 0..=10, after_create, important)]
    pub listeners: Vec<AcceleratorListener>,
    /// Logs of connections in a bucket.
    #[field(default, after_create, own_read, dropped = None)]
    pub flow_log: Option<FlowLogs>,
}

/// Versions of IP.
#[spec]
#[derive(Copy, Default, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AcceleratorIp {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv4 and IPv6. Endpoints then need both.
    DualStack,
}

/// Logs of connections in a bucket.
#[spec]
#[derive(PartialEq)]
pub struct FlowLogs {
    /// Bucket, whose policy must allow `delivery.logs.amazonaws.com` to write to it.
    pub bucket: ArnRef<S3Bucket>,
    /// Folder in the bucket, without slashes at its ends.
    #[field(default, length = 0..=255, pattern = "([^/]|[^/].*[^/])?")]
    pub prefix: String,
}

impl FlowLogs {
    /// Name of the bucket, the end of its ARN.
    pub fn bucket_name(&self) -> &str {
        let arn = self.bucket.get();
        arn.rsplit_once(":::").map_or(arn, |(_, name)| name)
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Domain name of the IPv4 addresses.
    #[schemars(extend("x-acme-simulated" = "a{hex16}.awsglobalaccelerator.{simulated_domain}"))]
    pub dns_name: String,
    /// Domain name of the addresses of both versions of IP; empty without IPv6.
    #[schemars(extend("x-acme-simulated" = "a{hex16}.dualstack.awsglobalaccelerator.{simulated_domain}"))]
    pub dual_stack_dns_name: String,
    /// Static addresses.
    #[schemars(extend("x-acme-simulated" = ["192.0.2.10", "198.51.100.10"]))]
    pub addresses: Vec<String>,
    /// Hosted zone id for aliases in DNS.
    #[schemars(extend("x-acme-determined" = "Z2BJ6XQ5FK7U4H"))]
    pub zone_id: String,
}

impl Resource for Accelerator {
    const TYPE: TypeInfo = TypeInfo::new(
        "accelerator",
        &services::globalaccelerator::SERVICE,
        "{arn}",
        "arn:aws:globalaccelerator::{account}:accelerator/{uuid}",
    )
    .only_in("us-west-2")
    .typical_seconds(120)
    .data_protection(DataProtection::Contents)
    .lost_on_recreation("it has other static addresses")
    .quota(20, "LimitExceededException")
    .iam_actions(
        IamActions::new("globalaccelerator:accelerator/*")
            .list(&["globalaccelerator:ListAccelerators"])
            .read(&[
                "globalaccelerator:DescribeAccelerator",
                "globalaccelerator:DescribeAcceleratorAttributes",
                "globalaccelerator:ListListeners",
                "globalaccelerator:ListTagsForResource",
            ])
            .change(&[
                "globalaccelerator:CreateListener",
                "globalaccelerator:DeleteAccelerator",
                "globalaccelerator:UpdateAccelerator",
                "globalaccelerator:UpdateAcceleratorAttributes",
            ])
            .grants(&[
                IamGrant::change(&["globalaccelerator:CreateAccelerator"], GrantTarget::TagOnCreate),
                IamGrant::read(&["globalaccelerator:ListEndpointGroups"], GrantTarget::Arn("globalaccelerator:accelerator/*/listener/*")),
                IamGrant::change(
                    &[
                        "globalaccelerator:CreateEndpointGroup",
                        "globalaccelerator:DeleteEndpointGroup",
                        "globalaccelerator:DeleteListener",
                        "globalaccelerator:UpdateEndpointGroup",
                        "globalaccelerator:UpdateListener",
                    ],
                    GrantTarget::Arn("globalaccelerator:accelerator/*/listener/*"),
                ),
                // Global Accelerator looks at the endpoints with the caller's permissions.
                // https://docs.aws.amazon.com/global-accelerator/latest/dg/auth-and-access-control.html
                IamGrant::change(
                    &[
                        "ec2:DescribeAddresses",
                        "ec2:DescribeInstances",
                        "ec2:DescribeInternetGateways",
                        "ec2:DescribeRegions",
                        "ec2:DescribeSubnets",
                        "elasticloadbalancing:DescribeListeners",
                        "elasticloadbalancing:DescribeLoadBalancers",
                    ],
                    GrantTarget::AllResources,
                ),
                IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("globalaccelerator.amazonaws.com")),
                IamGrant::change(&["s3:GetBucketPolicy", "s3:PutBucketPolicy"], GrantTarget::Arn("s3:*"))
                    .needed_for(|| Accelerator::POINTERS.flow_log),
            ]),
    );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all = aws.globalaccelerator.list_accelerators().max_results(100).into_paginator().items().send();
        let all: Vec<sdk::Accelerator> = all.try_collect().await?;
        let ours = all.into_iter().filter(|one| {
            let arn = one.accelerator_arn().unwrap_or_default();
            // The name is not unique, and without the index any may be the stack's.
            scope.covers(one.name().unwrap_or_default(), arn) || scope.tag_index.is_none() && scope.ids.is_none()
        });
        for_each_concurrent(ours, |one| read(aws, scope, one)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.globalaccelerator.create_accelerator().set_name(self.name.clone()).enabled(self.enabled);
        let call = call.ip_address_type(sdk::IpAddressType::from(to_aws(&self.ip).as_str()));
        let own = (!self.own_addresses.is_empty()).then(|| self.own_addresses.iter().cloned().collect());
        let call = call.set_ip_addresses(own).idempotency_token(short_token(&cx.call.token));
        let reply = call.set_tags(Some(services::globalaccelerator::to_tags(&cx.call.tags))).send().await?;
        let arn = reply.accelerator.and_then(|accelerator| accelerator.accelerator_arn);
        Ok(arn.ok_or_else(|| Error::missing_field("AcceleratorArn"))?.into())
    }

    /// While a change is deployed, Global Accelerator refuses some further ones; the next attempt makes the remaining ones.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: AcceleratorChanges) -> Result<()> {
        let client = &cx.globalaccelerator;
        if changes.name || changes.enabled || changes.ip {
            let call = client.update_accelerator().accelerator_arn(&live.id).set_name(self.name.clone()).enabled(self.enabled);
            call.ip_address_type(sdk::IpAddressType::from(to_aws(&self.ip).as_str())).send().await?;
        }
        if changes.listeners {
            reconcile::listeners(cx, &live.id, &self.listeners).await?;
        }
        if changes.flow_log {
            let call = || client.update_accelerator_attributes().accelerator_arn(&live.id);
            let moves = live.spec.flow_log.as_ref().zip(self.flow_log.as_ref()).is_some_and(|(old, new)| old.bucket != new.bucket);
            // Logs are turned off before they go to another bucket.
            if self.flow_log.is_none() || moves {
                call().flow_logs_enabled(false).send().await?;
            }
            if let Some(log) = &self.flow_log {
                let call = call().flow_logs_enabled(true).flow_logs_s3_bucket(log.bucket_name());
                // With a slash alone, objects would be in a folder without a name.
                call.flow_logs_s3_prefix(&log.prefix).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        remove(cx.api, &live.id).await
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    /// The order of listeners has no meaning.
    fn normalize(&self, live: &mut Self) {
        listener::adopt_order(&self.listeners, &mut live.listeners);
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        let reply = ok_or_not_found(aws.globalaccelerator.describe_accelerator().accelerator_arn(id).send().await)?;
        let Some(accelerator) = reply.and_then(|reply| reply.accelerator) else { return Ok(None) };
        let addresses = addresses(&accelerator);
        Ok((!addresses.is_empty()).then(|| format!("the static addresses {}, which AWS does not return", addresses.join(", "))))
    }
}

/// Deletes an accelerator step by step: only a disabled one without listeners can be deleted, and each of these changes must be deployed before
/// the next.
pub(in crate::aws) async fn remove(aws: &Aws, arn: &str) -> Result<Deletion> {
    let client = &aws.globalaccelerator;
    let reply = client.describe_accelerator().accelerator_arn(arn).send().await?;
    let accelerator = reply.accelerator.ok_or_else(|| Error::missing_field("Accelerator"))?;
    if accelerator.enabled == Some(true) {
        client.update_accelerator().accelerator_arn(arn).enabled(false).send().await?;
        return Ok(Deletion::NeedsAnotherCall("being disabled".to_owned()));
    }
    if accelerator.status == Some(sdk::AcceleratorStatus::InProgress) {
        return Ok(Deletion::NeedsAnotherCall("being disabled".to_owned()));
    }
    if reconcile::delete_listeners(aws, arn).await? {
        return Ok(Deletion::NeedsAnotherCall("its listeners are being deleted".to_owned()));
    }
    Deletion::requested(client.delete_accelerator().accelerator_arn(arn).send().await)
}

/// Reads tags, listeners and logs, which the list lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, accelerator: sdk::Accelerator) -> Result<Option<Observed<Accelerator>>> {
    let client = &aws.globalaccelerator;
    let arn = accelerator.accelerator_arn.clone().ok_or_else(|| Error::missing_field("AcceleratorArn"))?;
    let fetch = async {
        let reply = ok_or_not_found(client.list_tags_for_resource().resource_arn(&arn).send().await)?;
        Ok(reply.map(|reply| services::globalaccelerator::from_tags(reply.tags())))
    };
    let tags: Option<Tags> = scope.tags_or_fetch(&arn, fetch).await?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.ids.is_some()) else { return Ok(None) };
    let Some(listeners) = reconcile::read(aws, &arn).await? else { return Ok(None) };
    let flow_log = match scope.own_reads_to_make::<Accelerator>(&tags).flow_log {
        true => ok_or_not_found(client.describe_accelerator_attributes().accelerator_arn(&arn).send().await)?,
        false => None,
    };
    let flow_log = flow_log.and_then(|reply| reply.accelerator_attributes).filter(|log| log.flow_logs_enabled == Some(true));
    let spec = Accelerator {
        name: accelerator.name.clone(),
        enabled: accelerator.enabled.unwrap_or_default(),
        ip: accelerator.ip_address_type.as_ref().map(|ip| from_aws(ip.as_str())).transpose()?.unwrap_or_default(),
        own_addresses: BTreeSet::new(),
        listeners,
        flow_log: flow_log.map(|log| FlowLogs {
            bucket: ArnRef::to(format!("arn:{}:s3:::{}", partition(&aws.region), log.flow_logs_s3_bucket.unwrap_or_default())),
            prefix: log.flow_logs_s3_prefix.unwrap_or_default().trim_matches('/').to_owned(),
        }),
    };
    let outputs = Outputs {
        arn: arn.clone(),
        dns_name: accelerator.dns_name.clone().unwrap_or_default(),
        dual_stack_dns_name: accelerator.dual_stack_dns_name.clone().unwrap_or_default(),
        addresses: addresses(&accelerator),
        zone_id: ZONE_ID.to_owned(),
    };
    let phase = match &accelerator.status {
        Some(sdk::AcceleratorStatus::InProgress) => Phase::Progressing("IN_PROGRESS".to_owned()),
        _ => Phase::Ready,
    };
    Ok(Some(Observed::new(arn, tags, spec, outputs).phase(phase)))
}

fn addresses(accelerator: &sdk::Accelerator) -> Vec<String> {
    accelerator.ip_sets().iter().flat_map(sdk::IpSet::ip_addresses).cloned().collect()
}
