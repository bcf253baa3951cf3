//! Types of AWS that `aws_resource` does not offer, with the reason.

/// Types that acme has, as CloudFormation names them.
const NATIVE: &[(&str, &str)] = &[
    ("AWS::AutoScaling::AutoScalingGroup", "autoscaling_group"),
    ("AWS::Backup::BackupPlan", "backup_plan"),
    ("AWS::Backup::BackupSelection", "backup_plan"),
    ("AWS::Backup::BackupVault", "backup_vault"),
    ("AWS::Budgets::Budget", "budget"),
    ("AWS::CertificateManager::Certificate", "certificate"),
    ("AWS::CloudFront::CachePolicy", "cloudfront_cache_policy"),
    ("AWS::CloudFront::Distribution", "cloudfront_distribution"),
    ("AWS::CloudFront::Function", "cloudfront_function"),
    ("AWS::CloudFront::OriginAccessControl", "cloudfront_access_control"),
    ("AWS::CloudFront::OriginRequestPolicy", "cloudfront_origin_request_policy"),
    ("AWS::CloudFront::ResponseHeadersPolicy", "cloudfront_headers_policy"),
    ("AWS::CloudTrail::Trail", "trail"),
    ("AWS::CloudWatch::Alarm", "metric_alarm"),
    ("AWS::CloudWatch::CompositeAlarm", "composite_alarm"),
    ("AWS::CloudWatch::Dashboard", "dashboard"),
    ("AWS::CodeBuild::Project", "codebuild_project"),
    ("AWS::CodeConnections::Connection", "code_connection"),
    ("AWS::CodePipeline::Pipeline", "code_pipeline"),
    ("AWS::CodeStarConnections::Connection", "code_connection"),
    ("AWS::DynamoDB::Table", "dynamodb_table"),
    ("AWS::EC2::EIP", "elastic_ip"),
    ("AWS::EC2::EgressOnlyInternetGateway", "egress_only_gateway"),
    ("AWS::EC2::FlowLog", "flow_log"),
    ("AWS::EC2::InternetGateway", "internet_gateway"),
    ("AWS::EC2::LaunchTemplate", "launch_template"),
    ("AWS::EC2::NatGateway", "nat_gateway"),
    ("AWS::EC2::NetworkAcl", "network_acl"),
    ("AWS::EC2::NetworkAclEntry", "network_acl"),
    ("AWS::EC2::Route", "route_table"),
    ("AWS::EC2::RouteTable", "route_table"),
    ("AWS::EC2::SecurityGroup", "security_group"),
    ("AWS::EC2::SecurityGroupEgress", "security_group_rule"),
    ("AWS::EC2::SecurityGroupIngress", "security_group_rule"),
    ("AWS::EC2::Subnet", "subnet"),
    ("AWS::EC2::SubnetRouteTableAssociation", "route_table"),
    ("AWS::EC2::TransitGateway", "transit_gateway"),
    ("AWS::EC2::TransitGatewayAttachment", "transit_gateway_attachment"),
    ("AWS::EC2::TransitGatewayRoute", "transit_gateway_route_table"),
    ("AWS::EC2::TransitGatewayRouteTable", "transit_gateway_route_table"),
    ("AWS::EC2::TransitGatewayVpcAttachment", "transit_gateway_attachment"),
    ("AWS::EC2::VPC", "vpc"),
    ("AWS::EC2::VPCEndpoint", "vpc_endpoint"),
    ("AWS::EC2::VPCGatewayAttachment", "internet_gateway"),
    ("AWS::ECR::Repository", "ecr_repository"),
    ("AWS::EFS::AccessPoint", "file_system_access_point"),
    ("AWS::EFS::FileSystem", "file_system"),
    ("AWS::EFS::MountTarget", "file_system"),
    ("AWS::EKS::AccessEntry", "eks_access_entry"),
    ("AWS::EKS::Addon", "eks_addon"),
    ("AWS::EKS::Capability", "eks_capability"),
    ("AWS::EKS::Cluster", "eks_cluster"),
    ("AWS::EKS::FargateProfile", "eks_fargate_profile"),
    ("AWS::EKS::Nodegroup", "eks_node_group"),
    ("AWS::EKS::PodIdentityAssociation", "eks_pod_identity"),
    ("AWS::ElastiCache::CacheCluster", "cache_cluster"),
    ("AWS::ElastiCache::ParameterGroup", "cache_parameter_group"),
    ("AWS::ElastiCache::ReplicationGroup", "cache_replication_group"),
    ("AWS::ElastiCache::SubnetGroup", "cache_subnet_group"),
    ("AWS::ElastiCache::User", "cache_user"),
    ("AWS::ElastiCache::UserGroup", "cache_user_group"),
    ("AWS::ElasticLoadBalancing::LoadBalancer", "classic_load_balancer"),
    ("AWS::ElasticLoadBalancingV2::Listener", "listener"),
    ("AWS::ElasticLoadBalancingV2::ListenerRule", "listener"),
    ("AWS::ElasticLoadBalancingV2::LoadBalancer", "load_balancer"),
    ("AWS::ElasticLoadBalancingV2::TargetGroup", "target_group"),
    ("AWS::Events::Rule", "event_rule"),
    ("AWS::GlobalAccelerator::Accelerator", "accelerator"),
    ("AWS::IAM::InstanceProfile", "instance_profile"),
    ("AWS::IAM::ManagedPolicy", "iam_policy"),
    ("AWS::IAM::OIDCProvider", "oidc_provider"),
    ("AWS::IAM::Role", "iam_role"),
    ("AWS::KMS::Alias", "kms_key"),
    ("AWS::KMS::Key", "kms_key"),
    ("AWS::Logs::LogGroup", "log_group"),
    ("AWS::Logs::MetricFilter", "log_group"),
    ("AWS::Logs::SubscriptionFilter", "log_group"),
    ("AWS::RDS::DBCluster", "aurora_cluster"),
    ("AWS::RDS::DBClusterParameterGroup", "aurora_parameter_group"),
    ("AWS::RDS::DBInstance", "rds_instance"),
    ("AWS::RDS::DBParameterGroup", "rds_parameter_group"),
    ("AWS::RDS::DBProxy", "rds_proxy"),
    ("AWS::RDS::DBProxyTargetGroup", "rds_proxy"),
    ("AWS::RDS::DBSubnetGroup", "rds_subnet_group"),
    ("AWS::RDS::EventSubscription", "rds_event_subscription"),
    ("AWS::RDS::OptionGroup", "rds_option_group"),
    ("AWS::Route53::HealthCheck", "health_check"),
    ("AWS::Route53::HostedZone", "dns_zone"),
    ("AWS::Route53::RecordSet", "dns_record"),
    ("AWS::S3::Bucket", "s3_bucket"),
    ("AWS::S3::BucketPolicy", "s3_bucket"),
    ("AWS::SNS::Subscription", "sns_topic"),
    ("AWS::SNS::Topic", "sns_topic"),
    ("AWS::SNS::TopicPolicy", "sns_topic"),
    ("AWS::SQS::Queue", "sqs_queue"),
    ("AWS::SQS::QueuePolicy", "sqs_queue"),
    ("AWS::SSM::Parameter", "parameter"),
    ("AWS::SecretsManager::Secret", "secret"),
    ("AWS::Shield::Protection", "shield_protection"),
    ("AWS::WAFv2::IPSet", "waf_ip_set"),
    ("AWS::WAFv2::RegexPatternSet", "waf_regex_set"),
    ("AWS::WAFv2::WebACL", "waf_web_acl"),
    ("AWS::WAFv2::WebACLAssociation", "waf_association"),
];

/// Types of CloudFormation that are parts of a resource of acme.
const PARTS: &[&str] = &[
    "AWS::Backup::BackupSelection",
    "AWS::EC2::NetworkAclEntry",
    "AWS::EC2::Route",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::TransitGatewayRoute",
    "AWS::EC2::VPCGatewayAttachment",
    "AWS::EFS::MountTarget",
    "AWS::ElasticLoadBalancingV2::ListenerRule",
    "AWS::KMS::Alias",
    "AWS::Logs::MetricFilter",
    "AWS::Logs::SubscriptionFilter",
    "AWS::RDS::DBProxyTargetGroup",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
];

/// Type of acme for one of CloudFormation, and whether it is only a part of a resource of that type.
pub fn native_type(type_name: &str) -> Option<(&'static str, bool)> {
    let (name, native) = NATIVE.iter().find(|(name, _)| *name == type_name)?;
    Some((native, PARTS.contains(name)))
}

/// Types that stacks often have, of which acme could not tell its resources from those of others.
const UNTAGGABLE: &[&str] = &[
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::AutoScaling::ScheduledAction",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Config::ConfigRule",
    "AWS::EC2::VPCDHCPOptionsAssociation",
    "AWS::EC2::VPNConnectionRoute",
    "AWS::Events::ApiDestination",
    "AWS::Events::Archive",
    "AWS::Events::Connection",
    "AWS::Glue::Database",
    "AWS::Lambda::Alias",
    "AWS::Lambda::LayerVersion",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Url",
    "AWS::Lambda::Version",
    "AWS::MSK::Configuration",
    "AWS::Scheduler::Schedule",
];

/// Types of which CloudFormation's handlers set tags only at creation.
const TAGGED_ONCE: &[&str] = &[
    "AWS::AppRunner::Service",
    "AWS::Batch::ComputeEnvironment",
    "AWS::CE::AnomalyMonitor",
    "AWS::CE::AnomalySubscription",
    "AWS::EC2::KeyPair",
    "AWS::EC2::PlacementGroup",
    "AWS::MSK::ServerlessCluster",
    "AWS::Route53Resolver::ResolverQueryLoggingConfig",
];

/// Why a type is not offered, and what to do instead; `None` for a type about which acme knows nothing.
pub fn reason(type_name: &str) -> Option<(String, String)> {
    if let Some((_, native)) = NATIVE.iter().find(|(name, _)| *name == type_name) {
        let message = format!("acme has the type `{native}` for `{type_name}`");
        return Some((message, format!("declare it below `resources: {native}:`")));
    }
    let (why, help) = if UNTAGGABLE.contains(&type_name) {
        ("it has no tags, by which acme finds the resources of a stack", "create it outside acme")
    } else if TAGGED_ONCE.contains(&type_name) {
        ("AWS sets its tags only at creation, and acme could not keep them right", "create it outside acme")
    } else {
        return None;
    };
    Some((format!("acme does not support `{type_name}`: {why}"), help.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::types::{aws_resource::digest, resource_type};

    #[test]
    fn names_existing_types() {
        assert!(PARTS.iter().all(|part| NATIVE.iter().any(|(name, _)| name == part)));
        assert_eq!(native_type("AWS::EC2::VPC"), Some(("vpc", false)));
        assert_eq!(native_type("AWS::EC2::Route"), Some(("route_table", true)));
        assert_eq!(native_type("AWS::Lambda::Function"), None);
        for (name, native) in NATIVE {
            assert!(resource_type(native).is_some(), "{name}: {native}");
            assert!(digest::find(name).is_none(), "{name} is offered, too");
        }
        for name in UNTAGGABLE.iter().chain(TAGGED_ONCE) {
            assert!(digest::find(name).is_none(), "{name} is offered, too");
            assert!(reason(name).is_some());
        }
    }
}
