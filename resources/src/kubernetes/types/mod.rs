//! The resource types in clusters.

pub mod helm_release;
pub mod kubernetes_object;

use crate::{
    aws::types::eks_cluster::EksCluster,
    core::{Questions, Ref},
    kubernetes::Kubernetes,
};

/// Name of the cluster that a reference in a plan points to; `None` before it exists.
fn existing_cluster(questions: &Questions<'_, Kubernetes>, cluster: &Ref<EksCluster>) -> Option<String> {
    let name = questions.planned(cluster).and_then(|cluster| cluster.name).unwrap_or_else(|| cluster.get().to_owned());
    (!name.contains("${") && !questions.creates(cluster)).then_some(name)
}
