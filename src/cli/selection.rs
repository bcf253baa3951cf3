//! `--only`, `--except` and `--replace`: the resources that a plan is about.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::{complete, refusal::refuse};
use crate::{
    core::Address,
    engine::{
        plan::{Selection, Selector},
        session::SessionError,
    },
};

/// Selection of resources.
#[derive(Clone, Debug, Default, Args)]
pub struct SelectionArguments {
    /// Plan only the changes of these resources, and those they need: an address (`vpc.main`), an entry of a section (`queues.jobs`), a module
    /// (`modules.mail`) or a pattern (`sqs_queue.*`); repeatable.
    #[arg(long, value_name = "SELECTOR", add = ArgValueCompleter::new(complete::selectors))]
    only: Vec<String>,
    /// Leave these resources as they are, and those that need their changes; the forms of `--only`; repeatable.
    #[arg(long, value_name = "SELECTOR", add = ArgValueCompleter::new(complete::selectors))]
    except: Vec<String>,
    /// Replace this resource, even if it matches the definition; repeatable.
    #[arg(long, value_name = "ADDRESS", add = ArgValueCompleter::new(complete::addresses))]
    replace: Vec<String>,
}

impl SelectionArguments {
    /// The selection.
    ///
    /// # Errors
    /// Fails if a text is not a selector, or if the same one is selected and left out.
    pub fn selection(&self) -> Result<Selection> {
        for (option, texts) in [("--only", &self.only), ("--replace", &self.replace)] {
            if let Some(both) = texts.iter().find(|text| self.except.contains(text)) {
                refuse!("selection", "`{option} {both}` and `--except {both}` contradict each other\n  help: remove one of them");
            }
        }
        let selector = |text: &String| text.parse::<Selector>().map_err(|_| SessionError::InvalidAddress(text.clone()));
        let selectors = |texts: &[String]| texts.iter().map(selector).collect::<std::result::Result<BTreeSet<_>, _>>();
        let address = |text: &String| Address::parse(text).ok_or_else(|| SessionError::InvalidAddress(text.clone()));
        let replace = self.replace.iter().map(address).collect::<std::result::Result<BTreeSet<_>, _>>()?;
        Ok(Selection { only: selectors(&self.only)?, except: selectors(&self.except)?, replace })
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
