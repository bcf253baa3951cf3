//! Tests of services.

use serde_json::json;

use super::*;

const STACK: &str = "stack: shop
region: eu-west-1
network: { cidr: 10.0.0.0/16, zones: 2, nat: none }
cluster: { version: '1.36', addons: [coredns], node_groups: { general: { instance_types: [m7g.large], min: 2, max: 5 } } }
keys: [files]
storage: { products: { encryption: { kms_key: files } } }
queues: [mail]
tables: { carts: { key: { partition: customer }, attributes: { customer: string } } }
caches:
  sessions: { version: '8.0', node_type: cache.t4g.small, auth_token: stripe }
  pages: { engine: memcached, version: '1.6', node_type: cache.t4g.small }
secrets: [stripe]
databases: { orders: { engine: postgres, version: '16', class: db.t4g.micro, storage_gib: 20, database_name: shop } }
platform: { vpc-cni: {}, metrics-server: {}";
const MESH: &str = ", istio-base: {}, istio-cni: {}, istiod: {}";
const SERVICES: &str = "
services:
  web: { port: 8080, version: 1.4.0, replicas: 2..10, cpu: 60%, calls: [orders] }
  orders: { port: 9000, version: 'sha256:0123', database: orders, bucket: products, secrets: [stripe], env: { LEVEL: 3 } }
  mail: { image: 'ghcr.io/example/mail:1', queue: mail, namespace: mail }
  report: { image: 'ghcr.io/example/report:2', schedule: '0 3 * * *', database: orders, internet: true, resources: { memory: 1Gi } }
  next: { port: 8080 }
";

fn text(components: &str) -> String {
    format!("{STACK}{components} }}{SERVICES}")
}

fn values<'s>(stack: &'s Stack, name: &str) -> &'s Value {
    &spec(stack, &format!("helm_release.{name}"))["values"]
}

#[test]
fn a_service_gets_a_repository_permissions_and_a_release() {
    let stack = compile(&text(""), &located());
    let own = [
        "ecr_repository",
        "helm_release",
        "kubernetes_object.service",
        "iam_role.service",
        "eks_pod_identity.service",
        "kubernetes_object.name",
    ];
    let found: Vec<String> = addresses(&stack).into_iter().filter(|address| own.iter().any(|start| address.starts_with(start))).collect();
    let expected = [
        "ecr_repository.next",
        "ecr_repository.orders",
        "ecr_repository.web",
        "eks_pod_identity.service-mail",
        "eks_pod_identity.service-orders",
        "helm_release.mail",
        "helm_release.orders",
        "helm_release.report",
        "helm_release.web",
        "iam_role.service-mail",
        "iam_role.service-orders",
        "kubernetes_object.namespace-mail",
        "kubernetes_object.namespace-shop",
        "kubernetes_object.service-orders-secrets",
        "kubernetes_object.service-report-secrets",
    ];
    assert_eq!(found, expected);
    let release = spec(&stack, "helm_release.orders");
    assert_eq!((&release["chart"], &release["namespace"]), (&json!("acme/service"), &json!("shop")));
    let orders = values(&stack, "orders");
    assert_eq!(orders["image"], "${ecr_repository.orders.uri}@sha256:0123");
    let env = json!({
        "BUCKET_NAME": "${s3_bucket.products.id}",
        "DATABASE_HOST": "${rds_instance.orders.endpoint}",
        "DATABASE_NAME": "shop",
        "DATABASE_PASSWORD_FILE": "/var/run/secrets/services/database-password",
        "DATABASE_PORT": "5432",
        "DATABASE_USERNAME_FILE": "/var/run/secrets/services/database-username",
        "LEVEL": "3",
        "STRIPE_FILE": "/var/run/secrets/services/stripe",
    });
    assert_eq!(orders["env"], env);
    let network = json!({
        "callers": [{ "name": "web", "namespace": "shop" }],
        "calls": [],
        "reaches": [{ "ranges": ["10.0.0.0/16"], "port": 5432 }, { "ranges": ["0.0.0.0/0"], "port": 443 }],
        "dnsInPods": true,
    });
    assert_eq!(orders["network"], network);
    assert_eq!(values(&stack, "web")["env"], json!({ "ORDERS_URL": "http://orders.shop:9000" }));
    assert_eq!(values(&stack, "web")["autoscaling"], json!({ "max": 10, "cpu": 60 }));
    let data = &spec(&stack, "kubernetes_object.service-orders-secrets")["secret_data"];
    assert_eq!(data["database-password"]["json_key"], "password");
    // Least privilege: only the objects of the bucket, its key, and nothing for secrets, which acme copies.
    let statements = spec(&stack, "iam_role.service-orders")["inline_policies"]["service"]["Statement"].as_array().expect("statements");
    let resources: Vec<String> = statements.iter().map(|statement| statement["Resource"][0].to_string()).collect();
    let resources: Vec<&str> = resources.iter().map(|resource| resource.trim_matches('"')).collect();
    assert_eq!(resources, ["${s3_bucket.products.arn}", "${s3_bucket.products.arn}/*", "${kms_key.files.arn}"]);
}

#[test]
fn a_service_reaches_its_cache_and_its_table() {
    let stack = compile(&text("").replace("next: { port: 8080 }", "next: { version: '1', cache: sessions, table: carts }"), &located());
    let env = json!({
        "CACHE_HOST": "${cache_replication_group.sessions.primary_endpoint}",
        "CACHE_PASSWORD_FILE": "/var/run/secrets/services/cache-password",
        "CACHE_PORT": "6379",
        "CACHE_READER_HOST": "${cache_replication_group.sessions.reader_endpoint}",
        "CACHE_TLS": "true",
        "TABLE_NAME": "${dynamodb_table.carts.id}",
    });
    assert_eq!(values(&stack, "next")["env"], env);
    let reaches = json!([{ "ranges": ["10.0.0.0/16"], "port": 6379 }, { "ranges": ["0.0.0.0/0"], "port": 443 }]);
    assert_eq!(values(&stack, "next")["network"]["reaches"], reaches);
    let statement = &spec(&stack, "iam_role.service-next")["inline_policies"]["service"]["Statement"][0];
    assert_eq!(statement["Resource"], json!(["${dynamodb_table.carts.arn}", "${dynamodb_table.carts.arn}/index/*"]));
    let actions: Vec<&str> = statement["Action"].as_array().expect("actions").iter().filter_map(Value::as_str).collect();
    assert!(actions.contains(&"dynamodb:Query") && !actions.contains(&"dynamodb:DeleteTable"), "{actions:?}");
    let data = &spec(&stack, "kubernetes_object.service-next-secrets")["secret_data"]["cache-password"];
    assert_eq!(data["secret"], json!({ "arn": "${secret.stripe.arn}" }));
    let stack = compile(&text("").replace("next: { port: 8080 }", "next: { version: '1', cache: pages }"), &located());
    let env = json!({ "CACHE_HOST": "${cache_cluster.pages.endpoint}", "CACHE_PORT": "11211", "CACHE_TLS": "false" });
    assert_eq!(values(&stack, "next")["env"], env);
}

#[test]
fn the_components_decide_where_secrets_are_from() {
    let stack = compile(&text(", external-secrets: {}"), &located());
    assert_eq!(values(&stack, "orders")["secrets"]["store"], "external-secrets");
    let policy = &spec(&stack, "iam_role.external-secrets")["inline_policies"]["services"]["Statement"][0]["Resource"];
    assert_eq!(policy, &json!(["${rds_instance.orders.master_secret_arn}"]));
    let stack = compile(&text(", secrets-store-csi: {}"), &located());
    let files = &values(&stack, "orders")["secrets"]["files"];
    assert_eq!(files["database-password"], json!({ "secret": "${rds_instance.orders.master_secret_arn}", "key": "password" }));
    let statements = spec(&stack, "iam_role.service-report")["inline_policies"]["service"]["Statement"].as_array().expect("statements");
    assert_eq!(statements.len(), 1);
}

#[test]
fn a_canary_gets_its_share_in_the_mesh() {
    let canary = |components: &str| text(components).replace("cpu: 60%", "cpu: 60%, canary: 25%, canary_version: 1.5.0");
    let stack = compile(&canary(MESH), &located());
    let expected = json!({ "image": "${ecr_repository.web.uri}:1.5.0", "weight": 25, "replicas": 3 });
    assert_eq!(values(&stack, "web")["canary"], expected);
    assert_eq!(values(&stack, "web")["mesh"], true);
    let said = compile_problems(&canary(""), &located());
    assert!(said.contains("a canary needs Istio") && said.contains("stack.yaml:16:"), "{said}");
}

#[test]
fn a_new_version_gets_its_requests_in_steps() {
    let canary = |components: &str, canary: &str| text(components).replace("cpu: 60%", &format!("cpu: 60%, {canary}"));
    let stack = compile(&canary(", argo-rollouts: {}", "canary: { steps: [10%, 5m, 50%, approval] }"), &located());
    let steps = json!([{ "weight": 10 }, { "pause": "5m" }, { "weight": 50 }, { "pause": "" }]);
    assert_eq!(values(&stack, "web")["rollout"], json!({ "steps": steps }));
    assert_eq!(spec(&stack, "helm_release.web")["wait"], false);
    let stack = compile(&canary(", argo-rollouts: {}", "canary: 20%"), &located());
    assert_eq!(values(&stack, "web")["rollout"]["steps"], json!([{ "weight": 20 }, { "pause": "10m" }]));
    // A version beside the other stays as it is.
    let stack = compile(&canary(&format!("{MESH}, argo-rollouts: {{}}"), "canary: 20%, canary_version: '2'"), &located());
    assert_eq!((&values(&stack, "web")["rollout"], &values(&stack, "web")["canary"]["weight"]), (&Value::Null, &json!(20)));
    for (components, fields, message) in [
        ("", "canary: { steps: [10%] }", "`steps` need Argo Rollouts"),
        (", argo-rollouts: {}", "canary: { steps: [5m, 10%] }", "the first step is not a share of the requests"),
        (", argo-rollouts: {}", "canary: { steps: [10%] }, canary_version: '2'", "each new `version` is a canary first"),
        (", argo-rollouts: {}", "canary: { steps: [soon] }", "steps: [20%, 10m]"),
        (MESH, "canary: 20%", "the canary has no version"),
    ] {
        let said = compile_problems(&canary(components, fields), &located());
        assert!(said.contains(message) && said.contains("stack.yaml:16:"), "{fields}: {said}");
    }
}

#[test]
fn a_public_service_is_open_to_gateways() {
    let network = |components: &str| {
        let stack = compile(&text(components).replace("cpu: 60%", "cpu: 60%, public: true"), &located());
        let network = &values(&stack, "web")["network"];
        (network["gateways"].clone(), network["loadBalancers"].clone())
    };
    assert_eq!(network(", nginx: {}"), (json!([{ "name": "nginx-ingress", "account": "nginx-ingress" }]), json!(["10.0.0.0/16"])));
    let gateway = json!([{ "name": "istio-ingress", "account": "istio-ingress" }]);
    assert_eq!(network(&format!("{MESH}, nginx: {{}}, istio-gateway: {{}}")), (gateway, Value::Null));
}

#[test]
fn mistakes_are_reported_at_their_lines() {
    for (from, to, line, message) in [
        ("calls: [orders]", "calls: [order]", 16, "did you mean `orders`?"),
        ("calls: [orders]", "calls: [mail]", 16, "`mail` has no port, so nothing can call it"),
        ("calls: [orders]", "calls: [web]", 16, "`web` calls itself"),
        ("2..10", "10..2", 16, "`10..2` is not valid"),
        ("60%", "160%", 16, "`160%` is not valid"),
        ("database: orders, bucket", "database: order, bucket", 17, "`databases` has no entry `order`"),
        ("bucket: products", "bucket: product", 17, "did you mean `products`?"),
        ("products, secrets: [stripe]", "products, secrets: [strip]", 17, "did you mean `stripe`?"),
        ("{ LEVEL: 3 }", "{ DATABASE_PASSWORD: tiger123 }", 17, "`DATABASE_PASSWORD` is a secret"),
        ("queue: mail", "queue: mail, cache: session", 18, "did you mean `sessions`?"),
        ("queue: mail", "queue: mail, table: cart", 18, "did you mean `carts`?"),
        ("queue: mail", "queue: mails", 18, "did you mean `mail`?"),
        ("'ghcr.io/example/mail:1'", "'ghcr.io/example/mail:1', version: '1'", 18, "`image` names the version already"),
        ("queue: mail", "queue: mail, public: true", 18, "there is no port for requests from outside"),
        ("namespace: mail", "namespace: kube-system", 18, "is not a valid namespace for a service"),
        ("0 3 * * *", "at three", 19, "`at three` is not a valid schedule"),
        ("schedule: '0 3 * * *'", "schedule: '0 3 * * *', port: 80", 19, "a job has no port"),
        ("next: { port: 8080 }", "next: { port: 8080, metrics: /metrics }", 20, "`metrics` needs Prometheus"),
        ("next: { port: 8080 }", "next: { port: 8080, health: live }", 20, "`live` is not a path"),
        ("next: { port: 8080 }", "next: { port: 8080, prot: 1 }", 20, "has no field `prot`"),
        ("next: { port: 8080 }", "Next: { port: 8080 }", 20, "`Next` is not a valid name of a service"),
        (", metrics-server: {}", "", 16, "a range of `replicas` needs the use of CPU"),
        ("vpc-cni: {}, ", "", 15, "NetworkPolicies would have no effect"),
    ] {
        let text = text("");
        assert!(text.contains(from), "{from}");
        let said = compile_problems(&text.replacen(from, to, 1), &located());
        assert!(said.contains(message) && said.contains(&format!("stack.yaml:{line}:")), "{to}: {said}");
    }
    let (_, services) = SERVICES.split_once("services").expect("services");
    let said = compile_problems(&format!("stack: shop\nregion: eu-west-1\nservices{services}"), &located());
    assert!(said.contains("`services` needs a cluster"), "{said}");
}
