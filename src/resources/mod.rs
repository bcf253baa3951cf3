//! Every resource type acme knows. Adding one: write its file, add its two lines here.

use crate::kind::Kind;

pub mod subnet;
pub mod vpc;

/// The registry, in alphabetical order.
pub static KINDS: &[Kind] = &[Kind::of::<subnet::Subnet>(), Kind::of::<vpc::Vpc>()];

/// The type of this name.
pub fn kind(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
