//! `kms_key`: an encryption key with its alias.

mod change;
mod grants;
pub(super) mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_kms::types::{KeyMetadata, KeyState, OriginType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    aws::{Aws, Cx, for_each_concurrent, from_aws, services, to_aws},
    core::{
        Created, Deletion, Error, ErrorKind, Existing, GrantTarget, IamActions, IamGrant, Observed, Phase, Policy, PriceContext, Pricing,
        Problem, Resource, Result, Scope, Tags, TypeInfo, UsageKey, ok_or_not_found,
    },
};

pub(super) use change::{change_alias, request_deletion, reserved_alias, restore};
pub use grants::{Grant, GrantMap};
use read::{Key, KeyParts, Reads, list_keys, read_rotation};

/// An encryption key with its alias.
#[spec]
pub struct KmsKey {
    /// Alias, `alias/…`, unique in account and region.
    #[field(name(max = 256, prefix = "alias/"), after_create, pattern = "alias/[A-Za-z0-9/_-]+")]
    pub name: Option<String>,
    /// Description.
    #[field(default, length = 0..=8192)]
    pub description: String,
    /// Key usage. Each key spec allows some of them.
    #[field(default, replaces)]
    pub key_usage: KeyUsage,
    /// Type of key material.
    #[field(default, replaces)]
    pub key_spec: KeySpec,
    /// Allows replicas in other regions.
    #[field(default = false, replaces)]
    pub multi_region: bool,
    /// Enables the key.
    #[field(default = true, after_create, important, impact = "data encrypted with the key can't be read while it is disabled")]
    #[field(risky(false, "data encrypted with the key can't be read"))]
    pub enabled: bool,
    /// Rotates the key material regularly; old data stays readable. Only symmetric encryption keys can be rotated: others need `false`.
    #[field(important, default = true, after_create = false)]
    pub rotation: bool,
    /// Days between two rotations.
    #[field(default = ROTATION_PERIOD_DAYS, after_create, range = 90..=2560)]
    pub rotation_period_days: i32,
    /// Key policy: principals that may use and administer the key.
    #[field(policy = "resource", own_read, important)]
    #[field(unset = "unchanged; the policy of a new key delegates access to the account's IAM policies")]
    #[field(dropped = default_policy())]
    pub policy: Option<Policy>,
    /// Grants, by name, which let principals use the key without a change of its policy. Grants that services and other tools made are not
    /// among them.
    #[field(important, default, after_create, own_read)]
    pub grants: GrantMap,
    /// Waiting period before deletion, in days.
    #[field(default = DELETION_WINDOW_DAYS, range = 7..=30, important, write_only, recovery_window)]
    pub deletion_window_days: i32,
}

/// Key usage.
#[spec]
#[derive(Copy, Default)]
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

/// Type of key material. In the definition it is spelled as in AWS: `RSA_2048`.
#[allow(missing_docs, non_camel_case_types)]
#[spec]
#[derive(Copy, Default)]
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

impl KeySpec {
    /// The operations that such a key can be for: <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>.
    fn usages(self) -> &'static [KeyUsage] {
        use KeyUsage::{EncapsulateDecapsulate, EncryptDecrypt, GenerateVerifyMac, KeyAgreement, SignVerify};
        match self {
            KeySpec::SymmetricDefault => &[EncryptDecrypt],
            KeySpec::Rsa_2048 | KeySpec::Rsa_3072 | KeySpec::Rsa_4096 => &[EncryptDecrypt, SignVerify],
            KeySpec::EccNistP256 | KeySpec::EccNistP384 | KeySpec::EccNistP521 => &[SignVerify, KeyAgreement],
            KeySpec::EccNistEdwards25519 | KeySpec::EccSecgP256k1 => &[SignVerify],
            KeySpec::MlDsa_44 | KeySpec::MlDsa_65 | KeySpec::MlDsa_87 => &[SignVerify],
            KeySpec::Hmac_224 | KeySpec::Hmac_256 | KeySpec::Hmac_384 | KeySpec::Hmac_512 => &[GenerateVerifyMac],
            KeySpec::MlKem_512 | KeySpec::MlKem_768 | KeySpec::MlKem_1024 => &[EncapsulateDecapsulate],
            KeySpec::Sm2 => &[EncryptDecrypt, SignVerify, KeyAgreement],
        }
    }
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// The alias, `alias/…`.
    #[schemars(extend("x-acme-determined" = "{name}"))]
    pub alias: Option<String>,
}

/// The policy of a key that is created without one:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html>.
pub(super) fn default_policy() -> Policy {
    Policy::new(json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": { "AWS": "{account}" },
            "Action": "kms:*",
            "Resource": "*",
        }],
    }))
}

/// Days between two rotations, unless set otherwise.
const ROTATION_PERIOD_DAYS: i32 = 365;
/// Days until AWS deletes a key, unless set otherwise.
pub(super) const DELETION_WINDOW_DAYS: i32 = 30;
/// The shortest window AWS accepts: <https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html>.
pub(super) const MIN_DELETION_WINDOW_DAYS: u64 = 7;

/// Error code of calls for a key that is being deleted.
pub(super) const INVALID_STATE: &str = "KMSInvalidStateException";

impl Resource for KmsKey {
    const TYPE: TypeInfo = TypeInfo::new("kms_key", &services::kms::SERVICE, "{uuid}", "arn:aws:kms:{region}:{account}:key/{id}")
        .recovery_window(MIN_DELETION_WINDOW_DAYS, INVALID_STATE)
        .lost_on_recreation("nothing that the old key encrypted can be read any more")
        .deletable_while_in_use()
        .without_token()
        // Several minutes in some cases: https://docs.aws.amazon.com/kms/latest/developerguide/programming-eventual-consistency.html
        .visibility_delay_seconds(60)
        .iam_actions(
            IamActions::new("kms:key/*")
                .list(&["kms:ListAliases", "kms:ListKeys"])
                .read(&["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListResourceTags"])
                .change(&[
                    "kms:CancelKeyDeletion",
                    "kms:DisableKey",
                    "kms:DisableKeyRotation",
                    "kms:PutKeyPolicy",
                    "kms:RevokeGrant",
                    "kms:ScheduleKeyDeletion",
                ])
                .grants(&[
                    IamGrant::change(&["kms:CreateKey"], GrantTarget::TagOnCreate),
                    // Conditions on new tags take effect after up to five minutes, but these calls may follow a creation at once.
                    IamGrant::change(
                        &["kms:CreateAlias", "kms:DeleteAlias", "kms:EnableKey", "kms:EnableKeyRotation", "kms:UpdateKeyDescription"],
                        GrantTarget::Arn("kms:key/*"),
                    ),
                    IamGrant::change(&["kms:CreateGrant"], GrantTarget::Arn("kms:key/*")).needed_for(|| KmsKey::POINTERS.grants),
                    IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole("mrk.kms.amazonaws.com"))
                        .needed_for(|| KmsKey::POINTERS.multi_region),
                    IamGrant::change(&["kms:CreateAlias", "kms:DeleteAlias"], GrantTarget::Arn("kms:{name}")),
                ]),
        );
    const USAGE: &'static [UsageKey] = services::kms::KEY_USAGE;
    type Api = Aws;
    type Outputs = Outputs;

    /// Rotation adds the price of a key for each of the first two rotations: <https://aws.amazon.com/kms/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        services::kms::key_price(context)
    }

    /// Finds keys by alias, and by the tag index, the only source for a key without an alias yet. Without the index, the tags of all keys
    /// without an alias are read.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        list_keys(aws, scope).await
    }

    /// A key within its waiting period can read old data, so its deletion is cancelled.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if let Some(id) = &cx.call.dormant {
            return restore(cx, id).await;
        }
        let call = cx.kms.create_key().key_usage(to_aws(&self.key_usage).as_str().into()).key_spec(to_aws(&self.key_spec).as_str().into());
        let call = call.multi_region(self.multi_region).set_policy(self.policy.as_ref().map(Policy::to_json));
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let reply = call.set_tags(Some(services::kms::to_tags(&cx.call.tags))).send().await?;
        let key = reply.key_metadata.ok_or_else(|| Error::missing_field("KeyMetadata"))?;
        let id = key.key_id.clone();
        // The answer lacks the policy.
        if self.policy.is_some() {
            return Ok(id.into());
        }
        Ok(Created::from_answer(id, Self::observed(KeyParts::new(key, cx.call.tags.clone()))))
    }

    /// CreateAlias answers nothing that could differ; whether the key rotates is read.
    async fn finish_creation(&self, cx: &Cx<'_>, created: Observed<Self>, changes: KmsKeyChanges) -> Result<Created<Self>> {
        let live = Existing { id: created.id, spec: created.spec, version: None };
        self.update(cx, &live, changes).await?;
        if changes.enabled || changes.grants {
            return Ok(live.id.into());
        }
        let (rotation, rotation_period_days) =
            if self.rotation { read_rotation(cx, &live.id).await? } else { (false, ROTATION_PERIOD_DAYS) };
        let spec = KmsKey { name: self.name.clone(), rotation, rotation_period_days, ..live.spec };
        let outputs = Outputs { alias: self.name.clone(), ..created.outputs };
        Ok(Created::Complete(Observed::new(live.id, created.tags, spec, outputs).phase(created.phase)))
    }

    /// A disabled key rejects all other changes, so it is enabled first and disabled last.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: KmsKeyChanges) -> Result<()> {
        let (kms, id, before) = (&cx.kms, live.id.as_str(), &live.spec);
        if changes.enabled && self.enabled {
            kms.enable_key().key_id(id).send().await?;
        }
        if changes.name {
            change_alias(cx, id, before.name.as_deref(), self.name.as_deref()).await?;
        }
        if changes.description {
            kms.update_key_description().key_id(id).description(&self.description).send().await?;
        }
        if changes.rotation || changes.rotation_period_days {
            let answer = if self.rotation {
                let call = kms.enable_key_rotation().key_id(id).rotation_period_in_days(self.rotation_period_days);
                call.send().await.map(drop).map_err(Error::from)
            } else if before.rotation {
                kms.disable_key_rotation().key_id(id).send().await.map(drop).map_err(Error::from)
            } else {
                Ok(())
            };
            answer.map_err(|error| match error.code == "DisabledException" && changes.enabled {
                // It was enabled just before, which is not visible everywhere yet.
                true => Error { kind: ErrorKind::NotYetVisible, ..error },
                false => error,
            })?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            kms.put_key_policy().key_id(id).policy_name("default").policy(policy.to_json()).send().await?;
        }
        if changes.grants {
            grants::update(cx.api, id, &before.grants, &self.grants).await?;
        }
        if changes.enabled && !self.enabled {
            kms.disable_key().key_id(id).send().await?;
        }
        Ok(())
    }

    /// A primary key with replicas waits for their deletion.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        request_deletion(cx, &live.id, live.spec.name.as_deref(), live.spec.deletion_window_days).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        problems.extend(reserved_alias(self.name.as_deref(), Self::POINTERS.name));
        let usages = self.key_spec.usages();
        if !usages.contains(&self.key_usage) {
            let usages: Vec<String> = usages.iter().map(to_aws).collect();
            let problem =
                Problem::new(Self::POINTERS.key_usage, format!("{} keys are not for {}", to_aws(&self.key_spec), to_aws(&self.key_usage)));
            problems.push(problem.help(format!("set `key_usage` to {}", usages.join(" or "))));
        }
        if self.rotation && self.key_spec != KeySpec::SymmetricDefault {
            let problem = Problem::new(Self::POINTERS.rotation, format!("AWS does not rotate {} keys", to_aws(&self.key_spec)));
            problems.push(problem.help("write `rotation: false`"));
        }
        problems.extend(grants::check(&self.grants, self.key_spec));
        problems
    }

    /// AWS reports no window before a deletion, and no period for a key without rotation.
    fn normalize(&self, live: &mut Self) {
        if !self.rotation && !live.rotation {
            live.rotation_period_days = self.rotation_period_days;
        }
    }
}

impl Key for KmsKey {
    const IS_REPLICA: bool = false;

    fn reads(scope: &Scope, tags: &Tags) -> Reads {
        let details = scope.own_reads_to_make::<Self>(tags);
        Reads { policy: details.policy, grants: details.grants, rotation: !scope.shallow }
    }

    fn observed(parts: KeyParts) -> Result<Observed<Self>> {
        let (key, phase) = (&parts.key, parts.phase());
        let (rotation, rotation_period_days) = parts.rotation;
        let spec = KmsKey {
            name: parts.alias.clone(),
            key_spec: read::key_spec(key)?,
            description: key.description.clone().unwrap_or_default(),
            key_usage: from_aws(key.key_usage.as_ref().map_or("ENCRYPT_DECRYPT", |usage| usage.as_str()))?,
            multi_region: key.multi_region.unwrap_or_default(),
            enabled: parts.is_enabled(),
            rotation,
            rotation_period_days,
            policy: parts.policy,
            grants: parts.grants,
            deletion_window_days: DELETION_WINDOW_DAYS,
        };
        let arn = key.arn.clone().ok_or_else(|| Error::missing_field("Arn"))?;
        Ok(Observed::new(parts.key.key_id, parts.tags, spec, Outputs { arn, alias: parts.alias }).phase(phase))
    }
}
