//! Automatic responses to attacks.

use acme_macros::spec;
use aws_sdk_shield::types as sdk;

use crate::{aws::Aws, core::Result};

/// Action for requests of an attack.
#[spec]
#[derive(Copy, PartialEq, Eq)]
pub enum ResponseAction {
    /// Blocks them.
    Block,
    /// Counts them.
    Count,
}

impl ResponseAction {
    fn to_sdk(self) -> sdk::ResponseAction {
        match self {
            ResponseAction::Block => sdk::ResponseAction::builder().block(sdk::BlockAction::builder().build()).build(),
            ResponseAction::Count => sdk::ResponseAction::builder().count(sdk::CountAction::builder().build()).build(),
        }
    }

    /// The action; `None` if responses are off.
    pub(super) fn read(config: &sdk::ApplicationLayerAutomaticResponseConfiguration) -> Option<ResponseAction> {
        let is_on = config.status == sdk::ApplicationLayerAutomaticResponseStatus::Enabled;
        let action = config.action.as_ref().filter(|_| is_on)?;
        Some(if action.block.is_some() { ResponseAction::Block } else { ResponseAction::Count })
    }
}

/// Changes the response of a resource.
pub(super) async fn set(aws: &Aws, resource: &str, before: Option<ResponseAction>, after: Option<ResponseAction>) -> Result<()> {
    let client = &aws.shield;
    match (before, after) {
        (None, Some(action)) => {
            client.enable_application_layer_automatic_response().resource_arn(resource).action(action.to_sdk()).send().await?;
        }
        (Some(_), Some(action)) => {
            client.update_application_layer_automatic_response().resource_arn(resource).action(action.to_sdk()).send().await?;
        }
        (Some(_), None) => {
            client.disable_application_layer_automatic_response().resource_arn(resource).send().await?;
        }
        (None, None) => {}
    }
    Ok(())
}
