"""`RemoteManager`: the `Manager` that is a client of the API."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TypeVar
from urllib.parse import quote

from pydantic import ValidationError

from toolhive_cli.adapters.api_client import LONG_READ, ApiClient, ApiResponse
from toolhive_cli.adapters.sse import SseMessage, read_messages
from toolhive_cli.errors import ApiRefusedError, UnexpectedAnswerError, UnknownWorkloadError
from toolhive_common.errors import ErrorCode
from toolhive_common.manager import Created, RunUpdate, Selection
from toolhive_common.schemas.base import Wire
from toolhive_common.schemas.commands import Progress
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.workload import BulkRequest, CreatedWorkload, CreateRequest, Workload

__all__ = ["RemoteManager"]

_MESSAGE = TypeVar("_MESSAGE", bound=Wire)
_NOT_FOUND = 404


class _Listing(Wire):
    """Answer of ``GET /workloads``; an original ToolHive says null where there are none."""

    workloads: tuple[Workload, ...] | None = None


class _RunProblem(Wire):
    """Data of the ``error`` message that ends a stream of progress."""

    status: int
    code: ErrorCode = ErrorCode.INTERNAL
    message: str = ""


class RemoteManager:
    """Runs and looks after the workloads of one API.

    Implements `toolhive_common.manager.Manager`.
    """

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def run_workload_detached(self, request: CreateRequest) -> AsyncIterator[RunUpdate]:
        """Make a workload and tell how that goes; ends with `Created`."""
        async with self._api.open(
            "POST",
            "/workloads",
            body=request.to_json(),
            headers={"Accept": "text/event-stream, application/json"},
            limits=LONG_READ,
        ) as response:
            if not response.headers.get("content-type", "").startswith("text/event-stream"):
                yield Created(self._parse(CreatedWorkload, await response.aread()))
                return
            async for update in self._updates(response):
                yield update
                if isinstance(update, Created):
                    return
        raise UnexpectedAnswerError(
            self._api.url,
            f"it broke off while '{request.name}' was being made; 'thv list --all' shows what came of it",
        )

    async def stop_workloads(self, selection: Selection) -> None:
        """Stop workloads. Stopping a stopped one is no error."""
        await self._change("stop", selection)

    async def restart_workloads(self, selection: Selection) -> None:
        """Start workloads anew, stopped ones too."""
        await self._change("restart", selection)

    async def delete_workloads(self, selection: Selection) -> None:
        """Stop workloads and forget them."""
        await self._change("delete", selection)

    async def list_workloads(
        self, *, list_all: bool = False, labels: Mapping[str, str] | None = None, group: str = ""
    ) -> Sequence[Workload]:
        """Workloads that run, or all of them; by label and group. Sorted by name."""
        params = {"all": "true"} if list_all else {}
        if group:
            params["group"] = group
        body = await self._api.request("GET", "/workloads", params=params)
        found = self._parse(_Listing, body).workloads or ()
        wanted = (labels or {}).items()
        return sorted((one for one in found if wanted <= one.labels.items()), key=lambda one: one.name)

    async def get_workload(self, name: str) -> Workload:
        """One workload."""
        # GET /workloads/{name} answers with the request that made it, as in ToolHive; its state is in the list only.
        for workload in await self.list_workloads(list_all=True):
            if workload.name == name:
                return workload
        raise UnknownWorkloadError(name)

    async def logs(self, name: str, *, lines: int = 1000) -> str:
        """The end of what the server wrote."""
        text = (await self._about(name, "GET", f"/logs?lines={lines}")).decode(errors="replace")
        # An original ToolHive passes the number over.
        return "".join(text.splitlines(keepends=True)[-lines:])

    async def export(self, name: str) -> RunConfig:
        """The workload's RunConfig."""
        return self._parse(RunConfig, await self._about(name, "GET", "/export"))

    async def _change(self, verb: str, selection: Selection) -> None:
        if len(selection.names) != 1:
            body = BulkRequest(names=tuple(selection.names), group=selection.group).to_json()
            await self._api.request("POST", f"/workloads/{verb}", body=body)
        elif verb == "delete":
            await self._about(selection.names[0], "DELETE", "")
        else:
            await self._about(selection.names[0], "POST", f"/{verb}")

    async def _about(self, name: str, method: str, tail: str) -> bytes:
        try:
            return await self._api.request(method, f"/workloads/{quote(name, safe='')}{tail}")
        except ApiRefusedError as error:
            if error.status == _NOT_FOUND:
                raise UnknownWorkloadError(name) from error
            raise

    async def _updates(self, response: ApiResponse) -> AsyncIterator[RunUpdate]:
        async for message in read_messages(self._api.lines(response)):
            update = self._update(message)
            if update is not None:
                yield update

    def _update(self, message: SseMessage) -> RunUpdate | None:
        match message.event:
            case "progress":
                return self._parse(Progress, message.data)
            case "created":
                return Created(self._parse(CreatedWorkload, message.data))
            case "error":
                problem = self._parse(_RunProblem, message.data)
                raise ApiRefusedError(problem.status, problem.message, problem.code)
        return None

    def _parse(self, schema: type[_MESSAGE], body: bytes | str) -> _MESSAGE:
        try:
            return schema.from_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(step) for step in first["loc"])
            raise UnexpectedAnswerError(self._api.url, f"{first['msg']}{f' at {where}' if where else ''}") from error
