//! Facts about a resource type, as plain data.

use std::time::Duration;

use serde_json::Value;

use super::{IamActions, ServiceInfo};

/// Facts about a resource type. For facts about a field, see [`super::spec::Field`].
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// Name in YAML, snake_case, equal to the file's name.
    pub name: &'static str,
    /// AWS service.
    pub service: &'static ServiceInfo,
    /// Pattern of its physical ids: literal text, `{field}` for a field of the spec, `{/field}` for one without its leading slash,
    /// `{field|value=text|other}` for `text` if the field has this value and `other` if not (a `*` in these texts stands for the value),
    /// `{region}`, `{endpoint_domain}`, `{account}`, `{path}` for the stack's IAM path, `{arn}`, and for parts that AWS generates `{hex8}`
    /// (8 hexadecimal digits), `{upper14}` (14 uppercase letters and digits), `{uuid}` or `{host}` (of the service's endpoint). A pattern
    /// without generated parts is exact: the planner knows the id before the resource exists.
    pub id: &'static str,
    /// Pattern of its ARNs, like [`TypeInfo::id`], with `{id}` in addition; the partition `aws` stands for the region's. Empty for a type
    /// without ARNs.
    pub arn: &'static str,
    /// Whether an ARN belongs to one of its resources, where no pattern says so because they are of several services.
    pub arn_matcher: Option<fn(&str) -> bool>,
    /// Whether its properties are AWS's own, not fields: one that the definition no longer sets is `null`, which asks for its removal, and one
    /// without a value is `null` in what AWS reports.
    pub has_free_properties: bool,
    /// Whether the type is always listed, because the tagging API does not show it (IAM roles), or because a list call is cheaper than
    /// paging through the index (subnets). True without ARNs, unless it is [`TypeInfo::listed_if_declared`].
    pub always_listed: bool,
    /// Types whose presence in the index means that there may be resources of this one, which the index does not show.
    pub listed_with: &'static [&'static str],
    /// The IAM actions of its calls, for `acme policy`.
    pub iam_actions: IamActions,
    /// Support for ownership tags.
    pub tagging: Tagging,
    /// Whether two tag keys that differ only in case are the same. <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html>
    pub tag_keys_ignore_case: bool,
    /// Typical time until it is ready: orders the critical path and paces polling.
    pub typical_duration: Duration,
    /// Longest time to wait for it while AWS reports progress, where the definition sets no `timeouts`. Default: 2 hours.
    pub longest_duration: Duration,
    /// What a person must do outside acme before others can use it, with fields and outputs in braces; empty: nothing. Shown while a
    /// dependent waits for a person.
    pub handover: &'static str,
    /// Data lost by a deletion, which determines the values of `on_delete`.
    pub data_protection: DataProtection,
    /// Reason why AWS charges nothing for it, or only for what others do with it; `None`: it costs, see [`super::Resource::price`].
    pub free: Option<&'static str>,
    /// Output that identifies one for good, if an update changes its name, and with it id and ARN; `None`: another name replaces it. The id is
    /// the name.
    pub permanent_id: Option<&'static str>,
    /// Whether a new resource can restore the newest backup of another one, see [`super::Resource::newest_backup`].
    pub is_restorable: bool,
    /// Shortest recovery window, which `on_delete: delete` uses, in days; 0: AWS deletes it at once.
    pub shortest_window_days: u64,
    /// Error code of calls about a resource within its recovery window.
    pub deleted_code: &'static str,
    /// What another resource with the same settings lacks, a sentence without a full stop; empty: nothing but the ids.
    pub lost_on_recreation: &'static str,
    /// Whether AWS refuses to delete one while another resource refers to it.
    pub blocked_by_dependents: bool,
    /// Whether the deletion of its parent deletes it, too, so that a parent can be deleted although this can't be read: the objects in a cluster
    /// whose API does not answer any more.
    pub deleted_with_parent: bool,
    /// Whether others make resources for it that its deletion leaves behind, see [`super::Resource::leftovers`].
    pub leaves_leftovers: bool,
    /// Types whose resources AWS detaches from it when they are deleted. They are deleted first, which saves the calls that detach them.
    pub detached_by: &'static [&'static str],
    /// Whether repeating a create call with the same token returns the resource that the first call made, instead of a second one.
    pub idempotent: bool,
    /// Whether AWS rejects a create call that repeats the token of an existing resource (the caller reference of a hosted zone).
    pub rejects_repeated_token: bool,
    /// Whether one call can delete some of its resources, create others and change others, all or none, see [`super::Resource::exchange`].
    pub exchangeable: bool,
    /// Whether an update takes over entries that another resource has, see the fact `unique_entries`.
    pub takes_over_entries: bool,
    /// Error codes for its IP range, if it has a field with the fact `unique_by_overlap`.
    pub range_errors: Option<RangeErrors>,
    /// Whether it is a network: a resource refers only to resources of one network.
    pub is_network: bool,
    /// Whether it may refer to resources of several networks.
    pub spans_networks: bool,
    /// Whether it contains other resources in the network, so that `acme show --tree` shows them below it.
    pub is_container: bool,
    /// Quota of the simulated cloud per account and region, and AWS's error code for exceeding it. AWS's adjustable default is often lower
    /// (5 VPCs, 5 elastic IPs): <https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>.
    pub quota: Option<(u64, &'static str)>,
    /// Error codes that differ from those of its service.
    pub error_codes: ErrorCodes,
    /// Region of its resources.
    pub region: RegionScope,
    /// Time for which a new resource may stay invisible, where it is longer than the 15 seconds that [`crate::aws`] assumes for every
    /// service. Until then, a create call without an answer is not repeated. Default: `None`.
    pub visibility_delay: Option<Duration>,
}

/// Support of a type for ownership tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tagging {
    /// The create call sets them.
    OnCreate,
    /// The create call can't; the engine sets them right after it.
    AfterCreate,
    /// It has no tags, but `create` and `retag` record its ownership beside it, where `list` reads it.
    Beside,
    /// It has no tags: `list` returns those of its parent, or reads them from a description.
    Untaggable,
}

/// Region of a type's resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionScope {
    /// A region: the one that `region:` of the resource names, or that the fact `global_region` implies; by default the stack's.
    Regional,
    /// None: the service is global, and its index is in one region of the partition.
    Global,
    /// This one, whatever the stack's region is: the API is nowhere else.
    Only(&'static str),
}

/// Part of the tagging API's index that shows the resources of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IndexFilter {
    /// None: the type is listed without the index.
    None,
    /// A service, or a service and one part of the resource: `rds:db`, `ec2:elastic-ip`, `s3`.
    Part(String),
    /// All of it.
    All,
}

/// Data lost by deleting a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataProtection {
    /// No data.
    None,
    /// Data with a possible final snapshot: `on_delete: snapshot` (default), `retain` or `delete`.
    Snapshot,
    /// Contents: acme refuses the deletion unless it is empty or has `on_delete: delete`.
    Contents,
    /// A key or secret that AWS deletes only after a window; `on_delete: delete` uses the shortest window.
    RecoveryWindow,
}

/// Error codes of a type. Empty: those of the service.
#[derive(Clone, Copy, Debug, Default)]
pub struct ErrorCodes {
    /// The resource does not exist.
    pub not_found: &'static str,
    /// A resource with this unique key exists.
    pub already_exists: &'static str,
    /// It can't be deleted because another resource uses it.
    pub in_use: &'static str,
}

/// Error codes for a rejected IP range.
#[derive(Clone, Copy, Debug)]
pub struct RangeErrors {
    /// The range overlaps the range of another resource.
    pub overlap: &'static str,
    /// The range is not inside a range of the resource it belongs to.
    pub outside: &'static str,
}

impl TypeInfo {
    /// Creates a type with this name, patterns of ids and ARNs, and default facts.
    pub const fn new(name: &'static str, service: &'static ServiceInfo, id: &'static str, arn: &'static str) -> TypeInfo {
        TypeInfo {
            name,
            service,
            id,
            arn,
            arn_matcher: None,
            has_free_properties: false,
            always_listed: arn.is_empty(),
            listed_with: &[],
            iam_actions: IamActions::new(""),
            tagging: Tagging::OnCreate,
            tag_keys_ignore_case: false,
            typical_duration: Duration::from_secs(2),
            longest_duration: Duration::from_secs(2 * 3600),
            handover: "",
            data_protection: DataProtection::None,
            free: None,
            permanent_id: None,
            is_restorable: false,
            lost_on_recreation: "",
            shortest_window_days: 0,
            deleted_code: "",
            blocked_by_dependents: true,
            deleted_with_parent: false,
            leaves_leftovers: false,
            detached_by: &[],
            idempotent: true,
            rejects_repeated_token: false,
            exchangeable: false,
            takes_over_entries: false,
            range_errors: None,
            is_network: false,
            spans_networks: false,
            is_container: false,
            quota: None,
            error_codes: ErrorCodes { not_found: "", already_exists: "", in_use: "" },
            region: RegionScope::Regional,
            visibility_delay: None,
        }
    }
    /// See [`TypeInfo::actions`].
    pub const fn iam_actions(self, actions: IamActions) -> TypeInfo {
        TypeInfo { iam_actions: actions, ..self }
    }
    /// See [`TypeInfo::arn_matcher`].
    pub const fn arns_matched_by(self, matcher: fn(&str) -> bool) -> TypeInfo {
        TypeInfo { arn_matcher: Some(matcher), always_listed: false, ..self }
    }
    /// See [`TypeInfo::has_free_properties`].
    pub const fn free_properties(self) -> TypeInfo {
        TypeInfo { has_free_properties: true, ..self }
    }
    /// See [`TypeInfo::always_listed`].
    pub const fn always_listed(self) -> TypeInfo {
        TypeInfo { always_listed: true, ..self }
    }
    /// It is listed only if it is declared, or the index shows resources of these types, see [`TypeInfo::listed_with`].
    pub const fn listed_with(self, types: &'static [&'static str]) -> TypeInfo {
        TypeInfo { always_listed: false, listed_with: types, ..self }
    }
    /// It is listed only if it is declared: reading it takes a connection that plans of other stacks must not depend on. Recorded ones that are
    /// no longer declared are looked up by their ids.
    pub const fn listed_if_declared(self) -> TypeInfo {
        TypeInfo { always_listed: false, listed_with: &[], ..self }
    }
    /// See [`Tagging::AfterCreate`].
    pub const fn tagged_after_create(self) -> TypeInfo {
        TypeInfo { tagging: Tagging::AfterCreate, ..self }
    }
    /// See [`Tagging::Untaggable`].
    pub const fn untaggable(self) -> TypeInfo {
        TypeInfo { tagging: Tagging::Untaggable, ..self }
    }
    /// See [`Tagging::Beside`].
    pub const fn ownership_beside(self) -> TypeInfo {
        TypeInfo { tagging: Tagging::Beside, ..self }
    }
    /// See [`TypeInfo::tag_keys_ignore_case`].
    pub const fn ignoring_case_of_tag_keys(self) -> TypeInfo {
        TypeInfo { tag_keys_ignore_case: true, ..self }
    }
    /// See [`TypeInfo::typical_duration`].
    pub const fn typical_seconds(self, seconds: u64) -> TypeInfo {
        TypeInfo { typical_duration: Duration::from_secs(seconds), ..self }
    }
    /// See [`TypeInfo::longest_duration`].
    pub const fn longest_hours(self, hours: u64) -> TypeInfo {
        TypeInfo { longest_duration: Duration::from_secs(hours * 3600), ..self }
    }
    /// See [`TypeInfo::handover`].
    pub const fn handover(self, instruction: &'static str) -> TypeInfo {
        TypeInfo { handover: instruction, ..self }
    }
    /// See [`TypeInfo::data_protection`].
    pub const fn data_protection(self, data: DataProtection) -> TypeInfo {
        TypeInfo { data_protection: data, ..self }
    }
    /// See [`TypeInfo::free`].
    pub const fn without_charge(self, reason: &'static str) -> TypeInfo {
        TypeInfo { free: Some(reason), ..self }
    }
    /// See [`TypeInfo::permanent_id`].
    pub const fn permanent_id(self, output: &'static str) -> TypeInfo {
        TypeInfo { permanent_id: Some(output), ..self }
    }
    /// See [`TypeInfo::is_restorable`].
    pub const fn restorable(self) -> TypeInfo {
        TypeInfo { is_restorable: true, ..self }
    }
    /// The [`TypeInfo::permanent_id`] of a resource with these outputs.
    pub fn permanent_id_in(&self, outputs: &Value) -> Option<String> {
        outputs.get(self.permanent_id?)?.as_str().map(str::to_owned)
    }
    /// Data of which AWS keeps a deleted resource for a window of at least these days, see [`TypeInfo::shortest_window_days`] and
    /// [`TypeInfo::deleted_code`].
    pub const fn recovery_window(self, shortest_days: u64, deleted_code: &'static str) -> TypeInfo {
        TypeInfo { data_protection: DataProtection::RecoveryWindow, shortest_window_days: shortest_days, deleted_code, ..self }
    }
    /// See [`TypeInfo::lost_on_recreation`].
    pub const fn lost_on_recreation(self, words: &'static str) -> TypeInfo {
        TypeInfo { lost_on_recreation: words, ..self }
    }
    /// AWS deletes it even if others refer to it, see [`TypeInfo::blocked_by_dependents`].
    pub const fn deletable_while_in_use(self) -> TypeInfo {
        TypeInfo { blocked_by_dependents: false, ..self }
    }
    /// See [`TypeInfo::deleted_with_parent`].
    pub const fn deleted_with_parent(self) -> TypeInfo {
        TypeInfo { deleted_with_parent: true, ..self }
    }
    /// See [`TypeInfo::leaves_leftovers`].
    pub const fn leaving_leftovers(self) -> TypeInfo {
        TypeInfo { leaves_leftovers: true, ..self }
    }
    /// See [`TypeInfo::detached_by`].
    pub const fn detached_by(self, types: &'static [&'static str]) -> TypeInfo {
        TypeInfo { detached_by: types, ..self }
    }
    /// Its create call has no token, see [`TypeInfo::idempotent`].
    pub const fn without_token(self) -> TypeInfo {
        TypeInfo { idempotent: false, ..self }
    }
    /// See [`TypeInfo::rejects_repeated_token`].
    pub const fn rejecting_repeated_token(self) -> TypeInfo {
        TypeInfo { rejects_repeated_token: true, ..self }
    }
    /// See [`TypeInfo::exchangeable`].
    pub const fn exchangeable(self) -> TypeInfo {
        TypeInfo { exchangeable: true, ..self }
    }
    /// See [`TypeInfo::takes_over_entries`].
    pub const fn takes_over_entries(self) -> TypeInfo {
        TypeInfo { takes_over_entries: true, ..self }
    }
    /// Sets [`TypeInfo::is_network`].
    pub const fn network(self) -> TypeInfo {
        TypeInfo { is_network: true, ..self }
    }
    /// Sets [`TypeInfo::spans_networks`].
    pub const fn spans_networks(self) -> TypeInfo {
        TypeInfo { spans_networks: true, ..self }
    }
    /// See [`TypeInfo::is_container`].
    pub const fn container(self) -> TypeInfo {
        TypeInfo { is_container: true, ..self }
    }
    /// See [`TypeInfo::range_errors`].
    pub const fn range_errors(self, errors: RangeErrors) -> TypeInfo {
        TypeInfo { range_errors: Some(errors), ..self }
    }
    /// See [`TypeInfo::quota`].
    pub const fn quota(self, limit: u64, code: &'static str) -> TypeInfo {
        TypeInfo { quota: Some((limit, code)), ..self }
    }
    /// See [`ErrorCodes::not_found`].
    pub const fn not_found(self, code: &'static str) -> TypeInfo {
        TypeInfo { error_codes: ErrorCodes { not_found: code, ..self.error_codes }, ..self }
    }
    /// See [`ErrorCodes::already_exists`].
    pub const fn already_exists(self, code: &'static str) -> TypeInfo {
        TypeInfo { error_codes: ErrorCodes { already_exists: code, ..self.error_codes }, ..self }
    }
    /// See [`ErrorCodes::in_use`].
    pub const fn in_use(self, code: &'static str) -> TypeInfo {
        TypeInfo { error_codes: ErrorCodes { in_use: code, ..self.error_codes }, ..self }
    }
    /// See [`RegionScope::Global`].
    pub const fn global(self) -> TypeInfo {
        TypeInfo { region: RegionScope::Global, ..self }
    }
    /// See [`RegionScope::Only`].
    pub const fn only_in(self, region: &'static str) -> TypeInfo {
        TypeInfo { region: RegionScope::Only(region), ..self }
    }
    /// See [`TypeInfo::visibility_delay`].
    pub const fn visibility_delay_seconds(self, seconds: u64) -> TypeInfo {
        TypeInfo { visibility_delay: Some(Duration::from_secs(seconds)), ..self }
    }

    /// See [`TypeInfo::listed_if_declared`].
    pub fn is_listed_if_declared(&self) -> bool {
        self.arn.is_empty() && !self.always_listed && self.arn_matcher.is_none()
    }
    /// Whether its resources have no region.
    pub fn is_global(&self) -> bool {
        self.region == RegionScope::Global
    }
    /// Whether a region can have resources of this type, see [`RegionScope::Only`].
    pub fn exists_in(&self, region: &str) -> bool {
        !matches!(self.region, RegionScope::Only(only) if only != region)
    }
    /// Whether two regions can have resources of this type with the same name. A bucket's name is unique in the partition.
    pub fn has_names_by_region(&self) -> bool {
        !self.is_global() && (self.arn.is_empty() || self.arn.contains("{region}"))
    }
    /// Whether its resources have an IAM path, by which acme finds them.
    pub fn has_path(&self) -> bool {
        self.arn.contains("{path}")
    }
    /// Whether it has tags.
    pub fn is_taggable(&self) -> bool {
        matches!(self.tagging, Tagging::OnCreate | Tagging::AfterCreate)
    }
    /// Whether an existing resource can become part of the stack.
    pub fn is_adoptable(&self) -> bool {
        self.tagging != Tagging::Untaggable
    }
    /// Whether the create call sets the tags.
    pub fn is_tagged_on_create(&self) -> bool {
        self.tagging == Tagging::OnCreate
    }
    /// Whether this ARN belongs to one of its resources.
    pub fn matches_arn(&self, arn: &str) -> bool {
        if let Some(matches) = self.arn_matcher {
            return matches(arn);
        }
        // Partitions differ: `arn:aws:`, `arn:aws-cn:`, `arn:aws-us-gov:`.
        fn after_partition(arn: &str) -> Option<&str> {
            arn.splitn(3, ':').nth(2)
        }
        after_partition(self.arn).zip(after_partition(arn)).is_some_and(|(pattern, arn)| matches_pattern(pattern, arn))
    }
    /// Part of the index with its resources.
    pub fn index_filter(&self) -> IndexFilter {
        if self.always_listed || !self.listed_with.is_empty() {
            return IndexFilter::None;
        }
        if self.arn_matcher.is_some() {
            return IndexFilter::All;
        }
        let mut parts = self.arn.splitn(6, ':').skip(2);
        let (Some(service), Some(resource)) = (parts.next(), parts.nth(2)) else { return IndexFilter::None };
        let fixed = resource.split('{').next().unwrap_or_default().trim_end_matches(['/', ':']);
        let fixed = fixed.split('/').next().unwrap_or_default();
        IndexFilter::Part(if fixed.is_empty() { service.to_owned() } else { format!("{service}:{fixed}") })
    }
}

/// Whether a text matches a pattern in which `{…}` stands for one part, without `/` and `:` unless it is the last.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((literal, rest)) = pattern.split_once('{') else { return pattern == text };
    let Some(text) = text.strip_prefix(literal) else { return false };
    let rest = rest.split_once('}').map_or("", |(_, rest)| rest);
    if rest.is_empty() {
        return true;
    }
    // An IAM path (`{path}`) contains slashes, so every possible start of the rest is tried.
    text.char_indices().map(|(at, _)| at).chain([text.len()]).any(|at| matches_pattern(rest, &text[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_only_arns_of_its_own_type() {
        static SERVICE: ServiceInfo = ServiceInfo::new("a", "A");
        let info = |arn| TypeInfo::new("a", &SERVICE, "{arn}", arn);
        let acl = info("arn:aws:wafv2:{region}:{account}:{reach}/webacl/{name}/{uuid}");
        assert!(acl.matches_arn("arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/shop/0123"));
        assert!(!acl.matches_arn("arn:aws:wafv2:eu-west-1:123456789012:regional/ipset/shop/0123"));
        let part = |text: &str| IndexFilter::Part(text.to_owned());
        assert_eq!(acl.index_filter(), part("wafv2"));
        assert_eq!(info("arn:aws:rds:{region}:{account}:db:{name}").index_filter(), part("rds:db"));
        assert_eq!(info("arn:aws:s3:::{name}").index_filter(), part("s3"));
        assert_eq!(info("").index_filter(), IndexFilter::None);
        let any = info("").arns_matched_by(|arn| arn.contains(":glue:"));
        assert_eq!(any.index_filter(), IndexFilter::All);
        assert!(any.matches_arn("arn:aws:glue:eu-west-1:123456789012:job/a") && !any.matches_arn("arn:aws:s3:::shop"));
        assert!(info("arn:aws:iam::{account}:policy{path}{name}").matches_arn("arn:aws:iam::123456789012:policy/acme/shop/x/y"));
        assert!(info("arn:aws:ec2:{region}:{account}:subnet/{id}").matches_arn("arn:aws:ec2:eu-west-1:123456789012:subnet/subnet-1"));
        assert!(!info("arn:aws:ec2:{region}:{account}:subnet/{id}").matches_arn("arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1"));
        assert!(info("arn:aws:kms:{region}:{account}:key/{id}").matches_arn("arn:aws-cn:kms:cn-north-1:123456789012:key/0123"));
    }
}
