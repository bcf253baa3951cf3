//! `waf_association`: associates a web firewall with an application load balancer.

use acme_macros::spec;
use aws_sdk_wafv2::types::WebAcl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    load_balancer::{LoadBalancer, LoadBalancerType},
    waf_web_acl::{WafWebAcl, WebAclScope},
};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, services},
    core::{
        ArnRef, Created, Declared, Deletion, ENVIRONMENT_TAG, Error, ErrorKind, Existing, GrantTarget, IamActions, IamGrant, Observed,
        Problem, Ref, Resource, Result, STACK_TAG, Scope, Tags, TypeInfo, ok_or_not_found,
    },
};

/// Associates a web firewall with an application load balancer.
#[spec]
pub struct WafAssociation {
    /// Web firewall, of scope `regional`.
    #[field(important)]
    pub web_acl: ArnRef<WafWebAcl>,
    /// ARN of the load balancer, such as `{{ load_balancer.web.arn }}`.
    #[field(replaces, identity, unique = "resource", parent = LoadBalancer)]
    pub resource: String,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

/// Resource types that acme supports; WAF supports more.
const LOAD_BALANCER_PATTERN: &str = "elasticloadbalancing:loadbalancer/app/*";

impl Resource for WafAssociation {
    const TYPE: TypeInfo = TypeInfo::new("waf_association", &services::wafv2::SERVICE, "{resource}", "")
        .without_charge("the web ACL costs")
        .untaggable()
        .iam_actions(IamActions::new("wafv2:*/webacl/*").read(&["wafv2:GetWebACL", "wafv2:GetWebACLForResource"]).grants(&[
            IamGrant::read(&["wafv2:GetWebACLForResource"], GrantTarget::Arn(LOAD_BALANCER_PATTERN)),
            IamGrant::change(&["wafv2:AssociateWebACL"], GrantTarget::Referenced("waf_web_acl")),
            IamGrant::change(&["wafv2:AssociateWebACL", "wafv2:DisassociateWebACL"], GrantTarget::Arn(LOAD_BALANCER_PATTERN)),
            // WAF calls the load balancers' service with the caller's permissions.
            IamGrant::change(&["elasticloadbalancing:SetWebAcl"], GrantTarget::AllResources),
        ]));
    type Api = Aws;
    type Outputs = Outputs;

    /// A load balancer has at most one firewall. WAF rejects calls about other than application load balancers. One that it does not know
    /// yet has none.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        for_each_concurrent(scope.parent_ids.clone().into_iter().filter(|arn| arn.contains(":loadbalancer/app/")), |arn| async move {
            let acl = match aws.wafv2.get_web_acl_for_resource().resource_arn(&arn).send().await.map_err(Error::from) {
                Err(error) if error.code == "WAFUnavailableEntityException" => None,
                other => ok_or_not_found(other)?.and_then(|reply| reply.web_acl),
            };
            Ok::<_, Error>(acl.map(|acl| {
                let tags = ownership_tags(scope, &acl);
                let spec = WafAssociation { web_acl: ArnRef::to(acl.arn), resource: arn.clone() };
                Observed::new(arn, tags, spec, Outputs {})
            }))
        })
        .await
    }

    /// WAF reports that the firewall is unavailable until it is visible everywhere.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        self.associate(cx).await?;
        Ok(self.resource.clone().into())
    }

    /// Associating again replaces the firewall without a gap.
    async fn update(&self, cx: &Cx<'_>, _: &Existing<Self>, _: WafAssociationChanges) -> Result<()> {
        self.associate(cx).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.wafv2.disassociate_web_acl().resource_arn(&live.id).send().await?;
        Ok(Deletion::Requested)
    }

    // https://docs.aws.amazon.com/waf/latest/APIReference/API_AssociateWebACL.html
    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let Some(association) = declared.spec() else { return Vec::new() };
        let mut problems = Vec::new();
        if let Some((acl, _)) = declared.referenced(&association.web_acl).filter(|(_, acl)| acl.scope == WebAclScope::Cloudfront) {
            let problem =
                Problem::new(Self::POINTERS.web_acl, format!("`{acl}` has the scope `cloudfront`, so it can't protect a load balancer"));
            problems.push(problem.help("use a firewall of scope `regional`"));
        }
        let balancer = declared.referenced(&Ref::<LoadBalancer>::to(association.resource));
        if let Some((balancer, _)) = balancer.filter(|(_, balancer)| balancer.kind != LoadBalancerType::Application) {
            problems.push(Problem::new(
                Self::POINTERS.resource,
                format!("`{balancer}` is not an application load balancer, so WAF can't protect it"),
            ));
        }
        problems
    }
}

impl WafAssociation {
    async fn associate(&self, cx: &Cx<'_>) -> Result<()> {
        let answer = cx.wafv2.associate_web_acl().web_acl_arn(self.web_acl.get()).resource_arn(&self.resource).send().await;
        answer.map(drop).map_err(Error::from).map_err(|error| match error.kind {
            // Both exist, but WAF takes minutes to see them.
            ErrorKind::NotFound => Error { kind: ErrorKind::Conflict, ..error },
            _ => error,
        })
    }
}

/// An association has no tags: it belongs to the stack if its firewall does. Its address follows from the resource.
fn ownership_tags(scope: &Scope, acl: &WebAcl) -> Tags {
    if !scope.may_own(&acl.name, &acl.arn) {
        return Tags::new();
    }
    [(STACK_TAG, &scope.stack), (ENVIRONMENT_TAG, &scope.environment)]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.clone()))
        .collect()
}
