//! Where resources to import are found in the cloud: by their tags, in a VPC, and in a stack of CloudFormation.

use std::collections::{BTreeMap, BTreeSet};

use super::{Candidate, Candidates, LeftOut, LockedSession, Result, Session, SessionError, import::insert};
use crate::{
    aws::{
        services::cloudformation::StackResource,
        types::{self, RESOURCE_TYPES, aws_resource::native_type},
    },
    core::{LiveResource, ResourceType, Scope, Tags},
    engine::{
        cloud::Cloud,
        discover::{Hints, LiveState, discover, scope, visible_tags},
        plan::owner,
    },
};

/// Maximum depth of nested stacks of CloudFormation.
const MAX_NESTED_STACKS: usize = 20;

/// Reason why a resource can't be adopted.
pub const NO_TYPE: &str = "acme has no type for it";

impl LockedSession {
    /// Resources with all of these tags, in the region of the stack and among the global ones.
    ///
    /// # Errors
    /// Fails if the tagging API can't be read.
    pub async fn candidates_by_tags(&self, tags: &Tags) -> Result<Candidates> {
        let session = self.session();
        let mut found = Candidates::default();
        for (arn, live) in session.cloud.resources_with_tags(tags).await? {
            // Several types may share a pattern, such as instances of RDS and of Aurora.
            let resource_types: Vec<&'static ResourceType> = match &live {
                Some(live) => types::resource_type(&live.type_name).into_iter().collect(),
                None => RESOURCE_TYPES.iter().filter(|kind| kind.is_adoptable() && kind.matches_arn(&arn)).collect(),
            };
            if resource_types.is_empty() {
                found.left_out.push(LeftOut { origin: arn, reason: NO_TYPE.to_owned() });
                continue;
            }
            let ids = live.map_or_else(|| ids_of_arn(&arn, session.region()), |live| vec![live.id]);
            found.candidates.push(Candidate { resource_types, ids, region: None, name: None, origin: arn });
        }
        Ok(found)
    }

    /// The VPC and everything in it: what refers to it, directly or through its subnets and security groups, and the addresses of its gateways.
    ///
    /// # Errors
    /// Fails if there is no such VPC, or if a type can't be read.
    pub async fn candidates_in_vpc(&self, vpc: &str) -> Result<Candidates> {
        let session = self.session();
        let mut live_state = discover(&session.cloud, &session.stack, Hints::default()).await?;
        let mut all: Vec<LiveResource> = Vec::new();
        let mut found = Candidates::default();
        for nested in [false, true] {
            for kind in network_types().into_iter().filter(|kind| kind.parent.is_some() == nested) {
                match session.list_all(kind, &live_state).await {
                    Ok(listed) => {
                        listed.iter().for_each(|live| insert(&mut live_state, live.clone()));
                        all.extend(listed);
                    }
                    Err(error) => {
                        found.left_out.push(LeftOut { origin: format!("every {}", kind.name.replace('_', " ")), reason: error.to_string() })
                    }
                }
            }
        }
        let Some(network) = all.iter().find(|live| live.type_name == "vpc" && live.id == vpc) else {
            return Err(SessionError::NotFound(format!("there is no VPC `{vpc}` in {}", session.region())));
        };
        let foreign = owner(&network.tags).filter(|_| !session.is_owned(network));
        let inside = in_vpc(&all, vpc);
        for live in all.iter().filter(|live| inside.contains(live.id.as_str())) {
            let Some(resource_type) = types::resource_type(&live.type_name) else { continue };
            let origin = format!("{} {}", live.type_name, live.id);
            match &foreign {
                // AWS creates some of it with the VPC, such as the main route table.
                Some(owner) if live.id != vpc && visible_tags(&live.tags, &Tags::new()).is_empty() => {
                    let error = SessionError::ForeignParent { id: live.id.clone(), parent: vpc.to_owned(), owner: owner.clone() };
                    found.left_out.push(LeftOut { origin, reason: error.to_string() });
                }
                _ => {
                    let ids = vec![live.id.clone()];
                    found.candidates.push(Candidate { resource_types: vec![resource_type], ids, region: None, name: None, origin });
                }
            }
        }
        Ok(found)
    }

    /// Resources of a stack of CloudFormation, and of the stacks nested in it.
    ///
    /// # Errors
    /// Fails if the stack does not exist or can't be read.
    pub async fn candidates_in_cloudformation(&self, stack: &str) -> Result<Candidates> {
        let session = self.session();
        if matches!(*session.cloud, Cloud::Simulated(_)) {
            return Err(SessionError::NotAdoptable("the simulated cloud has no CloudFormation".to_owned()));
        }
        let mut found = Candidates::default();
        let mut stacks = vec![(stack.to_owned(), String::new(), 0)];
        while let Some((stack, prefix, depth)) = stacks.pop() {
            let Some(resources) = session.cloud.cloudformation_resources(&stack).await? else {
                let message = format!("there is no CloudFormation stack `{stack}` in {}", session.region());
                return Err(SessionError::NotFound(message));
            };
            for StackResource { type_name, name, id } in resources {
                let name = format!("{prefix}{name}");
                if type_name == "AWS::CloudFormation::Stack" && depth < MAX_NESTED_STACKS {
                    stacks.push((id, format!("{name}-"), depth + 1));
                    continue;
                }
                add_cloudformation_resource(&mut found, &type_name, &name, &id);
            }
        }
        Ok(found)
    }
}

impl Session {
    /// All resources of a type in the region of the stack.
    async fn list_all(&self, kind: &'static ResourceType, live_state: &LiveState) -> Result<Vec<LiveResource>> {
        let scope = scope(&self.stack, kind, None, live_state);
        if kind.parent.is_some() && scope.parent_ids.is_empty() && matches!(*self.cloud, Cloud::Aws(_)) {
            return Ok(Vec::new());
        }
        // Lists by name or path look for those that begin with the prefix.
        let scope = Scope { any_owner: true, bypass_tag_index: true, tag_index: None, prefix: String::new(), ..scope };
        Ok(self.cloud.list(kind, &scope).await?)
    }
}

/// Adds a resource of CloudFormation, by its type.
fn add_cloudformation_resource(found: &mut Candidates, type_name: &str, name: &str, id: &str) {
    let origin = format!("{name} ({type_name})");
    match native_type(type_name) {
        Some((_, true)) => found.parts.push(origin),
        Some((native, false)) => {
            // CloudFormation has one type for instances of RDS and of Aurora.
            let also = if native == "rds_instance" { types::resource_type("aurora_instance") } else { None };
            let resource_types = types::resource_type(native).into_iter().chain(also).collect();
            // A nested name has the form `cluster|name` or `id/name` in some types.
            let ids = vec![id.to_owned(), id.replace('|', "/"), id.split('|').next().unwrap_or(id).to_owned()];
            found.candidates.push(Candidate { resource_types, ids, region: None, name: Some(super::resource_name(name)), origin });
        }
        None => found.left_out.push(LeftOut { origin, reason: NO_TYPE.to_owned() }),
    }
}

/// Types in the region that refer to a VPC, directly or through others of them, and elastic IPs, to which gateways refer.
fn network_types() -> Vec<&'static ResourceType> {
    let schemas: BTreeMap<&str, String> =
        RESOURCE_TYPES.iter().filter(|kind| !kind.is_global()).map(|kind| (kind.name, kind.schema().to_string())).collect();
    let mut names: BTreeSet<&str> = ["vpc", "elastic_ip"].into();
    loop {
        let refers =
            |schema: &str| names.iter().any(|name| *name != "elastic_ip" && schema.contains(&format!("\"x-acme-ref\":\"{name}\"")));
        let more: Vec<&str> =
            schemas.iter().filter(|(name, schema)| !names.contains(*name) && refers(schema)).map(|(name, _)| *name).collect();
        if more.is_empty() {
            break;
        }
        names.extend(more);
    }
    RESOURCE_TYPES.iter().filter(|kind| names.contains(kind.name) && kind.is_adoptable()).collect()
}

/// Ids of the resources in a VPC.
fn in_vpc<'a>(all: &'a [LiveResource], vpc: &'a str) -> BTreeSet<&'a str> {
    let references: Vec<(&LiveResource, BTreeSet<String>)> = all
        .iter()
        .filter_map(|live| {
            Some((live, types::resource_type(&live.type_name)?.references(&live.spec).into_iter().map(|one| one.value).collect()))
        })
        .collect();
    let mut inside: BTreeSet<&str> = [vpc].into();
    let mut known: BTreeSet<&str> = [vpc].into();
    loop {
        let refers = |(live, values): &&(&LiveResource, BTreeSet<String>)| {
            !inside.contains(live.id.as_str()) && values.iter().any(|value| known.contains(value.as_str()))
        };
        let more: Vec<&LiveResource> = references.iter().filter(refers).map(|(live, _)| *live).collect();
        if more.is_empty() {
            break;
        }
        for live in more {
            inside.insert(&live.id);
            known.insert(&live.id);
            known.extend(live.arn());
        }
    }
    let used: BTreeSet<&str> = references
        .iter()
        .filter(|(live, _)| inside.contains(live.id.as_str()))
        .flat_map(|(_, values)| values.iter().map(String::as_str))
        .collect();
    let addresses: Vec<&str> =
        all.iter().filter(|live| live.type_name == "elastic_ip" && used.contains(live.id.as_str())).map(|live| live.id.as_str()).collect();
    inside.extend(addresses);
    inside
}

/// Possible ids of the resource with an ARN: the ARN, what follows its type, and its last part.
pub fn ids_of_arn(arn: &str, region: &str) -> Vec<String> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, service, _, account, resource] = parts[..] else { return vec![arn.to_owned()] };
    let after_type = resource.split_once(['/', ':']).map_or(resource, |(_, rest)| rest);
    let last = resource.rsplit(['/', ':']).next().unwrap_or(resource);
    // `nodegroup/cluster/name/uuid`
    let without_last = after_type.rsplit_once('/').map(|(rest, _)| rest.to_owned());
    let mut ids = vec![arn.to_owned(), after_type.to_owned()];
    ids.extend(without_last);
    ids.push(last.to_owned());
    if service == "sqs" {
        let domain = if partition == "aws-cn" { "amazonaws.com.cn" } else { "amazonaws.com" };
        ids.insert(0, format!("https://sqs.{region}.{domain}/{account}/{resource}"));
    }
    let mut seen = BTreeSet::new();
    ids.retain(|id| seen.insert(id.clone()));
    ids
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn reads_ids_from_arns() {
        let ids = |arn: &str| ids_of_arn(arn, "eu-west-1");
        assert_eq!(ids("arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1")[1], "vpc-1");
        assert_eq!(ids("arn:aws:rds:eu-west-1:123456789012:db:orders")[1], "orders");
        assert_eq!(ids("arn:aws:ecr:eu-west-1:123456789012:repository/shop/users")[1], "shop/users");
        assert_eq!(ids("arn:aws:eks:eu-west-1:123456789012:nodegroup/main/web/0123")[2], "main/web");
        assert_eq!(ids("arn:aws:sqs:eu-west-1:123456789012:orders")[0], "https://sqs.eu-west-1.amazonaws.com/123456789012/orders");
        assert_eq!(ids("arn:aws:s3:::files")[1], "files");
    }

    #[test]
    fn follows_references_from_the_vpc() {
        let live = |kind: &str, id: &str, spec: Value| LiveResource::ready(kind, id, spec);
        let all = [
            live("vpc", "vpc-1", json!({})),
            live("vpc", "vpc-2", json!({})),
            live("subnet", "subnet-1", json!({ "vpc": { "id": "vpc-1" } })),
            live("subnet", "subnet-2", json!({ "vpc": { "id": "vpc-2" } })),
            live("nat_gateway", "nat-1", json!({ "subnet": { "id": "subnet-1" }, "elastic_ip": { "id": "eipalloc-1" } })),
            live("elastic_ip", "eipalloc-1", json!({})),
            live("elastic_ip", "eipalloc-2", json!({})),
        ];
        assert_eq!(in_vpc(&all, "vpc-1"), ["eipalloc-1", "nat-1", "subnet-1", "vpc-1"].into());
        assert!(network_types().iter().any(|kind| kind.name == "eks_cluster"));
    }

    #[test]
    fn sorts_resources_of_cloudformation() {
        let mut found = Candidates::default();
        add_cloudformation_resource(&mut found, "AWS::EC2::VPC", "Network-Vpc", "vpc-1");
        add_cloudformation_resource(&mut found, "AWS::EC2::Route", "Route", "shop-Route-1");
        add_cloudformation_resource(&mut found, "AWS::Lambda::Function", "Function", "shop");
        assert_eq!((found.candidates.len(), found.parts.len(), found.left_out.len()), (1, 1, 1));
        assert_eq!((found.candidates[0].resource_types[0].name, found.candidates[0].name.as_deref()), ("vpc", Some("Network-Vpc")));
    }
}
