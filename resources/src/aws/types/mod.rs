//! Registry of all resource types. To add one, write its file and add its two lines here.

use std::sync::LazyLock;

use crate::{
    aws::leftovers::cluster_leftover::ClusterLeftover,
    core::ResourceType,
    kubernetes::{
        cleanup::ClusterCleanup,
        types::{helm_release, kubernetes_object},
    },
};

pub mod accelerator;
pub mod aurora_cluster;
pub mod aurora_global;
pub mod aurora_instance;
pub mod aurora_parameter_group;
pub mod autoscaling_group;
pub mod aws_resource;
pub mod backup_plan;
pub mod backup_vault;
pub mod budget;
pub mod cache_cluster;
pub mod cache_parameter_group;
pub mod cache_replication_group;
pub mod cache_subnet_group;
pub mod cache_user;
pub mod cache_user_group;
pub mod certificate;
pub mod classic_load_balancer;
pub mod cloudfront_access_control;
pub mod cloudfront_cache_policy;
pub mod cloudfront_distribution;
pub mod cloudfront_function;
pub mod cloudfront_headers_policy;
pub mod cloudfront_origin_request_policy;
pub mod code_connection;
pub mod code_pipeline;
pub mod codebuild_project;
pub mod composite_alarm;
pub mod dashboard;
pub mod dms_endpoint;
pub mod dms_instance;
pub mod dms_subnet_group;
pub mod dms_task;
pub mod dns_record;
pub mod dns_zone;
pub mod dynamodb_table;
pub mod ecr_creation_template;
pub mod ecr_pull_through_cache;
pub mod ecr_registry;
pub mod ecr_repository;
pub mod egress_only_gateway;
pub mod eks_access_entry;
pub mod eks_addon;
pub mod eks_capability;
pub mod eks_cluster;
pub mod eks_fargate_profile;
pub mod eks_node_group;
pub mod eks_pod_identity;
pub mod elastic_ip;
pub mod event_rule;
pub mod file_system;
pub mod file_system_access_point;
pub mod flow_log;
pub mod health_check;
pub mod iam_policy;
pub mod iam_role;
pub mod instance_profile;
pub mod internet_gateway;
pub mod kms_key;
pub mod kms_replica;
pub mod launch_template;
pub mod listener;
pub mod load_balancer;
pub mod log_group;
pub mod metric_alarm;
pub mod nat_gateway;
pub mod network_acl;
pub mod oidc_provider;
pub mod parameter;
mod prelude;
pub mod rds_event_subscription;
pub mod rds_instance;
pub mod rds_option_group;
pub mod rds_parameter_group;
pub mod rds_proxy;
pub mod rds_subnet_group;
pub mod route_table;
pub mod s3_bucket;
pub mod secret;
pub mod security_group;
pub mod security_group_rule;
pub mod shield_protection;
pub mod sns_topic;
pub mod sqs_queue;
pub mod subnet;
pub mod target_group;
#[cfg(test)]
mod tests;
pub mod trail;
pub mod transit_gateway;
pub mod transit_gateway_attachment;
pub mod transit_gateway_route_table;
pub mod vpc;
pub mod vpc_endpoint;
pub mod waf_association;
pub mod waf_ip_set;
pub mod waf_regex_set;
pub mod waf_web_acl;

/// All resource types, in alphabetical order.
pub static RESOURCE_TYPES: LazyLock<Vec<ResourceType>> = LazyLock::new(|| {
    vec![
        ResourceType::of::<accelerator::Accelerator>(),
        ResourceType::of::<aurora_cluster::AuroraCluster>(),
        ResourceType::of::<aurora_global::AuroraGlobal>(),
        ResourceType::of::<aurora_instance::AuroraInstance>(),
        ResourceType::of::<aurora_parameter_group::AuroraParameterGroup>(),
        ResourceType::of::<autoscaling_group::AutoscalingGroup>(),
        ResourceType::of::<aws_resource::AwsResource>(),
        ResourceType::of::<backup_plan::BackupPlan>(),
        ResourceType::of::<backup_vault::BackupVault>(),
        ResourceType::of::<budget::Budget>(),
        ResourceType::of::<cache_cluster::CacheCluster>(),
        ResourceType::of::<cache_parameter_group::CacheParameterGroup>(),
        ResourceType::of::<cache_replication_group::CacheReplicationGroup>(),
        ResourceType::of::<cache_subnet_group::CacheSubnetGroup>(),
        ResourceType::of::<cache_user::CacheUser>(),
        ResourceType::of::<cache_user_group::CacheUserGroup>(),
        ResourceType::of::<certificate::Certificate>(),
        ResourceType::of::<classic_load_balancer::ClassicLoadBalancer>(),
        ResourceType::of::<cloudfront_access_control::CloudfrontAccessControl>(),
        ResourceType::of::<cloudfront_cache_policy::CloudfrontCachePolicy>(),
        ResourceType::of::<cloudfront_distribution::CloudfrontDistribution>(),
        ResourceType::of::<cloudfront_function::CloudfrontFunction>(),
        ResourceType::of::<cloudfront_headers_policy::CloudfrontHeadersPolicy>(),
        ResourceType::of::<cloudfront_origin_request_policy::CloudfrontOriginRequestPolicy>(),
        ResourceType::of::<code_connection::CodeConnection>(),
        ResourceType::of::<code_pipeline::CodePipeline>(),
        ResourceType::of::<codebuild_project::CodebuildProject>(),
        ResourceType::of::<composite_alarm::CompositeAlarm>(),
        ResourceType::of::<dashboard::Dashboard>(),
        ResourceType::of::<dms_endpoint::DmsEndpoint>(),
        ResourceType::of::<dms_instance::DmsInstance>(),
        ResourceType::of::<dms_subnet_group::DmsSubnetGroup>(),
        ResourceType::of::<dms_task::DmsTask>(),
        ResourceType::of::<dns_record::DnsRecord>(),
        ResourceType::of::<dns_zone::DnsZone>(),
        ResourceType::of::<dynamodb_table::DynamodbTable>(),
        ResourceType::of::<ecr_creation_template::EcrCreationTemplate>(),
        ResourceType::of::<ecr_pull_through_cache::EcrPullThroughCache>(),
        ResourceType::of::<ecr_registry::EcrRegistry>(),
        ResourceType::of::<ecr_repository::EcrRepository>(),
        ResourceType::of::<egress_only_gateway::EgressOnlyGateway>(),
        ResourceType::of::<eks_access_entry::EksAccessEntry>(),
        ResourceType::of::<eks_addon::EksAddon>(),
        ResourceType::of::<eks_capability::EksCapability>(),
        ResourceType::of::<eks_cluster::EksCluster>(),
        ResourceType::of::<eks_fargate_profile::EksFargateProfile>(),
        ResourceType::of::<eks_node_group::EksNodeGroup>(),
        ResourceType::of::<eks_pod_identity::EksPodIdentity>(),
        ResourceType::of::<elastic_ip::ElasticIp>(),
        ResourceType::of::<event_rule::EventRule>(),
        ResourceType::of::<file_system::FileSystem>(),
        ResourceType::of::<file_system_access_point::FileSystemAccessPoint>(),
        ResourceType::of::<flow_log::FlowLog>(),
        ResourceType::of::<health_check::HealthCheck>(),
        ResourceType::of::<helm_release::HelmRelease>(),
        ResourceType::of::<iam_policy::IamPolicy>(),
        ResourceType::of::<iam_role::IamRole>(),
        ResourceType::of::<instance_profile::InstanceProfile>(),
        ResourceType::of::<internet_gateway::InternetGateway>(),
        ResourceType::of::<kms_key::KmsKey>(),
        ResourceType::of::<kms_replica::KmsReplica>(),
        ResourceType::of::<kubernetes_object::KubernetesObject>(),
        ResourceType::of::<launch_template::LaunchTemplate>(),
        ResourceType::of::<listener::Listener>(),
        ResourceType::of::<load_balancer::LoadBalancer>(),
        ResourceType::of::<log_group::LogGroup>(),
        ResourceType::of::<metric_alarm::MetricAlarm>(),
        ResourceType::of::<nat_gateway::NatGateway>(),
        ResourceType::of::<network_acl::NetworkAcl>(),
        ResourceType::of::<oidc_provider::OidcProvider>(),
        ResourceType::of::<parameter::Parameter>(),
        ResourceType::of::<rds_event_subscription::RdsEventSubscription>(),
        ResourceType::of::<rds_instance::RdsInstance>(),
        ResourceType::of::<rds_option_group::RdsOptionGroup>(),
        ResourceType::of::<rds_parameter_group::RdsParameterGroup>(),
        ResourceType::of::<rds_proxy::RdsProxy>(),
        ResourceType::of::<rds_subnet_group::RdsSubnetGroup>(),
        ResourceType::of::<route_table::RouteTable>(),
        ResourceType::of::<s3_bucket::S3Bucket>(),
        ResourceType::of::<secret::Secret>(),
        ResourceType::of::<security_group::SecurityGroup>(),
        ResourceType::of::<security_group_rule::SecurityGroupRule>(),
        ResourceType::of::<shield_protection::ShieldProtection>(),
        ResourceType::of::<sns_topic::SnsTopic>(),
        ResourceType::of::<sqs_queue::SqsQueue>(),
        ResourceType::of::<subnet::Subnet>(),
        ResourceType::of::<target_group::TargetGroup>(),
        ResourceType::of::<trail::Trail>(),
        ResourceType::of::<transit_gateway::TransitGateway>(),
        ResourceType::of::<transit_gateway_attachment::TransitGatewayAttachment>(),
        ResourceType::of::<transit_gateway_route_table::TransitGatewayRouteTable>(),
        ResourceType::of::<vpc::Vpc>(),
        ResourceType::of::<vpc_endpoint::VpcEndpoint>(),
        ResourceType::of::<waf_association::WafAssociation>(),
        ResourceType::of::<waf_ip_set::WafIpSet>(),
        ResourceType::of::<waf_regex_set::WafRegexSet>(),
        ResourceType::of::<waf_web_acl::WafWebAcl>(),
    ]
});

/// Returns the type with this name.
pub fn resource_type(name: &str) -> Option<&'static ResourceType> {
    RESOURCE_TYPES.iter().find(|kind| kind.name == name)
}

/// Types of what a deletion leaves behind. They can only be deleted, so that definitions, lists, records and rollbacks don't have them.
static LEFTOVER_TYPES: LazyLock<[ResourceType; 2]> =
    LazyLock::new(|| [ResourceType::of::<ClusterCleanup>(), ResourceType::of::<ClusterLeftover>()]);

/// Returns the type of leftovers with this name, see [`crate::core::Resource::leftovers`].
pub fn leftover_type(name: &str) -> Option<&'static ResourceType> {
    LEFTOVER_TYPES.iter().find(|kind| kind.name == name)
}

/// Returns the type with this name, of resources or of leftovers: a plan deletes both.
pub fn deletable_type(name: &str) -> Option<&'static ResourceType> {
    resource_type(name).or_else(|| leftover_type(name))
}
