//! Services.

/// The AWS service a type belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// EC2 and VPC.
    Ec2,
    /// Identity and Access Management.
    Iam,
    /// Elastic Kubernetes Service.
    Eks,
    /// Relational Database Service.
    Rds,
    /// Elastic Container Registry.
    Ecr,
    /// Simple Storage Service.
    S3,
    /// Key Management Service.
    Kms,
    /// Secrets Manager.
    SecretsManager,
    /// Route 53.
    Route53,
    /// Application and network load balancers.
    Elbv2,
    /// Certificate Manager.
    Acm,
    /// Web Application Firewall.
    Wafv2,
}
