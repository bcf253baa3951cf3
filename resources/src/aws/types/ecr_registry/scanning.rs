//! Scans of a registry: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning.html>.

use std::collections::BTreeSet;

use aws_sdk_ecr::types as ecr;

use super::{super::prelude::*, EcrRegistry};
use crate::aws::{from_aws, to_aws};

/// Scans for known vulnerabilities.
#[spec]
#[derive(Default, PartialEq, Eq)]
pub struct Scanning {
    /// Kind of scans.
    #[field(default)]
    pub r#type: ScanType,
    /// When which repositories are scanned. Repositories without a rule follow their own `scan_on_push`, or are not scanned with `ENHANCED`.
    #[field(default, length = 0..=2)]
    pub rules: BTreeSet<ScanningRule>,
}

/// Kind of scans.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScanType {
    /// Scans of operating system packages, without charge.
    #[default]
    Basic,
    /// Scans of operating system and language packages with Amazon Inspector, which charges for each image.
    Enhanced,
}

/// Repositories to scan.
#[spec]
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanningRule {
    /// When images are scanned.
    pub frequency: ScanFrequency,
    /// Names of repositories; `*` stands for any text.
    #[field(length = 1..=100, pattern = "[a-z0-9*]([a-z0-9._/*-]{0,255})")]
    pub repositories: BTreeSet<String>,
}

/// When images are scanned.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ScanFrequency {
    /// When they are pushed.
    ScanOnPush,
    /// When they are pushed, and when a new vulnerability becomes known. Only `ENHANCED` scans.
    ContinuousScan,
    /// On request. Only `BASIC` scans.
    Manual,
}

impl Scanning {
    pub(super) fn check(&self) -> Vec<Problem> {
        let at = EcrRegistry::POINTERS.scanning.field(Self::POINTERS.rules);
        let frequencies: BTreeSet<ScanFrequency> = self.rules.iter().map(|rule| rule.frequency).collect();
        let mut problems = Vec::new();
        if frequencies.len() < self.rules.len() {
            let problem = Problem::new(at.clone(), "AWS accepts one rule for each frequency");
            problems.push(problem.help("name all repositories of a frequency in one rule"));
        }
        let wrong = match self.r#type {
            ScanType::Basic => ScanFrequency::ContinuousScan,
            ScanType::Enhanced => ScanFrequency::Manual,
        };
        for (number, _) in self.rules.iter().enumerate().filter(|(_, rule)| rule.frequency == wrong) {
            let message = format!("{} scans have no frequency {}", to_aws(&self.r#type), to_aws(&wrong));
            problems.push(Problem::new(at.clone().item(number).field(ScanningRule::POINTERS.frequency), message));
        }
        problems
    }

    pub(super) fn scan_type(&self) -> ecr::ScanType {
        to_aws(&self.r#type).as_str().into()
    }

    pub(super) fn rules(&self) -> Result<Vec<ecr::RegistryScanningRule>> {
        let filter = |name: &String| {
            ecr::ScanningRepositoryFilter::builder().filter(name).filter_type(ecr::ScanningRepositoryFilterType::Wildcard).build()
        };
        let rule = |rule: &ScanningRule| {
            let filters = rule.repositories.iter().map(filter).collect::<Result<_, _>>()?;
            let sent = ecr::RegistryScanningRule::builder().scan_frequency(to_aws(&rule.frequency).as_str().into());
            Ok(sent.set_repository_filters(Some(filters)).build()?)
        };
        self.rules.iter().map(rule).collect()
    }

    pub(super) fn read(live: Option<ecr::RegistryScanningConfiguration>) -> Result<Scanning> {
        let Some(live) = live else { return Ok(Scanning::default()) };
        let rules = live.rules.unwrap_or_default().into_iter().map(|rule| {
            let repositories = rule.repository_filters.into_iter().map(|filter| filter.filter).collect();
            Ok(ScanningRule { frequency: from_aws(rule.scan_frequency.as_str())?, repositories })
        });
        let r#type = live.scan_type.map(|kind| from_aws(kind.as_str())).transpose()?.unwrap_or_default();
        Ok(Scanning { r#type, rules: rules.collect::<Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn reports_frequencies_that_the_kind_of_scans_lacks() {
        let problems = |written: Value| {
            let scanning: Scanning = serde_json::from_value(written).expect("settings");
            scanning.check().into_iter().map(|problem| problem.pointer).collect::<Vec<_>>()
        };
        let rule = |frequency: &str, name: &str| json!({ "frequency": frequency, "repositories": [name] });
        assert_eq!(problems(json!({ "type": "ENHANCED", "rules": [rule("CONTINUOUS_SCAN", "*")] })), [""; 0]);
        assert_eq!(problems(json!({ "rules": [rule("CONTINUOUS_SCAN", "*")] })), ["/scanning/rules/0/frequency"]);
        assert_eq!(problems(json!({ "type": "ENHANCED", "rules": [rule("MANUAL", "*")] })), ["/scanning/rules/0/frequency"]);
        assert_eq!(problems(json!({ "rules": [rule("SCAN_ON_PUSH", "a*"), rule("SCAN_ON_PUSH", "b*")] })), ["/scanning/rules"]);
    }
}
