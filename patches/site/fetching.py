"""Fetching: look at the channel, keep what it says, bring what is new for this site.

What is learned is kept before anything large is brought, and what is brought is whole or still a part: a crash at any
step leaves a site that believes the old or the new, and a second try finishes. A network may be slow: the site's lock
is held only while something is kept, so that nobody has to wait with a rollback.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from patchline.patches.errors import PatchlineError
from patchline.patches.files import open_regular
from patchline.patches.progress import Advance, progress
from patchline.patches.site.accepting import circumstances, withdrawn
from patchline.patches.site.downloads import Downloads, Ranges
from patchline.patches.site.emergencies import ratify
from patchline.patches.site.inventory import Withdrawn
from patchline.patches.site.looking import look_at
from patchline.patches.site.newer_client import NewerClient, newer_client
from patchline.patches.site.offers import GONE_OFF, REFUSED, Offer, Standing, check_bytes, examine
from patchline.patches.site.sources import Source
from patchline.patches.site.state import Site, locked
from patchline.patches.site.tree import Look
from patchline.patches.site.view import FOLDER, View, check_clock, make_folder, trust_row

CACHE = f"{FOLDER}/tuf"
CLIENT = f"{FOLDER}/patchline-site.pyz"


@dataclass
class Fetched:
    """What a fetch found and brought.

    Attributes:
        paths: where each new release lies, by its label; one that lies inside a kit's zip has none.
        vanished: revisions that were listed once, are not any more, and were never recalled.
        client: a newer client, and where it lies.
        ratified: emergencies applied here that are approved by the ordinary rules now.
        withdrawn: what is held back or recalled of what is applied here, by its label.
    """

    look: Look
    before: View
    offers: list[Offer] = field(default_factory=list)
    paths: dict[str, Path] = field(default_factory=dict)
    vanished: list[str] = field(default_factory=list)
    client: tuple[NewerClient, Path] | None = None
    ratified: list[str] = field(default_factory=list)
    withdrawn: dict[str, Withdrawn] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def refused(self) -> PatchlineError | None:
        """The first of what the server did not hand out, where nothing new could be had."""
        if any(offer.standing is Standing.NEW for offer in self.offers):
            return None
        return next((offer.error for offer in self.offers if _refused(offer)), None)


def fetch(site: Site, source: Source, now: datetime, stale_until: datetime | None) -> Fetched:
    """Take in what a channel or kit has for a site.

    Raises:
        ExpiredError, VerificationError, SourceError: as for `look_at`; nothing was taken.
        StateError: the clock is behind the ledger.
    """
    with locked(site, now, fetching=True):
        ledger, before = site.ledger(), View.of(site)
        check_clock(ledger, now)
        with _cache(site, source) as cache:
            look = look_at(source, before, cache, now, stale_until)
        with locked(site, now):  # What was recalled is known whatever happens below.
            _keep(site, before, look, now, stale_until)
        fetched = Fetched(look, before, warnings=list(look.warnings))
        fetched.offers, fetched.look = examine(look, circumstances(site, ledger, now, stale_until))
        with locked(site, now):
            fetched.look.view.keep(site, look.view)
            verified = [offer.verified for offer in fetched.offers if offer.verified]
            fetched.ratified = ratify(site.ledger(), verified, now) if ledger.unratified else []
        against = withdrawn(site, ledger, fetched.look.view)
        fetched.withdrawn = {one.label: against[one.manifest] for one in ledger.active if one.manifest in against}
        fetched.vanished = _vanished(fetched.look)
        _bring_client(site, fetched)
        _bring(site, source, fetched)
        return fetched


@contextmanager
def _cache(site: Site, source: Source) -> Iterator[Path]:
    """Yield python-tuf's folder: one that stays for a channel, which is asked often; another for each kit."""
    if source.metadata():
        with TemporaryDirectory() as folder:
            yield Path(folder)
        return
    make_folder(site, FOLDER)
    make_folder(site, CACHE)
    yield site.state.path / CACHE


def _keep(site: Site, before: View, look: Look, now: datetime, stale_until: datetime | None) -> None:
    """Make what the look found what the site believes, and say in the ledger what changed whom it trusts."""
    look.view.keep(site, before)
    facts = {}
    if stale_until is not None and look.tree.warnings:
        facts["accepted_stale_until"] = f"{stale_until:%Y-%m-%d}"
    if row := trust_row(before.trust, look.view.trust, now, facts):
        site.ledger().append(row)


def _vanished(look: Look) -> list[str]:
    """Return the names of revisions that are not listed any more, recalled and held ones left out."""
    explained, known = look.view.mentioned, look.view.known
    return [name for name in known.vanished(look.releases()) if known.hotfixes[name].manifest not in explained]


def _bring_client(site: Site, fetched: Fetched) -> None:
    client, problem = newer_client(fetched.look)
    if problem is not None:
        fetched.warnings.append(problem)
    if client is not None:
        if site.read_document(CLIENT) != client.data:
            site.disk.replace(site.state, CLIENT, client.data)
        fetched.client = client, site.state.path / CLIENT


def _bring(site: Site, source: Source, fetched: Fetched) -> None:
    """Bring what is new here, or check it where it lies; what is not as it must be is set aside.

    Raises:
        SourceError: the source went away; what has arrived is kept.
    """
    new = [offer for offer in fetched.offers if offer.standing is Standing.NEW]
    bring = _Downloading(site, source).bring if isinstance(source, Ranges) else partial(_check_in_place, source)
    brought: dict[str, Offer] = {}
    with progress("fetching", sum(offer.target.size for offer in new)) as advance:
        for offer in new:
            try:
                path = bring(offer, advance)
                if path is not None:
                    fetched.paths[offer.label] = path
            except PatchlineError as error:
                if error.code in GONE_OFF:
                    raise
                absent = error.code == "source.missing"
                brought[offer.label] = replace(offer.set_aside(error), standing=_standing(absent=absent))
    fetched.offers = [brought.get(offer.label, offer) for offer in fetched.offers]
    if isinstance(source, Ranges):
        # What is refused today may lie here from yesterday, whole or in part.
        wanted = [one for one in fetched.offers if one.standing is Standing.NEW or _refused(one)]
        Downloads(site).tidy([(one.label, one.target) for one in wanted])


def _refused(offer: Offer) -> bool:
    return offer.error is not None and offer.error.code in REFUSED


def _standing(*, absent: bool) -> Standing:
    return Standing.ABSENT if absent else Standing.SET_ASIDE


def _check_in_place(source: Source, offer: Offer, advance: Advance) -> Path | None:
    """Check a release that lies on this machine; return its path if it has one of its own."""
    check_bytes(lambda: source.open(offer.target.file, offer.target.size), offer, advance)
    return source.path_of(offer.target.file)


class _Downloading:
    """Bringing releases from a web server."""

    def __init__(self, site: Site, source: Ranges) -> None:
        self._downloads, self._source = Downloads(site), source

    def bring(self, offer: Offer, advance: Advance) -> Path:
        path = self._downloads.take(self._source, offer.target, offer.label, advance)
        check_bytes(lambda: open_regular(path), offer, lambda _: None)
        return path
