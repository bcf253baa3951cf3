//! What the account must have before a resource can be created.

use std::fmt;

use serde::Serialize;

/// Account-wide prerequisite of a resource. acme creates it if it is absent and never deletes it, because other stacks may rely on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Prerequisite {
    /// Role with which a service acts in the account:
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html>.
    ServiceLinkedRole {
        /// Service principal, such as `spot.amazonaws.com`.
        service: &'static str,
    },
    /// Role under a name that a service prescribes, with a managed policy. A role of this name that has any policy counts as it.
    ServiceRole {
        /// Name of the role.
        name: &'static str,
        /// Service principal that assumes it, such as `dms.amazonaws.com`.
        service: &'static str,
        /// Managed policy of AWS, with its path.
        policy: &'static str,
    },
}

impl Prerequisite {
    /// IAM action that tells whether it exists.
    pub fn read_action(&self) -> &'static str {
        match self {
            Prerequisite::ServiceLinkedRole { .. } => "iam:ListRoles",
            Prerequisite::ServiceRole { .. } => "iam:GetRole",
        }
    }
}

impl fmt::Display for Prerequisite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Prerequisite::ServiceLinkedRole { service } => write!(f, "service-linked role of {service}"),
            Prerequisite::ServiceRole { name, service, .. } => write!(f, "role {name} of {service}"),
        }
    }
}
