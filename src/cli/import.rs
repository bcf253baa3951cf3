//! `acme import`: adopts an existing resource.

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{DONE, GlobalArguments, LockArguments, OutputFormat, StackArguments, lock, open, plan};
use crate::{
    definition::Location,
    engine::{
        generate_config::generate_config,
        plan::Goal,
        session::{ImportTarget, LockedSession},
    },
    report::{self, Style, plan::RenderOptions},
};

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(flatten)]
    target: StackArguments,
    /// Address for the resource in the stack, such as `vpc.main`.
    #[arg(value_name = "TYPE.NAME")]
    address: String,
    /// Physical id in AWS: an id, a name or an ARN, depending on the type.
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

pub async fn run(arguments: &Arguments) -> Result<u8> {
    let session = open::open(&arguments.target, &arguments.global).await?;
    let target = ImportTarget::parse(&arguments.address)?;
    let mut locked = arguments.lock.lock(session, "import", false, &arguments.global).await?;
    let ended = run_with_lease(arguments, &mut locked, &target).await;
    lock::release(locked).await;
    ended
}

async fn run_with_lease(arguments: &Arguments, locked: &mut LockedSession, target: &ImportTarget) -> Result<u8> {
    let global = &arguments.global;
    let imported = locked.import(target, &arguments.id).await?;
    let (session, address, live) = (locked.session(), target.address(), &imported.live);
    let stack = session.stack();
    if imported.newly_adopted {
        report::eprint(&format!("{} `{}` is now `{address}` in {}.", Style::Added.paint("Done:"), live.id, stack.name));
    } else if !global.quiet {
        report::eprint(&format!("`{}` is already `{address}` in {}.", live.id, stack.name));
    }
    if stack.resources.contains_key(address) {
        let plan = session.plan(&imported.state, Goal::Apply).await?;
        plan::print(&plan, global.output, RenderOptions::default())?;
    } else {
        let location = Location { account: Some(locked.account().to_owned()), region: Some(session.region().to_owned()) };
        let resources = generate_config(stack, &location, imported.state.live_state(), target.resource_type(), address, live);
        match global.output {
            OutputFormat::Json => {
                report::print_json(&json!({ "format": "acme-import/1", "address": address, "id": live.id, "resources": resources }))?;
            }
            _ => report::print_yaml(&serde_yaml::to_string(&json!({ "resources": resources }))?)?,
        }
        report::eprint(&format!(
            "  help: `{address}` is not in the definition: add the lines above, or the next `{}` deletes it.",
            session.command_line("apply")
        ));
    }
    open::print_stats(session, global);
    Ok(DONE)
}
