//! Reading parameters.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::{ParameterMetadata, ParameterStringFilter, ParameterType};

use super::{
    super::prelude::*,
    AWS_KEY, Outputs, Parameter, ParameterKind, Tier,
    secure::{SOURCE_TAG, Source},
};
use crate::{aws::from_aws, core::STACK_TAG};

/// Names in a filter of DescribeParameters.
const NAMES_IN_FILTER: usize = 50;
/// Names in a call of GetParameters.
const NAMES_IN_CALL: usize = 10;

/// Reads the parameters in the tag index and the desired names: an account may have ten thousand others, fifty a page.
pub(super) async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Parameter>>> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    match (&scope.adopt, scope.waited_for()) {
        (Some(id), _) => names.extend(names_of(id)),
        (None, Some(ids)) => names.extend(ids.iter().flat_map(|id| names_of(id))),
        (None, None) => {
            names.extend(scope.lookup.iter().cloned());
            let indexed = scope.tag_index.iter().flat_map(|index| index.keys());
            names.extend(indexed.filter(|arn| Parameter::TYPE.matches_arn(arn)).flat_map(|arn| names_of(arn)));
        }
    }
    let mut found: BTreeMap<String, ParameterMetadata> = BTreeMap::new();
    let names: Vec<String> = names.into_iter().collect();
    for some in names.chunks(NAMES_IN_FILTER) {
        found.extend(describe(aws, filter("Name").set_values(Some(some.to_vec())).build()?).await?);
    }
    if scope.tag_index.is_none() && scope.adopt.is_none() && scope.waited_for().is_none() {
        found.extend(describe(aws, filter(&format!("tag:{STACK_TAG}")).values(&scope.stack).build()?).await?);
    }
    let plain = found.values().filter(|one| one.r#type != Some(ParameterType::SecureString) && !scope.shallow);
    let plain: Vec<String> = plain.filter_map(|one| one.name.clone()).collect();
    let calls = plain.chunks(NAMES_IN_CALL).map(|some| aws.ssm.get_parameters().set_names(Some(some.to_vec())));
    let values =
        for_each_concurrent(calls.collect::<Vec<_>>(), |call| async move { Ok(Some(call.send().await?.parameters.unwrap_or_default())) });
    let values = values.await?.into_iter().flatten().filter_map(|one| Some((one.name?, one.value?)));
    let values = &values.collect::<BTreeMap<String, String>>();
    for_each_concurrent(found, |(name, parameter)| async move {
        let value = values.get(&name).cloned();
        // It was deleted after the first call.
        if value.is_none() && parameter.r#type != Some(ParameterType::SecureString) && !scope.shallow {
            return Ok(None);
        }
        read(aws, scope, name, parameter, value).await
    })
    .await
}

fn filter(key: &str) -> aws_sdk_ssm::types::builders::ParameterStringFilterBuilder {
    ParameterStringFilter::builder().key(key).option("Equals")
}

async fn describe(aws: &Aws, filter: ParameterStringFilter) -> Result<Vec<(String, ParameterMetadata)>> {
    let mut pages = aws.ssm.describe_parameters().parameter_filters(filter).max_results(50).into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        found.extend(page?.parameters.unwrap_or_default().into_iter().filter_map(|one| Some((one.name.clone()?, one))));
    }
    Ok(found)
}

/// The names for an id or ARN. An ARN does not show whether the name begins with a slash.
fn names_of(id: &str) -> Vec<String> {
    match id.split_once(":parameter/") {
        Some((_, name)) if name.contains('/') => vec![format!("/{name}")],
        Some((_, name)) => vec![name.to_owned(), format!("/{name}")],
        None => vec![id.to_owned()],
    }
}

/// `None`: it was deleted, or is neither part of the stack nor has a desired name.
async fn read(
    aws: &Aws,
    scope: &Scope,
    name: String,
    parameter: ParameterMetadata,
    value: Option<String>,
) -> Result<Option<Observed<Parameter>>> {
    let arn = match parameter.arn.clone() {
        Some(arn) => arn,
        // An older endpoint does not report it.
        None => {
            let path = name.trim_start_matches('/');
            format!("arn:{}:ssm:{}:{}:parameter/{path}", partition(&aws.region), aws.region, aws.account().await?)
        }
    };
    let kind = match parameter.r#type {
        Some(ParameterType::SecureString) => ParameterKind::SecureString,
        Some(ParameterType::StringList) => ParameterKind::StringList,
        _ => ParameterKind::String,
    };
    // The tags of a create call and of the index may lack the one about its secret.
    let known = if kind == ParameterKind::SecureString { None } else { scope.tags_by_id(&name, &arn) };
    let tags = match known {
        Some(tags) => Some(tags),
        None => services::ssm::fetch_tags(aws, &name).await?,
    };
    let Some(mut tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
    let source = tags.remove(SOURCE_TAG).and_then(|text| Source::from_tag(&text));
    // Another version was written outside acme.
    let source = source.filter(|source| source.version == parameter.version);
    let list = value.clone().filter(|_| kind == ParameterKind::StringList);
    let spec = Parameter {
        name: Some(name.clone()),
        kind,
        value: value.filter(|_| kind == ParameterKind::String),
        values: list.map(|text| text.split(',').map(str::to_owned).collect()).unwrap_or_default(),
        secret: source.as_ref().map(|source| ArnRef::to(&source.secret)),
        secret_key: source.map(|source| source.key).unwrap_or_default(),
        generate: None,
        kms_key: parameter.key_id.filter(|key| key != AWS_KEY && kind == ParameterKind::SecureString).map(ArnRef::to),
        description: parameter.description.unwrap_or_default(),
        allowed_pattern: parameter.allowed_pattern.unwrap_or_default(),
        tier: parameter.tier.map_or(Ok(Tier::Standard), |tier| from_aws(tier.as_str()))?,
        data_type: parameter.data_type.filter(|_| kind == ParameterKind::String).unwrap_or_else(Parameter::default_data_type),
        expires_at: None,
        expiration_notices: BTreeSet::new(),
        no_change_notices: BTreeSet::new(),
    }
    .with_policies(parameter.policies.as_deref().unwrap_or_default())?;
    let outputs = Outputs { arn, version: parameter.version.to_string() };
    Ok(Some(Observed::new(name, tags, spec, outputs)))
}
