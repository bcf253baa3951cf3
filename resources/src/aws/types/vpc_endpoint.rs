//! `vpc_endpoint`: private access from a VPC to a service.

mod preflight;

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{self as ec2, DnsOptionsSpecification, DnsRecordIpType, IpAddressType, ResourceType, VpcEndpointType};
use serde_json::json;

use super::{
    prelude::*,
    route_table::RouteTable,
    security_group::SecurityGroup,
    subnet::{Subnet, shared_zones},
    vpc::Vpc,
};
use crate::core::{Policy, Questions, Tags};

/// Private access from a VPC to a service, without the internet.
#[spec]
pub struct VpcEndpoint {
    /// The VPC it belongs to.
    #[field(replaces)]
    pub vpc: Ref<Vpc>,
    /// Service: the short name of an AWS service in the region (`s3`, `ecr.api`), or a full name (`com.amazonaws.vpce.…`).
    #[field(important, replaces, unique_entries = "service in a route table")]
    pub service: String,
    /// Endpoint type: `gateway` with routes (S3 and DynamoDB only), `interface` with addresses in subnets, `gateway_load_balancer`
    /// as the target of routes.
    #[field(default, replaces)]
    pub r#type: EndpointType,
    /// Gateway endpoints: route tables for its routes.
    #[field(default, unique_entries = "service in a route table")]
    pub route_tables: BTreeSet<Ref<RouteTable>>,
    /// Other endpoints: subnets with its addresses, one per availability zone. Each costs an hourly fee.
    #[field(default, important, impact = "connections through a removed subnet are interrupted")]
    pub subnets: BTreeSet<Ref<Subnet>>,
    /// Interface endpoints: security groups of its addresses.
    #[field(unset = "the VPC's default group", important, dropped = None)]
    pub security_groups: Option<BTreeSet<Ref<SecurityGroup>>>,
    /// Interface endpoints: the service's public DNS name resolves to its addresses. Requires DNS support and host names in the VPC.
    #[field(unset = "AWS's choice", impact = "names of the service resolve to other addresses")]
    #[field(dropped(kept, "AWS's choice applies only at creation"))]
    pub private_dns: Option<bool>,
    /// IAM policy for requests through the endpoint.
    #[field(policy = "endpoint", unset = "full access", important, dropped = full_access())]
    pub policy: Option<Policy>,
    /// IP versions of its addresses: `ipv4`, `dualstack`, `ipv6`.
    #[field(unset = "AWS's choice", dropped(kept, "AWS's choice applies only at creation"))]
    pub ip_address_type: Option<AddressType>,
    /// IP versions of its DNS records: `ipv4`, `dualstack`, `ipv6`, `service-defined`.
    #[field(unset = "AWS's choice", dropped(kept, "AWS's choice applies only at creation"))]
    pub dns_record_ip_type: Option<AddressType>,
}

/// Endpoint type.
#[spec]
#[derive(Copy, Default)]
pub enum EndpointType {
    /// With routes.
    #[default]
    Gateway,
    /// With addresses in subnets.
    Interface,
    /// As the target of routes.
    GatewayLoadBalancer,
}

/// IP versions.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "kebab-case")]
pub enum AddressType {
    /// IPv4.
    Ipv4,
    /// Both.
    Dualstack,
    /// IPv6.
    Ipv6,
    /// Decided by the service; for DNS records only.
    ServiceDefined,
}

impl AddressType {
    fn read(text: &str) -> Option<AddressType> {
        [AddressType::Ipv4, AddressType::Dualstack, AddressType::Ipv6, AddressType::ServiceDefined].into_iter().find(|t| t.as_str() == text)
    }
    fn as_str(self) -> &'static str {
        match self {
            AddressType::Ipv4 => "ipv4",
            AddressType::Dualstack => "dualstack",
            AddressType::Ipv6 => "ipv6",
            AddressType::ServiceDefined => "service-defined",
        }
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// First DNS name.
    pub dns_name: Option<String>,
    /// Hosted zone of that name.
    pub hosted_zone_id: Option<String>,
    /// Network interface ids.
    #[schemars(extend("x-acme-simulated" = ["eni-{hex17}"]))]
    pub network_interface_ids: BTreeSet<String>,
}

/// GB processed in a month.
const GB_PROCESSED: UsageKey = UsageKey::new("gb_processed", "GB processed in a month");

impl Resource for VpcEndpoint {
    const TYPE: TypeInfo =
        TypeInfo::new("vpc_endpoint", &services::ec2::SERVICE, "vpce-{hex17}", "arn:aws:ec2:{region}:{account}:vpc-endpoint/{id}")
            .typical_seconds(60)
            .not_found("InvalidVpcEndpointId.NotFound")
            .iam_actions(
                IamActions::new("ec2:vpc-endpoint/*")
                    .list(&["ec2:DescribeSecurityGroups", "ec2:DescribeVpcEndpoints"])
                    .create(&["ec2:CreateVpcEndpoint"])
                    .create_uses(&["vpc"])
                    .change(&["ec2:DeleteVpcEndpoints", "ec2:ModifyVpcEndpoint"])
                    .questions(&["ec2:DescribeVpcEndpointServices"])
                    .grants(&[
                        IamGrant::change(&["ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint"], GrantTarget::Referenced("route_table")),
                        IamGrant::change(&["ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint"], GrantTarget::Referenced("security_group")),
                        IamGrant::change(&["ec2:CreateVpcEndpoint", "ec2:ModifyVpcEndpoint"], GrantTarget::Referenced("subnet")),
                        // An endpoint with private DNS names gets its own zone.
                        IamGrant::change(&["route53:AssociateVPCWithHostedZone"], GrantTarget::Arn("route53:hostedzone/*")),
                    ]),
            );
    const USAGE: &'static [UsageKey] = &[GB_PROCESSED];
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let (hours, bytes) = match self.r#type {
            EndpointType::Gateway => return Pricing::default(),
            EndpointType::Interface => ("VpcEndpoint-Hours", "VpcEndpoint-Bytes"),
            EndpointType::GatewayLoadBalancer => ("VpcEndpoint-GWLBE-Hours", "VpcEndpoint-GWLBE-Bytes"),
        };
        let product = |usage_type| Product::new("AmazonVPC").family("VpcEndpoint").usage_type(usage_type);
        let subnets = u32::try_from(self.subnets.len()).unwrap_or(u32::MAX);
        Pricing::of(vec![
            context.hourly("interfaces", f64::from(subnets), product(hours)).assuming("one in each subnet"),
            context.metered("data processed", &GB_PROCESSED, "GB", product(bytes)),
        ])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut all = Vec::new();
        let mut pages = aws.ec2.describe_vpc_endpoints().set_filters(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for endpoint in page?.vpc_endpoints.unwrap_or_default() {
                let tags = services::ec2::from_tags(endpoint.tags.as_deref().unwrap_or_default());
                if scope.owns(&tags) && state(&endpoint) != "deleted" {
                    all.push(read(aws, endpoint, tags)?);
                }
            }
        }
        Ok(all)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let service = self.full_service_name(&cx.region);
        let call = cx.ec2.create_vpc_endpoint().client_token(&cx.call.token).vpc_id(self.vpc.get()).service_name(service);
        let call = call.vpc_endpoint_type(match self.r#type {
            EndpointType::Gateway => VpcEndpointType::Gateway,
            EndpointType::Interface => VpcEndpointType::Interface,
            EndpointType::GatewayLoadBalancer => VpcEndpointType::GatewayLoadBalancer,
        });
        let call = call
            .set_route_table_ids(some_if_not_empty(self.route_tables.iter().map(Ref::get)))
            .set_subnet_ids(some_if_not_empty(self.subnets.iter().map(Ref::get)))
            .set_security_group_ids(some_if_not_empty(self.security_groups.iter().flatten().map(Ref::get)))
            .set_private_dns_enabled(self.private_dns)
            .set_policy_document(self.policy.as_ref().map(Policy::to_json))
            .set_ip_address_type(self.ip_address_type.map(|t| IpAddressType::from(t.as_str())))
            .set_dns_options(self.dns_options());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::VpcEndpoint)).send().await?;
        let endpoint = reply.vpc_endpoint.ok_or_else(|| Error::missing_field("VpcEndpoint"))?;
        let tags = services::ec2::from_tags(endpoint.tags.as_deref().unwrap_or_default());
        let id = endpoint.vpc_endpoint_id.clone().ok_or_else(|| Error::missing_field("VpcEndpointId"))?;
        // Without the account its ARN is not known.
        if endpoint.owner_id.is_none() {
            return Ok(id.into());
        }
        Ok(Created::from_answer(id, read(cx.api, endpoint, tags)))
    }

    /// Makes one call with lists of additions and removals.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: VpcEndpointChanges) -> Result<()> {
        let before = &live.spec;
        let mut call = cx.ec2.modify_vpc_endpoint().vpc_endpoint_id(&live.id);
        if changes.route_tables {
            call = call
                .set_add_route_table_ids(some_if_not_empty(self.route_tables.difference(&before.route_tables).map(Ref::get)))
                .set_remove_route_table_ids(some_if_not_empty(before.route_tables.difference(&self.route_tables).map(Ref::get)));
        }
        if changes.subnets {
            call = call
                .set_add_subnet_ids(some_if_not_empty(self.subnets.difference(&before.subnets).map(Ref::get)))
                .set_remove_subnet_ids(some_if_not_empty(before.subnets.difference(&self.subnets).map(Ref::get)));
        }
        if changes.security_groups {
            let groups = match &self.security_groups {
                Some(groups) => groups.clone(),
                None => default_group(cx.api, &self.vpc).await?,
            };
            let old = before.security_groups.clone().unwrap_or_default();
            call = call
                .set_add_security_group_ids(some_if_not_empty(groups.difference(&old).map(Ref::get)))
                .set_remove_security_group_ids(some_if_not_empty(old.difference(&groups).map(Ref::get)));
        }
        if changes.private_dns {
            call = call.set_private_dns_enabled(self.private_dns);
        }
        if changes.policy {
            call = call.set_policy_document(self.policy.as_ref().map(Policy::to_json));
        }
        if changes.ip_address_type {
            call = call.set_ip_address_type(self.ip_address_type.map(|t| IpAddressType::from(t.as_str())));
        }
        if changes.dns_record_ip_type {
            call = call.set_dns_options(with_unmanaged_options(cx, &live.id, self.dns_options()).await?);
        }
        call.send().await?;
        Ok(())
    }

    /// The call succeeds even if nothing was deleted: the response lists the failures.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let reply = cx.ec2.delete_vpc_endpoints().vpc_endpoint_ids(&live.id).send().await?;
        match reply.unsuccessful.into_iter().flatten().find_map(|item| item.error) {
            Some(error) => Err(Error::from_code(&error.code.unwrap_or_default(), error.message.unwrap_or_default())),
            None => Ok(Deletion::Requested),
        }
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: VpcEndpointChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(endpoint) = declared.spec() else { return Vec::new() };
        shared_zones(declared, &Self::POINTERS.subnets, &endpoint.subnets)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.r#type == EndpointType::Gateway {
            let others = [
                (Self::POINTERS.subnets, !self.subnets.is_empty()),
                (Self::POINTERS.security_groups, self.security_groups.as_ref().is_some_and(|groups| !groups.is_empty())),
                (Self::POINTERS.private_dns, self.private_dns == Some(true)),
            ];
            for (at, _) in others.into_iter().filter(|(_, written)| *written) {
                problems.push(Problem::new(at, "not supported by a gateway endpoint").help("set `type: interface`, or remove this"));
            }
        } else if !self.route_tables.is_empty() {
            let what = "only for gateway endpoints";
            problems.push(Problem::new(Self::POINTERS.route_tables, what).help("write `type: gateway`, or remove this"));
        }
        if self.security_groups.as_ref().is_some_and(BTreeSet::is_empty) && self.r#type == EndpointType::Interface {
            problems.push(
                Problem::new(Self::POINTERS.security_groups, "an interface endpoint needs at least one group")
                    .help("remove it for the VPC's default group"),
            );
        }
        if self.r#type == EndpointType::GatewayLoadBalancer && self.subnets.len() > 1 {
            problems.push(Problem::new(Self::POINTERS.subnets, "a gateway load balancer endpoint has one subnet"));
        }
        if self.ip_address_type == Some(AddressType::ServiceDefined) {
            problems.push(Problem::new(Self::POINTERS.ip_address_type, "`service-defined` is only for `dns_record_ip_type`"));
        }
        problems
    }

    /// A VPC has one private zone for the names of a service.
    fn conflict_groups(&self) -> Vec<String> {
        let has_names = self.r#type == EndpointType::Interface && self.private_dns != Some(false);
        let service = if is_full_service_name(&self.service) { self.service.splitn(4, '.').last() } else { Some(self.service.as_str()) };
        service.filter(|_| has_names).map(|service| format!("{service} in {}", self.vpc.get())).into_iter().collect()
    }

    fn conflicts_with(&self, _: &Self) -> bool {
        true
    }

    /// The short and the full name of a service are equivalent.
    fn normalize(&self, live: &mut Self) {
        if is_full_service_name(&self.service)
            && !is_full_service_name(&live.service)
            && self.service.ends_with(&format!(".{}", live.service))
        {
            live.service.clone_from(&self.service);
        }
    }
}

impl VpcEndpoint {
    /// The service's full name.
    pub fn full_service_name(&self, region: &str) -> String {
        if is_full_service_name(&self.service) { self.service.clone() } else { service_prefix(region) + &self.service }
    }

    fn dns_options(&self) -> Option<DnsOptionsSpecification> {
        let kind = self.dns_record_ip_type?;
        Some(DnsOptionsSpecification::builder().dns_record_ip_type(DnsRecordIpType::from(kind.as_str())).build())
    }
}

fn read(aws: &Aws, endpoint: ec2::VpcEndpoint, tags: Tags) -> Result<Observed<VpcEndpoint>> {
    let state = state(&endpoint);
    let reason = endpoint.last_error.and_then(|error| error.message).or(endpoint.failure_reason);
    let phase = match state.as_str() {
        "pending" => Phase::Progressing(state),
        "pendingacceptance" => {
            let (id, service) =
                (endpoint.vpc_endpoint_id.as_deref().unwrap_or_default(), endpoint.service_name.as_deref().unwrap_or_default());
            Phase::Waiting(format!("accept the connection of {id} in the account of the endpoint service {service}"))
        }
        "deleting" => Phase::Deleting,
        // Not all of its parts are up.
        "partial" => Phase::Degraded(reason.unwrap_or(state)),
        "failed" | "rejected" | "expired" => Phase::Failed(reason.unwrap_or(state)),
        _ => Phase::Ready,
    };
    let service = endpoint.service_name.unwrap_or_default();
    let dns_record_ip_type = endpoint.dns_options.and_then(|options| options.dns_record_ip_type);
    let spec = VpcEndpoint {
        vpc: Ref::to(endpoint.vpc_id.unwrap_or_default()),
        service: service.strip_prefix(&service_prefix(&aws.region)).unwrap_or(&service).to_owned(),
        r#type: match endpoint.vpc_endpoint_type {
            Some(VpcEndpointType::Interface) => EndpointType::Interface,
            Some(VpcEndpointType::GatewayLoadBalancer) => EndpointType::GatewayLoadBalancer,
            Some(VpcEndpointType::Gateway) | None => EndpointType::Gateway,
            Some(_) => return Err(Error::missing_field("supported VpcEndpointType")),
        },
        route_tables: endpoint.route_table_ids.into_iter().flatten().map(Ref::to).collect(),
        subnets: endpoint.subnet_ids.into_iter().flatten().map(Ref::to).collect(),
        security_groups: Some(endpoint.groups.into_iter().flatten().filter_map(|g| g.group_id).map(Ref::to).collect()),
        private_dns: Some(endpoint.private_dns_enabled.unwrap_or_default()),
        policy: endpoint.policy_document.filter(|text| !text.is_empty()).map(|text| Policy::parse(&text)).transpose()?,
        ip_address_type: endpoint.ip_address_type.and_then(|t| AddressType::read(t.as_str())),
        dns_record_ip_type: dns_record_ip_type.and_then(|t| AddressType::read(t.as_str())),
    };
    let id = endpoint.vpc_endpoint_id.ok_or_else(|| Error::missing_field("VpcEndpointId"))?;
    let dns = endpoint.dns_entries.into_iter().flatten().next();
    let outputs = Outputs {
        arn: services::ec2::arn(&aws.region, &endpoint.owner_id.unwrap_or_default(), &format!("vpc-endpoint/{id}")),
        hosted_zone_id: dns.as_ref().and_then(|entry| entry.hosted_zone_id.clone()),
        dns_name: dns.and_then(|entry| entry.dns_name),
        network_interface_ids: endpoint.network_interface_ids.into_iter().flatten().collect(),
    };
    Ok(Observed::new(id, tags, spec, outputs).phase(phase))
}

/// Adds the DNS options of the live endpoint that acme does not manage: who resolves its private names, and which.
async fn with_unmanaged_options(aws: &Aws, id: &str, options: Option<DnsOptionsSpecification>) -> Result<Option<DnsOptionsSpecification>> {
    let Some(mut options) = options else { return Ok(None) };
    let reply = aws.ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send().await?;
    if let Some(live) = reply.vpc_endpoints.into_iter().flatten().find_map(|endpoint| endpoint.dns_options) {
        options.private_dns_only_for_inbound_resolver_endpoint = live.private_dns_only_for_inbound_resolver_endpoint;
        options.private_dns_preference = live.private_dns_preference;
        options.private_dns_specified_domains = live.private_dns_specified_domains.filter(|domains| !domains.is_empty());
    }
    Ok(Some(options))
}

/// The policy of an endpoint without one: <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>.
fn full_access() -> Policy {
    let statement = json!({ "Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*" });
    Policy::new(json!({ "Version": "2008-10-17", "Statement": [statement] }))
}

/// The default security group of a VPC.
async fn default_group(aws: &Aws, vpc: &Ref<Vpc>) -> Result<BTreeSet<Ref<SecurityGroup>>> {
    let filter = |name: &str, value: &str| ec2::Filter::builder().name(name).values(value).build();
    let call = aws.ec2.describe_security_groups().filters(filter("vpc-id", vpc.get())).filters(filter("group-name", "default"));
    Ok(call.send().await?.security_groups.unwrap_or_default().into_iter().filter_map(|group| group.group_id).map(Ref::to).collect())
}

/// State in lowercase: AWS returns camel case, the SDK lists Pascal case.
fn state(endpoint: &ec2::VpcEndpoint) -> String {
    endpoint.state.as_ref().map(|state| state.as_str().to_lowercase()).unwrap_or_default()
}

/// Prefix of the names of AWS's services in a region.
fn service_prefix(region: &str) -> String {
    format!("com.amazonaws.{region}.")
}

/// Some of AWS's services have the prefix `aws.` (SageMaker notebooks), or `cn.com.amazonaws.` in China.
fn is_full_service_name(service: &str) -> bool {
    ["com.", "aws.", "cn."].iter().any(|start| service.starts_with(start))
}

/// List for a call: `None` if empty.
fn some_if_not_empty<'a>(ids: impl Iterator<Item = &'a str>) -> Option<Vec<String>> {
    Some(ids.map(str::to_owned).collect::<Vec<_>>()).filter(|ids| !ids.is_empty())
}
