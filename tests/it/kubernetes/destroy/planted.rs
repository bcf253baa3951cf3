//! What controllers have made in AWS before a destroy, and what is left afterwards.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::super::Lab;
use crate::acme::CommandOutput;

/// More than the cluster: a gateway that load balancers keep from being detached, and a zone for external-dns.
pub const MORE: &str = "
  internet_gateway: { main: { vpc: main } }
  dns_zone: { main: { domain: example.com } }
";

/// What controllers have made in AWS before the destroy, and a volume of another cluster.
pub const PLANT: &str = r#"
ec2, elb, iam = client('ec2'), client('elbv2'), client('iam')
[vpc] = [v for v in ec2.describe_vpcs()['Vpcs'] if not v['IsDefault']]
subnets = [s['SubnetId'] for s in ec2.describe_subnets(Filters=[{'Name': 'vpc-id', 'Values': [vpc['VpcId']]}])['Subnets']]
# The platform lets the controller set the tags of the stack, too.
stack = [{'Key': 'acme:stack', 'Value': 'shop'}, {'Key': 'acme:environment', 'Value': 'default'}]
lbc = [{'Key': 'elbv2.k8s.aws/cluster', 'Value': 'shop-main'}] + stack
owned = [{'Key': 'kubernetes.io/cluster/shop-main', 'Value': 'owned'}]
spec = lambda kind, tags: [{'ResourceType': kind, 'Tags': tags}]
def create_group(name, tags):
    return ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc['VpcId'], TagSpecifications=spec('security-group', tags))['GroupId']
groups = [create_group(name, lbc) for name in ['k8s-traffic-shop', 'k8s-web']]
for one, other in [groups, groups[::-1]]:
    permission = {'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'UserIdGroupPairs': [{'GroupId': other}]}
    ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[permission])
of_gateway = [{'Key': 'gateway.k8s.aws.alb/stack', 'Value': 'web/gateway'}]
balancers = [
    elb.create_load_balancer(Name=name, Subnets=subnets, SecurityGroups=groups, Tags=lbc + tags)['LoadBalancers'][0]['LoadBalancerArn']
    for name, tags in [('k8s-dead', []), ('k8s-live', []), ('k8s-gateway', of_gateway)]
]
target = elb.create_target_group(Name='k8s-web', Protocol='HTTP', Port=80, VpcId=vpc['VpcId'], TargetType='ip', Tags=lbc)
target = target['TargetGroups'][0]['TargetGroupArn']
elb.create_listener(LoadBalancerArn=balancers[0], Protocol='HTTP', Port=80, DefaultActions=[{'Type': 'forward', 'TargetGroupArn': target}])
# The cloud provider in the control plane.
listener = {'Protocol': 'TCP', 'LoadBalancerPort': 80, 'InstanceProtocol': 'TCP', 'InstancePort': 30080}
client('elb').create_load_balancer(
    LoadBalancerName='a0123', Listeners=[listener], Subnets=subnets, SecurityGroups=[create_group('k8s-elb-a0123', owned)],
    Tags=owned + [{'Key': 'kubernetes.io/service-name', 'Value': 'web/classic'}])
claim = [{'Key': 'kubernetes.io/created-for/pvc/namespace', 'Value': 'web'}, {'Key': 'kubernetes.io/created-for/pvc/name', 'Value': 'data-db-0'}]
volume = ec2.create_volume(AvailabilityZone='us-east-1a', Size=20, TagSpecifications=spec('volume', owned + claim))['VolumeId']
taken = owned + [{'Key': 'CSIVolumeSnapshotName', 'Value': 'snapshot-1'}]
snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=spec('snapshot', taken))['SnapshotId']
other = [{'Key': 'kubernetes.io/cluster/other', 'Value': 'owned'}]
ec2.create_volume(AvailabilityZone='us-east-1a', Size=1, TagSpecifications=spec('volume', other))
cni = [{'Key': 'cluster.k8s.amazonaws.com/name', 'Value': 'shop-main'}, {'Key': 'node.k8s.amazonaws.com/instance_id', 'Value': 'i-0'}]
for subnet in subnets:
    ec2.create_network_interface(SubnetId=subnet, Groups=groups, TagSpecifications=spec('network-interface', cni))
# Karpenter: older versions name instance profiles by the cluster, newer ones put them into its path.
trust = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'
iam.create_role(RoleName='nodes', AssumeRolePolicyDocument=trust)
for name, path in [('shop-main_0123', '/'), ('default_0123', '/karpenter/us-east-1/shop-main/0123/')]:
    iam.create_instance_profile(InstanceProfileName=name, Path=path, Tags=owned + [{'Key': 'karpenter.k8s.aws/ec2nodeclass', 'Value': 'default'}])
    iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName='nodes')
iam.create_instance_profile(InstanceProfileName='shop-main_other', Tags=other)
pool = owned + [{'Key': 'karpenter.sh/nodepool', 'Value': 'default'}]
image = ec2.describe_images()['Images'][0]['ImageId']
nodes = [
    ec2.run_instances(
        ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnets[0], IamInstanceProfile={'Name': 'shop-main_0123'},
        TagSpecifications=spec('instance', pool))['Instances'][0]['InstanceId']
    for _ in range(2)
]
ec2.create_launch_template(LaunchTemplateName='karpenter-1', LaunchTemplateData={'ImageId': image}, TagSpecifications=spec('launch-template', pool))
dns = client('route53')
zone = dns.list_hosted_zones()['HostedZones'][0]['Id']
owner = '"heritage=external-dns,external-dns/owner=shop-main,external-dns/resource=ingress/web/web"'
record = lambda name, kind, value: {'Action': 'CREATE', 'ResourceRecordSet': {'Name': name, 'Type': kind, 'TTL': 60, 'ResourceRecords': [{'Value': value}]}}
changes = [record('www.example.com', 'A', '192.0.2.1'), record('a-www.example.com', 'TXT', owner)]
dns.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={'Changes': changes})
client('logs').create_log_group(logGroupName='/aws/eks/shop-main/cluster')
out = {'node': nodes[0], 'volume': volume, 'snapshot': snapshot, 'image': image, 'vpc': vpc['VpcId']}
"#;

/// What is left of all this, besides the volume and the instance profile of the other cluster, and snapshots.
pub const LEFT: &str = r#"
ec2 = client('ec2')
out = [lb['LoadBalancerName'] for lb in client('elbv2').describe_load_balancers()['LoadBalancers']]
out += [lb['LoadBalancerName'] for lb in client('elb').describe_load_balancers()['LoadBalancerDescriptions']]
out += [group['TargetGroupName'] for group in client('elbv2').describe_target_groups()['TargetGroups']]
out += [group['GroupName'] for group in ec2.describe_security_groups()['SecurityGroups'] if group['GroupName'] != 'default']
out += [i['InstanceId'] for r in ec2.describe_instances()['Reservations'] for i in r['Instances'] if i['State']['Name'] != 'terminated']
out += [template['LaunchTemplateName'] for template in ec2.describe_launch_templates()['LaunchTemplates']]
profiles = client('iam').list_instance_profiles()['InstanceProfiles']
out += [profile['InstanceProfileName'] for profile in profiles if profile['InstanceProfileName'] != 'shop-main_other']
# moto keeps the interfaces of terminated instances.
out += [eni['NetworkInterfaceId'] for eni in ec2.describe_network_interfaces()['NetworkInterfaces'] if eni['TagSet']]
out += [vpc['VpcId'] for vpc in ec2.describe_vpcs()['Vpcs'] if not vpc['IsDefault']]
out += [volume['VolumeId'] for volume in ec2.describe_volumes(Filters=[{'Name': 'tag-key', 'Values': ['kubernetes.io/cluster/shop-main']}])['Volumes']]
out += [zone['Name'] for zone in client('route53').list_hosted_zones()['HostedZones']]
out += [group['logGroupName'] for group in client('logs').describe_log_groups()['logGroups']]
out += client('eks').list_clusters()['clusters']
out.sort()
"#;

/// What stays: all of the other cluster, volumes of which acme has made a snapshot, and snapshots of the driver.
pub const KEPT: &str = r#"
ec2 = client('ec2')
others = ec2.describe_volumes(Filters=[{'Name': 'tag-key', 'Values': ['kubernetes.io/cluster/other']}])['Volumes']
others += [one for one in client('iam').list_instance_profiles()['InstanceProfiles'] if one['InstanceProfileName'] == 'shop-main_other']
with_tag = lambda key: ec2.describe_snapshots(Filters=[{'Name': 'tag-key', 'Values': [key]}])['Snapshots']
own = [[snapshot['VolumeId'], {tag['Key']: tag['Value'] for tag in snapshot['Tags']}] for snapshot in with_tag('acme:volume')]
out = {'others': len(others), 'snapshots': own, 'of_driver': [snapshot['SnapshotId'] for snapshot in with_tag('CSIVolumeSnapshotName')]}
"#;

impl Lab {
    /// A stack whose cluster is full of what controllers made, and waits 20 seconds for dead ones. Its definition, and what was planted.
    pub fn with_leftovers(&self) -> (PathBuf, Value) {
        let stack = self.stack(MORE);
        let text = std::fs::read_to_string(&stack).expect("the definition");
        let timed = text.replace("deletion_protection: false }", "deletion_protection: false, timeouts: { delete: 20s } }");
        std::fs::write(&stack, timed).expect("written");
        self.apply(&stack);
        let planted = self._standin.run_boto3(PLANT);
        (stack, planted)
    }

    /// Declares the treatment of volumes, which is a tag of the cluster.
    pub fn set_volumes(&self, stack: &Path, policy: &str) {
        let text = std::fs::read_to_string(stack).expect("the definition");
        let changed = text.replace("deletion_protection: false,", &format!("deletion_protection: false, volumes: {policy},"));
        std::fs::write(stack, changed).expect("written");
        assert_eq!(self.plan(stack).changed_fields("eks_cluster.main").into_iter().collect::<Vec<_>>(), ["/volumes"]);
        self.apply(stack);
        self.assert_no_changes(stack);
    }

    /// What is left, by name or id, sorted.
    pub fn left(&self) -> Value {
        self._standin.run_boto3(LEFT)
    }

    pub fn kept(&self) -> Value {
        self._standin.run_boto3(KEPT)
    }

    pub fn destroy(&self, stack: &Path) -> CommandOutput {
        self.run("destroy", stack, &["--yes"])
    }

    /// Runs a command, and kills it once it has begun so many changes in AWS. The next run need not wait for the lease of this one.
    pub fn run_and_kill(&self, command: &str, stack: &Path, changes: usize) {
        let before = self.proxy.started_changes();
        let mut process = self.acme.command(command, stack, &["--yes"]);
        let mut child = process.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("acme starts");
        let until = Instant::now() + Duration::from_secs(300);
        while self.proxy.started_changes() < before + changes && child.try_wait().expect("its state").is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        self.proxy.wait_until_idle();
        self.run("unlock", stack, &["--yes"]);
    }
}
