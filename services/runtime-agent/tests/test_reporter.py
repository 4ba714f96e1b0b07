"""What is told, and what is kept until it is."""

from toolhive_agent.services.reporter import Reporter
from toolhive_agent.services.tasks import beside
from toolhive_common.schemas.state import ObservedPhase
from toolhive_common.testing.factories import an_observed

from .support.stage import Stage, eventually  # type: ignore[import-not-found]  # mypy stops at the dash


async def test_a_forgotten_workload_is_told_to_the_end_and_then_takes_no_room(stage: Stage) -> None:
    reporter = Reporter(stage.bus, stage.log, stage.observed)
    state = an_observed(phase=ObservedPhase.STOPPED)
    reporter.report(state)
    reporter.forget(state.key)
    async with beside(reporter.run()):

        async def forgotten() -> bool:
            return reporter.last(state.key) is None

        await eventually(forgotten)
    assert await stage.event_types() == ["workload.stopping", "workload.stopped"]
    assert await stage.state() == state
