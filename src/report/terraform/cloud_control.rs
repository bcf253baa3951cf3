//! Resources of Cloud Control in Terraform.

use serde_json::{Map, Value, json};

use super::mapping::{ResourceContext, ToTerraform};
use crate::aws::types::aws_resource::AwsResource;

impl ToTerraform for AwsResource {
    const TERRAFORM_TYPE: &'static str = "aws_cloudcontrolapi_resource";
    const ARN_ATTRIBUTE: &'static str = "";
    const HAS_TAGS: bool = false;

    /// Its tags are in a property that differs among the types, so the desired state lacks them.
    fn arguments(&self, _: &ResourceContext<'_>) -> Value {
        let set: Map<String, Value> =
            self.properties.0.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect();
        json!({ "type_name": self.r#type, "desired_state": Value::Object(set).to_string() })
    }
}
