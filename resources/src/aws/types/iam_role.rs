//! `iam_role`: an identity that services, nodes and pods assume.

mod preflight;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_iam::{
    primitives::DateTime,
    types::{AttachedPermissionsBoundary, EntityType, Role, RoleDetail, SummaryKeyType},
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};

use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        AccountLimit, ArnRef, ConditionValues, Created, Declared, Deletion, Error, ErrorKind, Existing, GrantTarget, IamActions,
        IamCondition, IamGrant, Observed, Pointer, Policy, Problem, Questions, Resource, Result, Scope, TagChange, Tags, TypeInfo,
        arn_in_partition, arn_without_partition, expression::has_reference, ok_or_not_found,
    },
};

/// An identity that services, nodes and pods assume. acme creates it under the path `/acme/<stack>/<environment>/` and finds it by that
/// path; an adopted one keeps its path, and acme finds it by its name.
#[spec]
pub struct IamRole {
    /// Name, unique in the account.
    #[field(name(max = 64, ignore_case), pattern = r"[\w+=,.@-]+", replaces)]
    pub name: Option<String>,
    /// Principals that may assume the role: a policy document, or `{services: [ec2.amazonaws.com]}` for AWS services.
    #[field(policy = "trust", important)]
    #[serde(deserialize_with = "trust")]
    pub trust: Policy,
    /// Managed policies: ARNs (`{{ iam_policy.logs.arn }}` for one in the stack), or names of AWS managed policies with their path
    /// (`AmazonEKSClusterPolicy`, `service-role/AmazonEBSCSIDriverPolicy`). All others are detached.
    #[field(default, after_create, important)]
    // The deletion of a cluster or a node group needs the permissions of its role.
    #[field(entry_quota = 10, removed_later)]
    #[serde(deserialize_with = "arns")]
    pub policies: BTreeSet<String>,
    /// Inline policies by name. All others are deleted.
    #[field(policy = "identity", default, after_create, important, removed_later)]
    pub inline_policies: BTreeMap<String, Policy>,
    /// Description.
    #[field(default, length = 0..=1000)]
    pub description: String,
    /// Maximum duration of a session, in seconds.
    #[field(default = 3600, range = 3600..=43_200)]
    pub max_session_seconds: i32,
    /// ARN of the permissions boundary, a policy that limits the role; `""` for none.
    #[field(important, unset = "unchanged, at creation none", dropped = "")]
    pub permissions_boundary: Option<String>,
}

const ARN_PATTERN: &str = "iam:role/{path}*";

/// Only the managed policies that the stack names can be attached.
const POLICIES: IamCondition =
    IamCondition { operator: "ArnLike", key: "iam:PolicyARN", values: ConditionValues::ArnsIn(|| IamRole::POINTERS.policies) };

/// Without a boundary, whoever may change the permissions of a role and assume it has all permissions:
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-delegate>.
const BOUNDARY: IamCondition = IamCondition {
    operator: "StringEquals",
    key: "iam:PermissionsBoundary",
    values: ConditionValues::RequiredArn {
        field: || IamRole::POINTERS.permissions_boundary,
        otherwise: "its holder can give these roles any permission",
    },
};

/// Problem of a referenced role that the service can't assume. Roles outside the stack are not checked.
pub(super) fn check_trust<R: Resource>(declared: &Declared<'_, R>, at: Pointer, role: &ArnRef<IamRole>, service: &str) -> Option<Problem> {
    let (address, role) = declared.referenced(role)?;
    let allows = |statement: &Value| {
        let principal = &statement["Principal"];
        let services = principal["Service"].as_array().into_iter().flatten().filter_map(Value::as_str);
        // In some partitions, names end with `.cn` and the like.
        let is_named = services.chain(principal.as_str()).any(|name| name == "*" || name.contains("${") || name.starts_with(service));
        statement["Effect"] == "Allow" && (is_named || statement.get("NotPrincipal").is_some() || has_reference(principal))
    };
    let is_trusted = role.trust.value()["Statement"].as_array().into_iter().flatten().any(allows);
    let message = || format!("`{address}` does not trust `{service}`, which has to assume it");
    let help = || format!("add `{service}` to the services in its `trust`");
    (!is_trusted).then(|| Problem::new(at, message()).help(help()))
}

/// Parses a policy document, or the services that may assume the role.
///
/// Pod identity tags its sessions: <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-role.html>.
fn trust<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Policy, D::Error> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TrustSyntax {
        services: BTreeSet<String>,
    }
    let value = Value::deserialize(deserializer)?;
    if value.get("services").is_none() {
        return Policy::deserialize(value).map_err(D::Error::custom);
    }
    let TrustSyntax { services } = TrustSyntax::deserialize(value)
        .map_err(|_| D::Error::custom("expected a list of services, and nothing else: `{services: [ec2.amazonaws.com]}`"))?;
    let pods = services.contains("pods.eks.amazonaws.com").then_some("sts:TagSession");
    let actions: Vec<&str> = std::iter::once("sts:AssumeRole").chain(pods).collect();
    Ok(Policy::new(json!({ "Statement": [{ "Effect": "Allow", "Action": actions, "Principal": { "Service": services } }] })))
}

/// Converts names of AWS managed policies to ARNs, in the partition `aws`, which stands for the region's.
fn arns<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeSet<String>, D::Error> {
    let whole = |text: String| match text.starts_with("arn:") || text.contains("${") {
        true => arn_without_partition(&text),
        false => format!("arn:aws:iam::aws:policy/{text}"),
    };
    Ok(BTreeSet::<String>::deserialize(deserializer)?.into_iter().map(whole).collect())
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Unique id, `AROA…`, never reused.
    #[schemars(extend("x-acme-simulated" = "AROA{upper17}"))]
    pub unique_id: String,
}

impl Resource for IamRole {
    /// The typical duration is the time until other services accept a new role. The tagging API does not show roles.
    const TYPE: TypeInfo = TypeInfo::new("iam_role", &services::iam::SERVICE, "{name}", "arn:aws:iam::{account}:role{path}{name}")
        .without_charge("IAM costs nothing")
        .global()
        .always_listed()
        .typical_seconds(8)
        .ignoring_case_of_tag_keys()
        .without_token()
        .quota(5_000, "LimitExceeded")
        .iam_actions(
            IamActions::new(ARN_PATTERN)
                .list(&["iam:GetAccountAuthorizationDetails", "iam:ListRoles"])
                .read(&["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"])
                .change(&["iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"])
                .questions(&["iam:GetAccountSummary", "iam:GetPolicy", "iam:ListPolicies"])
                .grants(&[
                    IamGrant::change(&["iam:AttachRolePolicy"], GrantTarget::Arn(ARN_PATTERN)).only_if(&[POLICIES, BOUNDARY]),
                    IamGrant::change(
                        &[
                            "iam:CreateRole",
                            "iam:DeleteRolePolicy",
                            "iam:DetachRolePolicy",
                            "iam:PutRolePermissionsBoundary",
                            "iam:PutRolePolicy",
                        ],
                        GrantTarget::Arn(ARN_PATTERN),
                    )
                    .only_if(&[BOUNDARY]),
                    IamGrant::change(&["iam:DeleteRolePermissionsBoundary"], GrantTarget::Arn(ARN_PATTERN))
                        .replaced_by(|| IamRole::POINTERS.permissions_boundary),
                ]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    fn risks(&self) -> Vec<(Pointer, &'static str)> {
        let administrators = self.policies.iter().enumerate().filter(|(_, arn)| arn.ends_with(":policy/AdministratorAccess"));
        administrators.map(|(index, _)| (Self::POINTERS.policies.item(index), "the role is an administrator of the account")).collect()
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let roles: Vec<_> = aws.iam.list_roles().path_prefix(scope.iam_path()).into_paginator().items().send().try_collect().await?;
        // From two roles on, the bulk call is cheaper; restricted permissions may not allow it. Only it shows the tags of all roles.
        let searches = scope.search_outside_path && scope.adopt.is_none() && scope.ids.is_none();
        let mut details = if roles.len() > 1 || searches { read_role_details(aws).await? } else { None };
        let names: BTreeSet<String> = roles.iter().map(|role| role.role_name.clone()).collect();
        let (mut found, mut others) = (Vec::new(), Vec::new());
        for role in roles {
            match details.as_mut().and_then(|details| details.remove(&role.role_name)) {
                Some(detail) => found.push(from_role_detail(role, detail)?),
                None => others.push(role),
            }
        }
        found.extend(for_each_concurrent(others, |role| async move { ok_or_not_found(read(aws, &role.role_name).await) }).await?);
        found.extend(read_outside_path(aws, scope, &names, details).await?);
        Ok(found)
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.iam.create_role().set_role_name(self.name.clone());
        let call = call.path(cx.call.iam_path());
        let call = call.assume_role_policy_document(self.trust.to_json()).max_session_duration(self.max_session_seconds);
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let call = call.set_permissions_boundary(self.permissions_boundary.clone().filter(|arn| !arn.is_empty()));
        let reply = call.set_tags(Some(services::iam::to_tags(&cx.call.tags))).send().await?;
        reply.role.map(|role| role.role_name.into()).ok_or_else(|| Error::missing_field("Role"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: IamRoleChanges) -> Result<()> {
        let (iam, id, before) = (&cx.iam, live.id.as_str(), &live.spec);
        if changes.trust {
            iam.update_assume_role_policy().role_name(id).policy_document(self.trust.to_json()).send().await?;
        }
        // UpdateRole without a duration resets it to an hour.
        if changes.description || changes.max_session_seconds {
            iam.update_role().role_name(id).description(&self.description).max_session_duration(self.max_session_seconds).send().await?;
        }
        if changes.permissions_boundary {
            match self.permissions_boundary.as_deref().filter(|arn| !arn.is_empty()) {
                Some(arn) => drop(iam.put_role_permissions_boundary().role_name(id).permissions_boundary(arn).send().await?),
                None => drop(iam.delete_role_permissions_boundary().role_name(id).send().await?),
            }
        }
        if changes.policies {
            for arn in self.policies.difference(&before.policies) {
                iam.attach_role_policy().role_name(id).policy_arn(arn_in_partition(arn, &cx.region)).send().await?;
            }
            for arn in before.policies.difference(&self.policies) {
                ok_or_not_found(iam.detach_role_policy().role_name(id).policy_arn(arn_in_partition(arn, &cx.region)).send().await)?;
            }
        }
        if changes.inline_policies {
            for (name, policy) in self.inline_policies.iter().filter(|(name, policy)| before.inline_policies.get(*name) != Some(policy)) {
                iam.put_role_policy().role_name(id).policy_name(name).policy_document(policy.to_json()).send().await?;
            }
            for name in before.inline_policies.keys().filter(|name| !self.inline_policies.contains_key(*name)) {
                ok_or_not_found(iam.delete_role_policy().role_name(id).policy_name(name).send().await)?;
            }
        }
        Ok(())
    }

    /// A role with policies can't be deleted: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html>.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let (iam, id) = (&cx.iam, live.id.as_str());
        for arn in &live.spec.policies {
            ok_or_not_found(iam.detach_role_policy().role_name(id).policy_arn(arn_in_partition(arn, &cx.region)).send().await)?;
        }
        for name in live.spec.inline_policies.keys() {
            ok_or_not_found(iam.delete_role_policy().role_name(id).policy_name(name).send().await)?;
        }
        iam.delete_role().role_name(id).send().await?;
        Ok(Deletion::Requested)
    }

    async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
        if !change.set.is_empty() {
            aws.iam.tag_role().role_name(change.id).set_tags(Some(services::iam::to_tags(&change.set))).send().await?;
        }
        if !change.remove.is_empty() {
            aws.iam.untag_role().role_name(change.id).set_tag_keys(Some(change.remove.clone())).send().await?;
        }
        Ok(())
    }

    async fn account_limit(questions: &Questions<'_, Aws>) -> Option<AccountLimit> {
        services::iam::account_limit(questions, SummaryKeyType::RolesQuota, SummaryKeyType::Roles).await
    }

    async fn preflight(&self, questions: &Questions<'_, Aws>, changes: IamRoleChanges) -> Vec<Problem> {
        preflight::preflight(self, questions, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        let empty = self.trust.value().get("Statement").is_none();
        let problem = Problem::new(Self::POINTERS.trust, "no principal may assume this role");
        let help = "write a policy document with `Statement`, or `{services: [ec2.amazonaws.com]}`";
        empty.then(|| problem.help(help)).into_iter().collect()
    }
}

/// Roles with desired names outside the stack's path: CreateRole rejects their names.
async fn read_outside_path(
    aws: &Aws,
    scope: &Scope,
    in_path: &BTreeSet<String>,
    details: Option<BTreeMap<String, RoleDetail>>,
) -> Result<Vec<Observed<IamRole>>> {
    if let Some(ids) = scope.ids_outside_path() {
        let missing: Vec<String> = ids.into_iter().filter(|name| !in_path.contains(*name)).cloned().collect();
        return for_each_concurrent(missing, |name| async move { ok_or_not_found(read(aws, &name).await) }).await;
    }
    let roles: Vec<(Role, Tags)> = match details {
        Some(details) => details.into_values().map(from_detail_alone).collect::<Result<_>>()?,
        None if scope.lookup.is_subset(in_path) => return Ok(Vec::new()),
        None => {
            let roles: Vec<_> = aws.iam.list_roles().max_items(1000).into_paginator().items().send().try_collect().await?;
            roles.into_iter().map(|role| (role, Tags::new())).collect()
        }
    };
    let is_adopted = |tags: &Tags| !tags.is_empty() && scope.owns(tags);
    let wanted = roles
        .into_iter()
        .filter(|(role, tags)| (scope.lookup.contains(&role.role_name) || is_adopted(tags)) && !in_path.contains(&role.role_name));
    for_each_concurrent(wanted, |(role, tags)| async move {
        match read(aws, &role.role_name).await {
            // The policies that acme prints allow reads in the stack's path, and of roles that the definition names.
            Err(error) if error.kind == ErrorKind::AccessDenied => observed(role, tags, BTreeSet::new(), BTreeMap::new(), None).map(Some),
            other => ok_or_not_found(other),
        }
    })
    .await
}

/// Reads one role. ListRoles returns neither tags nor boundary, and the tagging API does not show roles, so each needs a GetRole.
async fn read(aws: &Aws, name: &str) -> Result<Observed<IamRole>> {
    let role = async { aws.iam.get_role().role_name(name).send().await?.role.ok_or_else(|| Error::missing_field("Role")) };
    let attached = async {
        let attached: Vec<_> = aws.iam.list_attached_role_policies().role_name(name).into_paginator().items().send().try_collect().await?;
        Ok::<_, Error>(attached.into_iter().filter_map(|policy| policy.policy_arn).collect())
    };
    let inline = async {
        let mut inline = BTreeMap::new();
        let mut names = aws.iam.list_role_policies().role_name(name).into_paginator().items().send();
        while let Some(policy) = names.try_next().await? {
            let reply = aws.iam.get_role_policy().role_name(name).policy_name(&policy).send().await?;
            inline.insert(policy, Policy::parse(&reply.policy_document)?);
        }
        Ok::<_, Error>(inline)
    };
    let (role, policies, inline_policies) = tokio::try_join!(role, attached, inline)?;
    let (tags, boundary) = (services::iam::from_tags(role.tags()), role.permissions_boundary.clone());
    observed(role, tags, policies, inline_policies, boundary)
}

/// Policies and tags of every role of the account, by name. `None` if access is denied.
///
/// Source: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>
async fn read_role_details(aws: &Aws) -> Result<Option<BTreeMap<String, RoleDetail>>> {
    let call = aws.iam.get_account_authorization_details().filter(EntityType::Role).max_items(1000);
    let mut pages = call.into_paginator().send();
    let mut details = BTreeMap::new();
    while let Some(page) = pages.next().await {
        match page.map_err(Error::from) {
            Ok(page) => {
                let roles = page.role_detail_list.unwrap_or_default().into_iter();
                details.extend(roles.filter_map(|role| Some((role.role_name.clone()?, role))));
            }
            Err(error) if error.kind == ErrorKind::AccessDenied => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(details))
}

/// Role and tags from the bulk read, without description and duration.
fn from_detail_alone(detail: RoleDetail) -> Result<(Role, Tags)> {
    let tags = services::iam::from_tags(detail.tags());
    let role = Role::builder()
        .path(detail.path.unwrap_or_default())
        .role_name(detail.role_name.unwrap_or_default())
        .role_id(detail.role_id.unwrap_or_default())
        .arn(detail.arn.unwrap_or_default())
        .create_date(detail.create_date.unwrap_or_else(|| DateTime::from_secs(0)))
        .set_assume_role_policy_document(detail.assume_role_policy_document);
    Ok((role.build()?, tags))
}

/// A role from ListRoles, which has description and duration, and from the bulk read, which has the rest.
fn from_role_detail(role: Role, detail: RoleDetail) -> Result<Observed<IamRole>> {
    let mut inline_policies = BTreeMap::new();
    for policy in detail.role_policy_list.unwrap_or_default() {
        if let (Some(name), Some(document)) = (policy.policy_name, policy.policy_document) {
            inline_policies.insert(name, Policy::parse(&document)?);
        }
    }
    let tags = services::iam::from_tags(detail.tags.as_deref().unwrap_or_default());
    let policies = detail.attached_managed_policies.into_iter().flatten().filter_map(|policy| policy.policy_arn).collect();
    observed(role, tags, policies, inline_policies, detail.permissions_boundary)
}

fn observed(
    role: Role,
    tags: Tags,
    policies: BTreeSet<String>,
    inline_policies: BTreeMap<String, Policy>,
    boundary: Option<AttachedPermissionsBoundary>,
) -> Result<Observed<IamRole>> {
    let spec = IamRole {
        name: Some(role.role_name.clone()),
        trust: Policy::parse(role.assume_role_policy_document.as_deref().ok_or_else(|| Error::missing_field("AssumeRolePolicyDocument"))?)?,
        policies: policies.iter().map(|arn| arn_without_partition(arn)).collect(),
        inline_policies,
        description: role.description.unwrap_or_default(),
        max_session_seconds: role.max_session_duration.unwrap_or(3600),
        permissions_boundary: Some(boundary.and_then(|boundary| boundary.permissions_boundary_arn).unwrap_or_default()),
    };
    Ok(Observed::new(role.role_name, tags, spec, Outputs { arn: role.arn, unique_id: role.role_id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_short_forms() -> serde_json::Result<()> {
        let role: IamRole = serde_json::from_value(json!({
            "trust": { "services": ["ec2.amazonaws.com"] },
            "policies": ["service-role/AmazonEBSCSIDriverPolicy", "arn:aws:iam::1:policy/x", "${iam_policy.logs.arn}"],
        }))?;
        let expected = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": { "Service": ["ec2.amazonaws.com"] } }],
        });
        assert_eq!(role.trust.value(), &expected);
        let policies =
            ["${iam_policy.logs.arn}", "arn:aws:iam::1:policy/x", "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"];
        assert!(role.policies.iter().eq(policies));
        Ok(())
    }
}
