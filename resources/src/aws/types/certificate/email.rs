//! Validation of a certificate by e-mail: <https://docs.aws.amazon.com/acm/latest/userguide/email-validation.html>.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_acm::types::{CertificateDetail, DomainValidation, DomainValidationOption, ValidationMethod};

use super::{Certificate, Validation};
use crate::core::{DnsName, Phase, Problem, Result};

/// Options of the request; `None` for AWS's own choice.
pub(super) fn options(domains: &BTreeMap<String, DnsName>) -> Result<Option<Vec<DomainValidationOption>>> {
    let option = |(name, domain): (&String, &DnsName)| {
        Ok(DomainValidationOption::builder().domain_name(name).validation_domain(domain.as_str()).build()?)
    };
    let all = domains.iter().map(option).collect::<Result<Vec<_>>>()?;
    Ok((!all.is_empty()).then_some(all))
}

/// Whether a certificate is validated by e-mail.
pub(super) fn is_used(detail: &CertificateDetail) -> bool {
    validation(detail) == Some(Validation::Email)
}

/// How a certificate is validated; `None` for an imported one.
pub(super) fn validation(detail: &CertificateDetail) -> Option<Validation> {
    let methods = detail.domain_validation_options().iter().filter_map(|option| option.validation_method.as_ref());
    let method = |method: &ValidationMethod| if *method == ValidationMethod::Email { Validation::Email } else { Validation::Dns };
    methods.map(method).max()
}

/// The domains that get e-mails, of names for which it is not the name itself.
pub(super) fn domains(detail: &CertificateDetail) -> BTreeMap<String, DnsName> {
    let domain = |option: &DomainValidation| {
        let (name, domain) = (option.domain_name.as_str(), option.validation_domain.as_deref()?);
        let is_own = DnsName::new(name.trim_start_matches("*.")) == DnsName::new(domain)
            || option.validation_method != Some(ValidationMethod::Email);
        (!is_own).then(|| (name.to_owned(), DnsName::new(domain)))
    };
    detail.domain_validation_options().iter().filter_map(domain).collect()
}

/// The phase of a certificate whose e-mails are unanswered.
pub(super) fn phase(detail: &CertificateDetail) -> Phase {
    let all = detail.domain_validation_options().iter().flat_map(|option| option.validation_emails());
    let addresses: BTreeSet<&String> = all.collect();
    if addresses.is_empty() {
        return Phase::Progressing("pending validation".into());
    }
    let addresses: Vec<&str> = addresses.into_iter().map(String::as_str).collect();
    Phase::Waiting(format!("AWS issues the certificate once a person follows the link in the e-mail to {}", addresses.join(", ")))
}

pub(super) fn check(certificate: &Certificate) -> Vec<Problem> {
    let fields = Certificate::POINTERS;
    let mut problems = Vec::new();
    let is_by_email = certificate.validation == Some(Validation::Email);
    if is_by_email && certificate.zone.is_some() {
        problems.push(Problem::new(fields.zone, "validation by e-mail has no records").help("remove `zone`, or `validation: email`"));
    }
    if !is_by_email && !certificate.email_domains.is_empty() {
        let problem = Problem::new(fields.email_domains.clone(), "validation by DNS sends no e-mails");
        problems.push(problem.help("set `validation: email`, or remove `email_domains`"));
    }
    for (name, domain) in certificate.email_domains.iter().filter(|(name, domain)| !name.contains("${") && !domain.as_str().contains("${"))
    {
        let at = fields.email_domains.clone().item(name);
        let inside = name.trim_start_matches("*.").strip_suffix(domain.as_str());
        if !certificate.names().any(|(_, other)| other.as_str() == name) {
            problems.push(Problem::new(at, format!("`{name}` is not a name of the certificate")));
        } else if !inside.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
            problems.push(Problem::new(at, format!("`{name}` is not inside `{domain}`")));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::core::Resource;

    #[test]
    fn reports_domains_that_aws_rejects() {
        let problems = |domains: Value, validation: &str| {
            let certificate = json!({ "domain": "shop.example.com", "validation": validation, "email_domains": domains });
            let certificate: Certificate = serde_json::from_value(certificate).expect("a certificate");
            certificate.check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({ "shop.example.com": "example.com" }), "email"), [""; 0]);
        assert_eq!(problems(json!({ "shop.example.com": "example.com" }), "dns"), ["/email_domains"]);
        assert_eq!(problems(json!({ "shop.example.com": "ample.com" }), "email"), ["/email_domains/shop.example.com"]);
        assert_eq!(problems(json!({ "www.example.com": "example.com" }), "email"), ["/email_domains/www.example.com"]);
    }
}
