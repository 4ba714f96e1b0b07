"""Turns a failure of our own code into an answer, and a log line that tells where."""

from collections.abc import MutableMapping
from typing import Any

import structlog

from toolhive_common.mcp.jsonrpc import Code
from toolhive_proxy.errors import ClientLeftError, SlowClientError
from toolhive_proxy.models.asgi import App, Receive, Scope, Send
from toolhive_proxy.protocol.asgi_messages import error_answer

__all__ = ["recovery"]

_log = structlog.get_logger(__name__)


def recovery(app: App) -> App:
    """Answer 500 where nothing was sent yet; otherwise the connection is closed, which tells the client as much."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, receive, watched)
        except (SlowClientError, ClientLeftError) as error:
            _log.info("a client is gone", path=scope["path"], cause=error.message)
        except Exception:  # noqa: BLE001  # the top of this request: the next one must still be served
            _log.exception("a request failed", method=scope["method"], path=scope["path"])
            if not started:
                text = "the proxy failed to serve the request; its log says why under the X-Request-Id of this answer"
                for message in error_answer(500, Code.INTERNAL_ERROR, text):
                    await send(message)

    return guarded
