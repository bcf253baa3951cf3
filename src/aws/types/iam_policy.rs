//! `iam_policy`: a managed policy that several roles may share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, Error, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, Phase, Policy, Problem,
        Result, Retag, Scope, Service, ok_or_not_found,
    },
};

/// A managed policy that several roles may share. It lies under the path `/acme/<stack>/<environment>/`, which marks it as the stack's.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IamPolicy {
    /// Name, unique in the account, at most 128 characters. Default: `<stack>-<environment>-<name>`. Changing it replaces the policy.
    #[serde(default)]
    pub name: Option<String>,
    /// What it allows and denies.
    pub document: Policy,
    /// What it is for. Default: empty. Changing it replaces the policy.
    #[serde(default)]
    pub description: String,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// AWS's own id, `ANPA…`, never used twice.
    pub unique_id: String,
}

/// A policy keeps at most five versions, the one in force among them.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html>
const VERSIONS: usize = 5;

impl Resource for IamPolicy {
    const TYPE: &'static str = "iam_policy";
    const SERVICE: Service = Service::Iam;
    const ARN: Option<&'static str> = Some("iam:policy/");
    const REPLACE: &'static [&'static str] = &["/name", "/description"];
    const NAME: Option<Naming> = Some(Naming { max: 128, lower: false, prefix: "" });
    const ACTIONS: Actions = Actions::on("iam:policy/{path}*")
        .list(&["iam:ListPolicies"])
        .read(&["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"])
        .change(&[
            "iam:CreatePolicy",
            "iam:CreatePolicyVersion",
            "iam:DeletePolicy",
            "iam:DeletePolicyVersion",
            "iam:TagPolicy",
            "iam:UntagPolicy",
        ]);
    type Outputs = Outputs;

    /// A policy of a wanted name outside the path is left out: the path is part of the ARN, so both can exist.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.iam.list_policies().scope(aws_sdk_iam::types::PolicyScopeType::Local).path_prefix(scope.iam_path());
        let policies: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        each(policies, |policy| async move { ok_or_not_found(read(aws, policy).await) }).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.iam.create_policy().set_policy_name(self.name.clone()).path(format!("/acme/{}/{}/", cx.stack, cx.environment));
        let call = call.policy_document(self.document.to_json()).set_tags(Some(tags::iam(cx.tags)));
        let reply = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty())).send().await?;
        reply.policy.and_then(|policy| policy.arn).ok_or_else(|| Error::missing("Arn"))
    }

    /// A full history loses its oldest version first, or AWS refuses the new one.
    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        if changed.has("/document") {
            let mut spare = others(cx.aws, id).await?;
            spare.sort_by_key(|version| version.trim_start_matches('v').parse::<u32>().unwrap_or_default());
            if let Some(oldest) = spare.first().filter(|_| spare.len() + 1 >= VERSIONS) {
                ok_or_not_found(cx.aws.iam.delete_policy_version().policy_arn(id).version_id(oldest).send().await)?;
            }
            let document = self.document.to_json();
            cx.aws.iam.create_policy_version().policy_arn(id).policy_document(document).set_as_default(true).send().await?;
        }
        Ok(())
    }

    /// DeletePolicy wants all other versions gone.
    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        for version in others(cx.aws, id).await? {
            ok_or_not_found(cx.aws.iam.delete_policy_version().policy_arn(id).version_id(version).send().await)?;
        }
        cx.aws.iam.delete_policy().policy_arn(id).send().await?;
        Ok(())
    }

    async fn retag(aws: &Aws, change: &Retag<'_>) -> Result<()> {
        if !change.set.is_empty() {
            aws.iam.tag_policy().policy_arn(change.arn).set_tags(Some(tags::iam(&change.set))).send().await?;
        }
        if !change.remove.is_empty() {
            aws.iam.untag_policy().policy_arn(change.arn).set_tag_keys(Some(change.remove.clone())).send().await?;
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let empty = self.document.value().get("Statement").is_none();
        empty.then(|| Problem::new("/document", "a policy document needs `Statement`")).into_iter().collect()
    }
}

/// Ids of the versions that are not in force.
async fn others(aws: &Aws, arn: &str) -> Result<Vec<String>> {
    let versions: Vec<_> = aws.iam.list_policy_versions().policy_arn(arn).into_paginator().items().send().try_collect().await?;
    Ok(versions.into_iter().filter(|version| !version.is_default_version).filter_map(|version| version.version_id).collect())
}

/// One policy. ListPolicies leaves description and tags out.
async fn read(aws: &Aws, listed: aws_sdk_iam::types::Policy) -> Result<Observed<IamPolicy>> {
    let id = listed.arn.ok_or_else(|| Error::missing("Arn"))?;
    let policy = async { aws.iam.get_policy().policy_arn(&id).send().await?.policy.ok_or_else(|| Error::missing("Policy")) };
    let document = async {
        let reply = aws.iam.get_policy_version().policy_arn(&id).set_version_id(listed.default_version_id).send().await?;
        let document = reply.policy_version.and_then(|version| version.document).ok_or_else(|| Error::missing("Document"))?;
        Ok::<_, Error>(Policy::parse(&document)?)
    };
    let (policy, document) = tokio::try_join!(policy, document)?;
    Ok(Observed {
        tags: tags::from_iam(policy.tags()),
        phase: Phase::Ready,
        spec: IamPolicy { name: policy.policy_name, document, description: policy.description.unwrap_or_default() },
        outputs: Outputs { arn: id.clone(), unique_id: policy.policy_id.unwrap_or_default() },
        id,
    })
}
