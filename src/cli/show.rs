//! `acme show`.

use anyhow::Result;
use clap::Args;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open};
use crate::{
    aws::types::resource_type,
    core::{Address, LiveResource, Phase},
    definition,
    engine::{
        cloud::Cloud,
        discover::address_of,
        session::{Session, StackState},
    },
    kubernetes::{Application, ObjectId},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Print all resources of the definition, without sections, as YAML (default).
    #[arg(long, conflicts_with = "live")]
    expanded: bool,
    /// Show live resources, those in clusters too, as a tree with their health.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if !arguments.live {
        let expanded = definition::expanded_yaml(&open::load(&arguments.target)?);
        if arguments.global.output == OutputFormat::Json {
            report::print_json(&serde_yaml::from_str::<Value>(&expanded)?)?;
        } else {
            report::print_yaml(&expanded)?;
        }
        return Ok(DONE);
    }
    let (session, state) = open::discover(&arguments.target, &arguments.global).await?;
    if let Err(nothing) = session.require_live(&state) {
        report::eprint(&format!("Note: {nothing}."));
    }
    let applications = applications(&session, &state).await;
    let mut live = with_health(session.cloud(), state.live_state().iter().cloned().collect()).await;
    live.sort_by_key(|live| (address_of(live), live.id.clone()));
    if arguments.global.output == OutputFormat::Json {
        let health = report::health::count(live.iter().map(|live| &live.phase));
        let mut shown = json!({ "format": "acme-show/2", "health": health, "resources": live });
        if let Some(applications) = applications.as_ref().ok().filter(|applications| !applications.is_empty()) {
            shown["applications"] = json!(applications);
        }
        report::print_json(&shown)?;
    } else {
        let by_address = live.iter().map(|live| (display_address(live), live)).collect();
        report::print(&report::tree::render(session.stack(), &by_address));
        report::print(&report::health::summary(live.iter().map(|live| &live.phase)));
        match &applications {
            Ok(applications) => report::print(&report::health::applications(applications)),
            Err(error) => report::eprint(&format!("can't read the Applications of Argo CD: {}", error.message)),
        }
    }
    open::print_stats(&session, &arguments.global);
    Ok(DONE)
}

/// What Argo CD installs: all Applications of the cluster in which the stack has one. None in the simulated cloud.
async fn applications(session: &Session, state: &StackState) -> crate::core::Result<Vec<Application>> {
    let objects = state.live_state().live.get("kubernetes_object").into_iter().flatten();
    let mut ids = objects.filter(|live| session.stack().owns(&live.tags)).filter_map(|live| ObjectId::parse(&live.id).ok());
    let own = ids.find(|id| id.kind.is("argoproj.io", "Application"));
    match (session.cloud().kubernetes(), own) {
        (Some(kubernetes), Some(own)) => kubernetes.cluster(&own.cluster).await?.applications().await,
        _ => Ok(Vec::new()),
    }
}

/// The same resources, with the health of those that look ready from outside.
async fn with_health(cloud: &Cloud, live: Vec<LiveResource>) -> Vec<LiveResource> {
    let read = |live: LiveResource| async move {
        let Some(kind) = resource_type(&live.type_name).filter(|_| live.phase == Phase::Ready) else { return live };
        match cloud.health(kind, &live).await {
            Ok(Some(phase)) => LiveResource { phase, ..live },
            Ok(None) => live,
            Err(error) => LiveResource { phase: Phase::Progressing(format!("can't read its health: {}", error.message)), ..live },
        }
    };
    stream::iter(live).map(read).buffer_unordered(PARALLEL_READS).collect().await
}

/// Number of resources whose health is read in parallel.
const PARALLEL_READS: usize = 8;

/// Address of a resource, or its id if it has no address.
fn display_address(live: &LiveResource) -> Address {
    address_of(live).unwrap_or_else(|| Address::new(&live.type_name, live.id.as_str()))
}
