//! `acme rollback --service`: reverts the last release of a service in the Git repository, and waits until Argo CD has installed it.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;

use super::Arguments;
use crate::{
    cli::{
        DONE, FAILED, INCOMPLETE, OutputFormat, confirm, open,
        refusal::{Refusal, refuse},
    },
    core::{Address, ErrorKind, Phase, nearest::suggestion, printable_line},
    definition::{
        Stack,
        gitops::{overlay_file, overlay_folder, service_application},
    },
    engine::{
        gitops::{GitClone, Revert, RevertError, short},
        graph::status_text,
        session::Session,
    },
    kubernetes::{Application, Cluster},
    report::{self, Style},
};

/// Longest wait for Argo CD and the pods.
const WAIT_LIMIT: Duration = Duration::from_secs(600);
/// Pause between two looks at the Application.
const PAUSE: Duration = Duration::from_secs(1);
/// Time after which Argo CD is asked again to read the repository.
const REFRESH_PAUSE: Duration = Duration::from_secs(20);

/// The service, and where its releases are.
#[derive(Clone)]
struct Target {
    url: String,
    branch: String,
    folder: String,
    file: String,
    application: String,
}

/// How long the steps took.
#[derive(Default)]
struct Times {
    git: Duration,
    push: Duration,
    argo_cd: Option<Duration>,
}

pub async fn run(arguments: &Arguments, service: &str) -> Result<u8> {
    let global = &arguments.global;
    let session = open::open(&arguments.target, global).await?;
    let target = target(session.stack(), service)?;
    // The repository and the cluster are read at the same time, and nothing else: a rollback is urgent.
    let started = Instant::now();
    let (repo, wanted) = (arguments.repo.clone(), target.clone());
    let prepared = tokio::task::spawn_blocking(move || prepare(repo, &wanted));
    let (cluster, prepared) = tokio::join!(cluster(&session, &target), prepared);
    let (clone, mut revert) = prepared?.map_err(refusal)?;
    let cluster = cluster?;
    let mut times = Times { git: started.elapsed(), ..Times::default() };
    report::eprint(&describe(session.stack(), service, &clone, &revert));
    if !arguments.yes && !confirm("Revert it?")? {
        report::eprint("No changes made.");
        return Ok(FAILED);
    }
    let started = Instant::now();
    clone.push_revert(&mut revert).map_err(refusal)?;
    times.push = started.elapsed();
    report::eprint(&format!("Pushed {} to {}.", short(&revert.commit), printable_line(clone.branch())));
    let unfinished = match &cluster {
        Some(cluster) => {
            let started = Instant::now();
            let unfinished = wait(cluster, &target.application, &clone, &revert.commit).await;
            times.argo_cd = Some(started.elapsed());
            unfinished
        }
        None => {
            report::eprint("The simulated cloud has no Argo CD to wait for.");
            None
        }
    };
    if global.output == OutputFormat::Json {
        report::print_json(&json!({
            "format": "acme-rollback-service/1",
            "service": service,
            "environment": *session.stack().environment,
            "reverted": revert.promotion.commit,
            "commit": revert.commit,
            "image": { "before": revert.before, "after": revert.after },
            "seconds": { "git": times.git.as_secs_f64(), "push": times.push.as_secs_f64(), "argo_cd": times.argo_cd.map(|time| time.as_secs_f64()) },
            "unfinished": unfinished,
        }))?;
    }
    let (label, text, code) = match &unfinished {
        None => (Style::Added.paint("Done:"), format!("{service} runs {}.", revert.after), DONE),
        Some(status) => {
            let minutes = WAIT_LIMIT.as_secs() / 60;
            let text = format!("the revert is pushed, but Argo CD has not finished after {minutes} minutes: {status}.");
            (Style::Removed.paint("Unfinished:"), text, INCOMPLETE)
        }
    };
    report::eprint(&format!("{label} {} {}", printable_line(&text), times.describe()));
    open::print_stats(&session, global);
    Ok(code)
}

impl Times {
    fn describe(&self) -> String {
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        let mut parts = vec![format!("Git {}", seconds(self.git)), format!("push {}", seconds(self.push))];
        parts.extend(self.argo_cd.map(|time| format!("Argo CD {}", seconds(time))));
        let all = self.git + self.push + self.argo_cd.unwrap_or_default();
        format!("{}: {} in all.", parts.join(", "), seconds(all))
    }
}

fn target(stack: &Stack, service: &str) -> Result<Target> {
    let Some(gitops) = &stack.gitops else {
        refuse!(
            "not-in-git",
            "acme itself installs the services of this stack: set their `version` and apply, or `deliver: argocd` in `platform`"
        )
    };
    let Some(found) = gitops.service(service) else {
        refuse!(
            "unknown-service",
            "there is no service `{service}` in Git: {}",
            suggestion(service, "services", gitops.services().collect::<Vec<_>>())
        );
    };
    if !found.is_promoted {
        refuse!("not-in-git", "the image of `{service}` is in the definition: change `image` there, render and push");
    }
    let environment = &stack.environment;
    Ok(Target {
        url: gitops.repository.clone(),
        branch: gitops.revision.clone(),
        folder: overlay_folder(service, environment),
        file: overlay_file(service, environment),
        application: service_application(service),
    })
}

/// Makes the commit, in a clone of the user or in a temporary one.
fn prepare(repo: Option<PathBuf>, target: &Target) -> Result<(GitClone, Revert), RevertError> {
    let clone = match &repo {
        Some(folder) => GitClone::of_folder(folder, &target.url, &target.branch)?,
        None => GitClone::of_url(&target.url, &target.branch)?,
    };
    let revert = clone.revert_promotion(&target.folder, &target.file)?;
    Ok((clone, revert))
}

fn refusal(error: RevertError) -> Refusal {
    let message = error.to_string();
    match error {
        RevertError::Program(_) | RevertError::Git { .. } => Refusal { code: "git", message },
        RevertError::Dirty(_) => Refusal { code: "dirty-clone", message },
        RevertError::Shallow(_) => Refusal { code: "shallow-clone", message },
        RevertError::Nothing(_) => Refusal { code: "nothing-to-revert", message },
        RevertError::Mixed(_) => Refusal { code: "mixed-commit", message },
        RevertError::Overtaken(_) => Refusal { code: "overtaken", message },
    }
}

/// The cluster, if the service is installed there by Argo CD; `None` in the simulated cloud. Otherwise nobody would install the revert.
async fn cluster(session: &Session, target: &Target) -> Result<Option<Arc<Cluster>>> {
    let Some(kubernetes) = session.cloud().kubernetes() else { return Ok(None) };
    let main = session.stack().resources.get(&Address::new("eks_cluster", "main"));
    let Some(name) = main.and_then(|declared| declared.spec.get("name")?.as_str()) else {
        refuse!("no-cluster", "the stack has no cluster `main`")
    };
    let cluster = match kubernetes.cluster(name).await {
        Err(error) if error.is_not_found() => refuse!("no-cluster", "there is no cluster `{name}` in this account and region"),
        cluster => cluster?,
    };
    if cluster.application(&target.application).await?.is_none() {
        let application = &target.application;
        refuse!("not-applied", "Argo CD has no Application `{application}`: push the files of `acme render`, and run `acme apply` first");
    }
    Ok(Some(cluster))
}

fn describe(stack: &Stack, service: &str, clone: &GitClone, revert: &Revert) -> String {
    let promotion = &revert.promotion;
    let title = format!("{service} ({}) in {}, branch {}", stack.environment, clone.url(), clone.branch());
    let mut text = Style::Heading.paint(printable_line(&title)).to_string();
    let commit = format!("{} {}, by {}", short(&promotion.commit), promotion.subject, promotion.by);
    text.push_str(&format!("\n  reverts  {}", printable_line(&commit)));
    match revert.before == revert.after {
        true => text.push_str(&format!("\n  image    {}, unchanged: other values change", printable_line(&revert.before))),
        false => {
            text.push_str(&format!("\n  image    {}", Style::Removed.paint(printable_line(&format!("- {}", revert.before)))));
            text.push_str(&format!("\n           {}", Style::Added.paint(printable_line(&format!("+ {}", revert.after)))));
        }
    }
    text
}

/// Waits until Argo CD has installed the commit or a later one. Returns the last status if it takes too long.
async fn wait(cluster: &Cluster, application: &str, clone: &GitClone, commit: &str) -> Option<String> {
    let deadline = Instant::now() + WAIT_LIMIT;
    let mut next_refresh = Instant::now();
    let mut shown = String::new();
    loop {
        let found = cluster.application(application).await;
        let has_commit = |found: &Application| clone.contains(&found.revision, commit).unwrap_or(false);
        let (status, is_current) = match found {
            Ok(Some(found)) => {
                let is_current = has_commit(&found);
                match (is_current, &found.phase) {
                    (true, Phase::Ready) => return None,
                    (true, phase) => (status_text(phase).unwrap_or_default(), true),
                    (false, _) => ("Argo CD has not seen the commit".to_owned(), false),
                }
            }
            Ok(None) => (format!("there is no Application {application}"), false),
            Err(error) if error.kind == ErrorKind::AccessDenied => return Some(error.message),
            Err(error) => (error.message, false),
        };
        if status != shown {
            report::eprint(&format!("  {}", printable_line(&status)));
            shown.clone_from(&status);
        }
        if !is_current && Instant::now() >= next_refresh {
            // Polling would take up to three minutes. Without the permission, it does.
            let _refused = cluster.refresh_application(application).await;
            next_refresh = Instant::now() + REFRESH_PAUSE;
        }
        if Instant::now() >= deadline {
            return Some(status);
        }
        tokio::time::sleep(PAUSE).await;
    }
}
