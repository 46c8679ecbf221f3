"""The OpenAPI document is complete: summaries, descriptions, examples, errors, plain words."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import Client
from jsonschema import Draft202012Validator, FormatChecker

from config.scopes import Scope
from mlops.streams.event_types import event_types

PROBLEM_JSON = "application/problem+json"
IMPERATIVES = {
    "Append",
    "Close",
    "Correct",
    "Create",
    "Erase",
    "Export",
    "Find",
    "Get",
    "List",
    "Look",
    "Open",
    "Recommend",
    "Record",
    "Register",
    "Search",
    "Send",
    "Withdraw",
}
"""Verbs that may begin a summary; add one with a new kind of operation."""
ANY_KEY_MAY_CALL = {"/api/v1/consent-texts/"}
"""Paths without a 403 response: they need a key, and no scope or audience."""
ENUMERATED_VALUE = re.compile(r"-?[a-z][a-z0-9]*(_[a-z0-9]+)*")
"""snake_case; `-` before a sort key means descending."""
CHEMICAL_NAMES = {"beta-pinene"}
"""Terpenes are named as in chemistry."""
PROVINCE_CODE = re.compile(r"[A-Z]{2}")


class Operation(NamedTuple):
    """An operation of the document, with its method and path."""

    method: str
    path: str
    definition: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


class Example(NamedTuple):
    """An example, the schema that it must satisfy, and where it stands in the document."""

    position: str
    value: Any
    schema: dict[str, Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """The document as it is served."""
    served: dict[str, Any] = Client().get("/api/schema/", {"format": "json"}).json()
    return served


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> list[Operation]:
    """Every operation of every application."""
    return [
        Operation(method, path, definition)
        for path, methods in document["paths"].items()
        for method, definition in methods.items()
    ]


def _resolve(document: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return the component that a reference names, or the node itself."""
    while "$ref" in node:
        resolved: Any = document
        for key in node["$ref"].removeprefix("#/").split("/"):
            resolved = resolved[key]
        node = resolved
    return node


def _request_bodies(operation: Operation) -> dict[str, Any]:
    content: dict[str, Any] = operation.definition.get("requestBody", {}).get("content", {})
    return content


def _responses(document: dict[str, Any], operation: Operation) -> dict[str, dict[str, Any]]:
    return {
        status: _resolve(document, response)
        for status, response in operation.definition["responses"].items()
    }


def _examples_of(content: dict[str, Any]) -> dict[str, Any]:
    if "example" in content:
        return {"example": content["example"]}
    return {name: example["value"] for name, example in content.get("examples", {}).items()}


def _examples(document: dict[str, Any], operations: list[Operation]) -> Iterator[Example]:
    for operation in operations:
        for parameter in operation.definition.get("parameters", []):
            for name, value in _examples_of(parameter).items():
                position = f"{operation}: parameter {parameter['name']}: {name}"
                yield Example(position, value, parameter["schema"])
        for content in _request_bodies(operation).values():
            for name, value in _examples_of(content).items():
                yield Example(f"{operation}: request: {name}", value, content["schema"])
        for status, response in _responses(document, operation).items():
            for content in response.get("content", {}).values():
                for name, value in _examples_of(content).items():
                    position = f"{operation}: response {status}: {name}"
                    yield Example(position, value, content["schema"])


def _properties(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every property of every component, also of nested objects."""
    for name, schema in document["components"]["schemas"].items():
        yield from _nested_properties(name, schema)


def _nested_properties(position: str, schema: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(schema, dict):
        return
    for name, definition in schema.get("properties", {}).items():
        yield f"{position}.{name}", definition
        yield from _nested_properties(f"{position}.{name}", definition)
    for key in ("items", "additionalProperties"):
        yield from _nested_properties(position, schema.get(key))
    for key in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(key, []):
            yield from _nested_properties(position, part)


def _enumerations(position: str, node: Any) -> Iterator[tuple[str, list[Any]]]:
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            yield position, node["enum"]
        for key, value in node.items():
            yield from _enumerations(f"{position}/{key}", value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _enumerations(f"{position}/{index}", value)


def _texts(position: str, node: Any) -> Iterator[tuple[str, str]]:
    """Yield every name and every string of the document."""
    if isinstance(node, str):
        yield position, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield position, key
            yield from _texts(f"{position}/{key}", value)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(f"{position}/{index}", value)


def _as_json_schema(node: Any) -> Any:
    """
    Return an OpenAPI 3.0 schema as JSON Schema.

    `nullable` becomes a second type; `exclusiveMaximum: true` becomes the bound itself.
    """
    if isinstance(node, list):
        return [_as_json_schema(item) for item in node]
    if not isinstance(node, dict):
        return node
    schema = {key: _as_json_schema(value) for key, value in node.items() if key != "nullable"}
    for exclusive, bound in (("exclusiveMaximum", "maximum"), ("exclusiveMinimum", "minimum")):
        if schema.get(exclusive) is True:
            schema[exclusive] = schema.pop(bound)
    if node.get("nullable") is True:
        return {"anyOf": [schema, {"type": "null"}]}
    return schema


def _report(findings: list[str]) -> str:
    return f"{len(findings)} missing or wrong:\n" + "\n".join(findings)


def test_every_application_is_in_the_document(operations: list[Operation]) -> None:
    paths = " ".join(operation.path for operation in operations)

    for part in (
        "products/",
        "customers/",
        "chat/",
        "recommendations/",
        "competitors/",
        "price-position/",
        "events/",
    ):
        assert f"/api/v1/{part}" in paths


def test_operations_have_an_imperative_summary(operations: list[Operation]) -> None:
    findings = []
    for operation in operations:
        summary = operation.definition.get("summary", "")
        is_plain = "_" not in summary and not summary.endswith(".")
        if summary.split(" ")[0] not in IMPERATIVES or not is_plain:
            findings.append(f"{operation}: summary: {summary!r}")

    assert not findings, _report(findings)


def test_operations_have_a_description_and_a_subject(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    subjects = {tag["name"] for tag in document.get("tags", []) if tag.get("description")}
    findings = []
    for operation in operations:
        description = operation.definition.get("description", "").strip()
        if not description or description == operation.definition.get("summary"):
            findings.append(f"{operation}: description: {description!r}")
        if not set(operation.definition.get("tags", [])) <= subjects:
            findings.append(f"{operation}: tags: {operation.definition.get('tags')}")

    assert document["info"].get("description")
    assert document["servers"]
    assert not findings, _report(findings)


def test_operation_ids_are_unique(operations: list[Operation]) -> None:
    ids = [operation.definition["operationId"] for operation in operations]

    assert len(ids) == len(set(ids))
    assert not [operation_id for operation_id in ids if operation_id.startswith("v1_")]


def test_request_bodies_have_an_example(operations: list[Operation]) -> None:
    findings = [
        f"{operation}: request body: no example"
        for operation in operations
        for content in _request_bodies(operation).values()
        if not _examples_of(content)
    ]

    assert not findings, _report(findings)


def test_successful_responses_have_a_body_with_an_example(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    findings = []
    for operation in operations:
        responses = _responses(document, operation)
        successful = {status: body for status, body in responses.items() if status[0] == "2"}
        if not successful:
            findings.append(f"{operation}: no 2xx response")
        for status, response in successful.items():
            content = response.get("content", {})
            if not content:
                findings.append(f"{operation}: response {status}: no body")
            if not all(_examples_of(body) for body in content.values()):
                findings.append(f"{operation}: response {status}: no example")

    assert not findings, _report(findings)


def test_responses_have_a_description(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    findings = [
        f"{operation}: response {status}: no description"
        for operation in operations
        for status, response in _responses(document, operation).items()
        if not response.get("description")
    ]

    assert not findings, _report(findings)


def test_error_responses_are_problem_details_with_an_example(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    findings = []
    for operation in operations:
        responses = _responses(document, operation)
        expected = {"401", "429", "503"}
        if operation.path not in ANY_KEY_MAY_CALL:
            expected.add("403")
        if operation.definition.get("parameters") or _request_bodies(operation):
            expected.add("400")
        if "{" in operation.path:
            expected.add("404")
        missing = sorted(expected - set(responses))
        if missing:
            findings.append(f"{operation}: no response {', '.join(missing)}")
        for status, response in responses.items():
            if status[0] not in "45":
                continue
            body = response.get("content", {}).get(PROBLEM_JSON)
            if body is None or set(response["content"]) != {PROBLEM_JSON}:
                findings.append(f"{operation}: response {status}: not problem details")
            elif not _examples_of(body):
                findings.append(f"{operation}: response {status}: no example")
            elif any(value["status"] != int(status) for value in _examples_of(body).values()):
                findings.append(f"{operation}: response {status}: example of another status")

    assert not findings, _report(findings)


def test_parameters_have_a_description(operations: list[Operation]) -> None:
    findings = [
        f"{operation}: parameter {parameter['name']}"
        for operation in operations
        for parameter in operation.definition.get("parameters", [])
        if not parameter.get("description", "").strip()
    ]

    assert not findings, _report(findings)


def test_schemas_and_their_properties_have_a_description(document: dict[str, Any]) -> None:
    findings = [
        name
        for name, schema in document["components"]["schemas"].items()
        if not schema.get("description", "").strip()
    ]
    findings += [
        position
        for position, definition in _properties(document)
        if not definition.get("description", "").strip()
    ]

    assert not findings, _report(findings)


def test_descriptions_are_sentences(document: dict[str, Any]) -> None:
    findings = [
        f"{position}: {definition['description']!r}"
        for position, definition in _properties(document)
        if not re.match(r"[A-Z0-9`]", definition.get("description", "X"))
    ]

    assert not findings, _report(findings)


def test_enumerated_values_are_snake_case(document: dict[str, Any]) -> None:
    findings = [
        f"{position}: {value!r}"
        for position, values in _enumerations("", document)
        for value in values
        if isinstance(value, str)
        and value
        and not ENUMERATED_VALUE.fullmatch(value)
        and not PROVINCE_CODE.fullmatch(value)
        and value not in CHEMICAL_NAMES
    ]

    assert not findings, _report(findings)


def test_examples_are_valid(document: dict[str, Any], operations: list[Operation]) -> None:
    components = _as_json_schema(document["components"])
    findings = []
    for example in _examples(document, operations):
        schema = {**_as_json_schema(example.schema), "components": components}
        validator = Draft202012Validator(schema, format_checker=FormatChecker())
        findings += [
            f"{example.position}: {error.json_path}: {error.message}"
            for error in validator.iter_errors(example.value)
        ]

    assert not findings, _report(findings)


def test_examples_have_no_unknown_field(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    findings = []
    for example in _examples(document, operations):
        schema = _resolve(document, example.schema)
        if isinstance(example.value, dict) and "properties" in schema:
            unknown = sorted(set(example.value) - set(schema["properties"]))
            if unknown:
                findings.append(f"{example.position}: {', '.join(unknown)}")

    assert not findings, _report(findings)


def test_no_private_word_is_in_the_document(document: dict[str, Any]) -> None:
    rows = (Path(__file__).parent / "private_words.tsv").read_text(encoding="utf-8").splitlines()
    patterns = [
        re.compile(row.split("\t")[0], re.IGNORECASE) for row in rows if not row.startswith("#")
    ]
    findings = [
        f"{position}: {text[:80]!r}"
        for position, text in _texts("", document)
        for pattern in patterns
        if pattern.search(text) or pattern.search(text.replace("_", " "))
    ]

    assert not findings, _report(findings)


def test_a_page_is_described_in_one_way(document: dict[str, Any]) -> None:
    pages = {
        name: set(schema["properties"])
        for name, schema in document["components"]["schemas"].items()
        if name.startswith("Paginated")
    }

    assert len(pages) >= 6
    assert {frozenset(names) for names in pages.values()} == {
        frozenset({"results", "next_cursor", "previous_cursor"})
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("post", "/api/v1/events/"),
        ("get", "/api/v1/recommendations/"),
        ("get", "/api/v1/recommendations/{customer_id}/"),
        ("post", "/api/v1/recommendations/feedback/"),
    ],
)
def test_t41_bodies_and_responses_are_described(
    document: dict[str, Any], method: str, path: str
) -> None:
    definition = document["paths"][path][method]
    described = [definition["responses"]["200"]]
    if method == "post":
        described.append(definition["requestBody"])

    for part in described:
        assert _resolve(document, part["content"]["application/json"]["schema"])["properties"]


def test_t41_the_data_of_each_event_type_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    mapping = schemas["Event"]["discriminator"]["mapping"]

    assert set(mapping) == {event_type for _, event_type in event_types()}
    for reference in mapping.values():
        schema = schemas[reference.rpartition("/")[2]]
        data = schemas[schema["properties"]["data"]["allOf"][0]["$ref"].rpartition("/")[2]]
        assert data["properties"]
        assert data["additionalProperties"] is False


def test_operations_state_their_scopes(operations: list[Operation]) -> None:
    findings = []
    for operation in operations:
        required = set(operation.definition["x-required-scopes"])
        described = set(re.findall(r"`(\w+:\w+)`", operation.definition["description"]))
        if not required <= described <= set(Scope.values):
            findings.append(f"{operation}: requires {required}, describes {described}")
        if not required and operation.path not in ANY_KEY_MAY_CALL:
            findings.append(f"{operation}: no scope")

    assert not findings, _report(findings)


def test_posts_may_be_repeated_with_an_idempotency_key(operations: list[Operation]) -> None:
    findings = [
        str(operation)
        for operation in operations
        if operation.method == "post"
        and "Idempotency-Key" not in _parameter_names(operation)
        # Nothing of a photo may be stored, not even its hash.
        and not operation.path.startswith("/api/v1/biometrics/")
    ]

    assert not findings, _report(findings)


def test_reads_have_an_etag_and_changes_need_it(operations: list[Operation]) -> None:
    findings = []
    for operation in operations:
        names = _parameter_names(operation)
        if operation.method == "get" and "If-None-Match" not in names:
            findings.append(f"{operation}: no ETag")
        if operation.method == "patch" and "If-Match" not in names:
            findings.append(f"{operation}: no If-Match")

    assert not findings, _report(findings)


def test_created_resources_have_a_location(
    document: dict[str, Any], operations: list[Operation]
) -> None:
    findings = [
        str(operation)
        for operation in operations
        for status, response in _responses(document, operation).items()
        if status == "201" and "Location" not in response.get("headers", {})
    ]

    assert not findings, _report(findings)


def _parameter_names(operation: Operation) -> set[str]:
    return {parameter["name"] for parameter in operation.definition.get("parameters", [])}
