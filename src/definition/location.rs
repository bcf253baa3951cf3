//! Account and region of a stack. A definition need not contain them: acme knows them once it is connected, and then compiles it again.

use serde_json::Value;

use super::Stack;

/// In place of an account that is not known yet: it has the length of any other, so that limits of names are checked.
const UNKNOWN_ACCOUNT: &str = "099999999990";

/// In place of a region that is not known yet, as long as the longest ones.
const UNKNOWN_REGION: &str = "xx-undefined-1";

/// Account and region of the resources, as far as they are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// Account id.
    pub account: Option<String>,
    /// Region.
    pub region: Option<String>,
}

impl Location {
    /// The account, or a placeholder.
    pub(crate) fn account(&self) -> &str {
        self.account.as_deref().unwrap_or(UNKNOWN_ACCOUNT)
    }
    /// The region, or a placeholder.
    pub(crate) fn region(&self) -> &str {
        self.region.as_deref().unwrap_or(UNKNOWN_REGION)
    }
}

impl Stack {
    /// Writes these texts in place of an account and a region that are not known: `*` in a policy, for example.
    pub fn replace_unknown_location(&mut self, account: &str, region: &str) {
        if !self.has_unknown_location {
            return;
        }
        let known = |text: &str| text.replace(UNKNOWN_ACCOUNT, account).replace(UNKNOWN_REGION, region);
        for declared in self.resources.values_mut() {
            replace_texts(&mut declared.spec, &known);
            declared.tags.values_mut().for_each(|value| *value = known(value));
        }
        self.outputs.values_mut().for_each(|value| replace_texts(value, &known));
        self.backend = self.backend.take().map(|backend| known(&backend.to_string()).parse().unwrap_or(backend));
    }
}

fn replace_texts(value: &mut Value, replace: &impl Fn(&str) -> String) {
    match value {
        Value::String(text) if text.contains(UNKNOWN_ACCOUNT) || text.contains(UNKNOWN_REGION) => *text = replace(text),
        Value::Array(list) => list.iter_mut().for_each(|item| replace_texts(item, replace)),
        Value::Object(map) => map.values_mut().for_each(|item| replace_texts(item, replace)),
        _ => {}
    }
}
