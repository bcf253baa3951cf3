//! The runner: a project of CodeBuild whose builds apply saved plans.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::{sync::mpsc, time::Instant};

use super::{PackageError, RemoteLine, RemotePackage, RunVariables, lines::LineReader};
use crate::{
    aws::{
        Aws,
        services::{
            cloudwatchlogs::events::read_events,
            codebuild::builds::{self, Build, BuildStatus},
        },
    },
    core::{EnvironmentName, Error, ErrorKind, Result, StackName},
    engine::backend::{Backend, Key, WriteCondition, WriteResult, with_patience},
};

/// Name of the project that `acme new --like remote` defines.
pub const DEFAULT_PROJECT: &str = "acme-runner";

/// First and longest pause between two looks at a build. AWS allows 25 reads of logs a second in an account and region.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Time without news after the end of a build until its log counts as complete: CodeBuild delivers the last lines a few seconds late.
const LOG_DELAY: Duration = Duration::from_secs(8);

/// Age after which a package is left over: a build waits for at most eight hours, and its start takes minutes.
const PACKAGE_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

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
    /// The remote run of the stack that is in progress, or else the latest one; `None` if none of the latest hundred builds is one.
    ///
    /// # Errors
    /// Fails if the builds can't be read: with "not found" without the project.
    pub async fn latest_run(&self) -> Result<Option<RemoteRun>> {
        let builds = builds::latest_builds(self.aws, self.project).await?;
        let mut runs: Vec<RemoteRun> = builds.into_iter().filter_map(|build| self.run_of(build)).collect();
        let at = runs.iter().position(|run| run.build.is_in_progress()).unwrap_or(0);
        Ok((at < runs.len()).then(|| runs.swap_remove(at)))
    }

    /// The remote run of a build, if it is one of this stack.
    fn run_of(&self, build: Build) -> Option<RemoteRun> {
        let variables = RunVariables::read(|name| build.variables.get(name).cloned()).ok()?;
        let is_own = variables.stack == *self.stack && variables.environment == *self.environment;
        is_own.then_some(RemoteRun { id: variables.run, build })
    }

    /// Stores a package and starts a build that runs it. Deletes the packages that earlier runs left.
    ///
    /// # Errors
    /// Fails if the package can't be stored or the build can't be started: then nothing runs.
    pub async fn start(&self, package: &RemotePackage) -> Result<RemoteRun> {
        let no_bucket = || Error::new(ErrorKind::Rejected, "Backend", "the history is in a folder of this machine");
        let place = self.backend.bucket_place().ok_or_else(no_bucket)?;
        self.delete_old_packages().await?;
        let run = new_run_id()?;
        let (bytes, sha256) = package.to_bytes()?;
        let key = self.packages().remote_package(&run);
        if self.backend.put(&key, &bytes, &WriteCondition::IfAbsent).await? == WriteResult::Conflict {
            return Err(Error::new(ErrorKind::Conflict, "Conflict", format!("`{key}` exists already in the backend")));
        }
        let variables =
            RunVariables { run: run.clone(), stack: self.stack.clone(), environment: self.environment.clone(), backend: place, sha256 };
        match builds::start_build(self.aws, self.project, &variables.to_map(), &run).await {
            Ok(build) => Ok(RemoteRun { id: run, build }),
            Err(error) => {
                // After a lost response, the build may run, and needs it.
                if error.kind != ErrorKind::Unavailable {
                    self.backend.delete(&key).await.ok();
                }
                Err(error)
            }
        }
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
        let now = unix_millis();
        for name in self.backend.list(&self.packages()).await? {
            let Some(run) = name.strip_suffix(".json") else { continue };
            let started = run.split('-').next().and_then(|millis| millis.parse::<u128>().ok());
            if started.is_some_and(|started| now.saturating_sub(started) > PACKAGE_LIFETIME.as_millis()) {
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

fn unix_millis() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis())
}
