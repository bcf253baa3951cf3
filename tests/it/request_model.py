"""Checks requests against AWS's own models of its services, as botocore has them: known operation, known parameters, required ones, types,
lengths, ranges, patterns and closed lists. One request a line on stdin, as JSON; the answer is a list of problems, as JSON.
https://smithy.io/2.0/aws/protocols/"""

import functools, json, re, sys
from urllib.parse import parse_qsl, unquote
from xml.etree import ElementTree
import botocore.session, cbor2

SESSION = botocore.session.get_session()
# Names of botocore's models that differ from the names that requests are signed with.
MODELS = {
    "cloudcontrolapi": "cloudcontrol",
    "elasticfilesystem": "efs",
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "tagging": "resourcegroupstaggingapi",
}
# Shapes of WAF's ids and tokens, which acme sends back: stand-ins and scripts make up shorter ones.
ECHOED = {"EntityId", "LockToken"}
SCALARS = {"string", "character", "integer", "long", "float", "double", "boolean", "timestamp", "blob"}


@functools.cache
def model(service):
    return SESSION.get_service_model(MODELS.get(service, service))


def element_name(shape):
    return shape.serialization.get("name")


# Request → parameters, by the name of the member.


def from_form(shape, prefix, form, ec2):
    """Decodes what stands below a prefix; `None` if nothing does."""
    keys = [key for key in form if key == prefix or key.startswith(prefix + ".")] if prefix else list(form)
    if not keys:
        return None
    if shape.type_name == "structure":
        value, used = {}, set()
        for name, member in shape.members.items():
            serialized = member.serialization.get("queryName") if ec2 else None
            if serialized is None:
                serialized = element_name(member) or name
                serialized = serialized[0].upper() + serialized[1:] if ec2 else serialized
                if member.type_name == "list" and not ec2 and member.serialization.get("flattened"):
                    serialized = element_name(member.member) or serialized
            path = f"{prefix}.{serialized}" if prefix else serialized
            below = {key: form[key] for key in keys if key == path or key.startswith(path + ".")}
            used |= set(below)
            decoded = from_form(member, path, below, ec2) if below else None
            if decoded is not None:
                value[name] = decoded
        value.update({f"?{key}": form[key] for key in keys if key not in used})
        return value
    if shape.type_name in ("list", "map"):
        base = prefix
        if not ec2 and not shape.serialization.get("flattened"):
            base += "." + ((element_name(shape.member) or "member") if shape.type_name == "list" else "entry")
        if keys == [prefix] and form[prefix] == "":
            return [] if shape.type_name == "list" else {}
        numbers = sorted({int(key[len(base) + 1 :].split(".")[0]) for key in keys if re.match(r"\d+", key[len(base) + 1 :])})
        if shape.type_name == "list":
            return [from_form(shape.member, f"{base}.{number}", form, ec2) for number in numbers]
        names = (element_name(shape.key) or "key", element_name(shape.value) or "value")
        entry = lambda number, part, of: from_form(of, f"{base}.{number}.{part}", form, ec2)
        return {entry(n, names[0], shape.key): entry(n, names[1], shape.value) for n in numbers}
    return scalar(shape, form[prefix]) if prefix in form else {f"?{key}": form[key] for key in keys}


def from_xml(shape, element):
    local = lambda child: child.tag.split("}")[-1]
    if shape.type_name == "structure":
        value = {}
        known = set()
        for name, member in shape.members.items():
            serialized = element_name(member) or name
            if member.serialization.get("xmlAttribute"):
                continue
            known.add(serialized)
            found = [child for child in element if local(child) == serialized]
            if member.type_name == "list" and member.serialization.get("flattened"):
                if found:
                    value[name] = [from_xml(member.member, child) for child in found]
            elif found:
                value[name] = from_xml(member, found[0])
        value.update({f"?{local(child)}": child.text or "" for child in element if local(child) not in known})
        return value
    if shape.type_name == "list":
        return [from_xml(shape.member, child) for child in element]
    if shape.type_name == "map":
        pairs = ({local(part): part for part in entry} for entry in element)
        return {pair["key"].text: from_xml(shape.value, pair["value"]) for pair in pairs}
    return scalar(shape, element.text or "")


def scalar(shape, text):
    """A value from its text; the text itself, a problem, if it has another form."""
    try:
        match shape.type_name:
            case "integer" | "long":
                return int(text)
            case "float" | "double":
                return float(text)
            case "boolean":
                return {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        pass
    return text


def from_json(shape, value):
    """JSON names become those of the members."""
    if shape.type_name == "structure" and isinstance(value, dict):
        names = {element_name(member) or name: name for name, member in shape.members.items()}
        decode = lambda key, item: from_json(shape.members[names[key]], item)
        return {names[key] if key in names else f"?{key}": decode(key, item) if key in names else item for key, item in value.items() if item is not None}
    if shape.type_name == "list" and isinstance(value, list):
        return [from_json(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {key: from_json(shape.value, item) for key, item in value.items()}
    return value


def uri_pattern(uri):
    """Regular expression of a request path, with a group for each label."""
    part = lambda label: "(.+)" if label.endswith("+}") else "([^/]+)"
    pieces = re.split(r"(\{[^}]+\})", uri)
    return "".join(part(piece) if piece.startswith("{") else re.escape(piece) for piece in pieces), [p.strip("{}").rstrip("+") for p in pieces if p.startswith("{")]


def rest_operation(of, method, path, query):
    """Operation, labels and the query that selects it: the most specific one."""
    best, path = None, path.rstrip("/") or "/"
    for name in of.operation_names:
        http = of.operation_model(name).http
        uri, _, fixed = http["requestUri"].partition("?")
        uri = uri.rstrip("/") or "/"
        pattern, labels = uri_pattern(uri)
        found = re.fullmatch(pattern, path)
        selects = dict(parse_qsl(fixed, keep_blank_values=True))
        # The SDK names the operation where several have the same path.
        if http["method"] != method or not found or query.get("x-id", name) != name or any(query.get(key) != value for key, value in selects.items()):
            continue
        rank = (len(selects), -len(labels), not of.operation_model(name).deprecated)
        if best is None or rank > best[0]:
            best = (rank, name, dict(zip(labels, map(unquote, found.groups()))), selects)
    return best and best[1:]


def from_rest(of, request, body):
    path, _, query = request["path"].partition("?")
    query = parse_qsl(query, keep_blank_values=True)
    found = rest_operation(of, request["method"], path, dict(query))
    if not found:
        return None, None
    name, labels, selects = found
    operation = of.operation_model(name)
    shape, value = operation.input_shape, {}
    if shape is None:
        return name, value
    headers, in_body = dict(request["headers"]), {}
    for member_name, member in shape.members.items():
        location, serialized = member.serialization.get("location"), element_name(member) or member_name
        if location == "uri":
            value[member_name] = labels.get(serialized, "")
        elif location == "querystring":
            values = [text for key, text in query if key == serialized]
            if values:
                value[member_name] = values if member.type_name == "list" else scalar(member, values[0])
        elif location == "header":
            if serialized.lower() in headers:
                value[member_name] = scalar(member, headers[serialized.lower()])
        elif location is None:
            in_body[member_name] = member
    payload = shape.serialization.get("payload")
    if payload:
        member = shape.members[payload]
        if member.type_name in SCALARS:
            value[payload] = body.decode(errors="replace")
        elif body:
            value[payload] = from_xml(member, ElementTree.fromstring(body))
    elif body and in_body:
        if of.metadata["protocol"] == "rest-json":
            value.update(from_json(shape, json.loads(body)))
        else:
            value.update({key: item for key, item in from_xml(shape, ElementTree.fromstring(body)).items() if key in in_body or key[0] == "?"})
    return name, value


def decode(request):
    """Operation and parameters of a request; no operation if the model has none like it."""
    # Classic load balancers have another API with the same name.
    classic = request["service"] == "elasticloadbalancing" and "Version=2012-06-01" in request["body"]
    of, body = model("elb" if classic else request["service"]), request["body"].encode("latin-1")
    protocol = of.metadata["protocol"]
    if "/operation/" in request["path"]:
        name = request["path"].rsplit("/", 1)[-1]
        shape = of.operation_model(name).input_shape if name in of.operation_names else None
        body = request["body"].encode("latin-1")
        return of, shape and name, from_json(shape, cbor2.loads(body) if body else {}) if shape else None
    if protocol == "json":
        name = dict(request["headers"])["x-amz-target"].rsplit(".", 1)[-1]
        known = name in of.operation_names
        return of, known and name, from_json(of.operation_model(name).input_shape, json.loads(body or b"{}")) if known else None
    if protocol in ("query", "ec2"):
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        name = form.pop("Action")
        form.pop("Version")
        known = name in of.operation_names
        shape = of.operation_model(name).input_shape if known else None
        return of, known and name, (from_form(shape, "", form, protocol == "ec2") or {}) if shape else {}
    return (of, *from_rest(of, request, body))


# Parameters → problems.


def check(shape, value, path):
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        if not isinstance(value, dict):
            yield f"{path} is no structure: {value!r}"
            return
        for name in limits.get("required", []):
            if name not in value:
                yield f"{path}.{name} is missing"
        for name, item in value.items():
            if name in shape.members:
                yield from check(shape.members[name], item, f"{path}.{name}")
            else:
                yield f"{path} has no parameter {name.lstrip('?')}"
        if shape.is_tagged_union and len(value) != 1:
            yield f"{path} takes exactly one of {', '.join(shape.members)}"
    elif kind == "list":
        yield from within(limits, len(value), path, "items")
        for number, item in enumerate(value):
            yield from check(shape.member, item, f"{path}[{number}]")
    elif kind == "map":
        yield from within(limits, len(value), path, "entries")
        for key, item in value.items():
            yield from check(shape.key, key, f"{path} key")
            yield from check(shape.value, item, f"{path}.{key}")
    elif kind in ("string", "character"):
        if not isinstance(value, str):
            yield f"{path} is no text: {value!r}"
            return
        yield from within(limits, len(value), path, "characters")
        if shape.enum and value not in shape.enum:
            yield f"{path} is {value!r}, not one of {', '.join(shape.enum[:40])}"
        pattern = limits.get("pattern") if shape.name not in ECHOED else None
        if pattern and not matches(pattern, value):
            yield f"{path} is {value!r}, which does not match {pattern}"
    elif kind in ("integer", "long", "float", "double"):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"{path} is no number: {value!r}"
        else:
            yield from within(limits, value, path, "")
    elif kind == "boolean" and not isinstance(value, bool):
        yield f"{path} is no boolean: {value!r}"


def within(limits, size, path, unit):
    if "min" in limits and size < limits["min"]:
        yield f"{path} has {size} {unit}, AWS's minimum is {limits['min']}"
    if "max" in limits and size > limits["max"]:
        yield f"{path} has {size} {unit}, AWS's maximum is {limits['max']}"


@functools.cache
def compiled(pattern):
    pattern = re.sub(r"\\p\{L\}", "a-zA-Z\u00c0-\uffff", pattern)
    pattern = re.sub(r"\\p\{N\}", "0-9", pattern)
    pattern = re.sub(r"\\p\{Z\}", r"\\s", pattern)
    pattern = re.sub(r"\\p\{[A-Za-z]+\}", "", pattern)
    pattern = re.sub(r"\\u\{?([0-9A-Fa-f]{4})\}?", lambda found: re.escape(chr(int(found[1], 16))), pattern)
    try:
        return re.compile(pattern)
    except re.error:
        return None


def matches(pattern, value):
    # A few of AWS's patterns are Java's: those that Python can't read are not checked. Without anchors, AWS checks the whole value.
    regex = compiled(pattern)
    return regex is None or regex.fullmatch(value) is not None


def problems(request):
    of, name, value = decode(request)
    if not name:
        return [f"{request['service']} has no operation for {request['method']} {request['path']}"]
    shape = of.operation_model(name).input_shape
    return list(check(shape, value or {}, f"{request['service']} {name}")) if shape else []


for line in sys.stdin:
    found = []
    for request in json.loads(line):
        found += [problem for problem in problems(request) if problem not in found]
    print(json.dumps(found), flush=True)
