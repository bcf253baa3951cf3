//! `waf_ip_set`: addresses that rules of web firewalls refer to.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_wafv2::types::{IpAddressVersion, IpSet};

use super::waf_web_acl::{WebAclScope, list_arns_in_scope, parse_arn, read_tags, with_lock};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, Cidr, Created, Deletion, Error, Existing, IamActions, Observed, Problem, Resource, Result, Scope, TypeInfo,
        ok_or_not_found,
    },
};

/// Addresses that rules of web firewalls refer to.
#[spec]
pub struct WafIpSet {
    /// Physical name.
    #[field(name(max = 128), pattern = r"[\w-]+", replaces, unique = "name")]
    pub name: Option<String>,
    /// `regional`, or `cloudfront`: then it is in us-east-1, whatever the stack's region is.
    #[field(default = WebAclScope::Regional, replaces, unique = "name", global_region = "cloudfront")]
    pub scope: WebAclScope,
    /// IP version of its addresses.
    #[field(default = Version::Ipv4, replaces)]
    pub version: Version,
    /// Ranges such as 192.0.2.0/24, and single addresses such as 192.0.2.44/32. WAF rejects /0: use its two /1 halves.
    #[field(default, length = 0..=10_000, prefix = 1..=128, important)]
    pub addresses: BTreeSet<Cidr>,
    /// Description of 3 to 256 characters.
    // Characters: <https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html>
    #[field(default, length = 3..=256, pattern = r"[\w+=:#@/,.-][\w+=:#@/,.\s-]+[\w+=:#@/,.-]", dropped = None)]
    pub description: Option<String>,
}

/// IP version.
#[spec]
#[derive(Copy, Default)]
pub enum Version {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Resource for WafIpSet {
    const TYPE: TypeInfo = TypeInfo::new(
        "waf_ip_set",
        &services::wafv2::SERVICE,
        "{arn}",
        "arn:aws:wafv2:{region}:{account}:{scope|cloudfront=global|regional}/ipset/{name}/{uuid}",
    )
    .without_charge("the web ACL costs")
    .without_token()
    .iam_actions(
        IamActions::new("wafv2:*/ipset/{name}/*")
            .list(&["wafv2:ListIPSets"])
            .read(&["wafv2:GetIPSet", "wafv2:ListTagsForResource"])
            .create(&["wafv2:CreateIPSet"])
            .change(&["wafv2:DeleteIPSet", "wafv2:UpdateIPSet"]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let page = |waf_scope, marker| async move {
            let page = aws.wafv2.list_ip_sets().scope(waf_scope).limit(100).set_next_marker(marker).send().await?;
            let sets = page.ip_sets.unwrap_or_default().into_iter();
            Ok((sets.filter_map(|set| Some((set.name?, set.arn?))).collect(), page.next_marker))
        };
        for_each_concurrent(list_arns_in_scope(aws, scope, "ipset", page).await?, |arn| async move {
            let Some((set, lock)) = ok_or_not_found(get_ip_set(aws, &arn).await)? else { return Ok(None) };
            let Some(tags) = read_tags(aws, scope, &arn).await? else { return Ok(None) };
            let spec = WafIpSet::read(set, &arn)?;
            Ok(Some(Observed::new(arn.clone(), tags, spec, ArnOutput { arn }).version(lock)))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let version = match self.version {
            Version::Ipv4 => IpAddressVersion::Ipv4,
            Version::Ipv6 => IpAddressVersion::Ipv6,
        };
        let call = cx.wafv2.create_ip_set().set_name(self.name.clone()).scope(self.scope.to_sdk()).ip_address_version(version);
        let call = call.set_description(self.description.clone()).set_addresses(Some(self.ranges()));
        let reply = call.set_tags(Some(services::wafv2::to_tags(&cx.call.tags))).send().await?;
        Ok(reply.summary.and_then(|summary| summary.arn).ok_or_else(|| Error::missing_field("ARN"))?.into())
    }

    /// UpdateIPSet replaces the complete set.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: WafIpSetChanges) -> Result<()> {
        let (scope, name, id) = parse_arn(&live.id);
        let description = self.description.as_ref().or(live.spec.description.as_ref().filter(|_| !changes.description)).cloned();
        let call = cx.wafv2.update_ip_set().scope(scope).name(name).id(id);
        let call = call.set_addresses(Some(self.ranges())).set_description(description);
        with_lock(live, get_lock_token(cx, &live.id), |lock| call.clone().set_lock_token(lock).send()).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (scope, name, id) = parse_arn(&live.id);
        let call = cx.wafv2.delete_ip_set().scope(scope).name(name).id(id);
        with_lock(live, get_lock_token(cx, &live.id), |lock| call.clone().set_lock_token(lock).send()).await?;
        Ok(Deletion::Requested)
    }

    fn check(&self) -> Vec<Problem> {
        let other = |address: &&Cidr| address.range().is_some() && address.is_v6() != (self.version == Version::Ipv6);
        let problem = |address: &Cidr| {
            let version = if address.is_v6() { "ipv6" } else { "ipv4" };
            let problem = Problem::new(Self::POINTERS.addresses, format!("{address} does not have this set's IP version"));
            problem.help(format!("a set has one IP version: use another set with `version: {version}`"))
        };
        self.addresses.iter().filter(other).map(problem).collect()
    }
}

impl WafIpSet {
    fn ranges(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    fn read(set: IpSet, arn: &str) -> Result<WafIpSet> {
        let addresses = set.addresses.iter().map(|text| text.parse().map_err(|_| Error::missing_field("valid Addresses")));
        Ok(WafIpSet {
            scope: WebAclScope::of_arn(arn),
            version: if set.ip_address_version == IpAddressVersion::Ipv6 { Version::Ipv6 } else { Version::Ipv4 },
            addresses: addresses.collect::<Result<_>>()?,
            description: set.description.filter(|text| !text.is_empty()),
            name: Some(set.name),
        })
    }
}

/// Set with the lock token for the next change.
async fn get_ip_set(aws: &Aws, arn: &str) -> Result<(IpSet, Option<String>)> {
    let (scope, name, id) = parse_arn(arn);
    let reply = aws.wafv2.get_ip_set().scope(scope).name(name).id(id).send().await?;
    Ok((reply.ip_set.ok_or_else(|| Error::missing_field("IPSet"))?, reply.lock_token))
}

async fn get_lock_token(aws: &Aws, arn: &str) -> Result<Option<String>> {
    Ok(get_ip_set(aws, arn).await?.1)
}
