//! Facts about an AWS service, as plain data.

use super::{ErrorCodes, ErrorKind};

/// The facts of a service. Its client and its calls for tags stand beside them in the service's file, `src/aws/services/<service>.rs`.
#[derive(Clone, Copy, Debug)]
pub struct ServiceInfo {
    /// Name in ARNs, IAM actions and host names: `elasticloadbalancing`. Two APIs of a service share it.
    pub name: &'static str,
    /// Name that the SDK gives its calls: `Elastic Load Balancing v2`. No two services have the same.
    pub sdk_name: &'static str,
    /// Parts of the ARNs of its resources.
    pub arn_parts: ArnParts,
    /// IAM actions that set tags. Empty where each type states its own (IAM).
    pub tag_actions: &'static [&'static str],
    /// IAM actions that remove tags. Empty where the actions that set tags suffice.
    pub untag_actions: &'static [&'static str],
    /// Whether the conditions of a policy can decide by tags.
    pub supports_tag_conditions: bool,
    /// Condition key that names the create call which sets the tags, where the service has one: `ec2:CreateAction`.
    pub create_action_key: Option<&'static str>,
    /// Whether the console shows the tag `Name` as a resource's name. acme then sets it.
    pub has_name_tag: bool,
    /// Calls of the API whose IAM action has another name: `HeadBucket` needs `s3:ListBucket`.
    pub iam_action_names: &'static [(&'static str, &'static str)],
    /// Error codes about its resources, for types that have none of their own. `{Type}` stands for the type's name in camel case.
    pub error_codes: ErrorCodes,
    /// Error code for a change of a resource that is still being created; `None` where such a change is accepted.
    pub busy_code: Option<&'static str>,
    /// Error codes whose names don't reveal their kind.
    pub error_rules: &'static [ErrorRule],
    /// Published rates of its calls; the first that fits an action counts.
    pub call_rates: &'static [CallRate],
    /// Whether all its calls share one rate, instead of one for each action.
    pub shares_call_rate: bool,
    /// Whether it sends lists with `null`, which the SDK rejects.
    pub sends_null_entries: bool,
}

/// Parts of the ARNs of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArnParts {
    /// Region and account.
    RegionAndAccount,
    /// The account alone (IAM).
    Account,
    /// Neither (S3, Route 53).
    Neither,
}

/// The kind of an error, by its code and perhaps its message.
#[derive(Clone, Copy, Debug)]
pub struct ErrorRule {
    /// The code.
    pub code: &'static str,
    /// Text that the message contains; empty for every message. A rule with a text comes before those without.
    pub message: &'static str,
    /// The kind.
    pub kind: ErrorKind,
}

impl ErrorRule {
    /// A rule for every error with this code.
    pub const fn new(code: &'static str, kind: ErrorKind) -> ErrorRule {
        ErrorRule { code, message: "", kind }
    }
    /// A rule for errors with this code whose message contains a text.
    pub const fn with_message(code: &'static str, message: &'static str, kind: ErrorKind) -> ErrorRule {
        ErrorRule { code, message, kind }
    }
}

/// Rate limit of a service.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallRate {
    /// Prefix of the names of the actions; empty for all.
    pub actions: &'static str,
    /// Calls at once.
    pub burst: f64,
    /// Calls per second.
    pub per_second: f64,
}

impl ServiceInfo {
    /// A service with the usual facts: ARNs with region and account, policies with conditions on tags, no rules of its own.
    pub const fn new(name: &'static str, sdk_name: &'static str) -> ServiceInfo {
        ServiceInfo {
            name,
            sdk_name,
            arn_parts: ArnParts::RegionAndAccount,
            tag_actions: &[],
            untag_actions: &[],
            supports_tag_conditions: true,
            create_action_key: None,
            has_name_tag: false,
            iam_action_names: &[],
            error_codes: ErrorCodes {
                not_found: "ResourceNotFoundException",
                already_exists: "ResourceAlreadyExistsException",
                in_use: "ResourceInUseException",
            },
            busy_code: None,
            error_rules: &[],
            call_rates: &[],
            shares_call_rate: false,
            sends_null_entries: false,
        }
    }
    /// See [`ServiceInfo::arn_parts`].
    pub const fn arn_parts(self, parts: ArnParts) -> ServiceInfo {
        ServiceInfo { arn_parts: parts, ..self }
    }
    /// See [`ServiceInfo::tag_actions`] and [`ServiceInfo::untag_actions`].
    pub const fn tag_actions(self, tag: &'static [&'static str], untag: &'static [&'static str]) -> ServiceInfo {
        ServiceInfo { tag_actions: tag, untag_actions: untag, ..self }
    }
    /// See [`ServiceInfo::supports_tag_conditions`].
    pub const fn without_tag_conditions(self) -> ServiceInfo {
        ServiceInfo { supports_tag_conditions: false, ..self }
    }
    /// See [`ServiceInfo::create_action_key`].
    pub const fn create_action_key(self, key: &'static str) -> ServiceInfo {
        ServiceInfo { create_action_key: Some(key), ..self }
    }
    /// See [`ServiceInfo::has_name_tag`].
    pub const fn with_name_tag(self) -> ServiceInfo {
        ServiceInfo { has_name_tag: true, ..self }
    }
    /// See [`ServiceInfo::iam_action_names`].
    pub const fn iam_action_names(self, names: &'static [(&'static str, &'static str)]) -> ServiceInfo {
        ServiceInfo { iam_action_names: names, ..self }
    }
    /// See [`ServiceInfo::error_codes`].
    pub const fn error_codes(self, codes: ErrorCodes) -> ServiceInfo {
        ServiceInfo { error_codes: codes, ..self }
    }
    /// See [`ServiceInfo::busy_code`].
    pub const fn busy_code(self, code: &'static str) -> ServiceInfo {
        ServiceInfo { busy_code: Some(code), ..self }
    }
    /// See [`ServiceInfo::sends_null_entries`].
    pub const fn sending_null_entries(self) -> ServiceInfo {
        ServiceInfo { sends_null_entries: true, ..self }
    }
    /// See [`ServiceInfo::error_rules`].
    pub const fn error_rules(self, rules: &'static [ErrorRule]) -> ServiceInfo {
        ServiceInfo { error_rules: rules, ..self }
    }
    /// See [`ServiceInfo::call_rates`].
    pub const fn call_rates(self, rates: &'static [CallRate]) -> ServiceInfo {
        ServiceInfo { call_rates: rates, ..self }
    }
    /// See [`ServiceInfo::shares_call_rate`].
    pub const fn sharing_call_rate(self) -> ServiceInfo {
        ServiceInfo { shares_call_rate: true, ..self }
    }

    /// The IAM action that a call of the API needs: `s3:ListBucket` for `HeadBucket`.
    pub fn iam_action(&self, call: &str) -> String {
        let own = self.iam_action_names.iter().find(|(api, _)| *api == call);
        format!("{}:{}", self.name, own.map_or(call, |(_, action)| action))
    }
}

impl PartialEq for ServiceInfo {
    fn eq(&self, other: &ServiceInfo) -> bool {
        self.sdk_name == other.sdk_name
    }
}
impl Eq for ServiceInfo {}
