"""Edges out that are neither the engine nor NATS. They translate, and never decide."""
