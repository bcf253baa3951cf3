//! `acme render` for services that Argo CD installs: values of acme, and values of promotions.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    acme::{Acme, CommandOutput, write_file},
    render::{files, render},
    render_parts::run,
};

const ENVIRONMENTS: [&str; 2] = ["staging", "production"];

/// A stack whose services Argo CD installs, from a repository with this branch.
pub fn definition(services: &str) -> String {
    format!(
        "stack: shop
region: eu-west-1
environments: {{ staging: {{}}, production: {{}} }}
network: {{ cidr: 10.0.0.0/16, zones: 2, nat: none }}
cluster:
  version: '1.36'
  deletion_protection: false
  addons: [coredns]
  node_groups: {{ general: {{ instance_types: [m7g.large], min: 2, max: 5 }} }}
queues: [mail]
platform:
  deliver: argocd
  argocd: {{ repository: 'https://git.example.com/platform.git' }}
  argo-cd: {{ host: argocd.example.com }}
  vpc-cni: {{}}
services:
{services}"
    )
}

pub const SERVICES: &str = "  web: { port: 8080, version: 1.4.0, calls: [orders] }
  orders: { port: 9000, queue: mail }
  proxy: { image: 'ghcr.io/example/proxy:2', namespace: edge }
";

/// The stack in a folder, applied in both environments.
pub struct Shop {
    pub folder: tempfile::TempDir,
}

impl Shop {
    pub fn applied() -> Shop {
        let shop = Shop { folder: tempfile::tempdir().expect("a folder") };
        for environment in ENVIRONMENTS {
            shop.acme(environment).apply(&shop.stack(SERVICES));
        }
        shop
    }
    pub fn acme(&self, environment: &str) -> Acme {
        Acme::local(&self.folder.path().join(environment)).with_args(&["--env", environment])
    }
    pub fn stack(&self, services: &str) -> PathBuf {
        write_file(self.folder.path(), "shop.yaml", &definition(services))
    }
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("repository")
    }
    pub fn render(&self, environment: &str, services: &str, more: &[&str]) -> CommandOutput {
        render(&self.acme(environment), &self.stack(services), &self.root(), more)
    }
    /// Renders the files for Argo CD for both environments.
    #[track_caller]
    pub fn rendered(&self) -> BTreeMap<String, String> {
        for environment in ENVIRONMENTS {
            self.render(environment, SERVICES, &["--only", "gitops"]).assert_success();
        }
        files(&self.root())
    }
}

fn yaml(files: &BTreeMap<String, String>, path: &str) -> Value {
    serde_yaml::from_str(files.get(path).unwrap_or_else(|| panic!("{path} is not rendered: {:#?}", files.keys()))).expect("YAML")
}

#[test]
fn a_service_is_the_chart_of_acme_with_values_of_acme_and_of_promotions() {
    let shop = Shop::applied();
    let plan = shop.acme("production").plan(&shop.stack(SERVICES));
    assert_eq!(plan.changes(), [""; 0], "acme installs no services");
    let rendered = shop.rendered();
    let application = yaml(&rendered, "clusters/production/apps/service-web.yaml");
    assert_eq!(application["metadata"]["finalizers"], json!(["resources-finalizer.argocd.argoproj.io"]));
    assert_eq!(application["spec"]["project"], "services");
    assert_eq!(application["spec"]["destination"]["namespace"], "shop");
    let source = &application["spec"]["source"];
    assert_eq!(source["path"], "platform/production/charts/service");
    let values = ["/services/web/base/production/values.yaml", "/services/web/overlays/production/values.yaml"];
    assert_eq!(source["helm"], json!({ "releaseName": "web", "valueFiles": values, "skipTests": true }));
    // Every file that it names is there.
    assert!(
        values.iter().all(|path| rendered.contains_key(&path[1..]))
            && rendered.contains_key("platform/production/charts/service/Chart.yaml")
    );
    let base = yaml(&rendered, "services/orders/base/production/values.yaml");
    assert!(base["env"]["QUEUE_URL"].as_str().is_some_and(|url| url.contains("shop-production-mail")), "{base}");
    let overlay = |service: &str| yaml(&rendered, &format!("services/{service}/overlays/production/values.yaml"));
    assert!(overlay("web")["image"].as_str().is_some_and(|image| image.ends_with("/shop-production-web:1.4.0")), "{}", overlay("web"));
    // Without an image, nothing runs, and nothing waits for one.
    assert_eq!(overlay("orders"), json!({ "image": "" }));
    assert_eq!(
        (overlay("proxy"), yaml(&rendered, "services/proxy/base/production/values.yaml")["image"].clone()),
        (Value::Null, json!("ghcr.io/example/proxy:2"))
    );
    // JSON has no comments, so its header is two fields.
    let schema: Value = serde_json::from_str(&rendered["platform/staging/charts/service/values.schema.json"]).expect("JSON");
    assert!(
        schema["$comment"].as_str().is_some_and(|text| text.starts_with("Rendered by acme")) && schema["properties"]["image"].is_object()
    );
    for environment in ENVIRONMENTS {
        let again = shop.render(environment, SERVICES, &["--only", "gitops"]).assert_success();
        assert!(again.stderr.contains("no changes"), "{}", again.combined_output());
        assert_eq!(shop.render(environment, SERVICES, &["--only", "gitops", "--check"]).code, 0);
    }
    assert_eq!(files(&shop.root()), rendered, "a second render changes nothing");
}

#[test]
fn promotions_own_the_image_and_acme_owns_the_rest() {
    let shop = Shop::applied();
    shop.rendered();
    let overlay = shop.root().join("services/web/overlays/production/values.yaml");
    let promoted = "# ours\nreplicas: 5\nimage: example.com/web@sha256:0123\n";
    fs::write(&overlay, promoted).expect("written");
    // Another version in the definition is another first image, which is in the past.
    let edited = SERVICES.replace("version: 1.4.0", "version: 1.5.0, replicas: 3");
    let done = shop.render("production", &edited, &["--only", "gitops"]).assert_success();
    assert!(done.stdout.contains("~ services/web/base/production/values.yaml"), "{}", done.stdout);
    assert_eq!(fs::read_to_string(&overlay).expect("a file"), promoted);
    // A service that leaves takes the files of its environment with it, but not those of promotions.
    let fewer = SERVICES.replace("  proxy: { image: 'ghcr.io/example/proxy:2', namespace: edge }\n", "");
    shop.acme("production").apply(&shop.stack(&fewer));
    shop.render("production", &fewer, &["--only", "gitops"]).assert_success();
    let left: Vec<String> = files(&shop.root()).into_keys().filter(|path| path.contains("proxy")).collect();
    let expected = [
        "clusters/staging/apps/service-proxy.yaml",
        "services/proxy/base/staging/values.yaml",
        "services/proxy/overlays/production/values.yaml",
        "services/proxy/overlays/staging/values.yaml",
    ];
    assert_eq!(left, expected);
    shop.acme("staging").destroy(&shop.stack(SERVICES));
}

/// Writes a stand-in for a program.
fn program(folder: &Path, name: &str, text: &str) {
    fs::create_dir_all(folder).expect("a folder");
    fs::write(folder.join(name), text).expect("written");
    run(folder, Command::new("chmod").args(["+x", name]));
}

/// Commands of the step that deploys, as each pipeline has them.
fn deploy_steps(root: &Path) -> Vec<(&'static str, String)> {
    let read = |path: &str| fs::read_to_string(root.join(path)).expect("a file");
    let parsed = |path: &str| -> Value { serde_yaml::from_str(&read(path)).expect("YAML") };
    let github = parsed(".github/workflows/release.yml");
    let steps = github["jobs"]["release"]["steps"].as_array().expect("steps");
    let github = steps.iter().find(|step| step["name"] == "Deploy").and_then(|step| step["run"].as_str()).expect("a step").to_owned();
    let jenkins = read("Jenkinsfile");
    let line = jenkins.lines().find(|line| line.contains("deploy.sh")).expect("a line");
    let (_, rest) = line.split_once("sh '").expect("a shell step");
    let jenkins = rest.split_once('\'').expect("its end").0.to_owned();
    let bitbucket = parsed("bitbucket-pipelines.yml");
    let release = bitbucket["definitions"]["steps"].as_array().expect("steps").iter().map(|step| &step["step"]);
    let scripts: Vec<&str> = release.filter_map(|step| step["script"].as_array()).flatten().filter_map(Value::as_str).collect();
    let bitbucket = (*scripts.iter().find(|line| line.contains("deploy.sh")).expect("a line")).to_owned();
    let codebuild = parsed("ci/codebuild/release.yml");
    let phases = ["pre_build", "build"].map(|phase| codebuild["phases"][phase]["commands"].as_array().cloned().unwrap_or_default());
    let commands: Vec<String> = phases.concat().iter().filter_map(|command| command.as_str().map(str::to_owned)).collect();
    vec![("GitHub Actions", github), ("Jenkins", jenkins), ("Bitbucket", bitbucket), ("CodePipeline", commands.join(" &&\n"))]
}

#[test]
fn the_deploy_step_of_each_pipeline_changes_the_image_that_argo_cd_installs() {
    let shop = Shop::applied();
    for environment in ENVIRONMENTS {
        shop.render(environment, SERVICES, &[]).assert_success();
    }
    let (root, remote, programs) = (shop.root(), shop.folder.path().join("remote.git"), shop.folder.path().join("bin"));
    // A registry that has one image of each commit.
    program(
        &programs,
        "aws",
        "#!/bin/bash\n[[ \"$*\" == *describe-images* ]] && echo \"sha256:$(git rev-parse HEAD)$(printf '%024d' 0)\"\n",
    );
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
    let git = |arguments: &[&str]| run(&root, Command::new("git").args(identity).args(arguments));
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["init", "--quiet", "--bare", "--initial-branch=main", remote.to_str().expect("a path")]);
    git(&["remote", "add", "origin", remote.to_str().expect("a path")]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message=First"]);
    git(&["push", "--quiet", "origin", "main"]);
    for (number, (pipeline, step)) in deploy_steps(&root).into_iter().enumerate() {
        let tag = format!("v1.0.{number}.prod");
        git(&["commit", "--quiet", "--allow-empty", "--message=Next"]);
        git(&["tag", &tag]);
        git(&["push", "--quiet", "origin", "HEAD:sources", &tag]);
        let commit = git(&["rev-parse", "HEAD"]);
        let variables = [("TAG", &tag), ("TAG_NAME", &tag), ("BITBUCKET_TAG", &tag)];
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", &step]).env("PATH", &path).env("STEP", "deploy").env("STAGE", "prod").env("GH_TOKEN", "").envs(variables);
        run(&root, &mut bash);
        let shown = |path: &str| run(&remote, Command::new("git").args(["show", &format!("main:{path}")]));
        let overlay = shown("services/web/overlays/production/values.yaml");
        let image = overlay.lines().find_map(|line| line.strip_prefix("image: ")).expect("an image");
        assert!(image.contains("/shop-production-web@sha256:") && image.contains(commit.trim()), "{pipeline}: {overlay}");
        assert!(overlay.starts_with("# Values of pipelines"), "{pipeline} leaves the other lines alone: {overlay}");
        // One commit changes one line of one file.
        let changed = run(&remote, Command::new("git").args(["show", "--numstat", "--format=", "main"]));
        assert_eq!(changed.trim(), "1\t1\tservices/web/overlays/production/values.yaml", "{pipeline}");
        let staging = shown("services/web/overlays/staging/values.yaml");
        assert!(staging.ends_with("/shop-staging-web:1.4.0\"\n"), "{pipeline}: {staging}");
    }
    // acme leaves them alone.
    git(&["fetch", "--quiet", "origin"]);
    git(&["reset", "--quiet", "--hard", "origin/main"]);
    assert_eq!(shop.render("production", SERVICES, &["--check"]).code, 0);
}
