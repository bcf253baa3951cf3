//! Identities in Terraform.

use serde_json::{Value, json};

use super::mapping::{ResourceContext, SubResource, ToTerraform, id_or_arn};
use crate::aws::types::{iam_policy::IamPolicy, iam_role::IamRole, instance_profile::InstanceProfile, oidc_provider::OidcProvider};

impl ToTerraform for IamRole {
    const TERRAFORM_TYPE: &'static str = "aws_iam_role";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        json!({
            "name": self.name,
            "path": at.iam_path(),
            "assume_role_policy": self.trust.to_json(),
            "description": self.description,
            "max_session_duration": self.max_session_seconds,
            "permissions_boundary": self.permissions_boundary,
        })
    }

    fn sub_resources(&self, at: &ResourceContext<'_>) -> Vec<SubResource> {
        let role = at.output_reference("id");
        let attached = self.policies.iter().map(|arn| {
            let arguments = json!({ "role": role, "policy_arn": arn });
            SubResource::keyed("aws_iam_role_policy_attachment", arn, arguments)
        });
        let inline = self.inline_policies.iter().map(|(name, policy)| {
            let arguments = json!({ "role": role, "name": name, "policy": policy.to_json() });
            SubResource::keyed("aws_iam_role_policy", name, arguments)
        });
        attached.chain(inline).collect()
    }
}

impl ToTerraform for IamPolicy {
    const TERRAFORM_TYPE: &'static str = "aws_iam_policy";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        json!({ "name": self.name, "path": at.iam_path(), "policy": self.document.to_json(), "description": self.description })
    }
}

impl ToTerraform for InstanceProfile {
    const TERRAFORM_TYPE: &'static str = "aws_iam_instance_profile";

    fn arguments(&self, at: &ResourceContext<'_>) -> Value {
        json!({ "name": self.name, "path": at.iam_path(), "role": id_or_arn(self.role.as_ref()) })
    }
}

impl ToTerraform for OidcProvider {
    const TERRAFORM_TYPE: &'static str = "aws_iam_openid_connect_provider";

    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        json!({ "url": self.url, "client_id_list": self.client_ids, "thumbprint_list": self.thumbprints })
    }
}
