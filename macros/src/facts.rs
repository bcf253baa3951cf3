//! The facts that `#[field(…)]` can state: this list is their documentation.

use syn::{Attribute, LitStr, Meta, Result, Token, punctuated::Punctuated};

use crate::shape::{Bounds, Choices, Dropped, FactSlot, FactValue, Flag, Name, OtherField, Parent, WithReason};

/// Declares [`Facts`] and reads one of them by its name.
macro_rules! facts {
    ($($(#[$doc:meta])* $fact:ident: $shape:ty,)*) => {
        /// The facts of one field.
        #[derive(Default)]
        pub struct Facts { $($(#[$doc])* pub $fact: $shape,)* }

        impl Facts {
            /// The names of all facts.
            pub const KNOWN: &[&str] = &[$(stringify!($fact)),*];

            fn read(&mut self, meta: &Meta) -> Result<()> {
                match meta.path().get_ident().map(ToString::to_string).as_deref() {
                    $(Some(stringify!($fact)) => self.$fact.read(stringify!($fact), meta),)*
                    _ => Err(syn::Error::new_spanned(meta.path(), format!("unknown fact; the facts are {}", Self::KNOWN.join(", ")))),
                }
            }
        }
    };
}

facts! {
    // Values in a definition.

    /// `default` or `default = 30`: the value of an unset field, `Default::default()` or the expression. Literals are converted:
    /// `"x"` fits a `String`, and any literal fits an `Option`. The schema shows the default.
    default: Option<FactValue>,
    /// `unset = "the engine's port"`: a description of the behaviour of an unset field, if its default is not a literal.
    /// Implies `default`.
    unset: Option<LitStr>,
    /// The value of an optional field that the last revision set and the definition no longer sets; required at every `Option`.
    /// `dropped = 60`: it returns to the documented default; `None` for no value. The expression may use `self`, the spec without the field.
    /// `dropped(inherited)`: to that of the field it is part of, whose expression uses `self`.
    /// `dropped(kept, "the port is permanent")`: any value will do, or AWS chooses one only at creation.
    /// `dropped(impossible, "AWS does not end the encryption")`: AWS can't return to the default, which blocks the plan.
    dropped: Option<Dropped>,
    /// `range = 0..=43200`: the limits of a number, both inclusive.
    range: Option<Bounds>,
    /// `length = 1..=255`: the limits for the length of a string, list, set or map, both inclusive.
    length: Option<Bounds>,
    /// `pattern = "[a-z-]+"`: a regular expression that the whole string matches.
    pattern: Option<LitStr>,
    /// `prefix = 16..=28`: the limits for the prefix length of a CIDR, both inclusive.
    prefix: Option<Bounds>,
    /// `one_of = ["gp3", "io2"]` or `one_of = [60, 600]`: all values of a string or number, if an enum would not document more.
    one_of: Option<Choices>,
    /// `requires = kms_key`, repeatable: the field can be set only if the other one is. A `bool` is set if it is true, another field if it
    /// differs from its default.
    requires: Vec<OtherField>,
    /// `conflicts_with = kms_key`, repeatable: at most one of the two fields can be set. Stated at one of them.
    conflicts_with: Vec<OtherField>,
    /// `name(max = 256, lowercase, global, prefix = "alias/", suffix(".fifo", when = fifo))`: the physical name. The compiler generates it if it is
    /// unset. `max` is the maximum length in characters with prefix and suffix, and the upper limit of `length` unless that is stated; the
    /// others are optional. With `ignore_case`, names that differ only in case are the same for AWS. A `global` name is unique among
    /// all accounts, so a generated one contains account and region. The compiler adds a missing prefix, and a missing suffix where the field in `when`, a `bool`, is true.
    name: Option<Name>,
    /// `policy = "identity"`, `"resource"`, `"endpoint"`, `"trust"` or `"repository"`: what a policy document, or all in a map, are attached to, which decides whether its
    /// statements have a `Principal` and a `Resource`.
    policy: Option<LitStr>,
    /// `important`: shown first in a plan.
    important: Option<Flag>,

    // How AWS creates and changes the resource.

    /// `replaces`: a change replaces the resource.
    replaces: Option<Flag>,
    /// `after_create` or `after_create = "ENABLED"`: the create call can't set the field. It leaves the field's default, or the value of
    /// the expression, which may use `self`; the engine calls `update` for the rest.
    after_create: Option<FactValue>,
    /// `initial_only`: used only by the create call. Later differences are ignored, whether the definition or a scaler caused them.
    initial_only: Option<Flag>,
    /// `write_only`: AWS never reports the field. It is not compared, and its last value comes from the record of the last run, or else is the
    /// default. Calls that need the field send it.
    write_only: Option<Flag>,
    /// `presumed`: AWS does not report the field of a ready resource, so it counts as set by `update`, unless a journal shows that an
    /// unfinished run created the resource, or started to delete it, and did not update it since. After a lost response, `update` is
    /// called again.
    presumed: Option<Flag>,
    /// `removed_later`: a list, set or map whose entries AWS does not remove while dependents use them. If a plan deletes dependents, their
    /// entries are removed in a separate step, after these deletions.
    removed_later: Option<Flag>,
    /// `entry_quota = 60`: AWS's default quota for the entries of a list, set or map that an update changes one by one, additions first. If
    /// AWS refuses the additions because of a quota, the engine removes what leaves, then adds.
    entry_quota: Option<FactValue>,
    /// `assigned_by_aws`: AWS fills the field in when it is unset. Rollback asks for the old value and accepts any other.
    assigned_by_aws: Option<Flag>,
    /// `one_way(Direction::Increase, "AWS never shrinks storage")`: AWS can change the field in one direction only, with the reason.
    /// `Direction` needs no import.
    one_way: Option<WithReason>,
    /// `impact = "restarts the instance"`: the impact of a change in place on users.
    impact: Option<LitStr>,
    /// `risky(false, "anyone can delete it")`: a value that a plan highlights, with the reason.
    risky: Option<WithReason>,
    /// `protects_deletion`: the `bool` for AWS's deletion protection.
    protects_deletion: Option<Flag>,
    /// `recovery_window`: the days after a deletion within which the resource can be restored.
    recovery_window: Option<Flag>,
    /// `apply_immediately`: the `bool` that makes AWS apply changes at once; the engine then waits for pending ones.
    apply_immediately: Option<Flag>,

    // How resources are found and distinguished.

    /// `unique = "range"`, repeatable: part of the unique key of this name. No two resources have equal values in all fields of a key, so a
    /// replacement that keeps one must delete the old resource first.
    unique: Vec<LitStr>,
    /// `unique_by_overlap = "range"`, repeatable: like `unique`, but two values are equal if their ranges overlap.
    unique_by_overlap: Vec<LitStr>,
    /// `unique_entries = "subnet"`, repeatable: part of the key of this name, of which each entry of a list or set is a value. Two resources
    /// can't have a value in common, so the one that had it releases it first, unless the type `takes_over_entries`.
    unique_entries: Vec<LitStr>,
    /// `global_region = "cloudfront"`: with this value, a resource is in the partition's region for global services (us-east-1), whatever the
    /// stack's region is.
    global_region: Option<LitStr>,
    /// `identity`: identifies an untaggable resource within its parent.
    identity: Option<Flag>,
    /// `parent` or `parent = Vpc`: refers to its parent resource, whose type is that of the `Ref`, or the given one.
    parent: Option<Parent>,
    /// `bound`: AWS binds the resource to the very one that the field refers to. If that is recreated, even under the same ARN, so is this
    /// resource, after its deletion.
    bound: Option<Flag>,
    /// `keeps = "vpc"`: AWS can't change the field to resources with another `vpc`: subnets of another VPC. Such a change replaces the resource.
    keeps: Option<LitStr>,
    /// `lookup`: the tag index lags, so resources with the desired values are looked up and their tags read.
    lookup: Option<Flag>,
    /// `attribute = "idle_timeout.timeout_seconds"`: AWS keeps the field as text in a map, under this name.
    attribute: Option<LitStr>,
    /// `read_by_name`: a map with entries that AWS lists only by name.
    read_by_name: Option<Flag>,
    /// `own_read`: costs an extra read per resource, so it is read only if declared or recorded.
    own_read: Option<Flag>,
}

impl Facts {
    /// Removes the `#[field(…)]` attributes from a field; `None` without any.
    pub fn take(attributes: &mut Vec<Attribute>) -> Result<Option<Facts>> {
        let mut facts = None;
        for attribute in attributes.extract_if(.., |attribute| attribute.path().is_ident("field")) {
            let facts = facts.get_or_insert_with(Facts::default);
            for meta in attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)? {
                facts.read(&meta)?;
            }
            if let Some(kind) = facts
                .policy
                .as_ref()
                .filter(|kind| !["identity", "resource", "endpoint", "trust", "repository"].contains(&kind.value().as_str()))
            {
                return Err(syn::Error::new_spanned(
                    kind,
                    "a policy is one of an `identity`, a `resource`, a `repository`, or the `trust` of a role",
                ));
            }
        }
        Ok(facts)
    }
}
