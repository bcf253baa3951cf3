"""Corrections of moto where it differs from AWS, and a server that is warm: its modules are imported, and its applications made."""

import functools

# DescribeVpcEndpoints takes this filter at AWS; moto answers with status 500.
from moto.ec2.models.vpcs import VPCEndPoint
value_of = VPCEndPoint.get_filter_value
def filter_value(endpoint, name, method=None):
    return endpoint.id if name == 'vpc-endpoint-id' else value_of(endpoint, name, method)
VPCEndPoint.get_filter_value = filter_value
# AWS ends the associations of a subnet with it; moto keeps them.
from moto.ec2.models.subnets import SubnetBackend
delete = SubnetBackend.delete_subnet
def delete_subnet(backend, subnet_id):
    for table in backend.route_tables.values():
        for association in [a for a, subnet in table._associations.items() if subnet == subnet_id]:
            del table._associations[association]
    return delete(backend, subnet_id)
SubnetBackend.delete_subnet = delete_subnet
# AWS finds what has one of the keys; moto wants all keys of a resource to be among them.
from moto.ec2 import utils as ec2_utils
matches = ec2_utils.is_filter_matching
def is_filter_matching(resource, name, wanted):
    if name == 'tag-key' and wanted is not None:
        return bool(set(resource.get_filter_value(name) or []) & set(wanted))
    return matches(resource, name, wanted)
ec2_utils.is_filter_matching = is_filter_matching
# DescribeNetworkAcls takes this filter at AWS, too.
from moto.ec2.models.network_acls import NetworkAcl
acl_value_of = NetworkAcl.get_filter_value
def acl_filter_value(acl, name, method=None):
    return acl.id if name == 'network-acl-id' else acl_value_of(acl, name, method)
NetworkAcl.get_filter_value = acl_filter_value
# AWS takes the tags of an attachment under its own type.
from moto.ec2.responses.transit_gateway_attachments import TransitGatewayAttachment
specifications = TransitGatewayAttachment._parse_tag_specification
def of_attachments(response, *args):
    found = specifications(response, *args)
    return {'transit-gateway-route-table': found['transit-gateway-attachment']} if 'transit-gateway-attachment' in found else found
TransitGatewayAttachment._parse_tag_specification = of_attachments
# AWS associates an attachment with the default route table only if its gateway is set so, and ends that association, too.
from moto.ec2.models.transit_gateway_attachments import TransitGatewayAttachmentBackend
attach = TransitGatewayAttachmentBackend.create_transit_gateway_vpc_attachment
def create_attachment(backend, *args, **kwargs):
    made = attach(backend, *args, **kwargs)
    if backend.transit_gateways[made.transit_gateway_id].options['DefaultRouteTableAssociation'] == 'disable':
        made.transit_gateway_route_table.route_table_associations.pop(made.id, None)
        made.transit_gateway_route_table = None
    return made
TransitGatewayAttachmentBackend.create_transit_gateway_vpc_attachment = create_attachment
# No route table has references to prefix lists, which moto lacks.
from moto.core.responses import ActionResult
from moto.ec2.responses.transit_gateway_route_tables import TransitGatewayRouteTable
no_references = lambda response: ActionResult({'TransitGatewayPrefixListReferences': []})
TransitGatewayRouteTable.get_transit_gateway_prefix_list_references = no_references
# AWS shows a bucket in the index of its own region, moto in that of every region.
from types import SimpleNamespace
from moto.resourcegroupstaggingapi.models import ResourceGroupsTaggingAPIBackend as Index
s3_backend = Index.s3_backend.fget
def buckets_of_region(index):
    backend = s3_backend(index)
    here = {name: bucket for name, bucket in backend.buckets.items() if bucket.region_name == index.region_name}
    return SimpleNamespace(buckets=here, tagger=backend.tagger)
Index.s3_backend = property(buckets_of_region)
# It has no Contributor Insights, and answers with status 500.
from moto.core.responses import ActionResult
from moto.dynamodb.responses import DynamoHandler
DynamoHandler.describe_contributor_insights = lambda handler: ActionResult({'ContributorInsightsStatus': 'DISABLED'})
# It names automated backups of clusters by the minute and keeps them, so a cluster could not be created again at once.
from moto.rds.models import DBCluster
DBCluster.save_automated_backup = lambda cluster: None
# The path of Backup's ListTags may end without a slash.
from moto.backup.responses import BackupResponse
list_tags = BackupResponse.list_tags
def list_tags_of(response):
    response.path = response.path.rstrip('/') + '/'
    return list_tags(response)
BackupResponse.list_tags = list_tags_of
# It has no replication of file systems, no replacement of instances and no notifications: none is set.
from moto.efs.responses import EFSResponse
EFSResponse.describe_replication_configurations = lambda response: ('{}', {'Content-Type': 'application/json'})
from moto.autoscaling.responses import AutoScalingResponse
AutoScalingResponse.describe_instance_refreshes = lambda response: ActionResult({'InstanceRefreshes': []})
AutoScalingResponse.describe_notification_configurations = lambda response: ActionResult({'NotificationConfigurations': []})
# It has no Global Accelerator, and answers with status 500: there are no accelerators.
from moto.moto_server.werkzeug_app import DomainDispatcherApplication as Dispatcher
dispatch = Dispatcher.__call__
def without_accelerators(app, environ, start_response):
    if not environ.get('HTTP_X_AMZ_TARGET', '').startswith('GlobalAccelerator'):
        return dispatch(app, environ, start_response)
    start_response('200 OK', [('Content-Type', 'application/x-amz-json-1.1')])
    return [b'{}']
Dispatcher.__call__ = without_accelerators

import os
import random
import tempfile

from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
from werkzeug.test import Client

# These answers never change, and moto works them out anew in each request: from folders, from the endpoints of all services, and from classes.
import boto3.session
from moto.core import responses as core_responses
Dispatcher.get_backend_for_host = functools.cache(Dispatcher.get_backend_for_host)
partitions = tuple(boto3.session.Session().get_available_partitions())
boto3.session.Session.get_available_partitions = lambda session: partitions
core_responses.method_names_from_class = functools.cache(core_responses.method_names_from_class)

# A call for each application that most tests need.
CALLS = {
    'ec2': 'DescribeVpcs&Version=2016-11-15',
    'iam': 'ListRoles&Version=2010-05-08',
    'rds': 'DescribeDBInstances&Version=2014-10-31',
    'sts': 'GetCallerIdentity&Version=2011-06-15',
    'elasticloadbalancing': 'DescribeLoadBalancers&Version=2015-12-01',
}

application = DomainDispatcherApplication(create_backend_app)
application.debug = True


def request(service, body, **headers):
    scope = f'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0'
    headers = {'Authorization': scope, 'Content-Type': 'application/x-www-form-urlencoded', **headers}
    return Client(application).post('/', data=body, headers=headers)


def warm():
    for service, call in CALLS.items():
        answer = request(service, f'Action={call}')
        assert answer.status_code == 200, answer.data
    # The index asks all services.
    target = {'X-Amz-Target': 'ResourceGroupsTaggingAPI_20170126.GetResources', 'Content-Type': 'application/x-amz-json-1.1'}
    assert b'ResourceTagMappingList' in request('tagging', '{}', **target).data


def serve(port, folder):
    """Serves on a port, in a process of its own, with a folder for its files."""
    log = os.open(os.path.join(folder, 'log'), os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(folder)
    tempfile.tempdir = folder
    os.environ['MOTO_PORT'] = str(port)
    # All processes would give the same ids.
    random.seed()
    mock_random.seed()
    run_simple('127.0.0.1', port, application, threaded=True)
