"""Reads the body of a POST, once for all."""

from toolhive_proxy.decisions.post_verdict import Refusal, judge_body
from toolhive_proxy.models.gates import RequestContext
from toolhive_proxy.models.http import Response
from toolhive_proxy.protocol.answers import error_answer
from toolhive_proxy.protocol.messages import read_client

__all__ = ["parse_body"]


def parse_body(context: RequestContext) -> Response | None:
    """Put the message into the context, or refuse what is not exactly one."""
    if context.request.method != "POST":
        return None
    found = judge_body(read_client(context.request.body))
    if isinstance(found, Refusal):
        return error_answer(found.status, found.code, found.message, request_id=found.request_id, data=found.data)
    context.message = found
    return None
