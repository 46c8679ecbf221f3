"""OpenAPI schemas of events, one for each type, from the models that validate them."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.plumbing import ResolvedComponent

from mlops.streams.decoding import Envelope
from mlops.streams.event_types import EventType, Schema, event_types

_REFERENCE = "#/components/schemas/"


class EventSchema(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # registers itself
    """An event is one of the registered types; `type` distinguishes them."""

    target_class = "mlops.api.events.EventSerializer"

    def map_serializer(self, auto_schema: Any, direction: str) -> dict[str, Any]:  # noqa: ARG002  # given by drf-spectacular
        """Return the schema of any event; register the schema of each type as a component."""
        mapping = {
            event_type.type: _register(auto_schema, event_type, version, schema)
            for event_type in event_types().values()
            for version, schema in sorted(event_type.versions.items())
        }
        return {
            "description": "One event: the fields of every event, and data by its type.",
            "oneOf": [{"$ref": reference} for reference in mapping.values()],
            "discriminator": {"propertyName": "type", "mapping": mapping},
        }


def _register(auto_schema: Any, event_type: EventType, version: int, data: Schema) -> str:
    """Register the component of an event type and version; return the reference to it."""
    name = f"{event_type.type.title().replace('_', '')}Event{'' if version == 1 else version}"
    envelope = Envelope.model_json_schema(mode="validation")["properties"]
    properties = {
        # Not a plain enumeration, for which drf-spectacular would make a component by a hash.
        "topic": {
            "allOf": [{"type": "string", "enum": [event_type.topic]}],
            "description": "Topic that the event belongs to.",
        },
        **envelope,
        "type": {"enum": [event_type.type], "description": envelope["type"]["description"]},
        "version": {
            "enum": [version],
            "default": version,
            "description": envelope["version"]["description"],
        },
        "data": _data_schema(auto_schema, data),
    }
    properties["type"]["type"] = "string"
    properties["version"]["type"] = "integer"
    schema = {
        "type": "object",
        "description": f"Event of the type `{event_type.type}`: {_first_line(data)}",
        "required": ["topic", "id", "type", "occurred_at", "data"],
        "properties": properties,
    }
    return _add_component(auto_schema, name, schema)


def _data_schema(auto_schema: Any, data: Schema) -> dict[str, Any]:
    schema = data.model_json_schema(ref_template=_REFERENCE + "{model}", mode="validation")
    for name, definition in schema.pop("$defs", {}).items():
        _add_component(auto_schema, name, definition)
    reference = _add_component(auto_schema, data.__name__, schema)
    return {"allOf": [{"$ref": reference}], "description": "Content of the event."}


def _add_component(auto_schema: Any, name: str, schema: dict[str, Any]) -> str:
    definition = _as_openapi(schema)
    for property_schema in definition.get("properties", {}).values():
        property_schema["x-audience"] = "verified"
    component = ResolvedComponent(  # type: ignore[no-untyped-call]
        name=name, type=ResolvedComponent.SCHEMA, object=name, schema=definition
    )
    auto_schema.registry.register_on_missing(component)
    return f"{_REFERENCE}{name}"


def _as_openapi(schema: Any) -> Any:
    """Return a JSON schema of pydantic in the words of OpenAPI 3.0: no titles, nulls or consts."""
    if isinstance(schema, list):
        return [_as_openapi(member) for member in schema]
    if not isinstance(schema, dict):
        return schema
    converted: dict[str, Any] = {}
    for name, value in schema.items():
        if name == "title" and isinstance(value, str):
            continue
        if name == "const":
            converted["enum"] = [value]
        elif name == "anyOf" and {"type": "null"} in value:
            members = [member for member in value if member != {"type": "null"}]
            converted["nullable"] = True
            if len(members) == 1:
                converted |= _as_openapi(members[0])
            else:
                converted["anyOf"] = _as_openapi(members)
        elif name == "description" and isinstance(value, str):
            converted[name] = value[:1].upper() + value[1:] + ("" if value.endswith(".") else ".")
        else:
            converted[name] = _as_openapi(value)
    return converted


def _first_line(data: Schema) -> str:
    text = (data.__doc__ or "").strip().splitlines()[0]
    return text[:1].lower() + text[1:]
