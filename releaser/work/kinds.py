"""What can be left to a worker, by name. What does it stands in `releaser.work.jobs`; who asks needs the name alone."""

from dataclasses import dataclass

_CHANNEL = "channel"
DEFAULT, BROKER = "default", "broker"
"""Who works at what: workers, and the broker, which alone comes to Vault."""


@dataclass(frozen=True)
class Kind:
    """A kind of job.

    Attributes:
        lock: names what no two jobs may work on at once; None where they may.
        queue: who works at it.
    """

    name: str
    lock: str | None = None
    queue: str = DEFAULT


BUILD = Kind("build")
SIMULATE = Kind("simulate")
PUBLISH = Kind("publish", _CHANNEL)
NOTIFY = Kind("notify")
KIT = Kind("kit")
LOAN = Kind("loan", queue=BROKER)
KINDS = {kind.name: kind for kind in (BUILD, SIMULATE, PUBLISH, NOTIFY, KIT, LOAN)}
