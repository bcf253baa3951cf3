//! Modules with services, policies, an edge and a trail.

use serde_json::Value;

use crate::{
    acme::Acme,
    composition::{assert_problems, expanded, folder, write},
};

const STACK: &str = "\
stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { version: '1.36', deletion_protection: false, addons: [coredns], node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } } }
resources: { certificate: { web: { domain: www.example.com, zone: main } } }
dns: { zone: example.com }
load_balancers: { web: { deletion_protection: false, listeners: { https: { port: 443, protocol: HTTPS, certificate: web } } } }
platform: { vpc-cni: {}, aws-load-balancer-controller: {} }
edge: { host: www.example.com, through: alb, load_balancer: web, waf: true }
queues: [audit]
services:
  users: { port: 8080, version: 1.0.0, path: / }
include:
  - { module: app, as: mail, inputs: { path: /mail, audit: '{{ queues.audit.arn }}', users: '{{ services.users.id }}', subnets: ['{{ subnet.private-a.id }}', '{{ subnet.private-b.id }}'], group: '{{ cluster.security_group_id }}' } }
  - { module: app, as: bills, inputs: { path: /bills, audit: '{{ queues.audit.arn }}', users: '{{ services.users.id }}', subnets: ['{{ subnet.private-a.id }}', '{{ subnet.private-b.id }}'], group: '{{ cluster.security_group_id }}' } }
outputs:
  mail: '{{ modules.mail.service }}'
";

const APP: &str = "\
inputs:
  path: { type: string, description: Path }
  audit: { type: string, description: ARN of the queue for audits }
  users: { type: string, description: Service of the users }
  subnets: { type: list, description: Subnets of the database }
  group: { type: string, description: Security group of the database }
keys: [main]
queues: { jobs: { kms_key: main } }
secrets: [token]
databases:
  main: { engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20, database_name: app, deletion_protection: false, password_secret: token, subnets: '{{ inputs.subnets }}', security_groups: ['{{ inputs.group }}'] }
services:
  api:
    port: 8080
    version: 1.4.0
    path: '{{ inputs.path }}'
    calls: [worker, '{{ inputs.users }}']
    secrets: [token]
    env: { AUDIT: '{{ inputs.audit }}' }
  worker:
    when: environment == 'default'
    port: 9000
    version: 1.4.0
    queue: jobs
    database: main
    depends_on: [sqs_queue.jobs]
policies:
  namespaces:
    '{{ inputs.path | replace(from=\"/\", to=\"\") }}': { network: false }
outputs:
  service: { value: '{{ services.api.id }}', description: Release of the service }
";

fn files<'t>(stack: &'t str, app: &'t str) -> [(&'static str, &'t str); 2] {
    [("stack.yaml", stack), ("app/module.yaml", app)]
}

fn values<'r>(resources: &'r Value, release: &str) -> &'r Value {
    &resources["helm_release"][release]["values"]
}

#[test]
fn a_module_with_services_is_used_twice() {
    let folder = folder(&files(STACK, APP));
    let found = expanded(&Acme::without_cloud(), folder.path(), &[]);
    let resources = &found["resources"];
    let names = |kind: &str| resources[kind].as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    for release in ["bills-api", "bills-worker", "mail-api", "mail-worker", "users"] {
        assert!(names("helm_release").contains(&release.to_owned()), "{:?}", names("helm_release"));
    }
    assert_eq!(names("ecr_repository"), ["bills-api", "bills-worker", "mail-api", "mail-worker", "users"]);
    for name in ["mail", "bills"] {
        let api = values(resources, &format!("{name}-api"));
        // What the code of a service sees does not depend on the name of the module.
        let env = &api["env"];
        assert_eq!(env["WORKER_URL"], format!("http://{name}-worker.shop:9000"), "{env:#}");
        assert_eq!(env["USERS_URL"], "http://users.shop:8080", "{env:#}");
        assert_eq!(env["TOKEN_FILE"], "/var/run/secrets/services/token", "{env:#}");
        assert_eq!(env["AUDIT"], "{{ sqs_queue.audit.arn }}", "{env:#}");
        let worker = values(resources, &format!("{name}-worker"));
        assert_eq!(worker["env"]["QUEUE_URL"], format!("{{{{ sqs_queue.{name}-jobs.id }}}}"));
        assert_eq!(worker["env"]["DATABASE_HOST"], format!("{{{{ rds_instance.{name}-main.endpoint }}}}"));
        let role = resources["iam_role"][format!("service-{name}-worker")].to_string();
        for part in [format!("{{{{ sqs_queue.{name}-jobs.arn }}}}"), format!("{{{{ kms_key.{name}-main.arn }}}}")] {
            assert!(role.contains(&part), "`{part}` is missing: {role}");
        }
        let secrets = resources["kubernetes_object"][format!("service-{name}-worker-secrets")].to_string();
        assert!(secrets.contains(&format!("secret.{name}-token")), "{secrets}");
        assert!(names("target_group").contains(&format!("edge-{name}-api")), "{:?}", names("target_group"));
        assert!(names("kubernetes_object").contains(&format!("namespace-{name}")), "{:?}", names("kubernetes_object"));
    }
    let callers = values(resources, "users")["network"]["callers"].to_string();
    assert!(callers.contains("mail-api") && callers.contains("bills-api"), "{callers}");
    assert_eq!(found["outputs"]["mail"], "{{ helm_release.mail-api.id }}");
    let text = found.to_string();
    assert!(!text.contains('^'), "{text}");
}

#[test]
fn a_module_with_services_is_applied_and_destroyed() {
    let cloud = tempfile::tempdir().expect("a folder");
    let acme = Acme::local(cloud.path());
    let folder = folder(&files(STACK, APP));
    let stack = folder.path().join("stack.yaml");
    acme.apply(&stack);
    acme.assert_no_changes(&stack);
    write(folder.path(), &files(&STACK.replace("as: bills", "as: invoices"), APP));
    let changes = acme.plan(&stack).changes();
    assert!(changes.contains(&"delete helm_release.bills-api".to_owned()), "{changes:?}");
    assert!(changes.contains(&"create helm_release.invoices-api".to_owned()), "{changes:?}");
    acme.destroy(&stack);
}

/// The load balancer, its group and its listener belong to the module.
#[test]
fn the_edge_of_a_stack_can_be_in_a_module() {
    let head = "stack: shop\nregion: eu-west-1\nnetwork: { cidr: 10.0.0.0/16, zones: 2, nat: none }\n\
                cluster: { version: '1.36', addons: [coredns], node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } } }\n\
                platform: { vpc-cni: {}, aws-load-balancer-controller: {} }\nservices: { users: { port: 8080, version: 1.0.0, path: / } }\n";
    let include = "include: [{ module: app, as: front, inputs: { vpc: '{{ network.vpc.id }}', subnets: ['{{ subnet.public-a.id }}', '{{ subnet.public-b.id }}'] } }]\n";
    let module = "inputs: { vpc: { type: string, description: VPC }, subnets: { type: list, description: Subnets } }\n\
                  edge: { host: www.example.com, through: alb, load_balancer: web, waf: true }\n\
                  resources:\n  security_group: { web: { vpc: '{{ inputs.vpc }}', description: Web } }\n  \
                  load_balancer: { web: { subnets: '{{ inputs.subnets }}', security_groups: [web] } }\n  \
                  listener: { web: { load_balancer: web, port: 80, protocol: HTTP } }\n";
    let folder = folder(&files(&format!("{head}{include}"), module));
    let found = expanded(&Acme::without_cloud(), folder.path(), &[]);
    let resources = &found["resources"];
    let listener = resources["listener"]["front-web"].to_string();
    assert!(listener.contains("target_group.edge-users"), "{listener}");
    let rule = resources["security_group_rule"]["edge-8080"].to_string();
    assert!(rule.contains("security_group.front-web"), "{rule}");
    let association = resources["waf_association"]["edge-front-web"].to_string();
    assert!(association.contains("load_balancer.front-web"), "{association}");
    let twice = format!("{head}{include}edge: {{ host: www.example.com, through: alb, load_balancer: front-web }}\n");
    assert_problems(&files(&twice, module), &["app/module.yaml:2:1", "`edge` is defined twice", "a stack has one"]);
}

#[test]
fn a_trail_of_a_module_has_a_bucket_of_its_own() {
    let stack = "stack: shop\nregion: eu-west-1\ninclude: [{ module: app, as: audit }]\n";
    let folder = folder(&files(stack, "trail: { keep_days: 30, log_retention_days: 7 }\n"));
    let found = expanded(&Acme::without_cloud(), folder.path(), &[]);
    let resources = &found["resources"];
    assert_eq!(resources["trail"]["audit-main"]["bucket"], "s3_bucket.audit-trail", "{:#}", resources["trail"]);
    let trail = resources["trail"]["audit-main"]["name"].as_str().expect("a name");
    let policy = resources["s3_bucket"]["audit-trail"]["policy"].to_string();
    assert!(policy.contains(&format!(":trail/{trail}\"")), "{policy}");
}

#[test]
fn sections_of_the_stack_are_refused_in_modules_with_the_remedy() {
    let stack = "stack: shop\nregion: eu-west-1\ninclude: [{ module: app }]\n";
    let module = "\
platform: { vpc-cni: {} }
procedures: { cutovers: {} }
";
    assert_problems(
        &files(stack, module),
        &[
            "app/module.yaml:1:1",
            "a module can't have `platform`: the components of a cluster belong to the stack",
            "services of a module use its components",
            "app/module.yaml:2:1",
            "a module can't have `procedures`: procedures change values of the stack",
        ],
    );
    assert_problems(&files(stack, "services: { api: { port: 80 } }\n"), &["app/module.yaml:1:1", "`services` needs a cluster"]);
    let own = "cluster: { version: '1.36' }\nservices: { api: { port: 80 } }\n";
    assert_problems(&files(stack, own), &["app/module.yaml:2:1", "this module has a cluster of its own", "move `cluster` or `services`"]);
    assert_problems(&files(stack, "services: 3\n"), &["app/module.yaml:1:11", "`services` must be a map"]);
}

#[test]
fn mistakes_of_services_in_modules_are_at_the_lines_of_the_module() {
    let module = APP
        .replace("queue: jobs", "queue: job")
        .replace("[worker,", "[work,")
        .replace("secrets: [token]\n    env", "secrets: [tokn]\n    env");
    assert_problems(
        &files(STACK, &module),
        &[
            "app/module.yaml:17:13",
            "there is no service `work`",
            "did you mean `worker`?",
            "app/module.yaml:18:15",
            "`secrets` has no entry `tokn`",
            "did you mean `token`?",
            "app/module.yaml:24:12",
            "`queues` has no entry `job`",
            "did you mean `jobs`?",
        ],
    );
    let same = STACK.replace("path: /bills", "path: /mail");
    assert_problems(
        &files(&same, APP),
        &["app/module.yaml:16:11", "`/mail` is the path of `", "`policies.namespaces.mail` is defined twice"],
    );
}
