"""Checks Kubernetes objects, a JSON list on stdin, against strict schemas.

Objects of Kubernetes are checked against the schemas of each version in the package kubernetes-validate, in which unknown fields are errors.
Custom resources are checked against the schemas of their projects, in the files that follow: `{group/version/kind: schema}`, or one definition of a
kind per line. Prints one line for each problem, and the number of objects checked in each way at the end.
"""

import json
import sys

import jsonschema
import kubernetes_validate

VERSIONS = ["1.34", "1.36"]


def closed(schema):
    """The schema, with unknown fields as errors where the API server would drop them."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"anyOf": [{"type": "integer"}, {"type": "string"}]}
    result = {key: value if key in ("enum", "required") else closed(value) for key, value in schema.items()}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if "properties" in schema and schema.get("type") == "object" and not keeps:
        result["additionalProperties"] = False
    return result


def custom_schemas(files):
    found = {}
    for file in files:
        with open(file, encoding="utf-8") as text:
            if file.endswith(".json"):
                found.update(json.load(text))
                continue
            for definition in map(json.loads, text):
                spec = definition["spec"]
                for version in spec["versions"]:
                    name = f"{spec['group']}/{version['name']}/{spec['names']['kind']}"
                    found[name] = version["schema"]["openAPIV3Schema"]
    for schema in found.values():
        # Metadata has no schema of its own.
        schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        schema["properties"] |= {"apiVersion": {"type": "string"}, "kind": {"type": "string"}}
    return {name: closed(schema) for name, schema in found.items()}


def problems(manifest, custom):
    group, _, version = manifest["apiVersion"].rpartition("/")
    schema = custom.get(f"{group}/{version}/{manifest['kind']}")
    if schema is not None:
        return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(manifest)], "custom"
    found = []
    for release in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, release, strict=True)
        except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
            found.append(f"Kubernetes {release}: {getattr(error, 'message', None) or error}")
    return found, "kubernetes"


def main():
    custom = custom_schemas(sys.argv[1:])
    checked = {"custom": 0, "kubernetes": 0}
    for manifest in json.load(sys.stdin):
        found, kind = problems(manifest, custom)
        checked[kind] += 1
        for problem in found:
            print(f"{manifest['kind']} {manifest['metadata']['name']}: {problem}")
    print(json.dumps(checked))


main()
