"""What ``thv run`` says at its end."""

from toolhive_common.schemas.workload import Workload

__all__ = ["interrupted", "run_report", "started_without_waiting"]


def run_report(workload: Workload) -> str:
    """Say that it serves, where, and what to do next."""
    name = workload.name
    return f"""'{name}' is running.

  Name:  {name}
  URL:   {workload.url}

Next:
  thv list --format mcpservers   the configuration for an MCP client
  thv logs {name} --follow   what the server writes
  thv rm {name}   stop and remove it"""


def started_without_waiting(name: str) -> str:
    """Say that it was made, and how to look at it."""
    return f"'{name}' is made and starting; 'thv status {name}' tells how that goes"


def interrupted(name: str) -> str:
    """Say what goes on when the user no longer waits."""
    return (
        f"No longer waiting. '{name}' goes on starting by itself: 'thv status {name}' tells how that goes, "
        f"'thv rm {name}' removes it"
    )
