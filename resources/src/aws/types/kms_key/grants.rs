//! Grants of a key. AWS can't change one: a new one is created, then the old one is revoked.

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_kms::types::{GrantConstraints, GrantListEntry, GrantOperation};

use super::{KeySpec, KmsKey};
use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Problem, Result, ok_or_not_found},
};

/// Lets a principal use the key.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Grant {
    /// ARN of the principal that may use the key.
    #[field(pattern = "arn:aws.*:(iam|sts)::.+", length = 1..=256)]
    pub principal: String,
    /// Operations that it may use.
    #[field(length = 1..=19, one_of = [
        "CreateGrant", "Decapsulate", "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encapsulate", "Encrypt", "GenerateDataKey",
        "GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetPublicKey",
        "ReEncryptFrom", "ReEncryptTo", "RetireGrant", "Sign", "Verify", "VerifyMac"
    ])]
    pub operations: BTreeSet<String>,
    /// ARN of another principal that may end the grant.
    #[field(default, dropped = None, pattern = "arn:aws.*:(iam|sts)::.+", length = 1..=256)]
    pub retiring_principal: Option<String>,
    /// Pairs that the encryption context of an operation must include. Only symmetric encryption keys have such a context.
    #[field(default, length = 0..=8, conflicts_with = exact_encryption_context)]
    pub encryption_context: BTreeMap<String, String>,
    /// Pairs that the encryption context of an operation must consist of.
    #[field(default, length = 0..=8)]
    pub exact_encryption_context: BTreeMap<String, String>,
}

/// Grants by name.
pub type GrantMap = BTreeMap<String, Grant>;

/// Start of the names of acme's grants: a definition does not manage those of others.
const PREFIX: &str = "acme/";

/// Reads the grants of acme. If an interrupted change left two of a name, the older one shows that the change is unfinished.
pub(super) async fn read(aws: &Aws, id: &str) -> Result<GrantMap> {
    let mut all = list(aws, id).await?;
    all.sort_by_key(|(_, grant)| std::cmp::Reverse(grant.creation_date));
    Ok(all.into_iter().map(|(name, grant)| (name, Grant::read(grant))).collect())
}

/// All grants of acme, all pages, with their names in the definition.
async fn list(aws: &Aws, id: &str) -> Result<Vec<(String, GrantListEntry)>> {
    let all: Vec<GrantListEntry> = aws.kms.list_grants().key_id(id).limit(100).into_paginator().items().send().try_collect().await?;
    Ok(all.into_iter().filter_map(|grant| Some((grant.name()?.strip_prefix(PREFIX)?.to_owned(), grant))).collect())
}

/// Creates what differs, then revokes what is left of these names.
pub(super) async fn update(aws: &Aws, id: &str, live: &GrantMap, wanted: &GrantMap) -> Result<()> {
    let mut current = BTreeSet::new();
    for (name, grant) in wanted.iter().filter(|(name, grant)| live.get(*name) != Some(*grant)) {
        let operations = grant.operations.iter().map(|one| GrantOperation::from(one.as_str())).collect();
        let call = aws.kms.create_grant().key_id(id).name(format!("{PREFIX}{name}")).grantee_principal(&grant.principal);
        let call = call.set_operations(Some(operations)).set_retiring_principal(grant.retiring_principal.clone());
        // AWS answers with the existing grant if all parameters are the same.
        let reply = call.set_constraints(grant.constraints()).send().await.map_err(|error| match Error::from(error) {
            // A principal that was created a moment ago.
            error if error.code == "InvalidArnException" => Error { kind: ErrorKind::NotYetVisible, ..error },
            error => error,
        })?;
        current.extend(reply.grant_id);
    }
    let is_unchanged = |name: &String| live.get(name).is_some_and(|grant| wanted.get(name) == Some(grant));
    for (name, grant) in list(aws, id).await? {
        let Some(grant_id) = grant.grant_id.filter(|grant_id| !current.contains(grant_id) && !is_unchanged(&name)) else { continue };
        ok_or_not_found(aws.kms.revoke_grant().key_id(id).grant_id(grant_id).send().await)?;
    }
    Ok(())
}

impl Grant {
    fn constraints(&self) -> Option<GrantConstraints> {
        let map = |map: &BTreeMap<String, String>| (!map.is_empty()).then(|| map.clone().into_iter().collect());
        let (subset, exact) = (map(&self.encryption_context), map(&self.exact_encryption_context));
        let has_some = subset.is_some() || exact.is_some();
        let all = GrantConstraints::builder().set_encryption_context_subset(subset).set_encryption_context_equals(exact);
        has_some.then(|| all.build())
    }

    fn read(grant: GrantListEntry) -> Grant {
        let constraints = grant.constraints.unwrap_or_else(|| GrantConstraints::builder().build());
        Grant {
            principal: grant.grantee_principal.unwrap_or_default(),
            operations: grant.operations.unwrap_or_default().iter().map(|one| one.as_str().to_owned()).collect(),
            retiring_principal: grant.retiring_principal.filter(|arn| !arn.is_empty()),
            encryption_context: constraints.encryption_context_subset.unwrap_or_default().into_iter().collect(),
            exact_encryption_context: constraints.encryption_context_equals.unwrap_or_default().into_iter().collect(),
        }
    }
}

/// Rules for the grants of a key of this type: <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateGrant.html>.
pub(super) fn check(grants: &GrantMap, spec: KeySpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, grant) in grants {
        let at = KmsKey::POINTERS.grants.item(name);
        let is_name = |c: char| c.is_ascii_alphanumeric() || ":/_-".contains(c);
        if name.is_empty() || name.len() > 200 || !name.chars().all(is_name) {
            let problem = Problem::new(at.clone(), format!("`{name}` is not a valid name of a grant"));
            problems.push(problem.help("use up to 200 letters, digits, `:`, `/`, `_` and `-`"));
        }
        if spec != KeySpec::SymmetricDefault && grant.constraints().is_some() {
            problems.push(Problem::new(at, "only symmetric encryption keys have an encryption context"));
        }
    }
    problems
}
