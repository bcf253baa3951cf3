//! `iam_policy`: a managed policy that several roles may share.

use acme_macros::spec;
use aws_sdk_iam::types::{Policy as SdkPolicy, PolicyScopeType, SummaryKeyType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        AccountLimit, Created, Deletion, Error, ErrorKind, Existing, IamActions, Observed, Policy, Problem, Questions, Resource, Result,
        Scope, TagChange, Tags, TypeInfo, ok_or_not_found,
    },
};

/// A managed policy that several roles may share. acme creates it under the path `/acme/<stack>/<environment>/` and finds it by that path;
/// an adopted one keeps its path, and acme finds it by its name.
#[spec]
pub struct IamPolicy {
    /// Name, unique in the account.
    #[field(name(max = 128, ignore_case), pattern = r"[\w+=,.@-]+", replaces)]
    pub name: Option<String>,
    /// Policy document.
    #[field(policy = "identity", important)]
    pub document: Policy,
    /// Description.
    #[field(default, length = 0..=1000, replaces)]
    pub description: String,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Unique id, `ANPA…`, never reused.
    #[schemars(extend("x-acme-simulated" = "ANPA{upper17}"))]
    pub unique_id: String,
}

/// Maximum number of versions of a policy, including the default version.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_managed-versioning.html>
const MAX_VERSIONS: usize = 5;

impl Resource for IamPolicy {
    const TYPE: TypeInfo = TypeInfo::new("iam_policy", &services::iam::SERVICE, "{arn}", "arn:aws:iam::{account}:policy{path}{name}")
        .without_charge("IAM costs nothing")
        .global()
        .without_token()
        .quota(5_000, "LimitExceeded")
        .iam_actions(
            IamActions::new("iam:policy/{path}*")
                .list(&["iam:ListPolicies"])
                .read(&["iam:GetPolicy", "iam:GetPolicyVersion", "iam:ListPolicyVersions"])
                .change(&[
                    "iam:CreatePolicy",
                    "iam:CreatePolicyVersion",
                    "iam:DeletePolicy",
                    "iam:DeletePolicyVersion",
                    "iam:TagPolicy",
                    "iam:UntagPolicy",
                ])
                .questions(&["iam:GetAccountSummary"]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    /// Names are unique in the account, whatever their path: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.iam.list_policies().scope(PolicyScopeType::Local).path_prefix(scope.iam_path());
        let mut policies: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        policies.extend(read_outside_path(aws, scope, &policies).await?);
        for_each_concurrent(policies, |policy| async move { ok_or_not_found(read(aws, policy).await) }).await
    }

    async fn account_limit(questions: &Questions<'_, Aws>) -> Option<AccountLimit> {
        services::iam::account_limit(questions, SummaryKeyType::PoliciesQuota, SummaryKeyType::Policies).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.iam.create_policy().set_policy_name(self.name.clone());
        let call = call.path(cx.call.iam_path());
        let call = call.policy_document(self.document.to_json()).set_tags(Some(services::iam::to_tags(&cx.call.tags)));
        let reply = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty())).send().await?;
        reply.policy.and_then(|policy| policy.arn).map(Created::Id).ok_or_else(|| Error::missing_field("Arn"))
    }

    /// If a policy has the maximum number of versions, its oldest one is deleted first: otherwise AWS rejects the new one.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: IamPolicyChanges) -> Result<()> {
        let id = &live.id;
        if changes.document {
            let mut spare = other_versions(cx, id).await?;
            spare.sort_by_key(|version| version.trim_start_matches('v').parse::<u32>().unwrap_or_default());
            if let Some(oldest) = spare.first().filter(|_| spare.len() + 1 >= MAX_VERSIONS) {
                ok_or_not_found(cx.iam.delete_policy_version().policy_arn(id).version_id(oldest).send().await)?;
            }
            cx.iam.create_policy_version().policy_arn(id).policy_document(self.document.to_json()).set_as_default(true).send().await?;
        }
        Ok(())
    }

    /// DeletePolicy requires that all other versions are deleted.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let id = &live.id;
        for version in other_versions(cx, id).await? {
            ok_or_not_found(cx.iam.delete_policy_version().policy_arn(id).version_id(version).send().await)?;
        }
        cx.iam.delete_policy().policy_arn(id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
        if !change.set.is_empty() {
            aws.iam.tag_policy().policy_arn(change.arn).set_tags(Some(services::iam::to_tags(&change.set))).send().await?;
        }
        if !change.remove.is_empty() {
            aws.iam.untag_policy().policy_arn(change.arn).set_tag_keys(Some(change.remove.clone())).send().await?;
        }
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let empty = self.document.value().get("Statement").is_none();
        empty.then(|| Problem::new(Self::POINTERS.document, "a policy document needs `Statement`")).into_iter().collect()
    }
}

/// Policies with desired names outside the stack's path: CreatePolicy rejects their names.
async fn read_outside_path(aws: &Aws, scope: &Scope, in_path: &[SdkPolicy]) -> Result<Vec<SdkPolicy>> {
    if let Some(ids) = scope.ids_outside_path() {
        let missing: Vec<String> =
            ids.into_iter().filter(|id| in_path.iter().all(|policy| policy.arn() != Some(id.as_str()))).cloned().collect();
        return for_each_concurrent(missing, |arn| async move {
            let reply = ok_or_not_found(aws.iam.get_policy().policy_arn(arn).send().await)?;
            Ok::<_, Error>(reply.and_then(|reply| reply.policy))
        })
        .await;
    }
    let is_known = |name: &str| in_path.iter().any(|policy| policy.policy_name() == Some(name));
    // Adopted policies that the definition no longer has.
    let indexed = scope.tag_index.iter().flat_map(|index| index.keys()).filter(|arn| arn.contains(":iam:") && arn.contains(":policy/"));
    let name_of = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let adopted: Vec<String> = indexed.filter(|arn| !is_known(&name_of(arn)) && !scope.lookup.contains(&name_of(arn))).cloned().collect();
    let mut found = for_each_concurrent(adopted, |arn| async move {
        let reply = ok_or_not_found(aws.iam.get_policy().policy_arn(arn).send().await)?;
        Ok::<_, Error>(reply.and_then(|reply| reply.policy))
    })
    .await?;
    if scope.lookup.iter().all(|name| is_known(name)) {
        return Ok(found);
    }
    let call = aws.iam.list_policies().scope(PolicyScopeType::Local).max_items(1000);
    let all: Vec<SdkPolicy> = call.into_paginator().items().send().try_collect().await?;
    let is_wanted = |policy: &SdkPolicy| policy.policy_name().is_some_and(|name| scope.lookup.contains(name) && !is_known(name));
    found.extend(all.into_iter().filter(is_wanted));
    Ok(found)
}

/// Ids of the versions that are not the default.
async fn other_versions(aws: &Aws, arn: &str) -> Result<Vec<String>> {
    let versions: Vec<_> = aws.iam.list_policy_versions().policy_arn(arn).into_paginator().items().send().try_collect().await?;
    Ok(versions.into_iter().filter(|version| !version.is_default_version).filter_map(|version| version.version_id).collect())
}

/// Reads one policy. ListPolicies returns neither description nor tags.
async fn read(aws: &Aws, listed: SdkPolicy) -> Result<Observed<IamPolicy>> {
    let id = listed.arn.ok_or_else(|| Error::missing_field("Arn"))?;
    let policy = async { aws.iam.get_policy().policy_arn(&id).send().await?.policy.ok_or_else(|| Error::missing_field("Policy")) };
    let document = async {
        let reply = aws.iam.get_policy_version().policy_arn(&id).set_version_id(listed.default_version_id.clone()).send().await?;
        let document = reply.policy_version.and_then(|version| version.document).ok_or_else(|| Error::missing_field("Document"))?;
        Ok::<_, Error>(Policy::parse(&document)?)
    };
    let (policy, document) = match tokio::try_join!(policy, document) {
        // The policies that acme prints allow reads in the stack's path only.
        Err(error) if error.kind == ErrorKind::AccessDenied => {
            let spec = IamPolicy { name: listed.policy_name, document: Policy::new(serde_json::json!({})), description: String::new() };
            return Ok(Observed::new(id.clone(), Tags::new(), spec, Outputs { arn: id, unique_id: listed.policy_id.unwrap_or_default() }));
        }
        read => read?,
    };
    let tags = services::iam::from_tags(policy.tags());
    let spec = IamPolicy { name: policy.policy_name, document, description: policy.description.unwrap_or_default() };
    Ok(Observed::new(id.clone(), tags, spec, Outputs { arn: id, unique_id: policy.policy_id.unwrap_or_default() }))
}
