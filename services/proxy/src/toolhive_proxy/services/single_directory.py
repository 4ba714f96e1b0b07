"""The one workload of a proxy that serves no other."""

from collections.abc import Mapping

from toolhive_proxy.models.routes import Lookup, Route, Unavailable, Unknown

__all__ = ["SingleDirectory"]


class SingleDirectory:
    """Implements `toolhive_proxy.models.routes.Workloads`. The workload cannot be called until `up` says so.

    Parameters
    ----------
    route
        Where it is, once it runs.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self._found: Route | Unavailable
        self.down("it is being started", retry_after=2)

    @property
    def table(self) -> Mapping[str, Lookup]:
        """The one workload."""
        return {self.route.key.name: self._found}

    def up(self, route: Route) -> None:
        """Note that the server can be called, and where."""
        self.route = self._found = route

    def down(self, reason: str, *, retry_after: float) -> None:
        """Note that it cannot be called, why, and after how many seconds it is worth another try."""
        key, seconds = self.route.key, max(1, round(retry_after))
        text = f"the workload {key.name!r} cannot be called now: {reason}; try again in {seconds} s"
        self._found = Unavailable(key, text, seconds)

    async def check(self) -> str:
        """Health check: empty, or why the workload cannot be called."""
        return self._found.reason if isinstance(self._found, Unavailable) else ""

    def find(self, name: str) -> Lookup:
        """Where the requests of the workload go."""
        return self._found if name == self.route.key.name else Unknown(name)
