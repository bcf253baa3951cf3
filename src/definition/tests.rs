//! Tests of complete definitions: compiled results and error messages.

mod cycles;
mod delivery_sections;
mod edge;
mod gitops;
mod platform;
mod policies;
mod procedures;
mod secrets;
mod sections;
mod services;

use super::*;

fn options(environment: Option<&str>, set: &[(&str, &str)]) -> LoadOptions {
    LoadOptions {
        location: Location::default(),
        environment: environment.map(|name| name.parse().expect("a name")),
        set: set.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        ..LoadOptions::default()
    }
}

/// Options of a connected session.
fn located() -> LoadOptions {
    let location = Location { account: Some("123456789012".to_owned()), region: Some("eu-west-1".to_owned()) };
    LoadOptions { location, ..LoadOptions::default() }
}

/// Problems as rendered for users.
fn rendered(source: &Source, problems: &[Diagnostic]) -> String {
    problems.iter().map(|problem| problem.render(source, false)).collect::<Vec<_>>().join("\n\n")
}

#[track_caller]
fn compile(text: &str, options: &LoadOptions) -> Stack {
    let source = Source::new("stack.yaml", text);
    load(&source, options).unwrap_or_else(|problems| panic!("{}", rendered(&source, &problems)))
}

#[track_caller]
fn compile_problems(text: &str, options: &LoadOptions) -> String {
    let source = Source::new("stack.yaml", text);
    rendered(&source, &load(&source, options).err().expect("the definition has a mistake"))
}

fn addresses(stack: &Stack) -> Vec<String> {
    stack.resources.keys().map(ToString::to_string).collect()
}

#[track_caller]
fn spec<'a>(stack: &'a Stack, address: &str) -> &'a Value {
    &stack.resources[&Address::parse(address).expect("an address")].spec
}

#[test]
fn reports_every_mistake_in_one_run() {
    let text = include_str!("../../tests/fixtures/mistakes.yaml");
    let source = Source::new("mistakes.yaml", text);
    let problems = load(&source, &LoadOptions::default()).err().expect("there are mistakes");
    let kinds: BTreeSet<&str> = problems.iter().map(|problem| &*problem.code).collect();
    assert!(problems.len() >= 30, "{} problems", problems.len());
    assert!(kinds.len() >= 18, "{kinds:?}");
    for problem in &problems {
        assert!(problem.range.as_ref().is_some_and(|range| !range.is_empty()), "without a place: {}", problem.message);
        assert!(problem.help.is_some(), "without a remedy: {}", problem.message);
    }
    insta::assert_snapshot!(rendered(&source, &problems));
}

#[test]
fn compiles_the_repository_stacks_in_every_environment() {
    let stacks = [
        ("quickstart", include_str!("../../stacks/quickstart.yaml"), vec![(Some("staging"), 17), (Some("production"), 26)]),
        ("reference", include_str!("../../stacks/reference.yaml"), vec![(Some("staging"), 41), (Some("production"), 45)]),
        ("scale", include_str!("../../stacks/scale.yaml"), vec![(None, 2001)]),
        ("alb-eks-rds", include_str!("../../stacks/alb-eks-rds.yaml"), vec![(Some("staging"), 119), (Some("production"), 127)]),
        ("devops-platform", include_str!("../../stacks/devops-platform.yaml"), vec![(Some("staging"), 155), (Some("production"), 159)]),
        ("gitops", include_str!("../../stacks/gitops.yaml"), vec![(Some("staging"), 75), (Some("production"), 79)]),
        ("highly-available", include_str!("../../stacks/highly-available.yaml"), vec![(Some("staging"), 201), (Some("production"), 210)]),
        ("microservices", include_str!("../../stacks/microservices.yaml"), vec![(Some("staging"), 133), (Some("production"), 137)]),
    ];
    for (name, text, environments) in stacks {
        for (environment, count) in environments {
            let stack = compile(text, &options(environment, &[]));
            assert_eq!(stack.resources.len(), count, "{name} {environment:?}: {:#?}", addresses(&stack));
        }
    }
}

#[test]
fn expanded_yaml_compiles_to_the_same_resources() {
    for text in [include_str!("../../stacks/quickstart.yaml"), include_str!("../../stacks/reference.yaml")] {
        let stack = compile(text, &options(Some("production"), &[]));
        let again = compile(&expanded_yaml(&stack), &LoadOptions::default());
        assert_eq!(addresses(&stack), addresses(&again));
        for (address, declared) in &stack.resources {
            let other = &again.resources[address];
            assert_eq!((&declared.spec, &declared.tags, &declared.depends_on), (&other.spec, &other.tags, &other.depends_on), "{address}");
        }
        assert_eq!(stack.outputs, again.outputs);
    }
}

#[test]
fn nat_changes_gateways_and_routes_only() {
    let text = include_str!("../../stacks/reference.yaml");
    let many = compile(text, &options(Some("production"), &[]));
    let one = compile(text, &options(Some("production"), &[("nat", "single")]));
    let changed: Vec<String> = many
        .resources
        .iter()
        .filter(|(address, declared)| one.resources.get(address).is_none_or(|other| other.spec != declared.spec))
        .map(|(address, _)| address.to_string())
        .collect();
    let expected =
        ["elastic_ip.nat-b", "elastic_ip.nat-c", "nat_gateway.b", "nat_gateway.c", "route_table.private-b", "route_table.private-c"];
    assert_eq!(changed, expected);
}

#[test]
fn list_entries_keep_their_identity() {
    let text = "
stack: shop
values: { names: [api, web] }
registries:
  image: { for_each: '{{ names }}', keep_last: 3 }
  '{{ each.key }}-{{ environment }}': { for_each: { old: 1, new: 2 }, keep_last: '{{ each.value }}', when: each.value > 1 }
  number: { for_each: { from: 1, to: 2 } }
";
    let stack = compile(text, &LoadOptions::default());
    let names = ["image-api", "image-web", "new-default", "number-1", "number-2"].map(|name| format!("ecr_repository.{name}"));
    assert_eq!(addresses(&stack), names);
    assert_eq!(spec(&stack, "ecr_repository.new-default")["keep_last"], 2);
    assert_eq!(stack.resources.values().map(|d| d.pointer.as_str()).collect::<BTreeSet<_>>().len(), 3);
    let less = compile(&text.replace("[api, web]", "[web]"), &LoadOptions::default());
    assert_eq!(spec(&stack, "ecr_repository.image-web"), spec(&less, "ecr_repository.image-web"));
}

#[test]
fn turns_references_into_dependencies() {
    let text = "
stack: shop
region: eu-west-1
network: { zones: 1, nat: none }
storage: { files: { name: files } }
resources:
  iam_role:
    api:
      trust: { services: [ec2.amazonaws.com] }
      description: 'bucket {{ storage.files.arn }} in {{ region }}'
      depends_on: vpc.main
outputs:
  subnets: ['{{ subnet.private-a.id }}']
";
    let stack = compile(text, &LoadOptions::default());
    let role = &stack.resources[&Address::new("iam_role", "api")];
    assert_eq!(role.spec["description"], "bucket ${s3_bucket.files.arn} in eu-west-1");
    assert_eq!(role.depends_on, BTreeSet::from([Address::new("s3_bucket", "files"), Address::new("vpc", "main")]));
    assert_eq!(stack.outputs["subnets"][0], "${subnet.private-a.id}");
    assert_eq!(spec(&stack, "subnet.private-a")["cidr"], "10.0.128.0/20");
}

/// Definition in which every name is part of another, or occurs where it is not a name.
#[test]
fn matches_whole_names_between_values() {
    let text = "
stack: shop
values:
  a: '{{ ab }}.0'
  ab: '{{ abc.a }}'
  abc: { a: '{{ b }}.0', b: \"{{ 'ab' }}\" }
  b: '{{ [10, b2] | join(sep=\".\") }}'
  b2: '{{ range(end=20) | last }}'
  end: '{{ a }}/16'
resources: { vpc: { main: { cidr: '{{ end }}' } } }
";
    assert_eq!(spec(&compile(text, &LoadOptions::default()), "vpc.main")["cidr"], "10.19.0.0/16");
}

#[test]
fn resolves_long_chains_of_values() {
    let chain: String = (1..3000).map(|n| format!("  v{n}: '{{{{ v{} }}}}'\n", n - 1)).collect();
    let text = format!("stack: shop\nvalues:\n  v0: 10.0.0.0/16\n{chain}resources: {{ vpc: {{ main: {{ cidr: '{{{{ v2999 }}}}' }} }} }}\n");
    assert_eq!(spec(&compile(&text, &LoadOptions::default()), "vpc.main")["cidr"], "10.0.0.0/16");
}

#[test]
fn values_refer_to_each_other_and_keep_their_types() {
    let text = "
stack: shop
environments:
  production: { size: '{{ base * 2 }}', big: '{{ size > 5 }}' }
values: { base: 3 }
keys:
  main: { rotation: '{{ big }}', rotation_period_days: '{{ size * 100 }}', description: '{{ size }} of {{ environment }}' }
";
    let stack = compile(text, &LoadOptions::default());
    let key = spec(&stack, "kms_key.main");
    assert_eq!(
        (&key["rotation"], &key["rotation_period_days"], &key["description"]),
        (&true.into(), &600.into(), &"6 of production".into())
    );
    assert_eq!(key["name"], "alias/shop-production-main");
    let set = compile(text, &options(None, &[("base", "1")]));
    assert_eq!(spec(&set, "kms_key.main")["rotation"], false);
}

#[test]
fn sections_create_the_resources_they_need() {
    let text = "
stack: shop
region: eu-west-1
network: { zones: [a, c], nat: none, endpoints: [s3, ecr.api] }
cluster:
  version: '1.34'
  bootstrap_self_managed_addons: false
  addons: { vpc-cni: {}, coredns: { version: v1.12.4-eksbuild.1 } }
  node_groups: { general: { min: 1, max: 3 } }
  fargate: { jobs: { selectors: [{ namespace: jobs }] } }
  access: { admin: { principal_arn: '{{ roles.admin.arn }}', policies: [{ policy: AmazonEKSClusterAdminPolicy }] } }
  pod_identities: { app: { namespace: app, service_account: app, role: app } }
  oidc_provider: true
roles:
  admin: { trust: { services: [ec2.amazonaws.com] } }
  app: { trust: { services: [pods.eks.amazonaws.com] } }
databases:
  a: { engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20, parameters: { log_statement: all } }
  b: { engine: mysql, version: 8.0.36, class: db.t4g.micro, storage_gib: 20, parameters: { max_connections: 100 }, subnets: public }
dns:
  zone: { domain: x.example.com, comment: Ours }
  zones: { inner: y.example.com }
  records: { api: { type: A, alias: web }, '*.in': { zone: inner, type: A, values: [10.0.0.1] } }
load_balancers:
  web:
    target_groups: { app: { port: 80 } }
    listeners:
      http: { port: 80, protocol: HTTP, redirect_to_https: true }
      other: { port: 81, protocol: HTTP, forward: app }
firewall: { web: { rate_limit: 500, managed_rules: [common], associate: [web] } }
";
    let stack = compile(text, &LoadOptions::default());
    let needs: Vec<String> = stack
        .resources
        .values()
        .map(|d| format!("{} → {}", d.address, d.depends_on.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")))
        .collect();
    insta::assert_snapshot!(needs.join("\n"));
    assert_eq!(spec(&stack, "rds_parameter_group.b")["family"], "mysql8.0");
    assert_eq!(spec(&stack, "dns_record.*.in")["domain"], "*.in.y.example.com");
    assert_eq!(spec(&stack, "security_group.load-balancer-web")["ingress"].as_array().map(Vec::len), Some(2));
}

#[test]
fn sends_flow_logs_to_their_own_bucket_or_the_given_one() {
    let text = "stack: shop\nregion: eu-west-1\nnetwork: { zones: 1, nat: none, flow_logs: LOGS }\n";
    let with = |logs: &str| compile(&text.replace("LOGS", logs), &located());
    let of = |stack: &Stack| {
        let types = ["flow_log", "s3_bucket"];
        let made = stack.resources.keys().filter(|address| types.contains(&address.type_name.as_str()));
        made.map(ToString::to_string).collect::<Vec<_>>()
    };
    assert!(of(&with("false")).is_empty());

    let own = with("true");
    assert_eq!(of(&own), ["flow_log.main", "s3_bucket.flow-logs"]);
    assert_eq!(spec(&own, "flow_log.main")["bucket"]["arn"], "${s3_bucket.flow-logs.arn}");
    let write = &spec(&own, "s3_bucket.flow-logs")["policy"]["Statement"][0];
    assert_eq!(write["Resource"][0], "arn:aws:s3:::shop-flow-logs-123456789012-eu-west-1/*");
    assert_eq!(write["Condition"]["ArnLike"]["aws:SourceArn"][0], "arn:aws:logs:eu-west-1:${vpc.main.owner_id}:*");

    let fields = with("{ traffic: reject, file_format: parquet, keep_days: 30, on_delete: delete }");
    assert_eq!(
        (&spec(&fields, "flow_log.main")["traffic"], &spec(&fields, "flow_log.main")["file_format"]),
        (&"reject".into(), &"parquet".into())
    );
    assert_eq!(spec(&fields, "s3_bucket.flow-logs")["lifecycle_rules"]["old-records"]["expire_days"], 30);
    assert_eq!(fields.resources[&Address::new("s3_bucket", "flow-logs")].on_delete, Some(OnDelete::Delete));

    let given = with("{ bucket: 'arn:aws:s3:::logs', traffic: accept }");
    assert_eq!(of(&given), ["flow_log.main"]);
    let said = compile_problems(&text.replace("LOGS", "{ bucket: 'arn:aws:s3:::logs', keep_days: 30 }"), &LoadOptions::default());
    assert!(said.contains("`keep_days` configures a dedicated bucket"), "{said}");
    let said = compile_problems(&text.replace("LOGS", "{ trafic: all }"), &LoadOptions::default());
    assert!(said.contains("did you mean `traffic`?"), "{said}");
}

#[test]
fn resolves_references_to_the_resource_itself() {
    let text = "
stack: shop
storage:
  files: { policy: { Statement: [{ Effect: Deny, Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::{{ storage.files.FIELD }}/*' }] } }
";
    for (text, resource) in [
        (text.replace("FIELD", "name"), "arn:aws:s3:::shop-files-123456789012-eu-west-1/*"),
        (
            text.replace("arn:aws:s3:::{{ storage.files.FIELD }}", "{{ storage.files.arn }}"),
            "arn:aws:s3:::shop-files-123456789012-eu-west-1/*",
        ),
    ] {
        let stack = compile(&text, &located());
        assert_eq!(spec(&stack, "s3_bucket.files")["policy"]["Statement"][0]["Resource"][0], resource);
        assert!(stack.resources[&Address::new("s3_bucket", "files")].depends_on.is_empty());
    }
    // AWS chooses the end of the ARN.
    let said = compile_problems("stack: shop\nsecrets: { key: { description: '{{ secrets.key.arn }}' } }\n", &LoadOptions::default());
    assert!(said.contains("refers to itself"), "{said}");
}

#[test]
fn overrides_change_section_resources() {
    let text = "
stack: shop
region: eu-west-1
network: { zones: 1, nat: none }
overrides:
  subnet.public-a: { public_ip_on_launch: true, tags: { kubernetes.io/role/elb: null, tier: edge } }
";
    let stack = compile(text, &LoadOptions::default());
    let subnet = &stack.resources[&Address::new("subnet", "public-a")];
    assert_eq!(subnet.spec["public_ip_on_launch"], true);
    assert_eq!(
        subnet.tags.keys().map(String::as_str).collect::<Vec<_>>(),
        ["Name", "acme:address", "acme:environment", "acme:stack", "tier"]
    );
    let wrong = compile_problems(&text.replace("public_ip_on_launch: true", "public_ip_on_launch: 7"), &LoadOptions::default());
    assert!(wrong.contains("stack.yaml:6:43") && wrong.contains("expected true or false, not 7"), "{wrong}");
}

#[test]
fn reports_mistakes_in_top_level_keys() {
    let environments = "stack: shop\nenvironments: { staging: { n: 1 }, production: { n: 2 } }\n";
    let said = [
        compile_problems("stack: shop\nkeys:\n  a: {}\n  a: {}\n", &LoadOptions::default()),
        compile_problems("stack: shop\nkeys: {\n", &LoadOptions::default()),
        compile_problems("stack: shop\nkeys:\n\ta: {}\n", &LoadOptions::default()),
        compile_problems("keys: {}\n", &LoadOptions::default()),
        compile_problems("- a\n", &LoadOptions::default()),
        compile_problems(environments, &LoadOptions::default()),
        compile_problems(environments, &options(Some("prod"), &[("m", "1")])),
        compile_problems("stack: shop\n", &options(Some("prod"), &[])),
        compile_problems("stack: shop\ncluster: { version: \"1.34\" }\n", &LoadOptions::default()),
        compile_problems("stack: shop\nnetwork: {}\n", &LoadOptions::default()),
        compile_problems("stack: shop\nvalues: { a: '{{ b }}', b: '{{ a }}' }\n", &LoadOptions::default()),
        compile_problems("stack: shop\nregistries: { a-1: {}, a: { for_each: 2 } }\n", &LoadOptions::default()),
        compile_problems("stack: shop\nresources: { kms_key: { a: {} } }\nkeys: { a: {} }\n", &LoadOptions::default()),
        compile_problems(
            "stack: shop\nkeys: { a: { description: '{{ keys.b.arn | upper }}' }, b: { description: '{{ keys.b }}' } }\n",
            &LoadOptions::default(),
        ),
    ];
    insta::assert_snapshot!(said.join("\n━━\n"));
}

#[test]
fn reads_the_backend_of_a_definition() {
    let source = |text: &str| Source::new("stacks/shop.yaml", format!("stack: shop\nbackend: {text}\n"));
    let kept = |text| load(&source(text), &LoadOptions::default()).map(|stack| stack.backend.expect("a backend").to_string());
    assert_eq!(kept("s3").as_deref(), Ok("s3"));
    assert_eq!(kept("s3://some-bucket/a/").as_deref(), Ok("s3://some-bucket/a"));
    assert_eq!(kept("history").as_deref(), Ok("stacks/history"), "beside the definition");
    assert_eq!(kept("/var/history").as_deref(), Ok("/var/history"));
    insta::assert_snapshot!(compile_problems("stack: shop\nbackend: gs://bucket\n", &LoadOptions::default()));
}

#[test]
fn rejects_values_beyond_the_limits_of_their_fields() {
    let text = "
stack: shop
region: eu-west-1
resources:
  vpc: { main: { cidr: 10.0.0.0/8 } }
  subnet:
    a: { vpc: main, availability_zone: eu-west-1a, cidr: 10.0.0.0/8 }
    b: { vpc: main, availability_zone: eu-west-1a, cidr: '{{ vpc.main.cidr }}' }
    c: { availability_zone: eu-west-1a, cidr: 10.1.0.0/29, dns64: 5 }
";
    let source = Source::new("stack.yaml", text);
    let problems = load(&source, &LoadOptions::default()).err().expect("two ranges have a wrong size");
    let of_subnets = |problem: &&Diagnostic| problem.message.contains("prefix length") && problem.message.contains("`subnet.");
    let sizes: Vec<_> = problems.iter().filter(of_subnets).collect();
    let said: Vec<_> = sizes.iter().map(|problem| (problem.line(&source), problem.message.as_str())).collect();
    let expected = [
        (Some(7), "`cidr` of `subnet.a`: the prefix length must be between /16 and /28, not /8"),
        (Some(9), "`cidr` of `subnet.c`: the prefix length must be between /16 and /28, not /29"),
    ];
    assert_eq!(said, expected);
    assert!(sizes.iter().all(|problem| problem.help.as_deref().is_some_and(|help| help.starts_with("for example `10."))));
    // The other problems of the third subnet are reported in the same run.
    let messages: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
    assert!(messages.contains(&"`subnet.c` has no `vpc`") && messages.contains(&"`dns64` of `subnet.c`: expected true or false, not 5"));
}

/// Compiles resources of these types.
fn problems_of(resources: &str) -> String {
    compile_problems(&format!("stack: shop\nregion: eu-west-1\nresources:\n{resources}"), &LoadOptions::default())
}

#[test]
fn reports_resources_that_aws_does_not_accept_together() {
    let said = problems_of(
        "
  vpc: { main: { cidr: 10.0.0.0/16 }, other: { cidr: 10.1.0.0/16 } }
  subnet:
    a: { vpc: main, cidr: 10.0.0.0/24, availability_zone: eu-west-1a }
    b: { vpc: main, cidr: 10.0.1.0/24, availability_zone: eu-west-1b }
  route_table:
    a: { vpc: main, subnets: [a] }
    b: { vpc: main, subnets: [b, a] }
  security_group:
    a: { vpc: main, name: web }
    b: { vpc: other, name: web }
    c: { vpc: main, name: web }
  dns_zone: { main: { domain: example.com }, inner: { domain: in.example.com, vpcs: [main] }, again: { domain: in.example.com, vpcs: [main] } }
  dns_record:
    a: { zone: main, domain: www.example.com, type: A, values: [192.0.2.1] }
    b: { zone: main, domain: WWW.example.com., type: A, values: [192.0.2.2] }
    c: { zone: main, domain: www.example.com, type: AAAA, values: ['2001:db8::1'] }
    d: { zone: main, domain: api.example.com, type: A, values: [192.0.2.1], set_identifier: one, weight: 1 }
    e: { zone: main, domain: api.example.com, type: A, values: [192.0.2.1], set_identifier: two, weight: 1 }
  target_group: { web: { vpc: main, port: 80, protocol: TCP } }
  load_balancer: { web: { type: network, subnets: [a, b] } }
  listener:
    a: { load_balancer: web, port: 80, protocol: TCP, default_action: { forward: { target_groups: [{ target_group: web }] } } }
    b: { load_balancer: web, port: 80, protocol: TCP, default_action: { forward: { target_groups: [{ target_group: web }] } } }
    c: { load_balancer: web, port: 81, protocol: TCP, default_action: { forward: { target_groups: [{ target_group: web }] } } }
  internet_gateway: { a: { vpc: main }, b: { vpc: main }, c: {}, d: {} }
",
    );
    insta::assert_snapshot!(said);
}

#[test]
fn reads_timeouts_and_the_rollback_policy() {
    let text = |rollback: &str, timeouts: &str| {
        format!("stack: shop\nrollback: {rollback}\nresources:\n  vpc:\n    main: {{ cidr: 10.0.0.0/16, timeouts: {timeouts} }}\n")
    };
    let stack = |text: &str| load(&Source::new("stack.yaml", text), &LoadOptions::default());
    let Ok(read) = stack(&text("on-update", "{ create: 1h30m, delete: 45s }")) else { panic!("it is valid") };
    let timeouts = read.resources.values().next().expect("a resource").timeouts;
    let seconds = [timeouts.create, timeouts.update, timeouts.delete].map(|time| time.map(|time| time.as_secs()));
    assert_eq!((read.rollback, seconds), (RollbackPolicy::OnUpdate, [Some(5400), None, Some(45)]));
    assert!(expanded_yaml(&read).contains("create: 5400s"), "{}", expanded_yaml(&read));
    for (rollback, timeouts, code, part) in [
        ("sometimes", "{}", "rollback", "`sometimes` is not a valid rollback policy"),
        ("always", "{ create: 90 }", "timeouts", "`90` is not a valid timeout"),
        ("always", "{ crate: 90s }", "timeouts", "did you mean `create`?"),
        ("always", "2h", "timeouts", "`timeouts` must be a map"),
    ] {
        let problems = compile_problems(&text(rollback, timeouts), &LoadOptions::default());
        assert!(problems.contains(&format!("error[{code}]")) && problems.contains(part), "{problems}");
    }
}

/// Services reserve how some names begin.
#[test]
fn reports_stack_names_that_collide_with_reserved_prefixes() {
    for (stack, resource, words) in [
        ("sg", "security_group: { web: { vpc: { id: vpc-1 } } }", "`security_group.web` would be named `sg-web`"),
        ("aws", "parameter: { url: { value: a } }", "would be named"),
        (
            "internal",
            "load_balancer: { web: { subnets: [{ id: subnet-1 }, { id: subnet-2 }], security_groups: [{ id: sg-1 }] } }",
            "`internal-web`",
        ),
        (
            "eks",
            "eks_fargate_profile: { web: { cluster: { id: a }, pod_execution_role: { arn: 'arn:aws:iam::123456789012:role/a' }, subnets: [{ id: \
             subnet-1 }], selectors: [{ namespace: a }] } }",
            "`eks_fargate_profile.web` would be named `eks-web`",
        ),
        ("xn--shop", "s3_bucket: { files: {} }", "`s3_bucket.files` would be named"),
    ] {
        let text = format!("stack: {stack}\nresources: {{ {resource} }}\n");
        let source = Source::new("stack.yaml", text);
        let Err(problems) = load(&source, &LoadOptions::default()) else { panic!("{stack} is accepted") };
        let problem = problems.iter().find(|problem| problem.code == "stack-name").unwrap_or_else(|| panic!("{stack}: {problems:?}"));
        assert!(problem.message.contains(words), "{}", problem.message);
        assert_eq!(problem.line(&source), Some(1), "{stack}");
        // Its own name helps.
        let own = source.text.replace(": { vpc", ": { name: web, vpc").replace("{ value", "{ name: url, value");
        let own = own
            .replace("{ cluster", "{ name: web, cluster")
            .replace("{ subnets", "{ name: web, subnets")
            .replace("files: {}", "files: { name: files-of-the-shop }");
        assert!(load(&Source::new("stack.yaml", own), &LoadOptions::default()).is_ok(), "{stack}");
    }
    assert!(
        load(&Source::new("stack.yaml", "stack: aws\nresources: { vpc: { main: { cidr: 10.0.0.0/16 } } }\n"), &LoadOptions::default())
            .is_ok()
    );
}
