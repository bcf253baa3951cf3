//! IAM policies of one stack.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    arn::ArnScope,
    condition::{self, Conditions, MissingCondition, has_outside_arn},
    document::{AllowedActions, PolicyDocument},
};
use crate::{
    aws::{
        images::IMAGE_ACTION,
        partition,
        types::{self, RESOURCE_TYPES},
    },
    core::{
        ENVIRONMENT_TAG, FieldOfSpec, GrantTarget, IamActions, IamGrant, OnDelete, Prerequisite, ResourceType, STACK_TAG,
        expression::{for_each_string, references},
    },
    definition::{BackendLocation, DesiredResource, ExistingQuery, ExistingResource, Procedures, Stack},
    engine::backend::Key,
};

/// Purpose of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<'a> {
    /// Planning and looking for drift, which only read. The result of a drift check is recorded.
    Plan,
    /// Applying, which reads first.
    Apply,
    /// Planning, and having a build apply the plan.
    Remote {
        /// Project of the build.
        project: &'a str,
    },
}

/// Policies of one stack.
pub struct Policies {
    /// Documents, as many as necessary.
    pub documents: Vec<PolicyDocument>,
    /// Conditions that the definition does not allow.
    pub missing: BTreeSet<MissingCondition>,
}

/// Returns the policies for this stack. Without a region, they apply to all regions.
pub fn policies(stack: &Stack, region: Option<&str>, purpose: Purpose<'_>) -> Policies {
    let home = region.unwrap_or("*");
    let scope = ArnScope { stack, region: home };
    let mut builder = PolicyBuilder { scope, purpose, allowed: AllowedActions::default(), missing: BTreeSet::new() };
    builder.allow_on_all_resources(&["sts:GetCallerIdentity", "tag:GetResources"]);
    // For `--cost` only, which reports a denied call as a note.
    builder.allow_on_all_resources(&["pricing:GetProducts"]);
    for kind in RESOURCE_TYPES.iter() {
        let declared: Vec<&DesiredResource> =
            stack.resources.values().filter(|declared| declared.resource_type.name == kind.name).collect();
        // The tagging API does not list these types, so every possible parent is read.
        let has = |name: &str| stack.resources.values().any(|declared| declared.resource_type.name == name);
        let looked_for = kind.always_listed && kind.parent.is_none_or(has) || kind.listed_with.iter().any(|name| has(name));
        // What the stack uses and does not own is looked up.
        let looked_for =
            looked_for || stack.existing.values().filter_map(ExistingResource::resource_type).any(|looked_up| looked_up.name == kind.name);
        let other_regions: BTreeSet<&str> = declared.iter().filter_map(|declared| declared.region.as_deref()).collect();
        for region in [None].into_iter().chain(other_regions.into_iter().map(Some)) {
            builder.scope.region = region.unwrap_or(home);
            let declared: Vec<&DesiredResource> =
                declared.iter().filter(|declared| declared.region.as_deref() == region).copied().collect();
            if looked_for || !declared.is_empty() {
                builder.add_reads(kind, &declared);
            }
            if !declared.is_empty() && purpose == Purpose::Apply {
                builder.add_changes(kind, &declared);
            }
        }
    }
    builder.scope.region = home;
    builder.add_images();
    builder.add_queries();
    builder.add_backend();
    builder.add_builds();
    Policies { documents: builder.allowed.documents(), missing: builder.missing }
}

struct PolicyBuilder<'a> {
    scope: ArnScope<'a>,
    purpose: Purpose<'a>,
    allowed: AllowedActions,
    missing: BTreeSet<MissingCondition>,
}

impl PolicyBuilder<'_> {
    fn allow_on_all_resources(&mut self, actions: &[impl AsRef<str>]) {
        self.allow(actions, &["*".to_owned()].into(), None);
    }

    fn allow(&mut self, actions: &[impl AsRef<str>], arns: &BTreeSet<String>, condition: Option<&Value>) {
        for action in actions.iter().filter(|_| !arns.is_empty()) {
            self.allowed.add(action.as_ref(), arns, condition);
        }
    }

    fn add_reads(&mut self, kind: &ResourceType, declared: &[&DesiredResource]) {
        let IamActions { arn: own, list, read, questions, grants: more, .. } = kind.iam_actions;
        self.allow_on_all_resources(list);
        self.allow_on_all_resources(questions);
        self.allow(read, &self.scope.arns(kind, own), None);
        for grant in more.iter().filter(|grant| grant.needed_for_plan) {
            self.add_grant(kind, declared, grant);
        }
        for facts in declared.iter().filter_map(|declared| kind.own_facts(&declared.spec)) {
            self.allow_on_all_resources(&facts.read_actions);
        }
        for needed in prerequisites(declared) {
            match needed {
                Prerequisite::ServiceLinkedRole { .. } => self.allow_on_all_resources(&[needed.read_action()]),
                Prerequisite::ServiceRole { name, .. } => {
                    // A role that others have created may have a path.
                    let actions = [needed.read_action(), "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"];
                    let arns = ["", "*/"].map(|path| self.scope.arns(kind, &format!("iam:role/{path}{name}")));
                    self.allow(&actions, &arns.into_iter().flatten().collect(), None);
                }
            }
        }
    }

    /// Images that the stack uses and does not own are looked up.
    fn add_images(&mut self) {
        let ArnScope { stack, region: home } = self.scope;
        for existing in stack.existing.values() {
            let ExistingQuery::Image(image) = &existing.query else { continue };
            let region = existing.region.as_deref().unwrap_or(home);
            let account = image.account.as_deref().unwrap_or_else(|| self.scope.account());
            let arn = format!("arn:{}:ecr:{region}:{account}:repository/{}", partition(region), image.repository);
            self.allow(&[IMAGE_ACTION], &[arn].into(), None);
        }
    }

    /// Queries of gates sign in as the master user.
    fn add_queries(&mut self) {
        const READ: &[&str] = &["secretsmanager:GetSecretValue"];
        let stack = self.scope.stack;
        let gates = stack.procedures.iter().flat_map(Procedures::gates).flat_map(|gates| &gates.sql);
        for declared in gates.filter_map(|gate| stack.resources.get(&gate.database)) {
            let kind = declared.resource_type;
            let cluster = kind.name == "aurora_cluster";
            let managed = if cluster { "secretsmanager:secret:rds!cluster-*" } else { "secretsmanager:secret:rds!db-*" };
            self.add_grant(kind, &[declared], &IamGrant::read(READ, GrantTarget::Arn(managed)));
            self.add_grant(kind, &[declared], &IamGrant::read(READ, GrantTarget::Referenced("secret")));
        }
    }

    fn add_changes(&mut self, kind: &ResourceType, declared: &[&DesiredResource]) {
        let IamActions { arn: own, create, create_uses, change, blockers, grants: more, .. } = kind.iam_actions;
        self.allow_on_all_resources(blockers);
        let arns = self.scope.arns(kind, own);
        let has_tag_conditions = kind.service.supports_tag_conditions && kind.is_taggable();
        let request_tag_condition = has_tag_conditions.then(|| self.ownership_condition("aws:RequestTag"));
        let resource_tag_condition = has_tag_conditions.then(|| self.ownership_condition("aws:ResourceTag"));
        self.allow(create, &arns, request_tag_condition.as_ref());
        self.allow(change, &arns, resource_tag_condition.as_ref());
        if kind.is_taggable() {
            let service = kind.service;
            self.allow(service.tag_actions, &arns, resource_tag_condition.as_ref());
            self.allow(service.untag_actions, &arns, resource_tag_condition.as_ref());
            match service.create_action_key {
                // The service passes the call that adds the tags, so no other resource can be tagged.
                Some(key) => {
                    let prefix = format!("{}:", service.name);
                    let calls: Vec<&str> = create.iter().filter_map(|action| action.strip_prefix(&prefix)).collect();
                    self.allow(service.tag_actions, &arns, Some(&json!({ "StringEquals": { key: calls } })));
                }
                None => self.allow(service.tag_actions, &arns, request_tag_condition.as_ref()),
            }
        }
        for used in create_uses {
            self.add_grant(kind, declared, &IamGrant::change(create, GrantTarget::Referenced(used)));
        }
        for grant in more.iter().filter(|grant| !grant.needed_for_plan) {
            self.add_grant(kind, declared, grant);
        }
        for facts in declared.iter().filter_map(|declared| kind.own_facts(&declared.spec)) {
            self.allow_on_all_resources(&facts.change_actions);
        }
        for needed in prerequisites(declared) {
            match needed {
                Prerequisite::ServiceLinkedRole { service } => {
                    let create = IamGrant::change(&["iam:CreateServiceLinkedRole"], GrantTarget::ServiceLinkedRole(service));
                    self.add_grant(kind, declared, &create);
                }
                Prerequisite::ServiceRole { name, policy, .. } => {
                    let arns = self.scope.arns(kind, &format!("iam:role/{name}"));
                    let policy = format!("arn:{}:iam::aws:policy/{policy}", partition(self.scope.region));
                    self.allow(&["iam:CreateRole"], &arns, None);
                    self.allow(&["iam:AttachRolePolicy"], &arns, Some(&json!({ "ArnEquals": { "iam:PolicyARN": policy } })));
                }
            }
        }
    }

    fn add_grant(&mut self, kind: &ResourceType, declared: &[&DesiredResource], grant: &IamGrant) {
        let is_set =
            |field: FieldOfSpec| declared.iter().any(|one| one.spec.pointer(field().as_str()).is_some_and(|value| !value.is_null()));
        let is_needed = |needs: fn(&Value) -> bool| declared.iter().any(|one| needs(&one.spec));
        if grant.needed_for.is_some_and(|field| !is_set(field)) || grant.needed_if.is_some_and(|needs| !is_needed(needs)) {
            return;
        }
        match grant.target {
            GrantTarget::AllResources => self.allow_on_all_resources(grant.actions),
            GrantTarget::TagOnCreate => {
                let request_tag_condition = self.ownership_condition("aws:RequestTag");
                self.allow(grant.actions, &["*".to_owned()].into(), Some(&request_tag_condition));
            }
            GrantTarget::Arn(pattern) if grant.deletes_data => {
                let emptied = declared.iter().filter(|declared| declared.on_delete == Some(OnDelete::Delete)).copied();
                self.allow(grant.actions, &self.scope.arns_of(kind, pattern, &emptied.collect::<Vec<_>>()), None);
            }
            GrantTarget::Arn(pattern) => {
                let replaced = |field: FieldOfSpec| declared.iter().all(|one| has_outside_arn(one, field().as_str()));
                if grant.replaced_by.is_some_and(replaced) {
                    return;
                }
                match condition::evaluate(&self.scope, kind, declared, grant.conditions, &mut self.missing) {
                    Conditions::Apply(condition) => self.allow(grant.actions, &self.scope.arns(kind, pattern), condition.as_ref()),
                    Conditions::Unmet => {}
                }
            }
            GrantTarget::Referenced(used) => {
                let Some(used) = types::resource_type(used) else { return };
                let (arns, literal) = (self.scope.arns(used, used.iam_actions.arn), literal_references(declared, used));
                if has_reference_to(declared, used.name) {
                    let resource_tag_condition = used.service.supports_tag_conditions.then(|| self.ownership_condition("aws:ResourceTag"));
                    self.allow(grant.actions, &arns, resource_tag_condition.as_ref());
                }
                if literal.has_ids {
                    let any = self.scope.arns(used, &used.iam_actions.arn.replace("{name}", "*").replace("{/name}", "*"));
                    self.allow(grant.actions, &any, None);
                }
                if !literal.arns.is_empty() {
                    self.allow(grant.actions, &literal.arns, None);
                }
            }
            GrantTarget::NamedByArn(service) => self.allow(grant.actions, &literal_arns(declared, service), None),
            GrantTarget::PassRole(services) => {
                let Some(role) = types::resource_type("iam_role") else { return };
                let mut arns = literal_references(declared, role).arns;
                if has_reference_to(declared, role.name) {
                    arns.extend(self.scope.arns(role, role.iam_actions.arn));
                }
                if !arns.is_empty() {
                    self.allow(grant.actions, &arns, Some(&json!({ "StringEquals": { "iam:PassedToService": services } })));
                }
            }
            GrantTarget::ServiceLinkedRole(service) => {
                let arns = self.scope.arns(kind, &format!("iam:role/aws-service-role/{service}/*"));
                self.allow(grant.actions, &arns, Some(&json!({ "StringEquals": { "iam:AWSServiceName": service } })));
            }
        }
    }

    /// Adds access to history and locks in a bucket.
    fn add_backend(&mut self) {
        let ArnScope { stack, region } = self.scope;
        let part = format!("{}-{region}", self.scope.account());
        let (bucket, below, made) = match &stack.backend {
            Some(BackendLocation::Folder(_)) => return,
            None | Some(BackendLocation::DefaultBucket) => (format!("acme-{part}"), String::new(), true),
            Some(BackendLocation::Bucket { name, prefix }) if prefix.is_empty() => (name.clone(), format!("{part}/"), false),
            Some(BackendLocation::Bucket { name, prefix }) => (name.clone(), format!("{prefix}/{part}/"), false),
        };
        let bucket = format!("arn:{}:s3:::{bucket}", partition(region));
        let objects = format!("{bucket}/{below}{}/{}/*", stack.name, stack.environment);
        self.allow(&["s3:ListBucket"], &[bucket.clone()].into(), None);
        self.allow(&["s3:GetObject"], &[objects.clone()].into(), None);
        if self.purpose == Purpose::Plan {
            // Nothing depends on this object: only the list of stacks shows it.
            let drift = format!("{bucket}/{below}{}", Key::drift(&stack.name, &stack.environment));
            self.allow(&["s3:PutObject"], &[drift].into(), None);
            return;
        }
        self.allow(&["s3:PutObject", "s3:DeleteObject"], &[objects].into(), None);
        if made {
            let actions = [
                "s3:CreateBucket",
                "s3:DeleteBucket",
                "s3:PutBucketOwnershipControls",
                "s3:PutBucketPolicy",
                "s3:PutBucketPublicAccessBlock",
                "s3:PutBucketVersioning",
                "s3:PutEncryptionConfiguration",
                "s3:PutLifecycleConfiguration",
            ];
            self.allow(&actions, &[bucket].into(), None);
        }
    }

    /// Adds starting, following and stopping the builds of remote runs, whose log group has the default name.
    ///
    /// Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodebuild.html>
    fn add_builds(&mut self) {
        let Purpose::Remote { project } = self.purpose else { return };
        let arn = |service: &str, rest: &str| {
            let region = self.scope.region;
            [format!("arn:{}:{service}:{region}:{}:{rest}", partition(region), self.scope.account())].into()
        };
        let project_arn = arn("codebuild", &format!("project/{project}"));
        let streams = arn("logs", &format!("log-group:/aws/codebuild/{project}:log-stream:*"));
        let actions = ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild", "codebuild:StopBuild"];
        self.allow(&actions, &project_arn, None);
        self.allow(&["logs:GetLogEvents"], &streams, None);
    }

    fn ownership_condition(&self, key: &str) -> Value {
        let Stack { name, environment, .. } = self.scope.stack;
        json!({ "StringEquals": { format!("{key}/{STACK_TAG}"): name, format!("{key}/{ENVIRONMENT_TAG}"): environment } })
    }
}

/// Prerequisites of these resources.
fn prerequisites(declared: &[&DesiredResource]) -> BTreeSet<Prerequisite> {
    declared.iter().flat_map(|declared| declared.resource_type.operations.prerequisites(&declared.spec)).collect()
}

fn has_reference_to(declared: &[&DesiredResource], kind: &str) -> bool {
    let mut found = false;
    for one in declared {
        for_each_string(&one.spec, &mut |text| found |= references(text).iter().any(|reference| reference.type_name == kind));
    }
    found
}

/// Literal references in specs.
#[derive(Default)]
struct LiteralReferences {
    arns: BTreeSet<String>,
    has_ids: bool,
}

/// ARNs of a service in these specs.
fn literal_arns(declared: &[&DesiredResource], service: &str) -> BTreeSet<String> {
    let mut arns = BTreeSet::new();
    for one in declared {
        for_each_string(&one.spec, &mut |text| {
            if text.starts_with("arn:") && text.split(':').nth(2) == Some(service) {
                arns.insert(text.to_owned());
            }
        });
    }
    arns
}

/// ARNs of the type `used` in these specs; an id does not contain its type.
fn literal_references(declared: &[&DesiredResource], used: &ResourceType) -> LiteralReferences {
    let mut named = LiteralReferences::default();
    let (service, resource) = used.iam_actions.arn.split_once(':').unwrap_or_default();
    let kind = resource.split(['/', ':', '{']).next().unwrap_or_default();
    for one in declared {
        for_each_string(&one.spec, &mut |text| {
            let mut parts = text.splitn(6, ':').skip(2);
            if text.starts_with("arn:") && parts.next() == Some(service) && parts.nth(2).is_some_and(|rest| rest.starts_with(kind)) {
                named.arns.insert(text.to_owned());
            }
        });
        named.has_ids |= has_external_id(&one.spec);
    }
    named
}

/// Whether a value contains a reference to a resource outside the stack: `{id: vpc-0123}`.
fn has_external_id(value: &Value) -> bool {
    match value {
        Value::Object(map) if map.len() == 1 => match map.get("id").and_then(Value::as_str) {
            Some(id) => references(id).is_empty() && !id.starts_with("arn:"),
            None => map.values().any(has_external_id),
        },
        Value::Object(map) => map.values().any(has_external_id),
        Value::Array(list) => list.iter().any(has_external_id),
        _ => false,
    }
}
