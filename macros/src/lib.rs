//! `#[spec]` turns a struct into the spec of a resource type: each fact about a field is stated once, at the field.

mod attributes;
mod expand;
mod facts;
mod shape;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;

/// Turns a struct with named fields into the spec of a resource type, or a part of one.
///
/// ```ignore
/// /// An IP range of a VPC in one availability zone.
/// #[spec]
/// pub struct Subnet {
///     /// The VPC it belongs to.
///     #[field(replaces, unique = "range")]
///     pub vpc: Ref<Vpc>,
///     /// IPv4 range inside the VPC's range.
///     #[field(replaces, unique_by_overlap = "range", prefix = 16..=28)]
///     pub cidr: Cidr,
///     /// Assigns public IPv4 addresses to instances started in the subnet.
///     #[field(default = false, after_create)]
///     pub public_ip_on_launch: bool,
/// }
/// ```
///
/// `macros/src/facts.rs` lists and explains the facts. The macro derives `Clone`, `Debug`, `Serialize`, `Deserialize` and `JsonSchema`,
/// rejects unknown keys, implements `crate::core::spec::Spec`, and declares `SubnetChanges`, a struct with one `bool` per field.
/// `#[derive(Default)]` on a spec uses the defaults of the facts. Flattened and skipped fields have no key, so they can't have facts.
///
/// On an enum, it derives the same and the comparisons (`PartialEq`, `Eq`, `PartialOrd`, `Ord`), and renames the variants to `snake_case`
/// unless the enum's own serde attribute renames or tags them.
#[proc_macro_attribute]
pub fn spec(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand::spec(arguments.into(), item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}
