//! What databases and caches have in common: a subnet group, a parameter group, and a security group that admits the network.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DedicatedGroup, Expansion, Fields, SectionEntry};

/// Fields of an entry in addition to those of its type.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreFields {
    /// Engine settings, stored in a parameter group with the name of the entry. Default: AWS's default group.
    #[serde(default)]
    pub parameters: Option<BTreeMap<String, Value>>,
    /// Family of that group, such as `postgres16` or `valkey8`. Default: derived from engine and version.
    #[serde(default)]
    pub family: Option<String>,
    /// Subnets of the subnet group: a tier of the network (`private`, `public`, `database`, `intra`), or a list; otherwise, all entries share a
    /// group. Default: `database` if the network has that tier, else `private`.
    #[serde(default)]
    pub subnets: Value,
}

/// A kind of store, and the groups that its section made so far.
pub(super) struct StoreKind {
    noun: &'static str,
    subnet_group: &'static str,
    has_shared_group: bool,
}

impl StoreKind {
    /// `noun` is the prefix of the names of security groups, too; `subnet_group` is the type of its subnet groups.
    pub(super) fn new(noun: &'static str, subnet_group: &'static str) -> StoreKind {
        StoreKind { noun, subnet_group, has_shared_group: false }
    }

    /// Sets `subnet_group`: a group of the entry's own subnets, or of the private ones, which all entries share.
    pub(super) fn set_subnet_group(&mut self, out: &mut Expansion<'_, '_>, entry: &mut SectionEntry, subnets: Value) {
        if entry.is_set("subnet_group") {
            return;
        }
        let is_own = !subnets.is_null();
        let group = if is_own { entry.name.as_str() } else { "main" };
        entry.fields.insert("subnet_group".into(), group.into());
        if is_own || !self.has_shared_group {
            let mut fields = Fields::from_iter([("subnets".to_owned(), subnets)]);
            let has_tier = out.network.as_ref().is_some_and(|layout| layout.tiers.contains_key("database"));
            out.set_default_subnets(
                &mut fields,
                if has_tier { "database" } else { "private" },
                &entry.pointer,
                &format!("a {}", self.noun),
            );
            out.add_resource(self.subnet_group, group, fields, &entry.pointer);
        }
        self.has_shared_group |= !is_own;
    }

    /// Sets `security_groups`: a group that admits the network.
    pub(super) fn set_security_group(&self, out: &mut Expansion<'_, '_>, entry: &mut SectionEntry, default_port: u16) {
        if entry.is_set("security_groups") {
            return;
        }
        let port = entry.fields.get("port").filter(|port| !port.is_null()).cloned().unwrap_or_else(|| default_port.into());
        let group = DedicatedGroup {
            name: format!("{}-{}", self.noun, entry.name),
            description: format!("Access to the {} {}", self.noun, entry.name),
            port: Some(port),
            connects: false,
        };
        if let Some(groups) = out.add_security_group(entry, group) {
            entry.fields.insert("security_groups".into(), groups);
        }
    }
}

/// Sets `parameter_group` to a group of this type, if there are engine settings.
pub(super) fn set_parameter_group(
    out: &mut Expansion<'_, '_>,
    entry: &mut SectionEntry,
    type_name: &str,
    parameters: Option<BTreeMap<String, Value>>,
    family: Option<String>,
) {
    let Some(parameters) = parameters.filter(|_| !entry.is_set("parameter_group")) else { return };
    let spec = json!({ "family": family.unwrap_or_default(), "parameters": parameters });
    out.add_generated(type_name, &entry.name, spec, &entry.pointer);
    entry.fields.insert("parameter_group".into(), entry.name.as_str().into());
}
