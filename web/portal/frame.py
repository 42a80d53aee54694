"""What every page of the portal has at its head, and how its documents are answered."""

from dataclasses import dataclass

from flask import Flask, current_app, g, request

from patchline.web import access


@dataclass(frozen=True)
class Section:
    """A part of the portal: what it is called, its first page, and whose pages belong to it."""

    title: str
    endpoint: str
    blueprints: tuple[str, ...]


SECTIONS = (
    Section("Overview", "portal.overview", ("portal", "portal_reports", "portal_kits")),
    Section("Recalls", "portal_recalls.listed", ("portal_recalls",)),
    Section("Downloads", "portal_downloads.listed", ("portal_downloads",)),
    Section("Tokens", "portal_tokens.listed", ("portal_tokens",)),
    Section("People", "portal_people.listed", ("portal_people",)),
    Section("What we know", "portal_known.page", ("portal_known",)),
)


def sections() -> list[tuple[Section, bool]]:
    """Return the sections that the reader may see, and whether this page belongs to each."""
    return [
        (section, request.blueprint in section.blueprints)
        for section in SECTIONS
        if section.endpoint in current_app.view_functions and _may_see(section.endpoint)
    ]


def _may_see(endpoint: str) -> bool:
    needed, who = access.of(current_app, endpoint).facts, g.get("visitor")
    return who is not None and (not needed or who.role in needed)


def teach(app: Flask) -> None:
    """Let templates use it."""
    app.jinja_env.globals.update(portal_sections=sections)
