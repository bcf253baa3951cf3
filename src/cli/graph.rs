//! `acme graph`.

mod serve;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};

use super::{DONE, GlobalArguments, OutputFormat, StackArguments, open};
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
    /// Show the sections of the definition only, with the number of their resources.
    #[arg(long, conflicts_with_all = ["plan", "live"])]
    sections: bool,
    /// Serve the stack as a page on this machine, which follows the definition, the resources and runs, and has the plan and the history: see
    /// docs/graph.md.
    #[arg(long, conflicts_with_all = ["plan", "live", "sections", "format"])]
    serve: bool,
    /// Port of the page. Default: any free one.
    #[arg(long, requires = "serve", default_value_t = 0, hide_default_value = true, value_parser = parse_port)]
    port: u16,
    /// Show the monthly cost on the page, its change by the plan, and that of each resource.
    #[arg(long, requires = "serve")]
    cost: bool,
    /// Folder of recorded answers of the price list (`aws pricing get-products`), instead of calls.
    #[arg(long, value_name = "DIR", env = "ACME_PRICES", hide_env_values = true)]
    prices: Option<PathBuf>,
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

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "use a number from 1 to 65535".to_owned())
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    if arguments.serve {
        return serve::run(arguments).await;
    }
    let graph = if arguments.plan || arguments.live {
        let (mut session, state) = open::discover(&arguments.target, &arguments.global).await?;
        session.choose_values(&state, Goal::Apply).await?;
        let plan = if arguments.plan { Some(session.plan(&state, Goal::Apply).await?) } else { None };
        let graph = Graph::new(session.stack(), Some(state.live_state()), plan.as_ref());
        open::print_stats(&session, &arguments.global);
        graph
    } else {
        let mut stack = open::load(&arguments.target)?;
        stack.replace_unknown_location("<account>", "<region>");
        let graph = Graph::new(&stack, None, None);
        if arguments.sections { graph.by_section(&stack) } else { graph }
    };
    match arguments.format {
        // As every other command, whatever it draws otherwise.
        _ if arguments.global.output == OutputFormat::Json => report::print_json(&report::graph::json(&graph))?,
        Format::Mermaid => report::print(&report::graph::mermaid(&graph)),
        Format::Dot => report::print(&report::graph::dot(&graph)),
        Format::Html => report::print(&report::graph::html(&graph)),
        Format::Json => report::print_json(&report::graph::json(&graph))?,
    }
    Ok(DONE)
}
