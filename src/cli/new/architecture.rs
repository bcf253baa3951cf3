//! Definitions that start from a reference architecture in `stacks/`, or from another stack that acme ships.

use clap::ValueEnum;

/// A reference architecture.
pub struct Architecture {
    /// Name for `--like`.
    pub name: &'static str,
    /// Its file in the repository.
    path: &'static str,
    text: &'static str,
}

/// Includes the definitions with these names.
macro_rules! architectures {
    ($($name:literal),*) => { &[$(Architecture {
        name: $name,
        path: concat!("stacks/", $name, ".yaml"),
        text: include_str!(concat!("../../../stacks/", $name, ".yaml")),
    }),*] };
}

/// All reference architectures.
pub const ARCHITECTURES: &[Architecture] = architectures!["alb-eks-rds", "devops-platform", "gitops", "highly-available", "microservices"];

/// Project of CodeBuild for `apply --remote`, for all stacks of an account and region.
pub const REMOTE: Architecture =
    Architecture { name: "remote", path: "templates/remote/runner.yaml", text: include_str!("../../../templates/remote/runner.yaml") };

/// Size of the machines in production.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Size {
    /// As in staging.
    Small,
    /// As in the reference architecture.
    #[default]
    Medium,
    /// Twice as large.
    Large,
}

/// What distinguishes a definition from its reference architecture.
pub struct Answers<'a> {
    /// Name of the stack.
    pub name: &'a str,
    /// AWS region.
    pub region: &'a str,
    /// Domain of its hosts; `None`: the example's.
    pub domain: Option<&'a str>,
    /// Size of its machines in production.
    pub size: Size,
    /// File of the definition.
    pub file: &'a str,
}

/// Region of the reference architectures.
const REGION: &str = "eu-west-1";
/// Region of their copies of backups.
const COPY_REGION: &str = "eu-central-1";

/// Regions, by the beginning of their names, in which copies of backups stay within a jurisdiction: the first one that is not the stack's.
const COPY_REGIONS: &[(&str, [&str; 2])] = &[
    ("us-gov-", ["us-gov-west-1", "us-gov-east-1"]),
    ("us-", ["us-west-2", "us-east-1"]),
    ("ca-", ["ca-west-1", "ca-central-1"]),
    ("cn-", ["cn-northwest-1", "cn-north-1"]),
    ("ap-", ["ap-southeast-1", "ap-northeast-1"]),
    ("", [COPY_REGION, REGION]),
];

/// Sizes of machines in ascending order, each about twice as large as the one before.
const MACHINE_SIZES: &[&str] = &["nano", "micro", "small", "medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge"];

impl Architecture {
    /// Returns the architecture with this name.
    pub fn find(name: &str) -> Option<&'static Architecture> {
        ARCHITECTURES.iter().chain([&REMOTE]).find(|one| one.name == name)
    }

    /// Names for `--like`.
    pub fn names() -> impl Iterator<Item = &'static str> {
        ARCHITECTURES.iter().chain([&REMOTE]).map(|one| one.name)
    }

    /// Whether it has the environments `staging` and `production`.
    pub fn has_environments(&self) -> bool {
        self.text.contains("\nenvironments:")
    }

    /// Domain of its hosts; empty without hosts.
    pub fn domain(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("  domain: ")).unwrap_or_default()
    }

    /// Whether its environments have machines of different types: otherwise it has no sizes.
    pub fn has_sizes(&self) -> bool {
        self.environment("production").any(|line| !machines(line).is_empty())
    }

    /// Lines of the values of an environment.
    fn environment(&self, name: &str) -> impl Iterator<Item = &'static str> {
        let start = format!("  {name}:");
        self.text.lines().skip_while(move |line| !line.starts_with(&start)).skip(1).take_while(|line| line.starts_with("    "))
    }

    /// Renders a definition; comments and layout are those of the architecture.
    pub fn render(&self, answers: &Answers<'_>) -> String {
        let staging: Vec<&str> = self.environment("staging").collect();
        let production: Vec<&str> = self.environment("production").collect();
        let copies = COPY_REGIONS.iter().find(|(start, _)| answers.region.starts_with(start));
        let copy = copies.and_then(|(_, regions)| regions.iter().find(|region| **region != answers.region)).unwrap_or(&COPY_REGION);
        let mut text = String::new();
        let mut is_production = false;
        for line in self.text.lines() {
            is_production = line.starts_with("  production:") || is_production && line.starts_with("    ");
            let line = match line {
                _ if line.starts_with("# yaml-language-server") => format!("# yaml-language-server: $schema={}", super::parts::SCHEMA_URL),
                _ if line.starts_with("stack: ") => format!("stack: {}", answers.name),
                _ if line.starts_with("  domain: ") => format!("  domain: {}", answers.domain.unwrap_or(self.domain())),
                _ if line.starts_with('#') => line.replace(self.path, answers.file).replace(" docs/", &format!(" {DOCS_URL}")),
                _ if is_production && production.contains(&line) => resized(line, &staging, answers.size),
                _ => line.replace(" docs/", &format!(" {DOCS_URL}")),
            };
            // The region of copies first: it may be the one of the reference architecture.
            let regions = [line.as_str()].map(|line| line.replace(COPY_REGION, "\0").replace(REGION, answers.region).replace('\0', copy));
            text.extend(regions);
            text.push('\n');
        }
        text
    }
}

/// Documentation of this version, because a user's file has no copy beside it.
const DOCS_URL: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/v", env!("CARGO_PKG_VERSION"), "/docs/");

/// A line of the values of production with machines of this size; `staging` are the lines of staging.
fn resized(line: &str, staging: &[&str], size: Size) -> String {
    match size {
        Size::Medium => line.to_owned(),
        Size::Large => replace_machines(line, |family, size| format!("{family}.{}", next_size(size))),
        Size::Small => {
            let key = line.split(':').next().unwrap_or_default();
            let same = staging.iter().find(|other| other.split(':').next() == Some(key)).copied().unwrap_or(line);
            let mut types = machines(same).into_iter();
            replace_machines(line, |family, size| types.next().unwrap_or_else(|| format!("{family}.{size}")))
        }
    }
}

fn next_size(size: &str) -> &str {
    let position = MACHINE_SIZES.iter().position(|known| *known == size);
    position.and_then(|position| MACHINE_SIZES.get(position + 1)).copied().unwrap_or(size)
}

/// Types of machines in a line: `m6i.large`, `db.t4g.micro`.
fn machines(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    replace_machines(line, |family, size| {
        found.push(format!("{family}.{size}"));
        String::new()
    });
    found
}

/// The line with other types of machines: `replace` gets the family (`db.t4g`) and the size (`micro`) of each.
fn replace_machines(line: &str, mut replace: impl FnMut(&str, &str) -> String) -> String {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
    let (mut text, mut rest) = (String::new(), line);
    while let Some(start) = rest.find(is_part) {
        let (before, words) = rest.split_at(start);
        let (word, after) = words.split_at(words.find(|c| !is_part(c)).unwrap_or(words.len()));
        text.push_str(before);
        match word.rsplit_once('.').filter(|(family, size)| !family.is_empty() && MACHINE_SIZES.contains(size)) {
            Some((family, size)) => text.push_str(&replace(family, size)),
            None => text.push_str(word),
        }
        rest = after;
    }
    text + rest
}

/// Numbers of the lines that have a name of the example: an address, a host or a repository.
pub fn example_lines(text: &str) -> Vec<usize> {
    let is_example = |line: &str| line.contains("example.com") && !line.trim_start().starts_with('#');
    text.lines().enumerate().filter(|(_, line)| is_example(line)).map(|(number, _)| number + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::{LoadOptions, Source, load};

    fn render(architecture: &Architecture, region: &str, size: Size) -> String {
        architecture.render(&Answers { name: "shop", region, domain: Some("shop.example.org"), size, file: "shop.yaml" })
    }

    #[test]
    fn every_architecture_is_valid_with_other_names_regions_and_sizes() {
        for architecture in ARCHITECTURES {
            for (region, size) in [("eu-central-1", Size::Small), ("us-east-1", Size::Medium), ("ap-southeast-1", Size::Large)] {
                let text = render(architecture, region, size);
                assert!(!text.contains(architecture.path), "{text}");
                assert!(!text.contains(REGION) || region == COPY_REGION, "{text}");
                for environment in ["staging", "production"] {
                    let options = LoadOptions { environment: environment.parse().ok(), ..LoadOptions::default() };
                    let source = Source::new("shop.yaml", &text);
                    if let Err(problems) = load(&source, &options) {
                        let told: String = problems.iter().map(|problem| problem.render(&source, false)).collect();
                        panic!("{} in {region}, {environment}:\n{told}", architecture.name);
                    }
                }
            }
        }
    }

    #[test]
    fn a_medium_one_differs_only_in_what_was_asked() {
        for architecture in ARCHITECTURES {
            let text = architecture.render(&Answers {
                name: architecture.name,
                region: REGION,
                domain: None,
                size: Size::Medium,
                file: architecture.path,
            });
            let differing: Vec<_> = architecture.text.lines().zip(text.lines()).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
            assert!(differing.iter().all(|line| line.starts_with("# yaml-language-server") || line.contains(" docs/")), "{differing:?}");
        }
    }

    #[test]
    fn sizes_are_those_of_production() {
        let gitops = Architecture::find("gitops").expect("an architecture");
        let of_size = |size| -> Vec<String> {
            let text = render(gitops, REGION, size);
            text.lines()
                .skip_while(|line| !line.starts_with("  production:"))
                .take_while(|line| !line.is_empty())
                .flat_map(machines)
                .collect()
        };
        assert_eq!(of_size(Size::Small), ["t3.medium", "db.t4g.micro", "cache.t4g.micro"]);
        assert_eq!(of_size(Size::Medium), ["m6i.large", "db.m6g.large", "cache.m7g.large"]);
        assert_eq!(of_size(Size::Large), ["m6i.xlarge", "db.m6g.xlarge", "cache.m7g.xlarge"]);
        let with_sizes: Vec<&str> = ARCHITECTURES.iter().filter(|one| one.has_sizes()).map(|one| one.name).collect();
        assert_eq!(with_sizes, ["alb-eks-rds", "devops-platform", "gitops", "highly-available"]);
    }
}
