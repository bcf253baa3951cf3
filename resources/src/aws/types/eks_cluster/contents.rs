//! Names of what is in a cluster.

/// Name of something that a resource provides or requires, see [`crate::core::Resource::provides`].
pub fn content(cluster: &str, name: &str) -> String {
    format!("kubernetes {cluster} {name}")
}

/// Beginning of the names of kinds, see [`crate::core::Resource::may_provide`].
pub fn kinds(cluster: &str) -> String {
    content(cluster, "kind ")
}
