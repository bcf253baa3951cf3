//! Rules of a firewall: as written, in canonical form, and as EC2's permissions.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_ec2::types::{IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule, UserIdGroupPair};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::SecurityGroup;
use crate::core::{Cidr, Pointer, Problem, Ref};

/// A rule in canonical form: one source. Ordered and compared as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Rule {
    /// Protocol as EC2 names it, such as `tcp`; `-1` for all.
    pub protocol: String,
    /// First port, or the ICMP type. `None`: all.
    pub from_port: Option<i32>,
    /// Last port, or the ICMP code. `None`: all.
    pub to_port: Option<i32>,
    /// Range of addresses as the source.
    pub cidr: Option<Cidr>,
    /// Another group as the source.
    pub security_group: Option<Ref<SecurityGroup>>,
    /// The group itself as the source.
    #[serde(rename = "self")]
    pub itself: bool,
    /// Id of a prefix list as the source.
    pub prefix_list: Option<String>,
    /// Description; empty for none.
    pub description: String,
}

impl Rule {
    /// Why its source is risky, if it is: all of the internet, or a large part. Web servers are meant to be reached on ports 80 and 443, and ICMP
    /// opens no service.
    pub(in crate::aws::types) fn exposure(&self) -> Option<&'static str> {
        let is_web = matches!((self.from_port, self.to_port), (Some(80), Some(80)) | (Some(443), Some(443)));
        let source = self.cidr.as_ref().filter(|_| !is_web && !self.protocol.starts_with("icmp"))?;
        match source {
            source if source.is_everywhere() => Some("anyone on the internet can connect"),
            source if source.is_very_wide() => Some("a large part of the internet can connect"),
            _ => None,
        }
    }
}

/// Rule as written; several sources mean several rules. For `egress`, sources are destinations.
#[spec]
pub struct RuleSyntax {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all`, or a protocol number.
    #[field(unset = "tcp")]
    protocol: Option<Protocol>,
    /// Single port; short for equal `from_port` and `to_port`.
    #[field(default)]
    port: Option<i32>,
    /// First port; for ICMP the type, -1 (its default) for all.
    #[field(default)]
    from_port: Option<i32>,
    /// Last port; for ICMP the code, -1 (its default) for all.
    #[field(default)]
    to_port: Option<i32>,
    /// Source: an IPv4 or IPv6 range.
    #[field(default)]
    cidr: Option<Cidr>,
    /// Sources: several ranges.
    #[field(default)]
    cidrs: Vec<Cidr>,
    /// Source: the members of another group.
    #[field(default)]
    security_group: Option<Ref<SecurityGroup>>,
    /// Sources: the members of several other groups.
    #[field(default)]
    security_groups: Vec<Ref<SecurityGroup>>,
    /// Source: the members of this group itself.
    #[field(default = false)]
    #[serde(rename = "self")]
    itself: bool,
    /// Source: a prefix list (`pl-…`).
    #[field(default)]
    prefix_list: Option<String>,
    /// Sources: several prefix lists.
    #[field(default)]
    prefix_lists: Vec<String>,
    /// Description.
    #[field(unset = "empty", length = 0..=255, pattern = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]*")]
    description: Option<String>,
}

/// A protocol's name or number.
#[spec]
#[serde(untagged)]
pub(in crate::aws::types) enum Protocol {
    /// Its number.
    Number(i32),
    /// Its name.
    Name(String),
}

/// Rules for one written rule.
#[derive(Deserialize)]
#[serde(try_from = "RuleSyntax")]
struct RuleList(Vec<Rule>);

impl TryFrom<RuleSyntax> for RuleList {
    type Error = String;
    fn try_from(written: RuleSyntax) -> Result<RuleList, String> {
        let protocol = canonical_protocol(written.protocol);
        if written.port.is_some() && (written.from_port.is_some() || written.to_port.is_some()) {
            return Err("set either `port`, or `from_port` and `to_port`".into());
        }
        if written.port.is_some() && protocol.starts_with("icmp") {
            return Err("ICMP has no ports: set `from_port` to the type, and `to_port` to the code or omit it for all".into());
        }
        let ports = (written.from_port.or(written.port), written.to_port.or(written.port));
        let (from_port, to_port) = match (protocol.as_str(), ports) {
            ("tcp" | "udp", (Some(from), Some(to))) if from > to || !(0..=65535).contains(&from) || !(0..=65535).contains(&to) => {
                return Err("ports must be between 0 and 65535, with `from_port` not above `to_port`".into());
            }
            ("tcp" | "udp", (Some(from), Some(to))) => (Some(from), Some(to)),
            ("tcp" | "udp", _) => {
                return Err(format!("a rule for {protocol} needs `port`, or `from_port` and `to_port` (0 and 65535 for all)"));
            }
            ("icmp" | "icmpv6", (None | Some(-1), Some(0..))) => {
                return Err("an ICMP code needs a type: set `from_port`".into());
            }
            ("icmp" | "icmpv6", (from, to)) => (from.or(Some(-1)), to.or(Some(-1))),
            // AWS ignores ports with other protocols.
            (_, (None | Some(-1), None | Some(-1)) | (Some(0), Some(0 | 65535))) => (None, None),
            _ => {
                return Err(format!(
                    "the protocol `{protocol}` has no ports: only `tcp` and `udp` have, and HTTP, HTTPS and SSH use `tcp`"
                ));
            }
        };
        let description = written.description.unwrap_or_default();
        let rule = Rule { protocol, from_port, to_port, description, ..Rule::default() };
        let mut split = Vec::new();
        split.extend(written.cidr.into_iter().chain(written.cidrs).map(|cidr| Rule { cidr: Some(cidr), ..rule.clone() }));
        let groups = written.security_group.into_iter().chain(written.security_groups);
        split.extend(groups.map(|group| Rule { security_group: Some(group), ..rule.clone() }));
        let lists = written.prefix_list.into_iter().chain(written.prefix_lists);
        split.extend(lists.map(|list| Rule { prefix_list: Some(list), ..rule.clone() }));
        split.extend(written.itself.then_some(Rule { itself: true, ..rule }));
        if split.is_empty() {
            return Err("a rule needs at least one of `cidr`, `cidrs`, `security_group`, `security_groups`, `prefix_list`, `self`".into());
        }
        Ok(RuleList(split))
    }
}

pub(super) fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<Rule>, D::Error> {
    Ok(Vec::<RuleList>::deserialize(deserializer)?.into_iter().flat_map(|split| split.0).collect())
}

/// A rule with one source.
pub(in crate::aws::types) fn single<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Rule, D::Error> {
    let RuleList(rules) = RuleList::deserialize(deserializer)?;
    match <[Rule; 1]>::try_from(rules) {
        Ok([rule]) => Ok(rule),
        Err(rules) => Err(D::Error::custom(format!("one rule has one source, not {}: declare one rule for each", rules.len()))),
    }
}

/// The name of a protocol, or its number as text; `tcp` if none is written.
pub(in crate::aws::types) fn canonical_protocol(written: Option<Protocol>) -> String {
    let text = match written {
        None => return "tcp".to_owned(),
        Some(Protocol::Number(number)) => number.to_string(),
        Some(Protocol::Name(name)) => name,
    };
    match text.to_lowercase().as_str() {
        "-1" | "all" => "all",
        "1" | "icmp" => "icmp",
        "6" | "tcp" => "tcp",
        "17" | "udp" => "udp",
        "58" | "icmpv6" => "icmpv6",
        _ => return text,
    }
    .to_owned()
}

/// All traffic to or from a range.
pub(super) fn allow_all_to(cidr: &str) -> Option<Rule> {
    Some(Rule { protocol: "all".to_owned(), cidr: Some(cidr.parse().ok()?), ..Rule::default() })
}

/// A permission has all sources of one protocol and port range; `id` is the group's own.
pub(in crate::aws::types) fn read(permission: IpPermission, id: &str) -> Vec<Rule> {
    let protocol = canonical_protocol(Some(Protocol::Name(permission.ip_protocol.unwrap_or_else(|| "-1".into()))));
    let (from_port, to_port) = match protocol.as_str() {
        "tcp" | "udp" => (permission.from_port.or(Some(0)), permission.to_port.or(Some(65535))),
        "icmp" | "icmpv6" => (permission.from_port.or(Some(-1)), permission.to_port.or(Some(-1))),
        _ => (None, None),
    };
    let rule = |description: Option<String>| Rule {
        protocol: protocol.clone(),
        from_port,
        to_port,
        description: description.unwrap_or_default(),
        ..Rule::default()
    };
    let mut rules = Vec::new();
    let v4 = permission.ip_ranges.into_iter().flatten().map(|range| (range.cidr_ip, range.description));
    let v6 = permission.ipv6_ranges.into_iter().flatten().map(|range| (range.cidr_ipv6, range.description));
    rules.extend(v4.chain(v6).filter_map(|(cidr, text)| Some(Rule { cidr: Some(cidr?.parse().ok()?), ..rule(text) })));
    for pair in permission.user_id_group_pairs.into_iter().flatten() {
        let rule = rule(pair.description);
        rules.extend(pair.group_id.map(|group| match group == id {
            true => Rule { itself: true, ..rule },
            false => Rule { security_group: Some(Ref::to(group)), ..rule },
        }));
    }
    let lists = permission.prefix_list_ids.into_iter().flatten();
    rules.extend(lists.filter_map(|list| Some(Rule { prefix_list: Some(list.prefix_list_id?), ..rule(list.description) })));
    rules
}

/// A single rule as the permission that holds it.
pub(in crate::aws::types) fn to_permission(rule: SecurityGroupRule) -> IpPermission {
    let permission = IpPermission::builder().set_ip_protocol(rule.ip_protocol).set_from_port(rule.from_port).set_to_port(rule.to_port);
    let text = rule.description;
    let v4 = rule.cidr_ipv4.map(|cidr| vec![IpRange::builder().cidr_ip(cidr).set_description(text.clone()).build()]);
    let v6 = rule.cidr_ipv6.map(|cidr| vec![Ipv6Range::builder().cidr_ipv6(cidr).set_description(text.clone()).build()]);
    let group = rule.referenced_group_info.and_then(|group| group.group_id);
    let group = group.map(|id| vec![UserIdGroupPair::builder().group_id(id).set_description(text.clone()).build()]);
    let list = rule.prefix_list_id.map(|id| vec![PrefixListId::builder().prefix_list_id(id).set_description(text).build()]);
    permission.set_ip_ranges(v4).set_ipv6_ranges(v6).set_user_id_group_pairs(group).set_prefix_list_ids(list).build()
}

/// Inverse of [`read`]. Omitting a description removes it.
pub(in crate::aws::types) fn permission(rule: &Rule, id: &str) -> IpPermission {
    let protocol = if rule.protocol == "all" { "-1" } else { &rule.protocol };
    let permission = IpPermission::builder().ip_protocol(protocol).set_from_port(rule.from_port).set_to_port(rule.to_port);
    let description = Some(rule.description.clone()).filter(|text| !text.is_empty());
    let group = rule.security_group.as_ref().map(Ref::get).or(rule.itself.then_some(id));
    match (&rule.cidr, group, &rule.prefix_list) {
        (Some(cidr), _, _) if cidr.is_v6() => {
            permission.ipv6_ranges(Ipv6Range::builder().cidr_ipv6(cidr.to_string()).set_description(description).build())
        }
        (Some(cidr), _, _) => permission.ip_ranges(IpRange::builder().cidr_ip(cidr.to_string()).set_description(description).build()),
        (_, Some(group), _) => {
            permission.user_id_group_pairs(UserIdGroupPair::builder().group_id(group).set_description(description).build())
        }
        (_, _, list) => {
            permission.prefix_list_ids(PrefixListId::builder().set_prefix_list_id(list.clone()).set_description(description).build())
        }
    }
    .build()
}

/// Rule without its description, as AWS compares it.
pub(in crate::aws::types) fn without_description(rule: &Rule) -> Rule {
    Rule { description: String::new(), ..rule.clone() }
}

pub(super) fn by_plain_rule(rules: &BTreeSet<Rule>) -> BTreeMap<Rule, &Rule> {
    rules.iter().map(|rule| (without_description(rule), rule)).collect()
}

/// Problems of the rules of one direction.
pub(in crate::aws::types) fn check(at: &Pointer, rules: &BTreeSet<Rule>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = at.clone().item(index);
        if !seen.insert(without_description(rule)) {
            let what = "two rules differ only in their description";
            problems.push(Problem::new(at.clone(), what).help("keep one of them; AWS rejects the second"));
        }
        if !matches!(rule.protocol.as_str(), "all" | "tcp" | "udp" | "icmp" | "icmpv6") && rule.protocol.parse::<u8>().is_err() {
            let what = format!("`{}` is not a valid protocol", rule.protocol);
            problems.push(Problem::new(at, what).help("use tcp, udp, icmp, icmpv6, all, or a number from 0 to 255"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn group(ingress: serde_json::Value) -> serde_json::Result<SecurityGroup> {
        serde_json::from_value(json!({ "vpc": "main", "ingress": ingress }))
    }

    #[test]
    fn splits_several_sources_into_rules_in_stable_order() {
        let short = group(json!([{ "port": 443, "cidrs": ["10.0.0.1/8", "::/0"], "self": true, "security_groups": ["web"] }])).unwrap();
        assert_eq!(short.ingress.len(), 4);
        let long = serde_json::to_value(&short).unwrap();
        let again: SecurityGroup = serde_json::from_value(long.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), long);
        assert!(check(&SecurityGroup::POINTERS.ingress, &again.ingress).is_empty());
    }

    #[test]
    fn rules_round_trip_through_the_sdk() {
        let spec = group(json!([
            { "protocol": 6, "from_port": 80, "to_port": 90, "cidr": "10.0.0.0/8", "description": "web" },
            { "protocol": "icmp", "cidr": "2001:db8::/32" },
            { "protocol": "-1", "self": true },
            { "protocol": 47, "prefix_list": "pl-1" },
            { "protocol": "udp", "port": 53, "security_group": { "id": "sg-2" } },
        ]))
        .unwrap();
        let back: BTreeSet<Rule> = spec.ingress.iter().flat_map(|rule| read(permission(rule, "sg-1"), "sg-1")).collect();
        assert_eq!(back, spec.ingress);
    }

    #[test]
    fn rejects_impossible_rules() {
        assert!(group(json!([{ "cidr": "10.0.0.0/8" }])).is_err(), "no port");
        assert!(group(json!([{ "port": 1, "from_port": 1, "cidr": "10.0.0.0/8" }])).is_err(), "both forms");
        assert!(group(json!([{ "protocol": "all", "port": 1, "cidr": "10.0.0.0/8" }])).is_err(), "port without meaning");
        assert!(group(json!([{ "port": 1 }])).is_err(), "no source");
        let double = group(json!([{ "port": 1, "self": true }, { "port": 1, "self": true, "description": "x" }])).unwrap();
        assert_eq!(check(&SecurityGroup::POINTERS.ingress, &double.ingress).len(), 1);
    }
}
