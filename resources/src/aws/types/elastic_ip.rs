//! `elastic_ip`: a static public IPv4 address.

use aws_sdk_ec2::types::{DomainType, ResourceType};

use super::prelude::*;
use crate::core::{AccountLimit, ErrorKind, Tags};

/// A static public IPv4 address.
#[spec]
pub struct ElasticIp {
    /// Pool of the address, such as `ipv4pool-ec2-0123` for your own range.
    #[field(unset = "Amazon's pool", replaces, dropped(kept, "an address stays in its pool"))]
    pub public_ipv4_pool: Option<String>,
    /// Network border group: the zones from which AWS advertises the address.
    #[field(unset = "the zones of the region", replaces, dropped(kept, "an address stays in its group of zones"))]
    pub network_border_group: Option<String>,
    /// Specific address: one from the pool, or one released recently.
    #[field(unset = "any address", replaces, assigned_by_aws, important, dropped(kept, "any address will do"))]
    pub address: Option<String>,
}

/// EC2's name for the quota of addresses: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeAccountAttributes.html>.
const QUOTA: &str = "vpc-max-elastic-ips";

/// AWS's name for its own pool.
const AMAZON_POOL: &str = "amazon";

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// The address.
    pub public_ip: String,
}

impl Resource for ElasticIp {
    const TYPE: TypeInfo =
        TypeInfo::new("elastic_ip", &services::ec2::SERVICE, "eipalloc-{hex17}", "arn:aws:ec2:{region}:{account}:elastic-ip/{id}")
            .without_token()
            .quota(50, "AddressLimitExceeded")
            .not_found("InvalidAllocationID.NotFound")
            .iam_actions(
                IamActions::new("ec2:elastic-ip/*")
                    .list(&["ec2:DescribeAddresses"])
                    .create(&["ec2:AllocateAddress"])
                    .change(&["ec2:ReleaseAddress"])
                    .blockers(&["ec2:DescribeNetworkInterfaces"])
                    .questions(&["ec2:DescribeAccountAttributes"]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    /// Addresses of one's own ranges are free: <https://aws.amazon.com/vpc/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let address = services::ec2::prices::public_addresses(context, 1.0);
        Pricing::of(if self.public_ipv4_pool.is_none() { vec![address] } else { Vec::new() })
    }

    /// DescribeAddresses has no pages.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let reply = aws.ec2.describe_addresses().set_filters(Some(scope.ec2_filters())).send().await?;
        let mut all = Vec::new();
        for address in reply.addresses.unwrap_or_default() {
            let tags = services::ec2::from_tags(address.tags.as_deref().unwrap_or_default());
            let Some(id) = address.allocation_id.filter(|_| scope.owns(&tags)) else { continue };
            all.push(observed(id, tags, address.public_ipv4_pool, address.network_border_group, address.public_ip));
        }
        Ok(all)
    }

    /// AWS reports its own pool by a name that the call does not accept. For an address that now belongs to another account, it may return
    /// AuthFailure.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.allocate_address().domain(DomainType::Vpc).set_address(self.address.clone());
        let call = call.set_public_ipv4_pool(self.public_ipv4_pool.clone().filter(|pool| pool != AMAZON_POOL));
        let call = call.set_network_border_group(self.network_border_group.clone());
        let call = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::ElasticIp));
        let reply = call.send().await.map_err(Error::from).map_err(|error| match error.code.as_str() {
            "AuthFailure" if self.address.is_some() => Error { kind: ErrorKind::NotFound, ..error },
            _ => error,
        })?;
        let id = reply.allocation_id.ok_or_else(|| Error::missing_field("AllocationId"))?;
        // The response lacks the address if it is from a pool of one's own. Otherwise it has everything but the tags, which AWS sets in the same
        // call or rejects.
        if reply.public_ip.is_none() {
            return Ok(id.into());
        }
        let tags = cx.call.tags.clone();
        Ok(Created::Complete(observed(id, tags, reply.public_ipv4_pool, reply.network_border_group, reply.public_ip)))
    }

    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: ElasticIpChanges) -> Result<()> {
        Ok(())
    }

    /// While a NAT gateway or load balancer uses the address, AWS returns AuthFailure; a missing permission is UnauthorizedOperation.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let call = cx.ec2.release_address().allocation_id(&live.id).set_network_border_group(live.spec.network_border_group.clone());
        match call.send().await.map_err(Error::from) {
            Err(error) if error.code == "AuthFailure" => Err(Error { kind: ErrorKind::Conflict, ..error }),
            other => other.map(|_| Deletion::Requested),
        }
    }

    /// The quota of 5 addresses per region is the one that new accounts meet first.
    async fn account_limit(questions: &Questions<'_, Aws>) -> Option<AccountLimit> {
        let call = |aws: &Aws| {
            let (most, used) = (aws.ec2.describe_account_attributes(), aws.ec2.describe_addresses());
            async move {
                let attributes = most.send().await?.account_attributes.unwrap_or_default();
                let quota = attributes.iter().filter(|one| one.attribute_name() == Some(QUOTA)).flat_map(|one| one.attribute_values());
                let most = quota.filter_map(|value| value.attribute_value()).find_map(|value| value.parse().ok());
                let Some(most) = most else { return Ok(None) };
                let used = used.send().await?.addresses.unwrap_or_default().len() as u64;
                Ok(Some(AccountLimit { most, used }))
            }
        };
        questions.ask("ec2:DescribeAccountAttributes", QUOTA, call).await?
    }

    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        Ok(services::ec2::join_blockers(services::ec2::network_interfaces(aws, &[("association.allocation-id", &live.id)]).await?))
    }

    /// Any address matches a spec without one, and a spec without a pool means Amazon's pool.
    fn normalize(&self, live: &mut Self) {
        if self.address.is_none() {
            live.address = None;
        }
        if self.public_ipv4_pool.as_deref().is_none_or(|pool| pool == AMAZON_POOL) && live.public_ipv4_pool.as_deref() == Some(AMAZON_POOL)
        {
            live.public_ipv4_pool.clone_from(&self.public_ipv4_pool);
        }
    }
}

fn observed(id: String, tags: Tags, pool: Option<String>, border_group: Option<String>, address: Option<String>) -> Observed<ElasticIp> {
    let public_ip = address.unwrap_or_default();
    let spec = ElasticIp { public_ipv4_pool: pool, network_border_group: border_group, address: Some(public_ip.clone()) };
    Observed::new(id, tags, spec, Outputs { public_ip })
}
