//! The Kubernetes back end: connections to the clusters of a region, and the resource types in them.
//!
//! A cluster is reached by its name in EKS: its endpoint and certificate come from EKS, the token from the AWS credentials of the run.

mod applications;
mod applied;
pub mod cleanup;
mod cluster;
mod error;
mod health;
mod helm;
mod inventory;
mod kinds;
mod object_id;
mod readiness;
mod removed_apis;
mod token;
pub mod types;
mod upgrade;

use std::{
    any::Any,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::BoxFuture;

use crate::{
    aws::{CallPacer, services::Clients},
    core::{Api, Error, ErrorKind, Result, ServiceInfo, TagChange},
};

pub use applications::Application;
pub(crate) use cluster::Access;
pub use cluster::{Cluster, Endpoint};
pub use helm::{EMBEDDED_PREFIX, EmbeddedChart, SERVICE_CHART};
pub use object_id::ObjectId;
pub(crate) use removed_apis::replacement;
pub use token::{Caller, LIFETIME as TOKEN_LIFETIME, exec_entry};
pub(crate) use upgrade::{NodeVersion, UsedKind, kind_of, kinds_in};

/// The facts of the API, in the terms of a service of AWS. It has no IAM actions: access entries of the cluster grant access.
pub static SERVICE: ServiceInfo = ServiceInfo::new("kubernetes", "Kubernetes").error_codes(crate::core::ErrorCodes {
    not_found: "NotFound",
    already_exists: "AlreadyExists",
    in_use: "Conflict",
});

/// The clusters of one region.
pub struct Kubernetes {
    /// Clients of EKS, and of the services that keep secret values.
    pub(crate) clients: Arc<Clients>,
    access: Access,
    calls: CallPacer,
    clusters: Mutex<BTreeMap<String, Arc<Cluster>>>,
}

impl Kubernetes {
    /// Connects to no cluster yet.
    pub(crate) fn new(clients: Arc<Clients>, access: Access, calls: CallPacer) -> Kubernetes {
        Kubernetes { clients, access, calls, clusters: Mutex::default() }
    }

    /// Tells where the API of a cluster is, which saves the call that asks for it.
    pub fn remember(&self, name: &str, endpoint: Endpoint) {
        let mut clusters = self.clusters.lock().unwrap_or_else(PoisonError::into_inner);
        if clusters.get(name).is_none_or(|known| *known.endpoint() != endpoint) {
            clusters.insert(name.to_owned(), Arc::new(self.connect(name, endpoint)));
        }
    }

    /// Returns a token for the cluster of this name, whether or not it exists.
    ///
    /// # Errors
    /// Fails without credentials.
    pub async fn token(&self, cluster: &str) -> Result<String> {
        token::for_cluster(cluster, &self.access.region, self.access.credentials.as_ref()).await
    }

    /// Returns the cluster of this name.
    ///
    /// # Errors
    /// Fails if there is none, or if it has no endpoint yet.
    pub async fn cluster(&self, name: &str) -> Result<Arc<Cluster>> {
        if let Some(known) = self.known(name) {
            return Ok(known);
        }
        let reply = self.clients.eks.describe_cluster().name(name).send().await?;
        let endpoint =
            reply.cluster.as_ref().and_then(Endpoint::of).ok_or_else(|| {
                Error::new(ErrorKind::NotYetVisible, "ClusterNotReady", format!("the cluster `{name}` has no endpoint yet"))
            })?;
        self.remember(name, endpoint);
        self.known(name).ok_or_else(|| Error::missing_field("endpoint"))
    }

    /// Returns the clusters of these names that have an API: there is nothing yet in one that is being created.
    ///
    /// # Errors
    /// Returns errors of EKS.
    pub(crate) async fn clusters(&self, names: &[String]) -> Result<Vec<Arc<Cluster>>> {
        let mut found = Vec::new();
        for name in names {
            match self.cluster(name).await {
                Err(error) if error.is_not_found() || error.code == "ClusterNotReady" => {}
                cluster => found.push(cluster?),
            }
        }
        Ok(found)
    }

    fn known(&self, name: &str) -> Option<Arc<Cluster>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    fn connect(&self, name: &str, endpoint: Endpoint) -> Cluster {
        Cluster::new(name, endpoint, self.access.clone(), self.calls.clone())
    }
}

impl Api for Kubernetes {
    fn retag<'a>(&'a self, service: &ServiceInfo, _: &'a TagChange<'a>) -> BoxFuture<'a, Result<()>> {
        let error = Error::new(ErrorKind::Rejected, "Tags", format!("`{}` has no common calls for tags", service.name));
        Box::pin(std::future::ready(Err(error)))
    }
}

impl Kubernetes {
    /// As a back end of a run.
    pub fn as_backend(&self) -> &dyn Any {
        self
    }
}
