"""RunConfig -> the parts of the proxy's middleware that it asks for, in their order, each with its settings.

ToolHive has two ways to say it: settings of their own (``oidc_config``, ``tools_filter``, ...), and the whole chain
in ``middleware_configs``, which then alone counts. Here both count, so that a limit which somebody wrote down holds:
what the chain leaves out is taken from the settings, and where the two contradict each other the file is refused. A
part that does not exist here is refused by its name.

The chain's order is kept but for what would be unsafe: the body limit and the check of origins come first, and nobody
gets anything else to answer before it is known who asks.
"""

from collections.abc import Iterator, Mapping

from toolhive_common.middleware.parts import (
    Authentication,
    BodyLimit,
    InvalidMiddlewareError,
    OriginCheck,
    Part,
    PartName,
    Plain,
    ToolRules,
    UnsupportedPartsError,
)
from toolhive_common.middleware.reading import (
    read_authentication,
    read_headers,
    read_link,
    read_model,
    read_tool_rules,
)
from toolhive_common.schemas.oidc import OidcConfig
from toolhive_common.schemas.runconfig import MiddlewareConfig, RunConfig

__all__ = ["asks_who_calls", "plan_middleware", "unsupported_middleware"]

_SETTINGS = {
    "authz_config": "authorization",
    "authz_config_path": "authorization",
    "audit_config": "audit",
    "audit_config_path": "audit",
    "telemetry_config": "telemetry",
    "rate_limit_config": "ratelimit",
    "token_exchange_config": "tokenexchange",
    "upstream_swap_config": "upstreamswap",
    "aws_sts_config": "awssts",
    "validating_webhooks": "validating-webhook",
    "mutating_webhooks": "mutating-webhook",
    "embedded_auth_server_config": "the embedded authorization server",
}
"""Settings to the missing parts that they ask for."""


def unsupported_middleware(config: RunConfig) -> tuple[str, ...]:
    """Name what a RunConfig asks the proxy to do and that does not exist here, as it is written in the file."""
    return tuple(dict.fromkeys(_unsupported(config)))


def _unsupported(config: RunConfig) -> Iterator[str]:
    for key, part in _SETTINGS.items():
        if getattr(config, key):
            yield f"{key} ({part})"
    if config.header_forward and config.header_forward.add_headers_from_secret:
        yield "header_forward.add_headers_from_secret (secrets)"
    yield from (f"{key}: {link.type[:80]!r}" for key, link in _links(config) if link.type not in set(PartName))


def asks_who_calls(config: RunConfig) -> bool:
    """Whether a workload's callers are different people, who have to say who they are."""
    links = [link.parameters for _, link in _links(config) if link.type == PartName.AUTHENTICATION]
    return bool(config.oidc_config) or any(isinstance(each, Mapping) and each.get("oidc_config") for each in links)


def _links(config: RunConfig) -> Iterator[tuple[str, MiddlewareConfig]]:
    yield from (("middleware_configs", link) for link in config.middleware_configs)
    yield from (("additional_middleware_configs", link) for link in config.additional_middleware_configs)


def plan_middleware(config: RunConfig) -> tuple[Part, ...]:
    """Say which parts a workload has, from the outermost to the innermost.

    Raises
    ------
    UnsupportedPartsError
        It asks for a part that does not exist here.
    InvalidMiddlewareError
        Its settings cannot be read, or two of them contradict each other.
    """
    if missing := unsupported_middleware(config):
        raise UnsupportedPartsError(missing)
    from_settings = _from_settings(config)
    given = tuple(read_link(f"{key}: {link.type!r}", link) for key, link in _links(config))
    has: set[PartName] = set()
    if config.middleware_configs:
        _refuse_contradictions(from_settings, given)
        has = {part.name for part in given if not (isinstance(part, Authentication) and part.oidc is None)}
    parts = (*(part for part in from_settings if part.name not in has), *given)
    _refuse_half_filters(parts)
    return _ordered(parts)


def _from_settings(config: RunConfig) -> tuple[Part, ...]:
    """Read the parts' own settings, in the order of ToolHive's operator."""
    given = config.oidc_config
    oidc = read_model(OidcConfig, "oidc_config", given) if given is not None else None
    parts: list[Part] = [
        BodyLimit(),
        OriginCheck.of(config.allowed_origins),
        read_authentication("oidc_config", oidc),
        Plain(PartName.PARSER),  # also where a chain leaves it out: what comes after it needs to know the message
    ]
    if config.tools_filter or config.tools_override:
        parts += [
            read_tool_rules("tools_override", name, config.tools_filter, config.tools_override)
            for name in (PartName.TOOL_FILTER, PartName.TOOL_CALL_FILTER)
        ]
    if config.header_forward and config.header_forward.add_plaintext_headers:
        parts.append(read_headers("header_forward", config.header_forward.add_plaintext_headers))
    return tuple(parts)


def _refuse_contradictions(settings: tuple[Part, ...], given: tuple[Part, ...]) -> None:
    for wanted in settings:
        said = [part for part in given if part.name is wanted.name]
        if not said or wanted in said or _says_nothing(wanted):
            continue
        if all(_says_nothing(part) for part in said):
            continue
        raise InvalidMiddlewareError(
            f"middleware_configs: {wanted.name.value!r}",
            "it says something else than the RunConfig's own setting of this part; make both the same, or empty "
            "middleware_configs, so that the chain is made from the settings",
        )


def _refuse_half_filters(parts: tuple[Part, ...]) -> None:
    """Refuse to hide a tool that can be called all the same. To show one that cannot be called does no harm."""
    lists = _tool_rules(parts, PartName.TOOL_FILTER)
    calls = _tool_rules(parts, PartName.TOOL_CALL_FILTER)
    listed, open_ = _left(lists), _left(calls)
    if lists and not calls:
        problem = "it changes what clients see, and no 'tool-call-filter' what they can call; add one"
    elif listed is not None and (open_ is None or not open_ <= listed):
        problem = "it hides tools that the 'tool-call-filter' lets clients call; make that one"
    else:
        return
    raise InvalidMiddlewareError("middleware_configs: 'tool-filter'", f"{problem} with the same parameters")


def _tool_rules(parts: tuple[Part, ...], name: PartName) -> tuple[ToolRules, ...]:
    return tuple(part for part in parts if isinstance(part, ToolRules) and part.name is name)


def _left(rules: tuple[ToolRules, ...]) -> frozenset[str] | None:
    """Tools that all filters leave; ``None`` = all."""
    filters = [one.filter for one in rules if one.filter]
    return frozenset.intersection(*filters) if filters else None


def _says_nothing(part: Part) -> bool:
    match part:
        case OriginCheck(allowed_origins=()) | Authentication(oidc=None) | BodyLimit():
            return True
        case _:
            return False


_RANKS = {
    PartName.RECOVERY: 0,
    PartName.BODY_LIMIT: 1,
    PartName.ORIGIN: 2,
    PartName.AUTHENTICATION: 3,
    PartName.STRIP_AUTH: 4,
    PartName.PARSER: 5,
}
"""Parts whose place is fixed. All others come after them, in the order that they are given in."""


def _ordered(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    kept = _without_idle(parts)
    return tuple(sorted(kept, key=lambda part: _RANKS.get(part.name, len(_RANKS))))


def _without_idle(parts: tuple[Part, ...]) -> list[Part]:
    """Leave out a part that says nothing beside one of its kind that does, and what is there twice."""
    telling = {part.name for part in parts if not _says_nothing(part)}
    kept: list[Part] = []
    for part in parts:
        idle = isinstance(part, OriginCheck | Authentication) and _says_nothing(part) and part.name in telling
        if not idle and part not in kept:
            kept.append(part)
    return kept
