//! `code_connection`: a connection to a Git provider, in CodeConnections.

use aws_sdk_codeconnections::types::{Connection, ConnectionStatus};

use super::prelude::*;
use crate::{
    aws::{from_aws, to_aws},
    core::Tags,
};

/// A connection to a Git provider. A new one is pending until a person opens it in the console and signs in to the provider: acme waits, says
/// so, and creates what refers to the connection afterwards.
#[spec]
pub struct CodeConnection {
    /// Name. Several connections can have the same.
    #[field(name(max = 32), length = 1..=32, replaces)]
    pub name: Option<String>,
    /// Git provider.
    #[field(replaces, important)]
    pub provider: GitProvider,
    /// ARN of the host, for a provider installed at a server of your own.
    #[field(unset = "none", replaces, pattern = "arn:aws[a-z-]*:(codeconnections|codestar-connections):.+:host/.+", dropped = None)]
    pub host: Option<String>,
}

/// A Git provider.
#[spec]
#[derive(Copy, PartialEq)]
#[serde(rename_all = "PascalCase")]
pub enum GitProvider {
    /// Azure DevOps.
    AzureDevOps,
    /// Bitbucket Cloud.
    Bitbucket,
    /// GitHub and GitHub Enterprise Cloud.
    GitHub,
    /// GitHub Enterprise Server, at a `host`.
    GitHubEnterpriseServer,
    /// GitLab.com.
    GitLab,
    /// GitLab at a `host`.
    GitLabSelfManaged,
}

impl GitProvider {
    /// Whether it is installed at a host.
    fn has_host(self) -> bool {
        matches!(self, GitProvider::GitHubEnterpriseServer | GitProvider::GitLabSelfManaged)
    }
}

impl Resource for CodeConnection {
    const TYPE: TypeInfo = TypeInfo::new(
        "code_connection",
        &services::codeconnections::SERVICE,
        "{arn}",
        "arn:aws:codeconnections:{region}:{account}:connection/{uuid}",
    )
    .without_charge("connections cost nothing; pipelines and builds that use them do")
    .deletable_while_in_use()
    .lost_on_recreation("a person must sign in to the provider again")
    .without_token()
    .quota(250, "LimitExceededException")
    .iam_actions(
        IamActions::new("codeconnections:connection/*")
            .list(&["codeconnections:ListConnections"])
            .read(&["codeconnections:GetConnection", "codeconnections:ListTagsForResource"])
            .change(&["codeconnections:DeleteConnection"])
            .grants(&[IamGrant::change(&["codeconnections:CreateConnection"], GrantTarget::TagOnCreate)]),
    );
    type Api = Aws;
    type Outputs = ArnOutput;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        if let Some(ids) = scope.waited_for() {
            return for_each_concurrent(ids.clone(), |arn| async move { read_one(aws, scope, &arn).await }).await;
        }
        let (mut found, mut token) = (Vec::new(), None);
        loop {
            let page = aws.codeconnections.list_connections().max_results(100).set_next_token(token).send().await?;
            found.extend(page.connections.unwrap_or_default());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        let covered = |one: &Connection| scope.covers(one.connection_name().unwrap_or_default(), one.connection_arn().unwrap_or_default());
        for_each_concurrent(found.into_iter().filter(covered), |connection| async move {
            let arn = connection.connection_arn.clone().unwrap_or_default();
            let tags = scope.tags_or_fetch(&arn, fetch_tags(aws, &arn)).await?;
            tags.filter(|tags| scope.owns(tags)).map(|tags| observed(aws, connection, tags)).transpose()
        })
        .await
    }

    /// AWS takes either a provider or a host, which has its provider.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let provider = self.host.is_none().then(|| to_aws(&self.provider).as_str().into());
        let call = cx.codeconnections.create_connection().set_connection_name(self.name.clone());
        let call = call.set_provider_type(provider).set_host_arn(self.host.clone());
        let reply = call.set_tags(Some(services::codeconnections::to_tags(&cx.call.tags))).send().await?;
        Ok(reply.connection_arn.into())
    }

    /// Every field replaces the connection.
    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: CodeConnectionChanges) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.codeconnections.delete_connection().connection_arn(&live.id).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS.host;
        let provider = to_aws(&self.provider);
        match (self.provider.has_host(), &self.host) {
            (true, None) => {
                let problem = Problem::new(at, format!("a connection to {provider} needs the host on which it is installed"));
                vec![problem.help("create the host in the console of CodePipeline, and set `host: arn:aws:codeconnections:…:host/…`")]
            }
            (false, Some(_)) => vec![Problem::new(at, format!("{provider} has no host of its own")).help("remove `host`")],
            _ => Vec::new(),
        }
    }
}

/// Reads one connection. `None`: it was deleted.
async fn read_one(aws: &Aws, scope: &Scope, arn: &str) -> Result<Option<Observed<CodeConnection>>> {
    let reply = ok_or_not_found(aws.codeconnections.get_connection().connection_arn(arn).send().await)?;
    let Some(connection) = reply.and_then(|reply| reply.connection) else { return Ok(None) };
    let tags = scope.tags_or_fetch(arn, fetch_tags(aws, arn)).await?;
    tags.filter(|tags| scope.owns(tags)).map(|tags| observed(aws, connection, tags)).transpose()
}

async fn fetch_tags(aws: &Aws, arn: &str) -> Result<Option<Tags>> {
    let reply = ok_or_not_found(aws.codeconnections.list_tags_for_resource().resource_arn(arn).send().await)?;
    Ok(reply.map(|reply| services::codeconnections::from_tags(reply.tags())))
}

fn observed(aws: &Aws, connection: Connection, tags: Tags) -> Result<Observed<CodeConnection>> {
    let arn = connection.connection_arn.ok_or_else(|| Error::missing_field("ConnectionArn"))?;
    let name = connection.connection_name.unwrap_or_default();
    let provider = connection.provider_type.ok_or_else(|| Error::missing_field("ProviderType"))?;
    let console = format!("https://console.aws.amazon.com/codesuite/settings/connections?region={}", aws.region);
    let phase = match connection.connection_status {
        Some(ConnectionStatus::Pending) => {
            let provider = provider.as_str();
            Phase::Waiting(format!("open the connection `{name}` at {console}, select Update pending connection and sign in to {provider}"))
        }
        Some(ConnectionStatus::Error) => Phase::Degraded(format!("ERROR: sign in to the provider again at {console}")),
        _ => Phase::Ready,
    };
    let spec = CodeConnection {
        name: Some(name),
        provider: from_aws(provider.as_str())?,
        host: connection.host_arn.filter(|arn| !arn.is_empty()),
    };
    Ok(Observed::new(arn.clone(), tags, spec, ArnOutput { arn }).phase(phase))
}
