"""The services that change workloads."""

import time

from toolhive_cli.adapters.health_probe import HealthProbe
from toolhive_cli.services.changing import Changing
from toolhive_cli.services.starting import Narrator, Starting
from toolhive_common.manager import Manager

__all__ = ["changing", "starting"]


def starting(manager: Manager, narrator: Narrator) -> Starting:
    """Build the service that starts workloads."""
    return Starting(manager, HealthProbe(), narrator, time.monotonic)


def changing(manager: Manager) -> Changing:
    """Build the service that changes workloads."""
    return Changing(manager, time.monotonic)
