"""The AsyncAPI document and the JSON Schemas of the lifecycle events, for programs in any language."""

from typing import Any

from toolhive_common.schemas.events import EVENT_DATA, EventType, LifecycleEvent

__all__ = ["asyncapi_document", "event_schema"]

_DESCRIPTION = (
    "Lifecycle events of MCP workloads as CloudEvents 1.0 in JSON, kept in the JetStream stream TOOLHIVE_EVENTS. "
    "A dot in a workload's name is written '=' in the subject. Delivery is at least once: the same fact always has "
    "the same id."
)


def event_schema(event_type: EventType) -> dict[str, Any]:
    """Describe one type's events as a JSON Schema that stands alone."""
    schema = LifecycleEvent.model_json_schema()
    data = EVENT_DATA[event_type].model_json_schema()
    definitions = {**schema.pop("$defs", {}), **data.pop("$defs", {})}
    definitions.pop("EventType", None)
    schema["properties"]["type"] = {"const": str(event_type)}
    schema["properties"]["data"] = data
    schema["title"] = str(event_type)
    schema["description"] = EVENT_DATA[event_type].__doc__ or ""
    schema["required"] = [*schema["required"], "data"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        **({"$defs": definitions} if definitions else {}),
    }


def asyncapi_document(version: str) -> dict[str, Any]:
    """Describe the stream of events as AsyncAPI 3.0; messages refer to the JSON Schemas beside the document."""
    names = {event_type: str(event_type).replace(".", "-") for event_type in EventType}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "ToolHive lifecycle events", "version": version, "description": _DESCRIPTION},
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            names[event_type]: {
                "address": f"toolhive.events.{{namespace}}.{{workload}}.{event_type}",
                "parameters": {
                    "namespace": {"description": "Namespace of the workload; 'default' on a laptop."},
                    "workload": {"description": "Name of the workload."},
                },
                "messages": {names[event_type]: {"$ref": f"#/components/messages/{names[event_type]}"}},
            }
            for event_type in EventType
        },
        "operations": {
            f"receive-{name}": {"action": "receive", "channel": {"$ref": f"#/channels/{name}"}}
            for name in names.values()
        },
        "components": {
            "messages": {
                name: {
                    "name": str(event_type),
                    "summary": EVENT_DATA[event_type].__doc__,
                    "payload": {"$ref": f"./{name}.schema.json"},
                }
                for event_type, name in names.items()
            }
        },
    }
