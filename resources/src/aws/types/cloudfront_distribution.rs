//! `cloudfront_distribution`: a distribution of CloudFront, which delivers contents of origins from edge locations.

mod behavior;
mod check;
mod config;
mod managed;
mod origin;
mod price;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudfront::types::{DistributionConfig, DistributionConfigWithTags};

use super::{certificate::Certificate, prelude::*, waf_web_acl::WafWebAcl};
use crate::{
    aws::services::{cloudfront::sdk_tags, route53::short_token},
    core::DnsName,
};

pub use behavior::{Behavior, CachePolicyChoice, EdgeLambda, HeadersPolicyChoice, Methods, OriginRequestPolicyChoice, ViewerProtocol};
pub use managed::{ManagedCachePolicy, ManagedHeadersPolicy, ManagedOriginRequestPolicy};
pub use origin::{CustomOrigin, IpVersion, Origin, OriginAccess, OriginGroup, OriginProtocol, OriginType, VpcOrigin};
pub use settings::{AccessLog, ErrorResponse, GeoRestriction, GeoRule, HttpVersion, PriceClass, ViewerMtls, ViewerMtlsMode};

/// A distribution of CloudFront, which delivers contents of origins from edge locations.
///
/// A change reaches all edge locations within minutes. A distribution is disabled before it is deleted.
#[spec]
pub struct CloudfrontDistribution {
    /// Description.
    #[field(default, length = 0..=128)]
    pub comment: String,
    /// Whether it answers requests.
    #[field(default = true, important, impact = "no request is answered while it is disabled")]
    pub enabled: bool,
    /// Domain names of the site, which need a certificate. Only one distribution of all accounts has a name.
    #[field(default, length = 0..=100, important, unique_entries = "alias", impact = "requests to a removed name fail")]
    pub aliases: BTreeSet<DnsName>,
    /// Certificate for the aliases, of us-east-1.
    #[field(default, important, conflicts_with = iam_certificate, dropped = None)]
    pub certificate: Option<ArnRef<Certificate>>,
    /// Id of a server certificate in IAM for the aliases.
    #[field(default, length = 16..=128, dropped = None)]
    pub iam_certificate: Option<String>,
    /// Oldest version of TLS, with its ciphers, that viewers can use for the aliases.
    #[field(default = "TLSv1.2_2021", important, risky("TLSv1", "browsers no longer accept this version"), one_of = [
        "SSLv3", "TLSv1", "TLSv1_2016", "TLSv1.1_2016", "TLSv1.2_2018", "TLSv1.2_2019", "TLSv1.2_2021", "TLSv1.2_2025", "TLSv1.3_2025"
    ])]
    pub minimum_tls: String,
    /// Viewers for the aliases: those that send the domain name (`sni-only`), or all, with addresses of the distribution's own (`vip`),
    /// which cost 600 USD a month, or with anycast addresses (`static-ip`).
    #[field(default = "sni-only", one_of = ["sni-only", "vip", "static-ip"])]
    pub tls_clients: String,
    /// Certificates of viewers (mTLS).
    #[field(default, dropped = None)]
    pub viewer_mtls: Option<ViewerMtls>,
    /// Origins, by an id that behaviors use.
    #[field(length = 1..=100, important)]
    pub origins: BTreeMap<String, Origin>,
    /// Pairs of origins, by an id that behaviors use: if the first fails, requests go to the second.
    #[field(default, length = 0..=10)]
    pub origin_groups: BTreeMap<String, OriginGroup>,
    /// Handling of requests that match no other behavior.
    #[field(important)]
    pub default_behavior: Behavior,
    /// Handling of requests by their path; the first that matches counts.
    #[field(default, length = 0..=75, important)]
    pub behaviors: Vec<Behavior>,
    /// Object for requests of the root, such as `index.html`.
    #[field(default, length = 0..=255, pattern = "([^/].*)?")]
    pub root_object: String,
    /// Responses to errors.
    #[field(default, length = 0..=11)]
    pub error_responses: BTreeSet<ErrorResponse>,
    /// Web firewall of scope `cloudfront`.
    #[field(default, important, dropped = None)]
    pub web_acl: Option<ArnRef<WafWebAcl>>,
    /// Countries whose viewers are allowed or blocked.
    #[field(default)]
    pub geo_restriction: GeoRestriction,
    /// Logs of requests in a bucket.
    #[field(default, important, dropped = None)]
    pub access_log: Option<AccessLog>,
    /// Edge locations in use. Fewer cost less.
    #[field(default)]
    pub price_class: PriceClass,
    /// Versions of HTTP besides HTTP/1.1.
    #[field(default)]
    pub http_version: HttpVersion,
    /// Answers requests over IPv6, too.
    #[field(default = true)]
    pub ipv6: bool,
    /// Id of the list of anycast addresses.
    #[field(default, length = 1..=128, dropped = None)]
    pub anycast_ip_list: Option<String>,
    /// Waits until changes have reached all edge locations.
    #[field(default = true, apply_immediately, write_only)]
    pub wait_until_deployed: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Domain name, the target of aliases in DNS.
    #[schemars(extend("x-acme-simulated" = "d{hex13}.cloudfront.{simulated_domain}"))]
    pub domain_name: String,
    /// Hosted zone id for aliases in DNS.
    #[schemars(extend("x-acme-simulated" = "Z2FDTNDATAQYW2"))]
    pub zone_id: String,
}

impl Resource for CloudfrontDistribution {
    const TYPE: TypeInfo = TypeInfo::new(
        "cloudfront_distribution",
        &services::cloudfront::SERVICE,
        "E{upper14}",
        "arn:aws:cloudfront::{account}:distribution/{id}",
    )
    .global()
    .typical_seconds(300)
    .lost_on_recreation("it has another domain name")
    .without_token()
    .rejecting_repeated_token()
    .quota(500, "TooManyDistributions")
    .not_found("NoSuchDistribution")
    .already_exists("DistributionAlreadyExists")
    .in_use("ResourceInUse")
    .iam_actions(
        IamActions::new("cloudfront:distribution/*")
            .list(&["cloudfront:ListDistributions"])
            .read(&["cloudfront:GetDistribution", "cloudfront:ListTagsForResource"])
            .change(&["cloudfront:DeleteDistribution", "cloudfront:GetDistributionConfig", "cloudfront:UpdateDistribution"])
            .grants(&[
                IamGrant::change(&["cloudfront:CreateDistribution"], GrantTarget::TagOnCreate),
                IamGrant::change(&["wafv2:AssociateWebACL", "wafv2:GetWebACL"], GrantTarget::Referenced("waf_web_acl")),
                // CloudFront admits itself to the bucket with the caller's permissions.
                // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/standard-logging-legacy-s3.html
                IamGrant::change(&["s3:GetBucketAcl", "s3:PutBucketAcl"], GrantTarget::Arn("s3:*"))
                    .needed_for(|| CloudfrontDistribution::POINTERS.access_log),
                // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/lambda-edge-permissions.html
                IamGrant::change(&["lambda:EnableReplication", "lambda:GetFunction"], GrantTarget::NamedByArn("lambda")),
            ]),
    );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        read::list(aws, scope).await
    }

    /// CloudFront refuses a caller reference that was used before.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let empty = DistributionConfig::builder().caller_reference(short_token(&cx.call.token)).comment("").enabled(true).build()?;
        let config = config::merged(self, empty, &CloudfrontDistributionChanges::default())?;
        let config = DistributionConfigWithTags::builder().distribution_config(config).tags(sdk_tags(&cx.call.tags)).build();
        let reply = cx.cloudfront.create_distribution_with_tags().distribution_config_with_tags(config).send().await?;
        let distribution = reply.distribution.ok_or_else(|| Error::missing_field("Distribution"))?;
        let id = distribution.id.clone();
        Ok(Created::from_answer(id, read::observed(cx, distribution, reply.e_tag, cx.call.tags.clone())))
    }

    /// UpdateDistribution replaces the whole configuration, so the current one is read and changed.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CloudfrontDistributionChanges) -> Result<()> {
        let (current, version) = read::current_config(cx, &live.id).await?;
        let config = config::merged(self, current, &changes)?;
        cx.cloudfront.update_distribution().id(&live.id).set_if_match(version).distribution_config(config).send().await?;
        Ok(())
    }

    /// Only a distribution that is disabled in all edge locations can be deleted.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let reply = cx.cloudfront.get_distribution().id(&live.id).send().await?;
        let distribution = reply.distribution.ok_or_else(|| Error::missing_field("Distribution"))?;
        let mut config = distribution.distribution_config.ok_or_else(|| Error::missing_field("DistributionConfig"))?;
        if config.enabled {
            config.enabled = false;
            cx.cloudfront.update_distribution().id(&live.id).set_if_match(reply.e_tag).distribution_config(config).send().await?;
            return Ok(Deletion::NeedsAnotherCall("being disabled".to_owned()));
        }
        if distribution.status != read::DEPLOYED {
            return Ok(Deletion::NeedsAnotherCall("being disabled".to_owned()));
        }
        Deletion::requested(cx.cloudfront.delete_distribution().id(&live.id).set_if_match(reply.e_tag).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        check::check(self)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check_declared(declared)
    }

    fn normalize(&self, live: &mut Self) {
        // With the certificate of CloudFront, the versions of TLS are CloudFront's.
        let has_none = |one: &Self| one.certificate.is_none() && one.iam_certificate.is_none();
        if has_none(self) && has_none(live) {
            live.minimum_tls.clone_from(&self.minimum_tls);
            live.tls_clients.clone_from(&self.tls_clients);
        }
    }

    fn deletion_effect(&self) -> Option<String> {
        self.enabled.then(|| "it is disabled in all edge locations first, which takes minutes".to_owned())
    }
}
