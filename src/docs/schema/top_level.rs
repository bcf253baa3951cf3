//! Schemas of the top-level keys besides the sections.

use serde_json::{Map, Value, json};

use super::into_map;
use crate::{
    aws::{images::CONTAINER_IMAGE, types::RESOURCE_TYPES},
    definition::RollbackPolicy,
    docs::plain_schema::EXPRESSION_PATTERN,
};

/// Top-level keys besides the sections.
pub(super) fn top_level_fields() -> Map<String, Value> {
    let either = |pattern: &str| format!("{pattern}|{EXPRESSION_PATTERN}");
    let values = json!({
        "type": ["object", "null"],
        // Not `false`: validators report the location of a value below a schema, not of one without a schema.
        "properties": { "stack": { "not": {} }, "environment": { "not": {} }, "each": { "not": {} } },
    });
    let frame = json!({
        "stack": {
            "description": "Name of the stack: a lowercase letter, then lowercase letters, digits and hyphens, at most 31 characters. It is part \
                            of the names and ownership tags of all resources.",
            "type": "string", "pattern": "^[a-z][a-z0-9-]{0,30}$", "examples": ["shop"],
        },
        "region": {
            "description": "AWS region of the stack. Default: the region of the command line or the AWS configuration.",
            "type": ["string", "null"], "pattern": either("^[a-z]+(-[a-z]+)+-[0-9]+$"), "examples": ["eu-west-1"],
        },
        "account": {
            "description": "AWS account id of the stack, in quotes. acme refuses credentials of any other account. Default: any account.",
            "type": ["string", "integer", "null"], "pattern": either("^[0-9]{12}$"),
            "minimum": 100_000_000_000_u64, "maximum": 999_999_999_999_u64, "examples": ["123456789012"],
        },
        "role": {
            "description": "Role to assume for all calls, with the session name `acme-<stack>`: an ARN, or a map with `arn` and `external_id`. An \
                            expression gives each environment its own. Default: none.",
            "type": ["string", "object", "null"], "pattern": either("^arn:aws[a-z-]*:iam::[0-9]{12}:role/"),
            "properties": {
                "arn": { "description": "ARN of the role.", "type": "string", "examples": ["arn:aws:iam::123456789012:role/deploy"] },
                "external_id": { "description": "External id that its trust policy requires. Default: none.", "type": ["string", "null"], "examples": ["shop"] },
            },
            "required": ["arn"], "additionalProperties": false,
            "examples": ["arn:aws:iam::123456789012:role/deploy"],
        },
        "backend": {
            "description": "Location of history and locks: a folder, `s3` for the default bucket of account and region, or a bucket. \
                            Default: the default bucket if it exists.",
            "type": ["string", "null"], "examples": ["s3", "s3://some-bucket/prefix", "./history"],
        },
        "rollback": {
            "description": "Whether a failed apply undoes its completed steps: `always`, `on-update` (a first apply keeps them), or `never`. \
                            Default: always.",
            "type": ["string", "null"], "pattern": either(&format!("^({})$", RollbackPolicy::NAMES.join("|"))), "examples": ["on-update"],
        },
        "tags": { "$ref": "#/$defs/tags", "description": "Tags added to every resource. Default: none." },
        "ignore_tags": {
            "description": "Keys of tags that others set, such as cost allocation or an automation; `*` at the end matches any rest. acme \
                            neither shows nor removes such tags. The tags of AWS and of controllers in a cluster (`aws:`, `kubernetes.io/`, \
                            `karpenter.sh/`, `elbv2.k8s.aws/` and others) need no entry. Default: none.",
            "type": ["array", "null"], "items": { "type": "string", "minLength": 1 }, "examples": [["cost-centre", "map-*"]],
        },
        "environments": {
            "description": "Environments by name, each with its values. `--env` selects one. Default: one, named `default`.",
            "type": ["object", "null"], "additionalProperties": values.clone(),
            "examples": [{ "staging": { "zones": 2 }, "production": { "zones": 3 } }],
        },
        "values": { "description": "Values for expressions in every environment; `--set` overrides one for a run.", "examples": [{ "zones": 2 }] },
        "include": {
            "description": "Other files of the definition: the path of a file whose entries are merged with those of this one, or a module: a \
                            folder with a file `module.yaml`, or one in a Git repository with the checksum of its files. Paths are relative to \
                            this file. Default: none.",
            "type": ["array", "null"],
            "items": {
                "type": ["string", "object"],
                "properties": {
                    "module": { "type": "string", "description": "Folder of the module, or `git::URL//FOLDER?ref=TAG`." },
                    "as": { "type": "string", "description": "Name of the module in this stack; the names of its resources begin with it. Default: the name of its folder." },
                    "inputs": { "type": ["object", "null"], "description": "Values for the inputs of the module. Default: none." },
                    "checksum": { "type": ["string", "null"], "pattern": "^sha256:", "description": "Checksum of the files of a module in a Git repository. Default: none." },
                },
                "additionalProperties": false,
            },
            "examples": [["common.yaml", { "module": "./modules/web", "as": "shop", "inputs": { "zones": 2 } }]],
        },
        "existing": {
            "description": "Resources that the stack uses and does not own, by type and name: found by `id` (or ARN), `name`, or `tags`, read by \
                            each plan, and never changed, tagged or deleted. References use the name, as for a resource of the stack. Default: none.",
            "type": ["object", "null"],
            "properties": {
                (CONTAINER_IMAGE): {
                    "description": "Images in ECR, by name: found by `repository` and `tag` or `digest`. Outputs: `digest`, and `uri` with the digest.",
                    "type": ["object", "null"],
                    "additionalProperties": {
                        "type": "object",
                        "properties": {
                            "repository": { "type": "string", "description": "Name of the repository: `shop/web`." },
                            "tag": { "type": ["string", "number", "null"], "description": "Tag of the image. Default: none." },
                            "digest": { "type": ["string", "null"], "description": "Digest of the image, instead of a tag: `sha256:…`. Default: none." },
                            "account": { "type": ["string", "number", "null"], "description": "Account of the registry. Default: the stack's account." },
                            "region": { "type": ["string", "null"], "description": "Region of the registry. Default: the stack's region." },
                            "for_each": {}, "when": {},
                        },
                        "required": ["repository"],
                        "additionalProperties": false,
                    },
                },
            },
            "additionalProperties": {
                "type": ["object", "null"],
                "additionalProperties": {
                    "type": "object",
                    "properties": {
                        "id": { "type": ["string", "null"], "description": "Physical id or ARN. Default: any." },
                        "name": { "type": ["string", "null"], "description": "Physical name, domain of a zone, alias of a key, or tag `Name`. Default: any." },
                        "tags": { "type": ["object", "string", "null"], "description": "Tags that it has. Default: any." },
                        "all": { "type": ["boolean", "string", "null"], "description": "Whether all that match are meant, in a list. Default: false." },
                        "region": { "type": ["string", "null"], "description": "Region, if it is not the stack's. Default: the stack's region." },
                        "for_each": {}, "when": {},
                    },
                    "additionalProperties": false,
                },
            },
            "examples": [{ "vpc": { "main": { "tags": { "Name": "shared" } } }, "dns_zone": { "public": { "name": "example.com" } } }],
        },
        "stacks": {
            "description": "Other stacks whose outputs the definition uses, by a name of its own: `{{ stacks.network.vpc_id }}`. They have the same \
                            backend. Default: none.",
            "type": ["object", "null"],
            "additionalProperties": {
                "type": "object",
                "properties": {
                    "stack": { "type": ["string", "null"], "description": "Its name. Default: the name here." },
                    "environment": { "type": ["string", "null"], "description": "Its environment. Default: that of this stack." },
                },
                "additionalProperties": false,
            },
            "examples": [{ "network": { "stack": "shop-network", "environment": "production" } }],
        },
        "outputs": {
            "description": "Values to report after apply, by name.",
            "type": ["object", "null"], "examples": [{ "endpoint": "{{ databases.orders.endpoint }}" }],
        },
    });
    let mut frame = into_map(frame);
    frame.insert("usage".to_owned(), usage_schema());
    if let Some(schema) = frame.get_mut("values").and_then(Value::as_object_mut) {
        schema.extend(into_map(values));
    }
    frame
}

/// Quantities for the estimate of costs, by type or address.
fn usage_schema() -> Value {
    let number = |about: &str| json!({ "description": format!("{about}."), "type": ["number", "string", "null"] });
    let mut properties = Map::new();
    let mut patterns = Map::new();
    properties.insert("hours_per_month".to_owned(), number("Hours in a month for which everything runs. Default: 730"));
    for kind in RESOURCE_TYPES.iter().filter(|kind| !kind.operations.usage_keys().is_empty()) {
        let quantities: Map<String, Value> =
            kind.operations.usage_keys().iter().map(|key| (key.name.to_owned(), number(key.about))).collect();
        let schema = json!({ "type": ["object", "null"], "properties": quantities, "additionalProperties": false });
        properties.insert(kind.name.to_owned(), schema.clone());
        patterns.insert(format!("^{}\\.", kind.name), schema);
    }
    json!({
        "description": "Quantities for the estimate of costs (`plan --cost`), by type or address: without them, what depends on the usage is not \
                        counted. Default: none.",
        "type": ["object", "null"], "properties": properties, "patternProperties": patterns, "additionalProperties": false,
        "examples": [{ "nat_gateway": { "gb_processed": 500 }, "load_balancer.web": { "capacity_units": 2 } }],
    })
}
