//! `flow_log`: records of the traffic of a VPC or subnet.

use aws_sdk_ec2::types::{
    self as ec2, DestinationFileFormat, DestinationOptionsRequest, FlowLogsResourceType, LogDestinationType, ResourceType,
};

use super::{
    iam_role::{IamRole, check_trust},
    prelude::*,
    s3_bucket::S3Bucket,
    subnet::Subnet,
    vpc::Vpc,
};
use crate::core::{ArnRef, Pointer};

/// Records of the traffic of a VPC or subnet. AWS can change only its tags: every other change replaces it.
///
/// AWS rejects two logs of one VPC or subnet with the same destination.
#[spec]
pub struct FlowLog {
    /// VPC to record; set either this or `subnet`.
    #[field(default, replaces, unique = "bucket of the VPC", unique = "log group of the VPC", dropped = None)]
    pub vpc: Option<Ref<Vpc>>,
    /// Subnet to record.
    #[field(default, replaces, unique = "bucket of the subnet", unique = "log group of the subnet", dropped = None)]
    pub subnet: Option<Ref<Subnet>>,
    /// Traffic to record: `all`, `accept` (allowed by security groups and network ACLs) or `reject`.
    #[field(default, replaces, important)]
    pub traffic: Traffic,
    /// Destination bucket; set either this or `log_group`. Its policy must allow `delivery.logs.amazonaws.com` to write.
    #[field(important, default, replaces, unique = "bucket of the VPC", unique = "bucket of the subnet", dropped = None)]
    pub bucket: Option<ArnRef<S3Bucket>>,
    /// Folder in the bucket, without leading and trailing slashes; AWS creates `AWSLogs/…` in it.
    #[field(default, replaces, requires = bucket)]
    pub prefix: String,
    /// File format in the bucket: `plain-text` or `parquet`.
    #[field(default, replaces, requires = bucket)]
    pub file_format: FileFormat,
    /// Uses Hive-compatible folder names in the bucket (`year=2026/month=01`).
    #[field(default = false, replaces, requires = bucket)]
    pub hive_compatible_partitions: bool,
    /// Creates a folder per hour instead of one per day.
    #[field(default = false, replaces, requires = bucket)]
    pub per_hour_partition: bool,
    /// ARN of the destination log group in CloudWatch.
    #[field(default, replaces, unique = "log group of the VPC", unique = "log group of the subnet", dropped = None)]
    pub log_group: Option<String>,
    /// Role for writing to the log group; a log group requires one.
    #[field(default, replaces, conflicts_with = bucket, dropped = None)]
    pub role: Option<ArnRef<IamRole>>,
    /// Maximum aggregation interval of a record, in seconds.
    #[field(default = DEFAULT_AGGREGATION_SECONDS, one_of = [60, 600], replaces)]
    pub max_aggregation_seconds: i32,
    /// Fields of a record in this order, such as `[srcaddr, dstaddr, action]`.
    #[field(unset = "AWS's default format", replaces, dropped = DEFAULT_FIELDS)]
    pub fields: Option<Vec<String>>,
}

/// AWS's default for the maximum aggregation interval, in seconds.
const DEFAULT_AGGREGATION_SECONDS: i32 = 600;

/// Traffic to record.
#[spec]
#[derive(Copy, Default)]
pub enum Traffic {
    /// All traffic.
    #[default]
    All,
    /// Allowed traffic.
    Accept,
    /// Rejected traffic.
    Reject,
}

/// Format of the files in a bucket.
#[spec]
#[derive(Copy, Default)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// Lines of text, compressed with gzip.
    #[default]
    PlainText,
    /// Apache Parquet: smaller and faster to query.
    Parquet,
}

/// AWS's default format: <https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html>.
const DEFAULT_FIELDS: [&str; 14] = [
    "version",
    "account-id",
    "interface-id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log-status",
];

/// Outputs of the resource.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct Outputs {}

/// Logs.
const GB_DELIVERED: UsageKey = UsageKey::new("gb_delivered", "GB of logs in a month");

impl Resource for FlowLog {
    const TYPE: TypeInfo =
        TypeInfo::new("flow_log", &services::ec2::SERVICE, "fl-{hex17}", "arn:aws:ec2:{region}:{account}:vpc-flow-log/{id}")
            .not_found("InvalidFlowLogId.NotFound")
            .already_exists("FlowLogAlreadyExists")
            .iam_actions(
                IamActions::new("ec2:vpc-flow-log/*")
                    .list(&["ec2:DescribeFlowLogs"])
                    .create(&["ec2:CreateFlowLogs"])
                    .create_uses(&["vpc", "subnet"])
                    .change(&["ec2:DeleteFlowLogs"])
                    .grants(&[
                        IamGrant::change(&["iam:PassRole"], GrantTarget::PassRole(&["vpc-flow-logs.amazonaws.com"])),
                        // The service reads and extends the bucket's policy for log delivery with the caller's permissions.
                        IamGrant::change(&["logs:CreateLogDelivery", "logs:DeleteLogDelivery"], GrantTarget::AllResources),
                        IamGrant::change(&["s3:GetBucketPolicy", "s3:PutBucketPolicy"], GrantTarget::Referenced("s3_bucket")),
                    ]),
            );
    const USAGE: &'static [UsageKey] = &[GB_DELIVERED];
    type Api = Aws;
    type Outputs = Outputs;

    /// What the log group or bucket stores costs in addition: <https://aws.amazon.com/cloudwatch/pricing/>.
    fn price(&self, context: &PriceContext<'_>) -> Pricing {
        let usage_type = if self.bucket.is_some() { "S3-Egress-Bytes" } else { "VendedLog-Bytes" };
        let product = Product::new("AmazonCloudWatch").family("Data Payload").usage_type(usage_type);
        Pricing::of(vec![context.metered("logs delivered", &GB_DELIVERED, "GB", product)])
    }

    async fn list(aws: &Aws, scope: &Scope) -> Result<Vec<Observed<Self>>> {
        let mut all = Vec::new();
        let mut pages = aws.ec2.describe_flow_logs().set_filter(Some(scope.ec2_filters())).into_paginator().send();
        while let Some(page) = pages.next().await {
            for log in page?.flow_logs.unwrap_or_default() {
                let tags = services::ec2::from_tags(log.tags.as_deref().unwrap_or_default());
                if scope.owns(&tags) {
                    let id = log.flow_log_id.clone().ok_or_else(|| Error::missing_field("FlowLogId"))?;
                    all.push(Observed::new(id, tags, FlowLog::read(log), Outputs {}));
                }
            }
        }
        Ok(all)
    }

    /// The call succeeds even if nothing was created: the response lists the failures.
    async fn create(&self, cx: &Cx<'_>) -> Result<Created<Self>> {
        let (resource_type, resource) = match (&self.vpc, &self.subnet) {
            (Some(vpc), _) => (FlowLogsResourceType::Vpc, vpc.get()),
            (None, subnet) => (FlowLogsResourceType::Subnet, subnet.as_ref().map(Ref::get).unwrap_or_default()),
        };
        let call = cx.ec2.create_flow_logs().client_token(&cx.call.token).resource_type(resource_type).resource_ids(resource);
        let call = call.traffic_type(match self.traffic {
            Traffic::All => ec2::TrafficType::All,
            Traffic::Accept => ec2::TrafficType::Accept,
            Traffic::Reject => ec2::TrafficType::Reject,
        });
        let call = call.set_log_destination(self.destination());
        let call = match &self.bucket {
            Some(_) => {
                let options = DestinationOptionsRequest::builder().file_format(match self.file_format {
                    FileFormat::PlainText => DestinationFileFormat::PlainText,
                    FileFormat::Parquet => DestinationFileFormat::Parquet,
                });
                let options = options.hive_compatible_partitions(self.hive_compatible_partitions);
                call.log_destination_type(LogDestinationType::S3)
                    .destination_options(options.per_hour_partition(self.per_hour_partition).build())
            }
            None => call.log_destination_type(LogDestinationType::CloudWatchLogs),
        };
        let call = call.set_deliver_logs_permission_arn(self.role.as_ref().map(|role| role.get().to_owned()));
        let call = call.max_aggregation_interval(self.max_aggregation_seconds).set_log_format(self.format());
        let reply = call.tag_specifications(services::ec2::tag_specification(&cx.call.tags, ResourceType::VpcFlowLog)).send().await?;
        ensure_none(reply.unsuccessful)?;
        let id = reply.flow_log_ids.into_iter().flatten().next().ok_or_else(|| Error::missing_field("FlowLogId"))?;
        Ok(id.into())
    }

    /// Only tags can change.
    async fn update(&self, _: &Cx<'_>, _: &Existing<Self>, _: FlowLogChanges) -> Result<()> {
        Ok(())
    }

    async fn delete(cx: &Cx<'_>, live: &Existing<Self>) -> Result<Deletion> {
        ensure_none(cx.ec2.delete_flow_logs().flow_log_ids(&live.id).send().await?.unsuccessful)?;
        Ok(Deletion::Requested)
    }

    fn check_declared(declared: &Declared<'_, Self>) -> Vec<Problem> {
        let role = declared.spec().and_then(|log| log.role);
        role.and_then(|role| check_trust(declared, Self::POINTERS.role, &role, "vpc-flow-logs.amazonaws.com")).into_iter().collect()
    }

    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.vpc.is_some() == self.subnet.is_some() {
            problems.push(Problem::new(Pointer::ROOT, "a flow log needs either a VPC or a subnet").help("set `vpc: …` or `subnet: …`"));
        }
        if self.bucket.is_some() == self.log_group.is_some() {
            let problem = Problem::new(Pointer::ROOT, "a flow log needs either a bucket or a log group");
            problems.push(problem.help("write `bucket: …` or `log_group: arn:aws:logs:…`"));
        }
        if self.log_group.is_some() && self.role.is_none() {
            problems.push(Problem::new(Pointer::ROOT, "a log group needs a role").help("add `role: …`"));
        }
        if self.prefix.starts_with('/') || self.prefix.ends_with('/') || self.prefix.split('/').any(|part| part == "AWSLogs") {
            let problem = Problem::new(
                Self::POINTERS.prefix,
                "a prefix must not start or end with a slash, or contain the folder `AWSLogs`, which AWS creates",
            );
            problems.push(problem.help("use a folder such as `vpc` or `network/vpc`"));
        }
        if self.fields.as_ref().is_some_and(Vec::is_empty) {
            problems
                .push(Problem::new(Self::POINTERS.fields, "a record needs at least one field").help("remove it for AWS's default format"));
        }
        problems
    }

    /// AWS may report a log group by its name alone, and an ARN may end in `:*`.
    fn normalize(&self, live: &mut Self) {
        let (Some(wanted), Some(found)) = (&self.log_group, &live.log_group) else { return };
        let group = wanted.trim_end_matches(":*");
        if group == found || group.ends_with(&format!(":log-group:{found}")) {
            live.log_group = Some(wanted.clone());
        }
    }
}

impl FlowLog {
    /// ARN of the destination, with the folder in a bucket. A final `:*` in the ARN of a log group is removed: AWS would treat it as part
    /// of the name, and no records would arrive.
    pub fn destination(&self) -> Option<String> {
        let folder = if self.prefix.is_empty() { String::new() } else { format!("/{}/", self.prefix) };
        self.bucket
            .as_ref()
            .map(|bucket| format!("{}{folder}", bucket.get()))
            .or_else(|| self.log_group.as_deref().map(|group| group.trim_end_matches(":*").to_owned()))
    }
    /// Fields of a record, in EC2's format.
    pub fn format(&self) -> Option<String> {
        self.fields.as_deref().map(format_from_fields)
    }

    /// Converts AWS's description of a log: the types of destination and resource follow from their texts.
    fn read(log: ec2::FlowLog) -> FlowLog {
        let resource = log.resource_id.unwrap_or_default();
        let (vpc, subnet) = if resource.starts_with("subnet-") { (None, Some(Ref::to(resource))) } else { (Some(Ref::to(resource)), None) };
        let to_bucket = log.log_destination_type == Some(LogDestinationType::S3);
        let destination = log.log_destination.or(log.log_group_name).unwrap_or_default();
        let (bucket, prefix) = destination.split_once('/').unwrap_or((&destination, ""));
        let options = log.destination_options;
        FlowLog {
            vpc,
            subnet,
            traffic: match log.traffic_type {
                Some(ec2::TrafficType::Accept) => Traffic::Accept,
                Some(ec2::TrafficType::Reject) => Traffic::Reject,
                _ => Traffic::All,
            },
            bucket: to_bucket.then(|| ArnRef::to(bucket)),
            prefix: if to_bucket { prefix.trim_end_matches('/').to_owned() } else { String::new() },
            file_format: match options.as_ref().and_then(|options| options.file_format.as_ref()) {
                Some(DestinationFileFormat::Parquet) => FileFormat::Parquet,
                _ => FileFormat::PlainText,
            },
            hive_compatible_partitions: options.as_ref().and_then(|options| options.hive_compatible_partitions).unwrap_or_default(),
            per_hour_partition: options.as_ref().and_then(|options| options.per_hour_partition).unwrap_or_default(),
            log_group: (!to_bucket).then(|| destination.trim_end_matches(":*").to_owned()),
            role: log.deliver_logs_permission_arn.map(ArnRef::to),
            max_aggregation_seconds: log.max_aggregation_interval.unwrap_or(DEFAULT_AGGREGATION_SECONDS),
            fields: log.log_format.map(|format| fields_from_format(&format)),
        }
    }
}

/// `${srcaddr} ${dstaddr}`
fn format_from_fields(fields: &[String]) -> String {
    fields.iter().map(|field| format!("${{{field}}}")).collect::<Vec<_>>().join(" ")
}

fn fields_from_format(format: &str) -> Vec<String> {
    format.split_whitespace().map(|field| field.trim_start_matches("${").trim_end_matches('}').to_owned()).collect()
}

/// The first failure as an error.
fn ensure_none(unsuccessful: Option<Vec<ec2::UnsuccessfulItem>>) -> Result<()> {
    match unsuccessful.into_iter().flatten().find_map(|item| item.error) {
        Some(error) => Err(Error::from_code(&error.code.unwrap_or_default(), error.message.unwrap_or_default())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::DestinationOptionsResponse;
    use serde_json::json;

    use super::*;

    fn flow_log(spec: serde_json::Value) -> serde_json::Result<FlowLog> {
        serde_json::from_value(spec)
    }

    /// Folder and options, which no stand-in stores.
    #[test]
    fn reads_back_a_bucket_destination_as_written() -> serde_json::Result<()> {
        let options = DestinationOptionsResponse::builder().file_format(DestinationFileFormat::Parquet);
        let options = options.hive_compatible_partitions(true).per_hour_partition(false);
        let log = ec2::FlowLog::builder().resource_id("subnet-1").log_destination_type(LogDestinationType::S3);
        let log = log.log_destination("arn:aws:s3:::logs/network/vpc/").destination_options(options.build()).max_aggregation_interval(60);
        let log = FlowLog::read(log.log_format("${srcaddr} ${action}").build());
        let expected = flow_log(json!({
            "subnet": { "id": "subnet-1" }, "bucket": "arn:aws:s3:::logs", "prefix": "network/vpc", "file_format": "parquet",
            "hive_compatible_partitions": true, "max_aggregation_seconds": 60, "fields": ["srcaddr", "action"],
        }))?;
        assert_eq!(serde_json::to_value(&log)?, serde_json::to_value(&expected)?);
        assert!(log.check().is_empty());
        Ok(())
    }

    #[test]
    fn reads_back_a_log_group_by_name() -> serde_json::Result<()> {
        let arn = "arn:aws:logs:us-east-1:123456789012:log-group:/vpc/flows:*";
        let wanted = flow_log(json!({ "vpc": "main", "log_group": arn, "role": "writer" }))?;
        assert_eq!(wanted.destination().as_deref(), arn.strip_suffix(":*"));
        let log = ec2::FlowLog::builder().resource_id("vpc-1").log_destination_type(LogDestinationType::CloudWatchLogs);
        let mut live = FlowLog::read(log.clone().log_group_name("/vpc/flows").build());
        wanted.normalize(&mut live);
        let mut other = FlowLog::read(log.log_group_name("/other/vpc/flows").build());
        wanted.normalize(&mut other);
        assert_eq!((live.log_group.as_deref(), other.log_group.as_deref()), (Some(arn), Some("/other/vpc/flows")));
        Ok(())
    }

    #[test]
    fn rejects_missing_and_contradictory_settings() -> serde_json::Result<()> {
        for spec in [json!({ "bucket": "one" }), json!({ "vpc": "main" }), json!({ "vpc": "main", "subnet": "a", "bucket": "one" })] {
            assert_eq!(flow_log(spec)?.check().len(), 1);
        }
        let both = flow_log(json!({ "vpc": "main", "bucket": "one", "log_group": "arn:aws:logs:::log-group:x" }))?;
        let places: Vec<String> = both.check().into_iter().map(|problem| problem.pointer).collect();
        assert_eq!(places, ["", ""]);
        Ok(())
    }
}
