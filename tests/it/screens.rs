//! Screens: plans, failing runs, and the help of every command. Each screen is a snapshot.

use std::process::Command;

use regex_lite::Regex;

use crate::{
    acme::{Acme, binary, write_file},
    simulated_cloud::redacted_output,
};

const BEFORE: &str = "
stack: shop
region: eu-west-1
tags: { team: web }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1a }
  security_group:
    web:
      vpc: main
      ingress:
        - { port: 22, cidr: 10.0.0.0/16 }
        - { port: 443, cidr: 0.0.0.0/0, description: Everybody may use the website }
    cache: { vpc: main, ingress: [{ port: 6379, security_group: web }] }
  elastic_ip: { office: {}, nat: {} }
  ecr_repository: { users: { keep_last: 5 }, orders: {} }
  iam_policy:
    deploy:
      document:
        Statement:
          - { Effect: Allow, Action: [ecr:GetAuthorizationToken], Resource: '*' }
          - Effect: Allow
            Action: [ecr:BatchGetImage, ecr:PutImage]
            Resource: arn:aws:ecr:eu-west-1:123456789012:repository/users
";

const AFTER: &str = "
stack: shop
region: eu-west-1
tags: { team: platform, cost_center: '42' }
resources:
  vpc: { main: { cidr: 10.0.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.2.0/24, availability_zone: eu-west-1a }
  security_group:
    web:
      vpc: main
      ingress:
        - { port: 2222, cidr: 10.0.0.0/16 }
        - { port: 443, cidr: 0.0.0.0/0, description: Everybody may use the website }
        - { port: 80, cidr: 0.0.0.0/0, description: Everybody is sent from here to the encrypted port }
    cache: { vpc: main, description: For the cache, ingress: [{ port: 6379, security_group: web }] }
  elastic_ip: { nat: {} }
  nat_gateway: { main: { subnet: a, elastic_ip: nat } }
  ecr_repository: { users: { keep_last: 20, immutable_tags: true } }
  iam_policy:
    deploy:
      document:
        Statement:
          - { Effect: Allow, Action: [ecr:GetAuthorizationToken], Resource: '*' }
          - Effect: Allow
            Action: [ecr:BatchGetImage, ecr:CompleteLayerUpload, ecr:PutImage]
            Resource: arn:aws:ecr:eu-west-1:123456789012:repository/users
          - Effect: Deny
            Action: [ecr:DeleteRepository, ecr:BatchDeleteImage, ecr:PutLifecyclePolicy]
            Resource: arn:aws:ecr:eu-west-1:123456789012:repository/*
";

struct Shop {
    folder: tempfile::TempDir,
    acme: Acme,
}

impl Shop {
    fn new() -> Shop {
        let folder = tempfile::tempdir().unwrap();
        let acme = Acme::local(&folder.path().join("cloud"));
        Shop { folder, acme }
    }
    /// Screen of a command on a definition, with faults.
    fn output_with_fault(&self, fault: &str, command: &str, text: &str, more: &[&str]) -> String {
        let path = write_file(self.folder.path(), "shop.yaml", text);
        let shown = redacted_output(&self.acme.run_with_env(&[("ACME_LOCAL_FAULT", fault)], command, &path, more), self.folder.path());
        let shown = Regex::new(r"by \S+@\S+\)").unwrap().replace_all(&shown, "by USER@HOST)").into_owned();
        // The name of a replacement ends with a hash of the old one's id.
        Regex::new(r"-[0-9a-f]{6}\b").unwrap().replace_all(&shown, "-…").into_owned()
    }
}

/// No line of a plan is wider than a terminal.
fn assert_fits_80_columns(text: &str) -> &str {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    text
}

#[test]
fn plan_output() {
    let shop = Shop::new();
    insta::assert_snapshot!("plan_create_all", assert_fits_80_columns(&shop.output_with_fault("", "plan", BEFORE, &["--all"])));
    shop.output_with_fault("", "apply", BEFORE, &["--yes"]);
    insta::assert_snapshot!("plan_of_an_edit", assert_fits_80_columns(&shop.output_with_fault("", "plan", AFTER, &[])));
    insta::assert_snapshot!("plan_unchanged_all", assert_fits_80_columns(&shop.output_with_fault("", "plan", BEFORE, &["--all"])));
    insta::assert_snapshot!("plan_destroy", assert_fits_80_columns(&shop.output_with_fault("", "plan", BEFORE, &["--destroy"])));
}

#[test]
fn deleting_a_protected_resource_blocks_the_plan() {
    let shop = Shop::new();
    let text = "
stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
databases:
  orders: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20 }
";
    shop.output_with_fault("", "apply", text, &["--yes"]);
    insta::assert_snapshot!("plan_protected", shop.output_with_fault("", "destroy", text, &["--yes"]));
}

#[test]
fn irreversible_changes_block_the_plan() {
    let shop = Shop::new();
    let text = |version: &str, mode: &str, storage: u32| {
        format!(
            "
stack: shop
region: eu-west-1
network: {{ cidr: 10.0.0.0/16, zones: 2, nat: single }}
cluster: {{ version: '{version}', authentication_mode: {mode}, node_groups: {{ main: {{ instance_types: [m7g.large], min: 1, max: 3 }} }} }}
databases:
  orders: {{ engine: postgres, version: '16', class: db.t4g.medium, storage_gib: {storage} }}
"
        )
    };
    shop.output_with_fault("", "apply", &text("1.33", "API", 50), &["--yes"]);
    insta::assert_snapshot!("plan_one_way", shop.output_with_fault("", "plan", &text("1.32", "API_AND_CONFIG_MAP", 20), &[]));
    insta::assert_snapshot!("plan_two_minor_versions", shop.output_with_fault("", "plan", &text("1.31", "API", 50), &[]));
}

const SMALL: &str = "
stack: shop
region: eu-west-1
resources:
  vpc:
    main: { cidr: 10.0.0.0/16 }
  subnet:
    a: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1a }
  elastic_ip:
    nat: { depends_on: [subnet.a] }
outputs:
  subnet: '{{ subnet.a.id }}'
";

#[test]
fn run_output() {
    let shop = Shop::new();
    insta::assert_snapshot!("run_rolled_back", shop.output_with_fault("refuse:3", "apply", SMALL, &["--yes"]));
    let all: Vec<String> = (3..40).map(|call| format!("refuse:{call}")).collect();
    insta::assert_snapshot!("run_stuck", shop.output_with_fault(&all.join(","), "apply", SMALL, &["--yes"]));
    insta::assert_snapshot!("run_goes_on", shop.output_with_fault("", "apply", SMALL, &["--yes"]));
    let edited = SMALL.replace("10.0.1.0/24", "10.0.2.0/24");
    shop.output_with_fault("", "apply", &edited, &["--yes"]);
    insta::assert_snapshot!("run_back", shop.output_with_fault("", "rollback", &edited, &["--yes"]));
    // The subnet is deleted before its network.
    let less = "stack: shop\nregion: eu-west-1\nresources:\n  elastic_ip: { nat: {} }\n";
    insta::assert_snapshot!("run_past_pivot", shop.output_with_fault("refuse:2,refuse:3", "apply", less, &["--yes"]));
    insta::assert_snapshot!("run_kept", Shop::new().output_with_fault("refuse:3", "apply", SMALL, &["--yes", "--no-rollback"]));
}

/// For changes that AWS can't reverse, a rollback reports them and restores the rest.
#[test]
fn rollback_reports_irreversible_changes_and_undoes_the_rest() {
    let shop = Shop::new();
    let before = "
stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
databases:
  orders: { engine: postgres, version: '16', class: db.t4g.medium, storage_gib: 20 }
";
    shop.output_with_fault("", "apply", before, &["--yes"]);
    let after = before.replace("db.t4g.medium", "db.t4g.large").replace("storage_gib: 20", "storage_gib: 30");
    let after = format!("{after}resources:\n  elastic_ip: {{ last: {{ depends_on: [rds_instance.orders] }} }}\n");
    insta::assert_snapshot!("run_one_way", shop.output_with_fault("refuse:2", "apply", &after, &["--yes"]));
    let kept = before.replace("storage_gib: 20", "storage_gib: 30");
    let path = write_file(shop.folder.path(), "shop.yaml", &kept);
    shop.acme.assert_no_changes(&path);
}

#[test]
fn reports_identical_failures_once() {
    let shop = Shop::new();
    let many = "stack: shop\nregion: eu-west-1\nresources:\n  nat_gateway:\n    office: { for_each: 40, connectivity: private, subnet: \
                { id: subnet-0123456789abcdef0 } }\n";
    let path = write_file(shop.folder.path(), "shop.yaml", many);
    let said = shop.acme.run("apply", &path, &["--yes", "--quiet"]).stderr;
    assert_eq!(said.matches("error[").count(), 1, "{said}");
    for part in ["NotFound]", "shop.yaml:5:5", "same error for nat_gateway.office-", "subnet-0123456789abcdef0"] {
        assert!(said.contains(part), "`{part}` is missing in\n{said}");
    }
    // A plan knows the quotas of the simulated cloud.
    let addresses = "stack: shop\nregion: eu-west-1\nresources:\n  elastic_ip:\n    office: { for_each: 60 }\n";
    let path = write_file(shop.folder.path(), "shop.yaml", addresses);
    let said = shop.acme.run("apply", &path, &["--yes", "--quiet"]).combined_output();
    assert!(said.contains("exceeds a quota of the account") && said.contains("quota increase"), "{said}");
}

/// The help of acme and of every command.
pub fn complete_help() -> String {
    let help = |arguments: &[&str]| {
        let run = Command::new(binary()).args(arguments).arg("--help").env_remove("ACME_BACKEND").output().unwrap();
        assert!(run.status.success());
        assert_fits_80_columns(&String::from_utf8(run.stdout).unwrap()).to_owned()
    };
    let all = help(&[]);
    let commands = all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let commands: Vec<&str> =
        commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|name| !name.is_empty())).collect();
    assert!(commands.contains(&"apply") && commands.contains(&"unlock"), "{commands:?}");
    let each = commands.iter().filter(|name| **name != "help").map(|name| format!("$ acme {name} --help\n{}", help(&[name])));
    [format!("$ acme --help\n{all}")].into_iter().chain(each).collect::<Vec<_>>().join("\n")
}

#[test]
fn help_output_of_every_command() {
    insta::assert_snapshot!("help", complete_help());
}

#[test]
fn explains_missing_credentials_and_network() {
    let shop = Shop::new();
    let path = write_file(shop.folder.path(), "shop.yaml", SMALL);
    let shown =
        |acme: &Acme, variables: &[(&str, &str)]| redacted_output(&acme.run_with_env(variables, "plan", &path, &[]), shop.folder.path());
    // An unused port.
    let unreachable = shown(&Acme::without_cloud().with_only_args(&["--endpoint-url", "http://127.0.0.1:1"]), &[]);
    let nobody = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_PROFILE", ""),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_CONFIG_FILE", "/nowhere"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere"),
    ];
    let anonymous = shown(&Acme::without_cloud(), &nobody);
    let profiles = write_file(shop.folder.path(), "config", "[profile production]\n[profile staging]\n").display().to_string();
    let misspelt = [("AWS_PROFILE", "stagin"), ("AWS_CONFIG_FILE", &profiles), ("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")];
    let no_profile = shown(&Acme::without_cloud(), &misspelt);
    let without_files = shown(&Acme::without_cloud().with_args(&["--profile", "staging"]), &nobody);
    let screens = [unreachable, anonymous, no_profile, without_files];
    assert!(screens.iter().all(|screen| screen.contains("  help: ") && !screen.contains("DispatchFailure")), "{screens:#?}");
    insta::assert_snapshot!("run_without_aws", screens.join("\n━━\n"));
}
