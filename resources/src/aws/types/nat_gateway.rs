//! `nat_gateway`: outbound internet access for private subnets.

use aws_sdk_ec2::types::{self as ec2, ConnectivityType, NatGatewayState, ResourceType};

use super::{elastic_ip::ElasticIp, prelude::*, subnet::Subnet};

/// Gives private subnets outbound access without inbound access. A public one must be created after the VPC's internet gateway: the
/// section `network` ensures that, a single resource needs `depends_on: [internet_gateway.main]`.
#[spec]
pub struct NatGateway {
    /// Subnet of the gateway: a public one unless `connectivity` is private.
    #[field(replaces, unique = "private address", important)]
    pub subnet: Ref<Subnet>,
    /// Public address; required for a public gateway.
    #[field(default, replaces, unique = "public address", dropped = None)]
    pub elastic_ip: Option<Ref<ElasticIp>>,
    /// Whether it connects to the internet or to other private networks.
    #[field(default, replaces, important)]
    pub connectivity: Connectivity,
    /// IPv4 address in the subnet.
    #[field(unset = "assigned by AWS", replaces, unique = "private address", dropped(kept, "any address will do"))]
    pub private_ip: Option<String>,
}

/// The networks to which a NAT gateway connects.
#[spec]
#[derive(Copy, Default)]
pub enum Connectivity {
    /// The internet.
    #[default]
    Public,
    /// Other VPCs and on-premises networks.
    Private,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Public address.
    #[schemars(extend("x-acme-simulated" = "{elastic_ip.public_ip}"))]
    pub public_ip: Option<String>,
    /// Network interface id.
    #[schemars(extend("x-acme-simulated" = "eni-{hex17}"))]
    pub network_interface_id: Option<String>,
}

/// GB processed in a month.
const GB_PROCESSED: UsageKey = UsageKey::new("gb_processed", "GB processed in a month");

impl Resource for NatGateway {
    const TYPE: TypeInfo =
        TypeInfo::new("nat_gateway", &services::ec2::SERVICE, "nat-{hex17}", "arn:aws:ec2:{region}:{account}:natgateway/{id}")
            .typical_seconds(90)
            .deletable_while_in_use()
            .quota(50, "NatGatewayLimitExceeded")
            .not_found("NatGatewayNotFound")
            .already_exists("Resource.AlreadyAssociated")
            .iam_actions(
                IamActions::new("ec2:natgateway/*")
                    .list(&["ec2:DescribeNatGateways"])
                    .create(&["ec2:CreateNatGateway"])
                    .create_uses(&["elastic_ip", "subnet"])
                    .change(&["ec2:DeleteNatGateway"]),
            );
    const USAGE: &'static [UsageKey] = &[GB_PROCESSED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = |usage_type| Product::new("AmazonEC2").family("NAT Gateway").usage_type(usage_type);
        Pricing::of(vec![
            context.hourly("gateway", 1.0, product("NatGateway-Hours")),
            context.metered("data processed", &GB_PROCESSED, "GB", product("NatGateway-Bytes")),
        ])
    }

    /// A deleted gateway stays visible for about an hour.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let gateways = aws.ec2.describe_nat_gateways().set_filter(Some(scope.ec2_filters())).into_paginator().items().send();
        let gateways = gateways.try_collect().await?.into_iter().filter(|gateway| gateway.state != Some(NatGatewayState::Deleted));
        scope.collect_owned(gateways.map(read))
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.ec2.create_nat_gateway().client_token(&cx.call.token).subnet_id(self.subnet.get());
        let call = call.set_allocation_id(self.elastic_ip.as_ref().map(|address| address.get().to_owned()));
        let call = call.connectivity_type(match self.connectivity {
            Connectivity::Public => ConnectivityType::Public,
            Connectivity::Private => ConnectivityType::Private,
        });
        let call = call.set_private_ip_address(self.private_ip.clone());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::Natgateway)).send().await?;
        let id = reply.nat_gateway.and_then(|gateway| gateway.nat_gateway_id).ok_or_else(|| Error::missing_field("NatGatewayId"))?;
        Ok(id.into())
    }

    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: NatGatewayChanges) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.ec2.delete_nat_gateway().nat_gateway_id(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    fn check(&self) -> Vec<Problem> {
        let problem = match (self.connectivity, &self.elastic_ip) {
            (Connectivity::Public, None) => Problem::new(Self::POINTERS.elastic_ip, "a public NAT gateway needs an address")
                .help("add `elastic_ip: <name of an elastic_ip>`, or `connectivity: private`"),
            (Connectivity::Private, Some(_)) => Problem::new(Self::POINTERS.elastic_ip, "a private NAT gateway has no public address"),
            _ => return Vec::new(),
        };
        vec![problem]
    }

    /// A public gateway always has an address, so until AWS reports it, the declared one is used.
    /// A load balancer can't have the address as well.
    fn exclusive_uses(&self) -> Vec<String> {
        self.elastic_ip.iter().map(|address| address.get().to_owned()).collect()
    }

    fn normalize(&self, live: &mut Self) {
        if live.connectivity == Connectivity::Public && live.elastic_ip.is_none() {
            live.elastic_ip.clone_from(&self.elastic_ip);
        }
    }
}

fn read(gateway: ec2::NatGateway) -> Result<Observed<NatGateway>> {
    let phase = match gateway.state {
        Some(NatGatewayState::Pending) => Phase::Progressing("pending".into()),
        Some(NatGatewayState::Failed) => Phase::Failed(gateway.failure_message.or(gateway.failure_code).unwrap_or_else(|| "failed".into())),
        Some(NatGatewayState::Deleting) => Phase::Deleting,
        _ => Phase::Ready,
    };
    let addresses = gateway.nat_gateway_addresses.unwrap_or_default();
    let address = addresses.iter().find(|a| a.is_primary == Some(true)).or(addresses.first());
    let spec = NatGateway {
        subnet: Ref::to(gateway.subnet_id.unwrap_or_default()),
        elastic_ip: address.and_then(|a| a.allocation_id.clone()).map(Ref::to),
        connectivity: match gateway.connectivity_type {
            Some(ConnectivityType::Private) => Connectivity::Private,
            _ => Connectivity::Public,
        },
        private_ip: address.and_then(|a| a.private_ip.clone()),
    };
    let outputs = Outputs {
        public_ip: address.and_then(|a| a.public_ip.clone()),
        network_interface_id: address.and_then(|a| a.network_interface_id.clone()),
    };
    let id = gateway.nat_gateway_id.ok_or_else(|| Error::missing_field("NatGatewayId"))?;
    let tags = services::ec2::from_tags(gateway.tags.as_deref().unwrap_or_default());
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}
