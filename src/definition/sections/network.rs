//! `network`: a VPC with a public and a private subnet in every zone, internet access, and security groups.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Expansion, Fields, field_names, set_default};
use crate::{
    aws,
    core::{Cidr, OnDelete},
    definition::{cidr_subnet, parse_section},
};

/// The network of a stack.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// IPv4 range of the VPC, between /16 and /28. Default: 10.0.0.0/16. Changing it replaces the VPC and everything in it.
    #[serde(default = "default_cidr")]
    pub cidr: Cidr,
    /// Additional IPv4 ranges of the VPC. Default: none.
    #[serde(default)]
    pub secondary_cidrs: BTreeSet<Cidr>,
    /// Number of availability zones, which acme chooses from those that AWS offers to the account, or a list of letters (`[a, c]`) or
    /// names (`[eu-west-1a]`). Default: 2. Adding zones does not change the others.
    #[serde(default = "default_zones")]
    pub zones: Zones,
    /// Internet access of private subnets: `none`, `single` (one NAT gateway, in the first zone) or `per-az`. Default: single.
    #[serde(default)]
    pub nat: Nat,
    /// Prefix length of the subnets. Default: four more than the VPC's, so /20 in a /16. Changing it replaces the subnets.
    #[serde(default)]
    pub subnet_prefix: Option<u8>,
    /// Assigns public addresses to instances in public subnets. Default: false.
    #[serde(default)]
    pub public_ip_on_launch: bool,
    /// Additional tags of the public subnets. Default: none.
    #[serde(default)]
    pub public_subnet_tags: BTreeMap<String, String>,
    /// Additional tags of the private subnets, such as `karpenter.sh/discovery`. Default: none.
    #[serde(default)]
    pub private_subnet_tags: BTreeMap<String, String>,
    /// Enables DNS resolution with Amazon's resolver. Default: true.
    #[serde(default = "default_true")]
    pub dns_support: bool,
    /// Assigns public host names to instances with public addresses. Default: true; EKS needs it.
    #[serde(default = "default_true")]
    pub dns_hostnames: bool,
    /// AWS services reached through VPC endpoints instead of the internet: `s3` and `dynamodb` by routes, others (`ecr.api`) by addresses
    /// in the private subnets. Default: none.
    #[serde(default)]
    pub endpoints: BTreeSet<String>,
    /// Flow logs of the VPC's traffic: `true` for logs in a dedicated bucket, or the fields of `flow_log` plus `keep_days` and `on_delete`
    /// for that bucket. Default: false.
    #[serde(default)]
    pub flow_logs: Value,
    /// Additional tiers of subnets without internet access, one subnet in each zone: `database` for databases and caches, and `intra`.
    /// Default: none.
    #[serde(default)]
    pub tiers: BTreeSet<Tier>,
    /// Network ACLs by name, as in `resources: network_acl:`; `subnets` can be the name of a tier. Default: none, so that the VPC's own
    /// applies, which allows everything.
    #[serde(default)]
    pub acls: BTreeMap<String, Value>,
    /// Security groups by name, as in `resources: security_group:`. Default: none.
    #[serde(default)]
    pub security_groups: BTreeMap<String, Value>,
}

/// Fields of flow logs in addition to those of `flow_log`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowLogs {
    /// Days after which records are deleted from the dedicated bucket. Default: never.
    #[serde(default)]
    pub keep_days: Option<u16>,
    /// Treatment of that bucket if it is removed from the definition while it holds records: `retain` or `delete`. Default: acme refuses to
    /// delete it.
    #[serde(default)]
    pub on_delete: Option<OnDelete>,
}

/// Selected availability zones.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a number of zones (`3`) or a list (`[a, b]`)")]
pub enum Zones {
    /// Number of zones, from the first one on.
    Count(u8),
    /// List of zones.
    List(Vec<String>),
}

/// Tier of subnets without internet access.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// For databases and caches.
    Database,
    /// For anything else.
    Intra,
}

impl Tier {
    fn name(self) -> &'static str {
        match self {
            Tier::Database => "database",
            Tier::Intra => "intra",
        }
    }
}

/// Internet access of private subnets.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// No internet access.
    None,
    /// Through one NAT gateway: cheaper, but unavailable if its zone fails.
    #[default]
    Single,
    /// Through one NAT gateway per zone.
    PerAz,
}

fn default_cidr() -> Cidr {
    Cidr::Range(ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert([10, 0, 0, 0].into(), 16)))
}
fn default_zones() -> Zones {
    Zones::Count(2)
}
fn default_true() -> bool {
    true
}

/// Subnet names, for sections that use them.
pub(crate) struct NetworkLayout {
    /// Subnets of each tier, by zone: `public`, `private`, and additional ones.
    pub tiers: BTreeMap<&'static str, Vec<String>>,
    /// Ranges of the VPC.
    pub ranges: Vec<String>,
    /// Route tables of the private subnets, for resources that need internet access from the start.
    pub private_route_tables: Vec<String>,
}

impl NetworkLayout {
    /// Subnets of a tier, by zone.
    pub fn subnets(&self, tier: &str) -> &[String] {
        self.tiers.get(tier).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Zone with its letter, which is part of the names of its resources.
struct Zone {
    letter: char,
    name: String,
}

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let Some(network) = parse_section::<Network>(out.compiler, value, at, "the network") else { return };
    let vpc = json!({
        "cidr": network.cidr, "secondary_cidrs": network.secondary_cidrs,
        "dns_support": network.dns_support, "dns_hostnames": network.dns_hostnames,
    });
    out.add_generated("vpc", "main", vpc, at);
    out.add_generated("internet_gateway", "main", json!({ "vpc": "main" }), at);
    // AWS has no range that small, which is reported for the VPC: nothing fits into it.
    if network.cidr.range().is_some_and(|range| range.prefix_len() > 28) {
        return;
    }

    let zones = parse_zones(out, &network, at);
    let ranges = std::iter::once(&network.cidr).chain(&network.secondary_cidrs).map(ToString::to_string).collect();
    let routes = zones.iter().map(|zone| format!("route_table.private-{}", zone.letter)).collect();
    let mut layout = NetworkLayout { tiers: BTreeMap::new(), ranges, private_route_tables: routes };
    for zone in &zones {
        for (tier, role) in [("public", "elb"), ("private", "internal-elb")] {
            let public = tier == "public";
            let Some(cidr) = subnet_cidr(out, &network, zone, tier, at) else { continue };
            let mut tags = if public { network.public_subnet_tags.clone() } else { network.private_subnet_tags.clone() };
            // Load balancer controllers find usable subnets by these tags:
            // <https://docs.aws.amazon.com/eks/latest/userguide/network-load-balancing.html>.
            tags.entry(format!("kubernetes.io/role/{role}")).or_insert_with(|| "1".into());
            let name = format!("{tier}-{}", zone.letter);
            let spec = json!({
                "vpc": "main", "cidr": cidr, "availability_zone": zone.name, "tags": tags,
                "public_ip_on_launch": public && network.public_ip_on_launch,
            });
            add_subnet(out, &network, &name, spec, at);
            layout.tiers.entry(tier).or_default().push(name);
        }
        for tier in network.tiers.iter().map(|tier| tier.name()) {
            let Some(cidr) = subnet_cidr(out, &network, zone, tier, at) else { continue };
            let name = format!("{tier}-{}", zone.letter);
            add_subnet(out, &network, &name, json!({ "vpc": "main", "cidr": cidr, "availability_zone": zone.name }), at);
            layout.tiers.entry(tier).or_default().push(name);
        }
    }
    for tier in network.tiers.iter().map(|tier| tier.name()) {
        out.add_generated("route_table", tier, json!({ "vpc": "main", "subnets": layout.subnets(tier) }), &format!("{at}/tiers"));
    }
    add_gateways_and_routes(out, &network, &zones, &layout, at);
    add_endpoints(out, &network, &zones, &layout, at);
    add_flow_logs(out, network.flow_logs, at);
    for mut entry in out.parse_entries(network.acls.into_iter().collect::<Fields>().into(), &format!("{at}/acls")) {
        set_default(&mut entry.fields, "vpc", "main");
        if let Some(subnets) = entry.text("subnets").and_then(|tier| layout.tiers.get(tier)).cloned() {
            entry.fields.insert("subnets".into(), subnets.into());
        }
        out.add_resource("network_acl", entry.name, entry.fields, &entry.pointer);
    }
    out.network = Some(layout);
    let groups = network.security_groups.into_iter().collect::<Fields>();
    for entry in out.parse_entries(groups.into(), &format!("{at}/security_groups")) {
        let mut fields = entry.fields;
        set_default(&mut fields, "vpc", "main");
        out.add_resource("security_group", entry.name, fields, &entry.pointer);
    }
}

fn parse_zones(out: &mut Expansion<'_, '_>, network: &Network, at: &str) -> Vec<Zone> {
    let at = format!("{at}/zones");
    let wanted: Vec<String> = match &network.zones {
        Zones::Count(count @ 1..=6) => ('a'..='z').take(usize::from(*count)).map(String::from).collect(),
        Zones::Count(count) => {
            out.compiler.problem(
                "zones",
                &at,
                format!("{count} is not a valid number of zones"),
                "choose 1 to 6, or list letters: `[a, b]`",
            );
            return Vec::new();
        }
        Zones::List(list) if list.is_empty() => {
            out.compiler.problem("zones", &at, "a network needs at least one zone", "choose 1 to 6, or list letters: `[a, b]`");
            return Vec::new();
        }
        Zones::List(list) => list.clone(),
    };
    let mut zones: Vec<Zone> = Vec::new();
    for text in wanted {
        let letter = text.chars().last().filter(char::is_ascii_lowercase);
        let zone = match (letter, out.frame.region) {
            (None, _) => {
                out.compiler.problem(
                    "zones",
                    &at,
                    format!("`{text}` is not a valid zone"),
                    "write a letter such as `a`, or a name such as `eu-west-1a`",
                );
                continue;
            }
            (Some(letter), _) if text.len() > 1 => Zone { letter, name: text },
            (Some(letter), Some(region)) => Zone { letter, name: format!("{region}{letter}") },
            (Some(_), None) => {
                out.compiler.problem(
                    "zones",
                    &at,
                    "zones need a region",
                    "add `region:` at the top level, or write full names: `[eu-west-1a]`",
                );
                return zones;
            }
        };
        if zones.iter().any(|other| other.letter == zone.letter) {
            out.compiler.problem("zones", &at, format!("the zone `{}` is listed twice", zone.name), "list each zone once");
            continue;
        }
        zones.push(zone);
    }
    zones
}

fn add_subnet(out: &mut Expansion<'_, '_>, network: &Network, name: &str, spec: Value, at: &str) {
    let Some(draft) = out.add_generated("subnet", name, spec, at) else { return };
    if matches!(network.zones, Zones::Count(_)) {
        draft.chosen_fields.push("/availability_zone".into());
    }
    draft.pointer_overrides = vec![("/availability_zone".into(), format!("{at}/zones")), ("/cidr".into(), format!("{at}/cidr"))];
    for tier in ["public", "private"].into_iter().filter(|tier| name.starts_with(tier)) {
        draft.pointer_overrides.push(("/tags".into(), format!("{at}/{tier}_subnet_tags")));
    }
}

/// Range of a zone's subnet. Public subnets are in the lower half of the VPC's range, private ones in the upper, each at the
/// position of its zone's letter, so that adding or removing zones does not move other ranges. Additional tiers are at the ends of the halves.
fn subnet_cidr(out: &mut Expansion<'_, '_>, network: &Network, zone: &Zone, tier: &str, at: &str) -> Option<String> {
    let public = tier == "public";
    let whole = network.cidr.range()?;
    // A range that AWS does not accept is reported once, and not by its parts, too.
    let whole = if whole.prefix_len() < 16 { ipnet::IpNet::new(whole.addr(), 16).ok()?.trunc() } else { whole };
    let prefix = network.subnet_prefix.unwrap_or_else(|| (whole.prefix_len() + 4).min(28));
    let Some(newbits) = prefix.checked_sub(whole.prefix_len()).filter(|bits| *bits > 0 && prefix <= 28) else {
        if public {
            let message = format!("/{prefix} subnets do not fit a /{} network", whole.prefix_len());
            out.compiler.problem(
                "subnet-prefix",
                &format!("{at}/subnet_prefix"),
                message,
                format!("choose /{} to /28", whole.prefix_len() + 1),
            );
        }
        return None;
    };
    let half = 1u64 << (newbits - 1);
    let place = u64::from(u32::from(zone.letter) - u32::from('a'));
    let room = if network.tiers.is_empty() { half } else { half.div_ceil(2) };
    if place >= room {
        if public {
            let message = format!("{whole} has no room for /{prefix} subnets in zone `{}`", zone.letter);
            out.compiler.problem(
                "subnet-prefix",
                &format!("{at}/zones"),
                message,
                "use fewer zones, a wider `cidr`, or a longer `subnet_prefix`",
            );
        }
        return None;
    }
    let index = match tier {
        "public" => place,
        "database" => half - 1 - place,
        "intra" => 2 * half - 1 - place,
        _ => half + place,
    };
    cidr_subnet(&whole.to_string(), newbits.into(), index).ok()
}

/// Creates gateways and routes. There is one private route table per zone even with a single NAT gateway, so that a change of `nat`
/// affects routes and gateways, and no subnet moves to another table.
fn add_gateways_and_routes(out: &mut Expansion<'_, '_>, network: &Network, zones: &[Zone], layout: &NetworkLayout, at: &str) {
    let nat_at = format!("{at}/nat");
    let gateways = match network.nat {
        Nat::None => &[],
        Nat::Single => &zones[..zones.len().min(1)],
        Nat::PerAz => zones,
    };
    for zone in gateways {
        let (letter, address) = (zone.letter.to_string(), format!("nat-{}", zone.letter));
        out.add_generated("elastic_ip", &address, json!({}), &nat_at);
        // AWS refuses a public NAT gateway while its VPC has no internet gateway.
        let spec = json!({ "subnet": format!("public-{letter}"), "elastic_ip": address, "depends_on": ["internet_gateway.main"] });
        out.add_generated("nat_gateway", letter, spec, &nat_at);
    }
    let everywhere = "0.0.0.0/0";
    let routes = json!([{ "destination": everywhere, "gateway": "main" }]);
    out.add_generated("route_table", "public", json!({ "vpc": "main", "routes": routes, "subnets": layout.subnets("public") }), at);
    for zone in zones {
        let gateway = if network.nat == Nat::PerAz { Some(zone) } else { gateways.first() };
        let routes: Vec<Value> =
            gateway.iter().map(|gateway| json!({ "destination": everywhere, "nat_gateway": gateway.letter.to_string() })).collect();
        let name = format!("private-{}", zone.letter);
        out.add_generated("route_table", &name, json!({ "vpc": "main", "routes": routes, "subnets": [name] }), at);
    }
}

fn add_endpoints(out: &mut Expansion<'_, '_>, network: &Network, zones: &[Zone], layout: &NetworkLayout, at: &str) {
    let at = format!("{at}/endpoints");
    let mut interfaces = false;
    for service in &network.endpoints {
        let spec = if matches!(service.as_str(), "s3" | "dynamodb") {
            let tables: Vec<String> = zones.iter().map(|zone| format!("private-{}", zone.letter)).chain(["public".to_owned()]).collect();
            let tables: Vec<String> = tables.into_iter().chain(network.tiers.iter().map(|tier| tier.name().to_owned())).collect();
            json!({ "vpc": "main", "service": service, "type": "gateway", "route_tables": tables })
        } else {
            interfaces = true;
            json!({
                "vpc": "main", "service": service, "type": "interface", "subnets": layout.subnets("private"),
                "security_groups": ["endpoints"], "private_dns": true,
            })
        };
        out.add_generated("vpc_endpoint", service.replace('.', "-"), spec, &at);
    }
    if interfaces {
        let rule = json!({ "port": 443, "cidrs": layout.ranges, "description": "The network" });
        let spec = json!({ "vpc": "main", "description": "AWS services within the network", "ingress": [rule], "egress": [] });
        out.add_generated("security_group", "endpoints", spec, &at);
    }
}

fn add_flow_logs(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    let at = format!("{at}/flow_logs");
    let mut fields = match value {
        Value::Null | Value::Bool(false) => return,
        Value::Bool(true) => Fields::new(),
        other => match out.parse_fields(other, &at) {
            Some(fields) => fields,
            None => return,
        },
    };
    let own: FlowLogs = out.take_own_fields(&mut fields, &at, "`flow_logs`").unwrap_or_default();
    let given = |field: &str| fields.get(field).is_some_and(|value| !value.is_null());
    if given("bucket") || given("log_group") {
        let of_bucket = [("keep_days", own.keep_days.is_some()), ("on_delete", own.on_delete.is_some())];
        for (field, _) in of_bucket.into_iter().filter(|(_, written)| *written) {
            let message = format!("`{field}` configures a dedicated bucket, but these flow logs have another destination");
            out.compiler.problem_at_key(
                "flow-logs",
                &format!("{at}/{field}"),
                message,
                "remove the line, or configure the destination itself",
            );
        }
    } else {
        let name = "flow-logs";
        let spec = json!({
            "policy": log_delivery_policy(name, out.frame.region.unwrap_or("*")),
            "on_delete": own.on_delete,
            "lifecycle_rules": own.keep_days.map_or(json!({}), |days| json!({ "old-records": { "expire_days": days } })),
            "versioning": false,
        });
        if let Some(draft) = out.add_generated("s3_bucket", name, spec, &at) {
            draft.pointer_overrides.push(("/lifecycle_rules".into(), format!("{at}/keep_days")));
        }
        fields.insert("bucket".into(), name.into());
    }
    set_default(&mut fields, "vpc", "main");
    if let Some(draft) = out.add_resource("flow_log", "main", fields, &at) {
        draft.extra_fields = field_names::<FlowLogs>();
    }
}

/// Bucket policy that allows AWS's log delivery to write this account's logs.
///
/// Source: <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-s3-permissions.html>
fn log_delivery_policy(bucket: &str, region: &str) -> Value {
    let (account, partition) = ("${vpc.main.owner_id}", aws::partition(region));
    let arn = format!("arn:{partition}:s3:::${{s3_bucket.{bucket}.name}}");
    let source = json!({ "aws:SourceArn": format!("arn:{partition}:logs:{region}:{account}:*") });
    let principal = json!({ "Service": "delivery.logs.amazonaws.com" });
    json!({ "Statement": [
        {
            "Sid": "AWSLogDeliveryWrite", "Effect": "Allow", "Principal": principal, "Action": "s3:PutObject",
            "Resource": format!("{arn}/*"),
            "Condition": {
                "StringEquals": { "aws:SourceAccount": account, "s3:x-amz-acl": "bucket-owner-full-control" },
                "ArnLike": source,
            },
        },
        {
            "Sid": "AWSLogDeliveryAclCheck", "Effect": "Allow", "Principal": principal, "Action": "s3:GetBucketAcl", "Resource": arn,
            "Condition": { "StringEquals": { "aws:SourceAccount": account }, "ArnLike": source },
        },
    ] })
}
