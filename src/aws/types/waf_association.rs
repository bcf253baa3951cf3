//! `waf_association`: puts a web firewall in front of an application load balancer.

use acme_macros::spec;
use aws_sdk_wafv2::types::WebAcl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{load_balancer::LoadBalancer, waf_web_acl::WafWebAcl};
use crate::{
    aws::{Aws, Cx, each},
    core::{
        Actions, ArnRef, Created, Deletion, ENVIRONMENT, Error, Existing, Grant, Observed, On, Resource, Result, STACK, Scope, Service,
        Sort, Tags, TypeInfo, ok_or_not_found,
    },
};

/// Puts a web firewall in front of an application load balancer.
#[spec]
pub struct WafAssociation {
    /// The firewall, of scope `regional`.
    #[field(important)]
    pub web_acl: ArnRef<WafWebAcl>,
    /// ARN of the load balancer, such as `{{ load_balancer.web.arn }}`.
    #[field(replaces, identity, unique = "resource", parent = LoadBalancer)]
    pub resource: String,
}

/// Attributes that others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

/// The resources that acme puts firewalls in front of; WAF knows more.
const BALANCERS: &str = "elasticloadbalancing:loadbalancer/app/*";

impl Resource for WafAssociation {
    const TYPE: TypeInfo = TypeInfo::new("waf_association", Service::Wafv2, "{resource}", "").untaggable().actions(
        Actions::on("wafv2:*/webacl/*").read(&["wafv2:GetWebACL", "wafv2:GetWebACLForResource"]).more(&[
            Grant::read(&["wafv2:GetWebACLForResource"], On::Arn(BALANCERS)),
            Grant::change(&["wafv2:AssociateWebACL"], On::Used("waf_web_acl")),
            Grant::change(&["wafv2:AssociateWebACL", "wafv2:DisassociateWebACL"], On::Arn(BALANCERS)),
            // WAF calls the load balancers' service with the caller's permissions.
            Grant::change(&["elasticloadbalancing:SetWebAcl"], On::Everything),
        ]),
    );
    type Api = Aws;
    type Outputs = Outputs;

    /// A load balancer has at most one firewall. WAF refuses calls about load balancers other than application load balancers. One that it
    /// does not know yet has none.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        each(scope.parents.clone().into_iter().filter(|arn| arn.contains(":loadbalancer/app/")), |arn| async move {
            let acl = match aws.wafv2.get_web_acl_for_resource().resource_arn(&arn).send().await.map_err(Error::from) {
                Err(error) if error.code == "WAFUnavailableEntityException" => None,
                other => ok_or_not_found(other)?.and_then(|reply| reply.web_acl),
            };
            Ok::<_, Error>(acl.map(|acl| {
                let tags = ownership(scope, &acl);
                let spec = WafAssociation { web_acl: ArnRef::to(acl.arn), resource: arn.clone() };
                Observed::new(arn, tags, spec, Outputs {})
            }))
        })
        .await
    }

    /// WAF answers that the firewall is unavailable until it is known everywhere.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        self.associate(cx).await?;
        Ok(self.resource.clone().into())
    }

    /// Associating again replaces the firewall, without a moment in between.
    async fn update(&self, cx: &Cx<'_>, _: &Existing<Self>, _: WafAssociationChanges) -> Result<()> {
        self.associate(cx).await
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        cx.wafv2.disassociate_web_acl().resource_arn(&live.id).send().await?;
        Ok(Deletion::Requested)
    }
}

impl WafAssociation {
    async fn associate(&self, cx: &Cx<'_>) -> Result<()> {
        let answer = cx.wafv2.associate_web_acl().web_acl_arn(self.web_acl.get()).resource_arn(&self.resource).send().await;
        answer.map(drop).map_err(Error::from).map_err(|error| match error.sort {
            // Both exist, but WAF takes minutes to know them.
            Sort::Gone => Error { sort: Sort::Conflict, ..error },
            _ => error,
        })
    }
}

/// An association has no tags: it belongs to the stack if its firewall does. The resource tells its address.
fn ownership(scope: &Scope, acl: &WebAcl) -> Tags {
    if !scope.may_own(&acl.name, &acl.arn) {
        return Tags::new();
    }
    [(STACK, &scope.stack), (ENVIRONMENT, &scope.environment)].into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}
