//! Credentials of a role that acme assumes for a stack.

use std::fmt;

use aws_config::{SdkConfig, sts::AssumeRoleProvider};
use aws_credential_types::provider::{self, ProvideCredentials, error::CredentialsError, future};

use super::error::describe_causes;

/// Role to assume, with the credentials of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its ARN.
    pub arn: String,
    /// External id that its trust policy requires, if any.
    pub external_id: Option<String>,
    /// Name of the session, which CloudTrail shows.
    pub session_name: String,
}

/// Provider whose errors name the role.
pub(super) struct RoleCredentials {
    role: Role,
    provider: AssumeRoleProvider,
}

impl RoleCredentials {
    /// Calls nothing until credentials are needed. `config` has the credentials that assume the role.
    pub(super) async fn new(role: Role, config: &SdkConfig) -> RoleCredentials {
        let builder = AssumeRoleProvider::builder(&role.arn).session_name(&role.session_name).configure(config);
        let builder = role.external_id.iter().fold(builder, |builder, id| builder.external_id(id));
        RoleCredentials { provider: builder.build().await, role }
    }

    async fn credentials(&self) -> provider::Result {
        let arn = &self.role.arn;
        self.provider.provide_credentials().await.map_err(|error| {
            let external_id = if self.role.external_id.is_some() { " with an external id" } else { "" };
            // The word tells that it is about credentials.
            CredentialsError::provider_error(format!(
                "no credentials: can't assume the role {arn}{external_id}: {}",
                describe_causes(&error)
            ))
        })
    }
}

impl fmt::Debug for RoleCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleCredentials").field("role", &self.role.arn).finish_non_exhaustive()
    }
}

impl ProvideCredentials for RoleCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}
