"""Starts moto, and runs scripts with boto3. Each gets a process forked from this one, because importing their modules takes seconds.

Each line on stdin is a request in JSON: `{"moto": PORT, "folder": FOLDER}` starts a server, `{"script": FILE, "url": URL}` runs a script, which writes
its `out` to `FILE.out` or its error to `FILE.error`. Both are answered with the id of the process. `{"stop": PID}` ends one, and `{"runs": PID}` tells
whether it runs. Ends with all its processes when stdin closes.
"""

import functools
import gc
import json
import os
import re
import signal
import sys
import traceback

import boto3
import corrected_moto
from botocore.config import Config

answers = os.fdopen(os.dup(1), 'w')
os.dup2(2, 1)
processes = set()


def client(url, service):
    config = Config(s3={'addressing_style': 'path'}, retries={'max_attempts': 2})
    return boto3.client(service, endpoint_url=url, region_name='us-east-1', config=config)


def run(file, url):
    with open(file, encoding='utf-8') as text:
        script = text.read()
    scope = {'out': {}, 'client': functools.cache(lambda service: client(url, service)), 'functools': functools, 'json': json}
    try:
        exec(compile(script, 'script', 'exec'), scope)
        result, name = json.dumps(scope['out'], default=str), f'{file}.out'
    except BaseException:
        result, name = traceback.format_exc(), f'{file}.error'
    with open(f'{name}.part', 'w', encoding='utf-8') as text:
        text.write(result)
    os.rename(f'{name}.part', name)


def fork(act):
    process = os.fork()
    if process:
        processes.add(process)
        return process
    try:
        answers.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        act()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


def runs(process):
    if process in processes and os.waitpid(process, os.WNOHANG)[0]:
        processes.discard(process)
    return process in processes


def stop(process):
    if runs(process):
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        processes.discard(process)
    return True


def answer(request):
    if 'moto' in request:
        return fork(lambda: corrected_moto.serve(request['moto'], request['folder']))
    if 'script' in request:
        return fork(lambda: run(request['script'], request['url']))
    return stop(request['stop']) if 'stop' in request else runs(request['runs'])


# Making a client reads the model of its service, which all forks then have.
with open(os.path.join(os.path.dirname(__file__), '../everything.py'), encoding='utf-8') as everything:
    for service in sorted(set(re.findall(r"(?:client|every)\('([a-z0-9-]+)'", everything.read()))):
        client('http://127.0.0.1:9', service)
corrected_moto.warm()
# A collection in a fork would copy all of this.
gc.freeze()
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
for process in list(processes):
    stop(process)
