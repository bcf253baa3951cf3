//! Kinds of leftovers, and their ids.

use acme_macros::spec;

use crate::core::LeftoverStage;

/// Kind of a leftover, in the order of deletion.
#[spec]
#[derive(Copy)]
pub enum LeftoverKind {
    /// An accelerator of Global Accelerator.
    Accelerator,
    /// An application, network or gateway load balancer.
    LoadBalancer,
    /// A classic load balancer.
    ClassicLoadBalancer,
    /// A target group.
    TargetGroup,
    /// An instance.
    Instance,
    /// A launch template.
    LaunchTemplate,
    /// An instance profile.
    InstanceProfile,
    /// A network interface that nothing uses any more.
    NetworkInterface,
    /// A security group.
    SecurityGroup,
    /// An EBS volume.
    Volume,
    /// A snapshot of an EBS volume.
    Snapshot,
    /// Records of one name.
    DnsRecord,
    /// A log group.
    LogGroup,
    /// What has appeared since the plan.
    Rest,
}

use LeftoverKind::{
    Accelerator, ClassicLoadBalancer, DnsRecord, Instance, InstanceProfile, LaunchTemplate, LoadBalancer, LogGroup, NetworkInterface, Rest,
    SecurityGroup, Snapshot, TargetGroup, Volume,
};

/// Beginnings of the ids of AWS that tell the kind.
const PREFIXES: &[(&str, LeftoverKind)] =
    &[("eni-", NetworkInterface), ("i-", Instance), ("lt-", LaunchTemplate), ("sg-", SecurityGroup), ("snap-", Snapshot), ("vol-", Volume)];

/// Parts of the ARNs that tell the kind.
const ARN_PARTS: &[(&str, LeftoverKind)] =
    &[(":accelerator/", Accelerator), (":loadbalancer/", LoadBalancer), (":targetgroup/", TargetGroup)];

/// Kinds whose ids are acme's own, because AWS has only names: `<word>/<parts>`.
const NAMED: &[LeftoverKind] = &[ClassicLoadBalancer, DnsRecord, InstanceProfile, LogGroup, Rest];

impl LeftoverKind {
    /// Kind of the leftover with this id, and the part of the id that AWS knows.
    pub(super) fn of_id(id: &str) -> Option<(LeftoverKind, &str)> {
        if id.starts_with("arn:") {
            let kind = ARN_PARTS.iter().find(|(part, _)| id.contains(part)).map(|(_, kind)| *kind)?;
            return Some((kind, id));
        }
        let named = || NAMED.iter().find_map(|kind| Some((*kind, id.strip_prefix(kind.word())?.strip_prefix('/')?)));
        named().or_else(|| PREFIXES.iter().find(|(prefix, _)| id.starts_with(prefix)).map(|(_, kind)| (*kind, id)))
    }

    /// Id of a leftover of a kind of which AWS has only names.
    pub(super) fn id(self, parts: &[&str]) -> String {
        format!("{}/{}", self.word(), parts.join("/"))
    }

    /// Place of its deletion.
    pub(super) fn stage(self) -> LeftoverStage {
        match self {
            Accelerator | LoadBalancer | ClassicLoadBalancer | TargetGroup | Instance | LaunchTemplate | InstanceProfile => {
                LeftoverStage::BeforeOwner
            }
            NetworkInterface | SecurityGroup | Volume | Snapshot | DnsRecord | LogGroup => LeftoverStage::AfterOwner,
            Rest => LeftoverStage::Last,
        }
    }

    /// As part of a name.
    pub(super) fn word(self) -> &'static str {
        match self {
            Accelerator => "accelerator",
            LoadBalancer => "load-balancer",
            ClassicLoadBalancer => "classic-load-balancer",
            TargetGroup => "target-group",
            Instance => "instance",
            LaunchTemplate => "launch-template",
            InstanceProfile => "instance-profile",
            NetworkInterface => "network-interface",
            SecurityGroup => "security-group",
            Volume => "volume",
            Snapshot => "snapshot",
            DnsRecord => "dns-record",
            LogGroup => "log-group",
            Rest => "rest",
        }
    }

    /// As part of a sentence.
    pub(super) fn noun(self) -> String {
        self.word().replace('-', " ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_tell_the_kind() {
        let balancer = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/k8s-web/0123";
        let group = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/k8s-web/0123";
        let accelerator = "arn:aws:globalaccelerator::123456789012:accelerator/0123";
        let log_group = LogGroup.id(&["/aws/eks/main/cluster"]);
        for (id, expected) in [
            (balancer, Some((LoadBalancer, balancer))),
            (group, Some((TargetGroup, group))),
            (accelerator, Some((Accelerator, accelerator))),
            ("arn:aws:sns:eu-west-1:123456789012:news", None),
            ("i-0123", Some((Instance, "i-0123"))),
            ("vol-0123", Some((Volume, "vol-0123"))),
            (log_group.as_str(), Some((LogGroup, "/aws/eks/main/cluster"))),
            ("rest/main", Some((Rest, "main"))),
            ("instance-profile/main_1", Some((InstanceProfile, "main_1"))),
            ("other", None),
        ] {
            assert_eq!(LeftoverKind::of_id(id), expected, "{id}");
        }
    }
}
