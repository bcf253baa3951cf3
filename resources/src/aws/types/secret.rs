//! `secret`: a secret in Secrets Manager. acme can generate its value, but never reads it.

mod password;
mod replica;
mod rotation;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use serde_json::json;

pub use replica::Replica;
pub use rotation::Rotation;

use super::kms_key::KmsKey;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnOutput, ArnRef, Created, Declared, Deletion, Error, ErrorKind, Existing, GrantTarget, IamActions, IamGrant, Observed, OnDelete,
        Phase, Policy, PriceContext, Pricing, Problem, Product, Resource, Result, STACK_TAG, Scope, TypeInfo, UsageKey, ok_or_not_found,
    },
};

/// A secret in Secrets Manager.
///
/// It has no field for a value, because many people read definitions, plans and records. Use `generate` for a random value, or leave the
/// secret empty and set the value yourself (`aws secretsmanager put-secret-value`). acme never reads, compares or overwrites it.
#[spec]
pub struct Secret {
    /// Name, unique in account and region.
    #[field(name(max = 512), replaces, pattern = "[A-Za-z0-9/_+=.@-]+")]
    pub name: Option<String>,
    /// Description.
    #[field(default, length = 0..=2048)]
    pub description: String,
    /// Key that encrypts it.
    #[field(unset = "unchanged; a new secret gets AWS's own key, `alias/aws/secretsmanager`", important, dropped = None)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Generates a random value when the secret is created.
    #[field(unset = "the secret is created empty", initial_only, dropped(kept, "used only at creation"))]
    pub generate: Option<Generate>,
    /// Resource policy for access by other principals; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", after_create = Some(Policy::none()), own_read, important)]
    #[field(dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Rotation of the value by a function.
    #[field(unset = "the value stays as it is", important, after_create = None, dropped = None)]
    pub rotation: Option<Rotation>,
    /// Copies in other regions, by region.
    #[field(important, default, after_create, own_read)]
    pub replicas: BTreeMap<String, Replica>,
    /// Recovery window before deletion, in days.
    #[field(default = RECOVERY_WINDOW_DAYS, range = 7..=30, important, write_only, recovery_window)]
    pub recovery_window_days: i64,
}

/// Format of a random value.
#[spec]
pub struct Generate {
    /// Number of characters.
    #[field(default = 32, range = 1..=4096)]
    pub length: i64,
    /// Excluded characters.
    #[field(default, length = 0..=4096)]
    pub exclude_characters: String,
    /// Excludes digits.
    #[field(default = false)]
    pub exclude_numbers: bool,
    /// Excludes punctuation.
    #[field(default = false)]
    pub exclude_punctuation: bool,
    /// Excludes uppercase letters.
    #[field(default = false)]
    pub exclude_uppercase: bool,
    /// Excludes lowercase letters.
    #[field(default = false)]
    pub exclude_lowercase: bool,
    /// Includes the space.
    #[field(default = false)]
    pub include_space: bool,
    /// Requires at least one character of every type that is not excluded.
    #[field(default = true)]
    pub require_each_type: bool,
    /// User name. If set, the value is a JSON object with `username` and the random `password`, in the format for databases.
    #[field(unset = "the value is only the random text", dropped(kept, "used only at creation"))]
    pub username: Option<String>,
}

/// Days until AWS deletes a secret, unless set otherwise.
const RECOVERY_WINDOW_DAYS: i64 = 30;

/// Alias of the key that encrypts a secret without one of its own.
const AWS_KEY: &str = "alias/aws/secretsmanager";

/// Error code of calls for a secret that is being deleted.
const INVALID_REQUEST: &str = "InvalidRequestException";

/// Requests.
const REQUESTS: UsageKey = UsageKey::new("requests", "requests in a month");

impl Resource for Secret {
    const TYPE: TypeInfo = TypeInfo::new(
        "secret",
        &services::secretsmanager::SERVICE,
        "{arn}",
        "arn:aws:secretsmanager:{region}:{account}:secret:{name}-{hex8}",
    )
    .recovery_window(0, INVALID_REQUEST)
    .lost_on_recreation("its value is lost, and must be set again")
    .deletable_while_in_use()
    .iam_actions(
        IamActions::new("secretsmanager:secret:{name}*")
            .list(&["secretsmanager:ListSecrets"])
            .read(&["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"])
            .create(&["secretsmanager:CreateSecret"])
            .change(&[
                "secretsmanager:CancelRotateSecret",
                "secretsmanager:DeleteResourcePolicy",
                "secretsmanager:DeleteSecret",
                "secretsmanager:PutResourcePolicy",
                "secretsmanager:RemoveRegionsFromReplication",
                "secretsmanager:ReplicateSecretToRegions",
                "secretsmanager:RestoreSecret",
                "secretsmanager:RotateSecret",
                "secretsmanager:UpdateSecret",
            ])
            .grants(&[
                IamGrant::change(&["lambda:InvokeFunction"], GrantTarget::NamedByArn("lambda")),
                IamGrant::change(&["kms:Decrypt", "kms:GenerateDataKey"], GrantTarget::Referenced("kms_key")),
            ]),
    );
    const USAGE: &'static [UsageKey] = &[REQUESTS];
    type Api = Aws;
    type Outputs = ArnOutput;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let copies = u32::try_from(self.replicas.len() + 1).unwrap_or(u32::MAX);
        let product = Product::new("AWSSecretsManager").family("Secret");
        let requests = Product::new("AWSSecretsManager").family("API Request");
        Pricing::of(vec![
            context.monthly("secret", f64::from(copies), "secret-months", product).assuming("1 in each region"),
            context.metered("requests", &REQUESTS, "requests", requests),
        ])
    }

    /// Reads each secret in the tag index and each desired name. ListSecrets is used only without the index, because it may lag five
    /// minutes: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        if scope.tag_index.is_none() {
            // Both filters match prefixes of any tag's key and value.
            let call = aws.secretsmanager.list_secrets().max_results(100);
            let call = call.filters(Filter::builder().key(FilterNameStringType::TagKey).values(STACK_TAG).build());
            let call = call.filters(Filter::builder().key(FilterNameStringType::TagValue).values(&scope.stack).build());
            let mut pages = call.into_paginator().send();
            while let Some(page) = pages.next().await {
                for secret in page?.secret_list.unwrap_or_default() {
                    if let (true, Some(name), Some(arn)) =
                        (scope.owns(&services::secretsmanager::from_tags(secret.tags())), secret.name, secret.arn)
                    {
                        ids.insert(name, arn);
                    }
                }
            }
        }
        let indexed = scope.tag_index.iter().flat_map(|index| index.keys()).filter_map(|arn| Some((secret_name(arn, &aws.region)?, arn)));
        for (name, id) in indexed.chain(scope.lookup.iter().map(|name| (name.as_str(), name))) {
            ids.entry(name.to_owned()).or_insert_with(|| id.clone());
        }
        let ids: BTreeSet<String> = ids.into_values().collect();
        for_each_concurrent(ids, |id| async move { Ok(ok_or_not_found(read(aws, scope, &id).await)?.flatten()) }).await
    }

    /// A secret within its recovery window keeps its name and its value, so it is restored.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if let Some(id) = &cx.call.dormant {
            cx.secretsmanager.restore_secret().secret_id(id).send().await?;
            return Ok(id.clone().into());
        }
        let call = cx.secretsmanager.create_secret().set_name(self.name.clone()).client_request_token(&cx.call.token);
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let call = call.set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.set_tags(Some(services::secretsmanager::to_tags(&cx.call.tags)));
        let call = match &self.generate {
            Some(generate) => call.secret_string(generate.value()?),
            None => call,
        };
        call.send().await?.arn.map(Created::Id).ok_or_else(|| Error::missing_field("ARN"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: SecretChanges) -> Result<()> {
        let (client, id) = (&cx.secretsmanager, live.id.as_str());
        if changes.description || changes.kms_key {
            let call = client.update_secret().secret_id(id).set_description(changes.description.then(|| self.description.clone()));
            let kms_key = self.kms_key.as_ref().map_or(AWS_KEY, |key| key.get()).to_owned();
            call.set_kms_key_id(changes.kms_key.then_some(kms_key)).send().await?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            if policy.is_empty() {
                client.delete_resource_policy().secret_id(id).send().await?;
            } else {
                client.put_resource_policy().secret_id(id).resource_policy(policy.to_json()).send().await?;
            }
        }
        if changes.rotation {
            rotation::put(cx.api, id, self.rotation.as_ref()).await?;
        }
        if changes.replicas { replica::update(cx.api, id, &self.replicas).await } else { Ok(()) }
    }

    /// AWS does not delete a secret with copies.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if !live.spec.replicas.is_empty() {
            replica::remove(cx.api, &live.id, live.spec.replicas.keys().cloned().collect()).await?;
        }
        let call = cx.secretsmanager.delete_secret().secret_id(&live.id);
        let call = match cx.call.on_delete {
            OnDelete::Delete => call.force_delete_without_recovery(true),
            _ => call.recovery_window_in_days(live.spec.recovery_window_days),
        };
        match call.send().await.map_err(Error::from) {
            Ok(_) => Ok(Deletion::Requested),
            // A secret that is being deleted can't be deleted again.
            Err(error) if error.code == INVALID_REQUEST => {
                let secret = cx.secretsmanager.describe_secret().secret_id(&live.id).send().await?;
                Err(if secret.deleted_date.is_some() { Error { kind: ErrorKind::NotFound, ..error } } else { error })
            }
            Err(error) => Err(error),
        }
    }

    async fn explain(aws: &Aws, id: &str) -> Result<Option<String>> {
        let secret = aws.secretsmanager.describe_secret().secret_id(id).send().await?;
        Ok(replica::failures(secret.replication_status()))
    }

    fn normalize(&self, live: &mut Self) {
        if let (Some(wanted), Some(live)) = (&self.rotation, &mut live.rotation) {
            wanted.normalize(live);
        }
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        declared.spec().and_then(|secret| replica::check_declared(declared, &secret.replicas)).into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = replica::check(&self.replicas);
        problems.extend(self.rotation.iter().flat_map(Rotation::check));
        let Some(generate) = &self.generate else { return problems };
        let types = generate.alphabets().len() as i64;
        if types == 0 {
            problems.push(Problem::new(Self::POINTERS.generate, "digits, punctuation, uppercase and lowercase letters are all excluded"));
        }
        if generate.require_each_type && generate.length < types {
            problems.push(Problem::new(
                Self::POINTERS.generate.field(Generate::POINTERS.length),
                format!("must be at least {types}, one character of each required type"),
            ));
        }
        problems
    }
}

impl Generate {
    /// A new random value. It must not get into any message.
    pub(super) fn value(&self) -> Result<String> {
        let password = self.random_text()?;
        Ok(match &self.username {
            Some(username) => json!({ "username": username, "password": password }).to_string(),
            None => password,
        })
    }
}

/// Reads one secret, by name or ARN. `None`: it belongs to another service, or is being deleted and not part of the stack.
async fn read(aws: &Aws, scope: &Scope, id: &str) -> Result<Option<Observed<Secret>>> {
    let secret = aws.secretsmanager.describe_secret().secret_id(id).send().await?;
    let tags = services::secretsmanager::from_tags(secret.tags());
    let is_deleted = secret.deleted_date.is_some();
    if is_deleted && !scope.owns(&tags) || secret.owning_service.is_some() {
        return Ok(None);
    }
    let details = scope.own_reads_to_make::<Secret>(&tags);
    let policy = if !is_deleted && details.policy {
        match aws.secretsmanager.get_resource_policy().secret_id(id).send().await.map_err(Error::from) {
            // It was just deleted.
            Err(error) if error.code == INVALID_REQUEST => return Ok(None),
            answer => Some(answer?.resource_policy.as_deref().map(Policy::parse).transpose()?.unwrap_or_else(Policy::none)),
        }
    } else {
        None
    };
    // A copy belongs to the secret in its primary region.
    if secret.primary_region.as_ref().is_some_and(|primary| *primary != aws.region) {
        return Ok(None);
    }
    let (rotation, copies) = (Rotation::read(&secret), secret.replication_status());
    // Copies that a definition never had are those of others, but AWS deletes no secret with copies.
    let replicas = if details.replicas || scope.shallow { replica::read(copies) } else { BTreeMap::new() };
    let is_pending = replica::is_pending(copies);
    let arn = secret.arn.ok_or_else(|| Error::missing_field("ARN"))?;
    let spec = Secret {
        name: secret.name,
        description: secret.description.unwrap_or_default(),
        kms_key: secret.kms_key_id.filter(|key| key != AWS_KEY).map(ArnRef::to),
        generate: None,
        policy,
        rotation,
        replicas,
        recovery_window_days: RECOVERY_WINDOW_DAYS,
    };
    let phase = match (is_deleted, is_pending) {
        (true, _) => Phase::Deleting,
        (false, true) => Phase::Progressing("copying to other regions".into()),
        (false, false) => Phase::Ready,
    };
    Ok(Some(Observed::new(arn.clone(), tags, spec, ArnOutput { arn }).phase(phase)))
}

/// Name in the ARN of a secret of this region. The ARN ends with a hyphen and six characters generated by AWS.
fn secret_name<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    let (_, rest) = arn.split_once(":secretsmanager:")?;
    let (_, name) = rest.strip_prefix(region)?.split_once(":secret:")?;
    name.rsplit_once('-').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_plain_value() {
        assert!(serde_json::from_value::<Secret>(json!({ "value": "x" })).is_err());
    }

    #[test]
    fn reads_names_from_arns_of_this_region() {
        assert_eq!(
            secret_name("arn:aws:secretsmanager:eu-west-1:1:secret:shop-production-db-AbCdEf", "eu-west-1"),
            Some("shop-production-db")
        );
        assert_eq!(secret_name("arn:aws:secretsmanager:eu-west-2:1:secret:a-AbCdEf", "eu-west-1"), None);
    }
}
