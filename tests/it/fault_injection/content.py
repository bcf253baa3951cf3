# What there is and how it is set, in words that two runs share: physical ids are told by the address in the marks, `<vpc.main>`.
# Each service is read as a user would read it; what a fresh account holds is left out, as in everything.py.
import re

# Left out everywhere, because two runs that are both right differ in it:
VOLATILE = {
    # When something happened,
    'CreateDate', 'CreateTime', 'CreatedAt', 'CreatedDate', 'CreatedTime', 'CreationDate', 'CreationTime', 'CreationTimestamp',
    'InstanceCreateTime', 'LastAccessedDate', 'LastChangedDate', 'LastModifiedDate', 'LastUpdatedDate', 'LastModifiedTime',
    'LatestRestorableTime', 'StartTime', 'CreationDateTime', 'LastUpdatedTime', 'LastUpdateDateTime',
    'IssuedAt', 'NotBefore', 'NotAfter', 'RoleLastUsed', 'UpdateDate', 'createdAt', 'modifiedAt', 'ValidTo',
    # what AWS draws for itself and nobody wrote,
    'AllocationId', 'AssociationId', 'CallerReference', 'CustomerOwnedIp', 'DbiResourceId', 'CurrentKeyMaterialId', 'ENI', 'LockToken',
    'Main', 'NetworkInterfaceId', 'NetworkInterfaceIds', 'OwnerId', 'PrivateIp', 'PrivateIpAddress', 'PublicIp', 'RoleId', 'PolicyId',
    'platformVersion',
    'InstanceProfileId', 'RouteTableAssociationId', 'SecurityGroupRuleId', 'SerialNumber', 'VersionIdsToStages', 'certificateAuthority',
    'endpoint', 'Endpoint', 'ReaderEndpoint', 'NameServers', 'DefaultVersionId', 'resources', 'ResponseMetadata', 'DnsEntries',
    # and what counts how often something was changed.
    'AttachmentCount', 'PermissionsBoundaryUsageCount', 'ResourceRecordSetCount', 'Capacity',
}
ADDRESS = 'acme:address'
ec2, iam, kms, rds, eks = client('ec2'), client('iam'), client('kms'), client('rds'), client('eks')
names = {}
# What can't be created again, by address, in its own words.
data = {}


def every(service, call, key, **arguments):
    paginator = client(service).get_paginator(call)
    return [item for page in paginator.paginate(**arguments) for item in page.get(key, [])]


def pairs(tags):
    if isinstance(tags, dict):
        return tags
    return {t.get('Key', t.get('TagKey')): t.get('Value', t.get('TagValue')) for t in tags or []}


def add(kind, item, tags, *ids):
    tags = pairs(tags)
    item = {k: v for k, v in item.items() if k not in ('Tags', 'tags', 'TagList', 'TagSet')}
    out.setdefault(kind, []).append({**item, 'tags': tags})
    for n, i in enumerate(i for i in ids if i):
        names[str(i)] = f"<{tags.get(ADDRESS, 'unmarked ' + kind)}{'.' + str(n) if n else ''}>"


def lose(tags, value):
    if ADDRESS in pairs(tags):
        data[pairs(tags)[ADDRESS]] = value


def gone(call, **arguments):
    """The answer, or None where there is no such thing."""
    try:
        return {k: v for k, v in call(**arguments).items() if k != 'ResponseMetadata'}
    except Exception as error:
        if hasattr(error, 'response'):
            return None
        raise


vpcs = ec2.describe_vpcs()['Vpcs']
default = {v['VpcId'] for v in vpcs if v.get('IsDefault')}


def ours(call, key):
    return [i for i in every('ec2', call, key) if i.get('VpcId') not in default]


for v in ours('describe_vpcs', 'Vpcs'):
    attributes = {a: ec2.describe_vpc_attribute(VpcId=v['VpcId'], Attribute=a)[a[0].upper() + a[1:]]
                  for a in ('enableDnsSupport', 'enableDnsHostnames')}
    add('vpc', {**v, **attributes}, v.get('Tags'), v['VpcId'])
for s in ours('describe_subnets', 'Subnets'):
    # How many addresses are free is the affair of what lies within.
    s.pop('AvailableIpAddressCount', None)
    add('subnet', s, s.get('Tags'), s['SubnetId'])
for r in ours('describe_route_tables', 'RouteTables'):
    # The one that comes with the VPC is nobody's.
    if any(a.get('Main') for a in r['Associations']):
        r['Tags'] = [{'Key': ADDRESS, 'Value': 'main route table'}]
    add('route_table', r, r.get('Tags'), r['RouteTableId'])
for g in ours('describe_security_groups', 'SecurityGroups'):
    if g['GroupName'] == 'default':
        g['Tags'] = [{'Key': ADDRESS, 'Value': 'default security group'}]
    add('security_group', g, g.get('Tags'), g['GroupId'])
for g in every('ec2', 'describe_internet_gateways', 'InternetGateways'):
    if not any(a.get('VpcId') in default for a in g.get('Attachments', [])):
        add('internet_gateway', g, g.get('Tags'), g['InternetGatewayId'])
for n in every('ec2', 'describe_nat_gateways', 'NatGateways'):
    if n['State'] != 'deleted':
        # Which address it has is told by the id, the address itself is drawn.
        n['allocations'] = [a.get('AllocationId') for a in n.pop('NatGatewayAddresses', [])]
        add('nat_gateway', n, n.get('Tags'), n['NatGatewayId'])
for a in ec2.describe_addresses()['Addresses']:
    add('elastic_ip', a, a.get('Tags'), a['AllocationId'])
    lose(a.get('Tags'), a.get('PublicIp'))
for e in every('ec2', 'describe_vpc_endpoints', 'VpcEndpoints'):
    if e['State'].lower() != 'deleted':
        add('vpc_endpoint', e, e.get('Tags'), e['VpcEndpointId'])
for f in every('ec2', 'describe_flow_logs', 'FlowLogs'):
    add('flow_log', f, f.get('Tags'), f['FlowLogId'])

for a in ours('describe_network_acls', 'NetworkAcls'):
    if not a['IsDefault']:
        add('network_acl', a, a.get('Tags'), a['NetworkAclId'])
for g in every('ec2', 'describe_egress_only_internet_gateways', 'EgressOnlyInternetGateways'):
    add('egress_only_gateway', g, g.get('Tags'), g['EgressOnlyInternetGatewayId'])
for t in every('ec2', 'describe_launch_templates', 'LaunchTemplates'):
    versions = ec2.describe_launch_template_versions(LaunchTemplateId=t['LaunchTemplateId'], Versions=['$Default'])
    # A rollback makes another version with the earlier content.
    t = {k: v for k, v in t.items() if not k.endswith('VersionNumber')}
    t['data'] = versions['LaunchTemplateVersions'][0]['LaunchTemplateData']
    add('launch_template', t, t.get('Tags'), t['LaunchTemplateId'])

for r in every('iam', 'list_roles', 'Roles'):
    if r['Path'].startswith('/aws-service-role/'):
        continue
    name = r['RoleName']
    r = iam.get_role(RoleName=name)['Role']
    r['attached'] = [p['PolicyArn'] for p in every('iam', 'list_attached_role_policies', 'AttachedPolicies', RoleName=name)]
    r['inline'] = {p: iam.get_role_policy(RoleName=name, PolicyName=p)['PolicyDocument']
                   for p in every('iam', 'list_role_policies', 'PolicyNames', RoleName=name)}
    add('iam_role', r, r.get('Tags'))
for p in every('iam', 'list_policies', 'Policies', Scope='Local'):
    p = iam.get_policy(PolicyArn=p['Arn'])['Policy']
    p['document'] = iam.get_policy_version(PolicyArn=p['Arn'], VersionId=p['DefaultVersionId'])['PolicyVersion']['Document']
    add('iam_policy', p, p.get('Tags'))
for p in every('iam', 'list_instance_profiles', 'InstanceProfiles'):
    p = iam.get_instance_profile(InstanceProfileName=p['InstanceProfileName'])['InstanceProfile']
    add('instance_profile', {**p, 'Roles': [r['RoleName'] for r in p['Roles']]}, p.get('Tags'))
for p in iam.list_open_id_connect_providers()['OpenIDConnectProviderList']:
    provider = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=p['Arn'])
    add('oidc_provider', {**provider, **p}, provider.get('Tags'))

aliases = every('kms', 'list_aliases', 'Aliases')
services = {a.get('TargetKeyId') for a in aliases if a['AliasName'].startswith('alias/aws/')}
for k in every('kms', 'list_keys', 'Keys'):
    meta = kms.describe_key(KeyId=k['KeyId'])['KeyMetadata']
    if meta['KeyState'] == 'PendingDeletion' or meta.get('KeyManager') == 'AWS' or k['KeyId'] in services:
        continue
    meta['rotation'] = kms.get_key_rotation_status(KeyId=k['KeyId'])['KeyRotationEnabled']
    meta['policy'] = kms.get_key_policy(KeyId=k['KeyId'], PolicyName='default')['Policy']
    tags = kms.list_resource_tags(KeyId=k['KeyId'])['Tags']
    add('kms_key', meta, tags, k['KeyId'])
    lose(tags, k['KeyId'])
out['kms_alias'] = [a for a in aliases if not a['AliasName'].startswith('alias/aws/')]

for name in every('eks', 'list_clusters', 'clusters'):
    c = eks.describe_cluster(name=name)['cluster']
    add('eks_cluster', c, c.get('tags'), c.get('identity', {}).get('oidc', {}).get('issuer', '').removeprefix('https://'))
    for n in every('eks', 'list_nodegroups', 'nodegroups', clusterName=name):
        n = eks.describe_nodegroup(clusterName=name, nodegroupName=n)['nodegroup']
        add('eks_node_group', n, n.get('tags'), n['nodegroupArn'].rsplit('/', 1)[1])
    for a in every('eks', 'list_addons', 'addons', clusterName=name):
        a = eks.describe_addon(clusterName=name, addonName=a)['addon']
        add('eks_addon', a, a.get('tags'), a['addonArn'].rsplit('/', 1)[1])


def rds_tags(arn):
    return rds.list_tags_for_resource(ResourceName=arn)['TagList']


for i in every('rds', 'describe_db_instances', 'DBInstances'):
    add('rds_instance', i, rds_tags(i['DBInstanceArn']), i.get('MasterUserSecret', {}).get('SecretArn'))
for g in every('rds', 'describe_db_subnet_groups', 'DBSubnetGroups'):
    if g['DBSubnetGroupName'] != 'default':
        add('rds_subnet_group', g, rds_tags(g['DBSubnetGroupArn']))
for g in every('rds', 'describe_db_parameter_groups', 'DBParameterGroups'):
    if not g['DBParameterGroupName'].startswith('default.'):
        # A parameter that is set to the engine's default is as good as unset: a rollback sets the value that the engine had.
        rds.create_db_parameter_group(DBParameterGroupName='witness', DBParameterGroupFamily=g['DBParameterGroupFamily'], Description='-')
        usual = {p['ParameterName']: p.get('ParameterValue')
                 for p in every('rds', 'describe_db_parameters', 'Parameters', DBParameterGroupName='witness')}
        rds.delete_db_parameter_group(DBParameterGroupName='witness')
        set_by = every('rds', 'describe_db_parameters', 'Parameters', DBParameterGroupName=g['DBParameterGroupName'], Source='user')
        set_by = [p for p in set_by if p.get('ParameterValue') != usual.get(p['ParameterName'])]
        add('rds_parameter_group', {**g, 'parameters': set_by}, rds_tags(g['DBParameterGroupArn']))
for p in every('rds', 'describe_db_proxies', 'DBProxies'):
    name = p['DBProxyName']
    p['pool'] = rds.describe_db_proxy_target_groups(DBProxyName=name)['TargetGroups'][0]['ConnectionPoolConfig']
    p['targets'] = [t['RdsResourceId'] for t in rds.describe_db_proxy_targets(DBProxyName=name)['Targets']]
    add('rds_proxy', p, rds_tags(p['DBProxyArn']))
for g in every('rds', 'describe_global_clusters', 'GlobalClusters'):
    add('aurora_global', g, g.get('TagList'))
for s in rds.describe_db_snapshots(SnapshotType='manual')['DBSnapshots']:
    add('rds_snapshot', s, s.get('TagList'))

ecr = client('ecr')
for r in every('ecr', 'describe_repositories', 'repositories'):
    policy = gone(ecr.get_lifecycle_policy, repositoryName=r['repositoryName']) or {}
    r['lifecycle'] = policy.get('lifecyclePolicyText')
    r['access'] = (gone(ecr.get_repository_policy, repositoryName=r['repositoryName']) or {}).get('policyText')
    tags = ecr.list_tags_for_resource(resourceArn=r['repositoryArn'])['tags']
    add('ecr_repository', r, tags)
    lose(tags, sorted(i.get('imageTag', '') for i in every('ecr', 'list_images', 'imageIds', repositoryName=r['repositoryName'])))

s3 = client('s3')
for b in s3.list_buckets().get('Buckets', []):
    bucket = {'Bucket': b['Name']}
    settings = {call: gone(getattr(s3, call), **bucket) for call in (
        'get_bucket_versioning', 'get_bucket_encryption', 'get_public_access_block', 'get_bucket_policy',
        'get_bucket_lifecycle_configuration', 'get_bucket_cors', 'get_bucket_ownership_controls',
        'get_bucket_notification_configuration', 'get_bucket_replication', 'get_object_lock_configuration', 'get_bucket_logging',
        'get_bucket_website', 'get_bucket_accelerate_configuration')}
    tags = (gone(s3.get_bucket_tagging, **bucket) or {}).get('TagSet')
    add('s3_bucket', {**b, **settings}, tags)
    lose(tags, sorted(o['Key'] for o in every('s3', 'list_objects_v2', 'Contents', **bucket)))

secrets = client('secretsmanager')
for s in every('secretsmanager', 'list_secrets', 'SecretList'):
    if not s.get('DeletedDate'):
        s['policy'] = (gone(secrets.get_resource_policy, SecretId=s['ARN']) or {}).get('ResourcePolicy')
        value = (gone(secrets.get_secret_value, SecretId=s['ARN']) or {}).get('SecretString')
        lose(s.get('Tags'), value)
        # The last six characters are drawn.
        add('secret', {**s, 'SecretVersionsToStages': None}, s.get('Tags'), s['ARN'])

route53 = client('route53')
for z in every('route53', 'list_hosted_zones', 'HostedZones'):
    short = z['Id'].rsplit('/', 1)[1]
    tags = route53.list_tags_for_resource(ResourceType='hostedzone', ResourceId=short)['ResourceTagSet']['Tags']
    add('hosted_zone', z, tags, short)
    lose(tags, sorted(gone(route53.get_hosted_zone, Id=short).get('DelegationSet', {}).get('NameServers', [])))
    # The zone's own records name the servers that were drawn.
    out.setdefault('dns_record', []).extend(
        {'zone': z['Name'], **r} for r in every('route53', 'list_resource_record_sets', 'ResourceRecordSets', HostedZoneId=short)
        if r['Type'] not in ('NS', 'SOA'))
for h in every('route53', 'list_health_checks', 'HealthChecks'):
    tags = route53.list_tags_for_resource(ResourceType='healthcheck', ResourceId=h['Id'])['ResourceTagSet']['Tags']
    add('health_check', {**h, 'CallerReference': None, 'HealthCheckVersion': None}, tags, h['Id'])

elb = client('elbv2')


def elb_tags(arn):
    return elb.describe_tags(ResourceArns=[arn])['TagDescriptions'][0]['Tags']


balancers = every('elbv2', 'describe_load_balancers', 'LoadBalancers')
for b in balancers:
    arn = b['LoadBalancerArn']
    b['attributes'] = pairs(elb.describe_load_balancer_attributes(LoadBalancerArn=arn)['Attributes'])
    add('load_balancer', b, elb_tags(arn), arn.rsplit('/', 1)[1], b['DNSName'])
    lose(elb_tags(arn), b['DNSName'])
    for i in every('elbv2', 'describe_listeners', 'Listeners', LoadBalancerArn=arn):
        add('listener', i, elb_tags(i['ListenerArn']), i['ListenerArn'].rsplit('/', 1)[1])
for g in every('elbv2', 'describe_target_groups', 'TargetGroups'):
    arn = g['TargetGroupArn']
    # ministack never removes a deleted load balancer from its target groups; AWS lists those that route to the group.
    g['LoadBalancerArns'] = [a for a in g['LoadBalancerArns'] if a in {b['LoadBalancerArn'] for b in balancers}]
    g['attributes'] = pairs(elb.describe_target_group_attributes(TargetGroupArn=arn)['Attributes'])
    add('target_group', g, elb_tags(arn), arn.rsplit('/', 1)[1])

acm = client('acm')
for c in every('acm', 'list_certificates', 'CertificateSummaryList'):
    arn = c['CertificateArn']
    add('acm_certificate', acm.describe_certificate(CertificateArn=arn)['Certificate'],
        acm.list_tags_for_certificate(CertificateArn=arn)['Tags'], arn.rsplit('/', 1)[1])

waf = client('wafv2')
for w in waf.list_web_acls(Scope='REGIONAL')['WebACLs']:
    acl = waf.get_web_acl(Scope='REGIONAL', Name=w['Name'], Id=w['Id'])['WebACL']
    acl['guards'] = waf.list_resources_for_web_acl(WebACLArn=w['ARN'], ResourceType='APPLICATION_LOAD_BALANCER')['ResourceArns']
    add('waf_web_acl', acl, waf.list_tags_for_resource(ResourceARN=w['ARN'])['TagInfoForResource']['TagList'], w['Id'])
for w in waf.list_ip_sets(Scope='REGIONAL')['IPSets']:
    ip_set = waf.get_ip_set(Scope='REGIONAL', Name=w['Name'], Id=w['Id'])['IPSet']
    add('waf_ip_set', ip_set, waf.list_tags_for_resource(ResourceARN=w['ARN'])['TagInfoForResource']['TagList'], w['Id'])
for w in waf.list_regex_pattern_sets(Scope='REGIONAL')['RegexPatternSets']:
    regex_set = waf.get_regex_pattern_set(Scope='REGIONAL', Name=w['Name'], Id=w['Id'])['RegexPatternSet']
    add('waf_regex_set', regex_set, waf.list_tags_for_resource(ResourceARN=w['ARN'])['TagInfoForResource']['TagList'], w['Id'])

sqs = client('sqs')
for url in every('sqs', 'list_queues', 'QueueUrls'):
    queue = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=['All'])['Attributes']
    tags = sqs.list_queue_tags(QueueUrl=url).get('Tags', {})
    lose(tags, queue.pop('ApproximateNumberOfMessages', None))
    queue = {k: v for k, v in queue.items() if not k.startswith('Approximate') and not k.endswith('Timestamp')}
    add('sqs_queue', queue, tags)

ssm = client('ssm')
for p in every('ssm', 'describe_parameters', 'Parameters'):
    tags = ssm.list_tags_for_resource(ResourceType='Parameter', ResourceId=p['Name'])['TagList']
    value = ssm.get_parameter(Name=p['Name'], WithDecryption=True)['Parameter']['Value']
    if p['Type'] == 'SecureString':
        lose(tags, value)
    # The version counts changes, and so does the one in acme's tag about the secret.
    tags = [t for t in tags if t['Key'] != 'acme:secret']
    add('parameter', {**p, 'Version': None, 'value': None if p['Type'] == 'SecureString' else value}, tags)

efs = client('efs')
for f in every('efs', 'describe_file_systems', 'FileSystems'):
    own = {'FileSystemId': f['FileSystemId']}
    targets = efs.describe_mount_targets(**own)['MountTargets']
    f['targets'] = [{'subnet': t['SubnetId'], 'groups': sorted(
        efs.describe_mount_target_security_groups(MountTargetId=t['MountTargetId'])['SecurityGroups'])} for t in targets]
    f['lifecycle'] = efs.describe_lifecycle_configuration(**own)['LifecyclePolicies']
    f['policy'] = (gone(efs.describe_file_system_policy, **own) or {}).get('Policy')
    add('file_system', {**f, 'CreationToken': None, 'SizeInBytes': None}, f.get('Tags'), f['FileSystemId'])
    lose(f.get('Tags'), f['FileSystemId'])
for a in efs.describe_access_points()['AccessPoints']:
    add('file_system_access_point', {**a, 'ClientToken': None}, a.get('Tags'), a['AccessPointId'])

scaling = client('autoscaling')
for g in every('autoscaling', 'describe_auto_scaling_groups', 'AutoScalingGroups'):
    of = {'AutoScalingGroupName': g['AutoScalingGroupName']}
    g['policies'] = [{k: v for k, v in p.items() if k not in ('PolicyARN', 'Alarms')} for p in scaling.describe_policies(**of)['ScalingPolicies']]
    g['hooks'] = scaling.describe_lifecycle_hooks(**of)['LifecycleHooks']
    actions = scaling.describe_scheduled_actions(**of)['ScheduledUpdateGroupActions']
    g['schedules'] = [{k: v for k, v in a.items() if k != 'ScheduledActionARN'} for a in actions]
    g['propagated'] = sorted(t['Key'] for t in g['Tags'] if t['PropagateAtLaunch'])
    g['Instances'] = len(g['Instances'])
    add('autoscaling_group', {**g, 'AutoScalingGroupARN': None}, g.get('Tags'))
logs = client('logs')
for g in every('logs', 'describe_log_groups', 'logGroups'):
    g['metric_filters'] = every('logs', 'describe_metric_filters', 'metricFilters', logGroupName=g['logGroupName'])
    g['subscriptions'] = every('logs', 'describe_subscription_filters', 'subscriptionFilters', logGroupName=g['logGroupName'])
    g = {k: v for k, v in g.items() if k not in ('creationTime', 'storedBytes')}
    add('log_group', g, logs.list_tags_log_group(logGroupName=g['logGroupName'])['tags'])

cloudwatch = client('cloudwatch')
alarms = cloudwatch.describe_alarms(AlarmTypes=['MetricAlarm', 'CompositeAlarm'])
for a in [a for key in ('MetricAlarms', 'CompositeAlarms') for a in alarms.get(key, [])]:
    a = {k: v for k, v in a.items() if not k.startswith('State') and not k.endswith('Timestamp')}
    add('alarm', a, cloudwatch.list_tags_for_resource(ResourceARN=a['AlarmArn'])['Tags'])
for d in cloudwatch.list_dashboards().get('DashboardEntries', []):
    body = json.loads(cloudwatch.get_dashboard(DashboardName=d['DashboardName'])['DashboardBody'])
    out.setdefault('dashboard', []).append({'Name': d['DashboardName'], 'body': body})

events = client('events')
for r in events.list_rules()['Rules']:
    r['targets'] = events.list_targets_by_rule(Rule=r['Name'])['Targets']
    add('event_rule', r, events.list_tags_for_resource(ResourceARN=r['Arn'])['Tags'])

cloudtrail = client('cloudtrail')
for t in cloudtrail.describe_trails(includeShadowTrails=False)['trailList']:
    t['logging'] = cloudtrail.get_trail_status(Name=t['Name'])['IsLogging']
    t['selectors'] = gone(cloudtrail.get_event_selectors, TrailName=t['Name'])
    tags = cloudtrail.list_tags(ResourceIdList=[t['TrailARN']])['ResourceTagList'][0]['TagsList']
    add('trail', t, tags)

backup = client('backup')
for v in every('backup', 'list_backup_vaults', 'BackupVaultList'):
    name = {'BackupVaultName': v['BackupVaultName']}
    v['policy'] = gone(backup.get_backup_vault_access_policy, **name)
    v['notifications'] = gone(backup.get_backup_vault_notifications, **name)
    v['CreatorRequestId'] = None
    add('backup_vault', v, backup.list_tags(ResourceArn=v['BackupVaultArn'])['Tags'])
for p in every('backup', 'list_backup_plans', 'BackupPlansList'):
    plan = backup.get_backup_plan(BackupPlanId=p['BackupPlanId'])['BackupPlan']
    rules = [{k: v for k, v in rule.items() if k != 'RuleId'} for rule in plan['Rules']]
    selections = backup.list_backup_selections(BackupPlanId=p['BackupPlanId'])['BackupSelectionsList']
    selections = [backup.get_backup_selection(BackupPlanId=p['BackupPlanId'], SelectionId=s['SelectionId'])['BackupSelection']
                  for s in selections]
    add('backup_plan', {**plan, 'Rules': rules, 'selections': selections}, backup.list_tags(ResourceArn=p['BackupPlanArn'])['Tags'],
        p['BackupPlanId'])

budgets = client('budgets')
account = client('sts').get_caller_identity()['Account']
for b in budgets.describe_budgets(AccountId=account).get('Budgets', []):
    budget = {'AccountId': account, 'BudgetName': b['BudgetName']}
    b['notifications'] = [
        {**n, 'subscribers': budgets.describe_subscribers_for_notification(**budget, Notification=n)['Subscribers']}
        for n in budgets.describe_notifications_for_budget(**budget).get('Notifications', [])]
    b = {k: v for k, v in b.items() if k not in ('CalculatedSpend', 'TimePeriod')}
    arn = f"arn:aws:budgets::{account}:budget/{b['BudgetName']}"
    add('budget', b, (gone(budgets.list_tags_for_resource, ResourceARN=arn) or {}).get('ResourceTags'))

sns = client('sns')
for t in every('sns', 'list_topics', 'Topics'):
    arn = {'TopicArn': t['TopicArn']}
    topic = {k: v for k, v in sns.get_topic_attributes(**arn)['Attributes'].items() if not k.startswith('Subscriptions')}
    topic['subscriptions'] = [
        {**sns.get_subscription_attributes(SubscriptionArn=s['SubscriptionArn'])['Attributes'], 'SubscriptionArn': None}
        for s in every('sns', 'list_subscriptions_by_topic', 'Subscriptions', **arn) if s['SubscriptionArn'].startswith('arn:')]
    add('sns_topic', topic, sns.list_tags_for_resource(ResourceArn=t['TopicArn'])['Tags'])

dynamodb = client('dynamodb')
for name in every('dynamodb', 'list_tables', 'TableNames'):
    table = dynamodb.describe_table(TableName=name)['Table']
    table = {k: v for k, v in table.items() if k not in ('TableId', 'LatestStreamArn', 'LatestStreamLabel', 'ItemCount', 'TableSizeBytes')}
    if 'ProvisionedThroughput' in table:
        table['ProvisionedThroughput'] = {k: v for k, v in table['ProvisionedThroughput'].items() if k.endswith('Units')}
    table['ttl'] = dynamodb.describe_time_to_live(TableName=name)['TimeToLiveDescription']
    recovery = dynamodb.describe_continuous_backups(TableName=name)['ContinuousBackupsDescription']
    table['recovery'] = recovery.get('PointInTimeRecoveryDescription', {}).get('PointInTimeRecoveryStatus')
    add('dynamodb_table', table, every('dynamodb', 'list_tags_of_resource', 'Tags', ResourceArn=table['TableArn']))

for c in every('rds', 'describe_db_clusters', 'DBClusters'):
    c = {k: v for k, v in c.items() if k not in ('ClusterCreateTime', 'DbClusterResourceId', 'EarliestRestorableTime')}
    add('aurora_cluster', c, rds_tags(c['DBClusterArn']), c.get('MasterUserSecret', {}).get('SecretArn'))
for g in every('rds', 'describe_db_cluster_parameter_groups', 'DBClusterParameterGroups'):
    if not g['DBClusterParameterGroupName'].startswith('default.'):
        set_by = every('rds', 'describe_db_cluster_parameters', 'Parameters',
                       DBClusterParameterGroupName=g['DBClusterParameterGroupName'], Source='user')
        add('aurora_parameter_group', {**g, 'parameters': set_by}, rds_tags(g['DBClusterParameterGroupArn']))
for s in rds.describe_db_cluster_snapshots(SnapshotType='manual')['DBClusterSnapshots']:
    add('aurora_snapshot', s, s.get('TagList'))

cache = client('elasticache')


def cached(kind, call, key, id_key, more=lambda item: {}):
    for i in every('elasticache', call, key):
        # The default user is AWS's own.
        if not i[id_key].startswith('default'):
            i = {k: v for k, v in i.items() if not k.endswith(('CreateTime', 'CreatedTime')) and k not in ('CacheNodes', 'NodeGroups')}
            add(kind, {**i, **more(i)}, cache.list_tags_for_resource(ResourceName=i['ARN'])['TagList'])


cached('cache_cluster', 'describe_cache_clusters', 'CacheClusters', 'CacheClusterId')
cached('cache_replication_group', 'describe_replication_groups', 'ReplicationGroups', 'ReplicationGroupId')
cached('cache_subnet_group', 'describe_cache_subnet_groups', 'CacheSubnetGroups', 'CacheSubnetGroupName')
cached('cache_parameter_group', 'describe_cache_parameter_groups', 'CacheParameterGroups', 'CacheParameterGroupName', lambda g: {
    'parameters': every('elasticache', 'describe_cache_parameters', 'Parameters', CacheParameterGroupName=g['CacheParameterGroupName'],
                        Source='user')})
cached('cache_user', 'describe_users', 'Users', 'UserId')
cached('cache_user_group', 'describe_user_groups', 'UserGroups', 'UserGroupId')
front = client('cloudfront')


def front_items(call, *keys, **arguments):
    # moto has no policies and functions of CloudFront.
    try:
        found = getattr(front, call)(**arguments)
    except Exception:
        return []
    for key in keys:
        found = found.get(key) or {}
    return found or []


def marked(config, field):
    """Tags from the mark at the end of a description, which is taken off."""
    text, _, mark = config[field].partition('[acme ')
    parts = mark.rstrip(']').split('/')
    config[field] = text.rstrip()
    return dict(zip(('acme:stack', 'acme:environment', ADDRESS, 'acme:region'), parts)) if len(parts) == 4 else {}


for c in front_items('list_origin_access_controls', 'OriginAccessControlList', 'Items'):
    tags = marked(c, 'Description')
    add('cloudfront_access_control', {k: v for k, v in c.items() if k != 'Id'}, tags, c['Id'])
for call, shape in (('cache', 'CachePolicy'), ('origin_request', 'OriginRequestPolicy'), ('response_headers', 'ResponseHeadersPolicy')):
    for p in front_items(f'list_{call}_policies', f'{shape}List', 'Items', Type='custom'):
        config = p[shape][f'{shape}Config']
        tags = marked(config, 'Comment')
        add(f'cloudfront_{call}_policy', config, tags, p[shape]['Id'])
for f in front_items('list_functions', 'FunctionList', 'Items', Stage='DEVELOPMENT'):
    live = gone(front.describe_function, Name=f['Name'], Stage='LIVE')
    code = gone(front.get_function, Name=f['Name'], Stage='LIVE')
    tags = front.list_tags_for_resource(Resource=f['FunctionMetadata']['FunctionARN'])['Tags'].get('Items', [])
    published = live and live['FunctionSummary']['FunctionConfig']
    add('cloudfront_function', {'Name': f['Name'], 'config': published, 'code': code and code['FunctionCode'].read().decode()}, tags)
for d in front_items('list_distributions', 'DistributionList', 'Items'):
    config = front.get_distribution_config(Id=d['Id'])['DistributionConfig']
    tags = front.list_tags_for_resource(Resource=d['ARN'])['Tags'].get('Items', [])
    add('cloudfront_distribution', config, tags, d['Id'], d['DomainName'])
    lose(tags, d['DomainName'])
shield = client('shield')
try:
    protections = shield.list_protections()['Protections']
except Exception:
    # ministack has no Shield.
    protections = []
for p in protections:
    tags = shield.list_tags_for_resource(ResourceARN=p['ProtectionArn'])['Tags']
    add('shield_protection', {k: v for k, v in p.items() if k not in ('Id', 'ProtectionArn')}, tags, p['Id'])
for w in (gone(waf.list_web_acls, Scope='CLOUDFRONT') or {}).get('WebACLs', []):
    acl = waf.get_web_acl(Scope='CLOUDFRONT', Name=w['Name'], Id=w['Id'])['WebACL']
    add('waf_web_acl', acl, waf.list_tags_for_resource(ResourceARN=w['ARN'])['TagInfoForResource']['TagList'], w['Id'])

for kind in ('AWS::ResourceGroups::Group', 'AWS::Scheduler::ScheduleGroup'):
    # moto has no Cloud Control.
    for r in (gone(client('cloudcontrol').list_resources, TypeName=kind) or {}).get('ResourceDescriptions', []):
        model = json.loads(r['Properties'])
        add('aws_resource', {'kind': kind, **model}, model.get('Tags'), f"{kind}/{r['Identifier']}")

# Ids that carry no marks: what they are of is all that two runs share.
UNKNOWN = re.compile(r'\b(sgr|aclassoc|eigw|lt|eni|eipassoc|rtbassoc|acl|dopt|vpc|subnet|sg|rtb|igw|nat|vpce|fl|eipalloc)-[0-9a-f]{8,17}\b')
# Names of the secrets that RDS keeps for its databases.
OWNED_SECRET = re.compile(r'rds!(cluster|db)-[0-9a-f]{8}-[0-9a-f-]{27}')
known = re.compile('|'.join(re.escape(i) for i in sorted(names, key=len, reverse=True)) or '$^')


def said(value):
    if isinstance(value, dict):
        return {said(k): said(v) for k, v in value.items() if k not in VOLATILE}
    if isinstance(value, (list, tuple)):
        return sorted((said(v) for v in value), key=lambda v: json.dumps(v, sort_keys=True, default=str))
    if isinstance(value, str):
        value = OWNED_SECRET.sub(r'rds!\1', known.sub(lambda match: names[match[0]], value))
        return UNKNOWN.sub(r'<\1>', value)
    return value


out = {kind: said(items) for kind, items in out.items() if items}
if data:
    out['data'] = data
