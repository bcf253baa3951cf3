# Data in the resources of a stack, as its users would put it there.
s3, secrets, sqs, ecr = client('s3'), client('secretsmanager'), client('sqs'), client('ecr')
for bucket in s3.list_buckets()['Buckets']:
    s3.put_object(Bucket=bucket['Name'], Key='file', Body=b'data')
for secret in secrets.list_secrets()['SecretList']:
    secrets.put_secret_value(SecretId=secret['ARN'], SecretString='a secret')
for queue in sqs.list_queues().get('QueueUrls', []):
    sqs.send_message(QueueUrl=queue, MessageBody='a message')
manifest = {'schemaVersion': 2, 'mediaType': 'application/vnd.docker.distribution.manifest.v2+json',
            'config': {'mediaType': 'application/vnd.docker.container.image.v1+json', 'size': 1, 'digest': 'sha256:' + '0' * 64}, 'layers': []}
for repository in ecr.describe_repositories()['repositories']:
    ecr.put_image(repositoryName=repository['repositoryName'], imageTag='v1', imageManifest=json.dumps(manifest))
