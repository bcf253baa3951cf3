# Takes acme's marks off a resource, around its back: `kind`, `id` and `arn` are given.
keys = ['acme:stack', 'acme:environment', 'acme:address', 'acme:on-delete']
if kind.startswith('eks_'):
    client('eks').untag_resource(resourceArn=arn, tagKeys=keys)
elif kind.startswith(('rds_', 'aurora_')):
    client('rds').remove_tags_from_resource(ResourceName=arn, TagKeys=keys)
elif kind.startswith('waf_'):
    client('wafv2').untag_resource(ResourceARN=arn, TagKeys=keys)
elif kind == 'classic_load_balancer':
    client('elb').remove_tags(LoadBalancerNames=[id], Tags=[{'Key': key} for key in keys])
elif kind == 'autoscaling_group':
    group = {'ResourceId': id, 'ResourceType': 'auto-scaling-group'}
    client('autoscaling').delete_tags(Tags=[{**group, 'Key': key} for key in keys])
elif kind in ('file_system', 'file_system_access_point'):
    # Ministack removes the first key of a call only.
    for key in keys:
        client('efs').untag_resource(ResourceId=id, TagKeys=[key])
elif kind == 'parameter':
    client('ssm').remove_tags_from_resource(ResourceType='Parameter', ResourceId=id, TagKeys=keys)
elif kind in ('load_balancer', 'target_group', 'listener'):
    client('elbv2').remove_tags(ResourceArns=[arn], TagKeys=keys)
elif kind.startswith('cache_'):
    client('elasticache').remove_tags_from_resource(ResourceName=arn, TagKeys=keys)
elif kind == 'dynamodb_table':
    client('dynamodb').untag_resource(ResourceArn=arn, TagKeys=keys)
elif kind == 'ecr_repository':
    client('ecr').untag_resource(resourceArn=arn, tagKeys=keys)
elif kind == 'kms_key':
    client('kms').untag_resource(KeyId=id, TagKeys=keys)
elif kind in ('ecr_registry', 'ecr_creation_template', 'ecr_pull_through_cache'):
    client('ssm').delete_parameter(Name=f'/acme/ownership/{kind}/{id}')
elif kind == 'secret':
    client('secretsmanager').untag_resource(SecretId=id, TagKeys=keys)
elif kind == 'log_group':
    client('logs').untag_resource(resourceArn=arn, tagKeys=keys)
elif kind == 'sns_topic':
    client('sns').untag_resource(ResourceArn=arn, TagKeys=keys)
elif kind in ('metric_alarm', 'composite_alarm', 'dashboard'):
    client('cloudwatch').untag_resource(ResourceARN=arn, TagKeys=keys)
elif kind == 'event_rule':
    client('events').untag_resource(ResourceARN=arn, TagKeys=keys)
elif kind == 'trail':
    client('cloudtrail').remove_tags(ResourceId=arn, TagsList=[{'Key': key} for key in keys])
elif kind in ('backup_vault', 'backup_plan'):
    client('backup').untag_resource(ResourceArn=arn, TagKeyList=keys)
elif kind == 'budget':
    client('budgets').untag_resource(ResourceARN=arn, ResourceTagKeys=keys)
elif kind == 'codebuild_project':
    tags = client('codebuild').batch_get_projects(names=[id])['projects'][0]['tags']
    client('codebuild').update_project(name=id, tags=[tag for tag in tags if tag['key'] not in keys])
elif kind.startswith('dms_'):
    client('dms').remove_tags_from_resource(ResourceArn=arn, TagKeys=keys)
elif kind == 'code_pipeline':
    client('codepipeline').untag_resource(resourceArn=arn, tagKeys=keys)
elif kind == 'sqs_queue':
    client('sqs').untag_queue(QueueUrl=id, TagKeys=keys)
elif kind == 'certificate':
    client('acm').remove_tags_from_certificate(CertificateArn=id, Tags=[{'Key': key} for key in keys])
elif kind == 'dns_zone':
    client('route53').change_tags_for_resource(ResourceType='hostedzone', ResourceId=id, RemoveTagKeys=keys)
elif kind == 'health_check':
    client('route53').change_tags_for_resource(ResourceType='healthcheck', ResourceId=id, RemoveTagKeys=keys)
elif kind == 'dns_record':
    zone, domain = id.split('/')[:2]
    sets = client('route53').list_resource_record_sets(HostedZoneId=zone)['ResourceRecordSets']
    marks = [s for s in sets if s['Name'].startswith('_acme-') and s['Name'].rstrip('.').endswith(domain)]
    changes = [{'Action': 'DELETE', 'ResourceRecordSet': s} for s in marks]
    client('route53').change_resource_record_sets(HostedZoneId=zone, ChangeBatch={'Changes': changes})
elif kind in ('cloudfront_distribution', 'cloudfront_function'):
    client('cloudfront').untag_resource(Resource=arn, TagKeys={'Items': keys + ['acme:region']})
elif kind.startswith('cloudfront_'):
    # The mark is the end of a description.
    calls = {
        'cloudfront_access_control': ('origin_access_control', 'OriginAccessControl', 'Description'),
        'cloudfront_cache_policy': ('cache_policy', 'CachePolicy', 'Comment'),
        'cloudfront_headers_policy': ('response_headers_policy', 'ResponseHeadersPolicy', 'Comment'),
        'cloudfront_origin_request_policy': ('origin_request_policy', 'OriginRequestPolicy', 'Comment'),
    }
    call, shape, field = calls[kind]
    current = getattr(client('cloudfront'), 'get_' + call)(Id=id)
    config = current[shape][shape + 'Config']
    config[field] = config[field].split('[acme ')[0].rstrip()
    getattr(client('cloudfront'), 'update_' + call)(Id=id, IfMatch=current['ETag'], **{shape + 'Config': config})
elif kind == 'aws_resource':
    import json
    resource = dict(zip(('TypeName', 'Identifier'), id.split('/', 1)))
    model = json.loads(client('cloudcontrol').get_resource(**resource)['ResourceDescription']['Properties'])
    tags = [tag for tag in model['Tags'] if tag['Key'] not in keys]
    patch = json.dumps([{'op': 'add', 'path': '/Tags', 'value': tags}])
    client('cloudcontrol').update_resource(PatchDocument=patch, **resource)
elif kind == 'shield_protection':
    client('shield').untag_resource(ResourceARN=arn, TagKeys=keys + ['acme:region'])
elif kind == 's3_bucket':
    client('s3').delete_bucket_tagging(Bucket=id)
elif kind == 'iam_role':
    client('iam').untag_role(RoleName=id, TagKeys=keys)
elif kind == 'iam_policy':
    client('iam').untag_policy(PolicyArn=arn, TagKeys=keys)
elif kind == 'instance_profile':
    client('iam').untag_instance_profile(InstanceProfileName=id, TagKeys=keys)
elif kind == 'oidc_provider':
    client('iam').untag_open_id_connect_provider(OpenIDConnectProviderArn=arn, TagKeys=keys)
else:
    client('ec2').delete_tags(Resources=[id], Tags=[{'Key': key} for key in keys])
