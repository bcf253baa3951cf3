//! Reads keys, primary ones and replicas, and their aliases.

use aws_sdk_kms::types::MultiRegionKeyType;

use super::{grants::GrantMap, *};

/// A resource type whose resources are keys: primary ones, or replicas.
pub(in crate::aws::types) trait Key: Resource<Api = Aws> {
    /// Whether they are replicas of keys in other regions.
    const IS_REPLICA: bool;
    /// What to read of a key with these tags, besides its description.
    fn reads(scope: &Scope, tags: &Tags) -> Reads;
    /// The resource.
    fn observed(parts: KeyParts) -> Result<Observed<Self>>;
}

/// What to read of a key.
pub(in crate::aws::types) struct Reads {
    pub policy: bool,
    pub grants: bool,
    pub rotation: bool,
}

/// A key as read.
pub(in crate::aws::types) struct KeyParts {
    pub key: KeyMetadata,
    pub tags: Tags,
    pub alias: Option<String>,
    /// Whether it rotates, and the days between two rotations.
    pub rotation: (bool, i32),
    pub policy: Option<Policy>,
    pub grants: GrantMap,
}

impl KeyParts {
    /// A key without the parts that other calls show.
    pub fn new(key: KeyMetadata, tags: Tags) -> KeyParts {
        KeyParts { key, tags, alias: None, rotation: (false, ROTATION_PERIOD_DAYS), policy: None, grants: GrantMap::new() }
    }
    pub fn is_enabled(&self) -> bool {
        self.key.key_state != Some(KeyState::Disabled)
    }
    pub fn phase(&self) -> Phase {
        match &self.key.key_state {
            Some(state @ (KeyState::Creating | KeyState::Updating)) => Phase::Progressing(state.as_str().to_owned()),
            Some(state @ (KeyState::Unavailable | KeyState::PendingImport)) => Phase::Failed(state.as_str().to_owned()),
            _ => Phase::Ready,
        }
    }
}

/// Lists the keys of a type.
pub(in crate::aws::types) async fn list_keys<K: Key>(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<K>>> {
    let known_ids = match scope.waited_for() {
        Some(ids) => Some(ids.clone()),
        None => scope.complete_index().map(|index| index.keys().filter_map(|arn| key_id(arn, &aws.region)).map(str::to_owned).collect()),
    };
    if let Some(ids) = known_ids.filter(|ids| scope.lookup.len() <= ids.len()) {
        return read_known(aws, scope, ids).await;
    }
    let aliases = list_aliases(aws).await?;
    let ours = format!("alias/{}", scope.prefix);
    let known = |name: &String| scope.lookup.contains(name) || name.starts_with(&ours);
    let mut ids: BTreeSet<String> = aliases.iter().filter(|(_, names)| names.iter().any(known)).map(|(id, _)| id.clone()).collect();
    ids.extend(scope.adopt.clone());
    let mut unknown = BTreeSet::new();
    match &scope.tag_index {
        Some(index) => ids.extend(index.keys().filter_map(|arn| key_id(arn, &aws.region)).map(ToOwned::to_owned)),
        None => {
            let keys: Vec<_> = aws.kms.list_keys().limit(1000).into_paginator().items().send().try_collect().await?;
            unknown.extend(keys.into_iter().filter_map(|key| key.key_id).filter(|id| !aliases.contains_key(id)));
        }
    }
    unknown.retain(|id| !ids.contains(id));
    ids.extend(unknown.iter().cloned());
    for_each_concurrent(ids, |id| {
        let (names, unknown) = (aliases.get(&id).cloned().unwrap_or_default(), unknown.contains(&id));
        async move {
            match ok_or_not_found(read(aws, scope, &id, names, None).await) {
                // Its policy denies access, so it belongs to another principal.
                Err(error) if unknown && error.code == "AccessDeniedException" => Ok(None),
                answer => Ok(answer?.flatten()),
            }
        }
    })
    .await
}

/// Aliases by key id.
async fn list_aliases(aws: &Aws) -> Result<BTreeMap<String, BTreeSet<String>>> {
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
async fn read_known<K: Key>(aws: &Aws, scope: &Scope, ids: BTreeSet<String>) -> Result<Vec<Observed<K>>> {
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
async fn read<K: Key>(
    aws: &Aws,
    scope: &Scope,
    id: &str,
    aliases: BTreeSet<String>,
    described: Option<KeyMetadata>,
) -> Result<Option<Observed<K>>> {
    let key = match described {
        Some(key) => key,
        None => describe(aws, id).await?,
    };
    if is_replica(&key) != K::IS_REPLICA {
        return Ok(None);
    }
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
        let deleting = || Ok(K::observed(KeyParts::new(key, tags))?.phase(Phase::Deleting));
        return owned.then(deleting).transpose();
    }
    let reads = K::reads(scope, &tags);
    let rotates = key_spec(&key)? == KeySpec::SymmetricDefault && matches!(key.origin, None | Some(OriginType::AwsKms));
    let rotation = async { if rotates && reads.rotation { read_rotation(aws, id).await } else { Ok((false, ROTATION_PERIOD_DAYS)) } };
    let policy = async {
        if !reads.policy {
            return Ok(None);
        }
        let policy = aws.kms.get_key_policy().key_id(id).policy_name("default").send().await?.policy;
        Ok::<_, Error>(policy.as_deref().map(Policy::parse).transpose()?)
    };
    let grants = async { if reads.grants { grants::read(aws, id).await } else { Ok(GrantMap::new()) } };
    let (rotation, policy, grants) = tokio::try_join!(rotation, policy, grants)?;
    K::observed(KeyParts { key, tags, alias: wanted.or_else(|| aliases.first()).cloned(), rotation, policy, grants }).map(Some)
}

/// Whether a key rotates, and the days between two rotations.
pub(super) async fn read_rotation(aws: &Aws, id: &str) -> Result<(bool, i32)> {
    let status = aws.kms.get_key_rotation_status().key_id(id).send().await?;
    Ok((status.key_rotation_enabled, status.rotation_period_in_days.unwrap_or(ROTATION_PERIOD_DAYS)))
}

pub(super) fn key_spec(key: &KeyMetadata) -> Result<KeySpec> {
    from_aws(key.key_spec.as_ref().map_or("SYMMETRIC_DEFAULT", |spec| spec.as_str()))
}

/// Whether a key is a replica of one in another region.
fn is_replica(key: &KeyMetadata) -> bool {
    let kind = key.multi_region_configuration.as_ref().and_then(|all| all.multi_region_key_type.as_ref());
    kind == Some(&MultiRegionKeyType::Replica)
}

/// The id in the ARN of a key of this region.
pub(super) fn key_id<'a>(arn: &'a str, region: &str) -> Option<&'a str> {
    let (_, rest) = arn.split_once(":kms:")?;
    rest.strip_prefix(region)?.split_once(":key/").map(|(_, id)| id)
}
