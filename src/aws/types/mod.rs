//! Every resource type acme knows. Adding one: write its file, add its two lines here.

use std::sync::LazyLock;

use crate::core::ResourceType;

pub mod certificate;
pub mod dns_record;
pub mod dns_zone;
pub mod ecr_repository;
pub mod eks_access_entry;
pub mod eks_addon;
pub mod eks_cluster;
pub mod eks_fargate_profile;
pub mod eks_node_group;
pub mod eks_pod_identity;
pub mod elastic_ip;
pub mod flow_log;
pub mod iam_policy;
pub mod iam_role;
pub mod instance_profile;
pub mod internet_gateway;
pub mod kms_key;
pub mod listener;
pub mod load_balancer;
pub mod nat_gateway;
pub mod oidc_provider;
pub mod rds_instance;
pub mod rds_parameter_group;
pub mod rds_subnet_group;
pub mod route_table;
pub mod s3_bucket;
pub mod secret;
pub mod security_group;
pub mod subnet;
pub mod target_group;

#[cfg(test)]
mod tests;
