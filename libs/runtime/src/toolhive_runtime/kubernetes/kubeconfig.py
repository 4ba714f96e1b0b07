"""A user's kubeconfig, with all the ways of proving who one is that the ``kubernetes`` library knows."""

import ssl
from typing import Any

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, list_kube_config_contexts, load_kube_config

from toolhive_runtime.errors import NoClusterError
from toolhive_runtime.kubernetes.access import Access

__all__ = ["from_kubeconfig"]


def from_kubeconfig(namespace: str | None, *, otherwise: str) -> Access:
    """Use the current context of ``KUBECONFIG``, or of the file at the usual place.

    Parameters
    ----------
    namespace
        Instead of the context's; ``None`` = the context's, or ``otherwise``.

    Raises
    ------
    NoClusterError
        There is no such file, or none that can be used.
    """
    configuration = Configuration()
    try:
        load_kube_config(client_configuration=configuration)
        _, active = list_kube_config_contexts()
        tls = _tls(configuration)
    except (ConfigException, OSError) as error:
        raise NoClusterError(str(error)) from error
    found = namespace or str(active["context"].get("namespace") or otherwise)

    def headers() -> dict[str, str]:
        settings: dict[str, Any] = dict(configuration.auth_settings())
        return {str(told["key"]): str(told["value"]) for told in settings.values() if told.get("value")}

    return Access(str(configuration.host).rstrip("/"), found, headers, tls)


def _tls(configuration: Configuration) -> ssl.SSLContext | None:
    if not str(configuration.host).startswith("https:"):
        return None
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    if not configuration.verify_ssl:  # the user's file says so
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
