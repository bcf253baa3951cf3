//! `waf_association`: puts a web firewall in front of an application load balancer.

use aws_sdk_wafv2::types::WebAcl;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::waf_web_acl::WafWebAcl;
use crate::{
    aws::{Aws, each},
    core::{
        Actions, ArnRef, Changed, ENVIRONMENT, Error, Grant, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource, On,
        Phase, Result, STACK, Scope, Service, Sort, Tags, ok_or_not_found,
    },
};

/// Puts a web firewall in front of an application load balancer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WafAssociation {
    /// The firewall, of scope `regional`.
    pub web_acl: ArnRef<WafWebAcl>,
    /// ARN of the load balancer, such as `{{ load_balancer.web.arn }}`. Changing it replaces the association.
    pub resource: String,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

/// What firewalls can stand before, of all that WAF knows.
const BALANCERS: &str = "elasticloadbalancing:loadbalancer/app/*";

impl Resource for WafAssociation {
    const TYPE: &'static str = "waf_association";
    const SERVICE: Service = Service::Wafv2;
    const REPLACE: &'static [&'static str] = &["/resource"];
    const IDENTITY: &'static [&'static str] = &["/resource"];
    const PARENT: Option<&'static str> = Some("load_balancer");
    const TAGGABLE: bool = false;
    const ACTIONS: Actions = Actions::on("wafv2:*/webacl/*").read(&["wafv2:GetWebACL", "wafv2:GetWebACLForResource"]).more(&[
        Grant::read(&["wafv2:GetWebACLForResource"], On::Arn(BALANCERS)),
        Grant::change(&["wafv2:AssociateWebACL"], On::Used("waf_web_acl")),
        Grant::change(&["wafv2:AssociateWebACL", "wafv2:DisassociateWebACL"], On::Arn(BALANCERS)),
        // WAF asks the load balancers' service with the caller's permissions.
        Grant::change(&["elasticloadbalancing:SetWebAcl"], On::Everything),
    ]);
    type Outputs = Outputs;

    /// A load balancer has one firewall at most. WAF knows only application load balancers and refuses to be asked about others. One that
    /// it does not know yet has none.
    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        each(scope.parents.clone().into_iter().filter(|arn| arn.contains(":loadbalancer/app/")), |arn| async move {
            let acl = match aws.wafv2.get_web_acl_for_resource().resource_arn(&arn).send().await.map_err(Error::from) {
                Err(error) if error.code == "WAFUnavailableEntityException" => None,
                other => ok_or_not_found(other)?.and_then(|reply| reply.web_acl),
            };
            Ok::<_, Error>(acl.map(|acl| Observed {
                id: arn.clone(),
                tags: marks(scope, &acl),
                phase: Phase::Ready,
                spec: WafAssociation { web_acl: ArnRef::to(acl.arn), resource: arn.clone() },
                outputs: Outputs {},
            }))
        })
        .await
    }

    /// Answers that the firewall is unavailable until it is known everywhere.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        self.associate(cx).await?;
        Ok(self.resource.clone())
    }

    /// Associating again replaces the firewall, without a moment in between.
    async fn update(&self, cx: &Cx<'_>, _: &str, _: &Self, _: &Changed) -> Result<()> {
        self.associate(cx).await
    }

    async fn delete(cx: &Cx<'_>, id: &str, _: &Self) -> Result<()> {
        cx.aws.wafv2.disassociate_web_acl().resource_arn(id).send().await?;
        Ok(())
    }
}

impl WafAssociation {
    async fn associate(&self, cx: &Cx<'_>) -> Result<()> {
        let answer = cx.aws.wafv2.associate_web_acl().web_acl_arn(self.web_acl.get()).resource_arn(&self.resource).send().await;
        answer.map(drop).map_err(Error::from).map_err(|error| match error.sort {
            // Both are there: WAF takes minutes to know them.
            Sort::Gone => Error { sort: Sort::Conflict, ..error },
            _ => error,
        })
    }
}

/// An association carries nothing of its own: it is the stack's when its firewall is. The address is found by the resource.
fn marks(scope: &Scope, acl: &WebAcl) -> Tags {
    if !scope.may_own(&acl.name, &acl.arn) {
        return Tags::new();
    }
    [(STACK, &scope.stack), (ENVIRONMENT, &scope.environment)].into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
}
