//! Who keeps a resource from being deleted.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::sync::OnceCell;

use crate::{
    aws::types,
    core::{Error, Kind, Live, Phase},
    definition::Stack,
    engine::{
        cloud::Cloud,
        discover::{Hints, World, address_of, discover},
        plan::refers,
    },
};

/// What a run knows of who uses what.
pub struct Blockers {
    cloud: Arc<Cloud>,
    stack: Stack,
    /// Ids of what the run itself deletes.
    leaving: BTreeSet<String>,
    /// Whether AWS takes its time to let go of what that holds.
    lingers: bool,
    /// All that the stack owns, read when somebody is first in the way.
    world: OnceCell<Option<World>>,
}

/// How long what the run deletes may hold others: network interfaces of databases and load balancers stay for minutes.
const LINGERS: Duration = Duration::from_secs(900);

/// How long something else may do so. It may be leaving too: since a run before this one, or by somebody else's hand.
const UNKNOWN: Duration = Duration::from_secs(120);

/// Why something can't be deleted yet.
pub struct Blocked {
    /// In AWS's words, with who uses it as far as that is known.
    pub status: String,
    /// How long to wait for it.
    pub patience: Duration,
    /// What to say when that was in vain.
    help: Option<String>,
}

impl Blockers {
    /// Looks at the resources of `stack` when asked. `lingers` says whether something of what is `leaving` is slow to go.
    pub fn new(cloud: Arc<Cloud>, stack: Stack, leaving: BTreeSet<String>, lingers: bool) -> Blockers {
        Blockers { cloud, stack, leaving, lingers, world: OnceCell::new() }
    }

    /// Says why AWS refuses to delete this one as in use.
    pub async fn of(&self, live: &Live, error: &Error) -> Blocked {
        // It names the blocker if it can; where it can't be read, AWS's words have to do.
        let read = || async { discover(&self.cloud, &self.stack, Hints::default()).await.ok() };
        let world = self.world.get_or_init(read).await;
        let users: Vec<&Live> = world.iter().flat_map(World::iter).filter(|user| uses(user, live)).collect();
        let stays = |user: &&Live| !matches!(user.phase, Phase::Settling(_) | Phase::Leaving) && !self.leaving.contains(&user.id);
        let names = |users: &[&Live]| {
            let name = |user: &&Live| match address_of(user) {
                Some(address) => format!("{address} ({})", user.id),
                None => format!("{} {}", user.kind, user.id),
            };
            users.iter().map(name).collect::<Vec<_>>().join(", ")
        };
        let (code, message) = (&error.code, error.message.trim_end_matches('.'));
        let (staying, going): (Vec<&Live>, Vec<&Live>) = users.into_iter().partition(stays);
        match (staying.as_slice(), going.as_slice()) {
            ([], []) => {
                let used_by = self.outsiders(live).await.map(|who| format!("used by {who}"));
                Blocked {
                    status: match &used_by {
                        Some(used_by) => format!("{code}: {message}; {used_by}"),
                        None => format!("{code}: {message}"),
                    },
                    patience: if self.lingers { LINGERS } else { UNKNOWN },
                    help: used_by.or_else(|| Some("nothing of the stack is known to use it".to_owned())),
                }
            }
            ([], going) => Blocked {
                status: format!("{code}: {message}; used by {}, which goes", names(going)),
                patience: LINGERS,
                help: Some(format!("used by {}, which should have gone", names(going))),
            },
            (staying, _) => Blocked {
                status: format!("{code}: {message}; used by {}", names(staying)),
                // A read that lags may show what is gone.
                patience: self.cloud.lag(),
                help: Some(format!("used by {}, which this run leaves alone", names(staying))),
            },
        }
    }

    /// What is none of the stack's and holds this one, in words; AWS's have to do where it can't be read.
    async fn outsiders(&self, live: &Live) -> Option<String> {
        let kind = types::kind(&live.kind)?;
        self.cloud.held_by(kind, live).await.ok().flatten()
    }
}

/// Whether one refers to the other, as its type can: an id that is a name may be another type's too.
fn uses(user: &Live, used: &Live) -> bool {
    let may = |kind: &Kind| kind.spec_schema().to_string().contains(&format!("\"x-acme-ref\":\"{}\"", used.kind));
    refers(user, used) && types::kind(&user.kind).is_some_and(may)
}

impl Blocked {
    /// Something is being done with it, and ends by itself.
    pub fn busy(patience: Duration, error: &Error) -> Blocked {
        Blocked { status: format!("{}: {}", error.code, error.message), patience, help: None }
    }

    /// The error when it was waited for in vain.
    pub fn given_up(&self, error: Error) -> Error {
        match &self.help {
            Some(help) => Error { message: format!("{}; {help}", error.message.trim_end_matches('.')), ..error },
            None => error,
        }
    }
}
