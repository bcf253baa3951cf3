//! Who keeps a resource from being deleted.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use crate::{
    aws::types,
    core::{Error, LiveResource, Phase, ResourceType},
    definition::Stack,
    engine::{
        cloud::Cloud,
        discover::{Hints, LiveState, address_of, discover},
        plan::refers_to,
    },
};

/// What a run knows of who uses what.
pub struct Blockers {
    cloud: Arc<Cloud>,
    stack: Stack,
    /// Ids of what the run itself deletes.
    deleting: BTreeSet<String>,
    /// Whether AWS takes its time to let go of what that holds.
    has_slow_deletes: bool,
    /// All that the stack owns, read when somebody is first in the way.
    live_state: OnceCell<Option<LiveState>>,
}

/// How long what the run deletes may hold others: network interfaces of databases and load balancers stay for minutes.
const SLOW_RELEASE_TIMEOUT: Duration = Duration::from_secs(900);

/// How long something else may do so. It may be leaving too: since a run before this one, or by somebody else's hand.
const UNKNOWN_BLOCKER_TIMEOUT: Duration = Duration::from_secs(120);

/// Why something can't be deleted yet.
pub struct Blocked {
    /// In AWS's words, with who uses it as far as that is known.
    pub status: String,
    /// How long to wait for it.
    pub timeout: Duration,
    /// What to say when that was in vain.
    help: Option<String>,
}

impl Blockers {
    /// Looks at the resources of `stack` when asked. `lingers` says whether something of what is `leaving` is slow to go.
    pub fn new(cloud: Arc<Cloud>, stack: Stack, deleting: BTreeSet<String>, has_slow_deletes: bool) -> Blockers {
        Blockers { cloud, stack, deleting, has_slow_deletes, live_state: OnceCell::new() }
    }

    /// Says why AWS refuses to delete this one as in use.
    pub async fn explain(&self, live: &LiveResource, error: &Error) -> Blocked {
        // It names the blocker if it can; where it can't be read, AWS's words have to do.
        let read = || async { discover(&self.cloud, &self.stack, Hints::default()).await.ok() };
        let live_state = self.live_state.get_or_init(read).await;
        let dependents: Vec<&LiveResource> = live_state.iter().flat_map(LiveState::iter).filter(|user| depends_on(user, live)).collect();
        let stays =
            |user: &&LiveResource| !matches!(user.phase, Phase::Progressing(_) | Phase::Deleting) && !self.deleting.contains(&user.id);
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
                    help: used_by.or_else(|| Some("nothing of the stack is known to use it".to_owned())),
                }
            }
            ([], going) => Blocked {
                status: format!("{code}: {message}; used by {}, which goes", names(going)),
                timeout: SLOW_RELEASE_TIMEOUT,
                help: Some(format!("used by {}, which should have gone", names(going))),
            },
            (staying, _) => Blocked {
                status: format!("{code}: {message}; used by {}", names(staying)),
                // A read that lags may show what is gone.
                timeout: self.cloud.visibility_delay(),
                help: Some(format!("used by {}, which this run leaves alone", names(staying))),
            },
        }
    }

    /// What is none of the stack's and holds this one, in words; AWS's have to do where it can't be read.
    async fn external_blockers(&self, live: &LiveResource) -> Option<String> {
        let kind = types::resource_type(&live.type_name)?;
        self.cloud.blockers(kind, live).await.ok().flatten()
    }
}

/// Whether one refers to the other, as its type can: an id that is a name may be another type's too.
fn depends_on(dependent: &LiveResource, dependency: &LiveResource) -> bool {
    let may = |kind: &ResourceType| kind.schema().to_string().contains(&format!("\"x-acme-ref\":\"{}\"", dependency.type_name));
    refers_to(dependent, dependency) && types::resource_type(&dependent.type_name).is_some_and(may)
}

impl Blocked {
    /// Something is being done with it, and ends by itself.
    pub fn busy(timeout: Duration, error: &Error) -> Blocked {
        Blocked { status: format!("{}: {}", error.code, error.message), timeout, help: None }
    }

    /// The error when it was waited for in vain.
    pub fn timeout_error(&self, error: Error) -> Error {
        match &self.help {
            Some(help) => Error { message: format!("{}; {help}", error.message.trim_end_matches('.')), ..error },
            None => error,
        }
    }
}
