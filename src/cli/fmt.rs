//! `acme fmt`: the standard layout of definitions.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::Args;

use super::{CHANGES, DONE, definition_file, open};
use crate::{
    definition::{Source, formatted_text},
    engine::session::SessionError,
    report,
};

/// Name of standard input in place of a file.
const STDIN: &str = "-";

#[derive(Debug, Args)]
pub struct Arguments {
    /// Definitions; `-` reads standard input and writes standard output. Default: `acme.yaml` or `stack.yaml` in the current folder.
    #[arg(value_name = "STACK.yaml")]
    files: Vec<PathBuf>,
    /// Show the differences, write nothing, and exit with 2 if there are any.
    #[arg(long)]
    check: bool,
}

pub fn run(arguments: &Arguments) -> Result<u8> {
    let files = match arguments.files.is_empty() {
        true => vec![definition_file::default_file(Path::new(""))?],
        false => arguments.files.clone(),
    };
    let mut changed = 0;
    for file in &files {
        let is_stdin = file.as_os_str() == STDIN;
        let source = if is_stdin { read_stdin()? } else { open::read_file(file)? };
        let text = match formatted_text(&source) {
            // Nothing has no layout.
            Ok(_) if source.text.is_empty() => String::new(),
            Ok(text) => text,
            Err(problems) => return Err(SessionError::InvalidDefinition { definition: source, problems }.into()),
        };
        let differs = text != source.text;
        changed += usize::from(differs);
        match (arguments.check, is_stdin) {
            (true, _) if differs => report::print(&report::render::diff_of_texts(&source.path, &source.text, &text)),
            (true, _) => {}
            (false, true) => report::print(&text),
            (false, false) if differs => {
                fs::write(file, &text).with_context(|| format!("can't write `{}`", file.display()))?;
                report::eprint(&format!("Formatted {}.", source.path));
            }
            (false, false) => {}
        }
    }
    Ok(if arguments.check && changed > 0 { CHANGES } else { DONE })
}

fn read_stdin() -> Result<Source> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("can't read standard input")?;
    Ok(Source::new(STDIN, text))
}
