//! The deletion of clusters in which controllers have made resources of AWS: some live, some are dead, and Argo CD creates again what is missing.

mod controllers;
mod rolled_back;

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use self::controllers::Controllers;
use super::Lab;
use crate::acme::CommandOutput;

/// More than the cluster: a gateway that load balancers keep from being detached, and a zone for external-dns. A deletion waits 8 seconds for
/// dead controllers.
const MORE: &str = "
  internet_gateway: { main: { vpc: main } }
  dns_zone: { main: { domain: example.com } }
";

/// What controllers have made in AWS before the destroy, and a volume of another cluster.
const PLANT: &str = r#"
ec2, elb = client('ec2'), client('elbv2')
[vpc] = [v for v in ec2.describe_vpcs()['Vpcs'] if not v['IsDefault']]
subnets = [s['SubnetId'] for s in ec2.describe_subnets(Filters=[{'Name': 'vpc-id', 'Values': [vpc['VpcId']]}])['Subnets']]
# The platform lets the controller set the tags of the stack, too.
stack = [{'Key': 'acme:stack', 'Value': 'shop'}, {'Key': 'acme:environment', 'Value': 'default'}]
lbc = [{'Key': 'elbv2.k8s.aws/cluster', 'Value': 'shop-main'}] + stack
owned = [{'Key': 'kubernetes.io/cluster/shop-main', 'Value': 'owned'}]
spec = lambda kind, tags: [{'ResourceType': kind, 'Tags': tags}]
groups = [
    ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc['VpcId'], TagSpecifications=spec('security-group', lbc))['GroupId']
    for name in ['k8s-traffic-shop', 'k8s-web']
]
for one, other in [groups, groups[::-1]]:
    permission = {'IpProtocol': 'tcp', 'FromPort': 80, 'ToPort': 80, 'UserIdGroupPairs': [{'GroupId': other}]}
    ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[permission])
balancers = [
    elb.create_load_balancer(Name=name, Subnets=subnets, SecurityGroups=groups, Tags=lbc)['LoadBalancers'][0]['LoadBalancerArn']
    for name in ['k8s-dead', 'k8s-live']
]
target = elb.create_target_group(Name='k8s-web', Protocol='HTTP', Port=80, VpcId=vpc['VpcId'], TargetType='ip', Tags=lbc)
target = target['TargetGroups'][0]['TargetGroupArn']
elb.create_listener(LoadBalancerArn=balancers[0], Protocol='HTTP', Port=80, DefaultActions=[{'Type': 'forward', 'TargetGroupArn': target}])
claim = [{'Key': 'kubernetes.io/created-for/pvc/namespace', 'Value': 'web'}, {'Key': 'kubernetes.io/created-for/pvc/name', 'Value': 'data-db-0'}]
volume = ec2.create_volume(AvailabilityZone='us-east-1a', Size=20, TagSpecifications=spec('volume', owned + claim))['VolumeId']
other = [{'Key': 'kubernetes.io/cluster/other', 'Value': 'owned'}]
ec2.create_volume(AvailabilityZone='us-east-1a', Size=1, TagSpecifications=spec('volume', other))
cni = [{'Key': 'cluster.k8s.amazonaws.com/name', 'Value': 'shop-main'}, {'Key': 'node.k8s.amazonaws.com/instance_id', 'Value': 'i-0'}]
for subnet in subnets:
    ec2.create_network_interface(SubnetId=subnet, Groups=groups, TagSpecifications=spec('network-interface', cni))
pool = owned + [{'Key': 'karpenter.sh/nodepool', 'Value': 'default'}]
image = ec2.describe_images()['Images'][0]['ImageId']
nodes = [
    ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, SubnetId=subnets[0], TagSpecifications=spec('instance', pool))['Instances'][0]['InstanceId']
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
out = {'live': balancers[1], 'node': nodes[0], 'volume': volume, 'image': image}
"#;

/// What is left of all this, besides the volume of the other cluster and snapshots.
const LEFT: &str = r#"
ec2 = client('ec2')
out = [lb['LoadBalancerName'] for lb in client('elbv2').describe_load_balancers()['LoadBalancers']]
out += [group['TargetGroupName'] for group in client('elbv2').describe_target_groups()['TargetGroups']]
out += [group['GroupName'] for group in ec2.describe_security_groups()['SecurityGroups'] if group['GroupName'] != 'default']
out += [i['InstanceId'] for r in ec2.describe_instances()['Reservations'] for i in r['Instances'] if i['State']['Name'] != 'terminated']
out += [template['LaunchTemplateName'] for template in ec2.describe_launch_templates()['LaunchTemplates']]
# moto keeps the interfaces of terminated instances.
out += [eni['NetworkInterfaceId'] for eni in ec2.describe_network_interfaces()['NetworkInterfaces'] if eni['TagSet']]
out += [vpc['VpcId'] for vpc in ec2.describe_vpcs()['Vpcs'] if not vpc['IsDefault']]
out += [volume['VolumeId'] for volume in ec2.describe_volumes(Filters=[{'Name': 'tag-key', 'Values': ['kubernetes.io/cluster/shop-main']}])['Volumes']]
out += [zone['Name'] for zone in client('route53').list_hosted_zones()['HostedZones']]
out += [group['logGroupName'] for group in client('logs').describe_log_groups()['logGroups']]
out += client('eks').list_clusters()['clusters']
"#;

/// Volumes of the other cluster, and the volumes of which acme has made a snapshot.
const KEPT: &str = r#"
ec2 = client('ec2')
others = ec2.describe_volumes(Filters=[{'Name': 'tag-key', 'Values': ['kubernetes.io/cluster/other']}])['Volumes']
snapshots = ec2.describe_snapshots(Filters=[{'Name': 'tag-key', 'Values': ['acme:volume']}])['Snapshots']
out = {'others': len(others), 'snapshots': [[snapshot['VolumeId'], {tag['Key']: tag['Value'] for tag in snapshot['Tags']}] for snapshot in snapshots]}
"#;

impl Lab {
    /// A stack whose cluster is full of what controllers made. Its definition, and what was planted.
    fn with_leftovers(&self) -> (PathBuf, Value) {
        let stack = self.stack(MORE);
        let text = std::fs::read_to_string(&stack).expect("the definition");
        let patient = text.replace("deletion_protection: false }", "deletion_protection: false, timeouts: { delete: 8s } }");
        std::fs::write(&stack, patient).expect("written");
        self.apply(&stack);
        let planted = self._standin.run_boto3(PLANT);
        (stack, planted)
    }
    fn left(&self) -> Value {
        self._standin.run_boto3(LEFT)
    }
    fn destroy(&self, stack: &std::path::Path) -> CommandOutput {
        self.run("destroy", stack, &["--yes"])
    }
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn destroy_deletes_what_controllers_made() {
    let lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    let text = |key: &str| planted[key].as_str().expect("a text").to_owned();
    let controllers = Controllers::start(&lab, &text("live"), &text("node"));

    // A plan without the deletion looks for nothing of this. It reads what has the tags of the stack, and leaves it alone.
    lab.proxy.take_calls();
    lab.assert_no_changes(&stack);
    let calls = lab.proxy.take_calls().table();
    assert!(!calls.contains("DescribeVolumes") && !calls.contains("DescribeNetworkInterfaces"), "{calls}");

    // The plan says what was found, and what is lost.
    let planned = lab.run("plan", &stack, &["--destroy"]).assert_success().stdout;
    for line in [
        "cluster_cleanup.shop-main",
        "load balancer k8s-dead, made by AWS Load Balancer Controller",
        "target group k8s-web, made by AWS Load Balancer Controller",
        "20 GiB of the claim web/data-db-0, made by the EBS CSI driver",
        "dns record a-www.example.com, for www.example.com, made by external-dns",
        "left behind by eks_cluster.main",
        "its data is kept only in a snapshot",
        "/aws/eks/shop-main/cluster",
    ] {
        assert!(planned.contains(line), "`{line}` is missing in\n{planned}");
    }

    lab.proxy.take_calls();
    let done = lab.destroy(&stack).assert_success();
    let told = done.combined_output();
    let calls = lab.proxy.take_calls().table();
    assert!(calls.contains("RevokeSecurityGroupIngress"), "groups that refer to each other can't be deleted:\n{calls}");
    assert!(told.contains("waiting for controllers to delete") && told.contains("Ingress web/dead"), "{told}");
    assert_eq!(lab.left(), serde_json::json!([]), "{told}");
    // The controllers that lived have done their part.
    let acted = controllers.stop();
    assert!(acted.deleted_balancer && acted.terminated_node, "{acted:?}\n{told}");
    let kept = lab._standin.run_boto3(KEPT);
    assert_eq!(kept["others"], 1, "{kept}");
    assert_eq!(kept["snapshots"][0][0], planted["volume"], "{kept}");
    assert_eq!(kept["snapshots"][0][1]["kubernetes.io/created-for/pvc/name"], "data-db-0", "{kept}");
    // Argo CD no longer has what it would create again.
    let applications = lab.server.kubectl(&["get", "applications.argoproj.io", "-n", "argocd", "-o", "json"]);
    let applications: Value = serde_json::from_str(&applications).expect("JSON");
    let left = applications["items"].as_array().into_iter().flatten().filter(|one| one["metadata"]["deletionTimestamp"].is_null());
    assert_eq!(left.map(|one| &one["metadata"]["name"]).collect::<Vec<_>>(), ["web"], "the root is deleted");
    let automated =
        lab.server.kubectl(&["get", "application.argoproj.io/web", "-n", "argocd", "-o", "jsonpath={.spec.syncPolicy.automated}"]);
    assert_eq!(automated, "");
}

/// Attaches the volume of the claim to an instance outside the cluster.
fn squat(lab: &Lab, planted: &Value) -> String {
    let script = format!(
        "ec2 = client('ec2')\nmade = ec2.run_instances(ImageId='{}', MinCount=1, MaxCount=1, \
         TagSpecifications=[{{'ResourceType': 'instance', 'Tags': [{{'Key': 'Name', 'Value': 'bastion'}}]}}])\n\
         out = made['Instances'][0]['InstanceId']\nec2.attach_volume(Device='/dev/sdf', VolumeId='{}', InstanceId=out)",
        planted["image"].as_str().expect("an id"),
        planted["volume"].as_str().expect("an id"),
    );
    lab._standin.run_boto3(&script).as_str().expect("an id").to_owned()
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn destroy_names_what_others_still_use() {
    let mut lab = Lab::start();
    let (stack, planted) = lab.with_leftovers();
    let bastion = squat(&lab, &planted);
    // The treatment of volumes is a tag of the cluster.
    let text = std::fs::read_to_string(&stack).expect("the definition");
    std::fs::write(&stack, text.replace("deletion_protection: false,", "deletion_protection: false, volumes: delete,")).expect("written");
    assert_eq!(lab.plan(&stack).changed_fields("eks_cluster.main").into_iter().collect::<Vec<_>>(), ["/volumes"]);
    lab.apply(&stack);
    lab.assert_no_changes(&stack);
    // Without an API, nothing in the cluster is waited for.
    lab.server.stop();
    let stuck = lab.destroy(&stack);
    let told = stuck.combined_output();
    assert_eq!(stuck.code, 3, "{told}");
    assert!(told.contains("continues without the controllers"), "{told}");
    assert!(told.contains(&format!("is still used by instance {bastion} `bastion`")), "{told}");
    // Once it is gone, a second run finishes, although the cluster no longer exists.
    let volume = planted["volume"].as_str().expect("an id");
    let release = format!(
        "ec2 = client('ec2')\nec2.detach_volume(VolumeId='{volume}', InstanceId='{bastion}')\nec2.terminate_instances(InstanceIds=['{bastion}'])"
    );
    lab._standin.run_boto3(&release);
    let done = lab.destroy(&stack).assert_success();
    assert_eq!(lab.left(), serde_json::json!([]), "{}", done.combined_output());
    assert_eq!(lab._standin.run_boto3(KEPT)["snapshots"], serde_json::json!([]));
}

#[test]
#[ignore = "needs programs from PyPI, npm and Debian"]
fn a_destroy_that_is_killed_is_finished_by_the_next_one() {
    let mut lab = Lab::start();
    let (stack, _) = lab.with_leftovers();
    lab.server.stop();
    // Each run is killed after a few more changes, among them the deletion of the cluster.
    for more in [3, 6, 9] {
        let before = lab.proxy.started_changes();
        let mut command = lab.acme.command("destroy", &stack, &["--yes"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("acme starts");
        let until = Instant::now() + Duration::from_secs(300);
        while lab.proxy.started_changes() < before + more && child.try_wait().expect("its state").is_none() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
        lab.proxy.wait_until_idle();
        // The lease of the dead run would be waited for.
        lab.run("unlock", &stack, &["--yes"]);
    }
    let done = lab.destroy(&stack).assert_success();
    assert_eq!(lab.left(), serde_json::json!([]), "{}", done.combined_output());
}
