//! `dms_instance`: a replication instance of Database Migration Service.

use std::collections::BTreeSet;

use aws_sdk_databasemigration::types::{Filter, KerberosAuthenticationSettings, ReplicationInstance};

use super::{
    dms_subnet_group::DmsSubnetGroup,
    iam_role::{IamRole, check_trust},
    kms_key::KmsKey,
    prelude::*,
    rds_instance::windows,
    rds_subnet_group::NETWORK_READS,
    secret::Secret,
    security_group::SecurityGroup,
};
use crate::core::{Prerequisite, Tags, referenced_ids};

/// A replication instance of Database Migration Service (DMS), which runs migration tasks.
#[spec]
pub struct DmsInstance {
    /// Name in lowercase letters, digits and single hyphens that starts with a letter; unique in account and region.
    #[field(name(max = 63, lowercase), pattern = "[a-z](-?[a-z0-9])*", replaces)]
    pub name: Option<String>,
    /// Size, such as `dms.t3.medium`.
    #[field(important, pattern = "dms\\..+", impact = "tasks are interrupted for some minutes")]
    pub class: String,
    /// Storage for logs and for changes that wait for a slow target, in GiB.
    #[field(default = 50, range = 5..=6144, important, one_way(Direction::Increase, "AWS never shrinks storage"))]
    pub storage_gib: i32,
    /// Version of DMS, such as `3.5.4`. With `auto_minor_version_upgrade`, a newer minor version is accepted, too.
    #[field(important, unset = "AWS's default version", pattern = "[0-9]+(\\.[0-9]+)+", impact = "tasks are interrupted for some minutes")]
    #[field(one_way(Direction::Increase, "AWS does not downgrade instances"), dropped(kept, "AWS does not downgrade instances"))]
    pub version: Option<String>,
    /// Subnets of the instance.
    #[field(replaces)]
    pub subnet_group: Ref<DmsSubnetGroup>,
    /// Security groups.
    #[field(length = 1..=5)]
    pub security_groups: BTreeSet<Ref<SecurityGroup>>,
    /// Availability zone.
    #[field(unset = "assigned by AWS", replaces, conflicts_with = multi_az, dropped(kept, "any zone will do"))]
    pub availability_zone: Option<String>,
    /// Keeps a standby in another availability zone.
    #[field(default = false, important, impact = "tasks may be interrupted for some minutes")]
    pub multi_az: bool,
    /// Weekly maintenance window in UTC, such as `sun:04:00-sun:05:00`.
    #[field(unset = "assigned by AWS", pattern = "[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]-[A-Za-z]{3}:[0-2][0-9]:[0-5][0-9]")]
    #[field(dropped(kept, "any window will do"))]
    pub maintenance_window: Option<String>,
    /// Installs new minor versions in the maintenance window.
    #[field(default = true)]
    pub auto_minor_version_upgrade: bool,
    /// Key that encrypts storage and connection data.
    #[field(unset = "`aws/dms`", replaces, dropped(impossible, "the key of a replication instance is permanent"))]
    pub kms_key: Option<ArnRef<KmsKey>>,
    /// Gives the instance a public address.
    #[field(default = false, replaces, important, risky(true, "the instance has a public address"))]
    pub public: bool,
    /// IP versions.
    #[field(default = "IPV4", one_of = ["IPV4", "DUAL"])]
    pub network_type: String,
    /// Name servers that the instance uses, separated by commas.
    #[field(unset = "those of the VPC", replaces, dropped = None)]
    pub dns_name_servers: Option<String>,
    /// Sign-in at databases by Kerberos.
    #[field(unset = "none", dropped(impossible, "AWS does not remove Kerberos from an instance"))]
    pub kerberos: Option<Kerberos>,
    /// Applies changes immediately; otherwise disruptive ones wait for the maintenance window.
    #[field(default = true, apply_immediately, write_only)]
    pub apply_immediately: bool,
}

/// Sign-in at databases by Kerberos.
#[spec]
#[derive(PartialEq)]
pub struct Kerberos {
    /// Secret with the key cache (keytab).
    pub secret: ArnRef<Secret>,
    /// Role with which the instance reads the secret.
    pub role: ArnRef<IamRole>,
    /// Content of `krb5.conf`.
    #[field(length = 1..=65_536)]
    pub configuration: String,
}

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {
    /// Amazon resource name.
    pub arn: String,
    /// Private addresses, from which it connects to databases.
    #[schemars(extend("x-acme-simulated" = ["10.0.0.10"]))]
    pub private_ips: Vec<String>,
    /// Public addresses; none without `public`.
    #[schemars(extend("x-acme-simulated" = ["192.0.2.10"]))]
    pub public_ips: Vec<String>,
}

impl Resource for DmsInstance {
    const TYPE: TypeInfo = TypeInfo::new("dms_instance", &services::dms::SERVICE, "{arn}", "arn:aws:dms:{region}:{account}:rep:{upper26}")
        .typical_seconds(600)
        .longest_hours(3)
        .without_token()
        .quota(60, "ResourceQuotaExceededFault")
        .lost_on_recreation("changes that have not reached their target")
        .iam_actions(
            IamActions::new("dms:rep:*")
                .list(&["dms:DescribeReplicationInstances"])
                .read(&["dms:ListTagsForResource"])
                .create(&["dms:CreateReplicationInstance"])
                .change(&["dms:DeleteReplicationInstance", "dms:ModifyReplicationInstance"])
                .blockers(&["dms:DescribeReplicationTasks"])
                .grants(&[
                    IamGrant::change(&["dms:CreateReplicationInstance"], GrantTarget::Referenced("dms_subnet_group")),
                    IamGrant::change(NETWORK_READS, GrantTarget::AllResources),
                    IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["dms.amazonaws.com"])),
                    IamGrant::change(&["kms:CreateGrant", "kms:DescribeKey"], GrantTarget::Referenced("kms_key")),
                ]),
        );
    type Api = Aws;
    type Outputs = Outputs;

    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let zones = if self.multi_az { "Multiple" } else { "Single" };
        // The price list has the classes without the prefix.
        let class = self.class.strip_prefix("dms.").unwrap_or(&self.class);
        let product = Product::new("AWSDatabaseMigrationSvc").with("instanceType", class).with("availabilityZone", zones);
        let instance = context.hourly(format!("instance ({})", self.class), 1.0, product);
        Pricing::of(vec![instance]).without("storage beyond what the class includes")
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let call = aws.dms.describe_replication_instances().max_records(100);
        let pages: Vec<_> = call.into_paginator().send().try_collect().await?;
        let instances: Vec<_> = pages.into_iter().filter_map(|page| page.replication_instances).flatten().collect();
        let name_and_arn = |instance: &ReplicationInstance| {
            let (name, arn) = (instance.replication_instance_identifier(), instance.replication_instance_arn());
            (name.unwrap_or_default().to_owned(), arn.unwrap_or_default().to_owned())
        };
        let tags = services::dms::read_tags(aws, scope, &instances.iter().map(name_and_arn).collect::<Vec<_>>()).await?;
        let owned = instances.into_iter().filter_map(|instance| Some((tags.get(instance.replication_instance_arn()?)?.clone(), instance)));
        owned.map(|(tags, instance)| observed(instance, tags)).collect()
    }

    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let call = cx.dms.create_replication_instance().set_replication_instance_identifier(self.name.clone());
        let call =
            call.replication_instance_class(&self.class).allocated_storage(self.storage_gib).set_engine_version(self.version.clone());
        let call = call.replication_subnet_group_identifier(self.subnet_group.get());
        let call = call.set_vpc_security_group_ids(Some(referenced_ids(&self.security_groups)));
        let call = call.set_availability_zone(self.availability_zone.clone()).multi_az(self.multi_az);
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone());
        let call = call.auto_minor_version_upgrade(self.auto_minor_version_upgrade).publicly_accessible(self.public);
        let call = call.set_kms_key_id(self.kms_key.as_ref().map(|key| key.get().to_owned()));
        let call = call.network_type(&self.network_type).set_dns_name_servers(self.dns_name_servers.clone());
        let call = call.set_kerberos_authentication_settings(self.kerberos.as_ref().map(Kerberos::to_sdk));
        let reply = call.set_tags(Some(services::dms::to_tags(&cx.call.tags))).send().await?;
        let arn = reply.replication_instance.and_then(|instance| instance.replication_instance_arn);
        arn.map(Created::Id).ok_or_else(|| Error::missing_field("ReplicationInstanceArn"))
    }

    /// Makes one call with all changes; DMS keeps omitted settings.
    async fn update(&self, cx: &Cx<'_>, live: &Existing<Self>, changes: DmsInstanceChanges) -> Result<()> {
        let call = cx.dms.modify_replication_instance().replication_instance_arn(&live.id).apply_immediately(self.apply_immediately);
        let call = call.set_replication_instance_class(changes.class.then(|| self.class.clone()));
        let call = call.set_allocated_storage(changes.storage_gib.then_some(self.storage_gib));
        let call = call.set_engine_version(self.version.clone().filter(|_| changes.version));
        let call = call.set_allow_major_version_upgrade((changes.version && self.version.is_some()).then_some(true));
        let call = call.set_vpc_security_group_ids(changes.security_groups.then(|| referenced_ids(&self.security_groups)));
        let call = call.set_multi_az(changes.multi_az.then_some(self.multi_az));
        let call = call.set_preferred_maintenance_window(self.maintenance_window.clone().filter(|_| changes.maintenance_window));
        let upgrade = changes.auto_minor_version_upgrade.then_some(self.auto_minor_version_upgrade);
        let call = call.set_auto_minor_version_upgrade(upgrade).set_network_type(changes.network_type.then(|| self.network_type.clone()));
        let kerberos = self.kerberos.as_ref().filter(|_| changes.kerberos).map(Kerberos::to_sdk);
        call.set_kerberos_authentication_settings(kerberos).send().await?;
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        Deletion::requested(cx.dms.delete_replication_instance().replication_instance_arn(&live.id).send().await)
    }

    fn prerequisites(&self) -> Vec<Prerequisite> {
        vec![services::dms::VPC_ROLE]
    }

    async fn blockers(aws: &Aws, live: &Existing<Self>) -> Result<Option<String>> {
        let filter = Filter::builder().name("replication-instance-arn").values(&live.id).build()?;
        let call = aws.dms.describe_replication_tasks().filters(filter).without_settings(true).max_records(100);
        let tasks = ok_or_not_found(call.send().await)?.and_then(|reply| reply.replication_tasks).unwrap_or_default();
        let names: Vec<String> = tasks.into_iter().filter_map(|task| task.replication_task_identifier).collect();
        Ok((!names.is_empty()).then(|| format!("tasks {}", names.join(", "))))
    }

    fn check(&self) -> Vec<Problem> {
        let at = Self::POINTERS;
        let windows = ((at.maintenance_window.clone(), &None), (at.maintenance_window, &self.maintenance_window));
        windows::check(windows.0, windows.1, windows::SHORTEST)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let kerberos = declared.spec().and_then(|instance| instance.kerberos).zip(declared.region());
        let at = Self::POINTERS.kerberos.field(Kerberos::POINTERS.role);
        let problem =
            kerberos.and_then(|(kerberos, region)| check_trust(declared, at, &kerberos.role, &format!("dms.{region}.amazonaws.com")));
        problem.into_iter().collect()
    }

    fn normalize(&self, live: &mut Self) {
        // The first two parts are the major version.
        let major = |version: &str| version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        if let Some((wanted, version)) = self.version.as_ref().zip(live.version.as_ref()) {
            let parts = |version: &str| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>();
            let is_newer = major(wanted) == major(version) && parts(version) >= parts(wanted);
            if version.starts_with(&format!("{wanted}.")) || (self.auto_minor_version_upgrade && is_newer) {
                live.version = Some(wanted.clone());
            }
        }
        if windows::same(&self.maintenance_window, &live.maintenance_window) {
            live.maintenance_window.clone_from(&self.maintenance_window);
        }
        // After a failover, an instance with a standby is in the other zone.
        if self.multi_az {
            live.availability_zone.clone_from(&self.availability_zone);
        }
    }
}

impl Kerberos {
    fn to_sdk(&self) -> KerberosAuthenticationSettings {
        let settings = KerberosAuthenticationSettings::builder().key_cache_secret_id(self.secret.get());
        settings.key_cache_secret_iam_arn(self.role.get()).krb5_file_contents(&self.configuration).build()
    }
}

/// Settings that are about to change count as set.
fn observed(instance: ReplicationInstance, tags: Tags) -> Result<Observed<DmsInstance>> {
    let arn = instance.replication_instance_arn.ok_or_else(|| Error::missing_field("ReplicationInstanceArn"))?;
    let pending = instance.pending_modified_values;
    let is_pending = pending.as_ref().is_some_and(|all| {
        let texts = all.replication_instance_class.is_some() || all.engine_version.is_some() || all.network_type.is_some();
        texts || all.allocated_storage.is_some() || all.multi_az.is_some()
    });
    let phase = match instance.replication_instance_status.as_deref().unwrap_or_default() {
        "available" if is_pending => Phase::PendingChanges("changes pending".to_owned()),
        "available" => Phase::Ready,
        "deleting" | "deleted" => Phase::Deleting,
        status @ ("failed" | "incompatible-network" | "incompatible-credentials" | "storage-full") => Phase::Failed(status.to_owned()),
        status => Phase::Progressing(status.to_owned()),
    };
    let pending = pending.as_ref();
    let groups = instance.vpc_security_groups.unwrap_or_default().into_iter();
    let kerberos = instance.kerberos_authentication_settings.and_then(|settings| {
        Some(Kerberos {
            secret: ArnRef::to(settings.key_cache_secret_id?),
            role: ArnRef::to(settings.key_cache_secret_iam_arn?),
            configuration: settings.krb5_file_contents.unwrap_or_default(),
        })
    });
    let network_type = pending.and_then(|all| all.network_type.clone()).or(instance.network_type);
    let spec = DmsInstance {
        name: instance.replication_instance_identifier,
        class: pending.and_then(|all| all.replication_instance_class.clone()).or(instance.replication_instance_class).unwrap_or_default(),
        storage_gib: pending.and_then(|all| all.allocated_storage).unwrap_or(instance.allocated_storage),
        version: pending.and_then(|all| all.engine_version.clone()).or(instance.engine_version),
        subnet_group: Ref::to(
            instance.replication_subnet_group.and_then(|group| group.replication_subnet_group_identifier).unwrap_or_default(),
        ),
        security_groups: groups.filter_map(|group| group.vpc_security_group_id).map(Ref::to).collect(),
        availability_zone: instance.availability_zone.filter(|zone| !zone.is_empty()),
        multi_az: pending.and_then(|all| all.multi_az).unwrap_or(instance.multi_az),
        maintenance_window: instance.preferred_maintenance_window,
        auto_minor_version_upgrade: instance.auto_minor_version_upgrade,
        kms_key: instance.kms_key_id.filter(|key| key.starts_with("arn:")).map(ArnRef::to),
        public: instance.publicly_accessible,
        network_type: network_type
            .filter(|kind| !kind.is_empty())
            .map_or_else(DmsInstance::default_network_type, |kind| kind.to_uppercase()),
        dns_name_servers: instance.dns_name_servers.filter(|servers| !servers.is_empty()),
        kerberos,
        apply_immediately: true,
    };
    let addresses = |all: Option<Vec<String>>| all.unwrap_or_default().into_iter().filter(|address| !address.is_empty()).collect();
    let outputs = Outputs {
        arn: arn.clone(),
        private_ips: addresses(instance.replication_instance_private_ip_addresses),
        public_ips: addresses(instance.replication_instance_public_ip_addresses),
    };
    Ok(Observed::new(arn, tags, spec, outputs).phase(phase))
}
