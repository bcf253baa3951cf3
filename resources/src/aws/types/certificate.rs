//! `certificate`: a TLS certificate of Certificate Manager: a public one, validated by DNS or by e-mail, or an imported one.
//!
//! AWS does not record the zone of the validation records. A certificate that is pending validation is read without `zone`, so that the
//! next apply creates the records again; an issued one is read with the zone `validated`, which equals every zone.

mod email;
mod import;
mod validation;

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
    time::{Duration, SystemTime},
};

use acme_macros::spec;
use aws_sdk_acm::types::{
    CertificateDetail, CertificateExport, CertificateOptions, CertificateStatus, CertificateSummary, Filters, KeyAlgorithm,
    ValidationMethod,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use import::Import;

use self::validation::validation_records;
use super::dns_zone::DnsZone;
use crate::{
    aws::{Aws, Cx, for_each_concurrent, from_aws, services, to_aws},
    core::{
        Address, ConditionValues, Created, Declared, Deletion, DnsName, Error, ErrorKind, Existing, GrantTarget, IamActions, IamCondition,
        IamGrant, Observed, Phase, Pointer, PriceContext, Pricing, Problem, Ref, Resource, Result, Scope, TypeInfo, ok_or_not_found,
        referenced_ids,
    },
};

/// A TLS certificate: a public one of AWS, validated by DNS or by e-mail, or an imported one of another authority.
#[spec]
pub struct Certificate {
    /// Main domain name, such as `shop.example.com` or `*.shop.example.com`. Longer names can be alternative names.
    #[field(replaces, lookup, length = 1..=64, important)]
    pub domain: DnsName,
    /// Additional domain names.
    #[field(default, length = 0..=99, pattern = ".{1,253}", replaces)]
    pub alternative_names: BTreeSet<DnsName>,
    /// Proof that the names are yours.
    #[field(unset = "`dns`, when it is requested", replaces, dropped(kept, "the validation of a certificate is permanent"))]
    pub validation: Option<Validation>,
    /// Domains whose administrators get the e-mails, by name of the certificate: the same domain or one above it.
    #[field(default, length = 0..=100, replaces)]
    pub email_domains: BTreeMap<String, DnsName>,
    /// Zone in which acme creates the validation records, except those of names in `more_zones`.
    #[field(unset = "the validation records are created outside acme", after_create, presumed)]
    #[field(dropped(kept, "the certificate keeps the records by which AWS renews it"))]
    pub zone: Option<Ref<DnsZone>>,
    /// Other zones, for names outside `zone`. A validation record is created in the most specific zone that has its name.
    #[field(default, requires = zone, after_create, presumed)]
    pub more_zones: BTreeSet<Ref<DnsZone>>,
    /// Key algorithm.
    #[field(default = Algorithm::Rsa2048, replaces)]
    pub key_algorithm: Algorithm,
    /// Allows exporting it with its private key, at an extra charge.
    #[field(default = false, replaces, important, risky(true, "its private key can be exported"))]
    pub exportable: bool,
    /// Imports a certificate of another authority, with this domain as its common name, instead of requesting one of AWS.
    #[field(unset = "AWS issues a new certificate", important, dropped(kept, "an imported certificate stays imported"))]
    pub import: Option<Import>,
}

/// Key algorithm.
#[spec]
#[derive(Copy, Default)]
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

/// Proof that the names of a certificate are the account's.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "lowercase")]
pub enum Validation {
    /// Records in DNS, by which AWS also renews the certificate.
    #[default]
    Dns,
    /// E-mails to the administrators of the domains, who must confirm each renewal, too.
    Email,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Names and values of the CNAME records that prove the ownership of the domains.
    #[schemars(extend("x-acme-simulated" = { "_{hex32}.{domain,alternative_names}": "_{hex32}.acm-validations.{simulated_domain}" }))]
    pub validation_records: BTreeMap<String, String>,
}

/// Placeholder for the zone of an issued certificate. A rollback that restores one looks for the zone.
const VALIDATED: &str = "validated";

/// The records that prove the control of a domain, such as `_a79865eb4cd1a6ab990a45779b4e0b96.example.com`, and their ownership records.
const VALIDATION_RECORDS: [IamCondition; 2] = [
    IamCondition {
        operator: "ForAllValues:StringLike",
        key: "route53:ChangeResourceRecordSetsNormalizedRecordNames",
        values: ConditionValues::Fixed(&["_*"]),
    },
    IamCondition {
        operator: "ForAllValues:StringEquals",
        key: "route53:ChangeResourceRecordSetsRecordTypes",
        values: ConditionValues::Fixed(&["CNAME", "TXT"]),
    },
];

impl Resource for Certificate {
    const TYPE: TypeInfo =
        TypeInfo::new("certificate", &services::acm::SERVICE, "{arn}", "arn:aws:acm:{region}:{account}:certificate/{uuid}")
            .lost_on_recreation("it is another certificate, which must be validated")
            .typical_seconds(120)
            .iam_actions(
                IamActions::new("acm:certificate/*")
                    .list(&["acm:ListCertificates"])
                    .read(&["acm:DescribeCertificate", "acm:ListTagsForCertificate"])
                    .change(&["acm:DeleteCertificate"])
                    .grants(&[
                        IamGrant::change(&["acm:RequestCertificate"], GrantTarget::TagOnCreate),
                        IamGrant::change(&["acm:ImportCertificate"], GrantTarget::Arn("acm:certificate/*"))
                            .needed_for(|| Certificate::POINTERS.import),
                        IamGrant::change(&["secretsmanager:GetSecretValue"], GrantTarget::Referenced("secret")),
                        IamGrant::change(&["route53:ListHostedZones"], GrantTarget::AllResources),
                        IamGrant::change(&["route53:ListResourceRecordSets"], GrantTarget::Arn("route53:hostedzone/*")),
                        IamGrant::change(&["route53:ChangeResourceRecordSets"], GrantTarget::Arn("route53:hostedzone/*"))
                            .only_if(&VALIDATION_RECORDS),
                    ]),
            );
    type Api = Aws;
    type Outputs = Outputs;

    /// A public certificate is free, unless its key can be exported: <https://aws.amazon.com/certificate-manager/pricing/>.
    fn price(&self, _: &PriceContext<'_>) -> Pricing {
        if self.exportable { Pricing::default().without("a certificate that can be exported") } else { Pricing::default() }
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        // The index lags, so the tags of a certificate that is younger than an hour or has a desired domain are read.
        let young = |summary: &CertificateSummary| {
            let age = summary.created_at.and_then(|at| SystemTime::try_from(at).ok()).and_then(|at| at.elapsed().ok());
            age.is_none_or(|age| age < Duration::from_secs(3600))
        };
        let own = list_summaries(aws).await?.into_iter().filter_map(|summary| {
            let arn = summary.certificate_arn.clone()?;
            let may_own = scope.tag_index.is_none() || scope.covers(summary.domain_name().unwrap_or_default(), &arn) || young(&summary);
            may_own.then_some(arn)
        });
        for_each_concurrent(own, |arn| async move {
            let read = async {
                let reply = ok_or_not_found(aws.acm.list_tags_for_certificate().certificate_arn(&arn).send().await)?;
                Ok(reply.map(|reply| services::acm::from_tags(reply.tags())))
            };
            let Some(mut tags) = scope.tags_or_fetch(&arn, read).await?.filter(|tags| scope.owns(tags)) else { return Ok(None) };
            let Some(detail) = read_detail(aws, &arn).await? else { return Ok(None) };
            let phase = phase(&detail);
            let mut spec = Certificate::read(&detail, &phase);
            if import::is_imported(&detail) {
                // The tags of the create call and of the index may lack the one about the secret.
                let reply = ok_or_not_found(aws.acm.list_tags_for_certificate().certificate_arn(&arn).send().await)?;
                tags = reply.map(|reply| services::acm::from_tags(reply.tags())).unwrap_or_default();
                spec.import = import::Import::read(&mut tags);
            }
            let outputs = Outputs { arn: arn.clone(), validation_records: validation_records(&detail) };
            Ok(Some(Observed::new(arn, tags, spec, outputs).phase(phase)))
        })
        .await
    }

    /// For an hour, AWS returns the same certificate for the same token.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        if let Some(import) = &self.import {
            return Ok(import.create(cx, self.domain.as_str()).await?.into());
        }
        let method = match self.validation {
            None | Some(Validation::Dns) => ValidationMethod::Dns,
            Some(Validation::Email) => ValidationMethod::Email,
        };
        let call = cx.acm.request_certificate().domain_name(self.domain.as_str()).validation_method(method);
        let call = call.set_domain_validation_options(email::options(&self.email_domains)?);
        let names: Vec<_> = self.alternative_names.iter().map(ToString::to_string).collect();
        let call = call
            .set_subject_alternative_names((!names.is_empty()).then_some(names))
            .idempotency_token(services::route53::short_token(&cx.call.token));
        let export = self.exportable.then(|| CertificateOptions::builder().export(CertificateExport::Enabled).build());
        let call = call.key_algorithm(to_aws(&self.key_algorithm).as_str().into()).set_options(export);
        let reply = call.set_tags(Some(services::acm::to_tags(&cx.call.tags))).send().await?;
        Ok(reply.certificate_arn.ok_or_else(|| Error::missing_field("CertificateArn"))?.into())
    }

    /// Creates the validation records. AWS needs them for every renewal, so they stay.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: CertificateChanges) -> Result<()> {
        if let Some(import) = self.import.as_ref().filter(|_| changes.import) {
            return import.update(cx.api, &live.id).await;
        }
        let (true, Some(zone)) = (changes.zone || changes.more_zones, &self.zone) else { return Ok(()) };
        let id = live.id.as_str();
        let detail = read_detail(cx, id)
            .await?
            .ok_or_else(|| Error::new(ErrorKind::NotYetVisible, "NoCertificate", "AWS does not show the certificate yet"))?;
        if matches!(phase(&detail), Phase::Failed(_)) {
            // There will be no records; the read that follows reports the reason.
            return Ok(());
        }
        let options = detail.domain_validation_options();
        if options.is_empty() || options.iter().any(|option| option.resource_record.is_none()) {
            return Err(Error::new(ErrorKind::NotYetVisible, "NoValidationRecord", "AWS does not show the validation records yet"));
        }
        match zone.get() {
            VALIDATED => validation::claim_records_anywhere(cx, id, &validation_records(&detail), None).await,
            zone if self.more_zones.is_empty() => validation::claim_records(cx, id, zone, &validation_records(&detail)).await,
            zone => {
                let zones = referenced_ids(&self.more_zones).into_iter().chain([zone.to_owned()]).collect();
                validation::claim_records_anywhere(cx, id, &validation_records(&detail), Some(&zones)).await
            }
        }
    }

    /// Also deletes the validation records that no other certificate needs, except those that existed before.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let id = live.id.as_str();
        let Some(detail) = read_detail(cx, id).await? else {
            return Err(Error::new(ErrorKind::NotFound, "NoCertificate", "the certificate does not exist"));
        };
        if let Some(user) = detail.in_use_by().first() {
            return Err(Error::new(ErrorKind::Conflict, "ResourceInUseException", format!("the certificate is in use by {user}")));
        }
        validation::release_records(cx, id, &validation_records(&detail)).await?;
        cx.acm.delete_certificate().certificate_arn(id).send().await?;
        Ok(Deletion::Requested)
    }

    /// The validation records of all names are in the zones.
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(certificate) = declared.spec() else { return Vec::new() };
        let named: Vec<&Ref<DnsZone>> = certificate.zone.iter().chain(&certificate.more_zones).collect();
        let zones: Vec<(Address, DnsZone)> = named.iter().filter_map(|zone| declared.referenced(zone)).collect();
        // Of a zone outside the stack, only the id is known.
        if zones.len() < named.len() || zones.is_empty() || zones.iter().any(|(_, zone)| zone.domain.as_str().contains("${")) {
            return Vec::new();
        }
        let is_inside = |name: &str| {
            let name = name.trim_start_matches("*.");
            zones.iter().any(|(_, zone)| name.strip_suffix(zone.domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
        };
        let names = certificate.names().filter(|(_, name)| !name.as_str().contains("${"));
        let homes: Vec<String> = zones.iter().map(|(home, zone)| format!("`{home}` ({})", zone.domain)).collect();
        let problem = |(at, name): (Pointer, &DnsName)| {
            let message = format!("`{name}` can't be validated in {}", homes.join(" or "));
            let help = "add its zone to `more_zones`, or remove `zone` and create the validation records yourself";
            Problem::new(at, message).help(help)
        };
        names.filter(|(_, name)| !is_inside(name.as_str())).map(problem).collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.alternative_names.contains(&self.domain) {
            problems.push(Problem::new(Self::POINTERS.alternative_names, "do not repeat the main domain name"));
        }
        for (at, name) in self.names().filter(|(_, name)| !name.as_str().contains("${") && !is_host_name(name.as_str())) {
            let problem = Problem::new(at, format!("`{name}` is not a valid name for a certificate"));
            problems.push(problem.help("a name has at least two labels of letters, digits and `-`; `*` stands for the whole first label"));
        }
        problems.extend(email::check(self));
        problems.extend(import::check(self));
        problems
    }

    /// Only an imported certificate can be imported again.
    fn replaces(&self, live: &Self) -> CertificateChanges {
        CertificateChanges { import: self.import.is_some() && live.import.is_none(), ..CertificateChanges::default() }
    }

    fn normalize(&self, live: &mut Self) {
        if live.zone.as_ref().is_some_and(|zone| zone.get() == VALIDATED) {
            live.zone = self.zone.clone();
            live.more_zones = self.more_zones.clone();
        }
        if self.validation.is_none() {
            live.email_domains = self.email_domains.clone();
        }
        // The one in the secret has the other settings.
        if self.import.is_some() && live.import.is_some() {
            live.alternative_names = self.alternative_names.clone();
            live.key_algorithm = self.key_algorithm;
            live.exportable = self.exportable;
        }
    }
}

/// Whether ACM accepts a name: <https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html>.
fn is_host_name(name: &str) -> bool {
    let labels = name.strip_prefix("*.").unwrap_or(name).split('.');
    let is_label = |label: &str| {
        !label.starts_with('-') && !label.ends_with('-') && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    labels.clone().count() > 1 && labels.clone().all(|label| !label.is_empty() && is_label(label))
}

impl Certificate {
    /// All names, each with its field.
    fn names(&self) -> impl Iterator<Item = (Pointer, &DnsName)> {
        let more = self.alternative_names.iter().map(|name| (Self::POINTERS.alternative_names, name));
        iter::once((Self::POINTERS.domain, &self.domain)).chain(more)
    }
    fn read(detail: &CertificateDetail, phase: &Phase) -> Certificate {
        let domain = DnsName::new(detail.domain_name().unwrap_or_default());
        Certificate {
            alternative_names: detail.subject_alternative_names().iter().map(|n| DnsName::new(n)).filter(|n| *n != domain).collect(),
            domain,
            validation: email::validation(detail),
            email_domains: email::domains(detail),
            zone: (!matches!(phase, Phase::Progressing(_) | Phase::Waiting(_))).then(|| Ref::to(VALIDATED)),
            more_zones: BTreeSet::new(),
            // AWS accepts EC_prime256v1 and returns EC-prime256v1.
            key_algorithm: detail
                .key_algorithm
                .as_ref()
                .and_then(|name| from_aws(&name.as_str().replace('-', "_")).ok())
                .unwrap_or_default(),
            exportable: detail.options().and_then(|options| options.export.as_ref()) == Some(&CertificateExport::Enabled),
            import: None,
        }
    }
}

fn phase(detail: &CertificateDetail) -> Phase {
    match &detail.status {
        Some(CertificateStatus::PendingValidation) if email::is_used(detail) => email::phase(detail),
        Some(CertificateStatus::PendingValidation) => match validation_records(detail) {
            records if records.is_empty() => Phase::Progressing("pending validation".into()),
            records => {
                let records: Vec<_> = records.iter().map(|(name, value)| format!("{name} CNAME {value}")).collect();
                Phase::Waiting(format!("AWS issues the certificate once public DNS has {}", records.join(", ")))
            }
        },
        Some(CertificateStatus::Issued | CertificateStatus::Inactive) | None => Phase::Ready,
        // It can be imported again.
        Some(CertificateStatus::Expired) if import::is_imported(detail) => Phase::Ready,
        Some(other) => {
            let reason = detail.failure_reason.as_ref().map(|reason| format!(": {}", reason.as_str())).unwrap_or_default();
            Phase::Failed(format!("{}{reason}", other.as_str().to_lowercase().replace('_', " ")))
        }
    }
}

/// Every certificate of the region; without the filter, AWS lists only RSA keys of up to 2048 bits.
async fn list_summaries(aws: &Aws) -> Result<Vec<CertificateSummary>> {
    let algorithms = KeyAlgorithm::values().iter().map(|name| KeyAlgorithm::from(*name)).collect();
    let filters = Filters::builder().set_key_types(Some(algorithms)).build();
    Ok(aws.acm.list_certificates().includes(filters).into_paginator().items().send().try_collect().await?)
}

async fn read_detail(aws: &Aws, arn: &str) -> Result<Option<CertificateDetail>> {
    Ok(ok_or_not_found(aws.acm.describe_certificate().certificate_arn(arn).send().await)?.and_then(|reply| reply.certificate))
}
