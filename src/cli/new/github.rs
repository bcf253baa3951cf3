//! `acme new --like github`: the workflows that plan and apply a stack in GitHub Actions, and the stack with their roles.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{ErrorKind, IsTerminal, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::{Arguments, DONE, refuse};
use crate::{
    cli::{StackArguments, open, policy},
    core::EnvironmentName,
    definition::{Source, environment_names, formatted_text},
    report,
};

/// Name for `--like`.
pub const NAME: &str = "github";

/// Folder of workflows in a repository.
const WORKFLOWS: &str = ".github/workflows";

/// Templates of the workflows, by the beginning of their file names.
const TEMPLATES: [(&str, &str); 2] =
    [("acme", include_str!("../../../templates/github/acme.yml")), ("drift", include_str!("../../../templates/github/drift.yml"))];

/// Template of the stack with the roles.
const BOOTSTRAP: &str = include_str!("../../../templates/github/bootstrap.yaml");

/// Environment of the templates, and the one to take of several.
const PRODUCTION: &str = "production";

/// What distinguishes the files from their templates.
struct Answers<'a> {
    /// Name of the stack with the roles.
    name: &'a str,
    /// File of the stack with the roles.
    file: String,
    repository: &'a str,
    /// Definition that the workflows apply.
    definition: String,
    /// Its environment; `None` if it has none.
    environment: Option<EnvironmentName>,
    region: String,
    /// Whether the repository has the workflow of another environment already.
    has_other: bool,
}

/// Writes the files.
pub fn run(arguments: &Arguments, name: &str) -> Result<u8> {
    if arguments.domain.is_some() || arguments.size.is_some() {
        refuse!("invalid-answer", "`{NAME}` has no hosts and no machines: omit `--domain` and `--size`");
    }
    let definition =
        StackArguments { file: None, file_option: arguments.file.clone(), env: None, set: Vec::new(), values: Vec::new() }.path()?;
    if definition.is_absolute() || definition.starts_with("..") {
        let shown = definition.display();
        refuse!("invalid-answer", "`{shown}` is not a path in the repository: run this command in its root, and name the file from there");
    }
    let environment = choose_environment(arguments, &open::read_file(&definition)?)?;
    let target =
        StackArguments { file: Some(definition.clone()), file_option: None, env: environment.clone(), set: Vec::new(), values: Vec::new() };
    let region = open::load(&target)?.region.or_else(|| arguments.region.clone()).unwrap_or_else(super::default_region);
    let repository = repository(arguments)?;
    let out = arguments.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    let answers = Answers {
        name,
        file: out.display().to_string(),
        repository: &repository,
        definition: definition.display().to_string(),
        environment,
        has_other: Path::new(WORKFLOWS).join("acme.yml").exists(),
        region,
    };
    let bootstrap = answers.bootstrap(&target)?;
    super::check_definition(&answers.file, &bootstrap, false)?;
    let mut files = vec![(out, bootstrap)];
    files.extend(TEMPLATES.map(|(template, text)| (answers.workflow_file(template), answers.workflow(text))));
    write_all(&files)?;
    let names: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
    let [plan, apply] = ["PLAN", "APPLY"].map(|role| answers.variable(role));
    report::eprint(&format!(
        "Wrote {}.\nRun `acme apply {}`, and set its outputs as the variables {plan} and {apply} of the repository. Then allow only its main branch to \
         deploy to its environment `{}`.",
        names.join(", "),
        answers.file,
        answers.deployment()
    ));
    if arguments.output.is_json() {
        report::print_json(&json!({ "format": "acme-new/1", "file": answers.file, "files": names }))?;
    }
    Ok(DONE)
}

/// Environment that the workflows apply: the named one, or production, or the only one.
fn choose_environment(arguments: &Arguments, source: &Source) -> Result<Option<EnvironmentName>> {
    // Loading the definition reports its mistakes.
    let names = environment_names(source).unwrap_or_default();
    let production = names.iter().find(|name| ***name == *PRODUCTION).or_else(|| names.first().filter(|_| names.len() == 1));
    match (&arguments.env, production) {
        (Some(name), _) | (None, Some(name)) => Ok(Some(name.clone())),
        (None, None) if names.is_empty() => Ok(None),
        (None, None) => {
            let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
            refuse!("invalid-answer", "the workflows apply one environment: choose one of {} with `--env`", names.join(", "))
        }
    }
}

fn repository(arguments: &Arguments) -> Result<String> {
    let repository = match &arguments.repository {
        Some(repository) => repository.clone(),
        None if std::io::stdin().is_terminal() => report::ask("Repository on GitHub (OWNER/NAME): ")?,
        None => refuse!("invalid-answer", "the roles trust one repository: name it with `--repository OWNER/NAME`"),
    };
    let is_name = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    match repository.split_once('/') {
        Some((owner, name)) if is_name(owner) && is_name(name) => Ok(repository),
        _ => refuse!("invalid-answer", "`{repository}` is not a repository: use `OWNER/NAME`"),
    }
}

impl Answers<'_> {
    /// Environment of the repository whose jobs get the role for applying.
    fn deployment(&self) -> &str {
        self.environment.as_deref().unwrap_or(PRODUCTION)
    }

    /// Variable with the ARN of a role. Each environment has roles of its own.
    fn variable(&self, role: &str) -> String {
        match self.has_other {
            true => format!("ACME_{role}_ROLE_{}", self.deployment().to_uppercase().replace('-', "_")),
            false => format!("ACME_{role}_ROLE"),
        }
    }

    fn workflow_file(&self, template: &str) -> PathBuf {
        let suffix = if self.has_other { format!("-{}", self.deployment()) } else { String::new() };
        Path::new(WORKFLOWS).join(format!("{template}{suffix}.yml"))
    }

    fn workflow(&self, template: &str) -> String {
        let environment = self.environment.as_deref().unwrap_or("\"\"");
        let mut text = String::new();
        let mut lines = template.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("# To use this file") {
                // The paragraph ends with an empty line.
                lines.by_ref().take_while(|line| *line != "#").for_each(drop);
                continue;
            }
            let line = match line {
                "  STACK: stack.yaml" => format!("  STACK: {}", scalar(&self.definition)),
                _ if line.starts_with("  ACME_VERSION: ") => format!("  ACME_VERSION: {}", env!("CARGO_PKG_VERSION")),
                "  ENVIRONMENT: production" => format!("  ENVIRONMENT: {environment}"),
                "    environment: production" => format!("    environment: {}", self.deployment()),
                "name: acme" | "name: drift" if self.has_other => format!("{line} {}", self.deployment()),
                _ if line.starts_with('#') => {
                    line.replace("`production`", &format!("`{}`", self.deployment())).replace("bootstrap.yaml", &self.file)
                }
                _ => line.replace("paths: [stack.yaml", &format!("paths: [{}", self.definition)),
            };
            let line = line.replace("${{ vars.AWS_REGION }}", &self.region).replace(", and the region in AWS_REGION", "");
            let roles = ["PLAN", "APPLY"].iter().fold(line, |line, role| line.replace(&format!("ACME_{role}_ROLE"), &self.variable(role)));
            text.push_str(&roles);
            text.push('\n');
        }
        text
    }

    /// The stack with the roles, whose policies are those of the definition.
    fn bootstrap(&self, target: &StackArguments) -> Result<String> {
        let policies = policy::of_plan_and_apply(target, Some(&self.region))?;
        let names: BTreeSet<&String> = policies.keys().collect();
        let lists = ["plan", "apply"].map(|role| {
            let of_role = names.iter().filter(|name| name.rsplit('-').nth(1) == Some(role));
            of_role.map(|name| format!("\"{{{{ iam_policy['{name}'].arn }}}}\"")).collect::<Vec<_>>().join(", ")
        });
        let [plan, apply] = lists;
        let mut of_role = &plan;
        let environment = self.environment.as_ref().map(|name| format!(" --env {name}")).unwrap_or_default();
        let place = self.environment.as_ref().map(|name| format!(" in {name}")).unwrap_or_default();
        let mut text = String::new();
        let (mut is_policy, mut is_list) = (false, false);
        for line in BOOTSTRAP.lines() {
            if line == "  iam_policy:" {
                let resources = serde_yaml::to_string(&json!({ "iam_policy": policies }))?;
                resources.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
            }
            is_policy = line == "  iam_policy:" || is_policy && line.starts_with("   ");
            is_list = is_list && line.starts_with("        - ");
            match line {
                "    plan:" => of_role = &plan,
                "    apply:" => of_role = &apply,
                _ => {}
            }
            let line = match line {
                _ if is_policy || is_list => continue,
                "stack: github" => format!("stack: {}", self.name),
                "region: us-east-1" => format!("region: {}", self.region),
                "  repository: example/shop" => format!("  repository: {}", self.repository),
                "  environment_of_repository: production" => format!("  environment_of_repository: {}", self.deployment()),
                _ if line.starts_with("      policies:") => {
                    is_list = true;
                    format!("      policies: [{of_role}]")
                }
                _ if line.starts_with('#') => line
                    .replace("templates/github/bootstrap.yaml", &self.file)
                    .replace("stacks/quickstart.yaml --env production", &format!("{}{environment}", self.definition))
                    .replace("stacks/quickstart.yaml in production", &format!("{}{place}", self.definition)),
                _ => line.to_owned(),
            };
            text.push_str(&line);
            text.push('\n');
        }
        // The layout of what can't be formatted is reported by the check of the definition.
        Ok(formatted_text(&Source::new(self.file.as_str(), text.as_str())).unwrap_or(text))
    }
}

/// A text as a value in YAML.
fn scalar(text: &str) -> String {
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if is_plain { text.to_owned() } else { json!(text).to_string() }
}

/// Writes new files: all of them, or none.
fn write_all(files: &[(PathBuf, String)]) -> Result<()> {
    if let Some((taken, _)) = files.iter().find(|(path, _)| path.exists()) {
        refuse!("file-exists", "`{}` exists already: nothing was written. Move it away, or delete it", taken.display());
    }
    for (path, text) in files {
        let file = path.display();
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("can't create the folder of `{file}`"))?;
        }
        let written = OpenOptions::new().write(true).create_new(true).open(path).and_then(|mut out| out.write_all(text.as_bytes()));
        match written {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => refuse!("file-exists", "`{file}` exists already"),
            written => written.with_context(|| format!("can't write `{file}`"))?,
        }
    }
    Ok(())
}
