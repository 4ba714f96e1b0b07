"""Reads the body of a POST, once for all."""

from toolhive_proxy.decisions.post_verdict import judge_body
from toolhive_proxy.decisions.refusal import Refusal
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Response
from toolhive_proxy.protocol.answers import error_answer
from toolhive_proxy.protocol.headers import PROTOCOL_VERSION
from toolhive_proxy.protocol.messages import read_client

__all__ = ["parse_body"]


def parse_body(context: RequestContext) -> Response | None:
    """Put the message, or the batch of them, into the context, or refuse what is neither."""
    if context.request.method != "POST":
        return None
    version = context.request.header(PROTOCOL_VERSION)
    found = judge_body(read_client(context.request.body), version=version)
    if isinstance(found, Refusal):
        return error_answer(found.status, found.code, found.message, request_id=found.request_id, data=found.data)
    context.message = found
    return None
