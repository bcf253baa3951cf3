# ARN → tags of everything taggable, as AWS's tagging API shows it: what the stand-in's own tagging API knows, and what the services say.
import botocore.exceptions

account, region = client('sts').get_caller_identity()['Account'], 'us-east-1'


def every(service, call, key, **arguments):
    paginator = client(service).get_paginator(call)
    return [item for page in paginator.paginate(**arguments) for item in page.get(key, [])]


def every_if_known(*call, **arguments):
    # moto has no add-ons.
    try:
        return every(*call, **arguments)
    except botocore.exceptions.ClientError as error:
        if error.response['ResponseMetadata']['HTTPStatusCode'] != 404:
            raise
        return []


def show(arn, tags):
    tags = {tag['Key']: tag['Value'] for tag in tags} if isinstance(tags, list) else tags
    if tags:
        out[arn] = tags


for resource in every('resourcegroupstaggingapi', 'get_resources', 'ResourceTagMappingList'):
    show(resource['ResourceARN'], resource['Tags'])
ec2_lists = {
    'vpc': ('describe_vpcs', 'Vpcs', 'VpcId'),
    'subnet': ('describe_subnets', 'Subnets', 'SubnetId'),
    'route-table': ('describe_route_tables', 'RouteTables', 'RouteTableId'),
    'security-group': ('describe_security_groups', 'SecurityGroups', 'GroupId'),
    'internet-gateway': ('describe_internet_gateways', 'InternetGateways', 'InternetGatewayId'),
    'natgateway': ('describe_nat_gateways', 'NatGateways', 'NatGatewayId'),
    'vpc-endpoint': ('describe_vpc_endpoints', 'VpcEndpoints', 'VpcEndpointId'),
    'vpc-flow-log': ('describe_flow_logs', 'FlowLogs', 'FlowLogId'),
    'elastic-ip': ('describe_addresses', 'Addresses', 'AllocationId'),
    'launch-template': ('describe_launch_templates', 'LaunchTemplates', 'LaunchTemplateId'),
    'network-acl': ('describe_network_acls', 'NetworkAcls', 'NetworkAclId'),
    'egress-only-internet-gateway': (
        'describe_egress_only_internet_gateways', 'EgressOnlyInternetGateways', 'EgressOnlyInternetGatewayId'),
    'transit-gateway': ('describe_transit_gateways', 'TransitGateways', 'TransitGatewayId'),
    'transit-gateway-attachment': (
        'describe_transit_gateway_vpc_attachments', 'TransitGatewayVpcAttachments', 'TransitGatewayAttachmentId'),
    'transit-gateway-route-table': (
        'describe_transit_gateway_route_tables', 'TransitGatewayRouteTables', 'TransitGatewayRouteTableId'),
}
for kind, (call, key, id) in ec2_lists.items():
    try:
        found = getattr(client('ec2'), call)()[key]
    except botocore.exceptions.ClientError:
        # Ministack has no transit gateways.
        if not kind.startswith('transit-'):
            raise
        continue
    for item in found:
        if item.get('State') != 'deleted':
            show(f'arn:aws:ec2:{region}:{account}:{kind}/{item[id]}', item.get('Tags', []))
iam = client('iam')
for policy in every('iam', 'list_policies', 'Policies', Scope='Local'):
    show(policy['Arn'], iam.list_policy_tags(PolicyArn=policy['Arn'])['Tags'])
for profile in every('iam', 'list_instance_profiles', 'InstanceProfiles'):
    show(profile['Arn'], profile.get('Tags', []))
for provider in iam.list_open_id_connect_providers()['OpenIDConnectProviderList']:
    show(provider['Arn'], iam.list_open_id_connect_provider_tags(OpenIDConnectProviderArn=provider['Arn'])['Tags'])
eks = client('eks')
for cluster in every('eks', 'list_clusters', 'clusters'):
    details = eks.describe_cluster(name=cluster)['cluster']
    show(details['arn'], details.get('tags', {}))
    for name in every('eks', 'list_nodegroups', 'nodegroups', clusterName=cluster):
        group = eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)['nodegroup']
        show(group['nodegroupArn'], group.get('tags', {}))
    for name in every_if_known('eks', 'list_addons', 'addons', clusterName=cluster):
        addon = eks.describe_addon(clusterName=cluster, addonName=name)['addon']
        show(addon['addonArn'], addon.get('tags', {}))
ecr = client('ecr')
for repository in every('ecr', 'describe_repositories', 'repositories'):
    arn = repository['repositoryArn']
    show(arn, {tag['Key']: tag['Value'] for tag in ecr.list_tags_for_resource(resourceArn=arn)['tags']})
rds = client('rds')
for call, key, arn in [('describe_db_instances', 'DBInstances', 'DBInstanceArn'), ('describe_db_subnet_groups', 'DBSubnetGroups', 'DBSubnetGroupArn'),
                       ('describe_db_parameter_groups', 'DBParameterGroups', 'DBParameterGroupArn')]:
    for item in every('rds', call, key):
        if not item[arn].rsplit(':', 1)[1].startswith('default'):
            show(item[arn], rds.list_tags_for_resource(ResourceName=item[arn])['TagList'])
for secret in every('secretsmanager', 'list_secrets', 'SecretList'):
    show(secret['ARN'], secret.get('Tags', []))
for zone in every('route53', 'list_hosted_zones', 'HostedZones'):
    id = zone['Id'].split('/')[-1]
    tags = client('route53').list_tags_for_resource(ResourceType='hostedzone', ResourceId=id)['ResourceTagSet']['Tags']
    show(f'arn:aws:route53:::hostedzone/{id}', tags)
elb = client('elbv2')
balancers = [balancer['LoadBalancerArn'] for balancer in every('elbv2', 'describe_load_balancers', 'LoadBalancers')]
listeners = [item['ListenerArn'] for arn in balancers for item in every('elbv2', 'describe_listeners', 'Listeners', LoadBalancerArn=arn)]
groups = [group['TargetGroupArn'] for group in every('elbv2', 'describe_target_groups', 'TargetGroups')]
for arn in balancers + listeners + groups:
    show(arn, elb.describe_tags(ResourceArns=[arn])['TagDescriptions'][0]['Tags'])
for certificate in every('acm', 'list_certificates', 'CertificateSummaryList'):
    arn = certificate['CertificateArn']
    show(arn, client('acm').list_tags_for_certificate(CertificateArn=arn)['Tags'])
waf = client('wafv2')
for item in waf.list_web_acls(Scope='REGIONAL')['WebACLs'] + waf.list_ip_sets(Scope='REGIONAL')['IPSets']:
    show(item['ARN'], waf.list_tags_for_resource(ResourceARN=item['ARN'])['TagInfoForResource']['TagList'])
