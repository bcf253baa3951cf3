//! Health of live resources.

use serde::Serialize;
use serde_json::Value;

use super::Style;
use crate::{
    aws::types::resource_type,
    core::{LiveResource, Phase, printable_line},
    engine::graph::status_text,
    kubernetes::Application,
};

/// Number of resources by health.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Ready for use.
    pub ready: usize,
    /// Not ready yet, being changed or deleted, or waiting for a person.
    pub progressing: usize,
    /// Broken or failed.
    pub failed: usize,
}

/// Counts by health.
pub fn count<'a>(phases: impl Iterator<Item = &'a Phase>) -> Health {
    let mut health = Health::default();
    for phase in phases {
        match phase {
            Phase::Ready | Phase::PendingChanges(_) => health.ready += 1,
            Phase::Progressing(_) | Phase::Waiting(_) | Phase::Deleting => health.progressing += 1,
            Phase::Degraded(_) | Phase::Failed(_) => health.failed += 1,
        }
    }
    health
}

/// Line with the counts; empty without resources.
pub fn summary<'a>(phases: impl Iterator<Item = &'a Phase>) -> String {
    let Health { ready, progressing, failed } = count(phases);
    let counts = [("ready", ready), ("not ready yet", progressing), ("failed", failed)];
    let counts: Vec<String> = counts.iter().filter(|(_, count)| *count > 0).map(|(word, count)| format!("{count} {word}")).collect();
    if counts.is_empty() { String::new() } else { format!("Health: {}.\n", counts.join(", ")) }
}

/// Applications of Argo CD, one a line: name, health, and the images of those that have one.
pub fn applications(applications: &[Application]) -> String {
    if applications.is_empty() {
        return String::new();
    }
    let width = applications.iter().map(|one| one.name.len()).max().unwrap_or_default();
    let line = |one: &Application| {
        let status = status_text(&one.phase).unwrap_or_else(|| "ready".to_owned());
        let images = if one.images.len() == 1 { format!("  {}", one.images.concat()) } else { String::new() };
        let shown = style(&one.phase).paint(printable_line(&status).into_owned());
        format!("  {:width$}  {shown}{}\n", printable_line(&one.name), printable_line(&images))
    };
    format!("Applications of Argo CD:\n{}", applications.iter().map(line).collect::<String>())
}

/// Status of a resource that is not ready. One in a cluster shows that it is ready, too, and a release its revision and version.
pub fn describe(live: &LiveResource) -> Option<String> {
    let status = status_text(&live.phase);
    if !resource_type(&live.type_name).is_some_and(|kind| kind.deleted_with_parent) {
        return status;
    }
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let version = text(live.spec.get("version")).map(|version| format!("version {version}"));
    let revision = text(live.outputs.get("revision")).map(|revision| format!("revision {revision}"));
    let parts: Vec<String> = version.into_iter().chain(revision).chain([status.unwrap_or_else(|| "ready".to_owned())]).collect();
    Some(parts.join(", "))
}

/// Style of a phase.
pub fn style(phase: &Phase) -> Style {
    match phase {
        Phase::Ready => Style::Added,
        Phase::Degraded(_) | Phase::Failed(_) => Style::Removed,
        _ => Style::Changed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn describes_what_is_in_clusters_even_if_it_is_ready() {
        let release = LiveResource {
            outputs: json!({ "revision": "3", "app_version": "1" }).into(),
            ..LiveResource::ready("helm_release", "main/web/shop", json!({ "version": "1.2.3" }))
        };
        assert_eq!(describe(&release).as_deref(), Some("version 1.2.3, revision 3, ready"));
        let broken = LiveResource { phase: Phase::Degraded("Deployment shop: timed out".into()), ..release };
        assert!(describe(&broken).is_some_and(|text| text.starts_with("version 1.2.3, revision 3, ") && text.contains("timed out")));
        assert_eq!(describe(&LiveResource::ready("vpc", "vpc-1", json!({}))), None);
        assert_eq!(summary([Phase::Ready, broken.phase, Phase::Deleting].iter()), "Health: 1 ready, 1 not ready yet, 1 failed.\n");
        assert_eq!(summary([].iter()), "");
        let application =
            |name: &str, phase: Phase| Application { name: name.into(), phase, revision: String::new(), images: vec!["a:1".into()] };
        let shown =
            applications(&[application("root", Phase::Ready), application("service-web", Phase::Progressing("OutOfSync, Healthy".into()))]);
        assert!(shown.contains("  service-web  ") && shown.contains("OutOfSync, Healthy") && shown.contains("  a:1\n"), "{shown}");
    }
}
