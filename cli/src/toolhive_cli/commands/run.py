"""``thv run``."""

from typing import Any

import click
from click.core import ParameterSource

from toolhive_cli.adapters.api_client import is_loopback
from toolhive_cli.adapters.files import absolute_source, read_permission_profile, read_run_config, read_text
from toolhive_cli.adapters.terminal import Screen, notice, open_screen
from toolhive_cli.commands.base import SERVER_ARGUMENTS, thv_command
from toolhive_cli.commands.choices import WordOrNothing
from toolhive_cli.commands.proxy_flags import proxy_flags, read_proxy_flags
from toolhive_cli.commands.refused_flags import refuse_flags
from toolhive_cli.config import Settings
from toolhive_cli.decisions.import_request import plan_import
from toolhive_cli.decisions.pairs import parse_env_file, parse_pairs
from toolhive_cli.decisions.run_request import RunFlags, is_bare_name, plan_request
from toolhive_cli.errors import ApiRefusedError, InvalidFlagError
from toolhive_cli.factory.manager import with_manager
from toolhive_cli.factory.services import starting
from toolhive_cli.presentation.run_report import interrupted, run_report, started_without_waiting
from toolhive_cli.presentation.workloads import workload_json
from toolhive_common.errors import ErrorCode
from toolhive_common.manager import Manager
from toolhive_common.schemas.permissions import BUILTIN_PROFILES
from toolhive_common.schemas.workload import CreateRequest

__all__ = ["command"]


@thv_command(
    "run",
    """
  thv run uvx://mcp-server-time                         a package from PyPI
  thv run npx://@modelcontextprotocol/server-everything  one from npm
  thv run go://github.com/example/server@latest         a Go module
  thv run --name fetch -e DEBUG=1 mcp/fetch:1.0         an image
  thv run uvx://mcp-server-git --runtime-add-package git -v ~/src:/src:ro -- --repository /src
  thv run uvx://mcp-server-time --permission-profile none --tools get_current_time
  thv run https://mcp.example.com/mcp                   a remote server, behind the proxy
  thv run --from-config time.json                       a RunConfig that was exported
""",
)
@refuse_flags
@click.argument("source", metavar="IMAGE_OR_PROTOCOL", default="", required=False)
@click.option("--from-config", default="", metavar="FILE", help="RunConfig to run; it takes the place of all flags.")
@click.option("--name", default="", help="Name of the workload.  [default: made from the image or package]")
@click.option("--group", default="", help="Group of the workload.  [default: default]")
@click.option(
    "--transport",
    default="",
    type=WordOrNothing(["stdio", "sse", "streamable-http"]),
    metavar="[stdio|sse|streamable-http]",
    help="How the server speaks MCP.  [default: stdio; for a remote server streamable-http]",
)
@proxy_flags
@click.option("--host", default="", help="Address that the proxy listens on; the stack's is fixed.")
@click.option(
    "--proxy-port",
    default=0,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port that the proxy listens on; the stack serves all on one.",
)
@click.option(
    "--target-port",
    default=0,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Port of the server in its container.",
)
@click.option(
    "--permission-profile",
    "profile",
    default="",
    metavar="[none|network|FILE]",
    help="What the server may reach and mount.  [default: network]",
)
@click.option("--network", default="", metavar="MODE", help="Network mode of the container: host or none.")
@click.option(
    "--isolate-network/--no-isolate-network",
    default=None,
    help="Shut the server off where its profile allows no connections.",
)
@click.option("--allow-docker-gateway/--no-allow-docker-gateway", default=False, help="Let it reach this machine.")
@click.option("-e", "--env", multiple=True, metavar="KEY=VALUE", help="Variable of the server's environment.")
@click.option("--env-file", default="", metavar="FILE", help="File of KEY=VALUE lines; --env goes before it.")
@click.option(
    "-v", "--volume", "volumes", multiple=True, metavar="HOST:CONTAINER[:ro]", help="Folder or file to mount."
)
@click.option("-l", "--label", "labels", multiple=True, metavar="KEY=VALUE", help="Label of the workload.")
@click.option(
    "-p",
    "--publish",
    multiple=True,
    metavar="[[ADDRESS:]HOST:]PORT",
    help="Port of the container to open, on 127.0.0.1 unless told.",
)
@click.option("--runtime-image", default="", metavar="IMAGE", help="Base image to build a package with.")
@click.option(
    "--runtime-add-package",
    "runtime_packages",
    multiple=True,
    metavar="PACKAGE",
    help="System package to add to the image.",
)
@click.option("--build-with", multiple=True, metavar="REQUIREMENT", help="Python requirement to add (uvx:// only).")
@click.option(
    "--wait", default=300, show_default=True, type=click.IntRange(0), metavar="SECONDS",
    help="How long to wait until it serves; 0 = not at all.",
)  # fmt: skip
@click.option("--format", "output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_context
def command(ctx: click.Context, /, *, wait: int, output: str, from_config: str, **given: Any) -> None:
    """Run an MCP server in a container, behind the proxy.

    It is an image, or a package that is built into one: uvx:// (PyPI), npx:// (npm) or go://. What stands after --
    are the server's own arguments. A remote server (http:// or https://) is reached through the proxy as it is.
    """
    settings = ctx.ensure_object(Settings)
    if from_config:
        request = _imported(ctx, from_config)
    else:
        _require_source(ctx)
        request = plan_request(_flags(given, ctx.meta[SERVER_ARGUMENTS], local=is_loopback(settings.api_url)))
    try:
        with open_screen(debug=settings.debug) as screen:
            text = with_manager(settings, lambda manager: _run(manager, screen, request, wait, output))
    except KeyboardInterrupt:
        notice(interrupted(request.name))
        raise
    except ApiRefusedError as error:
        if error.code is not ErrorCode.IMAGE_NOT_FOUND or not is_bare_name(request.image):
            raise
        hint = "Names of the registry are not looked up yet; give an image, or a uvx://, npx:// or go:// package"
        raise ApiRefusedError(error.status, f"{error.message}\n{hint}", error.code) from error
    click.echo(text)


async def _run(manager: Manager, screen: Screen, request: CreateRequest, wait: int, output: str) -> str:
    service = starting(manager, screen)
    name = await service.make(request, patience=wait)
    if wait == 0 and output == "text":
        return started_without_waiting(name)
    workload = await (service.wait_until_ready(name, seconds=wait) if wait else manager.get_workload(name))
    return workload_json(workload) if output == "json" else run_report(workload)


def _require_source(ctx: click.Context) -> None:
    if ctx.get_parameter_source("source") is not ParameterSource.COMMANDLINE:
        raise click.UsageError("Missing argument 'IMAGE_OR_PROTOCOL'.", ctx)


def _imported(ctx: click.Context, path: str) -> CreateRequest:
    beside = {"from_config", "wait", "output"}
    others = [
        parameter.opts[0]
        for parameter in ctx.command.params
        if parameter.name not in beside
        and parameter.expose_value
        and ctx.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    ]
    if others or ctx.meta[SERVER_ARGUMENTS]:
        raise InvalidFlagError(
            "--from-config", f"the file holds all settings; leave out {', '.join(others) or 'what stands after --'}"
        )
    found = plan_import(path, read_run_config(path))
    if found.notice:
        notice(found.notice)
    return found.request


def _flags(given: dict[str, Any], arguments: tuple[str, ...], *, local: bool) -> RunFlags:
    profile, env_file = given.pop("profile"), given.pop("env_file")
    proxy = read_proxy_flags(given)
    env = parse_env_file(env_file, read_text("--env-file", env_file)) if env_file else {}
    return RunFlags(
        **{
            **proxy,
            **given,
            "arguments": arguments,
            "profile": None if not profile else BUILTIN_PROFILES.get(profile) or read_permission_profile(profile),
            "env": {**env, **parse_pairs("--env", given["env"])},
            "labels": parse_pairs("--label", given["labels"]),
            "volumes": tuple(absolute_source(volume, must_exist=local) for volume in given["volumes"]),
        }
    )
