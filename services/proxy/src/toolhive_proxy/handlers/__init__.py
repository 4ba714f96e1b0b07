"""The ways in: HTTP paths. A handler reads a request, calls a service and writes what came of it."""
