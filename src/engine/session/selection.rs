//! Which resources the plans of a session are about.

use std::collections::BTreeSet;

use super::{Result, Session, SessionError};
use crate::{
    core::{Address, nearest::suggestion},
    engine::plan::{Action, Plan, Selection},
};

impl Session {
    /// Limits the next plans to some resources.
    pub fn select(&mut self, selection: Selection) {
        self.selection = selection;
    }

    /// Refuses addresses that a plan does not have, and replacements of what does not exist.
    pub(super) fn check_selection(&self, plan: &Plan) -> Result<()> {
        let left_out = plan.partial.iter().flat_map(|partial| partial.left_out.keys());
        let known: BTreeSet<&Address> = plan.changes.iter().map(|change| &change.address).chain(left_out).collect();
        for (addresses, verb) in
            [(&self.selection.only, "select"), (&self.selection.except, "leave out"), (&self.selection.replace, "replace")]
        {
            if let Some(unknown) = addresses.iter().find(|address| !known.contains(address)) {
                let names: Vec<String> = known.iter().map(ToString::to_string).collect();
                let help = suggestion(&unknown.to_string(), "addresses", names.iter().map(String::as_str));
                return Err(SessionError::UnknownAddress { address: unknown.clone(), verb, help });
            }
        }
        let is_new = |address: &&Address| plan.changes.iter().any(|change| change.address == **address && change.action == Action::Create);
        let is_undeclared = |address: &&Address| !self.stack.resources.contains_key(address);
        let replace = &self.selection.replace;
        let wrong =
            replace.iter().find(is_new).map(|address| (address, "it does not exist yet, and the plan creates it: remove `--replace`"));
        let wrong = wrong.or_else(|| {
            let address = replace.iter().find(is_undeclared)?;
            Some((address, "the definition does not declare it, so the plan deletes it: remove `--replace`"))
        });
        match wrong {
            Some((address, help)) => Err(SessionError::UnknownAddress { address: address.clone(), verb: "replace", help: help.to_owned() }),
            None => Ok(()),
        }
    }
}

/// Options of a command line for a selection.
pub fn options(selection: &Selection) -> String {
    let all = [("only", &selection.only), ("except", &selection.except), ("replace", &selection.replace)];
    let option =
        |(name, addresses): (&str, &BTreeSet<Address>)| addresses.iter().map(|address| format!(" --{name} {address}")).collect::<String>();
    all.into_iter().map(option).collect()
}
