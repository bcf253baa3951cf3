//! `acme import`: adopts existing resources, one by its id or many from a source.

mod bulk;

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::{
    DONE, FAILED, GlobalArguments, LockArguments, OutputFormat, StackArguments, complete, confirm, definition_file::is_definition, lock,
    open, parse_key_value, plan, refusal::refuse,
};
use crate::{
    core::{Address, StackName},
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
    #[arg(value_name = "TYPE.NAME", add = ArgValueCompleter::new(complete::addresses))]
    address: Option<String>,
    /// Physical id in AWS: an id, a name or an ARN, depending on the type.
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// Adopt the resources in a Terraform state, `terraform.tfstate` or the output of `terraform state pull`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["tags", "vpc", "from_cloudformation"])]
    from: Option<PathBuf>,
    /// Adopt the resources with this tag; repeatable: with all of them.
    #[arg(long = "tag", value_name = "KEY=VALUE", value_parser = parse_key_value, conflicts_with_all = ["vpc", "from_cloudformation"])]
    tags: Vec<(String, String)>,
    /// Adopt a VPC and the resources in it.
    #[arg(long, value_name = "VPC", conflicts_with = "from_cloudformation")]
    vpc: Option<String>,
    /// Adopt the resources of a CloudFormation stack, and of the stacks nested in it.
    #[arg(long, value_name = "NAME")]
    from_cloudformation: Option<String>,
    /// Name of the stack, to write a new definition.
    #[arg(long, value_name = "NAME")]
    stack: Option<StackName>,
    /// Skip confirmation; required without a terminal.
    #[arg(short, long)]
    yes: bool,
    #[command(flatten)]
    lock: LockArguments,
    #[command(flatten)]
    global: GlobalArguments,
}

impl Arguments {
    fn has_source(&self) -> bool {
        self.from.is_some() || !self.tags.is_empty() || self.vpc.is_some() || self.from_cloudformation.is_some()
    }

    /// Assigns the positional arguments: the file can be left out.
    ///
    /// # Errors
    /// Fails if there are too few or too many.
    fn take_address_and_id(&mut self) -> Result<Option<(String, String)>> {
        let has_option = self.target.file_option.is_some();
        match (self.has_source(), self.address.take(), self.id.take()) {
            (true, None, None) => Ok(None),
            (false, Some(second), None) => match self.target.file.take() {
                Some(file) if !has_option && is_definition(&file) => {
                    let file = file.display();
                    match Address::parse(&second) {
                        Some(_) => refuse!("address", "the id is missing: write `acme import {file} {second} ID`"),
                        None => {
                            refuse!("address", "the address is missing: write `acme import {file} TYPE.NAME {second}`, such as `vpc.main`")
                        }
                    }
                }
                Some(address) => Ok(Some((address.display().to_string(), second))),
                None => refuse!("address", "an address and an id are needed, as in `acme import vpc.main vpc-0123`"),
            },
            (false, None, None) if self.target.file.as_ref().is_some_and(|first| has_option || !is_definition(first)) => {
                let first = self.target.file.take().unwrap_or_default();
                refuse!("address", "the id of `{}` is missing, as in `acme import vpc.main vpc-0123`", first.display())
            }
            (false, Some(address), Some(id)) if !has_option => Ok(Some((address, id))),
            (true, ..) => refuse!("address", "a source and an address exclude each other: remove one of them"),
            _ => refuse!(
                "address",
                "an address and an id are needed, as in `acme import vpc.main vpc-0123`, or a source, as in `acme import --from terraform.tfstate`"
            ),
        }
    }
}

pub async fn run(mut arguments: Arguments) -> Result<u8> {
    let Some((address, id)) = arguments.take_address_and_id()? else { return bulk::run(&arguments).await };
    if arguments.stack.is_some() {
        refuse!("address", "`--stack` is for a new definition from a source: remove it");
    }
    let arguments = &arguments;
    let session = open::open(&arguments.target, &arguments.global).await?;
    let target = ImportTarget::parse(&address)?;
    let locked = arguments.lock.lock(session, "import", arguments.yes, &arguments.global).await?;
    let ended = run_with_lease(arguments, &locked, &target, &id).await;
    lock::release(locked).await;
    ended
}

async fn run_with_lease(arguments: &Arguments, locked: &LockedSession, target: &ImportTarget, id: &str) -> Result<u8> {
    let global = &arguments.global;
    let imported = locked.find_import(target, id).await?;
    let (session, address, adoption) = (locked.session(), target.address(), &imported.adoption);
    let (stack, live) = (session.stack(), &adoption.live);
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
            _ => open::print_definition(&serde_yaml::to_string(&json!({ "resources": resources }))?)?,
        }
    }
    if adoption.needs_tags {
        let question = format!(
            "Tag `{}` as `{address}` of {} ({}) in account {}? Nothing else changes.",
            live.id,
            stack.name,
            stack.environment,
            locked.account()
        );
        if !arguments.yes && !confirm(&question)? {
            report::eprint("No changes made.");
            return Ok(FAILED);
        }
        locked.adopt(adoption).await?;
        locked.record_import(1).await;
        report::eprint(&format!("{} `{}` is now `{address}` in {}.", Style::Added.paint("Done:"), live.id, stack.name));
    } else if !global.quiet {
        report::eprint(&format!("`{}` is already `{address}` in {}.", live.id, stack.name));
    }
    if !stack.resources.contains_key(address) {
        report::eprint(&format!(
            "  help: `{address}` is not in the definition: add the lines above, or the next `{}` deletes it.",
            session.command_line("apply")
        ));
    }
    open::print_stats(session, global);
    Ok(DONE)
}
