"""What two ToolHive processes say to each other, and nothing else.

Schemas, subjects, error codes and the typed messaging over NATS live here, together with the parts of the MCP
wire that more than one process speaks. A helper that only one service needs belongs into that service.
"""

__version__ = "0.1.0"
