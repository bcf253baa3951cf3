//! `acme validate`.

use anyhow::Result;

use super::{DONE, Target, context};
use crate::report;

pub fn run(target: &Target) -> Result<u8> {
    let (stack, _) = context::load(target)?;
    report::talk(&format!("{} is valid: {} resources in environment {}.", stack.name, stack.resources.len(), stack.environment));
    Ok(DONE)
}
