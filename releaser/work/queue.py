"""The queue on PostgreSQL: procrastinate, in a schema of its own in the register's database.

It decides who works on what and notices who died; that nothing is lost or done twice is the outbox's (`wishes`).
"""

from typing import TYPE_CHECKING

from sqlalchemy import URL, text
from sqlalchemy.orm import Session

from patchline.releaser.work.kinds import Kind

if TYPE_CHECKING:  # Whoever queues nothing is spared the time that it takes to import.
    from procrastinate import App

SILENCE_S = 30
"""A worker that gave no sign for so long is dead, and what it worked on is given to another one."""
_ENTER, _LEAVE = "SET LOCAL search_path TO procrastinate", "SET LOCAL search_path TO DEFAULT"
_LIVING = text(
    "SELECT count(*) FROM procrastinate.procrastinate_workers "
    "WHERE last_heartbeat > now() - make_interval(secs => :silence)"
)
_FAILED = text(
    "SELECT count(*) FROM procrastinate.procrastinate_jobs JOIN wish ON wish.id = (args->>'wish')::int "
    "WHERE status = 'failed' AND NOT EXISTS (SELECT 1 FROM wish_end WHERE wish_end.wish = wish.id) "
    "AND NOT EXISTS (SELECT 1 FROM procrastinate.procrastinate_jobs AS other "
    "WHERE other.args->>'wish' = wish.id::text AND other.status IN ('todo', 'doing'))"
)
_QUEUED = text(
    "SELECT (args->>'wish')::int FROM procrastinate.procrastinate_jobs WHERE status::text = ANY(:states) "
    "AND args ? 'wish'"
)


def make_app(url: URL) -> "App":
    """Return procrastinate's app for the database of a register, without any task yet."""
    from procrastinate import App, PsycopgConnector

    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    settings = {"options": "-c search_path=procrastinate"}
    return App(connector=PsycopgConnector(conninfo=conninfo, kwargs=settings, min_size=1, max_size=4))


def defer(session: Session, kind: Kind, wish: int) -> None:
    """Queue a job in the transaction of a session: it is there exactly when what else is changed is.

    Raises:
        AlreadyEnqueued: it waits there.
    """
    connection = session.connection()
    app = make_app(connection.engine.url)
    connection.exec_driver_sql(_ENTER)
    deferrer = app.configure_task(
        kind.name,
        queue=kind.queue,
        lock=kind.lock,
        queueing_lock=f"wish-{wish}",
        connection=connection.connection.driver_connection,
    )
    deferrer.defer(wish=wish)
    connection.exec_driver_sql(_LEAVE)


def queued(session: Session, *states: str) -> set[int]:
    """Return the wishes that stand in the queue in one of these states."""
    return set(session.scalars(_QUEUED, {"states": list(states)}))


def living(session: Session) -> int:
    """Return how many workers gave a sign of late."""
    return session.scalar(_LIVING, {"silence": SILENCE_S}) or 0


def failed(session: Session) -> int:
    """Return how many jobs were given up though their wishes are open."""
    return session.scalar(_FAILED) or 0
