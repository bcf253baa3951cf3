//! Pipelines: the same stages for GitHub, Jenkins, Bitbucket and CodeBuild, and what they need to know of an environment.

use std::collections::BTreeSet;

use serde_json::json;

use super::{
    Live, Rendered,
    services::services,
    templates::{Template, fill, templates},
};
use crate::definition::Stack;

const FILES: &[Template] = templates![
    "pipelines": ".github/workflows/ci.yml", ".github/workflows/release.yml", "Jenkinsfile", "bitbucket-pipelines.yml", "ci/README.md",
    "ci/codebuild/check.yml", "ci/codebuild/release.yml", "ci/stages/dast.sh", "ci/stages/deploy.sh", "ci/stages/lib.sh", "ci/stages/publish.sh",
    "ci/stages/sast.sh", "ci/stages/scan.sh", "ci/stages/test.sh", "ci/stages/verify.sh",
];

/// Adds the files of all pipelines, if the stack has services.
pub fn render(stack: &Stack, region: &str, live: &Live, rendered: &mut Rendered) {
    let services = services(stack);
    if services.is_empty() {
        return;
    }
    let values = [("acme-stack", &*stack.name)];
    rendered.files.extend(FILES.iter().map(|(path, text)| ((*path).to_owned(), fill(text, &values))));

    let mut output = |type_name: &str, name: &str, output: &str| {
        let value = rendered.resolve(&json!(format!("${{{type_name}.{name}.{output}}}")), live);
        value.as_str().unwrap_or_default().to_owned()
    };
    let images: Vec<(String, String)> =
        services.iter().map(|service| (service.name.clone(), output("ecr_repository", &service.repository.name, "uri"))).collect();
    let cluster = stack.resources.keys().find(|address| address.type_name == "eks_cluster");
    let cluster = cluster.map(|address| output("eks_cluster", &address.name, "id")).unwrap_or_default();
    // All repositories of an account and region are in one registry.
    let registry = images.first().and_then(|(_, uri)| uri.split('/').next()).unwrap_or_default();
    let account = registry.split('.').next().unwrap_or_default();
    let mut text = format!("REGION={region}\nACCOUNT={account}\nREGISTRY={registry}\nCLUSTER={cluster}\n");
    text.extend(images.iter().map(|(service, uri)| format!("IMAGE_{service}={uri}\n")));
    let environment = format!("ci/environments/{}", stack.environment);
    rendered.files.insert(format!("{environment}/stack.env"), text);
    rendered.folders.extend(BTreeSet::from([".github/workflows".to_owned(), "ci/codebuild".into(), "ci/stages".into(), environment]));
}
