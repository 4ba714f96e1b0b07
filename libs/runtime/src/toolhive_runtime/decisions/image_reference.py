"""Names of images: of those built here, and when to ask a registry for one."""

import re
from dataclasses import dataclass

from toolhive_runtime.decisions.packages import Package

__all__ = ["ImageReference", "local_image_name", "parse_reference", "pulls_before_looking"]

_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")
_MAX_NAME = 128
"""Well under the engine's limit of 255 for a repository."""


@dataclass(frozen=True)
class ImageReference:
    """An image reference, taken apart as the engine's API wants it."""

    repository: str
    """With the registry's address, when one is given."""
    tag: str
    """Empty when a digest is given, and ``latest`` when nothing is."""
    digest: str

    @property
    def version(self) -> str:
        """What the API takes as ``tag``: the digest when there is one."""
        return self.digest or self.tag


def local_image_name(package: Package, build_key: str) -> str:
    """Name the image that is built of a package.

    Parameters
    ----------
    build_key
        Hash of all that the image depends on. It takes the place of ToolHive's time stamp, so that the name alone
        tells whether the same thing was built before.
    """
    name = _NOT_IN_A_NAME.sub("-", package.name.lower()).strip("-")[:_MAX_NAME].strip("-")
    return f"toolhivelocal/{package.scheme}-{name}:{build_key}"


def parse_reference(image: str) -> ImageReference:
    """Take an image reference apart. A colon before the last slash belongs to the registry's port."""
    name, _, digest = image.partition("@")
    folder, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return ImageReference(f"{folder}{slash}{last}", "" if digest else tag or "latest", digest)


def pulls_before_looking(image: str) -> bool:
    """Whether a registry is asked although the image may be here: ``latest`` moves, other tags and digests stay."""
    return parse_reference(image).tag == "latest"
