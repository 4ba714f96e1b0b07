"""Container runtimes: what runs MCP servers, behind one interface."""
