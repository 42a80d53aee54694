"""Working through what waits: one pass, or a worker that stays until it is told to stop.

A worker that is told to stop ends what it is at and takes nothing new. What one left behind that was killed is given
to the next that starts, or by those that stay within a minute.
"""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from procrastinate import App, RetryStrategy
from procrastinate.exceptions import AlreadyEnqueued

from patchline.patches.errors import DatabaseError, PatchlineError, UsageError
from patchline.patches.stopping import STOPPING, Stopped
from patchline.patches.wording import counted
from patchline.releaser.webhooks.delivering import deliver
from patchline.releaser.work import queue
from patchline.releaser.work.carrying import carry_out
from patchline.releaser.work.jobs import JOBS, Workshop
from patchline.releaser.work.kinds import BROKER, DEFAULT, KINDS
from patchline.releaser.work.wishes import DONE, open_wishes

Tell = Callable[[str], None]
_RETRY = RetryStrategy(max_attempts=8, exponential_wait=2)
_EVERY_MINUTE, _EVERY_FIVE_SECONDS = "* * * * *", "* * * * * */5"
_PAUSE_S = 1.0


class Worker:
    """A process that carries wishes out.

    Attributes:
        done, refused: how many it carried out.
    """

    def __init__(
        self, workshop: Workshop, clock: Callable[[], datetime], tell: Tell, rounds: Callable[[], None] | None = None
    ) -> None:
        """Take what jobs work with; `rounds` is what a broker does beside them, again and again."""
        self._workshop, self._clock, self._tell, self._rounds = workshop, clock, tell, rounds
        self._queue = DEFAULT if rounds is None else BROKER
        self.done = self.refused = 0
        self._stopped: signal.Signals | None = None

    def work(self, *, once: bool, at_once: int = 1) -> None:
        """Work until nothing waits (`once`), or until told to stop.

        Args:
            once: end when nothing waits.
            at_once: how many jobs at the same time.

        Raises:
            Stopped: it was told to, and has ended in order.
            UsageError: the register is embedded, and nobody but a broker need stay.
            DatabaseError: the database is gone for good; whoever watches over services starts another one.
        """
        if not self._workshop.register.database.is_sqlite:
            asyncio.run(self._stay(once, at_once))
            if self._stopped is not None:
                raise Stopped(self._stopped)
            if not once:
                raise DatabaseError("gone", "the register's database does not answer any more")
        elif once:
            self._inline()
        elif self._rounds is not None:
            self._stay_embedded()
        else:
            raise UsageError("worker-embedded", "on SQLite work is done at once, and no worker stays")

    def _stay_embedded(self) -> None:
        while True:
            try:
                self._inline()
            except PatchlineError as error:
                self._tell(error.message)
            time.sleep(_PAUSE_S)

    def _inline(self) -> None:
        with self._workshop.register.read() as session:
            waiting = [(number, job) for number, job in open_wishes(session) if KINDS[job].queue == self._queue]
        problems = []
        for number, _ in waiting:
            try:
                self._carry_out(number)
            except PatchlineError as error:
                problems.append(error)
        if self._rounds is not None:
            self._rounds()
        self._tell_hooks()
        if problems:
            raise problems[0]

    def _tell_hooks(self) -> None:
        """Deliver what webhooks wait for; one kind of worker does."""
        made = deliver(self._workshop.register, self._clock) if self._rounds is None else 0
        if made:
            self._tell(f"webhooks: {counted(made, 'attempt')}")

    def _carry_out(self, number: int) -> None:
        end = carry_out(self._workshop, number, self._clock)
        self.done += end.outcome == DONE
        self.refused += end.outcome != DONE
        self._tell(f"job {number}: {end.outcome}, {end.told}")

    # On PostgreSQL

    async def _stay(self, once: bool, at_once: int) -> None:
        app = self._app()
        async with app.open_async():
            await self._sweep(app, starting=True)
            task = asyncio.ensure_future(
                app.run_worker_async(
                    queues=[self._queue],
                    wait=not once,
                    concurrency=at_once,
                    install_signal_handlers=False,
                    delete_jobs="successful",
                    stalled_worker_timeout=queue.SILENCE_S,
                    fetch_job_polling_interval=1.0,
                )
            )
            for number in STOPPING:
                asyncio.get_running_loop().add_signal_handler(number, self._stop, task, number)
            with suppress(asyncio.CancelledError):
                await task

    def _stop(self, task: "asyncio.Future[Any]", number: signal.Signals) -> None:
        if self._stopped is None:
            self._stopped = number
            self._tell("told to stop: what is under way is ended first")
            task.cancel()

    def _app(self) -> App:
        app = queue.make_app(self._workshop.register.database.engine.url)
        for name in JOBS:
            if KINDS[name].queue == self._queue:
                app.task(name=name, queue=self._queue, retry=_RETRY)(self._task)
        sweeping = f"sweep-{self._queue}"

        @app.periodic(cron=_EVERY_MINUTE)
        @app.task(name=sweeping, queue=self._queue, queueing_lock=sweeping)
        async def sweep(timestamp: int) -> None:
            await self._sweep(app, starting=False)

        if self._rounds is not None:
            self._make_rounds(app, self._rounds)
        return app

    def _make_rounds(self, app: App, rounds: Callable[[], None]) -> None:
        """Let one of the brokers make its rounds; who is late leaves it to the next time."""

        @app.periodic(cron=_EVERY_FIVE_SECONDS)
        @app.task(name="rounds", queue=self._queue, lock="rounds", queueing_lock="rounds")
        async def make(timestamp: int) -> None:
            await asyncio.to_thread(rounds)

    def _task(self, wish: int) -> None:
        self._carry_out(wish)

    async def _sweep(self, app: App, *, starting: bool) -> None:
        """Give what dead workers were at to the living, and queue the wishes that stand in no queue (any more).

        A worker that starts tries given-up ones again, too: people start one when they have mended something.
        """
        await app.job_manager.prune_stalled_workers(queue.SILENCE_S)
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=queue.SILENCE_S):
            await app.job_manager.retry_job(job)
        states = ("todo", "doing") if starting else ("todo", "doing", "failed")
        await asyncio.to_thread(self._queue_the_rest, states)
        await asyncio.to_thread(self._tell_hooks)

    def _queue_the_rest(self, states: tuple[str, ...]) -> None:
        database = self._workshop.register.database
        with database.read() as session:
            there = queue.queued(session, *states)
            missing = [(number, job) for number, job in open_wishes(session) if number not in there]
        for number, job in missing:
            with suppress(AlreadyEnqueued), database.write() as session:
                queue.defer(session, KINDS[job], number)
