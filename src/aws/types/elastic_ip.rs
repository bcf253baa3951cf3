//! `elastic_ip`: a public IPv4 address that stays.

use aws_sdk_ec2::types::{DomainType, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, holders, interfaces, tags},
    core::{
        Actions, Changed, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase, Result, Scope,
        Service, Sort,
    },
};

/// A public IPv4 address that stays the same whatever it is attached to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElasticIp {
    /// Pool the address comes from, such as `ipv4pool-ec2-0123` for one's own range. Default: Amazon's. Changing it replaces the
    /// address.
    #[serde(default)]
    pub public_ipv4_pool: Option<String>,
    /// The zones AWS advertises the address from. Default: the region's. Changing it replaces the address.
    #[serde(default)]
    pub network_border_group: Option<String>,
    /// A certain address: one of the pool's, or one released a short time ago. Default: any. Changing it replaces the address.
    #[serde(default)]
    pub address: Option<String>,
}

/// What AWS calls its own pool.
const AMAZON: &str = "amazon";

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// The address.
    pub public_ip: String,
}

impl Resource for ElasticIp {
    const TYPE: &'static str = "elastic_ip";
    const SERVICE: Service = Service::Ec2;
    const ARN: Option<&'static str> = Some("ec2:elastic-ip/");
    const REPLACE: &'static [&'static str] = &["/public_ipv4_pool", "/network_border_group", "/address"];
    const DRAWN: &'static [&'static str] = &["/address"];
    const ACTIONS: Actions = Actions::on("ec2:elastic-ip/*")
        .list(&["ec2:DescribeAddresses"])
        .create(&["ec2:AllocateAddress"])
        .change(&["ec2:ReleaseAddress"])
        .more(&[Grant::change(&["ec2:DescribeNetworkInterfaces"], On::Everything)]);
    type Outputs = Outputs;

    /// DescribeAddresses has no pages.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let reply = aws.ec2.describe_addresses().set_filters(Some(scope.ec2_filters())).send().await?;
        let mut found = Vec::new();
        for address in reply.addresses.unwrap_or_default() {
            let tags = tags::from_ec2(address.tags.as_deref().unwrap_or_default());
            let Some(id) = address.allocation_id.filter(|_| scope.owns(&tags)) else { continue };
            let public_ip = address.public_ip.unwrap_or_default();
            found.push(Observed {
                id,
                tags,
                phase: Phase::Ready,
                spec: ElasticIp {
                    public_ipv4_pool: address.public_ipv4_pool,
                    network_border_group: address.network_border_group,
                    address: Some(public_ip.clone()),
                },
                outputs: Outputs { public_ip },
            });
        }
        Ok(found)
    }

    /// Amazon's own pool is reported, but not taken, by its name. Of an address that is somebody else's by now AWS may say AuthFailure.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.ec2.allocate_address().domain(DomainType::Vpc).set_address(self.address.clone());
        let call = call.set_public_ipv4_pool(self.public_ipv4_pool.clone().filter(|pool| pool != AMAZON));
        let call = call.set_network_border_group(self.network_border_group.clone());
        let call = call.tag_specifications(tags::ec2_specification(cx.tags, ResourceType::ElasticIp));
        match call.send().await.map_err(Error::from) {
            Ok(reply) => reply.allocation_id.ok_or_else(|| Error::missing("AllocationId")),
            Err(error) if error.code == "AuthFailure" && self.address.is_some() => Err(Error { sort: Sort::Gone, ..error }),
            Err(error) => Err(error),
        }
    }

    async fn update(&self, _: &Cx<'_>, _: &str, _: &Self, _: &Changed) -> Result<()> {
        Ok(())
    }

    /// While a NAT gateway or load balancer holds the address, AWS says AuthFailure; lacking permission is UnauthorizedOperation.
    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        let call = cx.aws.ec2.release_address().allocation_id(id).set_network_border_group(live.network_border_group.clone());
        match call.send().await.map_err(Error::from) {
            Err(error) if error.code == "AuthFailure" => Err(Error { sort: Sort::Conflict, ..error }),
            other => other.map(drop),
        }
    }

    async fn held_by(aws: &Aws, id: &str, _: &Self) -> Result<Option<String>> {
        Ok(holders(interfaces(aws, &[("association.allocation-id", id)]).await?))
    }

    /// Any address, from whatever pool, satisfies who asks for none.
    fn align(&self, live: &mut Self) {
        if self.address.is_none() {
            live.address = None;
        }
        if self.public_ipv4_pool.as_deref().is_none_or(|pool| pool == AMAZON) && live.public_ipv4_pool.as_deref() == Some(AMAZON) {
            live.public_ipv4_pool.clone_from(&self.public_ipv4_pool);
        }
    }
}
