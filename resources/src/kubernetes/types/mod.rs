//! The resource types in clusters.

pub mod helm_release;
pub mod kubernetes_object;
