//! `acme validate`.

use anyhow::Result;

use super::{DONE, StackArguments, open};
use crate::report;

pub fn run(target: &StackArguments) -> Result<u8> {
    let stack = open::load(target)?;
    report::eprint(&format!("{} is valid: {} resources in environment {}.", stack.name, stack.resources.len(), stack.environment));
    Ok(DONE)
}
