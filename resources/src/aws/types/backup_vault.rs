//! `backup_vault`: a store of backups.

mod contents;
mod price;

use std::collections::BTreeSet;

use aws_sdk_backup::types::{BackupVaultListMember, VaultType};

use super::{kms_key::KmsKey, prelude::*, sns_topic::SnsTopic};
use crate::core::OnDelete;

/// A store of backups.
#[spec]
pub struct BackupVault {
    /// Name, unique in account and region.
    #[field(name(max = 50), length = 2..=50, pattern = "[A-Za-z0-9_-]+", replaces)]
    pub name: Option<String>,
    /// Key that encrypts the backups, except those of services that use the key of the resource.
    #[field(
        important,
        unset = "AWS's own key, `alias/aws/backup`",
        replaces,
        dropped(impossible, "the encryption of a vault is permanent")
    )]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Access policy, such as one that denies the deletion of backups; `{Statement: []}` for none.
    #[field(policy = "resource", unset = "unchanged, at creation none", after_create = Some(Policy::none()), own_read, important)]
    #[field(dropped = Policy::none())]
    pub policy: Option<Policy>,
    /// Notifications about jobs.
    #[field(default, after_create, own_read, dropped = None)]
    pub notifications: Option<Notifications>,
    /// Lock, which prevents the deletion of backups before the end of their retention.
    #[field(default, after_create = LockMode::None, important)]
    #[field(one_way(Direction::Ordered(&["governance", "compliance"]), "a lock in compliance mode is permanent after its grace period"))]
    #[field(risky(LockMode::Compliance, "after the grace period, the lock is permanent, and even AWS can't delete a backup early"))]
    pub lock: LockMode,
    /// Shortest retention of a backup in a locked vault, in days. Jobs with a shorter one fail.
    #[field(unset = "no limit", after_create = None, range = 1..=36_500, dropped = None)]
    pub min_retention_days: Option<i64>,
    /// Longest retention of a backup in a locked vault, in days. Jobs with a longer one fail.
    #[field(unset = "no limit", after_create = None, range = 1..=36_500, dropped = None)]
    pub max_retention_days: Option<i64>,
    /// Days after which a lock in compliance mode becomes permanent, from the day on which it is set.
    #[field(default = MIN_GRACE_DAYS, range = MIN_GRACE_DAYS..=36_500, write_only)]
    pub grace_days: i64,
}

/// Shortest grace period: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_PutBackupVaultLockConfiguration.html>.
const MIN_GRACE_DAYS: i64 = 3;

/// Lock of a vault.
#[spec]
#[derive(Copy, Default)]
pub enum LockMode {
    /// No lock.
    #[default]
    None,
    /// A lock that principals with permission can remove.
    Governance,
    /// A lock that is permanent after its grace period.
    Compliance,
}

/// Notifications about jobs of a vault.
#[spec]
#[derive(PartialEq)]
pub struct Notifications {
    /// Topic. Its policy must allow `backup.amazonaws.com` to publish.
    pub topic: ArnRef<SnsTopic>,
    /// Events.
    #[field(
        length = 1..=20,
        one_of = [
            "BACKUP_JOB_STARTED", "BACKUP_JOB_COMPLETED", "BACKUP_JOB_SUCCESSFUL", "BACKUP_JOB_FAILED", "BACKUP_JOB_EXPIRED",
            "RESTORE_JOB_STARTED", "RESTORE_JOB_COMPLETED", "RESTORE_JOB_SUCCESSFUL", "RESTORE_JOB_FAILED", "COPY_JOB_STARTED",
            "COPY_JOB_SUCCESSFUL", "COPY_JOB_FAILED", "RECOVERY_POINT_MODIFIED", "BACKUP_PLAN_CREATED", "BACKUP_PLAN_MODIFIED",
            "S3_BACKUP_OBJECT_FAILED", "S3_RESTORE_OBJECT_FAILED", "CONTINUOUS_BACKUP_INTERRUPTED"
        ]
    )]
    pub events: BTreeSet<String>,
}

impl Resource for BackupVault {
    const TYPE: TypeInfo =
        TypeInfo::new("backup_vault", &services::backup::SERVICE, "{name}", "arn:aws:backup:{region}:{account}:backup-vault:{name}")
            .data_protection(DataProtection::Contents)
            .lost_on_recreation("the backups in it are lost")
            .deletable_while_in_use()
            .quota(300, "LimitExceededException")
            .iam_actions(
                IamActions::new("backup:backup-vault:{name}")
                    .list(&["backup:ListBackupVaults"])
                    .read(&[
                        "backup:GetBackupVaultAccessPolicy",
                        "backup:GetBackupVaultNotifications",
                        "backup:ListRecoveryPointsByBackupVault",
                        "backup:ListTags",
                    ])
                    .create(&["backup:CreateBackupVault"])
                    .change(&[
                        "backup:DeleteBackupVault",
                        "backup:DeleteBackupVaultAccessPolicy",
                        "backup:DeleteBackupVaultLockConfiguration",
                        "backup:DeleteBackupVaultNotifications",
                        "backup:PutBackupVaultAccessPolicy",
                        "backup:PutBackupVaultLockConfiguration",
                        "backup:PutBackupVaultNotifications",
                    ])
                    .grants(&[
                        IamGrant::change(&["backup-storage:MountCapsule"], GrantTarget::AllResources),
                        IamGrant::change(
                            &["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey", "kms:RetireGrant"],
                            GrantTarget::Referenced("kms_key"),
                        ),
                        IamGrant::delete_data(
                            &["backup:DeleteRecoveryPoint", "backup:DisassociateRecoveryPoint"],
                            GrantTarget::AllResources,
                        ),
                    ]),
            );
    const USAGE: &'static [UsageKey] = price::USAGE;
    type Api = Aws;
    type Outputs = ArnOutput;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        price::of(self, context)
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.backup.list_backup_vaults().by_vault_type(VaultType::BackupVault).max_results(1000);
        let all: Vec<_> = call.into_paginator().items().send().try_collect().await?;
        let ours = all
            .into_iter()
            .filter(|vault| scope.covers(vault.backup_vault_name().unwrap_or_default(), vault.backup_vault_arn().unwrap_or_default()));
        for_each_concurrent(ours, |vault| read(aws, scope, vault)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.backup.create_backup_vault().set_backup_vault_name(self.name.clone()).creator_request_id(&cx.call.token);
        let call = call.set_encryption_key_arn(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let reply = call.set_backup_vault_tags(Some(services::backup::to_tags(&cx.call.tags))).send().await?;
        reply.backup_vault_name.map(Created::Id).ok_or_else(|| Error::missing_field("BackupVaultName"))
    }

    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: BackupVaultChanges) -> Result<()> {
        let (backup, id) = (&cx.backup, live.id.as_str());
        if let Some(policy) = self.policy.as_ref().filter(|_| changes.policy) {
            if policy.is_empty() {
                ok_or_not_found(backup.delete_backup_vault_access_policy().backup_vault_name(id).send().await)?;
            } else {
                backup.put_backup_vault_access_policy().backup_vault_name(id).policy(policy.to_json()).send().await?;
            }
        }
        if changes.notifications {
            match &self.notifications {
                Some(notifications) => {
                    let call = backup.put_backup_vault_notifications().backup_vault_name(id).sns_topic_arn(notifications.topic.get());
                    let events = notifications.events.iter().map(|event| event.as_str().into()).collect();
                    call.set_backup_vault_events(Some(events)).send().await?;
                }
                None => {
                    ok_or_not_found(backup.delete_backup_vault_notifications().backup_vault_name(id).send().await)?;
                }
            }
        }
        if changes.lock || changes.min_retention_days || changes.max_retention_days {
            if self.lock == LockMode::None {
                backup.delete_backup_vault_lock_configuration().backup_vault_name(id).send().await?;
            } else {
                let call = backup.put_backup_vault_lock_configuration().backup_vault_name(id);
                let call = call.set_min_retention_days(self.min_retention_days).set_max_retention_days(self.max_retention_days);
                // Sent again, the days would start again.
                let starts = self.lock == LockMode::Compliance && live.spec.lock != LockMode::Compliance;
                call.set_changeable_for_days(starts.then_some(self.grace_days)).send().await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        if cx.call.on_delete == OnDelete::Delete && contents::delete_some(cx.api, &live.id).await? {
            return Ok(Deletion::NeedsAnotherCall("deleting backups".into()));
        }
        Deletion::requested(cx.backup.delete_backup_vault().backup_vault_name(&live.id).send().await)
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        contents::count(aws, id).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.lock == LockMode::None {
            for (pointer, is_set) in [
                (Self::POINTERS.min_retention_days, self.min_retention_days.is_some()),
                (Self::POINTERS.max_retention_days, self.max_retention_days.is_some()),
            ] {
                if is_set {
                    problems.push(Problem::new(pointer, "only a locked vault has limits").help("set `lock: governance`, or remove it"));
                }
            }
        }
        if self.min_retention_days.zip(self.max_retention_days).is_some_and(|(min, max)| min > max) {
            problems.push(Problem::new(Self::POINTERS.min_retention_days, "is longer than `max_retention_days`"));
        }
        problems
    }
}

/// Reads tags, policy and notifications, which the list lacks. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, vault: BackupVaultListMember) -> Result<Option<Observed<BackupVault>>> {
    let name = vault.backup_vault_name.ok_or_else(|| Error::missing_field("BackupVaultName"))?;
    let arn = vault.backup_vault_arn.ok_or_else(|| Error::missing_field("BackupVaultArn"))?;
    let tags = scope.tags_or_fetch(&arn, services::backup::tags(aws, &arn)).await?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
    let wanted = scope.own_reads_to_make::<BackupVault>(&tags);
    let policy = match wanted.policy {
        true => {
            let reply = ok_or_not_found(aws.backup.get_backup_vault_access_policy().backup_vault_name(&name).send().await)?;
            Some(reply.and_then(|reply| reply.policy).map(|text| Policy::parse(&text)).transpose()?.unwrap_or_else(Policy::none))
        }
        false => None,
    };
    let notifications = match wanted.notifications {
        true => ok_or_not_found(aws.backup.get_backup_vault_notifications().backup_vault_name(&name).send().await)?,
        false => None,
    };
    let notifications = notifications.and_then(|reply| {
        let events = reply.backup_vault_events.unwrap_or_default();
        Some(Notifications {
            topic: ArnRef::to(reply.sns_topic_arn?),
            events: events.into_iter().map(|event| event.as_str().to_owned()).collect(),
        })
    });
    let phase = vault.vault_state.map_or(Phase::Ready, |state| Phase::from_status(state.as_str()));
    let lock = match (vault.locked.unwrap_or_default(), vault.lock_date) {
        (false, _) => LockMode::None,
        (true, None) => LockMode::Governance,
        (true, Some(_)) => LockMode::Compliance,
    };
    let spec = BackupVault {
        name: Some(name.clone()),
        kms_key: vault.encryption_key_arn.map(ArnRef::to),
        policy,
        notifications,
        lock,
        min_retention_days: vault.min_retention_days,
        max_retention_days: vault.max_retention_days,
        grace_days: MIN_GRACE_DAYS,
    };
    Ok(Some(Observed::new(name, tags, spec, ArnOutput { arn }).phase(phase)))
}
