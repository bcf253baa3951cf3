//! The IAM actions that the calls of a resource type need.

use serde_json::Value;

use super::Pointer;

/// IAM actions of a type's calls. The service adds those that change tags, except for IAM, whose types have their own.
#[derive(Clone, Copy, Debug)]
pub struct IamActions {
    /// ARN pattern of service and resource: `rds:db:{name}`. `{name}` stands for the physical names of the stack's resources of this type,
    /// `{/name}` for the same without a leading slash, `{parent}` for those of its parent's type, `{stack}` for the prefix of physical
    /// names, and `{path}` for the IAM path. `{parent_id}` stands for the ids of parents outside the stack, if there are no others.
    pub arn: &'static str,
    /// List all: actions without resource-level permissions.
    pub list: &'static [&'static str],
    /// Read one, which may not exist: by ARN, because a missing resource has no tags.
    pub read: &'static [&'static str],
    /// Questions of [`super::Resource::preflight`] and [`super::Resource::choices`]: actions without resource-level permissions.
    pub questions: &'static [&'static str],
    /// Create one: with ownership tags in the request, if the service supports conditions on tags.
    pub create: &'static [&'static str],
    /// Types of referenced resources on which AWS authorizes the create actions, too.
    pub create_uses: &'static [&'static str],
    /// Change or delete one with ownership tags, if the service supports conditions on tags.
    pub change: &'static [&'static str],
    /// Needed to find what outside the stack still uses a resource: see [`super::Resource::blockers`]. Allowed on all resources.
    pub blockers: &'static [&'static str],
    /// Additional permissions of the calls.
    pub grants: &'static [IamGrant],
}

impl IamActions {
    /// Creates the actions of a type with this ARN pattern.
    pub const fn new(arn: &'static str) -> IamActions {
        IamActions { arn, list: &[], read: &[], questions: &[], create: &[], create_uses: &[], change: &[], blockers: &[], grants: &[] }
    }
    /// Sets [`IamActions::list`].
    pub const fn list(self, list: &'static [&'static str]) -> IamActions {
        IamActions { list, ..self }
    }
    /// Sets [`IamActions::read`].
    pub const fn read(self, read: &'static [&'static str]) -> IamActions {
        IamActions { read, ..self }
    }
    /// Sets [`IamActions::questions`].
    pub const fn questions(self, questions: &'static [&'static str]) -> IamActions {
        IamActions { questions, ..self }
    }
    /// Sets [`IamActions::create`].
    pub const fn create(self, create: &'static [&'static str]) -> IamActions {
        IamActions { create, ..self }
    }
    /// Sets [`IamActions::create_uses`].
    pub const fn create_uses(self, create_uses: &'static [&'static str]) -> IamActions {
        IamActions { create_uses, ..self }
    }
    /// Sets [`IamActions::change`].
    pub const fn change(self, change: &'static [&'static str]) -> IamActions {
        IamActions { change, ..self }
    }
    /// Sets [`IamActions::blockers`].
    pub const fn blockers(self, blockers: &'static [&'static str]) -> IamActions {
        IamActions { blockers, ..self }
    }
    /// Sets [`IamActions::grants`].
    pub const fn grants(self, more: &'static [IamGrant]) -> IamActions {
        IamActions { grants: more, ..self }
    }
}

/// Actions on other resources than the type's own.
#[derive(Clone, Copy, Debug)]
pub struct IamGrant {
    /// Actions.
    pub actions: &'static [&'static str],
    /// Resources of the actions.
    pub target: GrantTarget,
    /// Whether planning needs them, too.
    pub needed_for_plan: bool,
    /// Whether only definitions with `on_delete: delete` need them.
    pub deletes_data: bool,
    /// Conditions, all of which a request must meet.
    pub conditions: &'static [IamCondition],
    /// Field that replaces the actions: they are not granted if every resource sets it.
    pub replaced_by: Option<FieldOfSpec>,
    /// Field that needs the actions: they are granted only if a resource sets it.
    pub needed_for: Option<FieldOfSpec>,
    /// Whether a spec needs the actions: they are granted only if that of a resource does.
    pub needed_if: Option<fn(&Value) -> bool>,
}

impl IamGrant {
    /// Creates actions for planning.
    pub const fn read(actions: &'static [&'static str], on: GrantTarget) -> IamGrant {
        IamGrant { needed_for_plan: true, ..IamGrant::change(actions, on) }
    }
    /// Creates actions for applying.
    pub const fn change(actions: &'static [&'static str], on: GrantTarget) -> IamGrant {
        IamGrant {
            actions,
            target: on,
            needed_for_plan: false,
            deletes_data: false,
            conditions: &[],
            replaced_by: None,
            needed_for: None,
            needed_if: None,
        }
    }
    /// Creates actions for deleting data, if the definition sets that.
    pub const fn delete_data(actions: &'static [&'static str], on: GrantTarget) -> IamGrant {
        IamGrant { deletes_data: true, ..IamGrant::change(actions, on) }
    }
    /// Sets [`IamGrant::conditions`].
    pub const fn only_if(self, conditions: &'static [IamCondition]) -> IamGrant {
        IamGrant { conditions, ..self }
    }
    /// Sets [`IamGrant::replaced_by`].
    pub const fn replaced_by(self, field: FieldOfSpec) -> IamGrant {
        IamGrant { replaced_by: Some(field), ..self }
    }
    /// Sets [`IamGrant::needed_for`].
    pub const fn needed_for(self, field: FieldOfSpec) -> IamGrant {
        IamGrant { needed_for: Some(field), ..self }
    }
    /// Sets [`IamGrant::needed_if`].
    pub const fn needed_if(self, needs: fn(&Value) -> bool) -> IamGrant {
        IamGrant { needed_if: Some(needs), ..self }
    }
}

/// A field of the type's spec: `|| IamRole::POINTERS.policies`.
pub type FieldOfSpec = fn() -> Pointer;

/// Condition of a grant: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition.html>.
#[derive(Clone, Copy, Debug)]
pub struct IamCondition {
    /// Operator, such as `StringLike`.
    pub operator: &'static str,
    /// Condition key, such as `iam:PolicyARN`.
    pub key: &'static str,
    /// Values, one of which the request must have.
    pub values: ConditionValues,
}

/// Values of a condition.
#[derive(Clone, Copy, Debug)]
pub enum ConditionValues {
    /// These.
    Fixed(&'static [&'static str]),
    /// ARNs that the resources name in this field. Without any, the actions are not granted.
    ArnsIn(FieldOfSpec),
    /// ARNs outside the stack that all resources name in this field. If one of them names none, the condition is omitted, and `acme policy`
    /// warns of the consequence.
    RequiredArn {
        /// The field.
        field: FieldOfSpec,
        /// Consequence of its absence: `its roles can get any permission`.
        otherwise: &'static str,
    },
    /// Domains of the parent zones in the stack, and names below them. If a parent is not in the stack, the condition is omitted.
    NamesInParents,
}

/// Resources on which an action is allowed.
#[derive(Clone, Copy, Debug)]
pub enum GrantTarget {
    /// All resources: the action has no resource-level permissions.
    AllResources,
    /// All resources, with ownership tags in the request.
    TagOnCreate,
    /// These ARNs, see [`IamActions::arn`].
    Arn(&'static str),
    /// Referenced resources of another type, if any: those with the stack's ownership tags, or named ones.
    Referenced(&'static str),
    /// Resources of this service that are referenced by ARN, if any.
    NamedByArn(&'static str),
    /// Referenced roles, passed to one of these services: for `iam:PassRole`.
    PassRole(&'static [&'static str]),
    /// Service-linked role of this service, created once per account: for `iam:CreateServiceLinkedRole`.
    ServiceLinkedRole(&'static str),
}
