//! The cleanup in a cluster before its deletion: while its controllers live, they delete what they made in AWS.
//!
//! acme stops GitOps, which would create everything again, and then deletes the objects for which controllers work, stage by stage. It waits
//! for the controllers, not for finalizers: after a deadline it continues, because all objects vanish with the cluster, and what a dead
//! controller leaves in AWS is deleted by its tags.

mod gitops;
mod objects;
mod storage;

use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

use acme_macros::spec;

use super::{Cluster, Kubernetes};
use crate::{
    aws::leftovers::{
        VolumePolicy,
        cluster_leftover::{NoOutputs, only_deleted},
    },
    core::{
        Created, Cx, Deletion, Error, ErrorKind, Existing, Leftover, LeftoverStage, LiveResource, Named, Observed, Phase, Resource, Result,
        Scope, Tags, TypeInfo, list_first,
    },
    kubernetes,
};

/// Wait for the controllers of a stage, where the definition sets none.
const DEFAULT_WAIT_LIMIT: Duration = Duration::from_secs(300);

/// Objects of a stage that others create again are deleted so many times.
const MAX_ROUNDS: u32 = 5;

/// Attempts to reach the API.
const MAX_FAILURES: u32 = 3;

/// Pause between them.
const PAUSE: Duration = Duration::from_secs(1);

/// Objects that a message names.
const MAX_NAMED: usize = 5;

/// The cleanup in a cluster before its deletion. It can only be deleted, like what it is about.
#[spec]
pub struct ClusterCleanup {
    /// Name of the cluster.
    pub cluster: String,
    /// Wait for the controllers of a stage, in seconds.
    pub seconds: u64,
    /// Treatment of volumes.
    pub volumes: VolumePolicy,
}

/// Part of the cleanup. The parts follow each other, because a controller may run on the nodes of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Argo CD and Flux stop to apply.
    GitOps,
    /// Load balancers of Services, Ingresses and Gateways, and what registers targets.
    Edge,
    /// Volumes of claims.
    Storage,
    /// Nodes of Karpenter.
    Nodes,
}

const STAGES: [Stage; 4] = [Stage::GitOps, Stage::Edge, Stage::Storage, Stage::Nodes];

impl Stage {
    /// Maximum wait: draining nodes takes longest, and stopping GitOps waits only for operations that run.
    fn wait_limit(self, longest: Duration) -> Duration {
        match self {
            Stage::GitOps => longest.min(Duration::from_secs(60)),
            Stage::Edge | Stage::Storage => longest,
            Stage::Nodes => longest * 2,
        }
    }
}

/// How far a cleanup is. A run after a crash begins again, which finds less to do.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Index of the stage; beyond the last one, nothing is left to do.
    stage: usize,
    /// Deadline of the stage, once it waits for something.
    deadline: Option<Instant>,
    /// Number of times that the stage has deleted objects.
    rounds: u32,
    /// Number of times in a row that the API did not answer.
    failures: u32,
    /// Whether it has ended.
    ended: bool,
}

impl ClusterCleanup {
    /// The step of a plan that deletes a cluster.
    pub(crate) fn leftover(cluster: &str, volumes: VolumePolicy, wait_limit: Option<Duration>) -> Leftover {
        let seconds = wait_limit.unwrap_or(DEFAULT_WAIT_LIMIT).as_secs();
        let spec = ClusterCleanup { cluster: cluster.to_owned(), seconds, volumes };
        Leftover {
            stage: LeftoverStage::BeforeDependents,
            name: cluster.to_owned(),
            description: format!("stops GitOps, and waits up to {seconds} s for each group of controllers"),
            loss: None,
            // A spec of texts and numbers always serializes.
            resource: LiveResource::ready(ClusterCleanup::NAME, cluster, serde_json::to_value(&spec).unwrap_or_default()),
        }
    }
}

impl Resource for ClusterCleanup {
    const TYPE: TypeInfo =
        TypeInfo::new("cluster_cleanup", &kubernetes::SERVICE, "{cluster}", "").untaggable().typical_seconds(60).longest_hours(3);
    type Api = Kubernetes;
    type Outputs = NoOutputs;

    /// Only the awaited ones: the plan knows the others.
    async fn list(api: &Kubernetes, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut found = Vec::new();
        for id in scope.ids.iter().flatten() {
            let Ok(cluster) = api.cluster(id).await else { continue };
            let spec = ClusterCleanup { cluster: id.clone(), seconds: 0, volumes: VolumePolicy::Keep };
            let phase = cluster.cleanup_phase().await;
            found.extend(phase.map(|phase| Observed::new(id.clone(), Tags::new(), spec, NoOutputs {}).phase(phase)));
        }
        Ok(found)
    }

    async fn create(&self, _: &Cx<'_, Kubernetes>) -> Result<Created<Self>> {
        Err(only_deleted())
    }

    async fn update(&self, _: &Cx<'_, Kubernetes>, _: &Existing<Self>, _: ClusterCleanupChanges) -> Result<()> {
        Err(only_deleted())
    }

    async fn delete(cx: &Cx<'_, Kubernetes>, live: &Existing<Self>) -> Result<Deletion> {
        let cluster = match cx.cluster(&live.spec.cluster).await {
            // A cluster whose creation failed has no API.
            Err(error) if error.code == "ClusterNotReady" => return Ok(Deletion::Requested),
            cluster => cluster?,
        };
        Ok(cluster.clean_up(&live.spec).await.map_or(Deletion::Requested, Deletion::NeedsAnotherCall))
    }
}

impl Cluster {
    fn progress<T>(&self, act: impl FnOnce(&mut Progress) -> T) -> T {
        act(&mut self.cleanup.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Does what is left of the cleanup, up to the first stage that has to wait for controllers. Returns what it waits for; `None` at the end.
    async fn clean_up(&self, spec: &ClusterCleanup) -> Option<String> {
        let mut unreported = None;
        loop {
            let (index, deadline, rounds) = self.progress(|progress| (progress.stage, progress.deadline, progress.rounds));
            let Some(stage) = STAGES.get(index).copied() else {
                // The message of the last stage is told first; the next call ends the cleanup.
                self.progress(|progress| progress.ended = unreported.is_none());
                return unreported;
            };
            let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline) || rounds >= MAX_ROUNDS;
            if is_over {
                let left = self.awaited(stage).await.unwrap_or_default();
                unreported = (!left.is_empty()).then(|| format!("stopped waiting for {}", list_names(&left))).or(unreported);
                self.next_stage();
                continue;
            }
            match self.act(stage, spec).await {
                Ok(awaited) if awaited.is_empty() => self.next_stage(),
                Ok(awaited) => {
                    self.progress(|progress| {
                        let limit = stage.wait_limit(Duration::from_secs(spec.seconds));
                        progress.deadline.get_or_insert_with(|| Instant::now() + limit);
                        progress.rounds += 1;
                        progress.failures = 0;
                    });
                    let waits = format!("waiting for controllers to delete {}", list_names(&awaited));
                    return Some(unreported.map_or(waits.clone(), |words| format!("{words}; {waits}")));
                }
                Err(error) => {
                    let failures = self.progress(|progress| {
                        progress.failures += 1;
                        progress.failures
                    });
                    if error.kind == ErrorKind::Unavailable && failures < MAX_FAILURES {
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    self.progress(|progress| progress.stage = STAGES.len());
                    unreported = Some(format!("continues without the controllers: {error}"));
                }
            }
        }
    }

    fn next_stage(&self) {
        self.progress(|progress| *progress = Progress { stage: progress.stage + 1, ..Progress::default() });
    }

    /// Phase of the cleanup; `None` after its end.
    async fn cleanup_phase(&self) -> Option<Phase> {
        let (stage, deadline, ended) = self.progress(|progress| (STAGES.get(progress.stage), progress.deadline, progress.ended));
        if ended {
            return None;
        }
        let (Some(stage), Some(deadline)) = (stage, deadline) else { return Some(Phase::Ready) };
        if Instant::now() >= deadline {
            return Some(Phase::Ready);
        }
        match self.awaited(*stage).await {
            Ok(awaited) if !awaited.is_empty() => {
                Some(Phase::Progressing(format!("waiting for controllers to delete {}", list_names(&awaited))))
            }
            // The next call finds the reason of an error.
            _ => Some(Phase::Ready),
        }
    }

    /// Requests the deletions of a stage, and returns the objects to wait for.
    async fn act(&self, stage: Stage, spec: &ClusterCleanup) -> Result<Vec<String>> {
        match stage {
            Stage::GitOps => self.stop_gitops().await,
            Stage::Edge => self.delete_all(objects::EDGE).await,
            Stage::Storage => self.release_volumes(spec.volumes).await,
            Stage::Nodes => self.delete_all(objects::NODES).await,
        }
    }

    /// The objects for which a stage waits.
    async fn awaited(&self, stage: Stage) -> Result<Vec<String>> {
        match stage {
            Stage::GitOps => self.running_gitops().await,
            Stage::Edge => self.deleting(objects::EDGE).await,
            Stage::Storage => self.claims_being_deleted().await,
            Stage::Nodes => self.deleting(objects::NODES).await,
        }
    }
}

/// Names the first objects, and counts the others.
fn list_names(objects: &[String]) -> String {
    list_first(objects, MAX_NAMED)
}

/// Whether the caller lacks permissions for one kind of objects, which is no reason to leave the others.
fn is_denied(error: &Error) -> bool {
    error.kind == ErrorKind::AccessDenied && error.code == "Forbidden"
}
