//! Parts of a new definition.

/// Part of a definition.
pub struct Part {
    /// Name for `--with`.
    pub name: &'static str,
    /// Question on a terminal.
    pub question: &'static str,
    /// Required other part.
    pub requires: Option<&'static str>,
    /// Values in staging and in production.
    pub values: &'static [(&'static str, &'static str, &'static str)],
    /// Its text.
    pub text: &'static str,
    /// Output: name and expression.
    pub output: Option<(&'static str, &'static str)>,
}

/// All parts, in the order of a definition.
pub const PARTS: &[Part] = &[
    Part {
        name: "network",
        question: "Add a network (VPC)?",
        requires: None,
        values: &[("zones", "2", "3"), ("nat", "none", "per-az")],
        text: include_str!("parts/network.yaml"),
        output: Some(("vpc", "network.vpc.id")),
    },
    Part {
        name: "cluster",
        question: "Add a Kubernetes cluster (EKS)?",
        requires: Some("network"),
        values: &[("instance_type", "t3.medium", "m6i.large"), ("nat", "single", "per-az")],
        text: include_str!("parts/cluster.yaml"),
        output: Some(("cluster", "cluster.endpoint")),
    },
    Part {
        name: "database",
        question: "Add a database (RDS)?",
        requires: Some("network"),
        values: &[("db_class", "db.t4g.medium", "db.m6g.large")],
        text: include_str!("parts/database.yaml"),
        output: Some(("database", "databases.main.endpoint")),
    },
    Part {
        name: "registry",
        question: "Add a registry for container images (ECR)?",
        requires: None,
        values: &[],
        text: include_str!("parts/registry.yaml"),
        output: Some(("image", "registries[\"image-web\"].uri")),
    },
    Part {
        name: "bucket",
        question: "Add a bucket (S3)?",
        requires: None,
        values: &[],
        text: include_str!("parts/bucket.yaml"),
        output: Some(("bucket", "storage.files.name")),
    },
    Part {
        name: "secret",
        question: "Add a secret (Secrets Manager)?",
        requires: None,
        values: &[],
        text: include_str!("parts/secret.yaml"),
        output: Some(("secret", "secrets.password.arn")),
    },
    Part {
        name: "dns",
        question: "Add a DNS zone (Route 53)?",
        requires: None,
        values: &[("domain", "staging.example.com", "example.com")],
        text: include_str!("parts/dns.yaml"),
        output: Some(("name_servers", "dns.zone.name_servers")),
    },
    Part {
        name: "load-balancer",
        question: "Add a load balancer?",
        requires: Some("network"),
        values: &[],
        text: include_str!("parts/load-balancer.yaml"),
        output: Some(("address", "load_balancers.web.dns_name")),
    },
    Part {
        name: "firewall",
        question: "Add a web firewall (WAF)?",
        requires: None,
        values: &[],
        text: include_str!("parts/firewall.yaml"),
        output: None,
    },
];

/// Returns the part with this name.
pub fn find_part(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// URL of this version's schema in its release, because a user's file has no copy beside it.
pub const SCHEMA_URL: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/releases/download/v", env!("CARGO_PKG_VERSION"), "/schema.json");

/// Renders a commented definition with these parts, and the parts they require. `file` is its name in commands, with a blank after it.
pub fn render_definition(name: &str, region: &str, file: &str, chosen: &[&str]) -> String {
    let wanted = |part: &&Part| {
        chosen.contains(&part.name) || chosen.iter().any(|name| self::find_part(name).and_then(|p| p.requires) == Some(part.name))
    };
    let parts: Vec<&Part> = PARTS.iter().filter(wanted).collect();
    let mut text = format!(
        "# yaml-language-server: $schema={SCHEMA_URL}\n\
         # The stack {name}.\n#\n\
         #   acme plan    {file}--env staging --local     shows the resources to create, on a simulated cloud\n\
         #   acme apply   {file}--env staging --local     creates them there\n\
         #   acme apply   {file}--env staging             creates them on AWS, with the credentials of your shell\n\
         #   acme destroy {file}--env staging             deletes them\n\n\
         stack: {name}\nregion: {region}\n\n\
         # One set of values per environment, for use in expressions: \"{{{{ environment }}}}\".\nenvironments:\n"
    );
    for (environment, pick) in [("staging", 0), ("production", 1)] {
        // A later part may need a larger value than an earlier one.
        let mut values: Vec<(&str, &str)> = Vec::new();
        for (key, staging, production) in parts.iter().flat_map(|part| part.values) {
            let value = [staging, production][pick];
            match values.iter_mut().find(|(known, _)| known == key) {
                Some(known) => known.1 = value,
                None => values.push((key, value)),
            }
        }
        let values: Vec<String> = values.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let values = if values.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", values.join(", ")) };
        text += &format!("  {environment}: {values}\n");
    }
    text += &format!("\n# Every resource gets these tags.\ntags: {{ project: {name} }}\n");
    for part in &parts {
        text += &format!("\n{}", part.text);
    }
    text += "\n# Printed by `acme outputs` after an apply.\noutputs:\n";
    for (key, expression) in parts.iter().filter_map(|part| part.output) {
        // As `acme fmt` writes it.
        let quote = if expression.contains('"') { '\'' } else { '"' };
        text += &format!("  {key}: {quote}{{{{ {expression} }}}}{quote}\n");
    }
    text
}
