//! `secret`: a secret in Secrets Manager. acme may have its value made, but never knows it.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::kms_key::KmsKey;
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, ArnRef, Changed, Data, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On,
        OnDelete, Phase, Policy, Problem, Result, STACK, Scope, Service, Sort, ok_or_not_found,
    },
};

/// A secret in Secrets Manager.
///
/// There is no field for a value: definitions, plans and records are read by many, so a value in one would be no secret.
/// Have one made with `generate`, or leave the secret empty and put the value in yourself
/// (`aws secretsmanager put-secret-value`). acme never reads, compares or overwrites it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Secret {
    /// Name, unique in account and region, at most 512 characters of `A-Z a-z 0-9 / _ + = . @ -`. Default:
    /// `<stack>-<environment>-<name>`. Changing it replaces the secret.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for. Default: empty.
    #[serde(default)]
    pub description: String,
    /// The key that encrypts it. Default: the one it has; on a new secret, AWS's own (`alias/aws/secretsmanager`).
    #[serde(default)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Has AWS make a random value when the secret is created, once: changing or adding it later does not touch the value.
    /// Default: the secret is created empty.
    #[serde(default)]
    pub generate: Option<Generate>,
    /// Who else may use it (its resource policy); `{Statement: []}` for none. Default: left as it is.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// Days during which a deletion can be called off, 7 to 30. Default: 30, which also holds for secrets that left the definition.
    #[serde(default = "month")]
    pub recovery_window_days: i64,
}

/// How a random value is made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// Characters, 1 to 4096. Default: 32.
    #[serde(default = "length")]
    pub length: i64,
    /// Characters that must not occur. Default: none.
    #[serde(default)]
    pub exclude_characters: String,
    /// Leaves out digits. Default: false.
    #[serde(default)]
    pub exclude_numbers: bool,
    /// Leaves out punctuation. Default: false.
    #[serde(default)]
    pub exclude_punctuation: bool,
    /// Leaves out capital letters. Default: false.
    #[serde(default)]
    pub exclude_uppercase: bool,
    /// Leaves out small letters. Default: false.
    #[serde(default)]
    pub exclude_lowercase: bool,
    /// Allows the space. Default: false.
    #[serde(default)]
    pub include_space: bool,
    /// At least one character of every type allowed. Default: true.
    #[serde(default = "yes")]
    pub require_each_type: bool,
    /// Makes the value a JSON object of `username` (this one) and `password` (the random one), as databases use it. Default: the value is
    /// the random text alone.
    #[serde(default)]
    pub username: Option<String>,
}

fn yes() -> bool {
    true
}
fn length() -> i64 {
    32
}
fn month() -> i64 {
    30
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
}

/// What AWS answers to calls for a secret that is being deleted.
const INVALID: &str = "InvalidRequestException";

impl Resource for Secret {
    const TYPE: &'static str = "secret";
    const SERVICE: Service = Service::SecretsManager;
    const REPLACE: &'static [&'static str] = &["/name"];
    const NAME: Option<Naming> = Some(Naming { max: 512, lower: false, prefix: "" });
    const ARN: Option<&'static str> = Some("secretsmanager:secret:");
    const DATA: Data = Data::Window;
    const HELD: bool = false;
    const ACTIONS: Actions = Actions::on("secretsmanager:secret:{name}*")
        .list(&["secretsmanager:ListSecrets"])
        .read(&["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"])
        .create(&["secretsmanager:CreateSecret"])
        .change(&[
            "secretsmanager:DeleteResourcePolicy",
            "secretsmanager:DeleteSecret",
            "secretsmanager:PutResourcePolicy",
            "secretsmanager:UpdateSecret",
        ])
        .more(&[
            Grant::change(&["secretsmanager:GetRandomPassword"], On::Everything),
            Grant::change(&["kms:Decrypt", "kms:GenerateDataKey"], On::Used("kms_key")),
        ]);
    type Outputs = Outputs;

    /// ListSecrets may be five minutes behind (<https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>),
    /// so it only says which there are, together with the index and the wanted names; what they are comes from DescribeSecret.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        // The index and the wanted names tell all there is to read; ListSecrets, five minutes behind, helps only without it.
        if scope.index.is_none() {
            // Both filters match beginnings of any tag's key and value: a coarse net.
            let call = aws.secretsmanager.list_secrets().max_results(100);
            let call = call.filters(Filter::builder().key(FilterNameStringType::TagKey).values(STACK).build());
            let call = call.filters(Filter::builder().key(FilterNameStringType::TagValue).values(&scope.stack).build());
            let mut pages = call.into_paginator().send();
            while let Some(page) = pages.next().await {
                for secret in page?.secret_list.unwrap_or_default() {
                    if let (true, Some(name), Some(arn)) = (scope.owns(&tags::from_secretsmanager(secret.tags())), secret.name, secret.arn)
                    {
                        ids.insert(name, arn);
                    }
                }
            }
        }
        let indexed = scope.index.iter().flat_map(BTreeMap::keys).filter_map(|arn| Some((secret_name(arn, &aws.region)?, arn)));
        for (name, id) in indexed.chain(scope.wanted.iter().map(|name| (name.as_str(), name))) {
            ids.entry(name.to_owned()).or_insert_with(|| id.clone());
        }
        let ids: BTreeSet<String> = ids.into_values().collect();
        each(ids, |id| async move { Ok(ok_or_not_found(read(aws, &id).await)?.flatten()) }).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.secretsmanager.create_secret().set_name(self.name.clone()).client_request_token(cx.token);
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let call = call.set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.set_tags(Some(tags::secretsmanager(cx.tags)));
        let call = match &self.generate {
            Some(generate) => call.secret_string(generate.value(cx.aws).await?),
            None => call,
        };
        call.send().await?.arn.ok_or_else(|| Error::missing("ARN"))
    }

    fn created(&self) -> Self {
        Secret { policy: Some(nobody()), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        let client = &cx.aws.secretsmanager;
        let (description, kms_key) = (changed.has("/description"), self.kms_key.as_ref().filter(|_| changed.has("/kms_key")));
        if description || kms_key.is_some() {
            let call = client.update_secret().secret_id(id).set_description(description.then(|| self.description.clone()));
            call.set_kms_key_id(kms_key.map(|key| key.get().to_owned())).send().await?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changed.has("/policy")) {
            if policy.is_empty() {
                client.delete_resource_policy().secret_id(id).send().await?;
            } else {
                client.put_resource_policy().secret_id(id).resource_policy(policy.to_json()).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        let call = cx.aws.secretsmanager.delete_secret().secret_id(id);
        let call = match cx.on_delete {
            OnDelete::Delete => call.force_delete_without_recovery(true),
            _ => call.recovery_window_in_days(live.recovery_window_days),
        };
        match call.send().await.map_err(Error::from) {
            Ok(_) => Ok(()),
            // One that is on its way out is not deleted again.
            Err(error)
                if error.code == INVALID && cx.aws.secretsmanager.describe_secret().secret_id(id).send().await?.deleted_date.is_some() =>
            {
                Err(Error { sort: Sort::Gone, ..error })
            }
            Err(error) => Err(error),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(7..=30).contains(&self.recovery_window_days) {
            problems.push(Problem::new("/recovery_window_days", "the window has 7 to 30 days"));
        }
        if let Some(generate) = &self.generate {
            let excluded = [generate.exclude_numbers, generate.exclude_punctuation, generate.exclude_uppercase, generate.exclude_lowercase];
            let types = excluded.iter().filter(|out| !**out).count() as i64;
            if types == 0 {
                problems
                    .push(Problem::new("/generate", "digits, punctuation, capital and small letters are all left out: nothing is left"));
            }
            if !(1..=4096).contains(&generate.length) || generate.require_each_type && generate.length < types {
                problems.push(Problem::new("/generate/length", "a value has 1 to 4096 characters, at least one for each type required"));
            }
        }
        problems
    }

    /// The value is made once, so `generate` has nothing to compare with; nor has the window.
    fn align(&self, live: &mut Self) {
        live.generate = self.generate.clone();
        live.recovery_window_days = self.recovery_window_days;
    }
}

impl Generate {
    /// A new random value, on its way from AWS to AWS. It must not get into any message.
    async fn value(&self, aws: &Aws) -> Result<String> {
        let call = aws.secretsmanager.get_random_password().password_length(self.length);
        let call = call.set_exclude_characters(Some(self.exclude_characters.clone()).filter(|text| !text.is_empty()));
        let call = call.exclude_numbers(self.exclude_numbers).exclude_punctuation(self.exclude_punctuation);
        let call = call.exclude_uppercase(self.exclude_uppercase).exclude_lowercase(self.exclude_lowercase);
        let reply = call.include_space(self.include_space).require_each_included_type(self.require_each_type).send().await?;
        let password = reply.random_password.ok_or_else(|| Error::missing("RandomPassword"))?;
        Ok(match &self.username {
            Some(username) => json!({ "username": username, "password": password }).to_string(),
            None => password,
        })
    }
}

/// One secret, by name or ARN, unless it is on its way out or another service's.
async fn read(aws: &Aws, id: &str) -> Result<Option<Observed<Secret>>> {
    let secret = aws.secretsmanager.describe_secret().secret_id(id).send().await?;
    if secret.deleted_date.is_some() || secret.owning_service.is_some() {
        return Ok(None);
    }
    let policy = match aws.secretsmanager.get_resource_policy().secret_id(id).send().await.map_err(Error::from) {
        // It was deleted just now.
        Err(error) if error.code == INVALID => return Ok(None),
        answer => answer?.resource_policy,
    };
    let arn = secret.arn.clone().ok_or_else(|| Error::missing("ARN"))?;
    Ok(Some(Observed {
        id: arn.clone(),
        tags: tags::from_secretsmanager(secret.tags()),
        phase: Phase::Ready,
        spec: Secret {
            name: secret.name,
            description: secret.description.unwrap_or_default(),
            kms_key: secret.kms_key_id.map(ArnRef::to),
            generate: None,
            policy: Some(policy.as_deref().map(Policy::parse).transpose()?.unwrap_or_else(nobody)),
            recovery_window_days: month(),
        },
        outputs: Outputs { arn },
    }))
}

/// How the absence of a resource policy reads.
fn nobody() -> Policy {
    Policy::new(json!({ "Statement": [] }))
}

/// The name in a secret's ARN, which ends in a hyphen and six characters of AWS's choice, when it is a secret of this region.
fn secret_name<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    let (_, rest) = arn.split_once(":secretsmanager:")?;
    let (_, name) = rest.strip_prefix(region)?.split_once(":secret:")?;
    name.rsplit_once('-').map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_value_is_refused() {
        assert!(serde_json::from_value::<Secret>(json!({ "value": "x" })).is_err());
    }

    #[test]
    fn names_come_from_arns_of_this_region() {
        assert_eq!(
            secret_name("arn:aws:secretsmanager:eu-west-1:1:secret:shop-production-db-AbCdEf", "eu-west-1"),
            Some("shop-production-db")
        );
        assert_eq!(secret_name("arn:aws:secretsmanager:eu-west-2:1:secret:a-AbCdEf", "eu-west-1"), None);
    }
}
