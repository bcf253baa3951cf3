//! The side environment of a drill as far as its permissions depend on backups that are not known yet.

use futures::FutureExt;
use regex_lite::Regex;
use serde_json::Value;

use crate::{
    aws::types,
    core::{BackupSource, LiveResource, NewestBackup, expression::references},
    definition::{DesiredResource, Stack},
};

/// Id of a resource whose backup is restored.
const UNKNOWN: &str = "unknown";

/// Some time, in milliseconds since 1970.
const TIME: u64 = 1_000_000;

/// Makes the resources of the side environment of a drill restore backups of resources that are not known: of any name, and with any key. Other
/// environments stay as they are.
pub fn restore_from_unknown(stack: &mut Stack) {
    let drill = stack.procedures.as_ref().and_then(|procedures| procedures.drill.clone());
    let Some(drill) = drill.filter(|drill| drill.environment == stack.environment) else { return };
    for address in &drill.restore {
        let Some(declared) = stack.resources.get_mut(address) else { continue };
        let source = LiveResource::ready(declared.resource_type.name, UNKNOWN, any_references(declared));
        // Without a back end, there is nothing to wait for.
        let newest =
            declared.resource_type.operations.newest_backup(BackupSource::Simulated(Some(TIME)), &declared.spec, &source).now_or_never();
        if let Some(Ok(NewestBackup::Found(point))) = newest {
            // What the type does not accept is reported by the drill.
            drop(declared.set_fields(&point.fields));
        }
    }
}

/// The spec with a pattern instead of each ARN of a resource in the stack.
fn any_references(declared: &DesiredResource) -> Value {
    let mut spec = declared.spec.clone();
    for field in spec.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
        let Some(Value::String(text)) = field.get_mut("arn") else { continue };
        let pattern = references(text).first().and_then(|reference| any_arn(reference.type_name));
        if let Some(pattern) = pattern {
            *text = pattern;
        }
    }
    spec
}

fn any_arn(type_name: &str) -> Option<String> {
    let pattern = types::resource_type(type_name)?.arn;
    Some(Regex::new(r"\{[^}]*\}").ok()?.replace_all(pattern, "*").into_owned())
}
