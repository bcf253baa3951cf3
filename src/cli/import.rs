//! `acme import`: adopts an existing resource.

use std::fmt::Write as _;

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{
    DONE, GlobalArguments, LockArguments, OutputFormat, StackArguments,
    apply::{command_line, open_backend, release_lease},
    context::{Context, Session},
    plan,
    refusal::refuse,
};
use crate::{
    aws::types::{self, RESOURCE_TYPES},
    core::{ADDRESS_TAG, Address, ENVIRONMENT_TAG, LiveResource, Phase, ResourceType, STACK_TAG, Tags, UNTAGGED},
    definition::{self, Stack},
    engine::{
        discover::{Hints, address_of, discover, find_by_id, visible_tags},
        generate_config::generate_config,
        plan::{Goal, owner},
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
    let session = Session::open(&arguments.target, &arguments.global).await?;
    let (address, kind) = parse_address(&arguments.address)?;
    let account = session.account().await?;
    let backend = open_backend(&session, &arguments.global, &account, false).await?;
    let lease = arguments.lock.acquire(&backend, &session.stack, "import").await?;
    let ended = run_with_lease(arguments, session, account, &address, kind).await;
    release_lease(&lease).await;
    ended
}

async fn run_with_lease(
    arguments: &Arguments,
    session: Session,
    account: String,
    address: &Address,
    kind: &'static ResourceType,
) -> Result<u8> {
    let (cloud, stack, global) = (&session.cloud, &session.stack, &arguments.global);
    let mut world = discover(cloud, stack, Hints::default()).await?;
    let Some(mut live) = find_by_id(cloud, stack, kind, &arguments.id, &world).await? else {
        refuse!("not-found", "{}", not_found_message(kind, &arguments.id, stack));
    };
    if !is_already_adopted(stack, &live, address)? {
        let occupies_address = |other: &&LiveResource| {
            other.id != live.id && owner(&other.tags) == stack_owner(stack) && address_of(other).as_ref() == Some(address)
        };
        if let Some(other) = world.iter().find(occupies_address) {
            refuse!("adopted", "`{address}` is already `{}`: choose another address for `{}`", other.id, live.id);
        }
        let before = visible_tags(&live.tags, &Tags::new());
        let mut after = before.clone();
        after.extend(ownership_tags(stack, address));
        after.remove(UNTAGGED);
        cloud.retag(kind, &live.id, live.arn(), &before, &after).await?;
        live.tags.remove(UNTAGGED);
        live.tags.extend(ownership_tags(stack, address));
        report::eprint(&format!("{} `{}` is now `{address}` in {}.", Style::Added.paint("Done:"), live.id, stack.name));
    } else if !global.quiet {
        report::eprint(&format!("`{}` is already `{address}` in {}.", live.id, stack.name));
    }
    let of_kind = world.live.entry(kind.name).or_default();
    of_kind.retain(|other| other.id != live.id);
    of_kind.push(live.clone());
    let context = Context { session, account, live_state: world };
    let stack = &context.session.stack;
    if stack.resources.contains_key(address) {
        let plan = context.plan(Goal::Apply).await?;
        plan::print(&plan, global.output, RenderOptions::default())?;
    } else {
        let resources = generate_config(stack, &context.live_state, kind, address, &live);
        report::print(&match global.output {
            OutputFormat::Json => format!(
                "{}\n",
                serde_json::to_string_pretty(
                    &json!({ "format": "acme-import/1", "address": address, "id": live.id, "resources": resources })
                )?
            ),
            _ => serde_yaml::to_string(&json!({ "resources": resources }))?,
        });
        report::eprint(&format!(
            "  help: `{address}` is not in the definition: add the lines above, or the next `{}` deletes it.",
            command_line("apply", &arguments.target)
        ));
    }
    context.session.print_stats(global);
    Ok(DONE)
}

/// Parses an address of a type with tags.
fn parse_address(text: &str) -> Result<(Address, &'static ResourceType)> {
    let Some(address) = Address::parse(text) else {
        refuse!("address", "`{text}` is not a valid address: write a type and a name, such as `vpc.main`");
    };
    let Some(kind) = types::resource_type(&address.type_name) else {
        let help = definition::suggestion(&address.type_name, "types", RESOURCE_TYPES.iter().map(|kind| kind.name));
        refuse!("unknown-type", "there is no resource type `{}`: {help}", address.type_name);
    };
    if !address.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.*@".contains(&b)) {
        refuse!("address", "`{}` is not a valid resource name: use letters, digits, `-`, `_` and `.`", address.name);
    }
    let thing = kind.name.replace('_', " ");
    match (kind.is_taggable(), kind.identity.is_empty()) {
        (true, _) => Ok((address, kind)),
        (false, false) => refuse!(
            "not-adoptable",
            "a {thing} has no tags of its own: declare it, and the existing one belongs to the stack as soon as its parent does"
        ),
        (false, true) => {
            refuse!(
                "not-adoptable",
                "AWS does not support tags on a {thing}, so it can't be adopted: declare it, and delete the existing one before an apply"
            )
        }
    }
}

/// Whether the resource already has this address.
///
/// # Errors
/// Fails if it has another address, or belongs to another stack.
fn is_already_adopted(stack: &Stack, live: &LiveResource, address: &Address) -> Result<bool> {
    if live.phase == Phase::Deleting {
        refuse!("not-adoptable", "`{}` is being deleted", live.id);
    }
    let Some(owner) = owner(&live.tags) else { return Ok(false) };
    let at = address_of(live);
    let shown = at.as_ref().map(|at| format!(", as `{at}`")).unwrap_or_default();
    match Some(&owner) == stack_owner(stack).as_ref() {
        // Ownership that a list derived from other attributes still needs tags.
        true if at.as_ref() == Some(address) => Ok(!live.tags.contains_key(UNTAGGED)),
        true if at.is_none() => Ok(false),
        true => refuse!("adopted", "`{}` already belongs to this stack{shown}", live.id),
        false => {
            refuse!("foreign", "`{}` belongs to the stack {owner}{shown}: remove it from that stack first", live.id)
        }
    }
}

/// Name of the stack in the format of [`owner`].
fn stack_owner(stack: &Stack) -> Option<String> {
    owner(&ownership_tags(stack, &Address::new("", "")))
}

fn ownership_tags(stack: &Stack, address: &Address) -> Tags {
    [(STACK_TAG, stack.name.clone()), (ENVIRONMENT_TAG, stack.environment.clone()), (ADDRESS_TAG, address.to_string())]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
}

/// Reason why there is no resource to adopt.
fn not_found_message(kind: &ResourceType, id: &str, stack: &Stack) -> String {
    let mut text = format!("there is no {} `{id}`", kind.name.replace('_', " "));
    if let Some(parent) = kind.parent {
        let parent = parent.replace('_', " ");
        // Writing to a string can't fail.
        let _ = write!(text, " in any {parent} of this stack: adopt its {parent} first");
    } else if kind.has_path() {
        let _ = write!(
            text,
            " with the path /acme/{}/{}/: acme finds IAM resources by their path, which can't be changed, so declare a new one",
            stack.name, stack.environment
        );
    }
    text
}
