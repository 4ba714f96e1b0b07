"""Telling why a build failed from what its package client wrote."""

import re

from toolhive_runtime.decisions.packages import PackageScheme

__all__ = ["is_unreachable", "missing_package"]

# The more a sign tells, the earlier it stands.
_SIGNS = {
    PackageScheme.UVX: (
        r"Because (?P<what>\S+) was not found in the package registry",
        r"Because there (?:is|are) no versions? of (?P<what>[^\s,]+)",
        r"Because only (?P<what>\S+ ?\S* (?:is|are)) available",
        r"No matching distribution found for (?P<what>\S+)",
    ),
    PackageScheme.NPX: (
        r"(?P<what>'[^']+') is not in (?:this|the npm) registry",
        r"No matching version found for (?P<what>\S+?)\.?$",
        r"(?P<what>'[^']+') could not be found or you do not have permission",
        r"code E404",
    ),
    PackageScheme.GO: (
        r"(?P<what>\S+@\S+): invalid version",
        r"(?P<what>\S+@\S+): reading .*: 404 Not Found",
        r"(?P<what>\S+@\S+): no matching versions for query",
        r"(?P<what>\S+@\S+): unrecognized import path",
        r"found \(\S+\), but does not contain package (?P<what>\S+)",
        r"unknown revision (?P<what>\S+)",
        r"server response: not found: (?P<what>\S+)",
        r"repository '?(?P<what>\S+?)/?'? not found",
    ),
}

# A client that cannot reach its registry may go on to say that there is no such package.
_UNREACHABLE = re.compile(
    r"name resolution|Name or service not known|no such host|getaddrinfo|EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ETIMEDOUT"
    r"|dns error|Failed to establish a new connection|Connection refused|i/o timeout|network is unreachable",
    re.IGNORECASE,
)


def is_unreachable(output: str) -> bool:
    """Whether a package client could not reach its registry."""
    return bool(_UNREACHABLE.search(output))


def missing_package(scheme: PackageScheme, output: str) -> str | None:
    """Find what a package client did not find; ``None`` when it failed for another reason.

    The package itself or one that it needs: either way its registry lacks something, and trying again will not help.
    """
    if is_unreachable(output):
        return None
    lines = output.splitlines()
    for sign in _SIGNS[scheme]:
        for line in lines:
            match = re.search(sign, line)
            if match is not None:
                what = (match.groupdict().get("what") or "").strip(".,:;'")
                return f"its registry has no {what}" if what else "its registry answers 404"
    return None
