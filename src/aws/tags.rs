//! Conversion of tags to and from every service's types, and changes of live tags.

use std::collections::HashMap;

use crate::{
    aws::Aws,
    core::{Error, ErrorKind, Result, Service, TagChange, Tags},
};

/// Defines both conversions for one service: tags → the SDK's list, the SDK's list → tags.
macro_rules! tag_conversions {
    ($($service:literal, $to:ident, $from:ident, $tag:ty, $key:ident, $value:ident, |$build:ident| $built:expr, |$text:ident| $plain:expr;)*) => {$(
        #[doc = concat!("Converts tags to the type of ", $service, ".")]
        pub fn $to(tags: &Tags) -> Vec<$tag> {
            tags.iter().filter_map(|(key, value)| { let $build = <$tag>::builder().$key(key).$value(value).build(); $built }).collect()
        }
        #[doc = concat!("Converts tags from the type of ", $service, ".")]
        pub fn $from(tags: &[$tag]) -> Tags {
            tags.iter().filter_map(|tag| Some(({ let $text = tag.$key.clone(); $plain }?, { let $text = tag.$value.clone(); $plain }.unwrap_or_default()))).collect()
        }
    )*};
}

tag_conversions! {
    "EC2", ec2, from_ec2, aws_sdk_ec2::types::Tag, key, value, |t| Some(t), |s| s;
    "RDS", rds, from_rds, aws_sdk_rds::types::Tag, key, value, |t| Some(t), |s| s;
    "Secrets Manager", secretsmanager, from_secretsmanager, aws_sdk_secretsmanager::types::Tag, key, value, |t| Some(t), |s| s;
    "Route 53", route53, from_route53, aws_sdk_route53::types::Tag, key, value, |t| Some(t), |s| s;
    "IAM", iam, from_iam, aws_sdk_iam::types::Tag, key, value, |t| t.ok(), |s| Some(s);
    "ECR", ecr, from_ecr, aws_sdk_ecr::types::Tag, key, value, |t| t.ok(), |s| Some(s);
    "S3", s3, from_s3, aws_sdk_s3::types::Tag, key, value, |t| t.ok(), |s| Some(s);
    "Elastic Load Balancing", elbv2, from_elbv2, aws_sdk_elasticloadbalancingv2::types::Tag, key, value, |t| Some(t), |s| s.into_option();
    "WAF", wafv2, from_wafv2, aws_sdk_wafv2::types::Tag, key, value, |t| t.ok(), |s| Some(s);
    "KMS", kms, from_kms, aws_sdk_kms::types::Tag, tag_key, tag_value, |t| t.ok(), |s| Some(s);
    "Certificate Manager", acm, from_acm, aws_sdk_acm::types::Tag, key, value, |t| t.ok(), |s| s.into_option();
}

/// A field that is optional in some SDKs and required in others.
trait IntoOption {
    fn into_option(self) -> Option<String>;
}
impl IntoOption for String {
    fn into_option(self) -> Option<String> {
        Some(self)
    }
}
impl IntoOption for Option<String> {
    fn into_option(self) -> Option<String> {
        self
    }
}

/// Tags in a create call of EC2.
pub fn ec2_specification(tags: &Tags, of: aws_sdk_ec2::types::ResourceType) -> aws_sdk_ec2::types::TagSpecification {
    aws_sdk_ec2::types::TagSpecification::builder().resource_type(of).set_tags(Some(ec2(tags))).build()
}

/// Converts tags to the type of EKS, a map.
pub fn to_map(tags: &Tags) -> HashMap<String, String> {
    tags.clone().into_iter().collect()
}

/// Converts tags from the type of EKS.
pub fn from_map(tags: Option<&HashMap<String, String>>) -> Tags {
    tags.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
}

async fn put_bucket_tags(aws: &Aws, bucket: &str, tags: &Tags) -> Result<()> {
    let tagging = aws_sdk_s3::types::Tagging::builder().set_tag_set(Some(s3(tags))).build()?;
    aws.s3.put_bucket_tagging().bucket(bucket).tagging(tagging).send().await?;
    Ok(())
}

/// Changes tags with the common calls of a service.
///
/// # Errors
/// Returns errors of the service.
pub async fn retag(aws: &Aws, service: Service, change: &TagChange<'_>) -> Result<()> {
    let TagChange { id, arn, set, remove, after } = change;
    let (id, arn) = (*id, *arn);
    /// Makes one call to set and one to remove tags, each only if necessary.
    macro_rules! set_and_remove {
        ($set:expr, $remove:expr) => {{
            if !set.is_empty() {
                $set.send().await?;
            }
            if !remove.is_empty() {
                $remove.send().await?;
            }
        }};
    }
    let removed = || Some(remove.clone());
    match service {
        Service::Ec2 => set_and_remove!(
            aws.ec2.create_tags().resources(id).set_tags(Some(ec2(set))),
            aws.ec2
                .delete_tags()
                .resources(id)
                .set_tags(Some(remove.iter().map(|key| aws_sdk_ec2::types::Tag::builder().key(key).build()).collect()))
        ),
        Service::Eks => set_and_remove!(
            aws.eks.tag_resource().resource_arn(arn).set_tags(Some(to_map(set))),
            aws.eks.untag_resource().resource_arn(arn).set_tag_keys(removed())
        ),
        Service::Rds => set_and_remove!(
            aws.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(rds(set))),
            aws.rds.remove_tags_from_resource().resource_name(arn).set_tag_keys(removed())
        ),
        Service::Ecr => set_and_remove!(
            aws.ecr.tag_resource().resource_arn(arn).set_tags(Some(ecr(set))),
            aws.ecr.untag_resource().resource_arn(arn).set_tag_keys(removed())
        ),
        Service::Kms => {
            set_and_remove!(
                aws.kms.tag_resource().key_id(id).set_tags(Some(kms(set))),
                aws.kms.untag_resource().key_id(id).set_tag_keys(removed())
            )
        }
        Service::SecretsManager => set_and_remove!(
            aws.secretsmanager.tag_resource().secret_id(arn).set_tags(Some(secretsmanager(set))),
            aws.secretsmanager.untag_resource().secret_id(arn).set_tag_keys(removed())
        ),
        Service::Elbv2 => set_and_remove!(
            aws.elbv2.add_tags().resource_arns(arn).set_tags(Some(elbv2(set))),
            aws.elbv2.remove_tags().resource_arns(arn).set_tag_keys(removed())
        ),
        Service::Wafv2 => set_and_remove!(
            aws.wafv2.tag_resource().resource_arn(arn).set_tags(Some(wafv2(set))),
            aws.wafv2.untag_resource().resource_arn(arn).set_tag_keys(removed())
        ),
        Service::Acm => set_and_remove!(
            aws.acm.add_tags_to_certificate().certificate_arn(arn).set_tags(Some(acm(set))),
            aws.acm
                .remove_tags_from_certificate()
                .certificate_arn(arn)
                .set_tags(Some(remove.iter().filter_map(|key| aws_sdk_acm::types::Tag::builder().key(key).build().ok()).collect()))
        ),
        Service::Route53 => {
            let (resource_type, zone) = (aws_sdk_route53::types::TagResourceType::Hostedzone, id.trim_start_matches("/hostedzone/"));
            let add = route53(set);
            // A call accepts at most ten of each, and at least one.
            for n in 0..add.len().max(remove.len()).div_ceil(10) {
                let call = aws.route53.change_tags_for_resource().resource_type(resource_type.clone()).resource_id(zone);
                let call = call.set_add_tags(add.chunks(10).nth(n).map(<[_]>::to_vec));
                call.set_remove_tag_keys(remove.chunks(10).nth(n).map(<[_]>::to_vec)).send().await?;
            }
        }
        // S3 has no call for single tags, so the complete set is written.
        Service::S3 => match put_bucket_tags(aws, id, after).await {
            // The set includes AWS's own tags, such as those of CloudFormation.
            Err(error) if error.code == "InvalidTag" && error.message.to_lowercase().contains("system tags") => {
                let there = from_s3(aws.s3.get_bucket_tagging().bucket(id).send().await?.tag_set());
                let own = there.into_iter().filter(|(key, _)| key.starts_with("aws:"));
                put_bucket_tags(aws, id, &own.chain((*after).clone()).collect()).await?;
            }
            put => put?,
        },
        Service::Iam => {
            return Err(Error::new(ErrorKind::Rejected, "Tags", "each IAM type has its own calls for tags: see `Resource::retag`"));
        }
    }
    Ok(())
}
