//! GitOps: stopped before anything is deleted, because it would create that again.

mod argocd;
mod flux;

use crate::{core::Result, kubernetes::Cluster};

impl Cluster {
    /// Stops Argo CD and Flux. Returns what may still apply objects.
    pub(super) async fn stop_gitops(&self) -> Result<Vec<String>> {
        let mut awaited = self.stop_argocd().await?;
        awaited.extend(self.stop_flux().await?);
        Ok(awaited)
    }

    /// What still applies objects. Where something was resumed since, another call has to stop it, so there is nothing to wait for.
    pub(super) async fn running_gitops(&self) -> Result<Vec<String>> {
        let (argocd, flux) = (self.running_argocd().await?, self.running_flux().await?);
        Ok(argocd.zip(flux).map(|(argocd, flux)| [argocd, flux].concat()).unwrap_or_default())
    }
}
