//! Tags, and the keys of ownership tags.

use std::collections::{BTreeMap, BTreeSet};

use super::Shared;

/// Tags of a resource, including ownership tags.
pub type Tags = BTreeMap<String, String>;

/// Ownership tag with the stack's name.
pub const STACK_TAG: &str = "acme:stack";
/// Ownership tag with the environment's name.
pub const ENVIRONMENT_TAG: &str = "acme:environment";
/// Ownership tag with the resource's address in the stack.
pub const ADDRESS_TAG: &str = "acme:address";
/// Ownership tag of global resources with the region of the stack: the same definition may be applied in several regions.
pub const REGION_TAG: &str = "acme:region";
/// Tag with the treatment of the data, if the definition sets `on_delete`.
pub const ON_DELETE_TAG: &str = "acme:on-delete";

/// Key that a list adds to ownership tags derived from other attributes: a crash prevented the real tags, so none of them exists.
pub const UNTAGGED: &str = "acme:unmarked";

/// The ownership tags as text, for resources whose ownership is recorded beside them: `acme:stack=shop,acme:environment=production,…`.
pub fn ownership_text(tags: &Tags) -> String {
    let own = [STACK_TAG, ENVIRONMENT_TAG, ADDRESS_TAG, REGION_TAG];
    let pairs = own.into_iter().filter_map(|key| Some(format!("{key}={}", tags.get(key)?)));
    pairs.collect::<Vec<_>>().join(",")
}

/// The ownership tags in a text, see [`ownership_text`].
pub fn ownership_tags(text: &str) -> Tags {
    text.split(',').filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Beginnings of keys that AWS and controllers in a cluster set on resources which they don't own.
///
/// Sources: `aws:` and `eks:` <https://docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html>; `kubernetes.io/` and `elbv2.k8s.aws/`,
/// `ingress.k8s.aws/`, `service.k8s.aws/`, `gateway.k8s.aws` and `aga.k8s.aws/` of the AWS Load Balancer Controller
/// <https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/deploy/subnet_discovery/>; `k8s.io/cluster-autoscaler/`
/// <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/cloudprovider/aws/README.md>; `karpenter.sh/` and
/// `karpenter.k8s.aws/` <https://karpenter.sh/docs/concepts/nodeclasses/#spectags>; `ebs.csi.aws.com/`
/// <https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md>; `efs.csi.aws.com/`
/// <https://github.com/kubernetes-sigs/aws-efs-csi-driver>; `vpcresources.k8s.aws/` and `node.k8s.amazonaws.com/` of the VPC CNI
/// <https://github.com/aws/amazon-vpc-cni-k8s>; `services.k8s.aws/` of the AWS Controllers for Kubernetes
/// <https://aws-controllers-k8s.github.io/community/docs/user-docs/ack-tags/>.
const CONTROLLER_PREFIXES: &[&str] = &[
    "aga.k8s.aws/",
    "aws:",
    "ebs.csi.aws.com/",
    "efs.csi.aws.com/",
    "eks:",
    "elbv2.k8s.aws/",
    "gateway.k8s.aws.alb/",
    "gateway.k8s.aws.nlb/",
    "gateway.k8s.aws/",
    "ingress.k8s.aws/",
    "k8s.io/",
    "karpenter.k8s.aws/",
    "karpenter.sh/",
    "kubernetes.io/",
    "node.k8s.amazonaws.com/",
    "service.k8s.aws/",
    "services.k8s.aws/",
    "vpcresources.k8s.aws/",
];

/// Whether AWS or a controller in a cluster sets tags with this key.
pub fn is_controller_tag(key: &str) -> bool {
    CONTROLLER_PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

/// Keys of tags that others set, and that acme neither shows nor removes: `ignore_tags` in the definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoredTags(BTreeSet<String>);

impl IgnoredTags {
    /// Creates the set from keys; one that ends with `*` stands for all keys with this beginning.
    pub fn new(patterns: impl IntoIterator<Item = String>) -> IgnoredTags {
        IgnoredTags(patterns.into_iter().collect())
    }
    /// Whether tags with this key are left alone.
    pub fn contains(&self, key: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => key.starts_with(start),
            None => key == pattern,
        })
    }
    /// Removes these tags from those of a live resource.
    pub fn remove_from(&self, tags: &mut Shared<Tags>) {
        if !self.0.is_empty() && tags.keys().any(|key| self.contains(key)) {
            tags.retain(|key, _| !self.contains(key));
        }
    }
}

/// Change of a resource's tags. Tags set by AWS (`aws:`) remain.
#[derive(Debug)]
pub struct TagChange<'a> {
    /// Physical id.
    pub id: &'a str,
    /// ARN; the id if the type has no ARN.
    pub arn: &'a str,
    /// New tags, and tags with a new value.
    pub set: Tags,
    /// Keys to remove.
    pub remove: Vec<String>,
    /// All tags afterwards.
    pub after: &'a Tags,
}

impl<'a> TagChange<'a> {
    /// Creates the change from `before` to `after`.
    pub fn new(id: &'a str, arn: Option<&'a str>, before: &Tags, after: &'a Tags) -> TagChange<'a> {
        let none = Tags::new();
        let before = if before.contains_key(UNTAGGED) { &none } else { before };
        let set = after.iter().filter(|(k, v)| before.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
        let remove = before.keys().filter(|k| !after.contains_key(*k) && !k.starts_with("aws:")).cloned().collect();
        TagChange { id, arn: arn.unwrap_or(id), set, remove, after }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignores_keys_and_beginnings_of_keys() {
        let ignored = IgnoredTags::new(["cost-centre".to_owned(), "map-*".to_owned()]);
        let mut tags: Shared<Tags> = ["cost-centre", "cost-centre-2", "map-migrated", "team"]
            .map(|key| (key.to_owned(), String::new()))
            .into_iter()
            .collect::<Tags>()
            .into();
        ignored.remove_from(&mut tags);
        assert!(tags.keys().eq(["cost-centre-2", "team"]));
    }

    #[test]
    fn knows_the_tags_of_controllers() {
        for key in [
            "aws:cloudformation:stack-name",
            "kubernetes.io/cluster/main",
            "kubernetes.io/role/elb",
            "karpenter.sh/discovery",
            "elbv2.k8s.aws/cluster",
        ] {
            assert!(is_controller_tag(key), "{key}");
        }
        for key in ["Name", "acme:stack", "team", "example.com/kubernetes.io/x", "awsome"] {
            assert!(!is_controller_tag(key), "{key}");
        }
    }
}
