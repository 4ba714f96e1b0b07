"""A RunConfig as the request that would make its workload again."""

from toolhive_common import oidc_settings
from toolhive_common.automatic import OWN_LABELS, automatic_names
from toolhive_common.schemas.runconfig import RunConfig
from toolhive_common.schemas.workload import CreateRequest

__all__ = ["to_create_request"]


def to_create_request(config: RunConfig) -> CreateRequest:
    """Ask for the workload of a RunConfig.

    What ToolHive for Python does not act on has no place in it; `toolhive_common.unsupported` names such parts.

    Raises
    ------
    pydantic.ValidationError
        Its OIDC settings cannot be read.
    """
    set_by_us = automatic_names(config.transport)
    return CreateRequest(
        name=config.name,
        image=config.image,
        url=config.remote_url,
        host=config.host,
        proxy_port=config.port,
        target_port=config.target_port,
        transport=config.transport,
        proxy_mode=config.proxy_mode or "",
        cmd_arguments=config.cmd_args,
        volumes=config.volumes,
        tools=config.tools_filter,
        env_vars={name: value for name, value in config.env_vars.items() if name not in set_by_us},
        permission_profile=config.permission_profile,
        network_isolation=config.isolate_network,
        allow_docker_gateway=config.allow_docker_gateway,
        trust_proxy_headers=config.trust_proxy_headers,
        tools_override=config.tools_override,
        group=config.group,
        oidc=oidc_settings.from_run_config(config.oidc_config) if config.oidc_config is not None else None,
        header_forward=config.header_forward,
        runtime_config=config.runtime_config,
        labels={name: value for name, value in config.container_labels.items() if not name.startswith(OWN_LABELS)},
        publish=config.publish,
        stdio_process=config.stdio_process or "",
        strict_protocol_validation=config.strict_protocol_validation,
        stateless=config.stateless,
        session_ttl=config.session_ttl,
        endpoint_prefix=config.endpoint_prefix,
        allowed_origins=config.allowed_origins,
        middleware_configs=config.middleware_configs,
        additional_middleware_configs=config.additional_middleware_configs,
    )
