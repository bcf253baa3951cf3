//! `certificate`: a public TLS certificate of Certificate Manager, validated by DNS.
//!
//! AWS does not keep which zone we proved the domain in. A certificate that waits for validation reads as one without `zone`, so
//! that the next apply puts the records again; an issued one reads as `validated`, which equals every zone.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use aws_sdk_acm::types::{
    CertificateDetail, CertificateExport, CertificateOptions, CertificateStatus, CertificateSummary, Filters, KeyAlgorithm,
    ValidationMethod,
};
use aws_sdk_route53::types::{ChangeAction, HostedZone, ResourceRecord, ResourceRecordSet, RrType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    dns_record::{at, change, mark},
    dns_zone::{DnsZone, short},
};
use crate::{
    aws::{Aws, each, tags},
    core::{
        Actions, Changed, DnsName, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On, Phase,
        Problem, Ref, Result, STACK, Scope, Service, Sort, ok_or_not_found,
    },
};

/// A public TLS certificate, validated by DNS.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Its main domain name, such as `shop.example.com` or `*.shop.example.com`. Changing it replaces the certificate.
    pub domain: DnsName,
    /// Further domain names. Default: none. Changing them replaces the certificate.
    #[serde(default)]
    pub alternative_names: BTreeSet<DnsName>,
    /// The zone that gets the validation records, for all of the names. Without it, someone else puts them.
    #[serde(default)]
    pub zone: Option<Ref<DnsZone>>,
    /// Kind of key. Default: `RSA_2048`. Changing it replaces the certificate.
    #[serde(default)]
    pub key_algorithm: Algorithm,
    /// May be exported with its private key, which AWS charges for. Default: false. Changing it replaces the certificate.
    #[serde(default)]
    pub exportable: bool,
}

/// Kind of key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Algorithm {
    #[default]
    #[serde(rename = "RSA_2048")]
    Rsa2048,
    #[serde(rename = "EC_prime256v1")]
    EcPrime256v1,
    #[serde(rename = "EC_secp384r1")]
    EcSecp384r1,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Names and values of the CNAME records that prove the ownership of the domains.
    pub validation_records: BTreeMap<String, String>,
}

/// Stands for the zone of an issued certificate.
const VALIDATED: &str = "validated";

impl Resource for Certificate {
    const TYPE: &'static str = "certificate";
    const SERVICE: Service = Service::Acm;
    const WANTED: Option<&'static str> = Some("/domain");
    const REPLACE: &'static [&'static str] = &["/domain", "/alternative_names", "/key_algorithm", "/exportable"];
    const ARN: Option<&'static str> = Some("acm:certificate/");
    const USUAL: Duration = Duration::from_secs(120);
    const ACTIONS: Actions = Actions::on("acm:certificate/*")
        .list(&["acm:ListCertificates"])
        .read(&["acm:DescribeCertificate", "acm:ListTagsForCertificate"])
        .change(&["acm:DeleteCertificate"])
        .more(&[
            Grant::change(&["acm:RequestCertificate"], On::Marking),
            Grant::change(&["route53:ListHostedZones"], On::Everything),
            Grant::change(&["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"], On::Arn("route53:hostedzone/*")),
        ]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        // The index lags behind changes: what is younger than an hour or has a wanted domain is asked.
        let young = |summary: &CertificateSummary| {
            let age = summary.created_at.and_then(|at| SystemTime::try_from(at).ok()).and_then(|at| at.elapsed().ok());
            age.is_none_or(|age| age < Duration::from_secs(3600))
        };
        let own = summaries(aws).await?.into_iter().filter_map(|summary| {
            let arn = summary.certificate_arn.clone()?;
            let asked = scope.index.is_none() || scope.covers(summary.domain_name().unwrap_or_default(), &arn) || young(&summary);
            asked.then_some(arn)
        });
        each(own, |arn| async move {
            let ask = async {
                let reply = ok_or_not_found(aws.acm.list_tags_for_certificate().certificate_arn(&arn).send().await)?;
                Ok(reply.map(|reply| tags::from_acm(reply.tags())))
            };
            let Some(tags) = scope.tags_or(&arn, ask).await?.filter(|tags| scope.owns(tags)) else { return Ok(None) };
            let Some(detail) = detail(aws, &arn).await? else { return Ok(None) };
            let phase = phase(&detail);
            Ok(Some(Observed {
                tags,
                spec: Certificate::read(&detail, &phase),
                phase,
                outputs: Outputs { arn: arn.clone(), validation_records: validation_records(&detail) },
                id: arn,
            }))
        })
        .await
    }

    /// With the same token AWS answers with the same certificate for an hour.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let call = cx.aws.acm.request_certificate().domain_name(self.domain.as_str()).validation_method(ValidationMethod::Dns);
        let names: Vec<_> = self.alternative_names.iter().map(ToString::to_string).collect();
        let call = call.set_subject_alternative_names((!names.is_empty()).then_some(names)).idempotency_token(short(cx.token));
        let call = call.key_algorithm(match self.key_algorithm {
            Algorithm::Rsa2048 => KeyAlgorithm::Rsa2048,
            Algorithm::EcPrime256v1 => KeyAlgorithm::EcPrime256v1,
            Algorithm::EcSecp384r1 => KeyAlgorithm::EcSecp384r1,
        });
        let export = self.exportable.then(|| CertificateOptions::builder().export(CertificateExport::Enabled).build());
        let reply = call.set_options(export).set_tags(Some(tags::acm(cx.tags))).send().await?;
        reply.certificate_arn.ok_or_else(|| Error::missing("CertificateArn"))
    }

    fn created(&self) -> Self {
        Certificate { zone: None, ..self.clone() }
    }

    /// Puts the validation records. AWS renews with them, so they stay. Certificates of the same name share one, in all regions of
    /// the account: a mark per certificate beside it says who still needs it.
    /// <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>
    async fn update(&self, cx: &Cx<'_>, id: &str, _: &Self, changed: &Changed) -> Result<()> {
        let (true, Some(zone)) = (changed.has("/zone"), &self.zone) else { return Ok(()) };
        let detail = detail(cx.aws, id).await?.ok_or_else(|| Error::new(Sort::NotYet, "NoCertificate", "AWS does not show it yet"))?;
        if matches!(phase(&detail), Phase::Failed(_)) {
            // There will be no records; why is told by the read that follows.
            return Ok(());
        }
        let options = detail.domain_validation_options();
        if options.is_empty() || options.iter().any(|option| option.resource_record.is_none()) {
            return Err(Error::new(Sort::NotYet, "NoValidationRecord", "AWS has not said yet which records prove the ownership"));
        }
        let mut changes = Vec::new();
        for (name, value) in validation_records(&detail) {
            let record = ResourceRecord::builder().value(value).build()?;
            let set = ResourceRecordSet::builder().name(&name).r#type(RrType::Cname).ttl(300).resource_records(record).build()?;
            let text = format!("{STACK}={},certificate={id}", cx.stack);
            changes.push(change(ChangeAction::Upsert, set)?);
            changes.push(change(ChangeAction::Upsert, mark(&mark_name(&name), uuid(id), &text)?)?);
        }
        cx.aws.dns_changes.submit(zone.get(), changes).await
    }

    /// Takes the validation records that carry no other certificate's mark along.
    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        let Some(detail) = detail(cx.aws, id).await? else {
            return Err(Error::new(Sort::Gone, "NoCertificate", "there is no such certificate"));
        };
        if let Some(user) = detail.in_use_by().first() {
            return Err(Error::new(Sort::Conflict, "ResourceInUseException", format!("the certificate is in use by {user}")));
        }
        let records = validation_records(&detail);
        let zones: Vec<HostedZone> = match records.is_empty() {
            true => Vec::new(),
            false => cx.aws.route53.list_hosted_zones().into_paginator().items().send().try_collect().await?,
        };
        for zone in zones.iter().filter(|zone| zone.config().is_none_or(|config| !config.private_zone)) {
            let domain = format!(".{}", DnsName::new(&zone.name));
            let mut changes = Vec::new();
            for name in records.keys().filter(|name| name.ends_with(&domain)) {
                let marks = at(cx.aws, &zone.id, &mark_name(name), &RrType::Txt).await?;
                let (ours, others): (Vec<_>, Vec<_>) = marks.into_iter().partition(|set| set.set_identifier() == Some(uuid(id)));
                let record = match !ours.is_empty() && others.is_empty() {
                    true => at(cx.aws, &zone.id, name, &RrType::Cname).await?,
                    false => Vec::new(),
                };
                let sets = record.into_iter().chain(ours).map(|set| change(ChangeAction::Delete, set));
                changes.extend(sets.collect::<Result<Vec<_>>>()?);
            }
            if !changes.is_empty() {
                ok_or_not_found(cx.aws.dns_changes.submit(zone.id.trim_start_matches("/hostedzone/"), changes).await)?;
            }
        }
        cx.aws.acm.delete_certificate().certificate_arn(id).send().await?;
        Ok(())
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.domain.as_str().len() > 64 && !self.domain.as_str().contains("${") {
            let problem = Problem::new("/domain", "the main domain name has at most 64 characters");
            problems.push(problem.help("make a shorter one the main name and this one an alternative"));
        }
        if self.alternative_names.contains(&self.domain) {
            problems.push(Problem::new("/alternative_names", "the main domain name need not be repeated"));
        }
        problems
    }

    fn align(&self, live: &mut Self) {
        if live.zone.as_ref().is_some_and(|zone| zone.get() == VALIDATED) {
            live.zone = self.zone.clone();
        }
    }
}

impl Certificate {
    fn read(detail: &CertificateDetail, phase: &Phase) -> Certificate {
        let domain = DnsName::new(detail.domain_name().unwrap_or_default());
        Certificate {
            alternative_names: detail.subject_alternative_names().iter().map(|n| DnsName::new(n)).filter(|n| *n != domain).collect(),
            domain,
            zone: (!matches!(phase, Phase::Settling(_))).then(|| Ref::to(VALIDATED)),
            // What is asked for as EC_prime256v1 is described as EC-prime256v1.
            key_algorithm: match detail.key_algorithm.as_ref().map(|name| name.as_str().replace('-', "_")).as_deref() {
                Some("EC_prime256v1") => Algorithm::EcPrime256v1,
                Some("EC_secp384r1") => Algorithm::EcSecp384r1,
                _ => Algorithm::Rsa2048,
            },
            exportable: detail.options().and_then(|options| options.export.as_ref()) == Some(&CertificateExport::Enabled),
        }
    }
}

fn phase(detail: &CertificateDetail) -> Phase {
    match &detail.status {
        Some(CertificateStatus::PendingValidation) => Phase::Settling("pending validation".into()),
        Some(CertificateStatus::Issued | CertificateStatus::Inactive) | None => Phase::Ready,
        Some(other) => {
            let reason = detail.failure_reason.as_ref().map(|reason| format!(": {}", reason.as_str())).unwrap_or_default();
            Phase::Failed(format!("{}{reason}", other.as_str().to_lowercase().replace('_', " ")))
        }
    }
}

/// Every certificate of the region; without the filter AWS leaves out all but RSA keys of up to 2048 bits.
async fn summaries(aws: &Aws) -> Result<Vec<CertificateSummary>> {
    let kinds = KeyAlgorithm::values().iter().map(|name| KeyAlgorithm::from(*name)).collect();
    let filters = Filters::builder().set_key_types(Some(kinds)).build();
    Ok(aws.acm.list_certificates().includes(filters).into_paginator().items().send().try_collect().await?)
}

async fn detail(aws: &Aws, arn: &str) -> Result<Option<CertificateDetail>> {
    Ok(ok_or_not_found(aws.acm.describe_certificate().certificate_arn(arn).send().await)?.and_then(|reply| reply.certificate))
}

/// Name → value; a domain and its wildcard share one.
fn validation_records(detail: &CertificateDetail) -> BTreeMap<String, String> {
    let records = detail.domain_validation_options().iter().filter_map(|option| option.resource_record.as_ref());
    records.map(|record| (DnsName::new(&record.name).to_string(), DnsName::new(&record.value).to_string())).collect()
}

fn mark_name(record: &str) -> String {
    format!("_acme-certificate.{record}")
}

/// The part of a certificate's ARN that no other has.
fn uuid(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}
