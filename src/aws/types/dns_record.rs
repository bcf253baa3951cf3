//! `dns_record`: a record set of a hosted zone. It has no tags; like external-dns we put a TXT record beside it that says whose
//! it is, in the same change batch, so that neither exists without the other.

mod mark;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_route53::types::{AliasTarget, Change, ChangeAction, ResourceRecord, ResourceRecordSet, ResourceRecordSetRegion, RrType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use mark::mark;
use mark::{mark_name, marked};
pub use value::RecordType;

use super::dns_zone::DnsZone;
use crate::{
    aws::{Aws, each, text, word},
    core::{
        ADDRESS, Actions, Changed, DnsName, ENVIRONMENT, Error, LegacyCx as Cx, LegacyObserved as Observed, LegacyResource as Resource,
        Phase, Problem, Ref, Result, STACK, Scope, Service, Sort, ok_or_not_found,
    },
};

/// A record set of a hosted zone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DnsRecord {
    /// The zone it belongs to. Changing it replaces the record.
    pub zone: Ref<DnsZone>,
    /// Full domain name, such as `www.shop.example.com` or `*.shop.example.com`. Changing it replaces the record.
    pub domain: DnsName,
    /// Record type. Changing it replaces the record.
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// How long resolvers may keep it, in seconds. Default: 300. An alias has its target's.
    #[serde(default = "five_minutes")]
    pub ttl_seconds: u32,
    /// Values; TXT as plain text, MX and SRV with their numbers first (`10 mail.example.com`). Default: none, for an alias.
    #[serde(default)]
    pub values: BTreeSet<String>,
    /// An AWS resource that answers instead of `values`.
    #[serde(default)]
    pub alias: Option<Alias>,
    /// Tells several records of the same domain and type apart; needs one of `weight`, `failover`, `region` or `multivalue`.
    /// Default: none. Changing it replaces the record.
    #[serde(default)]
    pub set_identifier: String,
    /// Share of the answers among records of the same domain and type, 0 to 255.
    #[serde(default)]
    pub weight: Option<u8>,
    /// Role in a failover pair.
    #[serde(default)]
    pub failover: Option<Failover>,
    /// AWS region of the target; the record with the lowest latency answers.
    #[serde(default)]
    pub region: Option<String>,
    /// Answers with up to eight healthy records of the same domain and type. Default: false.
    #[serde(default)]
    pub multivalue: bool,
    /// Id of the health check without whose success it does not answer. Default: none.
    #[serde(default)]
    pub health_check: String,
}

/// Role in a failover pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Failover {
    /// Answers while it is healthy.
    Primary,
    /// Answers otherwise.
    Secondary,
}

/// An AWS resource that answers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    /// Its DNS name, such as `{{ load_balancer.web.dns_name }}`.
    pub target: DnsName,
    /// Its hosted zone id, such as `{{ load_balancer.web.zone_id }}`.
    pub zone_id: String,
    /// Answers only while the target is healthy. Default: false.
    #[serde(default)]
    pub evaluate_health: bool,
}

/// What others may refer to.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// The domain name, as text.
    pub fqdn: String,
}

const fn five_minutes() -> u32 {
    300
}

impl Resource for DnsRecord {
    const TYPE: &'static str = "dns_record";
    const SERVICE: Service = Service::Route53;
    const REPLACE: &'static [&'static str] = &["/zone", "/domain", "/type", "/set_identifier"];
    const EXCLUSIVE: &'static [&'static [&'static str]] = &[&["/zone", "/domain"]];
    const PARENT: Option<&'static str> = Some("dns_zone");
    const TAGGABLE: bool = false;
    const DISTURBS: &'static [(&'static str, &'static str)] = &[
        ("/values", "resolvers give the old answer until its time to live is over"),
        ("/alias", "resolvers give the old answer for up to a minute"),
    ];
    const ACTIONS: Actions =
        Actions::on("route53:hostedzone/*").read(&["route53:ListResourceRecordSets"]).change(&["route53:ChangeResourceRecordSets"]);
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let zones = each(scope.parents.clone(), |zone| of_zone(aws, scope, zone)).await?;
        Ok(zones.into_iter().flatten().collect())
    }

    /// CREATE, not UPSERT: AWS refuses when someone else's record has the name. The mark is an UPSERT, because it may have
    /// outlived a record that was deleted by hand.
    async fn create(&self, cx: &Cx<'_>) -> Result<String> {
        let (zone, mark) = (self.zone.get(), self.mark(cx)?);
        let changes = vec![change(ChangeAction::Create, self.record_set()?)?, change(ChangeAction::Upsert, mark.clone())?];
        match cx.aws.dns_changes.submit(zone, changes).await {
            // An earlier try whose answer was lost: what exists is ours.
            Err(error) if error.sort == Sort::Exists => {
                let ours = at(cx.aws, zone, &mark.name, &RrType::Txt)
                    .await?
                    .into_iter()
                    .any(|set| set.set_identifier == mark.set_identifier && set.resource_records == mark.resource_records);
                if ours { Ok(self.id()) } else { Err(error) }
            }
            answer => answer.map(|()| self.id()),
        }
    }

    async fn update(&self, cx: &Cx<'_>, _: &str, _: &Self, _: &Changed) -> Result<()> {
        let sets = [self.record_set()?, self.mark(cx)?];
        let changes = sets.into_iter().map(|set| change(ChangeAction::Upsert, set)).collect::<Result<_>>()?;
        cx.aws.dns_changes.submit(self.zone.get(), changes).await
    }

    /// DELETE must repeat the record set exactly as AWS has it. What was listed says it; only when AWS disagrees is it read anew.
    async fn delete(cx: &Cx<'_>, _: &str, live: &Self) -> Result<()> {
        let sets = [live.record_set()?, live.mark(cx)?];
        let changes = sets.into_iter().map(|set| change(ChangeAction::Delete, set)).collect::<Result<_>>()?;
        match cx.aws.dns_changes.submit(live.zone.get(), changes).await {
            Err(error) if error.is_gone() => {}
            answer => return answer,
        }
        let zone = live.zone.get();
        let (kind, mark) = (RrType::from(text(&live.kind).as_str()), mark_name(&live.domain, live.kind));
        let (sets, marks) = tokio::try_join!(at(cx.aws, zone, live.domain.as_str(), &kind), at(cx.aws, zone, &mark, &RrType::Txt))?;
        let same = |set: &ResourceRecordSet| set.set_identifier().unwrap_or_default() == live.set_identifier;
        let sets = sets.into_iter().chain(marks).filter(same);
        let changes: Vec<_> = sets.map(|set| change(ChangeAction::Delete, set)).collect::<Result<_>>()?;
        if changes.is_empty() {
            return Err(Error::new(Sort::Gone, "NoSuchRecord", format!("there is no record {}", live.domain)));
        }
        cx.aws.dns_changes.submit(zone, changes).await
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.alias.is_some() != self.values.is_empty() {
            problems.push(Problem::new("/values", "a record has either `values` or an `alias`"));
        }
        if self.alias.is_some() && self.ttl_seconds != five_minutes() {
            problems.push(Problem::new("/ttl_seconds", "an alias has the time to live of its target").help("remove `ttl_seconds`"));
        }
        if self.kind == RecordType::Cname && self.values.len() > 1 {
            problems.push(Problem::new("/values", "a CNAME has one value"));
        }
        for value in self.values.iter().filter(|value| !value.contains("${") && !self.kind.takes(value)) {
            problems.push(Problem::new("/values", format!("`{value}` is no value of type {}", text(&self.kind))));
        }
        let routings = [self.weight.is_some(), self.failover.is_some(), self.region.is_some(), self.multivalue];
        let count = routings.into_iter().filter(|set| *set).count();
        if count != usize::from(!self.set_identifier.is_empty()) {
            let message = "`set_identifier` goes with exactly one of `weight`, `failover`, `region` and `multivalue`";
            problems.push(Problem::new("/set_identifier", message));
        }
        problems
    }

    /// AWS keeps values as they were written: quoted or not, with a final dot or without, and with `dualstack.` before an alias
    /// that the console made.
    fn align(&self, live: &mut Self) {
        let plain = |values: &BTreeSet<String>| values.iter().map(|value| self.kind.plain(value)).collect::<BTreeSet<_>>();
        if plain(&self.values) == plain(&live.values) {
            live.values = self.values.clone();
        }
        if let (Some(wanted), Some(live)) = (&self.alias, &mut live.alias) {
            let plain = |alias: &Alias| alias.target.as_str().trim_start_matches("dualstack.").to_owned();
            if plain(wanted) == plain(live) {
                live.target = wanted.target.clone();
            }
        }
    }
}

impl DnsRecord {
    fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.zone.get(), self.domain, text(&self.kind), self.set_identifier)
    }

    fn record_set(&self) -> Result<ResourceRecordSet> {
        let set = ResourceRecordSet::builder().name(self.domain.as_str()).r#type(RrType::from(text(&self.kind).as_str()));
        let set = match &self.alias {
            Some(alias) => {
                let target = AliasTarget::builder().hosted_zone_id(&alias.zone_id).dns_name(alias.target.as_str());
                set.alias_target(target.evaluate_target_health(alias.evaluate_health).build()?)
            }
            None => set.ttl(self.ttl_seconds.into()).set_resource_records(Some(records(self.values.iter().map(|v| self.kind.written(v)))?)),
        };
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let set = set.set_set_identifier(given(&self.set_identifier)).set_health_check_id(given(&self.health_check));
        let set = set.set_weight(self.weight.map(Into::into)).set_multi_value_answer(self.multivalue.then_some(true));
        let set = set.set_region(self.region.as_deref().map(ResourceRecordSetRegion::from));
        let set = set.set_failover(self.failover.map(|role| text(&role).as_str().into()));
        Ok(set.build()?)
    }

    fn mark(&self, cx: &Cx<'_>) -> Result<ResourceRecordSet> {
        let says = format!("{STACK}={},{ENVIRONMENT}={},{ADDRESS}={}", cx.stack, cx.environment, cx.address);
        mark(&mark_name(&self.domain, self.kind), &self.set_identifier, &says)
    }

    fn read(zone: &str, set: ResourceRecordSet) -> Option<DnsRecord> {
        let kind = word(set.r#type.as_str()).ok()?;
        Some(DnsRecord {
            zone: Ref::to(zone),
            domain: DnsName::new(&set.name),
            kind,
            ttl_seconds: set.ttl.filter(|_| set.alias_target.is_none()).and_then(|ttl| ttl.try_into().ok()).unwrap_or(five_minutes()),
            values: set.resource_records.unwrap_or_default().iter().map(|record| kind.read(&record.value)).collect(),
            alias: set.alias_target.map(|alias| Alias {
                target: DnsName::new(&alias.dns_name),
                zone_id: alias.hosted_zone_id,
                evaluate_health: alias.evaluate_target_health,
            }),
            set_identifier: set.set_identifier.unwrap_or_default(),
            weight: set.weight.and_then(|weight| weight.try_into().ok()),
            failover: set.failover.and_then(|role| word(role.as_str()).ok()),
            region: set.region.map(|region| region.as_str().to_owned()),
            multivalue: set.multi_value_answer.unwrap_or_default(),
            health_check: set.health_check_id.unwrap_or_default(),
        })
    }
}

/// The stack's records of one zone: those with its mark.
async fn of_zone(aws: &Aws, scope: &Scope, zone: String) -> Result<Option<Vec<Observed<DnsRecord>>>> {
    let Some(sets) = ok_or_not_found(every(aws, &zone).await)? else { return Ok(None) };
    let (marks, sets): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| set.r#type == RrType::Txt && set.name.starts_with("_acme-"));
    let key = |name: &str, set: &ResourceRecordSet| (name.to_owned(), set.set_identifier().unwrap_or_default().to_owned());
    let marks: BTreeMap<_, _> = marks.iter().map(|set| (key(DnsName::new(&set.name).as_str(), set), marked(set))).collect();
    let observed = sets.into_iter().filter_map(|set| {
        let kind = word(set.r#type.as_str()).ok()?;
        let tags = marks.get(&key(&mark_name(&DnsName::new(&set.name), kind), &set)).filter(|tags| scope.owns(tags))?.clone();
        let spec = DnsRecord::read(&zone, set)?;
        Some(Observed { id: spec.id(), tags, phase: Phase::Ready, outputs: Outputs { fqdn: spec.domain.to_string() }, spec })
    });
    Ok(Some(observed.collect()))
}

/// Every record set of a zone, all pages.
async fn every(aws: &Aws, zone: &str) -> Result<Vec<ResourceRecordSet>> {
    let mut sets = Vec::new();
    let mut call = aws.route53.list_resource_record_sets().hosted_zone_id(zone);
    loop {
        let page = call.send().await?;
        sets.extend(page.resource_record_sets);
        if !page.is_truncated {
            return Ok(sets);
        }
        call = aws.route53.list_resource_record_sets().hosted_zone_id(zone).set_start_record_name(page.next_record_name);
        call = call.set_start_record_type(page.next_record_type).set_start_record_identifier(page.next_record_identifier);
    }
}

/// The record sets of this name and type as AWS has them: several when they have set identifiers.
pub(super) async fn at(aws: &Aws, zone: &str, name: &str, kind: &RrType) -> Result<Vec<ResourceRecordSet>> {
    let call = aws.route53.list_resource_record_sets().hosted_zone_id(zone).start_record_name(name).start_record_type(kind.clone());
    let sets = call.send().await?.resource_record_sets;
    Ok(sets.into_iter().filter(|set| DnsName::new(&set.name) == DnsName::new(name) && set.r#type == *kind).collect())
}

pub(super) fn change(action: ChangeAction, set: ResourceRecordSet) -> Result<Change> {
    Ok(Change::builder().action(action).resource_record_set(set).build()?)
}

fn records(values: impl IntoIterator<Item = String>) -> Result<Vec<ResourceRecord>> {
    values.into_iter().map(|value| Ok(ResourceRecord::builder().value(value).build()?)).collect()
}
