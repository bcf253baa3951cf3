//! `acme new`: creates a definition.

mod architecture;
mod github;
mod parts;

use std::{
    env,
    fs::OpenOptions,
    io::{ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum as _, builder::PossibleValuesParser};
use serde_json::json;

use super::{DONE, OutputArguments, definition_file::DEFAULT_FILES, refusal::refuse};
use crate::{
    core::EnvironmentName,
    definition::{LoadOptions, Source, load},
    report,
};
use architecture::{Answers, Architecture, Size, example_lines};
use parts::{PARTS, find_part, render_definition};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the stack.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Same as NAME.
    #[arg(long = "name", value_name = "NAME", conflicts_with = "name")]
    name_option: Option<String>,
    /// AWS region. Default: AWS_REGION, otherwise us-east-1.
    #[arg(long, value_parser = super::parse_region)]
    region: Option<String>,
    /// Parts of the definition. Default: network, or ask on a terminal.
    #[arg(long, value_name = "PART", value_delimiter = ',', value_parser = PossibleValuesParser::new(PARTS.iter().map(|part| part.name)))]
    with: Vec<String>,
    /// Start from a complete architecture instead, or from `remote`, the runner of `apply --remote`. `github` writes workflows that plan and apply the
    /// definition in this folder, and the stack with their roles.
    #[arg(long, value_name = "ARCHITECTURE", conflicts_with = "with")]
    #[arg(value_parser = PossibleValuesParser::new(Architecture::names().chain([github::NAME])))]
    like: Option<String>,
    /// Domain of the architecture's hosts, which Route 53 serves. Default: an example, or ask on a terminal.
    #[arg(long, requires = "like")]
    domain: Option<String>,
    /// Size of the machines in production. Default: medium, or ask on a terminal.
    #[arg(long, value_enum, requires = "like")]
    size: Option<Size>,
    /// Repository whose workflows get the roles, for `--like github`. Default: ask on a terminal.
    #[arg(long, value_name = "OWNER/NAME", requires = "like")]
    repository: Option<String>,
    /// Definition that the workflows of `--like github` apply. Default: `acme.yaml` or `stack.yaml` in the current folder.
    #[arg(id = "definition", short = 'f', long = "file", value_name = "STACK.yaml", requires = "like")]
    file: Option<PathBuf>,
    /// Environment that the workflows of `--like github` apply. Default: production, or the only one.
    #[arg(short, long, value_name = "NAME", requires = "like")]
    env: Option<EnvironmentName>,
    /// Output file. Default: `acme.yaml`, which commands without a file take; `<name>.yaml` if the folder has `acme.yaml` or `stack.yaml`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let is_interactive = std::io::stdin().is_terminal();
    let name = match arguments.name.as_ref().or(arguments.name_option.as_ref()) {
        Some(name) => name.clone(),
        None if is_interactive => report::ask("Name of the stack: ")?,
        None => refuse!("unnamed", "a stack needs a name: `acme new NAME`"),
    };
    if arguments.like.as_deref() == Some(github::NAME) {
        return github::run(arguments, &name);
    }
    if arguments.repository.is_some() || arguments.file.is_some() || arguments.env.is_some() {
        refuse!("invalid-answer", "only `--like github` has a repository and a definition: omit `--repository`, `--file` and `--env`");
    }
    let region = answer(arguments.region.clone(), is_interactive, "AWS region", &default_region())?;
    let path = arguments.out.clone().unwrap_or_else(|| new_file(&name));
    let file = path.display().to_string();
    // The file need not be named if it is the default one.
    let named = if file == DEFAULT_FILES[0] { String::new() } else { format!("{file} ") };
    let architecture = arguments.like.as_deref().and_then(Architecture::find);
    let has_environments = architecture.is_none_or(Architecture::has_environments);
    match architecture {
        Some(architecture) => {
            let domain = choose_domain(arguments, architecture, is_interactive)?;
            let size = choose_size(arguments, architecture, is_interactive)?;
            let text = architecture.render(&Answers { name: &name, region: &region, domain: domain.as_deref(), size, file: &file });
            write_definition(&path, &file, &text, has_environments)?;
            let lines: Vec<String> = example_lines(&text).iter().map(ToString::to_string).collect();
            if !lines.is_empty() {
                report::eprint(&format!(
                    "Before you apply it to AWS, replace the names under example.com in these lines: {}.",
                    lines.join(", ")
                ));
            }
        }
        None => {
            let with = choose_parts(arguments, is_interactive)?;
            write_definition(&path, &file, &render_definition(&name, &region, &named, &with), has_environments)?;
            for needed in with.iter().filter_map(|name| find_part(name)?.requires).filter(|needed| !with.contains(needed)).take(1) {
                report::eprint(&format!("Added: {needed}, required by the other parts."));
            }
        }
    }
    let environment = if has_environments { "--env staging " } else { "" };
    report::eprint(&format!("Wrote {file}. Run `acme plan {named}{environment}--local` to show its resources."));
    if arguments.output.is_json() {
        report::print_json(&json!({ "format": "acme-new/1", "file": file }))?;
    }
    Ok(DONE)
}

/// Region of the shell.
fn default_region() -> String {
    let usual = ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().find_map(|key| env::var(key).ok().filter(|region| !region.is_empty()));
    usual.unwrap_or_else(|| "us-east-1".to_owned())
}

/// File of a new stack: the one that commands take without a name, or, beside another definition, one with the name of the stack.
fn new_file(name: &str) -> PathBuf {
    let is_taken = DEFAULT_FILES.iter().any(|file| Path::new(file).exists());
    PathBuf::from(if is_taken { format!("{name}.yaml") } else { DEFAULT_FILES[0].to_owned() })
}

/// The value of an option, or the answer of a person, or the default.
fn answer(option: Option<String>, is_interactive: bool, question: &str, default: &str) -> Result<String> {
    let given = match option {
        None if is_interactive => Some(report::ask(&format!("{question}: [{default}] "))?).filter(|text| !text.is_empty()),
        option => option,
    };
    Ok(given.unwrap_or_else(|| default.to_owned()))
}

/// Domain of the hosts; `None` without hosts.
fn choose_domain(arguments: &Arguments, architecture: &Architecture, is_interactive: bool) -> Result<Option<String>> {
    let usual = architecture.domain();
    match &arguments.domain {
        Some(_) if usual.is_empty() => refuse!("invalid-answer", "`{}` has no hosts: omit `--domain`", architecture.name),
        _ if usual.is_empty() => Ok(None),
        domain => answer(domain.clone(), is_interactive, "Domain", usual).map(Some),
    }
}

fn choose_size(arguments: &Arguments, architecture: &Architecture, is_interactive: bool) -> Result<Size> {
    if !architecture.has_sizes() {
        if arguments.size.is_some() {
            refuse!("invalid-answer", "`{}` has no machines of a fixed size: omit `--size`", architecture.name);
        }
        return Ok(Size::default());
    }
    let Some(size) = arguments.size else {
        let text = answer(None, is_interactive, "Size of the machines in production (small, medium, large)", "medium")?;
        return match Size::from_str(&text, true) {
            Ok(size) => Ok(size),
            Err(_) => refuse!("invalid-answer", "`{text}` is not a valid size: use small, medium or large"),
        };
    };
    Ok(size)
}

fn choose_parts(arguments: &Arguments, is_interactive: bool) -> Result<Vec<&str>> {
    let mut with: Vec<&str> = arguments.with.iter().map(String::as_str).collect();
    if with.is_empty() && is_interactive {
        for part in PARTS {
            if matches!(report::ask(&format!("{} [y/N] ", part.question))?.as_str(), "y" | "Y" | "yes") {
                with.push(part.name);
            }
        }
    }
    if with.is_empty() {
        with.push("network");
    }
    Ok(with)
}

/// Refuses answers that make an invalid definition.
fn check_definition(file: &str, text: &str, has_environments: bool) -> Result<()> {
    let options = LoadOptions { environment: if has_environments { "staging".parse().ok() } else { None }, ..LoadOptions::default() };
    if let Err(problems) = load(&Source::new(file, text), &options) {
        let messages: Vec<String> = problems
            .iter()
            .map(|problem| [Some(problem.message.as_str()), problem.help.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(": "))
            .collect();
        refuse!("invalid-answer", "{}", messages.join("\n"));
    }
    Ok(())
}

/// Checks the definition, and writes it to a new file.
fn write_definition(path: &Path, file: &str, text: &str, has_environments: bool) -> Result<()> {
    check_definition(file, text, has_environments)?;
    let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut out| out.write_all(text.as_bytes()));
    match written {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            refuse!("file-exists", "`{file}` exists already: choose another file with `--out`")
        }
        written => written.with_context(|| format!("can't write `{file}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails if a selection of parts, one bit each, is not a valid definition.
    fn check_parts(chosen: u32) {
        let with: Vec<&str> = PARTS.iter().enumerate().filter(|(i, _)| chosen >> i & 1 == 1).map(|(_, part)| part.name).collect();
        let text = render_definition("shop", "eu-west-1", "shop.yaml ", &with);
        for environment in ["staging", "production"] {
            let options = LoadOptions { environment: environment.parse().ok(), ..LoadOptions::default() };
            let source = Source::new("shop.yaml", &text);
            if let Err(problems) = load(&source, &options) {
                let told: String = problems.iter().map(|problem| problem.render(&source, false)).collect();
                panic!("{with:?} in {environment}:\n{told}");
            }
        }
    }

    #[test]
    fn up_to_two_parts_and_all_parts_make_valid_definitions() {
        let all = (1_u32 << PARTS.len()) - 1;
        (1..all).filter(|chosen| chosen.count_ones() <= 2).for_each(check_parts);
        check_parts(all);
    }

    #[test]
    #[ignore = "full run"]
    fn every_choice_of_parts_makes_a_valid_definition() {
        (1..1_u32 << PARTS.len()).for_each(check_parts);
    }
}
