"""What stands at the head of the vendor's pages: the sections that its reader may see."""

from collections.abc import Iterator
from dataclasses import dataclass

from flask import Flask, current_app, g, request

from patchline.web import access


@dataclass(frozen=True)
class Section:
    """A part of the pages.

    Attributes:
        title: what it is called there.
        endpoint: of its first page, whose access decides who sees it.
        blueprints: whose pages belong to it.
    """

    title: str
    endpoint: str
    blueprints: tuple[str, ...]


SECTIONS = (
    Section("Work", "start.page", ("start",)),
    Section("Hotfixes", "hotfixes.listed", ("hotfixes", "baselines", "compatibility")),
    Section("Approvals", "approvals.queue", ("approvals",)),
    Section("Rollouts", "rollouts.listed", ("rollouts", "recalls", "freezes", "notices")),
    Section("Support", "support.search", ("support", "customers", "sites", "exposure", "fleet", "reports")),
    Section("Setups", "setups.listed", ("setups", "loans")),
    Section("Register", "audit.events", ("audit", "administration")),
)
"""In the order in which they stand; one whose pages are not served is left out."""


def sections() -> Iterator[tuple[Section, bool]]:
    """Yield the sections that the reader may see, and whether this page belongs to each."""
    for section in SECTIONS:
        if section.endpoint in current_app.view_functions and _may_see(section.endpoint):
            yield section, request.blueprint in section.blueprints


def _may_see(endpoint: str) -> bool:
    needed = access.of(current_app, endpoint).roles
    return not needed or not needed.isdisjoint(g.get("roles", ()))


def teach(app: Flask) -> None:
    """Let templates use it."""
    app.jinja_env.globals.update(sections=sections)
