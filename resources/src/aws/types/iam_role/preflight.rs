//! Managed policies of AWS.

use std::collections::BTreeSet;

use aws_sdk_iam::types::PolicyScopeType;
use futures::future::join_all;

use super::{IamRole, IamRoleChanges};
use crate::{
    aws::{Aws, partition},
    core::{Error, Problem, Questions, arn_in_partition, ok_or_not_found},
};

/// A policy that every account of AWS has. Where it is unknown, others are, too: a stand-in knows some or none.
const KNOWN_POLICY: &str = "AmazonEC2ContainerRegistryPullOnly";

/// Policies without which EKS does not work, in every partition: nothing is asked about them.
/// <https://docs.aws.amazon.com/eks/latest/userguide/security-iam-awsmanpol.html>
const EKS_POLICIES: &[&str] = &[
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKSClusterPolicy",
    "AmazonEKSFargatePodExecutionRolePolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
];

/// All policies in May 2026, for the simulated cloud.
const MANAGED_POLICIES: &str = include_str!("managed_policies.txt");

/// Checks that each managed policy of AWS exists.
pub(super) async fn preflight(role: &IamRole, questions: &Questions<'_, Aws>, changes: IamRoleChanges) -> Vec<Problem> {
    let policies = role.policies.iter().filter(|_| changes.policies).map(|arn| (IamRole::POINTERS.policies, arn));
    let boundary = role.permissions_boundary.iter().filter(|_| changes.permissions_boundary);
    let boundary = boundary.map(|arn| (IamRole::POINTERS.permissions_boundary, arn));
    let of_aws = policies.chain(boundary).filter(|(_, arn)| is_of_aws(arn));
    let checks = of_aws.map(|(at, arn)| async move { (at, arn, exists(questions, arn_in_partition(arn, questions.region())).await) });
    let mut problems = Vec::new();
    for (at, arn, found) in join_all(checks).await {
        if found != Some(false) || exists(questions, arn_of(questions, KNOWN_POLICY)).await == Some(false) {
            continue;
        }
        let name = |arn: &str| arn.split_once(":policy/").map_or(arn, |(_, name)| name).to_owned();
        let all: BTreeSet<String> = all_policies(questions).await.unwrap_or_default().iter().map(|arn| name(arn)).collect();
        let (wrong, scope) = (name(arn), " as a managed policy");
        let problem = Problem::not_offered(at.clone(), &wrong, "policies", scope, all.iter().map(String::as_str));
        let unknown =
            || Problem::new(at, format!("AWS does not offer `{wrong}`{scope}")).help("see the list of AWS managed policies in IAM");
        problems.push(problem.unwrap_or_else(unknown));
    }
    problems
}

/// Whether an ARN is that of a managed policy of AWS that may not exist: `arn:aws:iam::aws:policy/…`.
fn is_of_aws(arn: &str) -> bool {
    let is_common = |name: &str| EKS_POLICIES.contains(&name);
    arn.split_once(":iam::aws:policy/").is_some_and(|(_, name)| !is_common(name)) && !arn.contains("${")
}

fn arn_of(questions: &Questions<'_, Aws>, name: &str) -> String {
    format!("arn:{}:iam::aws:policy/{name}", partition(questions.region()))
}

/// Whether a managed policy of AWS exists. `None` without an answer.
async fn exists(questions: &Questions<'_, Aws>, arn: String) -> Option<bool> {
    let call = |aws: &Aws| {
        let call = aws.iam.get_policy().policy_arn(&arn);
        async move { Ok(ok_or_not_found(call.send().await)?.is_some()) }
    };
    let is_listed = |_: &str| MANAGED_POLICIES.lines().any(|name| arn.strip_suffix(name).is_some_and(|rest| rest.ends_with(":policy/")));
    questions.ask_or_simulate("iam:GetPolicy", &arn, is_listed, call).await
}

/// ARNs of all managed policies of AWS, for a remedy.
async fn all_policies(questions: &Questions<'_, Aws>) -> Option<Vec<String>> {
    let call = |aws: &Aws| {
        let pages = aws.iam.list_policies().scope(PolicyScopeType::Aws).max_items(1000).into_paginator().items().send();
        async move {
            let policies: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(policies.into_iter().filter_map(|policy| policy.arn).collect())
        }
    };
    let listed = |_: &str| MANAGED_POLICIES.lines().map(|name| format!(":policy/{name}")).collect();
    questions.ask_or_simulate("iam:ListPolicies", "", listed, call).await
}
