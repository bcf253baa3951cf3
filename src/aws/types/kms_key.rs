//! `kms_key`: an encryption key with its alias.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_kms::types::{KeyMetadata, KeyState, OriginType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    aws::{Aws, each, tags, text, word},
    core::{
        Actions, Changed, Data, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On, OnDelete,
        Phase, Policy, Problem, Result, Scope, Service, Sort, ok_or_not_found,
    },
};

/// An encryption key with its alias.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KmsKey {
    /// Alias, `alias/…`, unique in account and region. Default: `alias/<stack>-<environment>-<name>`.
    #[serde(default)]
    pub name: Option<String>,
    /// What it is for. Default: empty.
    #[serde(default)]
    pub description: String,
    /// What it can be used for. Default: `ENCRYPT_DECRYPT`. Changing it replaces the key.
    #[serde(default)]
    pub key_usage: KeyUsage,
    /// Kind of key material. Default: `SYMMETRIC_DEFAULT`. Changing it replaces the key.
    #[serde(default)]
    pub key_spec: KeySpec,
    /// Whether replicas can be made in other regions. Default: false. Changing it replaces the key.
    #[serde(default)]
    pub multi_region: bool,
    /// Whether it can be used now. Default: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Renews the key material regularly; old data stays readable. Default: true. Only symmetric encryption keys can: others need false.
    #[serde(default = "yes")]
    pub rotation: bool,
    /// Days between two rotations, 90 to 2560. Default: 365.
    #[serde(default = "year")]
    pub rotation_period_days: i32,
    /// Who may use and administer the key. Default: what the key has; on a new key, all that the account's IAM policies allow.
    #[serde(default)]
    pub policy: Option<Policy>,
    /// Days during which a deletion can be called off, 7 to 30. Default: 30, which also holds for keys that left the definition.
    #[serde(default = "month")]
    pub deletion_window_days: i32,
}

/// What a key can be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeyUsage {
    /// Encryption.
    #[default]
    EncryptDecrypt,
    /// Signatures; asymmetric keys.
    SignVerify,
    /// Message authentication codes; HMAC keys.
    GenerateVerifyMac,
    /// Shared secrets; elliptic curves.
    KeyAgreement,
    /// Key encapsulation; ML-KEM keys.
    EncapsulateDecapsulate,
}

/// Kind of key material. In the definition it is spelt as in AWS: `RSA_2048`.
#[allow(missing_docs, non_camel_case_types)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KeySpec {
    #[default]
    SymmetricDefault,
    Rsa_2048,
    Rsa_3072,
    Rsa_4096,
    EccNistP256,
    EccNistP384,
    EccNistP521,
    EccNistEdwards25519,
    EccSecgP256k1,
    Hmac_224,
    Hmac_256,
    Hmac_384,
    Hmac_512,
    MlDsa_44,
    MlDsa_65,
    MlDsa_87,
    MlKem_512,
    MlKem_768,
    MlKem_1024,
    Sm2,
}

fn yes() -> bool {
    true
}
fn year() -> i32 {
    365
}
fn month() -> i32 {
    30
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The alias, `alias/…`.
    pub alias: Option<String>,
}

/// The shortest window AWS takes: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>.
const SHORTEST_WINDOW: i32 = 7;

impl Resource for KmsKey {
    const TYPE: &'static str = "kms_key";
    const SERVICE: Service = Service::Kms;
    const REPLACE: &'static [&'static str] = &["/key_usage", "/key_spec", "/multi_region"];
    const NAME: Option<Naming> = Some(Naming { max: 256, lower: false, prefix: "alias/" });
    const ARN: Option<&'static str> = Some("kms:key/");
    const DATA: Data = Data::Window;
    const HELD: bool = false;
    const DISTURBS: &'static [(&'static str, &'static str)] = &[("/enabled", "while it is disabled, what it encrypted can't be read")];
    const ACTIONS: Actions = Actions::on("kms:key/*")
        .list(&["kms:ListAliases", "kms:ListKeys"])
        .read(&["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags"])
        .change(&["kms:DisableKey", "kms:DisableKeyRotation", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"])
        .more(&[
            Grant::change(&["kms:CreateKey"], On::Marking),
            // Tags decide up to five minutes after they were set, and these may follow a creation at once.
            Grant::change(
                &["kms:CreateAlias", "kms:DeleteAlias", "kms:EnableKey", "kms:EnableKeyRotation", "kms:UpdateKeyDescription"],
                On::Arn("kms:key/*"),
            ),
            Grant::change(&["kms:CreateAlias", "kms:DeleteAlias"], On::Arn("kms:{name}")),
        ]);
    type Outputs = Outputs;

    /// Found by alias, and by the index of tags, which alone knows a key whose alias was not made yet. Without the index,
    /// keys that have no alias are asked for their tags.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let listed: Vec<_> = aws.kms.list_aliases().limit(100).into_paginator().items().send().try_collect().await?;
        let mut aliases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for alias in listed {
            if let (Some(name), Some(key)) = (alias.alias_name, alias.target_key_id) {
                aliases.entry(key).or_default().insert(name);
            }
        }
        let ours = format!("alias/{}", scope.prefix);
        let known = |name: &String| scope.wanted.contains(name) || name.starts_with(&ours);
        let mut ids: BTreeSet<String> = aliases.iter().filter(|(_, names)| names.iter().any(known)).map(|(id, _)| id.clone()).collect();
        ids.extend(scope.adopt.clone());
        let mut unknown = BTreeSet::new();
        match &scope.index {
            Some(index) => ids.extend(index.keys().filter_map(|arn| key_id(arn, &aws.region)).map(ToOwned::to_owned)),
            None => {
                let keys: Vec<_> = aws.kms.list_keys().limit(1000).into_paginator().items().send().try_collect().await?;
                unknown.extend(keys.into_iter().filter_map(|key| key.key_id).filter(|id| !aliases.contains_key(id)));
            }
        }
        unknown.retain(|id| !ids.contains(id));
        ids.extend(unknown.iter().cloned());
        each(ids, |id| {
            let (names, unknown) = (aliases.get(&id).cloned().unwrap_or_default(), unknown.contains(&id));
            async move {
                match ok_or_not_found(read(aws, scope, &id, names).await) {
                    // Its policy keeps others away, so it is somebody else's.
                    Err(error) if unknown && error.code == "AccessDeniedException" => Ok(None),
                    answer => Ok(answer?.flatten()),
                }
            }
        })
        .await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.kms.create_key().key_usage(text(&self.key_usage).as_str().into()).key_spec(text(&self.key_spec).as_str().into());
        let call = call.multi_region(self.multi_region).set_policy(self.policy.as_ref().map(Policy::to_json));
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let reply = call.set_tags(Some(tags::kms(cx.tags))).send().await?;
        reply.key_metadata.map(|key| key.key_id).ok_or_else(|| Error::missing("KeyId"))
    }

    fn created(&self) -> Self {
        KmsKey { name: None, enabled: true, rotation: false, rotation_period_days: year(), ..self.clone() }
    }

    /// A disabled key refuses all other changes, so it is enabled first and disabled last.
    async fn update(&self, cx: &Cx<'_>, id: &str, before: &Self, changed: &Changed) -> Result<()> {
        let kms = &cx.aws.kms;
        if changed.has("/enabled") && self.enabled {
            kms.enable_key().key_id(id).send().await?;
        }
        if changed.has("/name") {
            if let Some(alias) = &self.name {
                give_alias(cx.aws, alias, id).await?;
            }
            if let Some(alias) = &before.name {
                ok_or_not_found(kms.delete_alias().alias_name(alias).send().await)?;
            }
        }
        if changed.has("/description") {
            kms.update_key_description().key_id(id).description(&self.description).send().await?;
        }
        if changed.any(&["/rotation", "/rotation_period_days"]) {
            let answer = if self.rotation {
                let call = kms.enable_key_rotation().key_id(id).rotation_period_in_days(self.rotation_period_days);
                call.send().await.map(drop).map_err(Error::from)
            } else if before.rotation {
                kms.disable_key_rotation().key_id(id).send().await.map(drop).map_err(Error::from)
            } else {
                Ok(())
            };
            answer.map_err(|error| match error.code == "DisabledException" && changed.has("/enabled") {
                // It was enabled just before, which is not seen everywhere yet.
                true => Error { sort: Sort::NotYet, ..error },
                false => error,
            })?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changed.has("/policy")) {
            kms.put_key_policy().key_id(id).policy_name("default").policy(policy.to_json()).send().await?;
        }
        if changed.has("/enabled") && !self.enabled {
            kms.disable_key().key_id(id).send().await?;
        }
        Ok(())
    }

    /// The alias goes first: it would keep its name taken until the window is over.
    async fn delete(cx: &Cx<'_>, id: &str, live: &Self) -> Result<()> {
        if let Some(alias) = &live.name {
            ok_or_not_found(cx.aws.kms.delete_alias().alias_name(alias).send().await)?;
        }
        let window = if cx.on_delete == OnDelete::Delete { SHORTEST_WINDOW } else { live.deletion_window_days };
        match cx.aws.kms.schedule_key_deletion().key_id(id).pending_window_in_days(window).send().await.map_err(Error::from) {
            // A first try was served, though its answer did not come.
            Err(error) if error.code == "KMSInvalidStateException" && error.message.contains("pending deletion") => Ok(()),
            answer => answer.map(drop),
        }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(name) = self.name.as_ref().filter(|name| !name.contains("${")) {
            if !name.starts_with("alias/") {
                problems.push(Problem::new("/name", "a key's name is an alias").help(format!("write `alias/{name}`")));
            } else if name.starts_with("alias/aws/") {
                problems.push(Problem::new("/name", "`alias/aws/` is reserved for AWS"));
            }
        }
        if self.rotation && self.key_spec != KeySpec::SymmetricDefault {
            let problem = Problem::new("/rotation", format!("AWS does not rotate {} keys", text(&self.key_spec)));
            problems.push(problem.help("write `rotation: false`"));
        }
        if !(90..=2560).contains(&self.rotation_period_days) {
            problems.push(Problem::new("/rotation_period_days", "a rotation period has 90 to 2560 days"));
        }
        if !(SHORTEST_WINDOW..=30).contains(&self.deletion_window_days) {
            problems.push(Problem::new("/deletion_window_days", "the window has 7 to 30 days"));
        }
        problems
    }

    /// The window is no attribute of a key, and a key that is not rotated has no period.
    fn align(&self, live: &mut Self) {
        live.deletion_window_days = self.deletion_window_days;
        if !self.rotation && !live.rotation {
            live.rotation_period_days = self.rotation_period_days;
        }
    }
}

/// Gives the key its alias. It has it already where only what comes after that is tried again: KMS does not show a new key everywhere.
async fn give_alias(aws: &Aws, alias: &str, id: &str) -> Result<()> {
    match aws.kms.create_alias().alias_name(alias).target_key_id(id).send().await.map_err(Error::from) {
        Err(error) if error.sort == Sort::Exists => {
            let named = aws.kms.describe_key().key_id(alias).send().await?.key_metadata;
            named.filter(|key| key.key_id == id).map(drop).ok_or(error)
        }
        answer => answer.map(drop),
    }
}

/// One key, unless it is on its way out or of no concern.
async fn read(aws: &Aws, scope: &Scope, id: &str, aliases: BTreeSet<String>) -> Result<Option<Observed<KmsKey>>> {
    let key: KeyMetadata = aws.kms.describe_key().key_id(id).send().await?.key_metadata.ok_or_else(|| Error::missing("KeyMetadata"))?;
    if matches!(key.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion)) {
        return Ok(None);
    }
    let arn = key.arn.ok_or_else(|| Error::missing("Arn"))?;
    let ask = async {
        let tags: Vec<_> = aws.kms.list_resource_tags().key_id(id).into_paginator().items().send().try_collect().await?;
        Ok(Some(tags::from_kms(&tags)))
    };
    let Some(tags) = scope.tags_or(&arn, ask).await? else { return Ok(None) };
    let wanted = aliases.iter().find(|name| scope.wanted.contains(*name));
    if wanted.is_none() && !scope.owns(&tags) {
        return Ok(None);
    }
    let key_spec: KeySpec = word(key.key_spec.as_ref().map_or("SYMMETRIC_DEFAULT", |spec| spec.as_str()))?;
    let rotates = key_spec == KeySpec::SymmetricDefault && matches!(key.origin, None | Some(OriginType::AwsKms));
    let rotation = async {
        if !rotates {
            return Ok::<_, Error>((false, year()));
        }
        let status = aws.kms.get_key_rotation_status().key_id(id).send().await?;
        Ok((status.key_rotation_enabled, status.rotation_period_in_days.unwrap_or_else(year)))
    };
    let policy = async {
        let policy = aws.kms.get_key_policy().key_id(id).policy_name("default").send().await?.policy;
        Ok::<_, Error>(policy.as_deref().map(Policy::parse).transpose()?)
    };
    let ((rotation, rotation_period_days), policy) = tokio::try_join!(rotation, policy)?;
    let alias = wanted.or_else(|| aliases.first()).cloned();
    let enabled = key.key_state.as_ref() != Some(&KeyState::Disabled);
    Ok(Some(Observed {
        id: key.key_id,
        tags,
        phase: match key.key_state {
            Some(state @ (KeyState::Creating | KeyState::Updating)) => Phase::Settling(state.as_str().to_owned()),
            Some(state @ (KeyState::Unavailable | KeyState::PendingImport)) => Phase::Failed(state.as_str().to_owned()),
            _ => Phase::Ready,
        },
        spec: KmsKey {
            name: alias.clone(),
            description: key.description.unwrap_or_default(),
            key_usage: word(key.key_usage.as_ref().map_or("ENCRYPT_DECRYPT", |usage| usage.as_str()))?,
            key_spec,
            multi_region: key.multi_region.unwrap_or_default(),
            enabled,
            rotation,
            rotation_period_days,
            policy,
            deletion_window_days: month(),
        },
        outputs: Outputs { arn, alias },
    }))
}

/// The id in a key's ARN, when it is a key of this region.
fn key_id<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    let (_, rest) = arn.split_once(":kms:")?;
    rest.strip_prefix(region)?.split_once(":key/").map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spec_and_usage_of_aws_is_spelt_as_there() {
        for name in aws_sdk_kms::types::KeySpec::values() {
            assert!(word::<KeySpec>(name).is_ok_and(|spec| text(&spec) == *name), "{name}");
        }
        for name in aws_sdk_kms::types::KeyUsageType::values() {
            assert!(word::<KeyUsage>(name).is_ok_and(|usage| text(&usage) == *name), "{name}");
        }
    }

    #[test]
    fn key_ids_come_from_arns_of_this_region() {
        assert_eq!(key_id("arn:aws:kms:eu-west-1:1:key/mrk-0", "eu-west-1"), Some("mrk-0"));
        assert_eq!(key_id("arn:aws:kms:eu-west-2:1:key/0", "eu-west-1"), None);
        assert_eq!(key_id("arn:aws:s3:::shop", "eu-west-1"), None);
    }
}
