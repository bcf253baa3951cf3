# Lists every service for what is there, apart from what a fresh account holds. `standin` is the name of the stand-in.

# Calls that a stand-in lacks. Any other error fails the test.
LACKS = {
    'moto': {
        'cloudcontrol.list_resources',
        'cloudfront.list_cache_policies',
        'cloudfront.list_functions',
        'cloudfront.list_origin_request_policies',
        'cloudfront.list_response_headers_policies',
        'elasticache.describe_cache_parameter_groups',
        'elasticache.describe_user_groups',
        # It lists option groups only by name.
        'rds.describe_option_groups',
    },
    'ministack': {
        'codepipeline.list_pipelines',
        'dms.describe_endpoints',
        'dms.describe_replication_instances',
        'dms.describe_replication_subnet_groups',
        'dms.describe_replication_tasks',
        'ec2.describe_transit_gateway_route_tables',
        'ec2.describe_transit_gateway_vpc_attachments',
        'ec2.describe_transit_gateways',
        'rds.describe_event_subscriptions',
        'shield.list_protections',
    },
}[standin]


def known(service, call, act):
    """What an operation lists; nothing if the stand-in is known to lack the call."""
    try:
        return act()
    except Exception:
        if f'{service}.{call}' not in LACKS:
            raise
        return []


ec2 = client('ec2')
vpcs = ec2.describe_vpcs()['Vpcs']
default = {v['VpcId'] for v in vpcs if v.get('IsDefault')}


def listed(name, items):
    items = sorted(str(i) for i in items)
    if items:
        out[name] = items


def every(service, call, key, **arguments):
    pages = client(service).get_paginator(call).paginate(**arguments)
    return known(service, call, lambda: [item for page in pages for item in page.get(key, [])])


def in_ours(call, key, id_key):
    return [i[id_key] for i in every('ec2', call, key) if i.get('VpcId') not in default]


listed('vpc', {v['VpcId'] for v in vpcs} - default)
listed('subnet', in_ours('describe_subnets', 'Subnets', 'SubnetId'))
listed('route_table', in_ours('describe_route_tables', 'RouteTables', 'RouteTableId'))
listed('network_acl', [a['NetworkAclId'] for a in every('ec2', 'describe_network_acls', 'NetworkAcls') if not a['IsDefault']])
listed('security_group', in_ours('describe_security_groups', 'SecurityGroups', 'GroupId'))
listed('vpc_endpoint', [e['VpcEndpointId'] for e in every('ec2', 'describe_vpc_endpoints', 'VpcEndpoints') if e['State'].lower() != 'deleted'])
listed('flow_log', [f['FlowLogId'] for f in every('ec2', 'describe_flow_logs', 'FlowLogs')])
listed('nat_gateway', [n['NatGatewayId'] for n in every('ec2', 'describe_nat_gateways', 'NatGateways') if n['State'] != 'deleted'])
listed('internet_gateway', [
    g['InternetGatewayId'] for g in every('ec2', 'describe_internet_gateways', 'InternetGateways')
    if not any(a.get('VpcId') in default for a in g.get('Attachments', []))])
listed('egress_only_gateway', [
    g['EgressOnlyInternetGatewayId'] for g in every('ec2', 'describe_egress_only_internet_gateways', 'EgressOnlyInternetGateways')])
listed('elastic_ip', [a.get('AllocationId') for a in ec2.describe_addresses()['Addresses']])


def transit(call, key, id_key):
    return [i[id_key] for i in every('ec2', call, key) if i['State'] != 'deleted' and not i.get('DefaultAssociationRouteTable')]


listed('transit_gateway', transit('describe_transit_gateways', 'TransitGateways', 'TransitGatewayId'))
listed('transit_gateway_attachment', transit(
    'describe_transit_gateway_vpc_attachments', 'TransitGatewayVpcAttachments', 'TransitGatewayAttachmentId'))
listed('transit_gateway_route_table', transit(
    'describe_transit_gateway_route_tables', 'TransitGatewayRouteTables', 'TransitGatewayRouteTableId'))
listed('launch_template', [t['LaunchTemplateId'] for t in every('ec2', 'describe_launch_templates', 'LaunchTemplates')])
iam = client('iam')
# Roles that the whole account needs stay.
service_roles = ['dms-cloudwatch-logs-role', 'dms-vpc-role']
listed('iam_role', [r['RoleName'] for r in every('iam', 'list_roles', 'Roles')
                    if not r['Path'].startswith('/aws-service-role/') and r['RoleName'] not in service_roles])
listed('iam_policy', [p['Arn'] for p in every('iam', 'list_policies', 'Policies', Scope='Local')])
listed('instance_profile', [p['Arn'] for p in every('iam', 'list_instance_profiles', 'InstanceProfiles')])
listed('oidc_provider', [p['Arn'] for p in iam.list_open_id_connect_providers()['OpenIDConnectProviderList']])
kms = client('kms')
aliases = every('kms', 'list_aliases', 'Aliases')
# Keys that a service keeps for itself, which moto marks only by their alias.
services = {a.get('TargetKeyId') for a in aliases if a['AliasName'].startswith('alias/aws/')}
aws_keys = {a.get('TargetKeyId') for a in every('kms', 'list_aliases', 'Aliases') if a['AliasName'].startswith('alias/aws/')}
listed('kms_key', [
    k['KeyId'] for k in every('kms', 'list_keys', 'Keys')
    for meta in [kms.describe_key(KeyId=k['KeyId'])['KeyMetadata']]
    if meta['KeyState'] != 'PendingDeletion' and meta.get('KeyManager') != 'AWS' and k['KeyId'] not in services])
listed('kms_alias', [a['AliasName'] for a in aliases if not a['AliasName'].startswith('alias/aws/')])
clusters = every('eks', 'list_clusters', 'clusters')
listed('eks_cluster', clusters)
listed('eks_node_group', [n for c in clusters for n in every('eks', 'list_nodegroups', 'nodegroups', clusterName=c)])
listed('rds_instance', [i['DBInstanceIdentifier'] for i in every('rds', 'describe_db_instances', 'DBInstances')])
listed('rds_subnet_group', [g['DBSubnetGroupName'] for g in every('rds', 'describe_db_subnet_groups', 'DBSubnetGroups')
                            if g['DBSubnetGroupName'] != 'default'])
listed('rds_parameter_group', [g['DBParameterGroupName'] for g in every('rds', 'describe_db_parameter_groups', 'DBParameterGroups')
                               if not g['DBParameterGroupName'].startswith('default.')])
listed('rds_option_group', [g['OptionGroupName'] for g in every('rds', 'describe_option_groups', 'OptionGroupsList') if not g['OptionGroupName'].startswith('default:')])
listed('rds_proxy', [p['DBProxyName'] for p in every('rds', 'describe_db_proxies', 'DBProxies')])
listed('rds_event_subscription', [
    s['CustSubscriptionId'] for s in every('rds', 'describe_event_subscriptions', 'EventSubscriptionsList')])
listed('rds_snapshot', [s['DBSnapshotIdentifier'] for s in client('rds').describe_db_snapshots(SnapshotType='manual')['DBSnapshots']])
listed('aurora_cluster', [c['DBClusterIdentifier'] for c in every('rds', 'describe_db_clusters', 'DBClusters')])
listed('aurora_global', [g['GlobalClusterIdentifier'] for g in every('rds', 'describe_global_clusters', 'GlobalClusters')])
listed('aurora_parameter_group', [g['DBClusterParameterGroupName']
                                  for g in every('rds', 'describe_db_cluster_parameter_groups', 'DBClusterParameterGroups')
                                  if not g['DBClusterParameterGroupName'].startswith('default.')])
listed('aurora_snapshot', [s['DBClusterSnapshotIdentifier']
                           for s in client('rds').describe_db_cluster_snapshots(SnapshotType='manual')['DBClusterSnapshots']])


def cached(kind, call, key, id_key):
    listed(kind, [i[id_key] for i in every('elasticache', call, key) if not i[id_key].startswith('default')])


cached('cache_cluster', 'describe_cache_clusters', 'CacheClusters', 'CacheClusterId')
cached('cache_replication_group', 'describe_replication_groups', 'ReplicationGroups', 'ReplicationGroupId')
cached('cache_subnet_group', 'describe_cache_subnet_groups', 'CacheSubnetGroups', 'CacheSubnetGroupName')
cached('cache_parameter_group', 'describe_cache_parameter_groups', 'CacheParameterGroups', 'CacheParameterGroupName')
cached('cache_user', 'describe_users', 'Users', 'UserId')
cached('cache_user_group', 'describe_user_groups', 'UserGroups', 'UserGroupId')
cached('cache_snapshot', 'describe_snapshots', 'Snapshots', 'SnapshotName')
listed('dynamodb_table', every('dynamodb', 'list_tables', 'TableNames'))
listed('dynamodb_backup', [b['BackupArn'] for b in client('dynamodb').list_backups()['BackupSummaries']])
listed('ecr_repository', [r['repositoryName'] for r in every('ecr', 'describe_repositories', 'repositories')])
listed('s3_bucket', [b['Name'] for b in client('s3').list_buckets().get('Buckets', [])])
listed('secret', [s['Name'] for s in every('secretsmanager', 'list_secrets', 'SecretList') if not s.get('DeletedDate')])
listed('log_group', [g['logGroupName'] for g in every('logs', 'describe_log_groups', 'logGroups')])
listed('sns_topic', [t['TopicArn'] for t in every('sns', 'list_topics', 'Topics')])
listed('sns_subscription', [s['SubscriptionArn'] for s in every('sns', 'list_subscriptions', 'Subscriptions')])
alarms = client('cloudwatch').describe_alarms(AlarmTypes=['MetricAlarm', 'CompositeAlarm'])
# Application Auto Scaling deletes the alarms of a policy with it; moto keeps them when the policy goes with its target.
listed('alarm', [a['AlarmName'] for key in ('MetricAlarms', 'CompositeAlarms') for a in alarms.get(key, [])
                 if not a['AlarmName'].startswith('TargetTracking-')])
listed('dashboard', [d['DashboardName'] for d in client('cloudwatch').list_dashboards().get('DashboardEntries', [])])
listed('event_rule', [r['Arn'] for r in client('events').list_rules()['Rules'] if not r.get('ManagedBy')])
listed('trail', [t['TrailARN'] for t in client('cloudtrail').describe_trails(includeShadowTrails=False)['trailList']])
listed('codebuild_project', every('codebuild', 'list_projects', 'projects'))
listed('code_pipeline', [p['name'] for p in every('codepipeline', 'list_pipelines', 'pipelines')])


def migration(kind, call, key, id_key):
    listed(kind, [i[id_key] for i in every('dms', call, key)])


migration('dms_instance', 'describe_replication_instances', 'ReplicationInstances', 'ReplicationInstanceIdentifier')
migration('dms_endpoint', 'describe_endpoints', 'Endpoints', 'EndpointIdentifier')
migration('dms_task', 'describe_replication_tasks', 'ReplicationTasks', 'ReplicationTaskIdentifier')
migration('dms_subnet_group', 'describe_replication_subnet_groups', 'ReplicationSubnetGroups', 'ReplicationSubnetGroupIdentifier')
listed('backup_vault', [v['BackupVaultName'] for v in every('backup', 'list_backup_vaults', 'BackupVaultList')])
listed('backup_plan', [p['BackupPlanId'] for p in every('backup', 'list_backup_plans', 'BackupPlansList')])
account = client('sts').get_caller_identity()['Account']
listed('budget', [b['BudgetName'] for b in client('budgets').describe_budgets(AccountId=account).get('Budgets', [])])
listed('sqs_queue', every('sqs', 'list_queues', 'QueueUrls'))
zones = [z['Id'] for z in every('route53', 'list_hosted_zones', 'HostedZones')]
listed('hosted_zone', zones)
listed('dns_record', [
    r['Name'] + r['Type'] for z in zones for r in every('route53', 'list_resource_record_sets', 'ResourceRecordSets', HostedZoneId=z)
    if r['Type'] not in ('NS', 'SOA')])
listed('health_check', [h['Id'] for h in every('route53', 'list_health_checks', 'HealthChecks')])
balancers = [b['LoadBalancerArn'] for b in every('elbv2', 'describe_load_balancers', 'LoadBalancers')]
listed('load_balancer', balancers)
listed('listener', [i['ListenerArn'] for b in balancers for i in every('elbv2', 'describe_listeners', 'Listeners', LoadBalancerArn=b)])
listed('target_group', [g['TargetGroupArn'] for g in every('elbv2', 'describe_target_groups', 'TargetGroups')])
listed('acm_certificate', [c['CertificateArn'] for c in every('acm', 'list_certificates', 'CertificateSummaryList')])
listed('waf_web_acl', [w['ARN'] for w in client('wafv2').list_web_acls(Scope='REGIONAL')['WebACLs']])
listed('waf_regex_set', [w['ARN'] for w in client('wafv2').list_regex_pattern_sets(Scope='REGIONAL')['RegexPatternSets']])
listed('waf_ip_set', [w['ARN'] for w in client('wafv2').list_ip_sets(Scope='REGIONAL')['IPSets']])
# Public parameters of AWS come with an account.
parameters = [p['Name'] for p in every('ssm', 'describe_parameters', 'Parameters')]
listed('parameter', [name for name in parameters if not name.startswith('/aws/')])
listed('file_system', [f['FileSystemId'] for f in every('efs', 'describe_file_systems', 'FileSystems')])
listed('file_system_access_point', [a['AccessPointId'] for a in client('efs').describe_access_points()['AccessPoints']])
listed('autoscaling_group', [g['AutoScalingGroupName'] for g in every('autoscaling', 'describe_auto_scaling_groups', 'AutoScalingGroups')])


def classic():
    # Ministack answers with load balancers of the other kinds.
    found = client('elb').describe_load_balancers().get('LoadBalancerDescriptions', [])
    return [b['LoadBalancerName'] for b in found if b.get('LoadBalancerName')]


listed('classic_load_balancer', classic())


def edge(service, call, *keys, **arguments):
    found = known(service, call, lambda: getattr(client(service), call)(**arguments)) or {}
    for key in keys:
        found = found.get(key) or {}
    return found or []


listed('cloudfront_distribution', [d['Id'] for d in edge('cloudfront', 'list_distributions', 'DistributionList', 'Items')])
listed('cloudfront_access_control', [c['Name'] for c in edge('cloudfront', 'list_origin_access_controls', 'OriginAccessControlList', 'Items')])
listed('cloudfront_function', [f['Name'] for f in edge('cloudfront', 'list_functions', 'FunctionList', 'Items')])
for policy in ('CachePolicy', 'OriginRequestPolicy', 'ResponseHeadersPolicy'):
    call = {'CachePolicy': 'cache', 'OriginRequestPolicy': 'origin_request', 'ResponseHeadersPolicy': 'response_headers'}[policy]
    found = edge('cloudfront', f'list_{call}_policies', f'{policy}List', 'Items', Type='custom')
    listed(f'cloudfront_{call}_policy', [p[policy][f'{policy}Config']['Name'] for p in found])
listed('shield_protection', [p['Name'] for p in edge('shield', 'list_protections', 'Protections')])
for name, call, key in (('waf_web_acl', 'list_web_acls', 'WebACLs'), ('waf_regex_set', 'list_regex_pattern_sets', 'RegexPatternSets'),
                        ('waf_ip_set', 'list_ip_sets', 'IPSets')):
    listed(f'{name}_cloudfront', [w['ARN'] for w in edge('wafv2', call, key, Scope='CLOUDFRONT')])
listed('aws_resource', [
    f"{kind}/{r['Identifier']}" for kind in ('AWS::ResourceGroups::Group', 'AWS::Scheduler::ScheduleGroup')
    for r in every('cloudcontrol', 'list_resources', 'ResourceDescriptions', TypeName=kind)])
