//! `acme completions` and `acme man`: shell completions and manual pages.

use std::{io, path::Path};

use anyhow::{Context as _, Result};
use clap::CommandFactory as _;
use clap_complete::{Shell, env::Shells};

use super::{Cli, DONE, complete::COMPLETE_VARIABLE};
use crate::report;

pub fn completions(shell: Shell) -> Result<u8> {
    let mut script = Vec::new();
    let name = shell.to_string();
    match Shells::builtins().completer(&name) {
        // Words of a definition, such as its environments, are known only when the shell asks for them.
        Some(completer) => completer.write_registration(COMPLETE_VARIABLE, "acme", "acme", "acme", &mut script)?,
        None => clap_complete::generate(shell, &mut Cli::command(), "acme", &mut script),
    }
    report::print(&String::from_utf8(script)?);
    Ok(DONE)
}

/// Writes one page per command to a folder, or the main page to stdout.
pub fn man(out: Option<&Path>) -> Result<u8> {
    match out {
        Some(folder) => {
            let write = || -> io::Result<()> {
                std::fs::create_dir_all(folder)?;
                clap_mangen::generate_to(Cli::command(), folder)
            };
            write().with_context(|| format!("can't write to the folder `{}`", folder.display()))?;
            report::eprint(&format!("Wrote manual pages to {}.", folder.display()));
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page)?;
            report::print(&String::from_utf8(page)?);
        }
    }
    Ok(DONE)
}
