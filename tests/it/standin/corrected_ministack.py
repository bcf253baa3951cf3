"""Starts ministack, with corrections where it differs from AWS.

Ends when the test's end of the pipe closes, so that it never outlives a killed test run. `save NAME` on that pipe saves its state, `load NAME`
restores it.
"""

import copy, os, sys, threading
answers = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)
saved = {}
def stores():
    from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict
    for name, module in list(sys.modules.items()):
        for value in list(vars(module).values()) if name.startswith('ministack.services') else []:
            if isinstance(value, (AccountRegionScopedDict, AccountScopedDict)):
                yield value._data
            elif isinstance(value, set):
                yield value
def save(name):
    saved[name] = copy.deepcopy({id(store): store for store in stores()})
def load(name):
    held = copy.deepcopy(saved[name])
    for store in stores():
        # A set of a module that was imported since may be a constant.
        if id(store) in held or isinstance(store, dict):
            then = held.get(id(store), {})
            store.clear()
            store.update(then)
def watch():
    for line in sys.stdin:
        command, name = line.split()
        {'save': save, 'load': load}[command](name)
        print(line, end='', file=answers, flush=True)
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
sys.argv = ['ministack']
# AWS gives the very address that is asked for, or none; ministack gives any.
from ministack.services import ec2
allocate, any_ip = ec2._ACTION_MAP['AllocateAddress'], ec2._random_ip
def allocate_address(p):
    ec2._random_ip = lambda prefix: ec2._p(p, 'Address') or any_ip(prefix)
    try:
        return allocate(p)
    finally:
        ec2._random_ip = any_ip
ec2._ACTION_MAP['AllocateAddress'] = allocate_address
# A new bucket blocks all public access at AWS; ministack's does so only when it checks signatures.
from ministack.services import s3
s3._new_bucket_public_access_block = lambda: {'_public_access_block': s3._NEW_BUCKET_PUBLIC_ACCESS_BLOCK}
# It keeps the tags of alarms, but not those of dashboards.
from ministack.services import cloudwatch
put_dashboard, validate_arn = cloudwatch._put_dashboard, cloudwatch._validate_alarm_tag_arn
def arn_of(dashboard):
    return f'arn:aws:cloudwatch::{cloudwatch.get_account_id()}:dashboard/{dashboard}'
def put_dashboard_with_tags(params, data, is_cbor, is_json=False):
    if data.get('Tags'):
        cloudwatch._resource_tags[arn_of(data['DashboardName'])] = {tag['Key']: tag['Value'] for tag in data['Tags']}
    return put_dashboard(params, data, is_cbor, is_json)
def validate_any_arn(arn, is_json=False, is_cbor=False):
    return None if any(arn == arn_of(name) for name in cloudwatch._dashboards) else validate_arn(arn, is_json, is_cbor)
cloudwatch._put_dashboard, cloudwatch._validate_alarm_tag_arn = put_dashboard_with_tags, validate_any_arn
# In CBOR, the time of a dashboard's last change is a text, which is no time.
cbor_ok = cloudwatch._cbor_ok
def without_times(data):
    entries = [{**entry, 'LastModified': None} for entry in data.get('DashboardEntries', [])]
    return cbor_ok({**data, 'DashboardEntries': entries})
cloudwatch._cbor_ok = without_times
# It offers a few database classes, versions and endpoint services, and accepts all: so it must not be asked.
from ministack.services import rds
for actions, action in [
    (rds, 'DescribeOrderableDBInstanceOptions'),
    (rds, 'DescribeDBEngineVersions'),
    (ec2, 'DescribeVpcEndpointServices'),
]:
    del actions._ACTION_MAP[action]
from ministack.services import elasticache
elasticache._describe_engine_versions = lambda p: elasticache._error('InvalidAction', 'not known', 400)
# It has no logging of firewalls: none logs.
from ministack.services import waf
waf_error = waf.error_response_json
waf.error_response_json = lambda code, message, status=400: waf_error(
    'WAFNonexistentItemException' if message.endswith('GetLoggingConfiguration') else code, message, status)
# It has no Application Auto Scaling: nothing is scaled.
from ministack import app
from ministack.core.router import SERVICE_PATTERNS
async def nothing_scaled(method, path, headers, body, query_params):
    return 200, {'Content-Type': 'application/x-amz-json-1.1'}, b'{}'
SERVICE_PATTERNS['application-autoscaling'] = {'target_prefixes': ['AnyScaleFrontendService']}
app.SERVICE_HANDLERS['application-autoscaling'] = nothing_scaled
# Nor Global Accelerator: there are no accelerators.
SERVICE_PATTERNS['globalaccelerator'] = {'target_prefixes': ['GlobalAccelerator']}
app.SERVICE_HANDLERS['globalaccelerator'] = nothing_scaled
# Its groups have no notifications and are not replaced.
from ministack.services import autoscaling
for action in ['DescribeNotificationConfigurations', 'DescribeInstanceRefreshes']:
    autoscaling._ACTION_MAP.setdefault(
        action, lambda p, action=action: autoscaling._xml(200, action + 'Response', f'<{action}Result/>'))
from ministack.app import main
main()
