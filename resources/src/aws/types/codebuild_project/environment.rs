//! Containers in which builds run.

use std::collections::BTreeMap;

use aws_sdk_codebuild::types::{
    CredentialProviderType, EnvironmentVariable, EnvironmentVariableType, ProjectEnvironment, ProjectFleet, RegistryCredential,
};

use super::super::{prelude::*, secret::Secret};
use crate::core::{HIDDEN, is_plain_secret};

/// Container in which builds run.
#[spec]
#[derive(PartialEq)]
pub struct Environment {
    /// Image: one of AWS's, such as `aws/codebuild/amazonlinux-x86_64-standard:5.0`, or one in a registry.
    #[field(important, length = 1..=1000)]
    pub image: String,
    /// Type of the machine.
    #[field(
        default = "LINUX_CONTAINER",
        one_of = [
            "ARM_CONTAINER", "ARM_EC2", "ARM_LAMBDA_CONTAINER", "LINUX_CONTAINER", "LINUX_EC2", "LINUX_GPU_CONTAINER",
            "LINUX_LAMBDA_CONTAINER", "MAC_ARM", "WINDOWS_CONTAINER", "WINDOWS_EC2", "WINDOWS_SERVER_2019_CONTAINER",
            "WINDOWS_SERVER_2022_CONTAINER"
        ]
    )]
    #[serde(rename = "type")]
    pub kind: String,
    /// Size of the machine, which determines the price of a minute.
    #[field(
        default = "BUILD_GENERAL1_SMALL",
        one_of = [
            "BUILD_GENERAL1_SMALL", "BUILD_GENERAL1_MEDIUM", "BUILD_GENERAL1_LARGE", "BUILD_GENERAL1_XLARGE", "BUILD_GENERAL1_2XLARGE",
            "BUILD_LAMBDA_1GB", "BUILD_LAMBDA_2GB", "BUILD_LAMBDA_4GB", "BUILD_LAMBDA_8GB", "BUILD_LAMBDA_10GB",
            "ATTRIBUTE_BASED_COMPUTE", "CUSTOM_INSTANCE_TYPE"
        ],
        important
    )]
    pub compute: String,
    /// Runs the Docker daemon in the container, to build images.
    #[field(default = false, important)]
    pub privileged: bool,
    /// Variables, by name.
    #[field(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Bucket and object with a certificate (PEM) that builds trust, as `bucket/certificate.pem`.
    #[field(default)]
    pub certificate: String,
    /// Whether CodeBuild or the role of the project pulls the image. AWS's own images need `CODEBUILD`.
    #[field(default = "CODEBUILD", one_of = ["CODEBUILD", "SERVICE_ROLE"])]
    pub pull_credentials: String,
    /// Secret with the credentials for a registry outside AWS.
    #[field(unset = "none", dropped = None)]
    pub registry_secret: Option<ArnRef<Secret>>,
    /// ARN of a fleet with reserved machines.
    #[field(unset = "machines on demand", pattern = "arn:aws[a-z-]*:codebuild:.+:fleet/.+", dropped = None)]
    pub fleet: Option<String>,
}

/// A variable of builds: a `value`, or the place where builds find it.
#[spec]
#[derive(PartialEq)]
pub struct Variable {
    /// Value. Everybody who may read the project sees it: use `secret` or `parameter` for passwords and tokens.
    #[field(unset = "none", conflicts_with = secret, conflicts_with = parameter, dropped = None)]
    pub value: Option<String>,
    /// Name or ARN of a secret, with a key if it is a JSON object: `{{ secret.registry.arn }}:token`.
    #[field(default, conflicts_with = parameter)]
    pub secret: String,
    /// Name of a parameter of Systems Manager.
    #[field(default)]
    pub parameter: String,
}

impl Environment {
    /// With the settings of the live environment that acme does not manage, and the values that it does not show.
    pub(super) fn to_sdk(&self, live: Option<&ProjectEnvironment>) -> Result<ProjectEnvironment> {
        let live_variables = live.and_then(|live| live.environment_variables.as_deref()).unwrap_or_default();
        let variables = self.variables.iter().filter_map(|(name, variable)| variable.to_sdk(name, live_variables).transpose());
        let credential = self.registry_secret.as_ref().map(|secret| {
            RegistryCredential::builder().credential(secret.get()).credential_provider(CredentialProviderType::SecretsManager).build()
        });
        let fleet = self.fleet.as_ref().map(|arn| ProjectFleet::builder().fleet_arn(arn).build());
        let environment = ProjectEnvironment::builder()
            .r#type(self.kind.as_str().into())
            .image(&self.image)
            .compute_type(self.compute.as_str().into())
            .set_environment_variables(Some(variables.collect::<Result<_>>()?))
            .privileged_mode(self.privileged)
            .set_certificate(Some(self.certificate.clone()).filter(|text| !text.is_empty()))
            .image_pull_credentials_type(self.pull_credentials.as_str().into())
            .set_registry_credential(credential.transpose()?)
            .set_fleet(fleet)
            .set_compute_configuration(live.and_then(|live| live.compute_configuration.clone()))
            .set_docker_server(live.and_then(|live| live.docker_server.clone()))
            .set_host_kernel(live.and_then(|live| live.host_kernel.clone()));
        Ok(environment.build()?)
    }

    pub(super) fn from_sdk(environment: ProjectEnvironment) -> Environment {
        let pull_credentials = environment.image_pull_credentials_type.map(|kind| kind.as_str().to_owned());
        Environment {
            image: environment.image,
            kind: environment.r#type.as_str().to_owned(),
            compute: environment.compute_type.as_str().to_owned(),
            privileged: environment.privileged_mode.unwrap_or_default(),
            variables: environment.environment_variables.unwrap_or_default().into_iter().map(Variable::from_sdk).collect(),
            certificate: environment.certificate.unwrap_or_default(),
            pull_credentials: pull_credentials.unwrap_or_else(Self::default_pull_credentials),
            registry_secret: environment.registry_credential.map(|credential| ArnRef::to(credential.credential)),
            fleet: environment.fleet.and_then(|fleet| fleet.fleet_arn).filter(|arn| !arn.is_empty()),
        }
    }
}

impl Variable {
    /// `None`: its hidden value is no longer there.
    fn to_sdk(&self, name: &str, live: &[EnvironmentVariable]) -> Result<Option<EnvironmentVariable>> {
        if self.value.as_deref() == Some(HIDDEN) {
            return Ok(live.iter().find(|variable| variable.name == name).cloned());
        }
        let (kind, value) = match &self.value {
            _ if !self.secret.is_empty() => (EnvironmentVariableType::SecretsManager, self.secret.as_str()),
            _ if !self.parameter.is_empty() => (EnvironmentVariableType::ParameterStore, self.parameter.as_str()),
            value => (EnvironmentVariableType::Plaintext, value.as_deref().unwrap_or_default()),
        };
        Ok(Some(EnvironmentVariable::builder().name(name).value(value).r#type(kind).build()?))
    }

    fn from_sdk(variable: EnvironmentVariable) -> (String, Variable) {
        let none = || Variable { value: None, secret: String::new(), parameter: String::new() };
        let read = match variable.r#type {
            Some(EnvironmentVariableType::SecretsManager) => Variable { secret: variable.value, ..none() },
            Some(EnvironmentVariableType::ParameterStore) => Variable { parameter: variable.value, ..none() },
            _ if is_plain_secret(&variable.name, &variable.value) => Variable { value: Some(HIDDEN.to_owned()), ..none() },
            _ => Variable { value: Some(variable.value), ..none() },
        };
        (variable.name, read)
    }
}
