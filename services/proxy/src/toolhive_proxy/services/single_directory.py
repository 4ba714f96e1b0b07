"""The one workload of a detached proxy."""

from collections.abc import Mapping

from toolhive_proxy.models.routes import Lookup, Route, Unavailable, Unknown

__all__ = ["SingleDirectory"]


class SingleDirectory:
    """Implements `toolhive_proxy.models.routes.Workloads`."""

    def __init__(self, route: Route) -> None:
        self.route = route
        self._running = False

    @property
    def table(self) -> Mapping[str, Lookup]:
        """The one workload."""
        return {self.route.key.name: self.find(self.route.key.name)}

    def set_running(self, *, running: bool) -> None:
        """Note whether the server can be called."""
        self._running = running

    def find(self, name: str) -> Lookup:
        """Where the requests of the workload go."""
        key = self.route.key
        if name != key.name:
            return Unknown(name)
        if not self._running:
            return Unavailable(key, f"the workload {name!r} is being started; try again in a moment", 2)
        return self.route
