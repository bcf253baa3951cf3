//! Images, instance types and key pairs: AWS accepts a template with any, and then launches no instance.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::Filter;

use super::{LaunchTemplate, LaunchTemplateChanges};
use crate::{
    aws::{
        Aws,
        types::eks_node_group::preflight::{all_types, key_pairs, missing},
    },
    core::{Error, Problem, Questions},
};

/// Checks the values that only AWS knows.
pub(super) async fn preflight(template: &LaunchTemplate, questions: &Questions<'_, Aws>, changes: LaunchTemplateChanges) -> Vec<Problem> {
    let image = async { missing_image(questions, template.image.as_deref().filter(|_| changes.image)?).await };
    let key_pair = async {
        let name = template.key_name.as_deref().filter(|name| changes.key_name && !name.contains("${"))?;
        missing(LaunchTemplate::POINTERS.key_name, name, "key pair", "key pairs", &key_pairs(questions).await?)
    };
    let instance_type = async {
        let name = template.instance_type.as_deref().filter(|_| changes.instance_type)?;
        let all = all_types(questions).await?;
        let all = all.iter().map(String::as_str);
        Problem::not_offered(LaunchTemplate::POINTERS.instance_type, name, "instance types", " in this region", all)
    };
    let (image, key_pair, instance_type) = tokio::join!(image, key_pair, instance_type);
    [image, key_pair, instance_type].into_iter().flatten().collect()
}

/// Problem with an image that does not exist, or is not shared with the account.
async fn missing_image(questions: &Questions<'_, Aws>, image: &str) -> Option<Problem> {
    if !image.starts_with("ami-") {
        return None;
    }
    let call = |aws: &Aws| {
        let only = Filter::builder().name("image-id").values(image).build();
        let pages = aws.ec2.describe_images().filters(only).into_paginator().items().send();
        async move {
            let images: Vec<_> = pages.try_collect().await.map_err(Error::from)?;
            Ok(images.into_iter().filter_map(|image| image.image_id).collect())
        }
    };
    let found: BTreeSet<String> = questions.ask("ec2:DescribeImages", image, call).await?;
    let problem = Problem::new(LaunchTemplate::POINTERS.image, format!("the account has no access to an image `{image}` in this region"));
    found
        .is_empty()
        .then(|| problem.help("choose an image of this region, or `resolve:ssm:` and the name of a parameter of AWS with the newest one"))
}
