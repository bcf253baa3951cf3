//! The policies of one stack.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{
    arn::Place,
    document::{Allowed, Document},
};
use crate::{
    aws::{
        partition,
        types::{self, KINDS},
    },
    core::{
        Actions, ENVIRONMENT, Grant, On, OnDelete, ResourceType, STACK, Service,
        expression::{each_string, references},
    },
    definition::{Declared, Location, Stack},
};

/// What a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Reading what is there.
    Plan,
    /// Changing it, which begins with reading.
    Apply,
}

/// What IAM has to allow for this stack, in as many policies as it takes. Without a region, for all.
pub fn policies(stack: &Stack, region: Option<&str>, purpose: Purpose) -> Vec<Document> {
    let place = Place { stack, region: region.unwrap_or("*") };
    let mut writer = Writer { place, purpose, allowed: Allowed::default() };
    writer.everything(&["sts:GetCallerIdentity", "tag:GetResources"]);
    for kind in KINDS.iter() {
        let declared: Vec<&Declared> = stack.resources.values().filter(|declared| declared.kind.name == kind.name).collect();
        // The tagging API does not tell whether there are any of these, so they are looked for wherever they could be.
        let has = |name: &str| stack.resources.values().any(|declared| declared.kind.name == name);
        let looked_for = kind.always_listed && kind.parent.is_none_or(has);
        if looked_for || !declared.is_empty() {
            writer.reads(kind, &declared);
        }
        if !declared.is_empty() && purpose == Purpose::Apply {
            writer.changes(kind, &declared);
        }
    }
    writer.backend();
    writer.allowed.documents()
}

struct Writer<'a> {
    place: Place<'a>,
    purpose: Purpose,
    allowed: Allowed,
}

impl Writer<'_> {
    fn everything(&mut self, actions: &[&str]) {
        self.on(actions, &["*".to_owned()].into(), None);
    }

    fn on(&mut self, actions: &[&str], arns: &BTreeSet<String>, condition: Option<&Value>) {
        for action in actions.iter().filter(|_| !arns.is_empty()) {
            self.allowed.add(action, arns, condition);
        }
    }

    fn reads(&mut self, kind: &ResourceType, declared: &[&Declared]) {
        let Actions { own, list, read, more, .. } = kind.actions;
        self.everything(list);
        self.on(read, &self.place.arns(kind, own), None);
        for grant in more.iter().filter(|grant| grant.reads) {
            self.grant(kind, declared, grant);
        }
    }

    fn changes(&mut self, kind: &ResourceType, declared: &[&Declared]) {
        let Actions { own, create, change, more, .. } = kind.actions;
        let arns = self.place.arns(kind, own);
        let looks_at_tags = looks_at_tags(kind.service) && kind.is_taggable();
        let marking = looks_at_tags.then(|| self.marks("aws:RequestTag"));
        let marked = looks_at_tags.then(|| self.marks("aws:ResourceTag"));
        self.on(create, &arns, marking.as_ref());
        self.on(change, &arns, marked.as_ref());
        if kind.is_taggable() {
            let (tag, untag) = tagging(kind.service);
            self.on(tag, &arns, marked.as_ref());
            self.on(untag, &arns, marked.as_ref());
            match kind.service {
                // EC2 says which call the tags belong to, so nothing else can be given the marks.
                Service::Ec2 => {
                    let calls: Vec<&str> = create.iter().filter_map(|action| action.strip_prefix("ec2:")).collect();
                    self.on(tag, &arns, Some(&json!({ "StringEquals": { "ec2:CreateAction": calls } })));
                }
                _ => self.on(tag, &arns, marking.as_ref()),
            }
        }
        for grant in more.iter().filter(|grant| !grant.reads) {
            self.grant(kind, declared, grant);
        }
    }

    fn grant(&mut self, kind: &ResourceType, declared: &[&Declared], grant: &Grant) {
        match grant.on {
            On::Everything => self.everything(grant.actions),
            On::Marking => {
                let marking = self.marks("aws:RequestTag");
                self.on(grant.actions, &["*".to_owned()].into(), Some(&marking));
            }
            On::Arn(pattern) if grant.deletes_data => {
                let emptied = declared.iter().filter(|declared| declared.on_delete == Some(OnDelete::Delete)).copied();
                self.on(grant.actions, &self.place.arns_of(kind, pattern, &emptied.collect::<Vec<_>>()), None);
            }
            On::Arn(pattern) => self.on(grant.actions, &self.place.arns(kind, pattern), None),
            On::Used(used) => {
                let Some(used) = types::kind(used) else { return };
                let (arns, theirs) = (self.place.arns(used, used.actions.own), named(declared, used));
                if refers(declared, used.name) {
                    let marked = looks_at_tags(used.service).then(|| self.marks("aws:ResourceTag"));
                    self.on(grant.actions, &arns, marked.as_ref());
                }
                if theirs.by_id {
                    let any = self.place.arns(used, &used.actions.own.replace("{name}", "*"));
                    self.on(grant.actions, &any, None);
                }
                if !theirs.arns.is_empty() {
                    self.on(grant.actions, &theirs.arns, None);
                }
            }
            On::Named(service) => self.on(grant.actions, &arns_of(declared, service), None),
            On::Passed(services) => {
                let Some(role) = types::kind("iam_role") else { return };
                let mut arns = named(declared, role).arns;
                if refers(declared, role.name) {
                    arns.extend(self.place.arns(role, role.actions.own));
                }
                if !arns.is_empty() {
                    self.on(grant.actions, &arns, Some(&json!({ "StringEquals": { "iam:PassedToService": services } })));
                }
            }
            On::ServiceLinked(service) => {
                let arns = self.place.arns(kind, &format!("iam:role/aws-service-role/{service}/*"));
                self.on(grant.actions, &arns, Some(&json!({ "StringEquals": { "iam:AWSServiceName": service } })));
            }
        }
    }

    /// History and locks in a bucket.
    fn backend(&mut self) {
        let Place { stack, region } = self.place;
        let part = format!("{}-{region}", self.place.account());
        let (bucket, below, made) = match &stack.backend {
            Some(Location::Folder(_)) => return,
            None | Some(Location::UsualBucket) => (format!("acme-{part}"), String::new(), true),
            Some(Location::Bucket { name, prefix }) if prefix.is_empty() => (name.clone(), format!("{part}/"), false),
            Some(Location::Bucket { name, prefix }) => (name.clone(), format!("{prefix}/{part}/"), false),
        };
        let bucket = format!("arn:{}:s3:::{bucket}", partition(region));
        let objects = format!("{bucket}/{below}{}/{}/*", stack.name, stack.environment);
        self.on(&["s3:ListBucket"], &[bucket.clone()].into(), None);
        self.on(&["s3:GetObject"], &[objects.clone()].into(), None);
        if self.purpose == Purpose::Plan {
            return;
        }
        self.on(&["s3:PutObject", "s3:DeleteObject"], &[objects].into(), None);
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
            self.on(&actions, &[bucket].into(), None);
        }
    }

    fn marks(&self, key: &str) -> Value {
        let Stack { name, environment, .. } = self.place.stack;
        json!({ "StringEquals": { format!("{key}/{STACK}"): name, format!("{key}/{ENVIRONMENT}"): environment } })
    }
}

/// Whether tags can decide. Route 53 has no such condition; S3 has it only for buckets that were told to; IAM shows new tags only after
/// a while, and its paths say as much.
fn looks_at_tags(service: Service) -> bool {
    !matches!(service, Service::Iam | Service::Route53 | Service::S3)
}

/// The actions that set tags and remove them.
fn tagging(service: Service) -> (&'static [&'static str], &'static [&'static str]) {
    match service {
        Service::Ec2 => (&["ec2:CreateTags"], &["ec2:DeleteTags"]),
        Service::Eks => (&["eks:TagResource"], &["eks:UntagResource"]),
        Service::Rds => (&["rds:AddTagsToResource"], &["rds:RemoveTagsFromResource"]),
        Service::Ecr => (&["ecr:TagResource"], &["ecr:UntagResource"]),
        Service::Kms => (&["kms:TagResource"], &["kms:UntagResource"]),
        Service::SecretsManager => (&["secretsmanager:TagResource"], &["secretsmanager:UntagResource"]),
        Service::Elbv2 => (&["elasticloadbalancing:AddTags"], &["elasticloadbalancing:RemoveTags"]),
        Service::Acm => (&["acm:AddTagsToCertificate"], &["acm:RemoveTagsFromCertificate"]),
        Service::Wafv2 => (&["wafv2:TagResource"], &["wafv2:UntagResource"]),
        Service::Route53 => (&["route53:ChangeTagsForResource"], &[]),
        // A bucket is made with its tags.
        Service::S3 => (&["s3:PutBucketTagging", "s3:TagResource"], &[]),
        Service::Iam => (&[], &[]),
    }
}

fn refers(declared: &[&Declared], kind: &str) -> bool {
    let mut found = false;
    for one in declared {
        each_string(&one.spec, &mut |text| found |= references(text).iter().any(|reference| reference.kind == kind));
    }
    found
}

/// What specs name literally.
#[derive(Default)]
struct Named {
    arns: BTreeSet<String>,
    by_id: bool,
}

/// The ARNs of a service that stand in these specs.
fn arns_of(declared: &[&Declared], service: &str) -> BTreeSet<String> {
    let mut arns = BTreeSet::new();
    for one in declared {
        each_string(&one.spec, &mut |text| {
            if text.starts_with("arn:") && text.split(':').nth(2) == Some(service) {
                arns.insert(text.to_owned());
            }
        });
    }
    arns
}

/// What of type `used` stands in these specs by its ARN; an id does not say of which type it is.
fn named(declared: &[&Declared], used: &ResourceType) -> Named {
    let mut named = Named::default();
    let (service, resource) = used.actions.own.split_once(':').unwrap_or_default();
    let kind = resource.split(['/', ':', '{']).next().unwrap_or_default();
    for one in declared {
        each_string(&one.spec, &mut |text| {
            let mut parts = text.splitn(6, ':').skip(2);
            if text.starts_with("arn:") && parts.next() == Some(service) && parts.nth(2).is_some_and(|rest| rest.starts_with(kind)) {
                named.arns.insert(text.to_owned());
            }
        });
        named.by_id |= has_id(&one.spec);
    }
    named
}

/// Whether a reference to something outside the stack stands below: `{id: vpc-0123}`.
fn has_id(value: &Value) -> bool {
    match value {
        Value::Object(map) if map.len() == 1 => match map.get("id").and_then(Value::as_str) {
            Some(id) => references(id).is_empty() && !id.starts_with("arn:"),
            None => map.values().any(has_id),
        },
        Value::Object(map) => map.values().any(has_id),
        Value::Array(list) => list.iter().any(has_id),
        _ => false,
    }
}
