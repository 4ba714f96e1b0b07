"""The base classes of all wire models."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, model_serializer, model_validator

__all__ = ["GoNames", "OmitEmpty", "Wire"]


class Wire(BaseModel):
    """A frozen message.

    Unknown keys are passed over, so that a newer peer can add some; ToolHive's own readers do the same.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    @classmethod
    def from_json(cls, data: bytes | str) -> Self:
        """Parse JSON.

        Raises
        ------
        pydantic.ValidationError
            The data is no JSON or does not fit the schema.
        """
        return cls.model_validate_json(data)

    def to_json(self) -> bytes:
        """Serialise to compact JSON, keys as on the wire."""
        return self.model_dump_json(by_alias=True).encode()

    @property
    def is_writable(self) -> bool:
        """Whether `to_json` works. It does not when a text holds half a surrogate pair, which no encoding has."""
        try:
            self.to_json()
        except ValueError:
            return False
        return True


class GoNames(Wire):
    """A message whose keys are the names of Go's fields.

    Go's reader pays no heed to their case. Nor does this one: a key that ToolHive acts on is not passed over here.
    """

    @model_validator(mode="before")
    @classmethod
    def _read_any_case(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        names = {info.alias.lower(): info.alias for info in cls.model_fields.values() if info.alias}
        found: dict[object, object] = {}
        for key, one in value.items():
            name = names.get(key.lower(), key) if isinstance(key, str) else key
            if name in found:
                raise ValueError(f"{name} is given twice, in different case; leave one of them out")
            found[name] = one
        return found


class OmitEmpty(Wire):
    """A message that leaves out what is empty, as Go's ``omitempty`` does.

    An object that is set is written even when it holds nothing, as Go's pointers are: in a permission profile
    ``"network": {"outbound": {}}`` allows nothing, and no ``network`` at all allows ToolHive's servers everything.
    """

    always_written: ClassVar[frozenset[str]] = frozenset()
    """Keys (as on the wire) that are written even when empty."""

    @model_serializer(mode="wrap")
    def _omit_empty(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        written = set(self.always_written)
        for name, info in type(self).model_fields.items():
            if isinstance(getattr(self, name), BaseModel):
                written |= {name, info.alias or name}
        return {
            key: value
            for key, value in handler(self).items()
            if key in written or value not in (None, "", 0, False, [], (), {})
        }
