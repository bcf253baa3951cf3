//! Identities in Terraform.

use serde_json::{Value, json};

use super::counterpart::{Counterpart, Part, Place, target};
use crate::aws::types::{iam_policy::IamPolicy, iam_role::IamRole, instance_profile::InstanceProfile, oidc_provider::OidcProvider};

impl Counterpart for IamRole {
    const TERRAFORM: &'static str = "aws_iam_role";

    fn arguments(&self, at: &Place<'_>) -> Value {
        json!({
            "name": self.name,
            "path": at.path(),
            "assume_role_policy": self.trust.to_json(),
            "description": self.description,
            "max_session_duration": self.max_session_seconds,
            "permissions_boundary": self.permissions_boundary,
        })
    }

    fn parts(&self, at: &Place<'_>) -> Vec<Part> {
        let role = at.own("id");
        let attached = self.policies.iter().map(|arn| {
            let arguments = json!({ "role": role, "policy_arn": arn });
            Part::one("aws_iam_role_policy_attachment", arn, arguments)
        });
        let inline = self.inline_policies.iter().map(|(name, policy)| {
            let arguments = json!({ "role": role, "name": name, "policy": policy.to_json() });
            Part::one("aws_iam_role_policy", name, arguments)
        });
        attached.chain(inline).collect()
    }
}

impl Counterpart for IamPolicy {
    const TERRAFORM: &'static str = "aws_iam_policy";

    fn arguments(&self, at: &Place<'_>) -> Value {
        json!({ "name": self.name, "path": at.path(), "policy": self.document.to_json(), "description": self.description })
    }
}

impl Counterpart for InstanceProfile {
    const TERRAFORM: &'static str = "aws_iam_instance_profile";

    fn arguments(&self, at: &Place<'_>) -> Value {
        json!({ "name": self.name, "path": at.path(), "role": target(self.role.as_ref()) })
    }
}

impl Counterpart for OidcProvider {
    const TERRAFORM: &'static str = "aws_iam_openid_connect_provider";

    fn arguments(&self, _: &Place<'_>) -> Value {
        json!({ "url": self.url, "client_id_list": self.client_ids, "thumbprint_list": self.thumbprints })
    }
}
