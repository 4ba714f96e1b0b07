"""What is told, and what is kept until it is."""

from datetime import UTC, datetime

from toolhive_agent.services.reporter import Reporter
from toolhive_agent.services.tasks import beside
from toolhive_common.schemas.events import EventType, LifecycleEvent, SessionData
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


async def test_an_event_that_cannot_be_written_holds_up_no_state(stage: Stage) -> None:
    reporter = Reporter(stage.bus, stage.log, stage.observed)
    state = an_observed(phase=ObservedPhase.STOPPED)
    data = SessionData(namespace="default", workload=state.key.name, session="s", client="\ud800")
    time = datetime.now(UTC)
    reporter.tell(
        LifecycleEvent.about(EventType.SESSION_OPENED, data, event_id="e", source="/x", time=time, correlation_id="")
    )
    reporter.report(state)
    async with beside(reporter.run()):

        async def told() -> bool:
            return await stage.state() == state

        await eventually(told, 10)
    assert await stage.event_types() == ["workload.stopping", "workload.stopped"]
