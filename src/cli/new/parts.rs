//! What a new stack may begin with.

/// A part of a definition.
pub struct Part {
    /// As `--with` names it.
    pub name: &'static str,
    /// What it is, as a question.
    pub question: &'static str,
    /// A part it can't be without.
    pub requires: Option<&'static str>,
    /// Its values in staging and in production.
    pub values: &'static [(&'static str, &'static str, &'static str)],
    /// Its text.
    pub text: &'static str,
    /// What it has to tell others: name and expression.
    pub output: Option<(&'static str, &'static str)>,
}

/// All parts, in the order in which they stand in a definition.
pub const PARTS: &[Part] = &[
    Part {
        name: "network",
        question: "A network (VPC)?",
        requires: None,
        values: &[("zones", "2", "3"), ("nat", "none", "per-az")],
        text: include_str!("parts/network.yaml"),
        output: Some(("vpc", "network.vpc.id")),
    },
    Part {
        name: "cluster",
        question: "A Kubernetes cluster (EKS)?",
        requires: Some("network"),
        values: &[("instance_type", "t3.medium", "m6i.large"), ("nat", "single", "per-az")],
        text: include_str!("parts/cluster.yaml"),
        output: Some(("cluster", "cluster.endpoint")),
    },
    Part {
        name: "database",
        question: "A database (RDS)?",
        requires: Some("network"),
        values: &[("db_class", "db.t4g.medium", "db.m6g.large")],
        text: include_str!("parts/database.yaml"),
        output: Some(("database", "databases.main.endpoint")),
    },
    Part {
        name: "registry",
        question: "A registry of container images (ECR)?",
        requires: None,
        values: &[],
        text: include_str!("parts/registry.yaml"),
        output: Some(("image", "registries[\"image-web\"].uri")),
    },
    Part {
        name: "bucket",
        question: "A bucket for files (S3)?",
        requires: None,
        values: &[],
        text: include_str!("parts/bucket.yaml"),
        output: Some(("bucket", "storage.files.name")),
    },
    Part {
        name: "secret",
        question: "A secret (Secrets Manager)?",
        requires: None,
        values: &[],
        text: include_str!("parts/secret.yaml"),
        output: Some(("secret", "secrets.password.arn")),
    },
    Part {
        name: "dns",
        question: "A DNS zone (Route 53)?",
        requires: None,
        values: &[("domain", "staging.example.com", "example.com")],
        text: include_str!("parts/dns.yaml"),
        output: Some(("name_servers", "dns.zone.name_servers")),
    },
    Part {
        name: "load-balancer",
        question: "A load balancer?",
        requires: Some("network"),
        values: &[],
        text: include_str!("parts/load-balancer.yaml"),
        output: Some(("address", "load_balancers.web.dns_name")),
    },
    Part {
        name: "firewall",
        question: "A web firewall (WAF)?",
        requires: None,
        values: &[],
        text: include_str!("parts/firewall.yaml"),
        output: None,
    },
];

/// The part of this name.
pub fn find_part(name: &str) -> Option<&'static Part> {
    PARTS.iter().find(|part| part.name == name)
}

/// The schema of this version's definitions, as a release publishes it: a file of the user's own has no copy beside it.
const SCHEMA_URL: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/releases/download/v", env!("CARGO_PKG_VERSION"), "/schema.json");

/// A commented definition of these parts, and of what they need.
pub fn render_definition(name: &str, region: &str, file: &str, chosen: &[&str]) -> String {
    let wanted = |part: &&Part| {
        chosen.contains(&part.name) || chosen.iter().any(|name| self::find_part(name).and_then(|p| p.requires) == Some(part.name))
    };
    let parts: Vec<&Part> = PARTS.iter().filter(wanted).collect();
    let mut text = format!(
        "# yaml-language-server: $schema={SCHEMA_URL}\n\
         # The stack {name}.\n#\n\
         #   acme plan    {file} --env staging --local     what would be made, in a simulated cloud\n\
         #   acme apply   {file} --env staging --local     makes it there\n\
         #   acme apply   {file} --env staging             makes it on AWS, with the credentials of your shell\n\
         #   acme destroy {file} --env staging             removes all of it\n\n\
         stack: {name}\nregion: {region}\n\n\
         # One set of values for each environment; expressions use them: \"{{{{ environment }}}}\".\nenvironments:\n"
    );
    for (environment, pick) in [("staging", 0), ("production", 1)] {
        // A later part may ask more of a value than an earlier one.
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
    text += "\n# What `acme outputs` prints once all is there.\noutputs:\n";
    for (key, expression) in parts.iter().filter_map(|part| part.output) {
        text += &format!("  {key}: '{{{{ {expression} }}}}'\n");
    }
    text
}
