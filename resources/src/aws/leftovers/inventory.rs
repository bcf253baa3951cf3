//! Everything that controllers of a cluster made.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;

use super::{LeftoverKind, Search, VolumePolicy, accelerators, balancers, groups, machines, named, records, volumes};
use crate::{
    aws::Aws,
    core::{Error, Result, Tags},
};

/// Something that a controller made.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// Id, see [`LeftoverKind::of_id`].
    pub id: String,
    /// Kind.
    pub kind: LeftoverKind,
    /// Name for people.
    pub name: String,
    /// Controller that made it.
    pub maker: &'static str,
    /// Its purpose, if the tags tell it.
    pub detail: String,
    /// ARNs and generated ids of what is deleted after it.
    pub uses: BTreeSet<String>,
    /// What its deletion loses for good.
    pub loss: Option<String>,
}

impl Found {
    pub(super) fn new(id: String, kind: LeftoverKind, name: String, maker: &'static str, tags: &Tags) -> Found {
        Found { id, kind, name, maker, detail: purpose(tags), uses: BTreeSet::new(), loss: None }
    }
    /// Adds what is deleted after it.
    pub(super) fn using<T: Into<String>>(mut self, uses: impl IntoIterator<Item = T>) -> Found {
        self.uses.extend(uses.into_iter().map(Into::into).filter(|id| !id.is_empty()));
        self
    }
    /// Sets what its deletion loses for good.
    pub(super) fn losing(self, loss: impl Into<String>) -> Found {
        Found { loss: Some(loss.into()), ..self }
    }
}

/// Result of a search.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// What is deleted, in the order of deletion.
    pub found: Vec<Found>,
    /// What stays, because the definition says so.
    pub kept: Vec<String>,
    /// What can't be read, with the error.
    pub unread: Vec<(&'static str, Error)>,
}

/// Looks for everything at once.
pub(super) async fn inventory(aws: &Aws, search: &Search) -> Inventory {
    let (accelerators, v2, classic, machines, templates, profiles, interfaces, groups, volumes, snapshots, records, logs) = tokio::join!(
        accelerators::find(aws, search),
        balancers::find(aws, search),
        balancers::find_classic(aws, search),
        machines::find_instances(aws, search),
        machines::find_launch_templates(aws, search),
        named::find_instance_profiles(aws, search),
        groups::find_interfaces(aws, search),
        groups::find_groups(aws, search),
        volumes::find_volumes(aws, search),
        volumes::find_snapshots(aws, search),
        records::find(aws, search),
        named::find_log_groups(aws, search),
    );
    let mut inventory = Inventory::default();
    inventory.add("accelerators", accelerators);
    inventory.add("load balancers", v2);
    inventory.add("classic load balancers", classic);
    inventory.add("instances", machines);
    inventory.add("launch templates", templates);
    inventory.add("instance profiles", profiles);
    inventory.add("network interfaces", interfaces);
    inventory.add("security groups", groups);
    inventory.add("records", records);
    let keeps = search.volumes == VolumePolicy::Keep;
    for (noun, read, stays) in
        [("volumes", volumes, keeps), ("snapshots", snapshots, search.volumes != VolumePolicy::Delete), ("log groups", logs, keeps)]
    {
        match read {
            Ok(found) if stays => inventory.kept.extend(found.iter().map(|found| format!("The {} `{}`", found.kind.noun(), found.name))),
            read => inventory.add(noun, read),
        }
    }
    inventory.found.sort_by(|a, b| (a.kind, &a.id).cmp(&(b.kind, &b.id)));
    inventory
}

impl Inventory {
    fn add(&mut self, noun: &'static str, read: Result<Vec<Found>>) {
        match read {
            Ok(found) => self.found.extend(found),
            Err(error) => self.unread.push((noun, error)),
        }
    }
}

/// Tags of the AWS Load Balancer Controller with the Gateway for which it has made something.
const GATEWAY_TAGS: [&str; 2] = ["gateway.k8s.aws.alb/stack", "gateway.k8s.aws.nlb/stack"];

/// Object of the cluster for which something was made, from the tags of its controller.
fn purpose(tags: &Tags) -> String {
    let tag = |key: &str| tags.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let claim = tag("kubernetes.io/created-for/pvc/namespace").zip(tag("kubernetes.io/created-for/pvc/name"));
    let of = |noun: &str, name: &str| format!("of the {noun} {name}");
    claim
        .map(|(namespace, name)| of("claim", &format!("{namespace}/{name}")))
        .or_else(|| tag("ingress.k8s.aws/stack").map(|name| of("Ingress", name)))
        .or_else(|| tag("service.k8s.aws/stack").or_else(|| tag("kubernetes.io/service-name")).map(|name| of("Service", name)))
        .or_else(|| tag("aga.k8s.aws/stack").map(|name| of("GlobalAccelerator", name)))
        .or_else(|| GATEWAY_TAGS.iter().find_map(|key| tag(key)).map(|name| of("Gateway", name)))
        .or_else(|| tag("karpenter.sh/nodepool").map(|name| of("node pool", name)))
        .unwrap_or_default()
}

/// Filter of EC2 for everything with one of the tags of controllers. Their values are compared afterwards.
pub(super) fn tagged(search: &Search) -> Filter {
    Filter::builder().name("tag-key").set_values(Some(search.tag_keys())).build()
}

/// Filter of EC2.
pub(super) fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}
