//! Reads keys and their aliases.

use super::*;

/// Aliases by key id.
pub(super) async fn list_aliases(aws: &Aws) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let listed: Vec<_> = aws.kms.list_aliases().limit(100).into_paginator().items().send().try_collect().await?;
    let mut aliases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for alias in listed {
        if let (Some(name), Some(key)) = (alias.alias_name, alias.target_key_id) {
            aliases.entry(key).or_default().insert(name);
        }
    }
    Ok(aliases)
}

/// Reads keys whose ids are known. Their desired aliases describe most of them; aliases are listed only for the others.
pub(super) async fn read_known(aws: &Aws, scope: &Scope, ids: BTreeSet<String>) -> Result<Vec<Observed<KmsKey>>> {
    let named = for_each_concurrent(scope.lookup.clone(), |alias| async move {
        Ok(ok_or_not_found(describe(aws, &alias).await)?.map(|key| (key.key_id.clone(), (BTreeSet::from([alias]), key))))
    });
    let mut keys: BTreeMap<String, (BTreeSet<String>, KeyMetadata)> = named.await?.into_iter().collect();
    let unnamed: Vec<String> = ids.iter().filter(|id| !keys.contains_key(*id)).cloned().collect();
    let unnamed = for_each_concurrent(unnamed, |id| async move { ok_or_not_found(describe(aws, &id).await) }).await?;
    let (deleted, unnamed): (Vec<_>, Vec<_>) = unnamed.into_iter().partition(is_pending_deletion);
    keys.extend(deleted.into_iter().map(|key| (key.key_id.clone(), (BTreeSet::new(), key))));
    if !unnamed.is_empty() {
        let mut aliases = list_aliases(aws).await?;
        keys.extend(unnamed.into_iter().map(|key| (key.key_id.clone(), (aliases.remove(&key.key_id).unwrap_or_default(), key))));
    }
    // What is waited for is read alone; otherwise a key with a desired alias counts although it has no tags.
    let wanted = keys.into_iter().filter(|(id, _)| scope.waited_for().is_none() || ids.contains(id));
    let read = |(id, (aliases, key)): (String, (BTreeSet<String>, KeyMetadata))| async move {
        Ok(ok_or_not_found(read(aws, scope, &id, aliases, Some(key)).await)?.flatten())
    };
    for_each_concurrent(wanted, read).await
}

/// A key by its id or alias.
async fn describe(aws: &Aws, id: &str) -> Result<KeyMetadata> {
    aws.kms.describe_key().key_id(id).send().await?.key_metadata.ok_or_else(|| Error::missing_field("KeyMetadata"))
}

fn is_pending_deletion(key: &KeyMetadata) -> bool {
    matches!(key.key_state, Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion))
}

/// Reads one key; `described` is its description, where that is known. `None`: it has neither a desired alias nor the ownership tags.
pub(super) async fn read(
    aws: &Aws,
    scope: &Scope,
    id: &str,
    aliases: BTreeSet<String>,
    described: Option<KeyMetadata>,
) -> Result<Option<Observed<KmsKey>>> {
    let key = match described {
        Some(key) => key,
        None => describe(aws, id).await?,
    };
    let arn = key.arn.clone().ok_or_else(|| Error::missing_field("Arn"))?;
    let ask = async {
        let tags: Vec<_> = aws.kms.list_resource_tags().key_id(id).into_paginator().items().send().try_collect().await?;
        Ok(Some(services::kms::from_tags(&tags)))
    };
    let Some(tags) = scope.tags_or_fetch(&arn, ask).await? else { return Ok(None) };
    let wanted = aliases.iter().find(|name| scope.lookup.contains(*name));
    if wanted.is_none() && !scope.owns(&tags) {
        return Ok(None);
    }
    if is_pending_deletion(&key) {
        let owned = scope.owns(&tags) && key.key_state == Some(KeyState::PendingDeletion);
        let deleting = || Ok(observed(key, tags, None, (false, ROTATION_PERIOD_DAYS), None)?.phase(Phase::Deleting));
        return owned.then(deleting).transpose();
    }
    let rotates = key_spec(&key)? == KeySpec::SymmetricDefault && matches!(key.origin, None | Some(OriginType::AwsKms));
    let rotation = async { if rotates && !scope.shallow { read_rotation(aws, id).await } else { Ok((false, ROTATION_PERIOD_DAYS)) } };
    let details = scope.own_reads_to_make::<KmsKey>(&tags);
    let policy = async {
        if !details.policy {
            return Ok(None);
        }
        let policy = aws.kms.get_key_policy().key_id(id).policy_name("default").send().await?.policy;
        Ok::<_, Error>(policy.as_deref().map(Policy::parse).transpose()?)
    };
    let (rotation, policy) = tokio::try_join!(rotation, policy)?;
    observed(key, tags, wanted.or_else(|| aliases.first()).cloned(), rotation, policy).map(Some)
}

/// Whether a key rotates, and the days between two rotations.
pub(super) async fn read_rotation(aws: &Aws, id: &str) -> Result<(bool, i32)> {
    let status = aws.kms.get_key_rotation_status().key_id(id).send().await?;
    Ok((status.key_rotation_enabled, status.rotation_period_in_days.unwrap_or(ROTATION_PERIOD_DAYS)))
}

fn key_spec(key: &KeyMetadata) -> Result<KeySpec> {
    from_aws(key.key_spec.as_ref().map_or("SYMMETRIC_DEFAULT", |spec| spec.as_str()))
}

pub(super) fn observed(
    key: KeyMetadata,
    tags: Tags,
    alias: Option<String>,
    (rotation, rotation_period_days): (bool, i32),
    policy: Option<Policy>,
) -> Result<Observed<KmsKey>> {
    let phase = match &key.key_state {
        Some(state @ (KeyState::Creating | KeyState::Updating)) => Phase::Progressing(state.as_str().to_owned()),
        Some(state @ (KeyState::Unavailable | KeyState::PendingImport)) => Phase::Failed(state.as_str().to_owned()),
        _ => Phase::Ready,
    };
    let spec = KmsKey {
        name: alias.clone(),
        key_spec: key_spec(&key)?,
        description: key.description.unwrap_or_default(),
        key_usage: from_aws(key.key_usage.as_ref().map_or("ENCRYPT_DECRYPT", |usage| usage.as_str()))?,
        multi_region: key.multi_region.unwrap_or_default(),
        enabled: key.key_state != Some(KeyState::Disabled),
        rotation,
        rotation_period_days,
        policy,
        deletion_window_days: DELETION_WINDOW_DAYS,
    };
    let arn = key.arn.ok_or_else(|| Error::missing_field("Arn"))?;
    Ok(Observed::new(key.key_id, tags, spec, Outputs { arn, alias }).phase(phase))
}

/// The id in the ARN of a key of this region.
pub(super) fn key_id<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    let (_, rest) = arn.split_once(":kms:")?;
    rest.strip_prefix(region)?.split_once(":key/").map(|(_, id)| id)
}
