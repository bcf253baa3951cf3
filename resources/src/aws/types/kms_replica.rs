//! `kms_replica`: a copy of a multi-region key in another region.

use aws_sdk_kms::config::{Builder, Region};

use super::{
    kms_key::{
        DELETION_WINDOW_DAYS, INVALID_STATE, KmsKey, MIN_DELETION_WINDOW_DAYS, change_alias, default_policy,
        read::{Key, KeyParts, Reads, list_keys},
        request_deletion, reserved_alias, restore,
    },
    prelude::*,
};
use crate::core::Tags;

/// A copy of a multi-region key in another region. Both have the same key material, so that one decrypts what the other encrypted.
///
/// It is in the region that `region:` of the resource names. Alias, description, policy, tags and grants are its own; the rotation is that of the
/// primary key. AWS deletes the primary key only after its replicas.
#[spec]
pub struct KmsReplica {
    /// The primary key, which is `multi_region`, in another region.
    #[field(replaces, bound, unique = "replica")]
    pub primary: ArnRef<KmsKey>,
    /// Alias, `alias/…`, unique in account and region.
    #[field(name(max = 256, prefix = "alias/"), unique = "alias", after_create, pattern = "alias/[A-Za-z0-9/_-]+")]
    pub name: Option<String>,
    /// Description.
    #[field(default, length = 0..=8192)]
    pub description: String,
    /// Enables the key.
    #[field(
        default = true,
        after_create,
        important,
        impact = "data encrypted with the key can't be read in the region while it is disabled"
    )]
    #[field(risky(false, "data encrypted with the key can't be read in the region"))]
    pub enabled: bool,
    /// Key policy: principals that may use and administer the key.
    #[field(policy = "resource", own_read, important)]
    #[field(unset = "unchanged; the policy of a new key delegates access to the account's IAM policies")]
    #[field(dropped = default_policy())]
    pub policy: Option<Policy>,
    /// Waiting period before deletion, in days.
    #[field(default = DELETION_WINDOW_DAYS, range = 7..=30, important, write_only, recovery_window)]
    pub deletion_window_days: i32,
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

impl Resource for KmsReplica {
    const TYPE: TypeInfo = TypeInfo::new("kms_replica", &services::kms::SERVICE, "mrk-{hex32}", "arn:aws:kms:{region}:{account}:key/{id}")
        .recovery_window(MIN_DELETION_WINDOW_DAYS, INVALID_STATE)
        .lost_on_recreation("nothing is lost while the primary key exists")
        .deletable_while_in_use()
        .without_token()
        .typical_seconds(15)
        // Several minutes in some cases: https://docs.aws.amazon.com/kms/latest/developerguide/programming-eventual-consistency.html
        .visibility_delay_seconds(60)
        .iam_actions(
            IamActions::new("kms:key/*")
                .list(&["kms:ListAliases", "kms:ListKeys"])
                .read(&["kms:DescribeKey", "kms:GetKeyPolicy", "kms:ListResourceTags"])
                .change(&["kms:CancelKeyDeletion", "kms:DisableKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"])
                .grants(&[
                    // AWS authorizes the creation in the replica's region, too.
                    IamGrant::change(&["kms:CreateKey"], GrantTarget::TagOnCreate),
                    IamGrant::change(&["kms:ReplicateKey"], GrantTarget::Arn("kms:key/*")),
                    // Conditions on new tags take effect after up to five minutes, but these calls may follow a creation at once.
                    IamGrant::change(
                        &["kms:CreateAlias", "kms:DeleteAlias", "kms:EnableKey", "kms:UpdateKeyDescription"],
                        GrantTarget::Arn("kms:key/*"),
                    ),
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

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        list_keys(aws, scope).await
    }

    /// The call goes to the region of the primary key. A replica within its waiting period is restored.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if let Some(id) = &cx.call.dormant {
            return restore(cx, id).await;
        }
        let primary = self.primary.get();
        let region = primary.split(':').nth(3).filter(|region| !region.is_empty()).ok_or_else(|| Error::missing_field("primary"))?;
        let id = primary.rsplit('/').next().unwrap_or(primary);
        let call = cx.kms.replicate_key().key_id(id).replica_region(&cx.region).set_policy(self.policy.as_ref().map(Policy::to_json));
        let call = call.set_description(Some(self.description.clone()).filter(|text| !text.is_empty()));
        let call = call.set_tags(Some(services::kms::to_tags(&cx.call.tags))).customize();
        let reply = call.config_override(Builder::new().region(Region::new(region.to_owned()))).send().await?;
        Ok(reply.replica_key_metadata.ok_or_else(|| Error::missing_field("ReplicaKeyMetadata"))?.key_id.into())
    }

    /// A disabled key rejects all other changes, so it is enabled first and disabled last.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: KmsReplicaChanges) -> Result<()> {
        let (kms, id) = (&cx.kms, live.id.as_str());
        if changes.enabled && self.enabled {
            kms.enable_key().key_id(id).send().await?;
        }
        if changes.name {
            change_alias(cx, id, live.spec.name.as_deref(), self.name.as_deref()).await?;
        }
        if changes.description {
            kms.update_key_description().key_id(id).description(&self.description).send().await?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            kms.put_key_policy().key_id(id).policy_name("default").policy(policy.to_json()).send().await?;
        }
        if changes.enabled && !self.enabled {
            kms.disable_key().key_id(id).send().await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        request_deletion(cx, &live.id, live.spec.name.as_deref(), live.spec.deletion_window_days).await
    }

    fn check(&self) -> Vec<Problem> {
        reserved_alias(self.name.as_deref(), Self::POINTERS.name).into_iter().collect()
    }

    /// The primary key is a multi-region key of another region.
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(replica) = declared.spec() else { return Vec::new() };
        let mut problems = Vec::new();
        if let Some((address, primary)) = declared.referenced(&replica.primary) {
            if !primary.multi_region {
                let problem = Problem::new(Self::POINTERS.primary, format!("`{address}` is not a multi-region key"));
                problems.push(problem.help("set `multi_region: true` there, which replaces the key"));
            }
            if declared.region_of(&address) == declared.region() {
                let problem = Problem::new(Self::POINTERS.primary, format!("`{address}` is in the same region"));
                problems.push(problem.help("set `region:` of the replica to another region"));
            }
        }
        problems
    }
}

impl Key for KmsReplica {
    const IS_REPLICA: bool = true;

    fn reads(scope: &Scope, tags: &Tags) -> Reads {
        Reads { policy: scope.own_reads_to_make::<Self>(tags).policy, grants: false, rotation: false }
    }

    fn observed(parts: KeyParts) -> Result<Observed<Self>> {
        let (key, phase) = (&parts.key, parts.phase());
        let primary = key.multi_region_configuration.as_ref().and_then(|all| all.primary_key.as_ref()?.arn.clone());
        let spec = KmsReplica {
            primary: ArnRef::to(primary.ok_or_else(|| Error::missing_field("PrimaryKey"))?),
            name: parts.alias.clone(),
            description: key.description.clone().unwrap_or_default(),
            enabled: parts.is_enabled(),
            policy: parts.policy,
            deletion_window_days: DELETION_WINDOW_DAYS,
        };
        let arn = key.arn.clone().ok_or_else(|| Error::missing_field("Arn"))?;
        Ok(Observed::new(parts.key.key_id, parts.tags, spec, Outputs { arn, alias: parts.alias }).phase(phase))
    }
}
