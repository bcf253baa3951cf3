//! Definitions of several files: included files, modules, values.

use std::{fs, path::Path, process::Command, sync::LazyLock};

use acme::core::ADDRESS_TAG;

use crate::{
    acme::{Acme, CommandOutput},
    standin::{Standin, StandinKind},
};

/// Folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), files);
    folder
}

pub fn write(folder: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }
}

/// Result of `validate`, which must fail.
pub fn problems(folder: &Path, more: &[&str]) -> String {
    let CommandOutput { code, stderr, .. } = Acme::without_cloud().run("validate", &folder.join("stack.yaml"), more);
    assert_eq!(code, 1, "{stderr}");
    stderr.replace(&format!("{}/", folder.display()), "")
}

/// Asserts that `validate` fails with each of these texts.
#[track_caller]
pub fn assert_problems(files: &[(&str, &str)], expected: &[&str]) {
    let folder = folder(files);
    let found = problems(folder.path(), &[]);
    for text in expected {
        assert!(found.contains(text), "`{text}` is missing:\n{found}");
    }
}

pub fn expanded(acme: &Acme, folder: &Path, more: &[&str]) -> serde_json::Value {
    let done = acme.run("show", &folder.join("stack.yaml"), &[&["--expanded"][..], more].concat()).assert_success();
    serde_yaml::from_str(&done.stdout).expect("YAML")
}

const WORKER: &str = "\
description: A queue and its logs.
inputs:
  retention: { type: number, description: Days, default: 7 }
  key: { type: string, description: ARN of a key, required: false }
values:
  days: '{{ inputs.retention }}'
queues:
  jobs: { kms_key: '{{ inputs.key }}' }
logs:
  worker: { retention_days: '{{ days }}' }
roles:
  worker:
    trust: { services: [lambda.amazonaws.com] }
    inline_policies:
      queue:
        Version: '2012-10-17'
        Statement: [{ Effect: Allow, Action: 'sqs:SendMessage', Resource: '{{ queues.jobs.arn }}' }]
outputs:
  queue: { value: '{{ queues.jobs.arn }}', description: ARN of the queue }
";

const TWO_WORKERS: &str = "\
stack: shop
keys: { main: {} }
include:
  - module: modules/worker
    as: mail
  - module: ./modules/worker/
    as: bills
    inputs: { retention: 30, key: '{{ keys.main.arn }}' }
resources:
  parameter:
    queue: { value: '{{ modules.mail.queue }}' }
outputs:
  queue: '{{ modules.bills.queue }}'
";

#[test]
fn values_count_in_their_documented_order() {
    let folder = folder(&[
        (
            "stack.yaml",
            "stack: shop\nvalues: { a: 1, b: 1, c: 1, d: 1, e: 1 }\nenvironments: { staging: {}, production: { b: 2, c: 2, d: 2, e: 2 } }\n\
             resources: { parameter: { all: { value: '{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}' } } }\n",
        ),
        ("values/production.yaml", "c: 3\nd: 3\ne: '{{ a + 2 }}'\n"),
        ("first.yaml", "d: 4\ne: 4\n"),
        ("second.yaml", "e: 5\n"),
    ]);
    let acme = Acme::without_cloud();
    let value = |more: &[&str]| expanded(&acme, folder.path(), more)["resources"]["parameter"]["all"]["value"].clone();
    assert_eq!(value(&["--env", "staging"]), "11111");
    assert_eq!(value(&["--env", "production"]), "12333");
    let [first, second] = ["first.yaml", "second.yaml"].map(|name| folder.path().join(name).display().to_string());
    let files = ["--env", "production", "--values", &first, "--values", &second];
    assert_eq!(value(&files), "12345");
    assert_eq!(value(&[&files[..], &["--set", "e=6"]].concat()), "12346");
}

#[test]
fn problems_of_values_point_into_their_files() {
    let stack = ("stack.yaml", "stack: shop\nvalues: { zones: 2, size: 1 }\nenvironments: { production: {} }\n");
    assert_problems(
        &[stack, ("values/production.yaml", "size: '{{ zone }}'\n")],
        &["values/production.yaml:1:7", "`zone` is not defined", "did you mean `zones`?"],
    );
    assert_problems(
        &[stack, ("values/production.yaml", "zones: 3\nzons: 4\n")],
        &["values/production.yaml:2:1", "the definition has no value `zons`", "did you mean `zones`?"],
    );
    let folder = folder(&[stack, ("more.yaml", "zones: 3\nzone: 4\n"), ("values/test.yaml", "zones: 3\n")]);
    let more = folder.path().join("more.yaml").display().to_string();
    let found = problems(folder.path(), &["--values", &more]);
    assert!(found.contains("more.yaml:2:1") && found.contains("no value `zone`") && found.contains("did you mean `zones`?"), "{found}");
    let found = problems(folder.path(), &["--env", "test"]);
    assert!(found.contains("environments: { test: {} }"), "{found}");
}

#[test]
fn a_saved_plan_has_the_files_of_values_and_is_refused_when_one_changes() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let folder = folder(&[
        (
            "stack.yaml",
            "stack: shop\nvalues: { size: a }\ninclude: [more.yaml]\nresources: { parameter: { one: { value: '{{ size }}' } } }\n",
        ),
        ("more.yaml", "queues: { orders: {} }\n"),
        ("size.yaml", "size: b\n"),
    ]);
    let (stack, plan) = (folder.path().join("stack.yaml"), folder.path().join("one.acmeplan"));
    let (size, out) = (folder.path().join("size.yaml").display().to_string(), plan.display().to_string());
    let save = || acme.run("plan", &stack, &["--values", &size, "--out", &out]).assert_success();
    for (name, changed) in [("size.yaml", "size: c\n"), ("more.yaml", "queues: { invoices: {} }\n")] {
        save();
        let before = fs::read_to_string(folder.path().join(name)).expect("a file");
        write(folder.path(), &[(name, changed)]);
        let refused = acme.run("apply", &plan, &["--yes"]);
        assert!(refused.code == 1 && refused.stderr.contains("--values"), "{}", refused.combined_output());
        write(folder.path(), &[(name, &before)]);
    }
    save();
    acme.run("apply", &plan, &["--yes"]).assert_success();
    let values = ["--values", size.as_str(), "--detailed-exitcode"];
    acme.run("plan", &stack, &values).assert_success();
}

#[test]
fn an_included_file_adds_entries_and_a_name_defined_twice_is_an_error() {
    let folder = folder(&[
        (
            "stack.yaml",
            "stack: shop\ninclude: [a/more.yaml]\nqueues: { orders: {} }\nresources: { parameter: { one: { value: '{{ x }}' } } }\n",
        ),
        ("a/more.yaml", "include: [../b.yaml]\nvalues: { x: 1 }\nqueues: { bills: {} }\nresources: { parameter: { two: { value: y } } }\n"),
        ("b.yaml", "outputs: { url: '{{ queues.bills.arn }}' }\n"),
    ]);
    let found = expanded(&Acme::without_cloud(), folder.path(), &[]);
    let names: Vec<&String> = found["resources"]["sqs_queue"].as_object().expect("queues").keys().collect();
    assert_eq!(names, ["bills", "orders"]);
    assert_eq!(found["resources"]["parameter"].as_object().expect("parameters").len(), 2);
    assert_eq!(found["outputs"]["url"], "{{ sqs_queue.bills.arn }}");
    write(folder.path(), &[("b.yaml", "stack: other\nqueues:\n  orders: {}\nresources: { parameter: { two: { value: z } } }\n")]);
    let found = problems(folder.path(), &[]);
    for text in [
        "b.yaml:3:3",
        "`queues.orders` is defined twice",
        "stack.yaml:3",
        "b.yaml:4",
        "`resources.parameter.two`",
        "a/more.yaml:4",
        "b.yaml:1:1",
    ] {
        assert!(found.contains(text), "`{text}` is missing:\n{found}");
    }
}

#[test]
fn problems_of_files_that_cannot_be_included_name_the_remedy() {
    let outside = tempfile::NamedTempFile::new().expect("a file");
    let file = outside.path().file_name().expect("a name").to_str().expect("text").to_owned();
    let stack = format!(
        "stack: shop\ninclude:\n  - none.yaml\n  - ../{file}\n  - {}\n  - self.yaml\n  - modules/none\n  - {{ module: modules/none }}\n  \
         - {{ modul: x }}\n  - 3\n",
        outside.path().display()
    );
    assert_problems(
        &[("stack.yaml", &stack), ("self.yaml", "include: [self.yaml]\n"), ("modules/none/readme", "")],
        &[
            "there is no file `none.yaml`",
            "leads out of",
            "is not a relative path",
            "self.yaml:1:11",
            "includes itself",
            "is not a file",
            "`module.yaml`",
            "no key `modul`",
            "did you mean `module`?",
            "neither a path nor a module",
        ],
    );
}

#[test]
fn a_module_used_twice_has_names_and_references_of_its_own() {
    let folder = folder(&[("stack.yaml", TWO_WORKERS), ("modules/worker/module.yaml", WORKER)]);
    let found = expanded(&Acme::without_cloud(), folder.path(), &[]);
    let resources = &found["resources"];
    assert_eq!(resources["sqs_queue"]["bills-jobs"]["kms_key"], "kms_key.main");
    assert_eq!(resources["sqs_queue"]["mail-jobs"].get("kms_key"), None);
    assert_eq!(resources["log_group"]["bills-worker"]["retention_days"], 30);
    assert_eq!(resources["log_group"]["mail-worker"]["retention_days"], 7);
    let policy = resources["iam_role"]["mail-worker"]["inline_policies"].to_string();
    assert!(policy.contains("{{ sqs_queue.mail-jobs.arn }}"), "{policy}");
    assert_eq!(resources["parameter"]["queue"]["value"], "{{ sqs_queue.mail-jobs.arn }}");
    assert_eq!(found["outputs"]["queue"], "{{ sqs_queue.bills-jobs.arn }}");
}

#[test]
fn a_module_in_a_module_and_names_in_fields_resolve_inside() {
    let net = "inputs: { cidr: { type: string, description: Range } }\nnetwork: { cidr: '{{ inputs.cidr }}', zones: [a], nat: none }\n\
               outputs: { vpc: { value: '{{ network.vpc.id }}', description: VPC }, subnet: { value: '{{ subnet.private-a.id }}', description: Subnet } }\n";
    let app = "inputs: { vpc: { type: string, description: VPC } }\ninclude: [{ module: ../net, as: own, inputs: { cidr: 10.9.0.0/16 } }]\n\
               resources:\n  security_group:\n    web: { vpc: '{{ inputs.vpc }}', description: Web }\n    inner: { vpc: '{{ modules.own.vpc }}', description: Inner }\n    \
               api: { vpc: '{{ inputs.vpc }}', description: Api, ingress: [{ port: 80, security_group: web, description: Web }] }\n\
               outputs: { inner: { value: '{{ modules.own.subnet }}', description: Inner } }\n";
    let stack = "stack: shop\nregion: eu-west-1\ninclude:\n  - { module: net, inputs: { cidr: 10.0.0.0/16 } }\n  - { module: app, inputs: { vpc: '{{ modules.net.vpc }}' } }\n\
                 outputs: { inner: '{{ modules.app.inner }}' }\n";
    let folder = folder(&[("stack.yaml", stack), ("net/module.yaml", net), ("app/module.yaml", app)]);
    let found = expanded(&Acme::without_cloud(), folder.path(), &[]);
    let groups = &found["resources"]["security_group"];
    assert_eq!(groups["app-web"]["vpc"], "vpc.net-main");
    assert_eq!(groups["app-inner"]["vpc"], "vpc.app-own-main");
    assert!(groups["app-api"]["ingress"].to_string().contains("security_group.app-web"), "{groups:#}");
    assert_eq!(found["resources"]["subnet"]["app-own-private-a"]["vpc"], "vpc.app-own-main");
    assert_eq!(found["outputs"]["inner"], "{{ subnet.app-own-private-a.id }}");
}

#[test]
fn problems_of_modules_point_into_the_right_file() {
    let module = "\
inputs:
  size: { type: number, description: Size }
  name: { type: text, description: Name }
  plain: { type: string }
queues:
  jobs: { fifoo: true }
  bad: { kms_key: '{{ inputs.siz }}' }
resources:
  security_group:
    web: { vpc: main, description: Web }
stack: other
platform: {}
outputs:
  url: '{{ queues.jobs.url }}'
";
    let stack = "\
stack: shop
include:
  - module: web
    inputs: { size: large, colour: red }
  - { module: web, as: again, inputs: { size: 3 } }
  - { module: web }
";
    assert_problems(
        &[("stack.yaml", stack), ("web/module.yaml", module)],
        &[
            "stack.yaml:4:21",
            "must be of the type `number`, not text",
            "web/module.yaml:2",
            "has no input `colour`",
            "web/module.yaml:3:17",
            "there is no type `text`",
            "the input `plain` has no description",
            "web/module.yaml:6:11",
            "`fifoo`",
            "web/module.yaml:7:19",
            "web/module.yaml:10:17",
            "unknown vpc",
            "web/module.yaml:11:1",
            "web/module.yaml:12:1",
            "a module can't have `platform`: the components of a cluster belong to the stack",
            "web/module.yaml:14:8",
            "must be a map",
            "there are two modules `web`",
        ],
    );
    let module = "inputs: { size: { type: number, description: Size } }\nqueues: { jobs: {} }\n";
    assert_problems(
        &[("stack.yaml", "stack: shop\ninclude:\n  - { module: web }\n"), ("web/module.yaml", module)],
        &["stack.yaml:3:5", "the module `web` requires the input `size`", "web/module.yaml:1"],
    );
    let stack = "stack: shop\ninclude:\n  - { module: web, as: a, inputs: { size: '{{ modules.b.x }}' } }\n  - { module: web, as: b, inputs: { size: '{{ modules.a.x }}' } }\n";
    assert_problems(&[("stack.yaml", stack), ("web/module.yaml", module)], &["depend on its own outputs"]);
}

pub fn git(folder: &Path, arguments: &[&str]) {
    let identity =
        ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false", "-c", "init.defaultBranch=main"];
    let done = Command::new("git").current_dir(folder).args(identity).args(arguments).output().expect("git");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_module_from_a_git_repository_is_pinned_by_its_checksum() {
    let work = folder(&[("modules/worker/module.yaml", WORKER)]);
    git(work.path(), &["init", "--quiet"]);
    git(work.path(), &["add", "."]);
    git(work.path(), &["commit", "--quiet", "-m", "One"]);
    git(work.path(), &["tag", "v1"]);
    let bare = tempfile::tempdir().expect("a folder");
    git(bare.path(), &["clone", "--quiet", "--bare", &work.path().display().to_string(), "modules.git"]);
    let cache = tempfile::tempdir().expect("a folder");
    let url = format!("file://{}/modules.git", bare.path().display());
    let stack = tempfile::tempdir().expect("a folder");
    let validate = |reference: &str, checksum: &str| {
        let text = format!("stack: shop\ninclude:\n  - module: git::{url}//modules/worker{reference}\n{checksum}");
        write(stack.path(), &[("stack.yaml", &text)]);
        let cache = cache.path().display().to_string();
        Acme::without_cloud().run_with_env(&[("XDG_CACHE_HOME", &cache)], "validate", &stack.path().join("stack.yaml"), &[])
    };
    let unpinned = validate("", "");
    assert!(unpinned.code == 1 && unpinned.stderr.contains("`?ref=`"), "{}", unpinned.stderr);
    let missing = validate("?ref=v1", "");
    let checksum = missing.stderr.split("`checksum: ").nth(1).and_then(|rest| rest.split('`').next()).expect("the checksum").to_owned();
    assert!(missing.code == 1 && checksum.starts_with("sha256:"), "{}", missing.stderr);
    let wrong = validate("?ref=v1", "    checksum: sha256:0000\n");
    assert!(wrong.code == 1 && wrong.stderr.contains(&format!("have the checksum `{checksum}`")), "{}", wrong.stderr);
    let right = format!("    checksum: {checksum}\n");
    assert!(validate("?ref=v1", &right).assert_success().stderr.contains("3 resources"));
    let unknown = validate("?ref=v2", &right);
    assert!(unknown.code == 1 && unknown.stderr.contains("can't fetch") && unknown.stderr.contains("ls-remote"), "{}", unknown.stderr);
    // From now on, the cache has it.
    fs::remove_dir_all(bare.path().join("modules.git")).expect("it is there");
    validate("?ref=v1", &right).assert_success();
}

#[test]
fn a_module_used_by_two_stacks_is_applied_changed_and_destroyed() {
    let cloud = tempfile::tempdir().expect("a folder");
    check_module_in_two_stacks(&Acme::local(cloud.path()));
}

fn check_module_in_two_stacks(acme: &Acme) {
    let stack = |name: &str, retention: u32| {
        format!("stack: {name}\ninclude: [{{ module: modules/worker, as: mail, inputs: {{ retention: {retention} }} }}]\n")
    };
    let folder = folder(&[("a.yaml", &stack("shop", 7)), ("b.yaml", &stack("bills", 30)), ("modules/worker/module.yaml", WORKER)]);
    let [a, b] = ["a.yaml", "b.yaml"].map(|name| folder.path().join(name));
    acme.apply(&a);
    acme.apply(&b);
    acme.assert_no_changes(&a);
    write(folder.path(), &[("a.yaml", &stack("shop", 14))]);
    assert_eq!(acme.plan(&a).changes(), ["update log_group.mail-worker"]);
    acme.apply(&a);
    acme.assert_no_changes(&b);
    acme.destroy(&a);
    acme.assert_no_changes(&b);
    acme.destroy(&b);
}

#[test]
fn a_forgotten_resource_stays_without_ownership_tags() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let folder = folder(&[("stack.yaml", "stack: shop\nqueues: { orders: {}, bills: {} }\n")]);
    let stack = folder.path().join("stack.yaml");
    acme.apply(&stack);
    write(folder.path(), &[("stack.yaml", "stack: shop\nqueues: { orders: {}, bills: {} }\nforget: [sqs_queue.bills]\n")]);
    assert!(problems(folder.path(), &[]).contains("still declared"));
    write(folder.path(), &[("stack.yaml", "stack: shop\nqueues: { orders: {} }\nforget: [sqs_queue.bills, sqs_queue.never]\n")]);
    assert_eq!(acme.plan(&stack).changes(), ["forget sqs_queue.bills"]);
    let shown = acme.run("plan", &stack, &[]).assert_success().stdout;
    assert!(shown.contains("leaves the stack, stays in AWS") && shown.contains("Plan: 1 to forget; 1 unchanged."), "{shown}");
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    acme.destroy(&stack);
    let simulator = acme::simulator::Simulator::open(cloud.path(), "us-east-1", acme::simulator::Behaviour::default()).expect("a cloud");
    let left = simulator.resources("sqs_queue", None);
    assert_eq!(left.len(), 1);
    assert!(!left[0].tags.contains_key(ADDRESS_TAG), "{:?}", left[0].tags);
}

const NETWORK: &str = "\
stack: shop-network
region: us-east-1
resources:
  vpc:
    shared: { cidr: 10.0.0.0/16, tags: { Network: shared } }
  subnet:
    private:
      for_each: { a: 10.0.1.0/24, b: 10.0.2.0/24 }
      vpc: shared
      cidr: '{{ each.value }}'
      availability_zone: us-east-1{{ each.key }}
      tags: { tier: private }
  dns_zone:
    public: { domain: shop.example.com }
outputs:
  vpc_id: '{{ vpc.shared.id }}'
  subnet_ids: ['{{ subnet.private-a.id }}', '{{ subnet.private-b.id }}']
  name: web
";

const APP: &str = "\
stack: shop
region: us-east-1
existing:
  vpc: { shared: { tags: { Network: shared } } }
  subnet: { private: { tags: { tier: private }, all: true } }
  dns_zone: { public: { name: shop.example.com } }
cluster: { version: '1.34', subnets: [private], deletion_protection: false }
resources:
  security_group:
    web: { vpc: shared, description: Web }
  dns_record:
    www: { zone: public, domain: www.shop.example.com, type: CNAME, ttl_seconds: 60, values: [shop.example.com] }
outputs:
  vpc: '{{ existing.shared.id }}'
  range: '{{ vpc.shared.cidr }}'
";

/// An existing VPC with a new cluster: applied, changed and destroyed, while the network stays as it is.
fn check_existing(acme: &Acme) {
    let folder = folder(&[("network.yaml", NETWORK), ("app.yaml", APP)]);
    let [network, app] = ["network.yaml", "app.yaml"].map(|name| folder.path().join(name));
    let missing = acme.run("plan", &app, &[]);
    assert!(
        missing.code == 1 && missing.stderr.contains("app.yaml:4:10") && missing.stderr.contains("there is no vpc"),
        "{}",
        missing.stderr
    );
    acme.apply(&network);
    acme.apply(&app);
    acme.assert_no_changes(&app);
    let outputs = acme.run("outputs", &app, &["-o", "json"]).assert_success();
    let outputs: serde_json::Value = serde_json::from_str(&outputs.stdout).expect("JSON");
    assert_eq!(outputs["outputs"]["range"], "10.0.0.0/16");
    assert!(outputs["outputs"]["vpc"].as_str().is_some_and(|id| id.starts_with("vpc-")), "{outputs:#}");
    write(folder.path(), &[("app.yaml", &APP.replace("ttl_seconds: 60", "ttl_seconds: 90"))]);
    let plan = acme.plan(&app);
    assert_eq!(plan.changes(), ["update dns_record.www"]);
    let used: Vec<(&str, usize)> = plan.0["existing"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|used| (used["address"].as_str().unwrap_or_default(), used["ids"].as_array().map_or(0, Vec::len)))
        .collect();
    assert_eq!(used, [("dns_zone.public", 1), ("subnet.private", 2), ("vpc.shared", 1)]);
    acme.apply(&app);
    acme.destroy(&app);
    acme.assert_no_changes(&network);
    acme.destroy(&network);
}

#[test]
fn an_existing_network_is_used_and_stays() {
    let cloud = tempfile::tempdir().expect("a folder");
    check_existing(&Acme::local(cloud.path()));
}

#[test]
#[ignore = "full run"]
fn an_existing_network_is_used_and_stays_on_moto() {
    let standin = Standin::start(StandinKind::Moto);
    check_existing(&Acme::at_endpoint(&standin.url));
}

#[test]
fn several_existing_resources_are_an_error_with_the_remedy() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let app = "stack: shop\nregion: us-east-1\nexisting:\n  subnet:\n    one: { tags: { tier: private } }\n    other: { id: subnet-none }\n    typo: { tag: x }\n";
    let folder = folder(&[("network.yaml", NETWORK), ("stack.yaml", app)]);
    acme.apply(&folder.path().join("network.yaml"));
    assert!(problems(folder.path(), &[]).contains("there is no key `tag` here"));
    write(folder.path(), &[("stack.yaml", &app.replace("    typo: { tag: x }\n", ""))]);
    let found = acme.run("plan", &folder.path().join("stack.yaml"), &[]);
    for text in ["stack.yaml:5:5", "is not unique: 2 match", "all: true", "stack.yaml:6:5", "there is no subnet with the id `subnet-none`"]
    {
        assert!(found.code == 1 && found.stderr.contains(text), "`{text}` is missing:\n{}", found.stderr);
    }
    let listed = app.replace(
        "    one: { tags: { tier: private } }\n    other: { id: subnet-none }\n    typo: { tag: x }\n",
        "    a: { name: shop-network-private-a }\n",
    );
    let group = "resources: { rds_subnet_group: { main: { subnets: [a, '{{ existing.b.id }}'], description: x } } }\n";
    write(folder.path(), &[("stack.yaml", &format!("{listed}{group}"))]);
    assert!(problems(folder.path(), &[]).contains("there is no `b` under `existing`"));
}

#[test]
fn existing_resources_of_any_type_are_found_by_name_and_arn() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let owner = "stack: owner\nregion: us-east-1\nkeys: { main: {} }\nqueues: { jobs: {} }\nregistries: { web: {} }\n\
                 roles: { deploy: { trust: { services: [ec2.amazonaws.com] } } }\ntopics: { news: {} }\n\
                 resources: { dns_zone: { main: { domain: example.com } }, certificate: { web: { domain: www.example.com, zone: main } } }\n\
                 outputs: { topic: '{{ topics.news.arn }}' }\n";
    let folder = folder(&[("owner.yaml", owner)]);
    let path = folder.path().join("owner.yaml");
    acme.apply(&path);
    let topic = acme.run("outputs", &path, &["--name", "topic"]).assert_success().stdout.trim().to_owned();
    let user = format!(
        "stack: user\nregion: us-east-1\nexisting:\n  kms_key:\n    short: {{ name: owner-main }}\n    long: {{ name: alias/owner-main }}\n  \
         sqs_queue: {{ jobs: {{ name: owner-jobs }} }}\n  ecr_repository: {{ web: {{ name: owner-web }} }}\n  iam_role: {{ deploy: {{ name: owner-deploy }} }}\n  \
         certificate: {{ web: {{ name: www.example.com }} }}\n  sns_topic: {{ news: {{ id: '{topic}' }} }}\n\
         outputs:\n  short: '{{{{ kms_key.short.arn }}}}'\n  long: '{{{{ existing.long.arn }}}}'\n  \
         all: ['{{{{ existing.jobs.arn }}}}', '{{{{ ecr_repository.web.uri }}}}', '{{{{ existing.deploy.arn }}}}', '{{{{ certificate.web.arn }}}}', '{{{{ existing.news.arn }}}}']\n\
         queues: {{ own: {{ kms_key: short }} }}\n"
    );
    write(folder.path(), &[("user.yaml", &user)]);
    let path = folder.path().join("user.yaml");
    acme.apply(&path);
    let outputs = acme.run("outputs", &path, &["-o", "json"]).assert_success();
    let outputs: serde_json::Value = serde_json::from_str(&outputs.stdout).expect("JSON");
    let outputs = &outputs["outputs"];
    assert_eq!(outputs["short"], outputs["long"]);
    assert_eq!(outputs["all"][4], topic.as_str());
    let known = outputs["all"].as_array().is_some_and(|all| all.len() == 5 && all.iter().all(serde_json::Value::is_string));
    assert!(known, "{outputs:#}");
    acme.assert_no_changes(&path);
}

const CONSUMER: &str = "\
stack: shop
region: us-east-1
stacks:
  network: { stack: shop-network, environment: default }
resources:
  security_group:
    web: { vpc: '{{ stacks.network.vpc_id }}', description: Web }
  rds_subnet_group:
    main: { subnets: '{{ stacks.network.subnet_ids }}', description: Databases }
  parameter:
    name: { value: 'x-{{ stacks.network.name }}' }
";

/// A stack that reads another's outputs: applied, changed and destroyed.
fn check_other_stack(acme: &Acme) {
    let folder = folder(&[("network.yaml", NETWORK), ("stack.yaml", CONSUMER)]);
    let [network, stack] = ["network.yaml", "stack.yaml"].map(|name| folder.path().join(name));
    let missing = acme.run("plan", &stack, &[]);
    assert!(missing.code == 1 && missing.stderr.contains("the stack shop-network (default) does not exist"), "{}", missing.stderr);
    assert!(missing.stderr.contains("stack.yaml:4:3"), "{}", missing.stderr);
    acme.apply(&network);
    let shown = acme.run("plan", &stack, &[]).assert_success();
    assert!(shown.stdout.contains("reads shop-network (default) at revision 1"), "{}", shown.stdout);
    let plan = acme.plan(&stack);
    assert_eq!(
        plan.0["stacks"],
        serde_json::json!([{ "name": "network", "stack": "shop-network", "environment": "default", "revision": 1 }])
    );
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    // Another value of an output is a change of its own, with a revision of its own.
    write(folder.path(), &[("network.yaml", &NETWORK.replace("name: web", "name: api"))]);
    let changed = acme.run("plan", &network, &["--detailed-exitcode"]);
    assert!(changed.code == 2 && changed.stdout.contains("\n outputs\n  ~ name: web → api\n"), "{}", changed.combined_output());
    assert!(changed.stdout.contains("Plan: 1 output to change; "), "{}", changed.stdout);
    assert_eq!(acme.plan(&network).0["outputs"], serde_json::json!([{ "name": "name", "before": "web", "after": "api" }]));
    acme.apply(&network);
    acme.assert_no_changes(&network);
    assert!(acme.run("plan", &stack, &[]).assert_success().stdout.contains("reads shop-network (default) at revision 2"));
    assert_eq!(acme.plan(&stack).changed_fields("parameter.name"), ["/value".to_owned()].into());
    // A rollback returns to the earlier ones.
    acme.run("rollback", &network, &["--yes"]).assert_success();
    acme.assert_no_changes(&stack);
    acme.apply(&network);
    assert_eq!(acme.plan(&stack).changed_fields("parameter.name"), ["/value".to_owned()].into());
    acme.apply(&stack);
    write(folder.path(), &[("stack.yaml", &CONSUMER.replace("network.name", "network.nam"))]);
    let unknown = acme.run("plan", &stack, &[]);
    assert!(
        unknown.code == 1 && unknown.stderr.contains("has no output `nam`") && unknown.stderr.contains("did you mean `name`?"),
        "{}",
        unknown.stderr
    );
    assert!(unknown.stderr.contains("stack.yaml:11"), "{}", unknown.stderr);
    write(folder.path(), &[("stack.yaml", CONSUMER)]);
    acme.destroy(&stack);
    acme.destroy(&network);
    let missing = acme.run("plan", &stack, &[]);
    assert!(missing.code == 1 && missing.stderr.contains("does not exist"), "{}", missing.combined_output());
}

#[test]
fn a_stack_uses_the_outputs_of_another() {
    let cloud = tempfile::tempdir().expect("a folder");
    check_other_stack(&Acme::local(cloud.path()));
}

#[test]
#[ignore = "full run"]
fn a_stack_uses_the_outputs_of_another_on_moto() {
    let standin = Standin::start(StandinKind::Moto);
    check_other_stack(&Acme::at_endpoint(&standin.url));
}

#[test]
#[ignore = "full run"]
fn a_module_used_by_two_stacks_works_on_moto() {
    let standin = Standin::start(StandinKind::Moto);
    check_module_in_two_stacks(&Acme::at_endpoint(&standin.url));
}

#[test]
fn problems_of_references_to_stacks_name_the_remedy() {
    let stack = "stack: shop\nstacks: { network: { stak: a } }\nresources:\n  parameter:\n    a: { value: '{{ stacks.netwrk.x }}' }\n    b: { value: '{{ stacks.network.x | upper }}' }\n";
    assert_problems(
        &[("stack.yaml", stack)],
        &["no key `stak`", "unknown stack `netwrk`", "did you mean `network`?", "known only after apply", "stack.yaml:5:17"],
    );
}

#[test]
fn ignored_changes_stay_and_need_a_reason() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let definition = |more: &str, days: u32, prefix: &str| {
        format!("stack: shop\nregion: us-east-1\nlogs:\n  web: {{ retention_days: {days}, {more} }}\n{prefix}")
    };
    let folder = folder(&[("stack.yaml", &definition("", 7, ""))]);
    let stack = folder.path().join("stack.yaml");
    acme.apply(&stack);
    let ignored = "ignore_changes: { fields: [retention_days], reason: The auditors set it. }";
    write(folder.path(), &[("stack.yaml", &definition(ignored, 30, "tags: { team: web }\n"))]);
    let plan = acme.plan(&stack);
    assert_eq!(plan.changes(), ["update log_group.web"]);
    assert!(plan.changed_fields("log_group.web").is_empty(), "{:?}", plan.changed_fields("log_group.web"));
    assert!(plan.0["notes"].to_string().contains("The auditors set it."), "{}", plan.0["notes"]);
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    write(folder.path(), &[("stack.yaml", &definition("", 30, "tags: { team: web }\n"))]);
    assert_eq!(acme.plan(&stack).changed_fields("log_group.web"), ["/retention_days".to_owned()].into());
    for (wrong, message) in [
        ("ignore_changes: { fields: [retention_days] }", "has no reason"),
        ("ignore_changes: { fields: [retention], reason: x }", "has no field `retention`"),
        ("ignore_changes: [retention_days]", "must be a map"),
        ("ignore_changes: { fields: [tags], reason: x }", "ignore_tags"),
    ] {
        write(folder.path(), &[("stack.yaml", &definition(wrong, 30, ""))]);
        let found = problems(folder.path(), &[]);
        assert!(found.contains(message), "{found}");
    }
}

/// Files in the code blocks of each chapter of a page: the comment in their first line is the name.
fn files_of_page() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
    static PAGE: LazyLock<String> =
        LazyLock::new(|| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/composition.md")).expect("the page"));
    let chapters = PAGE.split("\n## ").skip(1).map(|chapter| {
        let files = chapter.split("\n```yaml\n# ").skip(1).filter_map(|block| {
            let (name, rest) = block.split_once('\n')?;
            Some((name, format!("{}\n", rest.split("\n```").next()?)))
        });
        (chapter.lines().next().unwrap_or_default(), files.collect::<Vec<_>>())
    });
    chapters.filter(|(_, files)| !files.is_empty()).collect()
}

#[test]
fn examples_of_the_page_are_valid() {
    let chapters = files_of_page();
    let names: Vec<&str> = chapters.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        names,
        [
            "Values",
            "Files",
            "Keys of your own",
            "Modules",
            "Existing resources",
            "Container images",
            "Other stacks",
            "Changes that others make",
            "Rename",
            "Forget"
        ]
    );
    for (name, files) in chapters {
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        let folder = folder(&files);
        let done = Acme::without_cloud().run("validate", &folder.path().join("stack.yaml"), &["--all-environments"]);
        assert_eq!(done.code, 0, "{name}: {}", done.stderr);
    }
}
