//! One process of a rehearsal: a command of acme in a runtime of its own, on a simulated cloud and a backend in a folder.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::sync::{Notify, mpsc};

use super::{Content, Rehearsal};
use crate::{
    core::{Address, Error, Result, Sort},
    engine::{
        backend::Backend,
        cloud::Cloud,
        discover::discover,
        execute::{self, Stop},
        history::History,
        journal::{Begin, FORMAT, Outcome},
        plan::{Action, Nulls, Plan, plan},
        run::{Back, Ended, Forward, Run, Unfinished, WayBack, wait_until_visible},
    },
    simulator::{Behaviour, Crash, Faults, Local, Struck},
};

/// What the process is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Go forward.
    Forward,
    /// Undo the unfinished run.
    Rollback,
}

/// How the process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// All is said to be as wanted.
    Done,
    /// All is said to be as before.
    RolledBack,
    /// It died.
    Crashed,
    /// It could go neither way, or not even begin.
    Stuck(String),
}

/// What is left of a process.
pub struct Exit {
    pub how: How,
    /// What was planned, when it went that far.
    pub planned: Vec<(Address, Action)>,
    /// How many mutating calls it made.
    pub calls: u64,
    pub struck: Vec<Struck>,
    pub content: Content,
}

/// Where a process runs.
pub struct Place(PathBuf);

impl Place {
    pub fn new(folder: PathBuf) -> Place {
        Place(folder)
    }
    pub fn cloud(&self) -> PathBuf {
        self.0.join("cloud")
    }
    pub fn backend(&self) -> PathBuf {
        self.0.join("backend")
    }
    /// A copy in another folder.
    pub fn copy(&self, folder: PathBuf) -> Result<Place> {
        copy(&self.0, &folder).map_err(|error| broken(&folder, &error))?;
        Ok(Place(folder))
    }
    pub fn remove(self) {
        // It goes with all the others anyway.
        drop(fs::remove_dir_all(self.0));
    }
}

pub fn broken(path: &Path, error: &io::Error) -> Error {
    Error::new(Sort::Refused, "Rehearsal", format!("{}: {error}", path.display()))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&from, &to)?;
        } else {
            fs::copy(&from, &to)?;
        }
    }
    Ok(())
}

/// Longer than everything that is waited for when nothing is wrong.
const LONGEST: Duration = Duration::from_secs(300);

impl Rehearsal {
    /// Runs a process from its beginning to its end, or death.
    pub(super) fn process(&self, place: &Place, command: Command, faults: Faults) -> Result<Exit> {
        let halted = Arc::new(Notify::new());
        let faults = Faults { crash: Crash::Halt(halted.clone()), throttle_every: self.throttle_every, ..faults };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::new(Sort::Refused, "Rehearsal", error.to_string()))?;
        let mut planned = Vec::new();
        let (how, cloud) = runtime.block_on(async {
            let behaviour = Behaviour { faults, ..Behaviour::default() };
            let local = Local::behaving(place.cloud(), &self.region, behaviour)?;
            let cloud = Arc::new(Cloud::Local(Box::new(local)));
            let history = History::new(Backend::folder(place.backend()), &self.stack.name, &self.stack.environment);
            let ended = async {
                match command {
                    Command::Forward => self.forward(&cloud, history, &mut planned).await,
                    Command::Rollback => self.back(&cloud, history).await,
                }
            };
            let how = tokio::select! {
                biased;
                () = halted.notified() => How::Crashed,
                ended = tokio::time::timeout(LONGEST, ended) => match ended {
                    Ok(Ok(how)) => how,
                    Ok(Err(error)) => How::Stuck(error.to_string()),
                    Err(_) => How::Stuck(format!("no end after {} s", LONGEST.as_secs())),
                },
            };
            Ok::<_, Error>((how, cloud))
        })?;
        // With it goes all that was under way.
        drop(runtime);
        let Cloud::Local(local) = &*cloud else { return Err(Error::new(Sort::Refused, "Rehearsal", "this is no simulated cloud")) };
        Ok(Exit { how, planned, calls: local.mutating_calls(), struck: local.struck(), content: local.dump() })
    }

    async fn forward(&self, cloud: &Arc<Cloud>, history: History, planned: &mut Vec<(Address, Action)>) -> Result<How> {
        let unfinished = Unfinished::read(&history).await?;
        let mut world = discover(cloud, &self.stack, unfinished.hints()).await?;
        if wait_until_visible(cloud, &world, &unfinished.touched).await {
            world = discover(cloud, &self.stack, unfinished.hints()).await?;
        }
        let plan = plan(&self.stack, &world, self.goal, &self.region, Local::ACCOUNT);
        planned.extend(super::actions(&plan));
        if let Some(blocked) = blocked(&plan) {
            return Ok(blocked);
        }
        if plan.is_empty() && unfinished.chain.is_empty() {
            return Ok(How::Done);
        }
        let way = Forward { stack: &self.stack, plan: &plan, world, nulls: Nulls::LeftToAws, whole: true, roll_back: true };
        let ended = self.running(cloud, history, self.goal.command()).apply(way, &unfinished).await?;
        Ok(how(&ended))
    }

    async fn back(&self, cloud: &Arc<Cloud>, history: History) -> Result<How> {
        let unfinished = Unfinished::read(&history).await?;
        if unfinished.chain.is_empty() {
            // The process died before it began to write anything down, and so before it did anything.
            return Ok(How::RolledBack);
        }
        let back = WayBack::plan(cloud, &self.stack, &unfinished.touched, Local::ACCOUNT).await?;
        if let Some(blocked) = blocked(&back.plan) {
            return Ok(blocked);
        }
        let ended = self.running(cloud, history, "rollback").roll_back(back, &unfinished).await?;
        Ok(how(&ended))
    }

    fn running(&self, cloud: &Arc<Cloud>, history: History, command: &str) -> Run {
        let (events, _) = mpsc::unbounded_channel();
        Run {
            cloud: cloud.clone(),
            history,
            lease: None,
            stop: Stop::never(),
            events,
            begin: Begin {
                format: FORMAT.to_owned(),
                revision: 0,
                continues: None,
                stack: self.stack.name.clone(),
                environment: self.stack.environment.clone(),
                region: self.region.clone(),
                account: Local::ACCOUNT.to_owned(),
                command: command.to_owned(),
                actor: "rehearsal".to_owned(),
                commit: None,
                definition: String::new(),
            },
        }
    }
}

fn blocked(plan: &Plan) -> Option<How> {
    plan.obstacles.first().map(|obstacle| How::Stuck(format!("the way is blocked: {}", obstacle.message)))
}

fn how(ended: &Ended) -> How {
    match ended.outcome {
        Outcome::Done => How::Done,
        Outcome::RolledBack => How::RolledBack,
        Outcome::Kept | Outcome::Stuck => {
            let mut why = failures(&ended.forward);
            match &ended.back {
                Some(Back::Tried(back)) => why.extend(failures(back)),
                Some(Back::Failed(error)) => why.push(error.to_string()),
                None => {}
            }
            How::Stuck(why.join("; "))
        }
    }
}

fn failures(outcome: &execute::Outcome) -> Vec<String> {
    outcome.failed.iter().map(|failure| format!("{} {} failed: {}", failure.op, failure.address, failure.error)).collect()
}
