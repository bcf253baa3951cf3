//! Certificates of another authority. ACM takes the private key, and never reports it: acme copies it from a secret in Secrets Manager, and
//! records in a tag which one it copied. The key must not get into any message.

use acme_macros::spec;
use aws_sdk_acm::{
    operation::import_certificate::builders::ImportCertificateFluentBuilder,
    primitives::Blob,
    types::{CertificateDetail, CertificateType, Tag},
};

use super::{Algorithm, Certificate, list_summaries};
use crate::{
    aws::{
        Aws, Cx, services,
        types::{parameter::secret_value, secret::Secret},
    },
    core::{ArnRef, Error, Pointer, Problem, Result, Tags},
};

/// A certificate of another authority, in a secret: a JSON object with texts in PEM.
///
/// AWS does not renew it. After a renewal, put the new certificate into the secret, and change `version`.
#[spec]
#[derive(PartialEq, Eq)]
pub struct Import {
    /// Secret with certificate and private key.
    pub secret: ArnRef<Secret>,
    /// Key of the certificate in the secret.
    #[field(default = "certificate", pattern = "[A-Za-z0-9_.-]+", length = 1..=40)]
    pub certificate_key: String,
    /// Key of the unencrypted private key in the secret.
    #[field(default = "private_key", pattern = "[A-Za-z0-9_.-]+", length = 1..=40)]
    pub private_key_key: String,
    /// Key of the certificates of the authorities in the secret; empty for none.
    #[field(default, pattern = "[A-Za-z0-9_.-]*", length = 0..=40)]
    pub chain_key: String,
    /// Any text, such as a date: acme imports the certificate again when it changes, under the same ARN.
    #[field(default, pattern = "[A-Za-z0-9_.:-]*", length = 0..=40)]
    pub version: String,
}

/// Tag that records what acme imported. Users don't see it.
const SOURCE_TAG: &str = "acme:secret";
/// Tag with the token of the creation: a repeated call must not import a second certificate.
const TOKEN_TAG: &str = "acme:token";
/// Stands for an empty part in [`SOURCE_TAG`].
const NONE: &str = "-";

impl Import {
    fn source(&self) -> String {
        let text = |text: &str| if text.is_empty() { NONE.to_owned() } else { text.to_owned() };
        let parts = [&self.certificate_key, &self.private_key_key, &self.chain_key, &self.version].map(|part| text(part));
        format!("{} {}", self.secret.get(), parts.join(" "))
    }

    fn of_source(source: &str) -> Import {
        let mut parts = source.split(' ').map(|part| if part == NONE { String::new() } else { part.to_owned() });
        let mut next = || parts.next().unwrap_or_default();
        let secret = ArnRef::to(next());
        Import { secret, certificate_key: next(), private_key_key: next(), chain_key: next(), version: next() }
    }

    /// The call with the contents of the secret.
    async fn call(&self, aws: &Aws) -> Result<ImportCertificateFluentBuilder> {
        let secret = self.secret.get();
        let blob = |text: String| Blob::new(text.into_bytes());
        let call = aws.acm.import_certificate().certificate(blob(secret_value(aws, secret, &self.certificate_key).await?));
        let call = call.private_key(blob(secret_value(aws, secret, &self.private_key_key).await?));
        Ok(if self.chain_key.is_empty() { call } else { call.certificate_chain(blob(secret_value(aws, secret, &self.chain_key).await?)) })
    }

    /// Imports a new certificate; returns its ARN.
    pub(super) async fn create(&self, cx: &Cx<'_>, domain: &str) -> Result<String> {
        let token = services::route53::short_token(&cx.call.token);
        if let Some(arn) = find(cx.api, domain, &token).await? {
            return Ok(arn);
        }
        let mut tags = cx.call.tags.clone();
        tags.extend([(SOURCE_TAG.to_owned(), self.source()), (TOKEN_TAG.to_owned(), token)]);
        let reply = self.call(cx.api).await?.set_tags(Some(services::acm::to_tags(&tags))).send().await?;
        reply.certificate_arn.ok_or_else(|| Error::missing_field("CertificateArn"))
    }

    /// Imports it again, in place of the current one. The call accepts no tags.
    pub(super) async fn update(&self, aws: &Aws, arn: &str) -> Result<()> {
        self.call(aws).await?.certificate_arn(arn).send().await?;
        let tag = Tag::builder().key(SOURCE_TAG).value(self.source()).build()?;
        aws.acm.add_tags_to_certificate().certificate_arn(arn).tags(tag).send().await?;
        Ok(())
    }

    /// What acme imported, from the tags of an imported certificate, which lose it.
    pub(super) fn read(tags: &mut Tags) -> Option<Import> {
        tags.remove(TOKEN_TAG);
        tags.remove(SOURCE_TAG).map(|source| Import::of_source(&source))
    }
}

/// The certificate that an earlier attempt with this token imported. ImportCertificate has no token of its own.
async fn find(aws: &Aws, domain: &str, token: &str) -> Result<Option<String>> {
    let all = list_summaries(aws).await?.into_iter();
    let candidates = all.filter(|one| one.r#type == Some(CertificateType::Imported) && one.domain_name.as_deref() == Some(domain));
    for arn in candidates.filter_map(|one| one.certificate_arn) {
        let tags = aws.acm.list_tags_for_certificate().certificate_arn(&arn).send().await?;
        if services::acm::from_tags(tags.tags()).get(TOKEN_TAG).is_some_and(|of| of == token) {
            return Ok(Some(arn));
        }
    }
    Ok(None)
}

pub(super) fn is_imported(detail: &CertificateDetail) -> bool {
    detail.r#type == Some(CertificateType::Imported)
}

/// The certificate in the secret has everything but the domain, by which acme finds it.
pub(super) fn check(certificate: &Certificate) -> Vec<Problem> {
    if certificate.import.is_none() {
        return Vec::new();
    }
    let fields = Certificate::POINTERS;
    let others: [(Pointer, bool); 7] = [
        (fields.alternative_names, !certificate.alternative_names.is_empty()),
        (fields.validation, certificate.validation.is_some()),
        (fields.email_domains, !certificate.email_domains.is_empty()),
        (fields.zone, certificate.zone.is_some()),
        (fields.more_zones, !certificate.more_zones.is_empty()),
        (fields.key_algorithm, certificate.key_algorithm != Algorithm::Rsa2048),
        (fields.exportable, certificate.exportable),
    ];
    let set = others.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(at, _)| Problem::new(at, "the imported certificate decides").help("remove the field, or `import`")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_the_tags_that_it_writes() {
        let arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-AbCdEf";
        for more in [json!({}), json!({ "chain_key": "chain", "version": "2030-01-01" }), json!({ "version": "2" })] {
            let mut written = json!({ "secret": arn });
            written.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            let import: Import = serde_json::from_value(written).expect("an import");
            let mut tags: Tags = [(SOURCE_TAG, import.source()), (TOKEN_TAG, "t".to_owned())].map(|(k, v)| (k.to_owned(), v)).into();
            assert_eq!(Import::read(&mut tags), Some(import));
            assert!(tags.is_empty());
        }
    }
}
