//! What belongs to a cluster: the tags that controllers set.
//!
//! Sources: AWS Load Balancer Controller <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/>,
//! cloud provider <https://cloud-provider-aws.sigs.k8s.io/>, Karpenter <https://karpenter.sh/docs/concepts/nodeclasses/#spectags>, EBS CSI
//! driver <https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md>, VPC CNI
//! <https://github.com/aws/amazon-vpc-cni-k8s>, AWS Global Accelerator Controller
//! <https://github.com/h3poteto/aws-global-accelerator-controller>.

use std::collections::BTreeSet;

use acme_macros::spec;

use super::VolumePolicy;
use crate::core::{ADDRESS_TAG, ENVIRONMENT_TAG, STACK_TAG, Tags, is_controller_tag};

/// What to look for.
#[spec]
#[derive(PartialEq)]
pub struct Search {
    /// Name of the cluster.
    pub cluster: String,
    /// Stack name.
    pub stack: String,
    /// Environment name.
    pub environment: String,
    /// VPC of the cluster.
    pub network: String,
    /// Hosted zones of the stack.
    #[field(default)]
    pub zones: BTreeSet<String>,
    /// Log groups of the stack, which have steps of their own.
    #[field(default)]
    pub log_groups: BTreeSet<String>,
    /// Whether no other cluster stays in the stack, so that the stack's tags tell enough.
    #[field(default = false)]
    pub is_last: bool,
    /// Treatment of volumes.
    pub volumes: VolumePolicy,
    /// Seconds since 1970 from which on volumes, snapshots and log groups count; 0 for all.
    #[field(default = 0)]
    pub since: i64,
}

/// Tag of the snapshots that acme leaves, with the id of the volume.
pub(super) const VOLUME_TAG: &str = "acme:volume";

/// Tag of instances of managed node groups, which EKS deletes.
const NODE_GROUP: &str = "eks:nodegroup-name";
/// Tag of instances of Auto Scaling groups.
const SCALING_GROUP: &str = "aws:autoscaling:groupName";
/// Tag of the security group that EKS deletes with the cluster.
const EKS_CLUSTER: &str = "aws:eks:cluster-name";

/// Tags with the name of the cluster, by the controller that sets them.
const NAMING: &[(&str, &str)] = &[
    ("elbv2.k8s.aws/cluster", LOAD_BALANCER_CONTROLLER),
    ("ingress.k8s.aws/cluster", LOAD_BALANCER_CONTROLLER),
    ("karpenter.k8s.aws/cluster", KARPENTER),
    ("ebs.csi.aws.com/cluster-name", EBS_CSI),
    ("KubernetesCluster", EBS_CSI),
    ("cluster.k8s.amazonaws.com/name", VPC_CNI),
    ("eks:eks-cluster-name", "EKS Auto Mode"),
    ("aws-global-accelerator-cluster", ACCELERATOR_CONTROLLER),
];

const LOAD_BALANCER_CONTROLLER: &str = "AWS Load Balancer Controller";
const KARPENTER: &str = "Karpenter";
const EBS_CSI: &str = "the EBS CSI driver";
const VPC_CNI: &str = "the VPC CNI";
const ACCELERATOR_CONTROLLER: &str = "AWS Global Accelerator Controller";
const CLOUD_PROVIDER: &str = "the cloud provider";

/// Controllers by the beginnings of their tags, the more specific ones first.
const MAKERS: &[(&str, &str)] = &[
    ("karpenter.sh/", KARPENTER),
    ("karpenter.k8s.aws/", KARPENTER),
    ("ebs.csi.aws.com/", EBS_CSI),
    ("CSIVolume", EBS_CSI),
    ("kubernetes.io/created-for/", EBS_CSI),
    ("node.k8s.amazonaws.com/", VPC_CNI),
    ("eks:eni:owner", VPC_CNI),
    ("aga.k8s.aws/", LOAD_BALANCER_CONTROLLER),
    ("elbv2.k8s.aws/", LOAD_BALANCER_CONTROLLER),
    ("ingress.k8s.aws/", LOAD_BALANCER_CONTROLLER),
    ("service.k8s.aws/", LOAD_BALANCER_CONTROLLER),
    ("gateway.k8s.aws", LOAD_BALANCER_CONTROLLER),
];

impl Search {
    /// A search of which nothing is known: the steps have their own.
    pub(super) fn unknown() -> Search {
        Search {
            cluster: String::new(),
            stack: String::new(),
            environment: String::new(),
            network: String::new(),
            zones: BTreeSet::new(),
            log_groups: BTreeSet::new(),
            is_last: false,
            volumes: VolumePolicy::Keep,
            since: 0,
        }
    }

    /// Whether data with this age, in seconds since 1970, can belong to the cluster. One that AWS does not date can.
    pub(super) fn is_recent(&self, created: Option<i64>) -> bool {
        created.is_none_or(|created| created >= self.since)
    }

    /// Whether something in this VPC can belong to the cluster.
    pub(super) fn is_in_network(&self, vpc: Option<&str>) -> bool {
        self.network.is_empty() || vpc.is_none_or(|vpc| vpc == self.network)
    }

    /// Key of the tag with which controllers own something: `kubernetes.io/cluster/main`.
    fn ownership_key(&self) -> String {
        format!("kubernetes.io/cluster/{}", self.cluster)
    }

    /// Keys of which everything that belongs to the cluster has one.
    pub(super) fn tag_keys(&self) -> Vec<String> {
        let own = [self.ownership_key(), STACK_TAG.to_owned()];
        NAMING.iter().map(|(key, _)| (*key).to_owned()).chain(own).collect()
    }

    /// Controller of the cluster that made the resource with these tags; `None` for resources of others, of the stack, of node groups, and
    /// for shared ones.
    pub(super) fn maker(&self, tags: &Tags) -> Option<&'static str> {
        let ownership = tags.get(&self.ownership_key()).map(String::as_str);
        let is_of_others = [ADDRESS_TAG, VOLUME_TAG, NODE_GROUP, SCALING_GROUP, EKS_CLUSTER].iter().any(|key| tags.contains_key(*key));
        if is_of_others || ownership == Some("shared") {
            return None;
        }
        let by_tags = || MAKERS.iter().find(|(start, _)| tags.keys().any(|key| key.starts_with(start))).map(|(_, maker)| *maker);
        let naming = NAMING.iter().find(|(key, _)| tags.get(*key) == Some(&self.cluster)).map(|(_, maker)| *maker);
        if naming.is_some() || ownership == Some("owned") {
            return by_tags().or(naming).or(Some(CLOUD_PROVIDER));
        }
        // A tag that names another cluster says more than those of the stack.
        let names_other =
            NAMING.iter().any(|(key, _)| tags.contains_key(*key)) || tags.keys().any(|key| key.starts_with("kubernetes.io/cluster/"));
        let is_of_controller = tags.keys().any(|key| is_controller_tag(key) || key.starts_with("CSIVolume"));
        if self.is_last && self.is_of_stack(tags) && is_of_controller && !names_other { by_tags().or(Some("a controller")) } else { None }
    }

    /// Whether a resource has the tags of the stack.
    pub(super) fn is_of_stack(&self, tags: &Tags) -> bool {
        tags.get(STACK_TAG) == Some(&self.stack) && tags.get(ENVIRONMENT_TAG) == Some(&self.environment)
    }

    /// Owner ids of external-dns: that of the platform's component, if no other cluster has it, and the name of the cluster.
    pub(super) fn dns_owners(&self) -> Vec<String> {
        let of_stack = self.is_last.then(|| format!("{}-{}", self.stack, self.environment));
        of_stack.into_iter().chain([self.cluster.clone()]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(is_last: bool) -> Search {
        Search {
            cluster: "main".into(),
            stack: "shop".into(),
            environment: "test".into(),
            network: "vpc-1".into(),
            zones: BTreeSet::new(),
            log_groups: BTreeSet::new(),
            is_last,
            volumes: VolumePolicy::Snapshot,
            since: 0,
        }
    }

    fn maker(is_last: bool, tags: &[(&str, &str)]) -> Option<&'static str> {
        search(is_last).maker(&tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn knows_what_controllers_of_the_cluster_made() {
        let stack = [("acme:stack", "shop"), ("acme:environment", "test")];
        assert_eq!(maker(false, &[("elbv2.k8s.aws/cluster", "main")]), Some(LOAD_BALANCER_CONTROLLER));
        assert_eq!(maker(false, &[("elbv2.k8s.aws/cluster", "other")]), None);
        assert_eq!(maker(false, &[("kubernetes.io/cluster/main", "owned")]), Some(CLOUD_PROVIDER));
        assert_eq!(maker(false, &[("kubernetes.io/cluster/main", "owned"), ("karpenter.sh/nodepool", "default")]), Some(KARPENTER));
        assert_eq!(maker(false, &[("aws-global-accelerator-cluster", "main")]), Some(ACCELERATOR_CONTROLLER));
        assert_eq!(maker(false, &[("kubernetes.io/cluster/main", "shared"), ("elbv2.k8s.aws/cluster", "main")]), None);
        assert_eq!(maker(false, &[("kubernetes.io/cluster/main2", "owned")]), None);
        // The stack's own resources, node groups and the group of EKS have steps of their own.
        for key in ["acme:address", "eks:nodegroup-name", "aws:autoscaling:groupName", "aws:eks:cluster-name"] {
            assert_eq!(maker(true, &[("kubernetes.io/cluster/main", "owned"), (key, "x")]), None, "{key}");
        }
        // Without k8sTagClusterId, the driver does not name the cluster.
        let volume = [stack[0], stack[1], ("ebs.csi.aws.com/cluster", "true"), ("CSIVolumeName", "pvc-1")];
        assert_eq!(maker(true, &volume), Some(EBS_CSI));
        assert_eq!(maker(false, &volume), None, "it may be another cluster's");
        assert_eq!(maker(true, &[stack[0], stack[1]]), None, "nothing shows that a controller made it");
        assert_eq!(maker(true, &[stack[0], stack[1], ("elbv2.k8s.aws/cluster", "other")]), None);
    }

    #[test]
    fn only_recent_data_counts_if_the_search_says_so() {
        let search = Search { since: 1_000, ..search(true) };
        assert!(search.is_recent(Some(1_000)) && search.is_recent(None) && !search.is_recent(Some(999)));
    }
}
