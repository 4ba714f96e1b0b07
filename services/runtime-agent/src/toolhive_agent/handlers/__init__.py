"""Edges in: what others ask of the agent. Each translates a request, calls a service, and answers."""
