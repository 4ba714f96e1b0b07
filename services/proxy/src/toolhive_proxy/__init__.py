"""The proxy: MCP clients on one side, MCP servers of any transport on the other."""
