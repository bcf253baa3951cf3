//! Alerts and dashboards of the services.

use super::{
    Rendered,
    services::services,
    templates::{Template, fill, templates},
};
use crate::definition::Stack;

/// Folder of the files.
const FOLDER: &str = "observability";

const FILES: &[Template] = templates![
    "observability": "observability/README.md", "observability/alertmanager.yml", "observability/dashboard.yaml", "observability/kustomization.yaml",
    "observability/prometheus-rules.yaml",
];

/// Adds the files, if the stack has services.
pub fn render(stack: &Stack, rendered: &mut Rendered) {
    let names: Vec<String> = services(stack).into_iter().map(|service| service.name).collect();
    if names.is_empty() {
        return;
    }
    // A regular expression of Prometheus, in which names have no special characters.
    let (stack, pattern) = (stack.name.to_string(), names.join("|"));
    let values = [("acme-services", pattern.as_str()), ("acme-stack", stack.as_str())];
    rendered.files.extend(FILES.iter().map(|(path, text)| ((*path).to_owned(), fill(text, &values))));
    rendered.folders.insert(FOLDER.to_owned());
}
