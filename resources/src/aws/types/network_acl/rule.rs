//! Rules of a network ACL: as written, in canonical form, and as EC2's entries.

use std::collections::BTreeSet;

use acme_macros::spec;
use aws_sdk_ec2::types::{IcmpTypeCode, NetworkAclEntry, PortRange, RuleAction};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{
    aws::types::security_group::{Protocol, canonical_protocol},
    core::{Cidr, Error, Pointer, Problem, Result},
};

/// The highest number of a rule; the entries above it are AWS's own, which deny what no rule matches.
const LAST_NUMBER: i32 = 32_766;

/// A rule in canonical form, with the fields that its protocol has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AclRule {
    /// Number: AWS evaluates the lowest first.
    pub number: i32,
    /// Action.
    pub action: AclAction,
    /// Name of the protocol, or its number as text; `all` for all.
    pub protocol: String,
    /// Range of addresses: sources of incoming traffic, destinations of outgoing traffic.
    pub cidr: Cidr,
    /// First port.
    pub from_port: Option<i32>,
    /// Last port.
    pub to_port: Option<i32>,
    /// ICMP type; -1 for all.
    pub icmp_type: Option<i32>,
    /// ICMP code; -1 for all.
    pub icmp_code: Option<i32>,
}

/// What happens to matching traffic.
#[spec]
#[derive(Copy)]
pub enum AclAction {
    /// It passes.
    Allow,
    /// It is dropped.
    Deny,
}

/// A rule as written.
#[spec]
pub struct AclRuleSyntax {
    /// Number. AWS evaluates the rule with the lowest first.
    #[field(range = 1..=32_766)]
    number: i32,
    /// What happens to matching traffic: `allow` or `deny`.
    action: AclAction,
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all`, or a protocol number.
    #[field(unset = "tcp")]
    protocol: Option<Protocol>,
    /// An IPv4 or IPv6 range: sources of incoming traffic, destinations of outgoing traffic.
    cidr: Cidr,
    /// Single port; short for equal `from_port` and `to_port`.
    #[field(default)]
    port: Option<i32>,
    /// First port.
    #[field(default)]
    from_port: Option<i32>,
    /// Last port.
    #[field(default)]
    to_port: Option<i32>,
    /// ICMP type; -1 for all.
    #[field(unset = "-1 with ICMP", range = -1..=255)]
    icmp_type: Option<i32>,
    /// ICMP code; -1 for all.
    #[field(unset = "-1 with ICMP", range = -1..=255)]
    icmp_code: Option<i32>,
}

/// A rule, read as a user writes it.
#[derive(Deserialize)]
#[serde(try_from = "AclRuleSyntax")]
struct ParsedRule(AclRule);

pub(super) fn rules<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<BTreeSet<AclRule>, D::Error> {
    Ok(Vec::<ParsedRule>::deserialize(deserializer)?.into_iter().map(|ParsedRule(rule)| rule).collect())
}

impl TryFrom<AclRuleSyntax> for ParsedRule {
    type Error = String;
    fn try_from(written: AclRuleSyntax) -> std::result::Result<ParsedRule, String> {
        let protocol = canonical_protocol(written.protocol);
        if written.port.is_some() && (written.from_port.is_some() || written.to_port.is_some()) {
            return Err("set either `port`, or `from_port` and `to_port`".into());
        }
        let ports = (written.from_port.or(written.port), written.to_port.or(written.port));
        let icmp = (written.icmp_type, written.icmp_code);
        let is_icmp = protocol == "icmp" || protocol == "icmpv6";
        if !is_icmp && icmp != (None, None) {
            return Err(format!("the protocol `{protocol}` has no ICMP type and code"));
        }
        let (from_port, to_port) = match (protocol.as_str(), ports) {
            ("tcp" | "udp", (Some(from), Some(to))) if from > to || !(0..=65535).contains(&from) || !(0..=65535).contains(&to) => {
                return Err("ports must be between 0 and 65535, with `from_port` not above `to_port`".into());
            }
            ("tcp" | "udp", (Some(from), Some(to))) => (Some(from), Some(to)),
            ("tcp" | "udp", _) => {
                return Err(format!("a rule for {protocol} needs `port`, or `from_port` and `to_port` (0 and 65535 for all)"));
            }
            (_, (None, None)) => (None, None),
            _ if is_icmp => return Err("ICMP has no ports: set `icmp_type` and `icmp_code`, or omit them for all".into()),
            _ => {
                return Err(format!(
                    "the protocol `{protocol}` has no ports: only `tcp` and `udp` have, and HTTP, HTTPS and SSH use `tcp`"
                ));
            }
        };
        let (icmp_type, icmp_code) = match icmp {
            _ if !is_icmp => (None, None),
            (None | Some(-1), Some(0..)) => return Err("an ICMP code needs a type: set `icmp_type`".into()),
            (kind, code) => (kind.or(Some(-1)), code.or(Some(-1))),
        };
        let AclRuleSyntax { number, action, cidr, .. } = written;
        Ok(ParsedRule(AclRule { number, action, protocol, cidr, from_port, to_port, icmp_type, icmp_code }))
    }
}

impl AclRule {
    /// Converts an entry; `None` for those that AWS adds.
    pub(super) fn read(entry: NetworkAclEntry) -> Option<Result<AclRule>> {
        let number = entry.rule_number.unwrap_or_default();
        if number > LAST_NUMBER {
            return None;
        }
        let cidr = entry.ipv6_cidr_block.or(entry.cidr_block).and_then(|text| text.parse().ok());
        let Some(cidr) = cidr else { return Some(Err(Error::missing_field("CidrBlock"))) };
        let protocol = canonical_protocol(entry.protocol.map(Protocol::Name));
        let ports = entry.port_range.as_ref();
        let icmp = entry.icmp_type_code.as_ref();
        let (has_ports, is_icmp) = (protocol == "tcp" || protocol == "udp", protocol == "icmp" || protocol == "icmpv6");
        let rule = AclRule {
            number,
            action: if entry.rule_action == Some(RuleAction::Deny) { AclAction::Deny } else { AclAction::Allow },
            cidr,
            from_port: has_ports.then(|| ports.and_then(|range| range.from).unwrap_or(0)),
            to_port: has_ports.then(|| ports.and_then(|range| range.to).unwrap_or(65535)),
            icmp_type: is_icmp.then(|| icmp.and_then(|icmp| icmp.r#type).unwrap_or(-1)),
            icmp_code: is_icmp.then(|| icmp.and_then(|icmp| icmp.code).unwrap_or(-1)),
            protocol,
        };
        Some(Ok(rule))
    }

    /// The range as the IPv4 or the IPv6 parameter.
    pub(super) fn ranges(&self) -> (Option<String>, Option<String>) {
        let range = self.cidr.to_string();
        if self.cidr.is_v6() { (None, Some(range)) } else { (Some(range), None) }
    }
    pub(super) fn sdk_action(&self) -> RuleAction {
        match self.action {
            AclAction::Allow => RuleAction::Allow,
            AclAction::Deny => RuleAction::Deny,
        }
    }
    /// EC2 takes only numbers here; -1 for all.
    pub fn protocol_number(&self) -> &str {
        match self.protocol.as_str() {
            "all" => "-1",
            "icmp" => "1",
            "tcp" => "6",
            "udp" => "17",
            "icmpv6" => "58",
            number => number,
        }
    }
    pub(super) fn port_range(&self) -> Option<PortRange> {
        self.from_port.map(|from| PortRange::builder().from(from).set_to(self.to_port).build())
    }
    pub(super) fn icmp_type_code(&self) -> Option<IcmpTypeCode> {
        self.icmp_type.map(|kind| IcmpTypeCode::builder().r#type(kind).set_code(self.icmp_code).build())
    }
}

/// Problems of the rules of one direction.
pub(super) fn check(at: &Pointer, rules: &BTreeSet<AclRule>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, rule) in rules.iter().enumerate() {
        let at = || at.clone().item(index);
        if !seen.insert(rule.number) {
            let what = format!("there are two rules with the number {}", rule.number);
            problems.push(Problem::new(at(), what).help("give each rule of a direction its own number"));
        }
        let family = rule.cidr.range().map(|_| rule.cidr.is_v6());
        match (rule.protocol.as_str(), family) {
            // AWS ignores type and code of the one, and no packet matches the other.
            ("icmpv6", Some(false)) => {
                problems.push(Problem::new(at(), format!("ICMPv6 has no traffic with the IPv4 range {}", rule.cidr)).help("use `icmp`"));
            }
            ("icmp", Some(true)) => {
                problems.push(Problem::new(at(), format!("ICMP has no traffic with the IPv6 range {}", rule.cidr)).help("use `icmpv6`"));
            }
            ("all" | "tcp" | "udp" | "icmp" | "icmpv6", _) => {}
            (other, _) if other.parse::<u8>().is_err() => {
                let what = format!("`{other}` is not a valid protocol");
                problems.push(Problem::new(at(), what).help("use tcp, udp, icmp, icmpv6, all, or a number from 0 to 255"));
            }
            _ => {}
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::NetworkAcl, *};
    use crate::core::Resource;

    fn acl(ingress: serde_json::Value) -> serde_json::Result<NetworkAcl> {
        serde_json::from_value(json!({ "vpc": "main", "ingress": ingress }))
    }

    fn entry(rule: &AclRule) -> NetworkAclEntry {
        let (v4, v6) = rule.ranges();
        let entry = NetworkAclEntry::builder().rule_number(rule.number).rule_action(rule.sdk_action()).protocol(rule.protocol_number());
        let entry = entry.set_cidr_block(v4).set_ipv6_cidr_block(v6).set_port_range(rule.port_range());
        entry.set_icmp_type_code(rule.icmp_type_code()).egress(false).build()
    }

    #[test]
    fn rules_round_trip_through_the_sdk() -> serde_json::Result<()> {
        let spec = acl(json!([
            { "number": 100, "action": "allow", "port": 443, "cidr": "10.0.0.1/8" },
            { "number": 110, "action": "allow", "protocol": 17, "from_port": 1024, "to_port": 65535, "cidr": "::/0" },
            { "number": 120, "action": "deny", "protocol": "icmp", "icmp_type": 8, "icmp_code": 0, "cidr": "0.0.0.0/0" },
            { "number": 130, "action": "deny", "protocol": "58", "cidr": "2001:DB8::/32" },
            { "number": 140, "action": "allow", "protocol": "all", "cidr": "192.0.2.0/24" },
            { "number": 150, "action": "allow", "protocol": 47, "cidr": "192.0.2.0/24" },
        ]))?;
        assert!(spec.check().is_empty());
        let back: Vec<AclRule> = spec.ingress.iter().filter_map(|rule| AclRule::read(entry(rule))).filter_map(Result::ok).collect();
        assert_eq!(back, spec.ingress.iter().cloned().collect::<Vec<_>>());
        let written = serde_json::to_value(&spec)?;
        assert_eq!(serde_json::to_value(serde_json::from_value::<NetworkAcl>(written.clone())?)?, written);
        Ok(())
    }

    #[test]
    fn ignores_the_entries_that_aws_adds() {
        let entry =
            |number| NetworkAclEntry::builder().rule_number(number).protocol("-1").rule_action(RuleAction::Deny).cidr_block("0.0.0.0/0");
        assert!(AclRule::read(entry(32_767).build()).is_none());
        assert!(AclRule::read(entry(32_766).build()).is_some());
    }

    #[test]
    fn rejects_impossible_rules() -> serde_json::Result<()> {
        let rule = |mut more: serde_json::Value| {
            more["number"] = json!(1);
            more["action"] = json!("allow");
            more["cidr"] = more.get("cidr").cloned().unwrap_or_else(|| json!("10.0.0.0/8"));
            more
        };
        for impossible in [
            json!({}),
            json!({ "port": 1, "from_port": 1 }),
            json!({ "from_port": 2, "to_port": 1 }),
            json!({ "protocol": "all", "port": 1 }),
            json!({ "protocol": "icmp", "port": 1 }),
            json!({ "protocol": "icmp", "icmp_code": 1 }),
            json!({ "port": 1, "icmp_type": 1 }),
        ] {
            assert!(acl(json!([rule(impossible.clone())])).is_err(), "{impossible}");
        }
        for wrong in [json!({ "protocol": "icmpv6" }), json!({ "protocol": "icmp", "cidr": "::/0" }), json!({ "protocol": "tpc" })] {
            assert_eq!(acl(json!([rule(wrong.clone())]))?.check().len(), 1, "{wrong}");
        }
        let twice = acl(json!([rule(json!({ "port": 1 })), rule(json!({ "port": 2 }))]))?;
        assert_eq!(twice.check().len(), 1);
        Ok(())
    }
}
