//! Which resources the plans of a session are about.

use std::collections::BTreeSet;

use super::{Result, Session, SessionError, command_line::shell_quoted};
use crate::{
    core::{Address, nearest::suggestion},
    engine::plan::{Action, Plan, Selection, Selector},
};

impl Session {
    /// Limits the next plans to some resources.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
    }

    /// Refuses a selection of what the plan does not have, replacements of what does not exist, and selections that contradict each other.
    pub(super) fn check_selection(&self, plan: &Plan) -> Result<()> {
        let Selection { only, except, replace } = &self.selection;
        let left_out = plan.partial.iter().flat_map(|partial| partial.left_out.keys());
        let known: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).chain(left_out).collect();
        for (selectors, verb) in [(only, "select"), (except, "leave out")] {
            if let Some(unknown) = selectors.iter().find(|selector| selector.expand(&self.stack, &known).is_empty()) {
                let help = unknown.suggest(&self.stack, &known);
                return Err(SessionError::UnknownAddress { address: unknown.to_string(), verb, help });
            }
        }
        if let Some(unknown) = replace.iter().find(|address| !known.contains(address)) {
            let names: Vec<String> = known.iter().map(ToString::to_string).collect();
            let help = suggestion(&unknown.to_string(), "addresses", names.iter().map(String::as_str));
            return Err(SessionError::UnknownAddress { address: unknown.to_string(), verb: "replace", help });
        }
        let expand = |selectors: &BTreeSet<Selector>| -> BTreeSet<Address> {
            selectors.iter().flat_map(|selector| selector.expand(&self.stack, &known)).collect()
        };
        let excluded = expand(except);
        if !only.is_empty() && expand(only).is_subset(&excluded) {
            let help = "remove `--except`, or select more with `--only`".to_owned();
            return Err(SessionError::ContradictorySelection {
                message: "`--except` leaves out all that `--only` selects".to_owned(),
                help,
            });
        }
        let left_out = |address: &Address| plan.partial.as_ref().is_some_and(|partial| partial.left_out.contains_key(address));
        if let Some(address) = replace.iter().find(|address| excluded.contains(*address) || left_out(address)) {
            let message = format!("`--replace {address}` asks for a change that the rest of the selection leaves out");
            let help = format!("remove `--replace {address}`, or select it: `--only {address}`");
            return Err(SessionError::ContradictorySelection { message, help });
        }
        let is_new = |address: &&Address| plan.changes.iter().any(|change| change.address == **address && change.action == Action::Create);
        let is_undeclared = |address: &&Address| !self.stack.resources.contains_key(address);
        let wrong = replace.iter().find(is_new).map(|address| (address, "it does not exist yet, and the plan creates it"));
        let wrong =
            wrong.or_else(|| Some((replace.iter().find(is_undeclared)?, "the definition does not declare it, and the plan deletes it")));
        match wrong {
            Some((address, reason)) => Err(SessionError::NotReplaceable { address: address.clone(), reason }),
            None => Ok(()),
        }
    }
}

/// Options of a command line for a selection.
pub fn options(selection: &Selection) -> String {
    let option = |name: &str, text: String| format!(" --{name} {}", shell_quoted(&text));
    let only = selection.only.iter().map(|selector| option("only", selector.to_string()));
    let except = selection.except.iter().map(|selector| option("except", selector.to_string()));
    only.chain(except).chain(selection.replace.iter().map(|address| option("replace", address.to_string()))).collect()
}
