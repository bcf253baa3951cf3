//! `dns_record`: a record set of a hosted zone. It has no tags; like external-dns, acme adds a TXT record with the ownership tags, in the
//! same change batch, so that neither exists without the other.

mod check;
mod exchange;
mod ownership;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use acme_macros::spec;
use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, GeoLocation, ResourceRecord, ResourceRecordSet, ResourceRecordSetRegion, RrType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(super) use ownership::ownership_record;
use ownership::{ownership_name, ownership_tags};
pub use value::RecordType;

use super::{dns_zone::DnsZone, health_check::HealthCheck};
use crate::{
    aws::{Aws, Cx, for_each_concurrent, from_aws, services, to_aws},
    core::{
        CallContext, ConditionValues, Created, Declared, Deletion, DnsName, Error, ErrorKind, ExchangePart, Existing, GrantTarget,
        IamActions, IamCondition, IamGrant, Observed, Problem, Ref, Resource, Result, STACK_TAG, Scope, TagChange, Tags, TypeInfo,
        ok_or_not_found, ownership_text,
    },
};

const DEFAULT_TTL: u32 = 300;
const ZONE_PATTERN: &str = "route53:hostedzone/{parent_id}";
/// Longest value: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecord.html>.
const MAX_VALUE_CHARACTERS: usize = 4000;

/// A record set of a hosted zone.
#[spec]
pub struct DnsRecord {
    /// Zone of the record.
    #[field(parent, replaces, unique = "record")]
    pub zone: Ref<DnsZone>,
    /// Full domain name, such as `www.shop.example.com` or `*.shop.example.com`.
    #[field(replaces, lookup, unique = "record")]
    pub domain: DnsName,
    /// Record type.
    #[field(important, replaces, unique = "record")]
    #[serde(rename = "type")]
    pub kind: RecordType,
    /// Time to live: how long resolvers may cache the record, in seconds. An alias has that of its target.
    #[field(default = DEFAULT_TTL, range = 0..=2_147_483_647)]
    pub ttl_seconds: u32,
    /// Values; TXT as plain text, MX and SRV with their numbers first (`10 mail.example.com`). An alias has none.
    #[field(default, important, impact = "resolvers return the old values until their time to live expires")]
    pub values: BTreeSet<String>,
    /// Alias: an AWS resource as the target, instead of `values`.
    #[field(default, important, impact = "resolvers return the old target for up to a minute", dropped = None)]
    pub alias: Option<Alias>,
    /// Distinguishes records of the same domain and type; needs one of `weight`, `failover`, `region`, `geolocation` or `multivalue`.
    #[field(default, length = 0..=128, replaces, unique = "record")]
    pub set_identifier: String,
    /// Weight among records of the same domain and type.
    #[field(default, range = 0..=255, dropped = None)]
    pub weight: Option<u8>,
    /// Role in a failover pair.
    #[field(default, dropped = None)]
    pub failover: Option<Failover>,
    /// AWS region of the target; Route 53 returns the record with the lowest latency.
    #[field(default, dropped = None)]
    pub region: Option<String>,
    /// Location of the clients for which Route 53 returns the record.
    #[field(default, dropped = None)]
    pub geolocation: Option<Geolocation>,
    /// Returns up to eight healthy records of the same domain and type.
    #[field(default = false)]
    pub multivalue: bool,
    /// Health check. While it fails, Route 53 does not return the record.
    #[field(default, dropped = None)]
    pub health_check: Option<Ref<HealthCheck>>,
}

/// Location of clients: a continent, or a country, or a state of the USA.
#[spec]
#[derive(PartialEq)]
pub struct Geolocation {
    /// Code of a continent.
    #[field(default, one_of = ["", "AF", "AN", "AS", "EU", "NA", "OC", "SA"])]
    pub continent: String,
    /// Code of a country (ISO 3166), such as `DE`; `*` for clients at locations that no other record has.
    #[field(default, pattern = r"([A-Z]{2}|\*)?")]
    pub country: String,
    /// Code of a state, such as `CA`, with `country: US`, or of an oblast of Ukraine, with `country: UA`.
    // https://docs.aws.amazon.com/Route53/latest/APIReference/API_GeoLocation.html
    #[field(default, pattern = "([A-Z0-9]{1,3})?")]
    pub subdivision: String,
}

/// Role in a failover pair.
#[spec]
#[derive(Copy)]
#[serde(rename_all = "UPPERCASE")]
pub enum Failover {
    /// Returned while it is healthy.
    Primary,
    /// Returned otherwise.
    Secondary,
}

/// An AWS resource as the target of an alias.
#[spec]
pub struct Alias {
    /// DNS name, such as `{{ load_balancer.web.dns_name }}`.
    pub target: DnsName,
    /// Hosted zone id, such as `{{ load_balancer.web.zone_id }}`.
    pub zone_id: String,
    /// Returns the record only while the target is healthy.
    #[field(default = false)]
    pub evaluate_health: bool,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Domain name, as text.
    #[schemars(extend("x-acme-determined" = "{domain}"))]
    pub fqdn: String,
}

impl Resource for DnsRecord {
    const TYPE: TypeInfo = TypeInfo::new("dns_record", &services::route53::SERVICE, "{zone}/{domain}/{type}/{set_identifier}", "")
        .without_charge("its zone and the queries cost")
        .ownership_beside()
        .global()
        .exchangeable()
        .iam_actions(IamActions::new(ZONE_PATTERN).read(&["route53:ListResourceRecordSets"]).grants(&[
            IamGrant::change(&["route53:ChangeResourceRecordSets"], GrantTarget::Arn(ZONE_PATTERN)).only_if(&[IamCondition {
                operator: "ForAllValues:StringLike",
                key: "route53:ChangeResourceRecordSetsNormalizedRecordNames",
                values: ConditionValues::NamesInParents,
            }]),
        ]));
    type Api = Aws;
    type Outputs = Outputs;

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut zones: BTreeSet<String> = scope.parent_ids.iter().cloned().collect();
        zones.extend(scope.adopt.iter().filter_map(|id| id.split('/').next()).map(str::to_owned));
        let zones = for_each_concurrent(zones, |zone| list_zone(aws, scope, zone)).await?;
        Ok(zones.into_iter().flatten().collect())
    }

    /// Uses CREATE, not UPSERT: AWS rejects it if the record exists. The ownership record is an UPSERT, because it may still exist after
    /// its record was deleted by hand. AWS applies a batch completely or not at all, and sets no defaults, so there is nothing to read.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let (zone, ownership) = (self.zone.get(), self.ownership(cx.call)?);
        let changes = vec![to_change(ChangeAction::Create, self.record_set()?)?, to_change(ChangeAction::Upsert, ownership.clone())?];
        match cx.route53.changes.submit(zone, changes).await {
            // An earlier attempt without a response may have created it.
            Err(error) if error.kind == ErrorKind::AlreadyExists => {
                if ownership::exists(cx, zone, &ownership).await? {
                    Ok(self.id().into())
                } else {
                    Err(error)
                }
            }
            answer => answer.map(|()| Created::Complete(observed(self.clone(), ownership_tags(&ownership)))),
        }
    }

    /// UPSERT replaces the complete record set, so a record with a routing policy that acme does not manage is not updated.
    async fn update(&self, cx: &Cx<'_>, _: &Existing<Self>, _: DnsRecordChanges) -> Result<()> {
        self.ensure_managed_routing(cx).await?;
        let sets = [self.record_set()?, self.ownership(cx.call)?];
        let changes = sets.into_iter().map(|set| to_change(ChangeAction::Upsert, set)).collect::<Result<_>>()?;
        cx.route53.changes.submit(self.zone.get(), changes).await
    }

    /// DELETE must repeat the record set exactly. The list contains it; it is read again only if AWS reports a mismatch.
    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        let live = &live.spec;
        let zone = live.zone.get();
        let sets = [live.record_set()?, live.ownership(cx.call)?];
        let changes = sets.into_iter().map(|set| to_change(ChangeAction::Delete, set)).collect::<Result<_>>()?;
        match cx.route53.changes.submit(zone, changes).await {
            Err(error) if error.is_not_found() => {}
            answer => return answer.map(|()| Deletion::Requested),
        }
        let sets = live.read_sets(cx).await?;
        let changes: Vec<_> = sets.into_iter().map(|set| to_change(ChangeAction::Delete, set)).collect::<Result<_>>()?;
        if changes.is_empty() {
            return Err(Error::new(ErrorKind::NotFound, "NoSuchRecord", format!("the record {} does not exist", live.domain)));
        }
        cx.route53.changes.submit(zone, changes).await.map(|()| Deletion::Requested)
    }

    async fn retag(aws: &Aws, change: &TagChange<'_>) -> Result<()> {
        let (zone, name, identifier) = ownership::place(change.id)?;
        if change.after.contains_key(STACK_TAG) {
            let record = ownership_record(&name, identifier, &ownership_text(change.after))?;
            return aws.route53.changes.submit(zone, vec![to_change(ChangeAction::Upsert, record)?]).await;
        }
        let sets = record_sets_at(aws, zone, &name, &RrType::Txt).await?;
        let sets = sets.into_iter().filter(|set| set.set_identifier().unwrap_or_default() == identifier);
        let changes: Vec<_> = sets.map(|set| to_change(ChangeAction::Delete, set)).collect::<Result<_>>()?;
        if changes.is_empty() { Ok(()) } else { aws.route53.changes.submit(zone, changes).await }
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.alias.is_some() != self.values.is_empty() {
            problems.push(Problem::new(Self::POINTERS.values, "a record has either `values` or an `alias`"));
        }
        if self.alias.is_some() && self.ttl_seconds != DEFAULT_TTL {
            problems.push(
                Problem::new(Self::POINTERS.ttl_seconds, "the time to live of an alias is that of its target").help("remove `ttl_seconds`"),
            );
        }
        if self.kind == RecordType::Cname && self.values.len() > 1 {
            problems.push(Problem::new(Self::POINTERS.values, "a CNAME has one value"));
        }
        for value in self.values.iter().filter(|value| !value.contains("${") && !self.kind.accepts(value)) {
            problems.push(Problem::new(Self::POINTERS.values, format!("`{value}` is not a valid {} value", to_aws(&self.kind))));
        }
        if self.values.iter().any(|value| value.chars().count() > MAX_VALUE_CHARACTERS) {
            problems.push(Problem::new(Self::POINTERS.values, format!("a value has at most {MAX_VALUE_CHARACTERS} characters")));
        }
        if !self.set_identifier.is_empty() && matches!(self.kind, RecordType::Ns | RecordType::Ds) {
            let message = format!("a record of type {} can't have others of its domain beside it", to_aws(&self.kind));
            problems.push(Problem::new(Self::POINTERS.set_identifier, message));
        }
        let count = self.routing().into_iter().filter(|set| *set).count();
        if count != usize::from(!self.set_identifier.is_empty()) {
            let message = "`set_identifier` goes with exactly one of `weight`, `failover`, `region`, `geolocation` and `multivalue`";
            problems.push(Problem::new(Self::POINTERS.set_identifier, message));
        }
        let location = self.geolocation.as_ref().and_then(Geolocation::problem);
        problems.extend(location.map(|message| Problem::new(Self::POINTERS.geolocation, message)));
        if self.multivalue && self.alias.is_some() {
            problems.push(Problem::new(Self::POINTERS.multivalue, "an alias can't be one of several answers"));
        }
        problems
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        check::check(declared)
    }

    /// A CNAME can't exist beside records of another type, nor a record beside one of its type with another routing policy.
    /// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ResourceRecordSet.html>
    fn conflicts_with(&self, live: &Self) -> bool {
        match self.kind == live.kind {
            true => self.set_identifier != live.set_identifier && self.routing() != live.routing(),
            false => [self.kind, live.kind].contains(&RecordType::Cname),
        }
    }

    fn conflict_groups(&self) -> Vec<String> {
        vec![format!("{}/{}", self.zone.get(), self.domain)]
    }

    /// Deletions come first. "Change batches are considered transactional changes": all or none.
    /// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
    async fn exchange(aws: &Aws, parts: Vec<ExchangePart<'_, Self>>) -> Result<Vec<Option<String>>> {
        exchange::exchange(aws, parts).await
    }

    /// AWS keeps the spelling of values: with or without quotes, with or without a final dot, and with `dualstack.` before an alias
    /// created in the console.
    fn normalize(&self, live: &mut Self) {
        let plain = |values: &BTreeSet<String>| values.iter().map(|value| self.kind.normalize(value)).collect::<BTreeSet<_>>();
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
    /// The record and its ownership record as they are in AWS.
    async fn read_sets(&self, aws: &Aws) -> Result<Vec<ResourceRecordSet>> {
        let (zone, kind) = (self.zone.get(), RrType::from(to_aws(&self.kind).as_str()));
        let ownership = ownership_name(&self.domain, self.kind);
        let (sets, owners) =
            tokio::try_join!(record_sets_at(aws, zone, self.domain.as_str(), &kind), record_sets_at(aws, zone, &ownership, &RrType::Txt))?;
        let same = |set: &ResourceRecordSet| set.set_identifier().unwrap_or_default() == self.set_identifier;
        Ok(sets.into_iter().chain(owners).filter(same).collect())
    }

    /// Refuses an update of a record with a routing policy that acme does not manage.
    async fn ensure_managed_routing(&self, aws: &Aws) -> Result<()> {
        // Only a record with a set identifier has a routing policy.
        if self.set_identifier.is_empty() {
            return Ok(());
        }
        let kind = RrType::from(to_aws(&self.kind).as_str());
        let sets = record_sets_at(aws, self.zone.get(), self.domain.as_str(), &kind).await?;
        let live = sets.iter().find(|set| set.set_identifier() == Some(&self.set_identifier));
        let Some(routing) = live.and_then(unmanaged_routing) else { return Ok(()) };
        let message = format!(
            "the record {} has {routing} routing, which an update would remove: change it in Route 53, or delete the record there",
            self.domain
        );
        Err(Error::new(ErrorKind::Rejected, "UnmanagedRouting", message))
    }

    /// Which of the routing policies it has: weight, failover, latency, location, multivalue answers; none of them for a simple record.
    fn routing(&self) -> [bool; 5] {
        [self.weight.is_some(), self.failover.is_some(), self.region.is_some(), self.geolocation.is_some(), self.multivalue]
    }

    fn id(&self) -> String {
        format!("{}/{}/{}/{}", self.zone.get(), self.domain, to_aws(&self.kind), self.set_identifier)
    }

    fn record_set(&self) -> Result<ResourceRecordSet> {
        let set = ResourceRecordSet::builder().name(self.domain.as_str()).r#type(RrType::from(to_aws(&self.kind).as_str()));
        let set = match &self.alias {
            Some(alias) => {
                let target = AliasTarget::builder().hosted_zone_id(&alias.zone_id).dns_name(alias.target.as_str());
                set.alias_target(target.evaluate_target_health(alias.evaluate_health).build()?)
            }
            None => set
                .ttl(self.ttl_seconds.into())
                .set_resource_records(Some(to_resource_records(self.values.iter().map(|v| self.kind.to_route_53(v)))?)),
        };
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let check = self.health_check.as_ref().map(|check| check.get().to_owned());
        let set = set.set_set_identifier(given(&self.set_identifier)).set_health_check_id(check);
        let set = set.set_geo_location(self.geolocation.as_ref().map(Geolocation::to_sdk));
        let set = set.set_weight(self.weight.map(Into::into)).set_multi_value_answer(self.multivalue.then_some(true));
        let set = set.set_region(self.region.as_deref().map(ResourceRecordSetRegion::from));
        let set = set.set_failover(self.failover.map(|role| to_aws(&role).as_str().into()));
        Ok(set.build()?)
    }

    fn ownership(&self, call: &CallContext) -> Result<ResourceRecordSet> {
        ownership_record(&ownership_name(&self.domain, self.kind), &self.set_identifier, &ownership_text(&call.ownership()))
    }

    fn read(zone: &str, set: ResourceRecordSet) -> Option<DnsRecord> {
        let kind = from_aws(set.r#type.as_str()).ok()?;
        Some(DnsRecord {
            zone: Ref::to(zone),
            domain: DnsName::new(&set.name),
            kind,
            ttl_seconds: set.ttl.filter(|_| set.alias_target.is_none()).and_then(|ttl| ttl.try_into().ok()).unwrap_or(DEFAULT_TTL),
            values: set.resource_records.unwrap_or_default().iter().map(|record| kind.read_route_53(&record.value)).collect(),
            alias: set.alias_target.map(|alias| Alias {
                target: DnsName::new(&alias.dns_name),
                zone_id: alias.hosted_zone_id,
                evaluate_health: alias.evaluate_target_health,
            }),
            set_identifier: set.set_identifier.unwrap_or_default(),
            weight: set.weight.and_then(|weight| weight.try_into().ok()),
            failover: set.failover.and_then(|role| from_aws(role.as_str()).ok()),
            region: set.region.map(|region| region.as_str().to_owned()),
            geolocation: set.geo_location.map(Geolocation::from_sdk),
            multivalue: set.multi_value_answer.unwrap_or_default(),
            health_check: set.health_check_id.filter(|id| !id.is_empty()).map(Ref::to),
        })
    }
}

impl Geolocation {
    fn problem(&self) -> Option<&'static str> {
        match (self.continent.as_str(), self.country.as_str(), self.subdivision.as_str()) {
            ("", "", _) => Some("a location is a `continent` or a `country`"),
            (_, "", "") => None,
            ("", _, "") => None,
            ("", country, _) => (!["US", "UA"].contains(&country)).then_some("`subdivision` goes with `country: US` or `country: UA`"),
            _ => Some("a location has either a `continent` or a `country`"),
        }
    }

    fn to_sdk(&self) -> GeoLocation {
        let given = |text: &String| (!text.is_empty()).then(|| text.clone());
        let location = GeoLocation::builder().set_continent_code(given(&self.continent)).set_country_code(given(&self.country));
        location.set_subdivision_code(given(&self.subdivision)).build()
    }

    fn from_sdk(location: GeoLocation) -> Geolocation {
        Geolocation {
            continent: location.continent_code.unwrap_or_default(),
            country: location.country_code.unwrap_or_default(),
            subdivision: location.subdivision_code.unwrap_or_default(),
        }
    }
}

/// Routing policy of a record set, if acme does not manage it.
fn unmanaged_routing(set: &ResourceRecordSet) -> Option<&'static str> {
    let all = [(set.geo_proximity_location.is_some(), "geoproximity"), (set.cidr_routing_config.is_some(), "IP-based")];
    all.into_iter().find_map(|(set, name)| set.then_some(name))
}

fn observed(spec: DnsRecord, tags: Tags) -> Observed<DnsRecord> {
    let outputs = Outputs { fqdn: spec.domain.to_string() };
    Observed::new(spec.id(), tags, spec, outputs)
}

/// The stack's records of one zone, which have an ownership record, and those of others at a desired domain.
async fn list_zone(aws: &Aws, scope: &Scope, zone: String) -> Result<Option<Vec<Observed<DnsRecord>>>> {
    let Some(sets) = ok_or_not_found(list_record_sets(aws, &zone).await)? else { return Ok(None) };
    let (owners, sets): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| set.r#type == RrType::Txt && set.name.starts_with("_acme-"));
    let key = |name: &str, set: &ResourceRecordSet| (name.to_owned(), set.set_identifier().unwrap_or_default().to_owned());
    let owners: BTreeMap<_, _> = owners.iter().map(|set| (key(DnsName::new(&set.name).as_str(), set), ownership_tags(set))).collect();
    let own = sets.into_iter().filter_map(|set| {
        let kind = from_aws(set.r#type.as_str()).ok()?;
        let domain = DnsName::new(&set.name);
        let tags = owners.get(&key(&ownership_name(&domain, kind), &set)).cloned().unwrap_or_default();
        let is_wanted = scope.owns(&tags) || scope.lookup.contains(domain.as_str());
        Some(observed(DnsRecord::read(&zone, set).filter(|_| is_wanted)?, tags))
    });
    Ok(Some(own.collect()))
}

/// Every record set of a zone, all pages.
async fn list_record_sets(aws: &Aws, zone: &str) -> Result<Vec<ResourceRecordSet>> {
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

/// Record sets of this name and type: several if they have set identifiers.
pub(super) async fn record_sets_at(aws: &Aws, zone: &str, name: &str, kind: &RrType) -> Result<Vec<ResourceRecordSet>> {
    let call = aws.route53.list_resource_record_sets().hosted_zone_id(zone).start_record_name(name).start_record_type(kind.clone());
    let sets = call.send().await?.resource_record_sets;
    Ok(sets.into_iter().filter(|set| DnsName::new(&set.name) == DnsName::new(name) && set.r#type == *kind).collect())
}

pub(super) fn to_change(action: ChangeAction, set: ResourceRecordSet) -> Result<Change> {
    Ok(Change::builder().action(action).resource_record_set(set).build()?)
}

fn to_resource_records(values: impl IntoIterator<Item = String>) -> Result<Vec<ResourceRecord>> {
    values.into_iter().map(|value| Ok(ResourceRecord::builder().value(value).build()?)).collect()
}
