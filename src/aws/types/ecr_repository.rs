//! `ecr_repository`: a registry of container images.

use std::collections::BTreeSet;

use aws_sdk_ecr::types::{
    EncryptionConfiguration, EncryptionType, ImageScanningConfiguration, ImageStatusFilter, ImageTagMutability,
    ImageTagMutabilityExclusionFilter, ImageTagMutabilityExclusionFilterType, ListImagesFilter, Repository,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};

use super::kms_key::KmsKey;
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, ArnRef, Changed, Data, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, Naming, On,
        OnDelete, Phase, Problem, Result, Scope, Service, ok_or_not_found,
    },
};

/// A registry of container images.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EcrRepository {
    /// Name in lower case, which may have `/`; unique in account and region. Default: `<stack>-<environment>-<name>`. Changing it
    /// replaces the repository.
    #[serde(default)]
    pub name: Option<String>,
    /// A tag, once pushed, cannot be moved to another image. Default: true.
    #[serde(default = "yes")]
    pub immutable_tags: bool,
    /// Tags to which the opposite of `immutable_tags` applies, such as `latest` or `dev-*`. Default: none.
    #[serde(default)]
    pub tag_exceptions: BTreeSet<String>,
    /// Looks for known vulnerabilities in every image pushed. Default: true.
    #[serde(default = "yes")]
    pub scan_on_push: bool,
    /// The key that encrypts it. Default: Amazon's own (AES256). Changing it replaces the repository.
    #[serde(default)]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// How many images are kept, the newest; 0 for all. Default: 0. Instead of `lifecycle_policy`.
    #[serde(default)]
    pub keep_last: u32,
    /// Which images expire, as `{rules: [...]}` in ECR's own form. Default: none expire.
    #[serde(default)]
    pub lifecycle_policy: LifecyclePolicy,
}

fn yes() -> bool {
    true
}

/// Which images expire, in canonical form: rules by priority, lists sorted; `{}` for no policy.
///
/// Source: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/lifecycle_policy_parameters.html>
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LifecyclePolicy(Value);

impl LifecyclePolicy {
    fn new(mut document: Value) -> LifecyclePolicy {
        let mut empty = true;
        if let Some(rules) = document.get_mut("rules").and_then(Value::as_array_mut) {
            empty = rules.is_empty();
            rules.sort_by_key(|rule| rule.get("rulePriority").and_then(Value::as_i64));
            for selection in rules.iter_mut().filter_map(|rule| rule.get_mut("selection")) {
                for list in ["tagPrefixList", "tagPatternList"] {
                    if let Some(list) = selection.get_mut(list).and_then(Value::as_array_mut) {
                        list.sort_by_key(ToString::to_string);
                    }
                }
            }
        }
        LifecyclePolicy(if empty { json!({}) } else { document })
    }
    /// The policy that `keep_last` stands for.
    fn keep(images: u32) -> LifecyclePolicy {
        LifecyclePolicy::new(json!({ "rules": [{
            "rulePriority": 1,
            "description": format!("Keep the last {images} images"),
            "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images },
            "action": { "type": "expire" },
        }] }))
    }
    /// How many images it keeps, if it says nothing else. Priority and description of a single rule do not matter.
    fn kept(&self) -> Option<u32> {
        let [rule] = self.0.get("rules")?.as_array()?.as_slice() else { return None };
        let images = u32::try_from(rule.get("selection")?.get("countNumber")?.as_u64()?).ok()?;
        let plain = LifecyclePolicy::keep(images);
        let plain = plain.0.get("rules")?.get(0)?;
        ["selection", "action"].iter().all(|part| rule.get(part) == plain.get(part)).then_some(images)
    }
    fn is_none(&self) -> bool {
        self.0.get("rules").is_none()
    }
}

impl Default for LifecyclePolicy {
    fn default() -> LifecyclePolicy {
        LifecyclePolicy(json!({}))
    }
}
impl<'de> Deserialize<'de> for LifecyclePolicy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LifecyclePolicy, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Null => Ok(LifecyclePolicy::default()),
            Value::String(text) => {
                serde_json::from_str(&text).map(LifecyclePolicy::new).map_err(|_| D::Error::custom("the policy is not JSON"))
            }
            Value::Object(map) if map.is_empty() || map.get("rules").is_some_and(Value::is_array) => {
                Ok(LifecyclePolicy::new(Value::Object(map)))
            }
            _ => Err(D::Error::custom("expected a lifecycle policy: an object with a list `rules`")),
        }
    }
}
impl JsonSchema for LifecyclePolicy {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "LifecyclePolicy".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "string"], "description": "A lifecycle policy with `rules`, as YAML or as a JSON string." })
    }
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Where images are pushed to: `123456789012.dkr.ecr.eu-west-1.amazonaws.com/name`.
    pub uri: String,
    /// The account it belongs to.
    pub registry_id: String,
}

impl Resource for EcrRepository {
    const TYPE: &'static str = "ecr_repository";
    const SERVICE: Service = Service::Ecr;
    const REPLACE: &'static [&'static str] = &["/name", "/kms_key"];
    const NAME: Option<Naming> = Some(Naming { max: 256, lower: true, prefix: "" });
    const ARN: Option<&'static str> = Some("ecr:repository/");
    const DATA: Data = Data::Contents;
    const HELD: bool = false;
    const ACTIONS: Actions = Actions::on("ecr:repository/{name}")
        .read(&["ecr:GetLifecyclePolicy", "ecr:ListImages", "ecr:ListTagsForResource"])
        .create(&["ecr:CreateRepository"])
        .change(&[
            "ecr:DeleteLifecyclePolicy",
            "ecr:DeleteRepository",
            "ecr:PutImageScanningConfiguration",
            "ecr:PutImageTagMutability",
            "ecr:PutLifecyclePolicy",
        ])
        .more(&[
            Grant::read(&["ecr:DescribeRepositories"], On::Arn("ecr:repository/*")),
            Grant::change(&["kms:CreateGrant", "kms:DescribeKey"], On::Used("kms_key")),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let all: Vec<_> = aws.ecr.describe_repositories().max_results(1000).into_paginator().items().send().try_collect().await?;
        let ours =
            all.into_iter().filter(|r| scope.covers(r.repository_name().unwrap_or_default(), r.repository_arn().unwrap_or_default()));
        each(ours, |repository| read(aws, scope, repository)).await
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let (mutability, exceptions) = self.mutability()?;
        let call = cx.aws.ecr.create_repository().set_repository_name(self.name.clone()).set_tags(Some(tags::ecr(cx.tags)));
        let call = call.image_tag_mutability(mutability).set_image_tag_mutability_exclusion_filters(exceptions);
        let encryption = match &self.kms_key {
            Some(key) => EncryptionConfiguration::builder().encryption_type(EncryptionType::Kms).kms_key(key.get()),
            None => EncryptionConfiguration::builder().encryption_type(EncryptionType::Aes256),
        };
        let call = call.encryption_configuration(encryption.build()?);
        let reply = call.image_scanning_configuration(self.scanning()).send().await?;
        reply.repository.and_then(|repository| repository.repository_name).ok_or_else(|| Error::missing("repositoryName"))
    }

    fn created(&self) -> Self {
        EcrRepository { keep_last: 0, lifecycle_policy: LifecyclePolicy::default(), ..self.clone() }
    }

    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        let ecr = &cx.aws.ecr;
        if changed.any(&["/immutable_tags", "/tag_exceptions"]) {
            let (mutability, exceptions) = self.mutability()?;
            let call = ecr.put_image_tag_mutability().repository_name(id).image_tag_mutability(mutability);
            call.set_image_tag_mutability_exclusion_filters(exceptions).send().await?;
        }
        if changed.has("/scan_on_push") {
            ecr.put_image_scanning_configuration().repository_name(id).image_scanning_configuration(self.scanning()).send().await?;
        }
        if changed.any(&["/keep_last", "/lifecycle_policy"]) {
            match self.lifecycle() {
                None => drop(ecr.delete_lifecycle_policy().repository_name(id).send().await?),
                Some(policy) => drop(ecr.put_lifecycle_policy().repository_name(id).lifecycle_policy_text(policy).send().await?),
            }
        }
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.ecr.delete_repository().repository_name(id).force(cx.on_delete == OnDelete::Delete).send().await?;
        Ok(())
    }

    async fn contents(aws: &Aws, id: &str) -> Result<Option<String>> {
        // Unasked, ECR leaves archived ones out.
        let all = ListImagesFilter::builder().image_status(ImageStatusFilter::Any).build();
        let call = aws.ecr.list_images().repository_name(id).filter(all).max_results(1000);
        let Some(page) = ok_or_not_found(call.send().await)? else { return Ok(None) };
        // An image is listed once for each of its tags.
        let images: BTreeSet<_> = page.image_ids().iter().filter_map(|image| image.image_digest()).collect();
        Ok(match (images.len(), page.next_token.is_some()) {
            (0, false) => None,
            (count, true) => Some(format!("more than {count} images")),
            (1, false) => Some("1 image".into()),
            (count, false) => Some(format!("{count} images")),
        })
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.keep_last > 0 && !self.lifecycle_policy.is_none() {
            let problem = Problem::new("/keep_last", "a repository has one lifecycle policy, and `lifecycle_policy` is it");
            problems.push(problem.help("leave one of the two out"));
        }
        if self.tag_exceptions.len() > 5 {
            problems.push(Problem::new("/tag_exceptions", "ECR takes at most 5 exceptions"));
        }
        problems
    }

    /// A policy that does no more than keep the last images may be written in either way.
    fn align(&self, live: &mut Self) {
        if live.keep_last > 0 && self.lifecycle_policy.kept() == Some(live.keep_last) {
            (live.keep_last, live.lifecycle_policy) = (0, self.lifecycle_policy.clone());
        }
    }
}

impl EcrRepository {
    /// The lifecycle policy as ECR takes it, if there is one.
    pub(crate) fn lifecycle(&self) -> Option<String> {
        let policy = if self.keep_last > 0 { LifecyclePolicy::keep(self.keep_last) } else { self.lifecycle_policy.clone() };
        (!policy.is_none()).then(|| policy.0.to_string())
    }
    fn scanning(&self) -> ImageScanningConfiguration {
        ImageScanningConfiguration::builder().scan_on_push(self.scan_on_push).build()
    }
    fn mutability(&self) -> Result<(ImageTagMutability, Option<Vec<ImageTagMutabilityExclusionFilter>>)> {
        let filter = |pattern| {
            ImageTagMutabilityExclusionFilter::builder()
                .filter_type(ImageTagMutabilityExclusionFilterType::Wildcard)
                .filter(pattern)
                .build()
        };
        let exceptions = self.tag_exceptions.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
        Ok(match (self.immutable_tags, exceptions.is_empty()) {
            (true, true) => (ImageTagMutability::Immutable, None),
            (true, false) => (ImageTagMutability::ImmutableWithExclusion, Some(exceptions)),
            (false, true) => (ImageTagMutability::Mutable, None),
            (false, false) => (ImageTagMutability::MutableWithExclusion, Some(exceptions)),
        })
    }
}

async fn read(aws: &Aws, scope: &Scope, repository: Repository) -> Result<Option<Observed<EcrRepository>>> {
    let name = repository.repository_name.ok_or_else(|| Error::missing("repositoryName"))?;
    let arn = repository.repository_arn.ok_or_else(|| Error::missing("repositoryArn"))?;
    let ask_tags = async {
        let reply = ok_or_not_found(aws.ecr.list_tags_for_resource().resource_arn(&arn).send().await)?;
        Ok(reply.map(|reply| tags::from_ecr(reply.tags())))
    };
    let read_policy = async { ok_or_not_found(aws.ecr.get_lifecycle_policy().repository_name(&name).send().await) };
    let (tags, policy) = tokio::try_join!(scope.tags_or(&arn, ask_tags), read_policy)?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.wanted.contains(&name)) else { return Ok(None) };
    let policy = match policy.and_then(|reply| reply.lifecycle_policy_text) {
        Some(text) => LifecyclePolicy::new(serde_json::from_str(&text)?),
        None => LifecyclePolicy::default(),
    };
    let kept = policy.kept();
    let mutability = repository.image_tag_mutability;
    let exceptions = repository.image_tag_mutability_exclusion_filters.unwrap_or_default();
    Ok(Some(Observed {
        tags,
        phase: Phase::Ready,
        spec: EcrRepository {
            name: Some(name.clone()),
            immutable_tags: matches!(mutability, Some(ImageTagMutability::Immutable | ImageTagMutability::ImmutableWithExclusion)),
            tag_exceptions: exceptions.into_iter().map(|exception| exception.filter).collect(),
            scan_on_push: repository.image_scanning_configuration.is_some_and(|scanning| scanning.scan_on_push),
            kms_key: repository.encryption_configuration.and_then(|encryption| encryption.kms_key).map(ArnRef::to),
            keep_last: kept.unwrap_or_default(),
            lifecycle_policy: if kept.is_some() { LifecyclePolicy::default() } else { policy },
        },
        outputs: Outputs {
            arn,
            uri: repository.repository_uri.unwrap_or_default(),
            registry_id: repository.registry_id.unwrap_or_default(),
        },
        id: name,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_plain_policy_is_the_short_form() {
        let written = json!({ "rules": [{
            "action": { "type": "expire" }, "rulePriority": 10,
            "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 },
        }] });
        assert_eq!(LifecyclePolicy::keep(5).kept(), Some(5));
        assert_eq!(LifecyclePolicy::new(written.clone()).kept(), Some(5));
        let mut untagged = written;
        untagged["rules"][0]["selection"]["tagStatus"] = json!("untagged");
        assert_eq!(LifecyclePolicy::new(untagged).kept(), None);
        assert_eq!(LifecyclePolicy::default().kept(), None);
    }
}
