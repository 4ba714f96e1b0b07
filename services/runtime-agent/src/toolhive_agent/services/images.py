"""Images, two at a time, with progress for whoever watches."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from toolhive_agent.decisions.redaction import hidden_values, redacted
from toolhive_agent.errors import PrepareTimeoutError
from toolhive_agent.services.engine import Engine
from toolhive_agent.services.tasks import beside
from toolhive_common.messaging.bus import Bus
from toolhive_common.messaging.progress import tell_progress
from toolhive_common.schemas.commands import Progress, ProgressStage
from toolhive_common.schemas.state import DesiredWorkload
from toolhive_runtime.decisions.packages import is_package
from toolhive_runtime.runtime import BuilderOptions, ImageProgress, ImageSource

__all__ = ["Images"]

_AT_ONCE = 2
"""More builds at the same time take longer for all, and fill memory."""
_BETWEEN = 0.2
"""Seconds between two reports of progress."""


class Images:
    """Makes images available.

    Parameters
    ----------
    builder
        How packages are built, where a workload does not say otherwise.
    patience
        After this a pull or a build is given up: one that hangs would keep its slot from all others.
    """

    def __init__(self, engine: Engine, bus: Bus, builder: BuilderOptions, patience: timedelta) -> None:
        self._engine = engine
        self._bus = bus
        self._builder = builder
        self._patience = patience
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def prepare(self, desired: DesiredWorkload) -> tuple[str, ImageSource]:
        """Pull or build; ends the pull or the build when cancelled.

        Raises
        ------
        ToolHiveError
            There is no such image or package, or it could not be fetched or built.
        """
        teller = _Teller(self._bus, desired)
        async with self._slots, beside(teller.run()):
            return await self._in_time(desired.run_config.image, teller.note, self._options(desired))

    async def _in_time(
        self, image: str, progress: Callable[[ImageProgress], None], builder: BuilderOptions
    ) -> tuple[str, ImageSource]:
        runtime = await self._engine.runtime()
        try:
            async with asyncio.timeout(self._patience.total_seconds()) as limit:
                return await runtime.ensure_image(image, progress=progress, builder=builder)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise PrepareTimeoutError(image, self._patience, building=is_package(image)) from error

    def _options(self, desired: DesiredWorkload) -> BuilderOptions:
        own = desired.run_config.runtime_config
        if own is None:
            return self._builder
        scheme = desired.run_config.image.partition("://")[0]
        base = {**self._builder.base_images, scheme: own.builder_image} if own.builder_image else None
        return BuilderOptions(
            base_images=base or self._builder.base_images,
            extra_packages=(*self._builder.extra_packages, *own.additional_packages),
            build_with=(*self._builder.build_with, *own.build_with),
            environment={**self._builder.environment, **own.runtime_env},
            ca_bundle=self._builder.ca_bundle,
        )


class _Teller:
    """Tells the newest progress, not each line of it."""

    def __init__(self, bus: Bus, desired: DesiredWorkload) -> None:
        self._bus = bus
        self._desired = desired
        self._hidden = hidden_values(desired.run_config)
        self._newest: ImageProgress | None = None
        self._new = asyncio.Event()

    def note(self, progress: ImageProgress) -> None:
        self._newest = progress
        self._new.set()

    async def run(self) -> None:
        while True:
            await self._new.wait()
            self._new.clear()
            if (newest := self._newest) is not None:
                stage = ProgressStage.BUILDING if newest.building else ProgressStage.PULLING
                [message] = redacted([newest.message], self._hidden)
                progress = Progress(
                    key=self._desired.key,
                    revision=self._desired.revision,
                    stage=stage,
                    message=message,
                    fraction=newest.fraction,
                )
                await tell_progress(self._bus, progress)
            await asyncio.sleep(_BETWEEN)
