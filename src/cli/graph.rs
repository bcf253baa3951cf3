//! `acme graph`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{DONE, GlobalArguments, StackArguments, context};
use crate::{
    engine::{graph::Graph, plan::Goal},
    report,
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Output format.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Colour resources by their planned change; reads live resources.
    #[arg(long)]
    plan: bool,
    /// Show live resources.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    global: GlobalArguments,
}

/// Output format of a graph.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Format {
    /// For Markdown.
    #[default]
    Mermaid,
    /// For Graphviz.
    Dot,
    /// Interactive HTML page: zoom, search, and details of a resource on click.
    Html,
    /// For programs.
    Json,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let graph = if arguments.plan || arguments.live {
        let context = context::Context::open(&arguments.target, &arguments.global).await?;
        let plan = if arguments.plan { Some(context.plan(Goal::Apply).await?) } else { None };
        let graph = Graph::new(&context.session.stack, Some(&context.live_state), plan.as_ref());
        context.session.print_stats(&arguments.global);
        graph
    } else {
        Graph::new(&context::load(&arguments.target)?.0, None, None)
    };
    report::print(&match arguments.format {
        Format::Mermaid => report::graph::mermaid(&graph),
        Format::Dot => report::graph::dot(&graph),
        Format::Html => report::graph::html(&graph),
        Format::Json => report::graph::json(&graph),
    });
    Ok(DONE)
}
