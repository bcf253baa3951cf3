//! Counterparts of the types in Terraform's AWS provider: <https://registry.terraform.io/providers/hashicorp/aws/latest/docs>.

use serde_json::Value;

use crate::{
    aws::types::{
        accelerator::Accelerator, aurora_cluster::AuroraCluster, aurora_global::AuroraGlobal, aurora_instance::AuroraInstance,
        aurora_parameter_group::AuroraParameterGroup, autoscaling_group::AutoscalingGroup, aws_resource::AwsResource,
        backup_plan::BackupPlan, backup_vault::BackupVault, budget::Budget, cache_cluster::CacheCluster,
        cache_parameter_group::CacheParameterGroup, cache_replication_group::CacheReplicationGroup, cache_subnet_group::CacheSubnetGroup,
        cache_user::CacheUser, cache_user_group::CacheUserGroup, certificate::Certificate, classic_load_balancer::ClassicLoadBalancer,
        cloudfront_access_control::CloudfrontAccessControl, cloudfront_cache_policy::CloudfrontCachePolicy,
        cloudfront_distribution::CloudfrontDistribution, cloudfront_function::CloudfrontFunction,
        cloudfront_headers_policy::CloudfrontHeadersPolicy, cloudfront_origin_request_policy::CloudfrontOriginRequestPolicy,
        code_connection::CodeConnection, code_pipeline::CodePipeline, codebuild_project::CodebuildProject, composite_alarm::CompositeAlarm,
        dashboard::Dashboard, dms_endpoint::DmsEndpoint, dms_instance::DmsInstance, dms_subnet_group::DmsSubnetGroup, dms_task::DmsTask,
        dns_record::DnsRecord, dns_zone::DnsZone, dynamodb_table::DynamodbTable, ecr_creation_template::EcrCreationTemplate,
        ecr_pull_through_cache::EcrPullThroughCache, ecr_registry::EcrRegistry, ecr_repository::EcrRepository,
        egress_only_gateway::EgressOnlyGateway, eks_access_entry::EksAccessEntry, eks_addon::EksAddon, eks_capability::EksCapability,
        eks_cluster::EksCluster, eks_fargate_profile::EksFargateProfile, eks_node_group::EksNodeGroup, eks_pod_identity::EksPodIdentity,
        elastic_ip::ElasticIp, event_rule::EventRule, file_system::FileSystem, file_system_access_point::FileSystemAccessPoint,
        flow_log::FlowLog, health_check::HealthCheck, iam_policy::IamPolicy, iam_role::IamRole, instance_profile::InstanceProfile,
        internet_gateway::InternetGateway, kms_key::KmsKey, kms_replica::KmsReplica, launch_template::LaunchTemplate, listener::Listener,
        load_balancer::LoadBalancer, log_group::LogGroup, metric_alarm::MetricAlarm, nat_gateway::NatGateway, network_acl::NetworkAcl,
        oidc_provider::OidcProvider, parameter::Parameter, rds_event_subscription::RdsEventSubscription, rds_instance::RdsInstance,
        rds_option_group::RdsOptionGroup, rds_parameter_group::RdsParameterGroup, rds_proxy::RdsProxy, rds_subnet_group::RdsSubnetGroup,
        route_table::RouteTable, s3_bucket::S3Bucket, secret::Secret, security_group::SecurityGroup,
        security_group_rule::SecurityGroupRule, shield_protection::ShieldProtection, sns_topic::SnsTopic, sqs_queue::SqsQueue,
        subnet::Subnet, target_group::TargetGroup, trail::Trail, transit_gateway::TransitGateway,
        transit_gateway_attachment::TransitGatewayAttachment, transit_gateway_route_table::TransitGatewayRouteTable, vpc::Vpc,
        vpc_endpoint::VpcEndpoint, waf_association::WafAssociation, waf_ip_set::WafIpSet, waf_regex_set::WafRegexSet,
        waf_web_acl::WafWebAcl,
    },
    core::{Address, Named, Ref, ReferencedOutput, iam_path},
    kubernetes::types::{helm_release::HelmRelease, kubernetes_object::KubernetesObject},
};

/// A resource type with a counterpart in Terraform.
pub trait ToTerraform: Named + serde::de::DeserializeOwned {
    /// Its Terraform type.
    const TERRAFORM_TYPE: &'static str;
    /// Its ARN attribute in Terraform, if any.
    const ARN_ATTRIBUTE: &'static str = "arn";
    /// Whether it has the argument `tags`.
    const HAS_TAGS: bool = true;
    /// Whether it has the attribute `id`.
    const HAS_ID: bool = true;
    /// The Terraform type of this resource, if it depends on the spec.
    fn terraform_type(&self) -> &'static str {
        Self::TERRAFORM_TYPE
    }
    /// Its arguments. Strings contain references as in specs; a list of objects is a block, an object a map.
    fn arguments(&self, at: &ResourceContext<'_>) -> Value;
    /// Parts that are separate resources in Terraform.
    fn sub_resources(&self, _: &ResourceContext<'_>) -> Vec<SubResource> {
        Vec::new()
    }
}

/// Part of a resource that is a separate resource in Terraform.
pub struct SubResource {
    /// Its Terraform type.
    pub terraform_type: &'static str,
    /// Distinguishes it from others of its type in the same resource: a name, an id or a reference.
    pub key: Option<String>,
    /// Its arguments.
    pub arguments: Value,
}

impl SubResource {
    /// The only one of its type.
    pub fn single(terraform: &'static str, arguments: Value) -> SubResource {
        SubResource { terraform_type: terraform, key: None, arguments }
    }
    /// One of several.
    pub fn keyed(terraform: &'static str, key: impl Into<String>, arguments: Value) -> SubResource {
        SubResource { terraform_type: terraform, key: Some(key.into()), arguments }
    }
}

/// Context of a resource.
#[derive(Clone, Copy)]
pub struct ResourceContext<'a> {
    /// Its address.
    pub address: &'a Address,
    /// Name of the stack.
    pub stack: &'a str,
    /// Name of the environment.
    pub environment: &'a str,
    /// The region.
    pub region: &'a str,
}

impl ResourceContext<'_> {
    /// Reference to one of its own outputs.
    pub fn output_reference(&self, output: &str) -> String {
        format!("${{{}.{output}}}", self.address)
    }
    /// The IAM path of the stack's roles, policies and instance profiles.
    pub fn iam_path(&self) -> String {
        iam_path(self.stack, self.environment)
    }
}

/// The id or ARN of an optional reference.
pub fn id_or_arn<T: Named, B: ReferencedOutput>(reference: Option<&Ref<T, B>>) -> Option<&str> {
    reference.map(Ref::get)
}

/// A [`ToTerraform`] without its type.
pub struct TypeMapping {
    /// Name of the type.
    pub type_name: &'static str,
    /// Its Terraform type.
    pub terraform_type: &'static str,
    /// See [`ToTerraform::ARN_ATTRIBUTE`].
    pub arn_attribute: &'static str,
    /// See [`ToTerraform::HAS_TAGS`].
    pub has_tags: bool,
    /// See [`ToTerraform::HAS_ID`].
    pub has_id: bool,
    /// Converts a spec to Terraform's terms.
    pub to_terraform: fn(&Value, &ResourceContext<'_>) -> serde_json::Result<Translation>,
}

/// A spec in Terraform's terms.
pub struct Translation {
    /// See [`ToTerraform::terraform_type`].
    pub terraform_type: &'static str,
    /// See [`ToTerraform::arguments`].
    pub arguments: Value,
    /// See [`ToTerraform::sub_resources`].
    pub sub_resources: Vec<SubResource>,
}

impl TypeMapping {
    const fn of<R: ToTerraform>() -> TypeMapping {
        TypeMapping {
            type_name: R::NAME,
            terraform_type: R::TERRAFORM_TYPE,
            arn_attribute: R::ARN_ATTRIBUTE,
            has_tags: R::HAS_TAGS,
            has_id: R::HAS_ID,
            to_terraform: |spec, at| {
                let spec = R::deserialize(spec)?;
                Ok(Translation {
                    terraform_type: spec.terraform_type(),
                    arguments: spec.arguments(at),
                    sub_resources: spec.sub_resources(at),
                })
            },
        }
    }
}

/// Every type with a counterpart, in alphabetical order.
pub static TYPE_MAPPINGS: &[TypeMapping] = &[
    TypeMapping::of::<Accelerator>(),
    TypeMapping::of::<AuroraCluster>(),
    TypeMapping::of::<AuroraGlobal>(),
    TypeMapping::of::<AuroraInstance>(),
    TypeMapping::of::<AuroraParameterGroup>(),
    TypeMapping::of::<AutoscalingGroup>(),
    TypeMapping::of::<AwsResource>(),
    TypeMapping::of::<BackupPlan>(),
    TypeMapping::of::<BackupVault>(),
    TypeMapping::of::<Budget>(),
    TypeMapping::of::<CacheCluster>(),
    TypeMapping::of::<CacheParameterGroup>(),
    TypeMapping::of::<CacheReplicationGroup>(),
    TypeMapping::of::<CacheSubnetGroup>(),
    TypeMapping::of::<CacheUser>(),
    TypeMapping::of::<CacheUserGroup>(),
    TypeMapping::of::<Certificate>(),
    TypeMapping::of::<ClassicLoadBalancer>(),
    TypeMapping::of::<CloudfrontAccessControl>(),
    TypeMapping::of::<CloudfrontCachePolicy>(),
    TypeMapping::of::<CloudfrontDistribution>(),
    TypeMapping::of::<CloudfrontFunction>(),
    TypeMapping::of::<CloudfrontHeadersPolicy>(),
    TypeMapping::of::<CloudfrontOriginRequestPolicy>(),
    TypeMapping::of::<CodeConnection>(),
    TypeMapping::of::<CodePipeline>(),
    TypeMapping::of::<CodebuildProject>(),
    TypeMapping::of::<CompositeAlarm>(),
    TypeMapping::of::<Dashboard>(),
    TypeMapping::of::<DmsEndpoint>(),
    TypeMapping::of::<DmsInstance>(),
    TypeMapping::of::<DmsSubnetGroup>(),
    TypeMapping::of::<DmsTask>(),
    TypeMapping::of::<DnsRecord>(),
    TypeMapping::of::<DnsZone>(),
    TypeMapping::of::<DynamodbTable>(),
    TypeMapping::of::<EcrCreationTemplate>(),
    TypeMapping::of::<EcrPullThroughCache>(),
    TypeMapping::of::<EcrRegistry>(),
    TypeMapping::of::<EcrRepository>(),
    TypeMapping::of::<EgressOnlyGateway>(),
    TypeMapping::of::<EksAccessEntry>(),
    TypeMapping::of::<EksAddon>(),
    TypeMapping::of::<EksCapability>(),
    TypeMapping::of::<EksCluster>(),
    TypeMapping::of::<EksFargateProfile>(),
    TypeMapping::of::<EksNodeGroup>(),
    TypeMapping::of::<EksPodIdentity>(),
    TypeMapping::of::<ElasticIp>(),
    TypeMapping::of::<EventRule>(),
    TypeMapping::of::<FileSystem>(),
    TypeMapping::of::<FileSystemAccessPoint>(),
    TypeMapping::of::<FlowLog>(),
    TypeMapping::of::<HealthCheck>(),
    TypeMapping::of::<IamPolicy>(),
    TypeMapping::of::<IamRole>(),
    TypeMapping::of::<InstanceProfile>(),
    TypeMapping::of::<InternetGateway>(),
    TypeMapping::of::<KmsKey>(),
    TypeMapping::of::<KmsReplica>(),
    TypeMapping::of::<KubernetesObject>(),
    TypeMapping::of::<HelmRelease>(),
    TypeMapping::of::<LaunchTemplate>(),
    TypeMapping::of::<Listener>(),
    TypeMapping::of::<LoadBalancer>(),
    TypeMapping::of::<LogGroup>(),
    TypeMapping::of::<MetricAlarm>(),
    TypeMapping::of::<NatGateway>(),
    TypeMapping::of::<NetworkAcl>(),
    TypeMapping::of::<OidcProvider>(),
    TypeMapping::of::<Parameter>(),
    TypeMapping::of::<RdsEventSubscription>(),
    TypeMapping::of::<RdsInstance>(),
    TypeMapping::of::<RdsOptionGroup>(),
    TypeMapping::of::<RdsParameterGroup>(),
    TypeMapping::of::<RdsProxy>(),
    TypeMapping::of::<RdsSubnetGroup>(),
    TypeMapping::of::<RouteTable>(),
    TypeMapping::of::<S3Bucket>(),
    TypeMapping::of::<Secret>(),
    TypeMapping::of::<SecurityGroup>(),
    TypeMapping::of::<SecurityGroupRule>(),
    TypeMapping::of::<ShieldProtection>(),
    TypeMapping::of::<SnsTopic>(),
    TypeMapping::of::<SqsQueue>(),
    TypeMapping::of::<Subnet>(),
    TypeMapping::of::<TargetGroup>(),
    TypeMapping::of::<Trail>(),
    TypeMapping::of::<TransitGateway>(),
    TypeMapping::of::<TransitGatewayAttachment>(),
    TypeMapping::of::<TransitGatewayRouteTable>(),
    TypeMapping::of::<Vpc>(),
    TypeMapping::of::<VpcEndpoint>(),
    TypeMapping::of::<WafAssociation>(),
    TypeMapping::of::<WafIpSet>(),
    TypeMapping::of::<WafRegexSet>(),
    TypeMapping::of::<WafWebAcl>(),
];

/// The counterpart of the type of this name.
pub fn type_mapping(kind: &str) -> Option<&'static TypeMapping> {
    TYPE_MAPPINGS.iter().find(|entry| entry.type_name == kind)
}
