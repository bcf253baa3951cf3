//! `waf_ip_set`: addresses that rules of web firewalls refer to.

use std::collections::BTreeSet;

use aws_sdk_wafv2::types::{IpAddressVersion, IpSet};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::waf_web_acl::{Reach, covered, parts, tags_of};
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Cidr, Error, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, Phase, Problem,
        Result, Scope, Service, ok_or_not_found,
    },
};

/// Addresses that rules of web firewalls refer to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WafIpSet {
    /// Physical name, at most 128 characters. Default: `<stack>-<environment>-<name>`. Changing it replaces the set.
    #[serde(default)]
    pub name: Option<String>,
    /// `regional`, or `cloudfront` in a stack of region us-east-1. Default: regional. Changing it replaces the set.
    #[serde(default)]
    pub scope: Reach,
    /// Kind of its addresses: `ipv4` or `ipv6`. Default: ipv4. Changing it replaces the set.
    #[serde(default)]
    pub version: Version,
    /// Ranges such as 192.0.2.0/24, and single addresses such as 192.0.2.44/32; at most 10,000. Default: none.
    #[serde(default)]
    pub addresses: BTreeSet<Cidr>,
    /// Description.
    #[serde(default)]
    pub description: Option<String>,
}

/// Kind of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Version {
    /// IPv4.
    #[default]
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

impl Resource for WafIpSet {
    const TYPE: &'static str = "waf_ip_set";
    const SERVICE: Service = Service::Wafv2;
    const REPLACE: &'static [&'static str] = &["/name", "/scope", "/version"];
    const NAME: Option<Naming> = Some(Naming { max: 128, lower: false, prefix: "" });
    /// ARNs begin with `regional/ipset/` or `global/ipset/`.
    const ARN: Option<&'static str> = Some("wafv2:");
    const ACTIONS: Actions = Actions::on("wafv2:*/ipset/{name}/*")
        .list(&["wafv2:ListIPSets"])
        .read(&["wafv2:GetIPSet", "wafv2:ListTagsForResource"])
        .create(&["wafv2:CreateIPSet"])
        .change(&["wafv2:DeleteIPSet", "wafv2:UpdateIPSet"]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let page = |waf_scope, marker| async move {
            let page = aws.wafv2.list_ip_sets().scope(waf_scope).limit(100).set_next_marker(marker).send().await?;
            let sets = page.ip_sets.unwrap_or_default().into_iter();
            Ok((sets.filter_map(|set| Some((set.name?, set.arn?))).collect(), page.next_marker))
        };
        each(covered(aws, scope, "ipset", page).await?, |arn| async move {
            let Some((set, _)) = ok_or_not_found(get(aws, &arn).await)? else { return Ok(None) };
            let Some(tags) = tags_of(aws, scope, &arn).await? else { return Ok(None) };
            let (phase, spec) = (Phase::Ready, WafIpSet::read(set, &arn)?);
            Ok(Some(Observed { id: arn.clone(), tags, phase, spec, outputs: Outputs { arn } }))
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.wafv2.create_ip_set().set_name(self.name.clone()).scope(self.scope.to_sdk());
        let call =
            call.set_description(self.description.clone()).set_addresses(Some(self.written())).ip_address_version(match self.version {
                Version::Ipv4 => IpAddressVersion::Ipv4,
                Version::Ipv6 => IpAddressVersion::Ipv6,
            });
        let reply = call.set_tags(Some(tags::wafv2(cx.tags))).send().await?;
        reply.summary.and_then(|summary| summary.arn).ok_or_else(|| Error::missing("ARN"))
    }

    /// UpdateIPSet replaces the whole.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, _: &Changed) -> Result<()> {
        let (_, lock) = get(cx.aws, id).await?;
        let (scope, name, set) = parts(id);
        let call = cx.aws.wafv2.update_ip_set().scope(scope).name(name).id(set).set_lock_token(lock);
        let description = self.description.clone().or_else(|| before.description.clone());
        call.set_addresses(Some(self.written())).set_description(description).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let (_, lock) = get(cx.aws, id).await?;
        let (scope, name, set) = parts(id);
        cx.aws.wafv2.delete_ip_set().scope(scope).name(name).id(set).set_lock_token(lock).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let at = "/addresses";
        for address in &self.addresses {
            let Some(range) = address.range() else { continue };
            if address.is_v6() != (self.version == Version::Ipv6) {
                let other = if address.is_v6() { "ipv6" } else { "ipv4" };
                let problem = Problem::new(at, format!("{address} is not of this set's version"));
                problems.push(problem.help(format!("a set holds one version: put it into another set with `version: {other}`")));
            } else if range.prefix_len() == 0 {
                problems.push(Problem::new(at, format!("WAF takes no range of /0 such as {address}")).help("write its two halves, of /1"));
            }
        }
        if self.addresses.len() > 10_000 {
            problems.push(Problem::new(at, "a set holds at most 10,000 ranges").help("divide them among several sets"));
        }
        problems
    }
}

impl WafIpSet {
    fn written(&self) -> Vec<String> {
        self.addresses.iter().map(ToString::to_string).collect()
    }

    fn read(set: IpSet, arn: &str) -> Result<WafIpSet> {
        let addresses = set.addresses.iter().map(|text| text.parse().map_err(|_| Error::missing("valid Addresses")));
        Ok(WafIpSet {
            scope: if arn.contains(":global/") { Reach::Cloudfront } else { Reach::Regional },
            version: if set.ip_address_version == IpAddressVersion::Ipv6 { Version::Ipv6 } else { Version::Ipv4 },
            addresses: addresses.collect::<Result<_>>()?,
            description: set.description.filter(|text| !text.is_empty()),
            name: Some(set.name),
        })
    }
}

/// Reads a set, with the lock token that the next change needs.
async fn get(aws: &Aws, arn: &str) -> Result<(IpSet, Option<String>)> {
    let (scope, name, id) = parts(arn);
    let reply = aws.wafv2.get_ip_set().scope(scope).name(name).id(id).send().await?;
    Ok((reply.ip_set.ok_or_else(|| Error::missing("IPSet"))?, reply.lock_token))
}
