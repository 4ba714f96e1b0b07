"""Frozen pydantic models of everything that crosses a process boundary.

Purely data: no I/O, no clock, no ids made here. A model that only one service knows belongs into that service.
"""
