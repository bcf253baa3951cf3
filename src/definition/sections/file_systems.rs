//! `file_systems`: file systems of EFS with a mount target in every zone of the network, reachable from the network unless
//! `security_groups` is set, and their access points.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{DedicatedGroup, Expansion, Fields, SectionEntry, field_names, set_default};

/// Fields of a file system in addition to those of `file_system`.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileSystemFields {
    /// Subnets of the mount targets: a tier of the network (`private`, `public`, `database`, `intra`), or a list with one for each zone.
    /// Default: `private`.
    #[serde(default)]
    pub subnets: Value,
    /// Security groups of the mount targets. Default: a dedicated group that admits the network to port 2049.
    #[serde(default)]
    pub security_groups: Value,
    /// Access points by name, with the fields of `file_system_access_point`. Their names in the stack are `<file system>-<name>`.
    #[serde(default)]
    pub access_points: Value,
}

/// Port of NFS.
const NFS_PORT: u16 = 2049;

pub(super) fn expand(out: &mut Expansion<'_, '_>, value: Value, at: &str) {
    for mut entry in out.parse_entries(value, at) {
        let what = format!("`{}`", entry.name);
        let own: FileSystemFields = out.take_own_fields(&mut entry.fields, &entry.pointer, &what).unwrap_or_default();
        for mut point in out.parse_entries(own.access_points, &format!("{}/access_points", entry.pointer)) {
            set_default(&mut point.fields, "file_system", entry.name.as_str());
            let name = format!("{}-{}", entry.name, point.name);
            out.add_resource("file_system_access_point", name, point.fields, &point.pointer);
        }
        if !entry.is_set("mount_targets") {
            set_mount_targets(out, &mut entry, own.subnets, own.security_groups);
        }
        if let Some(draft) = out.add_resource("file_system", entry.name, entry.fields, &entry.pointer) {
            draft.extra_fields = field_names::<FileSystemFields>();
        }
    }
}

/// A mount target in each subnet. A One Zone file system has one, in its zone.
fn set_mount_targets(out: &mut Expansion<'_, '_>, entry: &mut SectionEntry, subnets: Value, security_groups: Value) {
    let mut fields = Fields::from_iter([("subnets".to_owned(), subnets)]);
    out.set_default_subnets(&mut fields, "private", &entry.pointer, "a file system");
    let mut subnets = match fields.remove("subnets") {
        Some(Value::Array(subnets)) => subnets,
        _ => Vec::new(),
    };
    if let Some(zone) = entry.text("availability_zone").and_then(|zone| zone.chars().last()) {
        // Names of the network's subnets end with the letter of their zone.
        let suffix = format!("-{zone}");
        let in_zone = |subnet: &Value| subnet.as_str().is_none_or(|name| name.ends_with(&suffix));
        subnets.retain(in_zone);
    }
    let groups = match security_groups {
        Value::Null => {
            let group = DedicatedGroup {
                name: format!("files-{}", entry.name),
                description: format!("Access to the file system {}", entry.name),
                port: Some(NFS_PORT.into()),
                connects: false,
            };
            out.add_security_group(entry, group).unwrap_or_else(|| json!([]))
        }
        groups => groups,
    };
    let targets: Vec<Value> = subnets.into_iter().map(|subnet| json!({ "subnet": subnet, "security_groups": groups })).collect();
    entry.fields.insert("mount_targets".into(), targets.into());
}
