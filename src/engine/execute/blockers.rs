//! Blockers: resources that prevent the deletion of another.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use crate::{
    aws::types,
    core::{Error, ErrorKind, LiveResource, Phase},
    definition::Stack,
    engine::{
        cloud::Cloud,
        discover::{Hints, LiveState, address_of, discover, find_by_id},
        plan::refers_to,
    },
};

/// Information of a run about blockers.
pub struct Blockers {
    cloud: Arc<Cloud>,
    stack: Stack,
    /// Ids of resources that the run deletes.
    deleting: BTreeSet<String>,
    /// Whether AWS releases the dependencies of these resources slowly.
    has_slow_deletes: bool,
    /// All resources of the stack, read when the first blocker occurs.
    live_state: OnceCell<Option<LiveState>>,
}

/// Maximum wait for resources the run deletes: network interfaces of databases and load balancers remain for minutes.
const SLOW_RELEASE_TIMEOUT: Duration = Duration::from_secs(900);

/// Maximum wait for other resources. They may be in deletion, too, by an earlier run or outside acme.
const UNKNOWN_BLOCKER_TIMEOUT: Duration = Duration::from_secs(120);

/// Reason why a resource can't be deleted yet.
pub struct Blocked {
    /// AWS's message, with the blockers if known.
    pub status: String,
    /// Maximum wait.
    pub timeout: Duration,
    /// Remedy after a timeout.
    help: Option<String>,
}

impl Blockers {
    /// Finds blockers among the resources of `stack`. `lingers`: whether the deletion of a resource in `leaving` is slow.
    pub fn new(cloud: Arc<Cloud>, stack: Stack, deleting: BTreeSet<String>, has_slow_deletes: bool) -> Blockers {
        Blockers { cloud, stack, deleting, has_slow_deletes, live_state: OnceCell::new() }
    }

    /// Explains why AWS reports this resource as in use.
    pub async fn explain(&self, live: &LiveResource, error: &Error) -> Blocked {
        // Names the blockers; if they can't be read, AWS's message must do.
        let read = || async { discover(&self.cloud, &self.stack, Hints::default()).await.ok() };
        let live_state = self.live_state.get_or_init(read).await;
        let dependents: Vec<&LiveResource> = live_state.iter().flat_map(LiveState::iter).filter(|user| refers_to(user, live)).collect();
        let stays = |user: &&LiveResource| {
            !matches!(user.phase, Phase::Progressing(_) | Phase::Waiting(_) | Phase::Deleting) && !self.deleting.contains(&user.id)
        };
        let names = |users: &[&LiveResource]| {
            let name = |user: &&LiveResource| match address_of(user) {
                Some(address) => format!("{address} ({})", user.id),
                None => format!("{} {}", user.type_name, user.id),
            };
            users.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let (code, message) = (&error.code, error.message.trim_end_matches('.'));
        let (staying, going): (Vec<&LiveResource>, Vec<&LiveResource>) = dependents.into_iter().partition(stays);
        match (staying.as_slice(), going.as_slice()) {
            ([], []) => {
                let used_by = self.external_blockers(live).await.map(|who| format!("used by {who}"));
                Blocked {
                    status: match &used_by {
                        Some(used_by) => format!("{code}: {message}; {used_by}"),
                        None => format!("{code}: {message}"),
                    },
                    timeout: if self.has_slow_deletes { SLOW_RELEASE_TIMEOUT } else { UNKNOWN_BLOCKER_TIMEOUT },
                    help: used_by.or_else(|| Some("no resource of the stack is known to use it".to_owned())),
                }
            }
            ([], going) => Blocked {
                status: format!("{code}: {message}; used by {}, which is being deleted", names(going)),
                timeout: SLOW_RELEASE_TIMEOUT,
                help: Some(format!("used by {}, which should be deleted by now", names(going))),
            },
            (staying, _) => Blocked {
                status: format!("{code}: {message}; used by {}", names(staying)),
                // A read that lags may show deleted resources.
                timeout: self.cloud.visibility_delay(),
                help: Some(format!("used by {}, which this run does not change", names(staying))),
            },
        }
    }

    /// Error about dependencies that were deleted outside acme during the run, if any are gone.
    pub async fn lost_dependency(&self, dependencies: &[LiveResource]) -> Option<Error> {
        let mut gone = Vec::new();
        for needed in dependencies {
            let (Some(address), Some(kind)) = (address_of(needed), types::resource_type(&needed.type_name)) else { continue };
            let resource = (needed.region.as_deref(), needed.id.as_str());
            // If it can't be read, AWS's message must do.
            let found = find_by_id(&self.cloud, &self.stack, kind, resource, &LiveState::default()).await.ok()?;
            if found.is_none_or(|live| live.phase == Phase::Deleting) {
                gone.push(format!("{address} ({})", needed.id));
            }
        }
        (!gone.is_empty()).then(|| {
            let message = format!("{} was deleted outside acme during this run", gone.join(", "));
            Error::new(ErrorKind::Rejected, "DeletedOutside", message)
        })
    }

    /// Same, or AWS's error if nothing is gone.
    pub async fn explain_not_found(&self, needed: &[LiveResource], error: Error) -> Error {
        match self.lost_dependency(needed).await {
            Some(lost) => Error { message: format!("{}; AWS answers: {error}", lost.message), ..lost },
            None => error,
        }
    }

    /// Blockers outside the stack; `None` if they can't be read, so that AWS's message must do.
    async fn external_blockers(&self, live: &LiveResource) -> Option<String> {
        let kind = types::deletable_type(&live.type_name)?;
        self.cloud.blockers(kind, live).await.ok().flatten()
    }
}

impl Blocked {
    /// Operation in progress that ends by itself.
    pub fn busy(timeout: Duration, error: &Error) -> Blocked {
        Blocked { status: format!("{}: {}", error.code, error.message), timeout, help: None }
    }

    /// Error after a timeout.
    pub fn timeout_error(&self, error: Error) -> Error {
        match &self.help {
            Some(help) => Error { message: format!("{}; {help}", error.message.trim_end_matches('.')), ..error },
            None => error,
        }
    }
}
