"""Several official Python clients at once on one server; prints what each of them got, as JSON.

Usage: conversation.py URL FRONT COUNT TOPIC      FRONT: http | sse   TOPIC: calls | asks
Runs with either generation of the SDK: the environment decides.
"""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import mcp
from mcp import ClientSession, types
from mcp.client.sse import sse_client

CALLS = 10
STEPS = 5


def callbacks(name):
    """What a client answers when the server asks; each answer has the client's name in it."""

    async def sample(_context, _params):
        said = types.TextContent(type="text", text=name)
        return types.CreateMessageResult(role="assistant", content=said, model="test")

    async def elicit(_context, _params):
        return types.ElicitResult(action="accept", content={"who": name})

    async def roots(_context):
        return types.ListRootsResult(roots=[types.Root(uri=f"file:///{name}")])

    return {"sampling_callback": sample, "elicitation_callback": elicit, "list_roots_callback": roots}


@asynccontextmanager
async def connected(url, front, name):
    """A client that has said hello."""
    if hasattr(mcp, "Client"):
        server = sse_client(url) if front == "sse" else url
        async with mcp.Client(server, **callbacks(name)) as client:
            yield client
        return
    from mcp.client.streamable_http import streamablehttp_client  # noqa: PLC0415  # the first generation only has it

    async with (
        (sse_client if front == "sse" else streamablehttp_client)(url) as (read, write, *_),
        ClientSession(read, write, **callbacks(name)) as session,
    ):
        await session.initialize()
        yield session


async def calls(client, name):
    """Ask for echoes, then for progress."""
    answers, told = [], []

    async def progress(_done, _total, message):
        told.append(message)

    for number in range(CALLS):
        result = await client.call_tool("echo", {"text": f"{name} {number}"})
        answers.append(result.content[0].text)
    await client.call_tool("progress", {"steps": STEPS, "text": name}, progress_callback=progress)
    return {"answers": answers, "progress": told}


async def asks(client, _name):
    """Have the server ask this client for something of each kind."""
    message = {"role": "user", "content": {"type": "text", "text": "who are you?"}}
    schema = {"type": "object", "properties": {"who": {"type": "string"}}}
    kinds = {
        "sampling/createMessage": {"messages": [message], "maxTokens": 10},
        "elicitation/create": {"message": "who are you?", "requestedSchema": schema},
        "roots/list": {},
    }
    answers = {}
    for method, params in kinds.items():
        result = await client.call_tool("ask", {"method": method, "params": params})
        answers[method] = json.loads(result.content[0].text).get("result")
    return {"asked": answers}


async def one_client(url, front, name, topic):
    """Connect, talk and leave."""
    try:
        async with asyncio.timeout(20), connected(url, front, name) as client:
            return {"name": name, **await topic(client, name)}
    except BaseException as error:  # noqa: BLE001  # told to the test, which judges
        return {"name": name, "error": repr(error)}


async def main():
    """Run all clients at once."""
    url, front, count, topic = sys.argv[1:]
    names = [f"client-{number}" for number in range(int(count))]
    found = await asyncio.gather(
        *(one_client(url, front, name, {"calls": calls, "asks": asks}[topic]) for name in names)
    )
    print(json.dumps(found))


asyncio.run(main())
