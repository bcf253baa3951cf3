//! `--only`, `--except` and `--replace`: the resources that a plan is about.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use crate::{
    core::Address,
    engine::{plan::Selection, session::SessionError},
};

/// Selection of resources.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectionArguments {
    /// Plan only the changes of this resource, and those it needs; repeatable.
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(complete::addresses))]
    only: Vec<String>,
    /// Leave this resource as it is, and those that need its changes; repeatable.
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(complete::addresses))]
    except: Vec<String>,
    /// Replace this resource, even if it matches the definition; repeatable.
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(complete::addresses))]
    replace: Vec<String>,
}

impl SelectionArguments {
    /// The selection.
    ///
    /// # Errors
    /// Fails if a text is not an address.
    pub fn selection(&self) -> Result<Selection> {
        let parse = |text: &String| Address::parse(text).ok_or_else(|| SessionError::InvalidAddress(text.clone()));
        let all = |texts: &[String]| texts.iter().map(parse).collect::<std::result::Result<BTreeSet<_>, _>>();
        Ok(Selection { only: all(&self.only)?, except: all(&self.except)?, replace: all(&self.replace)? })
    }

    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        self.only.is_empty() && self.except.is_empty() && self.replace.is_empty()
    }

    /// Whether replacements are asked for.
    pub fn replaces(&self) -> bool {
        !self.replace.is_empty()
    }
}
