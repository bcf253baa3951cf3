//! The runner: a project of CodeBuild whose builds apply saved plans.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{sync::mpsc, time::Instant};

use super::{
    BuildOptions, PackageError, RemoteLine, RemotePackage, RunVariables,
    lines::LineReader,
    record::{RecordPlace, RunRecord},
};
use crate::{
    aws::{
        Aws,
        services::{
            cloudwatchlogs::events::read_events,
            codebuild::builds::{self, Build, BuildStatus},
        },
    },
    core::{EnvironmentName, Error, ErrorKind, Result, StackName},
    engine::backend::{Backend, Key, TAKEOVER_DELAY, WriteCondition, WriteResult, with_patience},
};

/// Name of the project that `acme new --like remote` defines.
pub const DEFAULT_PROJECT: &str = "acme-runner";

/// First and longest pause between two looks at a build. AWS allows 25 reads of logs a second in an account and region.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Time without news after the end of a build until its log counts as complete: CodeBuild delivers the last lines a few seconds late.
const LOG_DELAY: Duration = Duration::from_secs(8);

/// Age after which a package is left over: a build waits for at most eight hours, and its start takes minutes.
const PACKAGE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// Time for which a client must see the record of a run without a build before it counts as given up: another client calls StartBuild then, or
/// was killed before its answer.
const START_DELAY: Duration = TAKEOVER_DELAY;

/// Age after which such a record is given up at once. Clocks of two machines differ by less.
const START_LIFETIME: Duration = Duration::from_secs(10 * 60);

/// A project of CodeBuild, for one stack.
pub struct Runner<'a> {
    /// Clients, in the region of the project.
    pub aws: &'a Aws,
    /// Backend of the stack.
    pub backend: &'a Backend,
    /// Stack.
    pub stack: &'a StackName,
    /// Environment.
    pub environment: &'a EnvironmentName,
    /// Name of the project.
    pub project: &'a str,
}

/// A build that runs or ran a plan of the stack.
#[derive(Clone, Debug)]
pub struct RemoteRun {
    /// Id of the remote run.
    pub id: String,
    /// Its build, when it was last read.
    pub build: Build,
}

impl RemoteRun {
    /// Project of its build, with which the id begins.
    pub fn project(&self) -> &str {
        self.build.id.split(':').next().unwrap_or_default()
    }
}

/// Latest remote run of a stack.
#[derive(Clone, Debug)]
pub enum LatestRun {
    /// None is known.
    Unknown,
    /// A run with its build, in progress or not.
    Built(RemoteRun),
    /// A client has recorded it, and no build of it is found: it is being started, or its client was killed.
    NotStarted {
        /// User of the client.
        actor: String,
    },
}

/// Result of an attempt to start a remote run.
#[derive(Clone, Debug)]
pub enum StartResult {
    /// A build was started.
    Started(RemoteRun),
    /// Another remote run of the stack is in progress, and nothing was started.
    Running(RemoteRun),
}

/// Result of the attempt to record a run as the latest one.
enum Claim {
    /// Recorded, with this version of the record.
    Recorded(String),
    /// Another run is in progress.
    Running(RemoteRun),
}

/// How a remote run ended.
#[derive(Clone, Debug)]
pub struct RemoteOutcome {
    /// Exit code of the runner; `None` if the log does not have it.
    pub exit_code: Option<u8>,
    /// The build at its end.
    pub build: Build,
    /// Whether the runner has started, as far as the log says.
    pub has_started: bool,
    /// Whether the run may have made changes.
    pub has_revision: bool,
    /// Error that prevented reading the log.
    pub log_error: Option<Error>,
}

impl Runner<'_> {
    /// The remote run of the stack that is in progress, or else the latest one, by the record in the backend, or else by the latest hundred builds of
    /// the project. With `of_any_project`, the recorded run may be one of another project.
    ///
    /// # Errors
    /// Fails if the record or the builds can't be read: with "not found" without the project.
    pub async fn latest_run(&self, of_any_project: bool) -> Result<LatestRun> {
        let record = self.record().read().await?.map(|(record, _)| record);
        if let Some(record) = record.filter(|record| of_any_project || record.project == self.project) {
            match self.recorded_run(&record).await? {
                Some(run) => return Ok(LatestRun::Built(run)),
                None if record.build.is_none() && !record.was_refused => return Ok(LatestRun::NotStarted { actor: record.actor }),
                None => {}
            }
        }
        let builds = builds::latest_builds(self.aws, self.project).await?;
        let mut runs: Vec<RemoteRun> = builds.into_iter().filter_map(|build| self.run_of(build)).collect();
        let at = runs.iter().position(|run| run.build.is_in_progress()).unwrap_or(0);
        Ok(if at < runs.len() { LatestRun::Built(runs.swap_remove(at)) } else { LatestRun::Unknown })
    }

    /// The run of a record; `None` if it has no build, or none any more.
    async fn recorded_run(&self, record: &RunRecord) -> Result<Option<RemoteRun>> {
        if record.was_refused {
            return Ok(None);
        }
        let Some(build) = &record.build else {
            // The answer to StartBuild may be lost.
            let builds = match builds::latest_builds(self.aws, &record.project).await {
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(None),
                read => read?,
            };
            return Ok(builds.into_iter().filter_map(|build| self.run_of(build)).find(|run| run.id == record.run));
        };
        let begun = Instant::now();
        loop {
            match builds::read_build(self.aws, build).await {
                Ok(build) => return Ok(Some(RemoteRun { id: record.run.clone(), build })),
                // A new build may be invisible for a while.
                Err(error) if error.kind == ErrorKind::NotFound && begun.elapsed() >= self.aws.visibility_delay => return Ok(None),
                Err(error) if error.kind == ErrorKind::NotFound => tokio::time::sleep(PAUSES.0).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// The remote run of a build, if it is one of this stack.
    fn run_of(&self, build: Build) -> Option<RemoteRun> {
        let variables = RunVariables::read(|name| build.variables.get(name).cloned()).ok()?;
        let is_own = variables.stack == *self.stack && variables.environment == *self.environment;
        is_own.then_some(RemoteRun { id: variables.run, build })
    }

    /// Stores a package, records its run and starts a build for it, unless another run is in progress. Waits for a client that is about to start
    /// one, and calls `on_wait` with its user. Deletes the packages that earlier runs left.
    ///
    /// # Errors
    /// Fails if the backend can't be written or the build can't be started: then nothing runs.
    pub async fn start(&self, package: &RemotePackage, options: BuildOptions, on_wait: impl FnOnce(&str)) -> Result<StartResult> {
        let no_bucket = || Error::new(ErrorKind::Rejected, "Backend", "the history is in a folder of this machine");
        let place = self.backend.bucket_place().ok_or_else(no_bucket)?;
        self.delete_old_packages().await?;
        let run = new_run_id()?;
        let (bytes, sha256) = package.to_bytes()?;
        let key = self.packages().remote_package(&run);
        if self.backend.put(&key, &bytes, &WriteCondition::IfAbsent).await? == WriteResult::Conflict {
            return Err(Error::new(ErrorKind::Conflict, "Conflict", format!("`{key}` exists already in the backend")));
        }
        let actor = package.options.actor.clone();
        let record = RunRecord { run: run.clone(), project: self.project.to_owned(), actor, build: None, was_refused: false };
        let version = match self.claim(&record, on_wait).await {
            Ok(Claim::Recorded(version)) => version,
            Ok(Claim::Running(running)) => {
                self.backend.delete(&key).await?;
                return Ok(StartResult::Running(running));
            }
            Err(error) => {
                self.backend.delete(&key).await.ok();
                return Err(error);
            }
        };
        let (stack, environment) = (self.stack.clone(), self.environment.clone());
        let variables = RunVariables { run: run.clone(), stack, environment, backend: place, sha256, options };
        match builds::start_build(self.aws, self.project, &variables.to_map(), &run).await {
            Ok(build) => {
                let record = RunRecord { build: Some(build.id.clone()), ..record };
                // The build runs; without its id, clients find it in the list of builds.
                self.record().write(&record, Some(&version)).await.ok();
                Ok(StartResult::Started(RemoteRun { id: run, build }))
            }
            Err(error) => {
                // After a lost response, the build may run, and needs both.
                if error.kind != ErrorKind::Unavailable {
                    self.backend.delete(&key).await.ok();
                    self.record().write(&RunRecord { was_refused: true, ..record }, Some(&version)).await.ok();
                }
                Err(error)
            }
        }
    }

    /// Records a run as the latest one, unless another one is in progress.
    async fn claim(&self, record: &RunRecord, on_wait: impl FnOnce(&str)) -> Result<Claim> {
        let (mut on_wait, mut pause) = (Some(on_wait), PAUSES.0);
        // The run without a build that was seen last, and since when.
        let mut starting: Option<(String, Instant)> = None;
        loop {
            let stored = self.record().read().await?;
            let version = stored.as_ref().map(|(_, version)| version.clone());
            if let Some((other, _)) = stored.filter(|(other, _)| !other.was_refused) {
                match self.recorded_run(&other).await? {
                    Some(run) if run.build.is_in_progress() => return Ok(Claim::Running(run)),
                    None if other.build.is_none() => {
                        let seen = starting.take().filter(|(run, _)| *run == other.run);
                        let since = seen.map_or_else(Instant::now, |(_, since)| since);
                        if since.elapsed() < START_DELAY && age(&other.run).is_some_and(|age| age < START_LIFETIME) {
                            starting = Some((other.run, since));
                            if let Some(on_wait) = on_wait.take() {
                                on_wait(&other.actor);
                            }
                            tokio::time::sleep(pause).await;
                            pause = (pause * 2).min(PAUSES.1);
                            continue;
                        }
                        // If its build is started after all, it finds no package, and changes nothing.
                        self.backend.delete(&self.packages().remote_package(&other.run)).await?;
                    }
                    _ => {}
                }
            }
            if let Some(version) = self.record().write(record, version.as_deref()).await? {
                return Ok(Claim::Recorded(version));
            }
        }
    }

    fn record(&self) -> RecordPlace<'_> {
        RecordPlace::new(self.backend, self.stack, self.environment)
    }

    /// Stops a build, whose processes end without a warning, and waits for its end.
    ///
    /// # Errors
    /// Fails if CodeBuild refuses it.
    pub async fn stop(&self, run: &RemoteRun) -> Result<()> {
        builds::stop_build(self.aws, &run.build.id).await?;
        let mut pause = PAUSES.0;
        while with_patience(|| builds::read_build(self.aws, &run.build.id)).await?.is_in_progress() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
        Ok(())
    }

    /// Sends the lines of a build's log, from the first one, until it ends. Dropping the future leaves the build as it is.
    ///
    /// # Errors
    /// Fails if CodeBuild can't be reached for longer than a run waits for its backend. A log that can't be read is no error.
    pub async fn follow(&self, run: &RemoteRun, lines: mpsc::UnboundedSender<RemoteLine>) -> Result<RemoteOutcome> {
        let mut reader = LineReader::new(&run.id);
        let (mut position, mut log_error) = (None::<String>, None);
        let begun = Instant::now();
        let (mut phase, mut pause, mut last_news) = (String::new(), PAUSES.0, begun);
        loop {
            let build = match with_patience(|| builds::read_build(self.aws, &run.build.id)).await {
                Err(error) if error.kind == ErrorKind::NotFound && begun.elapsed() < self.aws.visibility_delay => run.build.clone(),
                read => read?,
            };
            let mut has_news = build.phase != phase;
            if has_news {
                phase.clone_from(&build.phase);
                lines.send(RemoteLine::Phase(phase.clone())).ok();
            }
            while let Some(log) = build.log.as_ref().filter(|_| log_error.is_none()) {
                let page = with_patience(|| read_events(self.aws, &log.group, &log.stream, position.as_deref())).await;
                match page {
                    Ok(page) => {
                        has_news |= !page.messages.is_empty();
                        for line in page.messages.iter().flat_map(|message| reader.read(message)) {
                            lines.send(line).ok();
                        }
                        position = page.position;
                        if page.is_end {
                            break;
                        }
                    }
                    Err(error) => log_error = Some(error),
                }
            }
            if has_news {
                (last_news, pause) = (Instant::now(), PAUSES.0);
            }
            // Without a runner, there is no last line to wait for.
            let delay = if build.has_begun { LOG_DELAY } else { LOG_DELAY / 4 };
            let is_complete = build.log.is_none() || log_error.is_some() || last_news.elapsed() >= delay;
            if reader.exit_code.is_some() || (!build.is_in_progress() && is_complete) {
                let LineReader { exit_code, has_started, has_revision, .. } = reader;
                return Ok(RemoteOutcome { exit_code, build, has_started, has_revision, log_error });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(PAUSES.1);
        }
    }

    /// Deletes the package of a run, which a runner that never started has left.
    ///
    /// # Errors
    /// Fails if the backend can't be written.
    pub async fn delete_package(&self, run: &RemoteRun) -> Result<()> {
        self.backend.delete(&self.packages().remote_package(&run.id)).await
    }

    async fn delete_old_packages(&self) -> Result<()> {
        for name in self.backend.list(&self.packages()).await? {
            let Some(run) = name.strip_suffix(".json") else { continue };
            if age(run).is_some_and(|age| age > PACKAGE_LIFETIME) {
                self.backend.delete(&self.packages().remote_package(run)).await?;
            }
        }
        Ok(())
    }

    fn packages(&self) -> Key {
        Key::remote_packages(self.stack, self.environment)
    }
}

impl RemoteOutcome {
    /// Whether the build succeeded, in CodeBuild's terms.
    pub fn has_succeeded(&self) -> bool {
        self.build.status == BuildStatus::Succeeded
    }
}

/// Takes the package of a remote run: reads it, deletes it, and checks it. A build that is started again finds none.
///
/// # Errors
/// Fails if it can't be read, is not there, or is another one than that for which the build was started.
pub async fn take_package(aws: &Aws, variables: &RunVariables) -> Result<RemotePackage> {
    let backend = Backend::at_bucket_place(aws, &variables.backend).await?;
    let key = Key::remote_packages(&variables.stack, &variables.environment).remote_package(&variables.run);
    let taken = || Error::new(ErrorKind::NotFound, "NoPackage", "the plan of this remote run is gone: a build runs it once");
    let object = backend.get(&key).await?.ok_or_else(taken)?;
    backend.delete(&key).await?;
    let unfit = |error: PackageError| {
        Error::new(ErrorKind::Rejected, "UnfitPackage", format!("the plan of this remote run can't be applied: {error}"))
    };
    RemotePackage::from_bytes(&object.bytes, &variables.sha256).map_err(unfit)
}

/// Id of a new remote run: its time, and a random number.
fn new_run_id() -> Result<String> {
    let random = getrandom::u64().map_err(|error| Error::new(ErrorKind::Rejected, "Backend", format!("no random numbers: {error}")))?;
    Ok(format!("{:013}-{random:016x}", unix_millis()))
}

/// Time since a run was given its id, assuming synchronized clocks; `None` if the text is not an id.
fn age(run: &str) -> Option<Duration> {
    let started: u64 = run.split('-').next()?.parse().ok()?;
    Some(Duration::from_millis(unix_millis().saturating_sub(started)))
}

fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
