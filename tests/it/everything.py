# Lists every service for what is there, apart from what a fresh account holds.
ec2 = client('ec2')
vpcs = ec2.describe_vpcs()['Vpcs']
default = {v['VpcId'] for v in vpcs if v.get('IsDefault')}


def listed(name, items):
    items = sorted(str(i) for i in items)
    if items:
        out[name] = items


def every(service, call, key, **arguments):
    paginator = client(service).get_paginator(call)
    return [item for page in paginator.paginate(**arguments) for item in page.get(key, [])]


def in_ours(call, key, id_key):
    return [i[id_key] for i in every('ec2', call, key) if i.get('VpcId') not in default]


listed('vpc', {v['VpcId'] for v in vpcs} - default)
listed('subnet', in_ours('describe_subnets', 'Subnets', 'SubnetId'))
listed('route_table', in_ours('describe_route_tables', 'RouteTables', 'RouteTableId'))
listed('security_group', in_ours('describe_security_groups', 'SecurityGroups', 'GroupId'))
listed('vpc_endpoint', [e['VpcEndpointId'] for e in every('ec2', 'describe_vpc_endpoints', 'VpcEndpoints') if e['State'].lower() != 'deleted'])
listed('flow_log', [f['FlowLogId'] for f in every('ec2', 'describe_flow_logs', 'FlowLogs')])
listed('nat_gateway', [n['NatGatewayId'] for n in every('ec2', 'describe_nat_gateways', 'NatGateways') if n['State'] != 'deleted'])
listed('internet_gateway', [
    g['InternetGatewayId'] for g in every('ec2', 'describe_internet_gateways', 'InternetGateways')
    if not any(a.get('VpcId') in default for a in g.get('Attachments', []))])
listed('elastic_ip', [a.get('AllocationId') for a in ec2.describe_addresses()['Addresses']])
iam = client('iam')
listed('iam_role', [r['RoleName'] for r in every('iam', 'list_roles', 'Roles') if not r['Path'].startswith('/aws-service-role/')])
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
listed('rds_snapshot', [s['DBSnapshotIdentifier'] for s in client('rds').describe_db_snapshots(SnapshotType='manual')['DBSnapshots']])
listed('ecr_repository', [r['repositoryName'] for r in every('ecr', 'describe_repositories', 'repositories')])
listed('s3_bucket', [b['Name'] for b in client('s3').list_buckets().get('Buckets', [])])
listed('secret', [s['Name'] for s in every('secretsmanager', 'list_secrets', 'SecretList') if not s.get('DeletedDate')])
listed('log_group', [g['logGroupName'] for g in every('logs', 'describe_log_groups', 'logGroups')])
listed('sns_topic', [t['TopicArn'] for t in every('sns', 'list_topics', 'Topics')])
listed('sns_subscription', [s['SubscriptionArn'] for s in every('sns', 'list_subscriptions', 'Subscriptions')])
alarms = client('cloudwatch').describe_alarms(AlarmTypes=['MetricAlarm', 'CompositeAlarm'])
listed('alarm', [a['AlarmName'] for key in ('MetricAlarms', 'CompositeAlarms') for a in alarms.get(key, [])])
listed('dashboard', [d['DashboardName'] for d in client('cloudwatch').list_dashboards().get('DashboardEntries', [])])
listed('event_rule', [r['Arn'] for r in client('events').list_rules()['Rules'] if not r.get('ManagedBy')])
listed('trail', [t['TrailARN'] for t in client('cloudtrail').describe_trails(includeShadowTrails=False)['trailList']])
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
balancers = [b['LoadBalancerArn'] for b in every('elbv2', 'describe_load_balancers', 'LoadBalancers')]
listed('load_balancer', balancers)
listed('listener', [i['ListenerArn'] for b in balancers for i in every('elbv2', 'describe_listeners', 'Listeners', LoadBalancerArn=b)])
listed('target_group', [g['TargetGroupArn'] for g in every('elbv2', 'describe_target_groups', 'TargetGroups')])
listed('acm_certificate', [c['CertificateArn'] for c in every('acm', 'list_certificates', 'CertificateSummaryList')])
listed('waf_web_acl', [w['ARN'] for w in client('wafv2').list_web_acls(Scope='REGIONAL')['WebACLs']])
listed('waf_ip_set', [w['ARN'] for w in client('wafv2').list_ip_sets(Scope='REGIONAL')['IPSets']])
