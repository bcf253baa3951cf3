//! `cloudfront_function`: a function of CloudFront, which runs in its edge locations.

use std::collections::BTreeSet;

use aws_sdk_cloudfront::{
    primitives::Blob,
    types::{FunctionConfig, FunctionRuntime, FunctionStage, FunctionSummary, KeyValueStoreAssociation, KeyValueStoreAssociations},
};

use super::{cloudfront_cache_policy::quantity, prelude::*};
use crate::aws::{
    from_aws,
    services::cloudfront::{partition_problem, sdk_tags, tags},
    to_aws,
};

/// Largest code, in bytes: <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/cloudfront-limits.html>.
const MAX_CODE_BYTES: usize = 10_240;

/// A function of CloudFront, which runs in its edge locations for each request or response. Distributions always use the published code.
#[spec]
pub struct CloudfrontFunction {
    /// Name, unique in the account.
    #[field(name(max = 64), pattern = "[A-Za-z0-9_-]+", replaces)]
    pub name: Option<String>,
    /// JavaScript with a function `handler(event)`, at most 10 KB. Everyone who can read the function sees it, so it must not contain
    /// secrets.
    #[field(length = 1..=10_240, after_create = String::new(), important)]
    pub code: String,
    /// Version of the language.
    #[field(default)]
    pub runtime: EdgeRuntime,
    /// Comment.
    #[field(default, length = 0..=128)]
    pub comment: String,
    /// ARN of the key-value store that the code reads.
    #[field(default, length = 0..=1, pattern = "arn:aws[a-z-]*:cloudfront::[0-9]{12}:key-value-store/[0-9a-f-]{36}")]
    pub key_value_stores: BTreeSet<String>,
}

/// Version of the language of a function.
#[spec]
#[derive(Copy, Default)]
pub enum EdgeRuntime {
    /// ECMAScript 5.1 with some features of later versions.
    #[serde(rename = "cloudfront-js-1.0")]
    Js1,
    /// As 1.0, with `async`, buffers, key-value stores and others.
    #[default]
    #[serde(rename = "cloudfront-js-2.0")]
    Js2,
}

/// Calls.
const CALLS: UsageKey = UsageKey::new("calls", "calls in a month");

impl Resource for CloudfrontFunction {
    const TYPE: TypeInfo =
        TypeInfo::new("cloudfront_function", &services::cloudfront::SERVICE, "{name}", "arn:aws:cloudfront::{account}:function/{name}")
            .global()
            .listed_with(&["cloudfront_distribution"])
            .without_token()
            .quota(100, "TooManyFunctions")
            .not_found("NoSuchFunctionExists")
            .already_exists("FunctionAlreadyExists")
            .in_use("FunctionInUse")
            .iam_actions(
                IamActions::new("cloudfront:function/{name}")
                    .list(&["cloudfront:ListFunctions"])
                    .read(&["cloudfront:DescribeFunction", "cloudfront:GetFunction", "cloudfront:ListTagsForResource"])
                    .change(&["cloudfront:DeleteFunction", "cloudfront:PublishFunction", "cloudfront:UpdateFunction"])
                    .grants(&[IamGrant::change(&["cloudfront:CreateFunction"], GrantTarget::TagOnCreate)]),
            );
    const USAGE: &'static [UsageKey] = &[CALLS];
    type Api = Aws;
    type Outputs = ArnOutput;

    /// <https://aws.amazon.com/cloudfront/pricing/>
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let product = Product::new("AmazonCloudFront").with("usagetype", "Executions-CloudFrontFunctions").global();
        Pricing::of(vec![context.metered("calls", &CALLS, "calls", product)])
    }

    /// Every function has a version in development; distributions use the published one.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let (mut ours, mut marker) = (Vec::new(), None);
        loop {
            let call = aws.cloudfront.list_functions().stage(FunctionStage::Development).set_marker(marker);
            let Some(list) = call.send().await?.function_list else { break };
            let functions = list.items.unwrap_or_default().into_iter();
            ours.extend(functions.filter(|function| scope.covers(&function.name, arn_of(function))));
            marker = list.next_marker.filter(|marker| !marker.is_empty());
            if marker.is_none() {
                break;
            }
        }
        for_each_concurrent(ours, |function| read(aws, scope, function)).await
    }

    /// A new function is in development until it is published.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let name = self.name.clone().unwrap_or_default();
        let call = cx.cloudfront.create_function().name(&name).function_config(self.config()?);
        call.function_code(Blob::new(self.code.clone())).tags(sdk_tags(&cx.call.tags)).send().await?;
        Ok(name.into())
    }

    /// Changes the version in development where it differs, and publishes it.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, _: CloudfrontFunctionChanges) -> Result<()> {
        let client = &cx.cloudfront;
        let describe = || client.describe_function().name(&live.id).stage(FunctionStage::Development).send();
        let draft = describe().await?;
        let code = client.get_function().name(&live.id).stage(FunctionStage::Development).send().await?.function_code;
        let mut version = draft.e_tag;
        let config = draft.function_summary.and_then(|summary| summary.function_config);
        let is_same = config.is_some_and(|config| self.has_config(&config));
        if !is_same || code.is_none_or(|code| code.as_ref() != self.code.as_bytes()) {
            let call = client.update_function().name(&live.id).set_if_match(version).function_config(self.config()?);
            let updated = call.function_code(Blob::new(self.code.clone())).send().await?.e_tag;
            // AWS misspells the header with the version, so others may not send it.
            version = match updated {
                Some(version) => Some(version),
                None => describe().await?.e_tag,
            };
        }
        client.publish_function().name(&live.id).set_if_match(version).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let draft = cx.cloudfront.describe_function().name(&live.id).stage(FunctionStage::Development).send().await?;
        Deletion::requested(cx.cloudfront.delete_function().name(&live.id).set_if_match(draft.e_tag).send().await)
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.code.len() > MAX_CODE_BYTES {
            let message = format!("the code has {} bytes, and CloudFront accepts {MAX_CODE_BYTES}", self.code.len());
            problems.push(Problem::new(Self::POINTERS.code, message));
        }
        if !self.key_value_stores.is_empty() && matches!(self.runtime, EdgeRuntime::Js1) {
            let problem = Problem::new(Self::POINTERS.key_value_stores, "the runtime `cloudfront-js-1.0` has no key-value stores");
            problems.push(problem.help("use `cloudfront-js-2.0`"));
        }
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        partition_problem(declared.region()).into_iter().collect()
    }
}

impl CloudfrontFunction {
    /// Whether a configuration is that of the spec.
    fn has_config(&self, config: &FunctionConfig) -> bool {
        let stores = config.key_value_store_associations.as_ref().map(|stores| stores.items()).unwrap_or_default();
        config.comment == self.comment
            && config.runtime.as_str() == to_aws(&self.runtime)
            && stores.iter().map(|store| &store.key_value_store_arn).eq(&self.key_value_stores)
    }

    fn config(&self) -> Result<FunctionConfig> {
        let config = FunctionConfig::builder().comment(&self.comment).runtime(FunctionRuntime::from(to_aws(&self.runtime).as_str()));
        if self.key_value_stores.is_empty() {
            return Ok(config.build()?);
        }
        let store = |arn: &String| KeyValueStoreAssociation::builder().key_value_store_arn(arn).build();
        let stores = self.key_value_stores.iter().map(store).collect::<std::result::Result<Vec<_>, _>>()?;
        let stores = KeyValueStoreAssociations::builder().quantity(quantity(stores.len())).set_items(Some(stores)).build()?;
        Ok(config.key_value_store_associations(stores).build()?)
    }
}

fn arn_of(function: &FunctionSummary) -> &str {
    function.function_metadata.as_ref().map(|metadata| metadata.function_arn.as_str()).unwrap_or_default()
}

/// Reads the published version; one that was never published has no code. `None`: it was deleted, or is not part of the stack.
async fn read(aws: &Aws, scope: &Scope, draft: FunctionSummary) -> Result<Option<Observed<CloudfrontFunction>>> {
    let (client, arn, name) = (&aws.cloudfront, arn_of(&draft).to_owned(), draft.name.clone());
    let tags = scope.tags_or_fetch(&arn, tags(aws, &arn)).await?;
    let Some(tags) = tags.filter(|tags| scope.owns(tags) || scope.lookup.contains(&name)) else { return Ok(None) };
    let published = ok_or_not_found(client.describe_function().name(&name).stage(FunctionStage::Live).send().await)?;
    let code = match &published {
        Some(_) => ok_or_not_found(client.get_function().name(&name).stage(FunctionStage::Live).send().await)?,
        None => None,
    };
    let code = code.and_then(|reply| reply.function_code).map(Blob::into_inner).unwrap_or_default();
    let published = published.and_then(|reply| reply.function_summary).and_then(|summary| summary.function_config);
    let config = published.or(draft.function_config).ok_or_else(|| Error::missing_field("FunctionConfig"))?;
    let stores = config.key_value_store_associations.and_then(|stores| stores.items).unwrap_or_default();
    let spec = CloudfrontFunction {
        name: Some(name.clone()),
        code: String::from_utf8_lossy(&code).into_owned(),
        runtime: from_aws(config.runtime.as_str())?,
        comment: config.comment,
        key_value_stores: stores.into_iter().map(|store| store.key_value_store_arn).collect(),
    };
    Ok(Some(Observed::new(name, tags, spec, ArnOutput { arn })))
}
