#!/usr/bin/env python3
"""Writes the digest of the CloudFormation schemas that `aws_resource` reads.

    tools/cloud_control_digest.py SCHEMAS > resources/src/aws/types/aws_resource/types.json

SCHEMAS is a folder with the schemas that AWS publishes, one file per type, as `aws cloudformation describe-type` returns them or as
https://schema.cloudformation.us-east-1.amazonaws.com/CloudformationSchema.zip contains them (`aws-lambda-function.json`).

The tables below list the supported types. A schema does not say what their ARNs look like, which of them hold data, and which of their
properties are secrets. The script refuses a type with a property that AWS never reports, or that looks like a secret, which is in none of the
tables `SECRETS`, `NAMED_VALUES` and `REVIEWED`: their values are shown in plans and kept in records.
"""

import json
import re
import sys
from pathlib import Path

REGIONAL = "arn:aws:{service}:{{region}}:{{account}}:"
GLOBAL = "arn:aws:{service}::{{account}}:"

# Type -> ARN after the account; `{Property}` is part of the primary identifier, `{}` a part without `/` and `:` that is not.
TYPES = {
    "AWS::ACMPCA::CertificateAuthority": ("acm-pca", "certificate-authority/{}"),
    "AWS::APS::Workspace": ("aps", "workspace/{}"),
    "AWS::AccessAnalyzer::Analyzer": ("access-analyzer", "analyzer/{}"),
    "AWS::ApiGateway::RestApi": ("apigateway", "/restapis/{RestApiId}"),
    "AWS::ApiGatewayV2::Api": ("apigateway", "/apis/{ApiId}"),
    "AWS::AppConfig::Application": ("appconfig", "application/{ApplicationId}"),
    "AWS::AppConfig::Environment": ("appconfig", "application/{ApplicationId}/environment/{EnvironmentId}"),
    "AWS::Athena::WorkGroup": ("athena", "workgroup/{Name}"),
    "AWS::Backup::Framework": ("backup", "framework:{}"),
    "AWS::Backup::ReportPlan": ("backup", "report-plan:{}"),
    "AWS::Batch::JobQueue": ("batch", "job-queue/{}"),
    "AWS::Batch::SchedulingPolicy": ("batch", "scheduling-policy/{}"),
    "AWS::CE::CostCategory": ("ce", "costcategory/{}"),
    "AWS::CloudWatch::MetricStream": ("cloudwatch", "metric-stream/{Name}"),
    "AWS::CodeArtifact::Domain": ("codeartifact", "domain/{}"),
    "AWS::CodeArtifact::Repository": ("codeartifact", "repository/{}/{}"),
    "AWS::Cognito::IdentityPool": ("cognito-identity", "identitypool/{+Id}"),
    "AWS::Cognito::UserPool": ("cognito-idp", "userpool/{UserPoolId}"),
    "AWS::Config::AggregationAuthorization": ("config", "aggregation-authorization/{AuthorizedAccountId}/{AuthorizedAwsRegion}"),
    "AWS::Config::StoredQuery": ("config", "stored-query/{QueryName}/{}"),
    "AWS::EC2::CarrierGateway": ("ec2", "carrier-gateway/{CarrierGatewayId}"),
    "AWS::EC2::CustomerGateway": ("ec2", "customer-gateway/{CustomerGatewayId}"),
    "AWS::EC2::DHCPOptions": ("ec2", "dhcp-options/{DhcpOptionsId}"),
    "AWS::EC2::InstanceConnectEndpoint": ("ec2", "instance-connect-endpoint/{Id}"),
    "AWS::EC2::NetworkInsightsPath": ("ec2", "network-insights-path/{NetworkInsightsPathId}"),
    "AWS::EC2::NetworkInterface": ("ec2", "network-interface/{Id}"),
    "AWS::EC2::PrefixList": ("ec2", "prefix-list/{PrefixListId}"),
    "AWS::EC2::VPCPeeringConnection": ("ec2", "vpc-peering-connection/{Id}"),
    "AWS::EC2::VPNConnection": ("ec2", "vpn-connection/{VpnConnectionId}"),
    "AWS::EC2::VPNGateway": ("ec2", "vpn-gateway/{VPNGatewayId}"),
    "AWS::ECS::Cluster": ("ecs", "cluster/{ClusterName}"),
    "AWS::EKS::IdentityProviderConfig": ("eks", "identityproviderconfig/{ClusterName}/{Type}/{IdentityProviderConfigName}/{}"),
    "AWS::EMRServerless::Application": ("emr-serverless", "/applications/{ApplicationId}"),
    "AWS::ElastiCache::ServerlessCache": ("elasticache", "serverlesscache:{ServerlessCacheName}"),
    "AWS::Events::EventBus": ("events", "event-bus/{Name}"),
    "AWS::FIS::ExperimentTemplate": ("fis", "experiment-template/{Id}"),
    "AWS::Glue::Crawler": ("glue", "crawler/{Name}"),
    "AWS::Glue::Job": ("glue", "job/{Name}"),
    "AWS::Grafana::Workspace": ("grafana", "/workspaces/{Id}"),
    "AWS::GuardDuty::Detector": ("guardduty", "detector/{Id}"),
    "AWS::IAM::SAMLProvider": ("iam", "saml-provider/{}"),
    "AWS::InternetMonitor::Monitor": ("internetmonitor", "monitor/{MonitorName}"),
    "AWS::Kinesis::Stream": ("kinesis", "stream/{Name}"),
    "AWS::Lambda::CodeSigningConfig": ("lambda", "code-signing-config:{}"),
    "AWS::Lambda::EventSourceMapping": ("lambda", "event-source-mapping:{Id}"),
    "AWS::Lambda::Function": ("lambda", "function:{FunctionName}"),
    "AWS::MSK::Cluster": ("kafka", "cluster/{}/{}"),
    "AWS::MemoryDB::Cluster": ("memorydb", "cluster/{ClusterName}"),
    "AWS::NetworkFirewall::Firewall": ("network-firewall", "firewall/{}"),
    "AWS::NetworkFirewall::FirewallPolicy": ("network-firewall", "firewall-policy/{}"),
    "AWS::NetworkFirewall::RuleGroup": ("network-firewall", "{}-rulegroup/{}"),
    "AWS::Oam::Link": ("oam", "link/{}"),
    "AWS::Oam::Sink": ("oam", "sink/{}"),
    "AWS::OpenSearchService::Domain": ("es", "domain/{DomainName}"),
    "AWS::Pipes::Pipe": ("pipes", "pipe/{Name}"),
    "AWS::RUM::AppMonitor": ("rum", "appmonitor/{Name}"),
    "AWS::ResourceGroups::Group": ("resource-groups", "group/{Name}"),
    "AWS::RolesAnywhere::Profile": ("rolesanywhere", "profile/{ProfileId}"),
    "AWS::RolesAnywhere::TrustAnchor": ("rolesanywhere", "trust-anchor/{TrustAnchorId}"),
    "AWS::Route53Resolver::FirewallRuleGroup": ("route53resolver", "firewall-rule-group/{Id}"),
    "AWS::Route53Resolver::ResolverEndpoint": ("route53resolver", "resolver-endpoint/{ResolverEndpointId}"),
    "AWS::Route53Resolver::ResolverRule": ("route53resolver", "resolver-rule/{ResolverRuleId}"),
    "AWS::S3::AccessPoint": ("s3", "accesspoint/{Name}"),
    "AWS::SES::ConfigurationSet": ("ses", "configuration-set/{Name}"),
    "AWS::SES::ContactList": ("ses", "contact-list/{ContactListName}"),
    "AWS::SES::EmailIdentity": ("ses", "identity/{EmailIdentity}"),
    "AWS::SSM::MaintenanceWindow": ("ssm", "maintenancewindow/{WindowId}"),
    "AWS::SSM::PatchBaseline": ("ssm", "patchbaseline/{Id}"),
    "AWS::Scheduler::ScheduleGroup": ("scheduler", "schedule-group/{Name}"),
    "AWS::SecurityHub::Hub": ("securityhub", "hub/{}"),
    "AWS::Signer::SigningProfile": ("signer", "/signing-profiles/{}"),
    "AWS::StepFunctions::Activity": ("states", "activity:{}"),
    "AWS::StepFunctions::StateMachine": ("states", "stateMachine:{}"),
    "AWS::Synthetics::Canary": ("synthetics", "canary:{Name}"),
    "AWS::Timestream::Database": ("timestream", "database/{DatabaseName}"),
    "AWS::Transfer::Server": ("transfer", "server/{}"),
    "AWS::VpcLattice::Service": ("vpc-lattice", "service/{}"),
    "AWS::VpcLattice::ServiceNetwork": ("vpc-lattice", "servicenetwork/{}"),
    "AWS::XRay::Group": ("xray", "group/{}/{}"),
    "AWS::XRay::SamplingRule": ("xray", "sampling-rule/{}"),
}

# ARNs without an account.
WITHOUT_ACCOUNT = {"apigateway"}

# Services without regions: their resources are in the index of the partition's region for global services.
WITHOUT_REGION = {"ce", "iam"}

# Types whose resources may hold data, or settings that a person made in them, which a new one lacks.
DATA = {
    "AWS::ACMPCA::CertificateAuthority",
    "AWS::APS::Workspace",
    "AWS::CodeArtifact::Domain",
    "AWS::CodeArtifact::Repository",
    "AWS::Cognito::IdentityPool",
    "AWS::Cognito::UserPool",
    "AWS::ElastiCache::ServerlessCache",
    "AWS::Grafana::Workspace",
    "AWS::GuardDuty::Detector",
    "AWS::Kinesis::Stream",
    "AWS::MSK::Cluster",
    "AWS::MemoryDB::Cluster",
    "AWS::OpenSearchService::Domain",
    "AWS::SES::ContactList",
    "AWS::SecurityHub::Hub",
    "AWS::Timestream::Database",
    "AWS::Transfer::Server",
}

# Properties with secrets -> the remedy.
SECRETS = {
    "AWS::EC2::VPNConnection": {
        "VpnTunnelOptionsSpecifications/*/PreSharedKey": "leave it out: AWS generates a key, and with `PreSharedKeyStorage: SecretsManager` keeps it in a secret",
    },
    "AWS::OpenSearchService::Domain": {
        "AdvancedSecurityOptions/MasterUserOptions/MasterUserPassword": "use `MasterUserOptions: {MasterUserARN: …}`, an IAM role",
    },
    "AWS::SES::EmailIdentity": {
        "DkimSigningAttributes/DomainSigningPrivateKey": "leave it out: SES generates and rotates a key (Easy DKIM)",
    },
    "AWS::IAM::SAMLProvider": {
        "AddPrivateKey": "set it outside acme: `aws iam update-saml-provider`",
        "PrivateKeyList/*/PrivateKey": "set it outside acme: `aws iam update-saml-provider`",
    },
}

# What takes the place of a plain secret.
IN_CODE = "put it into a secret, set its ARN, and read the secret in the code"
BY_CONNECTION = "leave it out: the connection of the API destination has the credentials"

# Maps, and lists of objects with `Name` and `Value`, in which people put passwords and tokens -> the remedy. Values whose names say so are
# refused in definitions, and hidden in what AWS reports.
NAMED_VALUES = {
    "AWS::Athena::WorkGroup": {
        "WorkGroupConfiguration/EngineConfiguration/AdditionalConfigs": IN_CODE,
        "WorkGroupConfiguration/EngineConfiguration/Classifications/*/Properties": IN_CODE,
        "WorkGroupConfiguration/EngineConfiguration/SparkProperties": IN_CODE,
    },
    "AWS::EMRServerless::Application": {
        "RuntimeConfiguration/*/Properties": "put it into a secret, and set `EMR.secret@` and its ARN",
        "RuntimeConfiguration/*/Configurations/*/Properties": "put it into a secret, and set `EMR.secret@` and its ARN",
        "RuntimeConfiguration/*/Configurations/*/Configurations/*/Properties": "put it into a secret, and set `EMR.secret@` and its ARN",
    },
    "AWS::FIS::ExperimentTemplate": {
        "Actions/*/Parameters": "leave it out: the document of the action reads the secret",
        "Targets/*/Parameters": "leave it out",
    },
    "AWS::Glue::Job": {"DefaultArguments": IN_CODE, "NonOverridableArguments": IN_CODE},
    "AWS::Lambda::Function": {"Environment/Variables": IN_CODE},
    "AWS::Pipes::Pipe": {
        "EnrichmentParameters/HttpParameters/HeaderParameters": BY_CONNECTION,
        "EnrichmentParameters/HttpParameters/QueryStringParameters": BY_CONNECTION,
        "TargetParameters/BatchJobParameters/ContainerOverrides/Environment": "set it in the job definition, as a secret",
        "TargetParameters/BatchJobParameters/Parameters": "set it in the job definition, as a secret",
        "TargetParameters/EcsTaskParameters/Overrides/ContainerOverrides/*/Environment": "set it in the task definition, as a secret",
        "TargetParameters/HttpParameters/HeaderParameters": BY_CONNECTION,
        "TargetParameters/HttpParameters/QueryStringParameters": BY_CONNECTION,
    },
    "AWS::StepFunctions::StateMachine": {"DefinitionSubstitutions": "put it into a secret, and read the secret in a task"},
    "AWS::Synthetics::Canary": {"RunConfig/EnvironmentVariables": IN_CODE},
}

# Properties that AWS never reports, or whose names look like those of secrets, and that are none.
REVIEWED = {
    # Parts of certificates, which are public.
    "AWS::ACMPCA::CertificateAuthority": ["CsrExtensions", "KeyStorageSecurityStandard", "RevocationConfiguration", "Subject"],
    # The description of the API, which its export contains, and how it is read.
    "AWS::ApiGateway::RestApi": ["Body", "BodyS3Location", "CloneFrom", "FailOnWarnings", "Mode", "Parameters"],
    "AWS::ApiGatewayV2::Api": [
        "BasePath", "Body", "BodyS3Location", "BodyS3Location/Bucket", "BodyS3Location/Etag", "BodyS3Location/Key", "BodyS3Location/Version",
        "CredentialsArn", "DisableSchemaValidation", "FailOnWarnings", "RouteKey", "Target",
    ],
    "AWS::AppConfig::Environment": ["DeletionProtectionCheck"],
    # Sizes, and settings of the notebook engine.
    "AWS::Athena::WorkGroup": [
        "RecursiveDeleteOption",
        "WorkGroupConfiguration/AdditionalConfiguration",
        "WorkGroupConfiguration/EngineConfiguration/CoordinatorDpuSize",
        "WorkGroupConfiguration/EngineConfiguration/DefaultExecutorDpuSize",
        "WorkGroupConfiguration/EngineConfiguration/MaxConcurrentDpus",
    ],
    # ARNs of functions, streams, roles and applications.
    "AWS::Cognito::IdentityPool": ["CognitoEvents", "CognitoStreams", "PushSync"],
    "AWS::Cognito::UserPool": ["EnabledMfas"],
    "AWS::EC2::NetworkInterface": ["PublicIpDnsHostnameTypeSpecification"],
    "AWS::EC2::VPCPeeringConnection": ["AssumeRoleRegion", "PeerRoleArn"],
    # Where AWS keeps the keys: `Standard` or `SecretsManager`.
    "AWS::EC2::VPNConnection": ["PreSharedKeyStorage"],
    "AWS::ECS::Cluster": ["ServiceConnectDefaults"],
    "AWS::ElastiCache::ServerlessCache": ["FinalSnapshotName", "SnapshotArnsToRestore"],
    "AWS::Events::EventBus": ["EventSourceName"],
    "AWS::InternetMonitor::Monitor": ["IncludeLinkedAccounts", "LinkedAccountId"],
    "AWS::Kinesis::Stream": ["WarmThroughputMiBps"],
    # Code, and where it is.
    "AWS::Lambda::Function": [
        "Code/ImageUri", "Code/S3Bucket", "Code/S3Key", "Code/S3ObjectStorageMode", "Code/S3ObjectVersion", "Code/SourceKMSKeyArn", "Code/ZipFile",
        "PublishToLatestPublished", "SnapStart", "SnapStart/ApplyOn",
    ],
    "AWS::MSK::Cluster": ["ZookeeperAccess"],
    "AWS::MemoryDB::Cluster": ["FinalSnapshotName", "MultiRegionClusterName", "SnapshotArns", "SnapshotName"],
    "AWS::Oam::Link": ["LabelTemplate"],
    # A public key, and names of roles and users; the password is in `SECRETS`.
    "AWS::OpenSearchService::Domain": [
        "AdvancedSecurityOptions/JWTOptions/PublicKey",
        "AdvancedSecurityOptions/MasterUserOptions",
        "AdvancedSecurityOptions/SAMLOptions/MasterBackendRole",
        "AdvancedSecurityOptions/SAMLOptions/MasterUserName",
    ],
    # Credentials in them are ARNs of secrets, and the rest is in `NAMED_VALUES`.
    "AWS::Pipes::Pipe": ["SourceParameters", "TargetParameters"],
    "AWS::RolesAnywhere::Profile": ["RequireInstanceProperties"],
    "AWS::SES::EmailIdentity": ["DkimSigningAttributes/DomainSigningSelector"],
    "AWS::SecurityHub::Hub": ["EnableDefaultStandards"],
    "AWS::StepFunctions::StateMachine": ["Definition", "DefinitionS3Location"],
    # Code, where it is, and how the canary starts and ends.
    "AWS::Synthetics::Canary": [
        "Code/S3Bucket", "Code/S3Key", "Code/S3ObjectVersion", "Code/Script", "DeleteLambdaResourcesOnCanaryDeletion", "DryRunAndUpdate",
        "StartCanaryAfterCreation", "VisualReferences",
    ],
}

# Names of properties that hold secrets, and how schemas describe such.
SECRET_NAME = re.compile(r"(password|passphrase|secret|token|apikey|privatekey|presharedkey|credential)$", re.IGNORECASE)
SENSITIVE = re.compile(r"/definitions/\w*sensitive", re.IGNORECASE)

# Settings of single calls, which have no meaning in a definition of a state.
NOT_A_STATE = {
    "AWS::Athena::WorkGroup": ["WorkGroupConfigurationUpdates"],
    "AWS::InternetMonitor::Monitor": ["ResourcesToAdd", "ResourcesToRemove"],
    "AWS::IAM::SAMLProvider": ["RemovePrivateKey"],
    "AWS::Grafana::Workspace": ["ClientToken"],
    "AWS::EC2::InstanceConnectEndpoint": ["ClientToken"],
    "AWS::Synthetics::Canary": ["ResourcesToReplicateTags", "VisualReference"],
}

# Attributes with the ARN whose names don't say so.
ARN_PROPERTIES = {"AWS::Config::StoredQuery": "QueryArn"}

# Deeper properties are not checked.
MAX_DEPTH = 7


def path(pointer):
    """`/properties/Code/S3Key` as `Code/S3Key`; items of a list and values of a map are `*`."""
    parts = [part for part in pointer.split("/")[1:] if part not in ("properties", "items")]
    return "/".join("*" if part == "*" else part for part in parts)


def resolve(schema, node, seen):
    """Follows references; `None` for a recursive one."""
    while "$ref" in node:
        name = node["$ref"]
        if name in seen:
            return None, seen
        seen = seen | {name}
        target = schema
        for part in name.lstrip("#/").split("/"):
            target = target[part]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return node, seen


def shape(schema, node, seen=frozenset(), depth=0):
    """The shape of a value: `s`, `i`, `n`, `b`, `j` (anything), `[item]`, `[item, 0]` without an order, `{"Name!": …}` with required names,
    `{"*": value}` for a map."""
    node, seen = resolve(schema, node, seen)
    if node is None or depth > MAX_DEPTH:
        return "j"
    kind = node.get("type")
    if isinstance(kind, list):
        return "j"
    if kind == "array" or (kind is None and "items" in node):
        item = shape(schema, node.get("items", {}), seen, depth + 1)
        return [item, 0] if node.get("insertionOrder") is False else [item]
    if kind == "object" or (kind is None and "properties" in node):
        fields = node.get("properties")
        if fields:
            required = set(node.get("required", []))
            return {
                name + ("!" if name in required else ""): shape(schema, field, seen, depth + 1)
                for name, field in sorted(fields.items())
            }
        patterns = list((node.get("patternProperties") or {}).values())
        more = node.get("additionalProperties")
        values = patterns or ([more] if isinstance(more, dict) else [])
        return {"*": shape(schema, values[0], seen, depth + 1)} if len(values) == 1 else "j"
    return {"string": "s", "integer": "i", "number": "n", "boolean": "b"}.get(kind, "j")


def secret_texts(schema, node, at="", seen=frozenset()):
    """Paths of texts, and of maps, that look like secrets by their name, their format or the name of their definition."""
    is_sensitive = bool(SENSITIVE.search(node.get("$ref", "")))
    node, seen = resolve(schema, node, seen)
    if node is None:
        return
    below = [
        *((f"{at}/{name}", field) for name, field in node.get("properties", {}).items()),
        *((f"{at}/*", each) for each in [node.get("items"), *node.get("patternProperties", {}).values()] if isinstance(each, dict)),
    ]
    is_text = node.get("type") == "string" and "enum" not in node
    if is_text and (is_sensitive or node.get("format") == "password" or SECRET_NAME.search(at)):
        yield at.strip("/")
    for path_below, field in below:
        yield from secret_texts(schema, field, path_below, seen)


def check_secrets(name, schema, write_only, left_out):
    """Refuses a schema with properties that may be secrets, and about which no table says so or not."""
    named = NAMED_VALUES.get(name, {})
    known = set(SECRETS.get(name, {})) | set(REVIEWED.get(name, [])) | set(named)
    read_only = {path(one) for one in schema.get("readOnlyProperties", [])}
    settable = {field: node for field, node in schema["properties"].items() if field not in left_out}
    texts = {one for field, node in settable.items() for one in secret_texts(schema, node, field)}
    texts = {one for one in texts if one not in read_only and not any(one.startswith(map_path + "/") for map_path in named)}
    unknown = sorted((write_only | texts) - known)
    if unknown:
        sys.exit(f"{name}: review {', '.join(unknown)}, and add them to SECRETS, NAMED_VALUES or REVIEWED")
    unused = sorted(one for one in REVIEWED.get(name, []) if one not in write_only | texts)
    if unused:
        sys.exit(f"{name}: REVIEWED lists {', '.join(unused)}, which the schema neither hides nor names like a secret")


# What handlers may do with services other than their own: the schemas list everything that CloudFormation's own role can do. acme grants
# `iam:PassRole` for the roles of the definition only, and creates no roles or keys in a handler's name.
OTHER_SERVICES = {
    "iam": {"iam:GetRole", "iam:GetPolicy", "iam:ListRoles"},
    "kms": {
        "kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom", "kms:ReEncryptTo",
    },
    "s3": {"s3:GetBucketLocation", "s3:GetBucketPolicy", "s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket"},
    "secretsmanager": set(),
}

# Actions that schemas name, and that IAM does not know.
UNKNOWN_ACTIONS = {"es:UpdateDomain", "lambda:GetLayerVersionByArn", "network-firewall:ListTagsForResources"}


def actions(name, schema, *handlers):
    own = TYPES[name][0]
    all_of = {action for handler in handlers for action in schema["handlers"].get(handler, {}).get("permissions", [])}
    # Some schemas write `EC2:` and `Batch:`.
    lowered = {":".join((action.split(":")[0].lower(), *action.split(":")[1:])) for action in all_of}
    named = {action for action in lowered - UNKNOWN_ACTIONS if re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z0-9]+", action)}
    allowed = lambda action: action.split(":")[0] == own or action in OTHER_SERVICES.get(action.split(":")[0], {action})
    return {action for action in named if allowed(action)}


def digest(name, schema):
    service, rest = TYPES[name]
    arn = (GLOBAL if service in WITHOUT_REGION else REGIONAL).format(service=service) + rest
    if service in WITHOUT_ACCOUNT:
        arn = arn.replace("{account}", "")
    tagging = schema["tagging"]
    assert tagging["taggable"] and tagging["tagOnCreate"], name
    tag_property = path(tagging["tagProperty"])
    identifier = [path(one) for one in schema["primaryIdentifier"]]
    read_only = {path(one) for one in schema.get("readOnlyProperties", [])}
    left_out = set(NOT_A_STATE.get(name, [])) | {tag_property} | {one for one in read_only if "/" not in one}
    required = set(schema.get("required", []))
    properties, attributes = {}, {}
    for field, node in sorted(schema["properties"].items()):
        form = shape(schema, node)
        if field in read_only:
            attributes[field] = form if form in ("s", "i", "n", "b") or form == ["s"] or form == ["s", 0] else "j"
        elif field not in left_out:
            properties[field + ("!" if field in required else "")] = form
    tag_shape = shape(schema, schema["properties"][tag_property])
    create_only = {path(one) for one in schema.get("createOnlyProperties", [])}
    write_only = {path(one) for one in schema.get("writeOnlyProperties", [])}
    secrets = SECRETS.get(name, {})
    check_secrets(name, schema, write_only - left_out, left_out)
    last = name.split("::")[-1].lower()
    arn_property = ARN_PROPERTIES.get(name) or next((field for field in attributes if field.lower() in ("arn", last + "arn", "rulearn")), None)
    assert arn_property or "{}" not in rest, name
    handlers = schema["handlers"]
    listed = "list" in handlers and not handlers["list"].get("handlerSchema", {}).get("required")
    entry = {
        "id": identifier,
        "arn": arn,
        "arn_property": arn_property,
        "tags": tag_property,
        "tags_as_map": not isinstance(tag_shape, list),
        "data": name in DATA,
        "global": service in WITHOUT_REGION,
        "listed": listed,
        "create_only": sorted(create_only - left_out),
        "conditional": sorted(path(one) for one in schema.get("conditionalCreateOnlyProperties", [])),
        "read_only": sorted(one for one in read_only if "/" in one),
        "write_only": sorted(one for one in write_only - left_out if one not in secrets),
        "secrets": secrets,
        "named_values": NAMED_VALUES.get(name),
        "not_a_state": sorted(NOT_A_STATE.get(name, [])),
        "immutable": "update" not in handlers,
        "attributes": attributes,
        "properties": properties,
        "read_actions": sorted(actions(name, schema, "read", "list")),
        "change_actions": sorted(actions(name, schema, "create", "update", "delete") - actions(name, schema, "read", "list")),
    }
    return {key: value for key, value in entry.items() if value not in (None, False, [], {})}


def main(folder):
    lines = []
    for name in sorted(TYPES):
        schema = json.loads((Path(folder) / (name.lower().replace("::", "-") + ".json")).read_text())
        line = json.dumps(digest(name, schema), separators=(",", ":"), ensure_ascii=False)
        lines.append(f"{json.dumps(name)}:{line}")
    source = (
        "AWS's CloudFormation resource schemas of August 2026 "
        "(https://schema.cloudformation.us-east-1.amazonaws.com/CloudformationSchema.zip); written by tools/cloud_control_digest.py"
    )
    print("{" + f"\n\"source\":{json.dumps(source)},\n\"types\":{{\n" + ",\n".join(lines) + "\n}}")


if __name__ == "__main__":
    main(sys.argv[1])
