"""On what a revision was tested: its test results, with what the setup was made of when the tests ran."""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from patchline.releaser.compatibility.makeup import Makeup
from patchline.releaser.evidence import given_for
from patchline.releaser.tables.hotfixes import Revision


@dataclass(frozen=True)
class Run:
    """One file of test results.

    Attributes:
        setup: where the tests ran, if somebody said so.
        failed: tests that failed or broke.
    """

    name: str
    setup: str | None
    makeup: Makeup
    tests: int
    passed: int
    failed: int

    @property
    def fine(self) -> bool:
        """Whether it shows that the revision works there: tests ran, and none failed."""
        return self.passed > 0 and not self.failed


def runs(session: Session, revision: Revision) -> list[Run]:
    """Return the test results of what a revision is now, in one statement."""
    return [
        Run(
            facts["name"],
            facts["setup"],
            Makeup.of_evidence(facts["facets"]),
            facts["tests"],
            facts["passed"],
            facts["failed"] + facts["errors"],
        )
        for facts in given_for(session, revision).values()
    ]
