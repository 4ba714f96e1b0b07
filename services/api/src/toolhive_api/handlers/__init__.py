"""Edges in: HTTP routes that parse, call a service and answer. Only here are HTTP statuses known."""
