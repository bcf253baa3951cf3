//! Tests of the test harness: its counts of calls must be correct.

use std::time::Duration;

use crate::{
    proxy::{Faults, Proxy},
    standin::{Standin, StandinKind, list_everything, run_boto3},
};

#[test]
fn proxy_names_counts_and_throttles_calls() {
    let standin = Standin::start(StandinKind::Ministack);
    let proxy = Proxy::start(&standin.url, Faults { throttle_every: Some(3), ..Faults::default() });
    run_boto3(
        &proxy.url,
        "
client('ec2').create_vpc(CidrBlock='10.0.0.0/16')
client('ecr').create_repository(repositoryName='one')
client('ecr').describe_repositories()
client('s3').create_bucket(Bucket='bucket')
client('s3').put_bucket_versioning(Bucket='bucket', VersioningConfiguration={'Status': 'Enabled'})

client('iam').list_roles()
client('route53').list_hosted_zones()
client('sts').get_caller_identity()
client('kms').create_key()
client('wafv2').list_web_acls(Scope='REGIONAL')
client('eks').list_clusters()
",
    );
    let calls = proxy.take_calls();
    let names: Vec<String> = calls
        .0
        .iter()
        .map(|s| {
            format!("{} {} {}{}{}", s.service, s.action, s.status, if s.write { " write" } else { "" }, if s.fault { " fault" } else { "" })
        })
        .collect();
    insta::assert_snapshot!(names.join("\n"));
}

#[test]
fn lagging_service_does_not_show_new_resources() {
    let standin = Standin::start(StandinKind::Ministack);
    let lag = [("ec2", Duration::from_secs(6)), ("iam", Duration::from_secs(6))].into();
    let proxy = Proxy::start(&standin.url, Faults { read_lag: lag, ..Faults::default() });
    let observed = run_boto3(
        &proxy.url,
        r#"
import time
ec2, iam, eks = client('ec2'), client('iam'), client('eks')
def ids():
    return [v['VpcId'] for v in ec2.describe_vpcs(Filters=[{'Name': 'cidr', 'Values': ['10.7.0.0/16']}])['Vpcs']]
def code(call, **arguments):
    try:
        call(**arguments)
        return 'ok'
    except Exception as e:
        return e.response['Error']['Code']
ids()
vpc = ec2.create_vpc(CidrBlock='10.7.0.0/16')['Vpc']['VpcId']
iam.create_role(RoleName='r', AssumeRolePolicyDocument='{"Version":"2012-10-17","Statement":[]}')
cluster = dict(name='c', roleArn='arn:aws:iam::000000000000:role/r', resourcesVpcConfig={'subnetIds': ['subnet-1']})
out['at once'] = [len(ids()), code(ec2.create_subnet, VpcId=vpc, CidrBlock='10.7.0.0/24'), code(iam.get_role, RoleName='r'),
                  code(eks.create_cluster, **cluster)]
time.sleep(6.2)
out['later'] = [len(ids()), code(ec2.create_subnet, VpcId=vpc, CidrBlock='10.7.0.0/24'), code(iam.get_role, RoleName='r'),
                code(eks.create_cluster, **cluster)]
"#,
    );
    insta::assert_snapshot!(observed.to_string());
}

#[test]
fn complete_tag_index_shows_everything_taggable() {
    for kind in StandinKind::BOTH {
        let standin = Standin::start(kind);
        let proxy = Proxy::with_complete_tag_index(&standin.url);
        let shown = run_boto3(
            &proxy.url,
            "
ec2, tags = client('ec2'), [{'Key': 'stack', 'Value': 'shop'}]
def tagged(kind, tags):
    return [{'ResourceType': kind, 'Tags': tags}]
ec2.create_internet_gateway(TagSpecifications=tagged('internet-gateway', tags))
ec2.create_internet_gateway(TagSpecifications=tagged('internet-gateway', [{'Key': 'stack', 'Value': 'other'}]))
ec2.allocate_address(TagSpecifications=tagged('elastic-ip', tags))
client('secretsmanager').create_secret(Name='key', SecretString='x', Tags=tags)
client('iam').create_role(RoleName='role', AssumeRolePolicyDocument='{\"Version\":\"2012-10-17\",\"Statement\":[]}', Tags=tags)
def shown(**arguments):
    found = client('resourcegroupstaggingapi').get_resources(TagFilters=[{'Key': 'stack', 'Values': ['shop']}], **arguments)
    return sorted(found['ResourceTagMappingList'][i]['ResourceARN'].split(':')[5].split('/')[0] for i in range(len(found['ResourceTagMappingList'])))
out['all'] = shown()
out['some'] = shown(ResourceTypeFilters=['ec2:elastic-ip', 'secretsmanager'])
",
        );
        let all = serde_json::json!(["elastic-ip", "internet-gateway", "secret"]);
        assert_eq!((&shown["all"], &shown["some"]), (&all, &serde_json::json!(["elastic-ip", "secret"])), "{kind:?}");
    }
}

#[test]
fn fresh_stand_in_is_empty() {
    for kind in StandinKind::BOTH {
        assert_eq!(Standin::start(kind).all_resources(), serde_json::json!({}), "{kind:?}");
    }
}

/// Ministack lacks calls that moto has.
#[test]
#[should_panic(expected = "boto3 script failed")]
fn an_error_of_a_list_call_is_not_an_empty_list() {
    let standin = Standin::start(StandinKind::Ministack);
    assert_eq!(standin.all_resources(), serde_json::json!({}));
    list_everything(&standin.url, StandinKind::Moto);
}
