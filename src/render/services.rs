//! Sources of services: a small service that works, for each that the definition has an image repository for.

use std::collections::BTreeMap;

use super::templates::{Template, fill, templates};
use crate::{core::Address, definition::Stack};

/// Folder of the sources of all services.
const FOLDER: &str = "sources";

const GREET: &[Template] = templates![
    "services/greet": ".devcontainer/devcontainer.json", ".dockerignore", ".gitignore", "Dockerfile", "README.md", "app.py", "gunicorn.conf.py",
    "log.py", "pyproject.toml", "requirements-dev.in", "requirements-dev.txt", "requirements.in", "requirements.txt", "tests/test_app.py",
];

const BACKEND: &[Template] = templates![
    "services/backend": ".devcontainer/devcontainer.json", ".dockerignore", ".gitignore", "Dockerfile", "README.md", "app.go", "app_test.go",
    "go.mod", "main.go", "metrics.go",
];

const FRONTEND: &[Template] = templates![
    "services/frontend": ".devcontainer/devcontainer.json", ".dockerignore", ".gitignore", "Dockerfile", "README.md", "index.html", "nginx.conf",
    "package-lock.json", "package.json", "src/App.jsx", "src/App.test.jsx", "src/api.js", "src/main.jsx", "src/style.css", "vite.config.js",
];

/// A service, and the repository of its image.
#[derive(Debug)]
pub struct Service {
    /// Name of the service.
    pub name: String,
    /// Address of its image repository.
    pub repository: Address,
}

/// The services of a stack, by name: one for each image repository of the sections `registries` and `services`.
pub fn services(stack: &Stack) -> Vec<Service> {
    let mut found: Vec<Service> = stack
        .resources
        .values()
        .filter(|declared| declared.resource_type.name == "ecr_repository")
        .filter(|declared| ["/registries/", "/services/"].iter().any(|section| declared.pointer.starts_with(section)))
        .map(|declared| {
            let address = &declared.address;
            // With `for_each`, the name begins with that of the entry.
            let entry = declared.pointer.split('/').nth(2).unwrap_or_default();
            let own = address.name.strip_prefix(entry).and_then(|rest| rest.strip_prefix('-'));
            Service { name: own.unwrap_or(&address.name).to_owned(), repository: address.clone() }
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// The sources of every service, by folder and path.
pub fn sources(stack: &Stack) -> BTreeMap<String, BTreeMap<String, String>> {
    let services = services(stack);
    let mut backends = services.iter().map(|service| service.name.as_str()).filter(|name| !is_frontend(name));
    let api = backends.clone().find(|name| *name == "greet").or(backends.next()).unwrap_or("api");
    let render = |service: &Service| {
        let values = [("acme-service", service.name.as_str()), ("acme-stack", &*stack.name), ("acme-api", api)];
        let files = template_of(&service.name).iter().map(|(path, text)| ((*path).to_owned(), fill(text, &values)));
        (format!("{FOLDER}/{}", service.name), files.collect())
    };
    services.iter().map(render).collect()
}

fn template_of(service: &str) -> &'static [Template] {
    match service {
        "greet" => GREET,
        name if is_frontend(name) => FRONTEND,
        _ => BACKEND,
    }
}

fn is_frontend(service: &str) -> bool {
    matches!(service, "frontend" | "web" | "ui")
}
