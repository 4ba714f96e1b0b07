"""How a process tells what it does: JSON logs, a correlation id, health endpoints."""
