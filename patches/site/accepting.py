"""What was handed over, judged for one site: what it brings there, what a person accepts with it, what is kept of it."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from patchline.patches.recalls import Recalled
from patchline.patches.site.changing import Consent
from patchline.patches.site.emergencies import Emergencies, ratify
from patchline.patches.site.inventory import Withdrawn
from patchline.patches.site.ledger import Ledger
from patchline.patches.site.offered import Handed, handed_over
from patchline.patches.site.offers import Circumstances, Offer
from patchline.patches.site.state import Site, locked
from patchline.patches.site.view import View, check_clock, trust_row
from patchline.patches.terminal import note


def circumstances(site: Site, ledger: Ledger, now: datetime, stale_until: datetime | None) -> Circumstances:
    """Return what decides which releases are for a site."""
    return Circumstances(site.baseline, frozenset(layer.manifest for layer in ledger.active), now, stale_until)


@contextmanager
def offered(
    site: Site, files: Sequence[Path], now: datetime, stale_until: datetime | None
) -> Iterator[tuple[Handed, Consent]]:
    """Verify what was handed over by what the site believes; yields it with what the policy allows.

    Raises:
        StateError: the clock is behind the ledger.
        ExpiredError: what the site knows of recalls is too old, and nobody accepts it.
        PatchlineError: something handed over is refused.
    """
    ledger = site.ledger()
    check_clock(ledger, now)
    with handed_over(files, View.of(site), circumstances(site, ledger, now, stale_until)) as handed:
        accepted = handed.view.check_age(now, stale_until)
        for warning in dict.fromkeys([*handed.warnings, *accepted]):
            note(f"warning: {warning}")
        trust = handed.view.trust
        stale = accepted or now >= trust.root.expires or any(look.tree.warnings for look in handed.looks)
        yield (
            handed,
            Consent(
                root_steps=trust.policy.root_steps,
                recalled=recalled_here(site, ledger, handed.view),
                stale_until=stale_until if stale else None,
                emergencies=Emergencies(first_seen=handed.view.known.first_seen),
            ),
        )


def recalled_here(site: Site, ledger: Ledger, view: View) -> frozenset[str]:
    """Return the digests of recalled manifests: those the policy names, and what is present here."""
    mentioned = view.mentioned
    named = [layer.manifest for layer in ledger.present if layer.manifest in mentioned]
    states = {manifest: view.state(site.manifest(manifest)) for manifest in named}
    here = {digest for digest, state in states.items() if isinstance(state, Recalled)}
    return view.trust.policy.recalls | here


def withdrawn(site: Site, ledger: Ledger, view: View) -> dict[str, Withdrawn]:
    """Return, by manifest, what the vendor says against hotfixes in force here."""
    found = {}
    mentioned = view.mentioned
    for layer in (layer for layer in ledger.active if layer.manifest in mentioned):
        state = view.state(site.manifest(layer.manifest))
        if isinstance(state, Recalled):
            instead = state.replacement.label if state.replacement else None
            found[layer.manifest] = Withdrawn(True, state.reason, instead)
        elif state is not None:
            found[layer.manifest] = Withdrawn(False, state.reason)
    return found


def keep(site: Site, handed: Handed, now: datetime) -> None:
    """Make what kits brought what the site believes, and remember when the manifests were first seen.

    Raises:
        StateError: the site has taken in something else since these were verified.
    """
    with locked(site, now):
        digests = [verified.manifest.digest for verified, _ in handed.bundles]
        handed.view.seen(digests, now).keep(site, handed.before)
        ledger = site.ledger()
        if row := trust_row(handed.before.trust, handed.view.trust, now, {}):
            ledger.append(row)
        ratify(ledger, (offer.verified for offer in handed.offers if offer.verified), now)


def offer_documents(offers: Iterable[Offer]) -> list[dict[str, Any]]:
    """Return offers for scripts."""
    return [
        {
            "release": offer.label,
            "standing": offer.standing.value,
            "title": offer.verified.manifest.title if offer.verified else None,
            "severity": offer.verified.manifest.severity if offer.verified else None,
            "emergency": offer.verified.emergency if offer.verified else None,
            "bytes": offer.target.size,
            "error": offer.error.code if offer.error else None,
            "why": offer.why or None,
        }
        for offer in offers
    ]


def offer_lines(offers: Iterable[Offer]) -> list[str]:
    """Return offers for people, those of other baselines and customers left out."""
    return [
        f"{offer.standing.value.replace('-', ' ')}: {offer.label}{f': {offer.why}' if offer.why else ''}"
        for offer in offers
        if offer.standing not in _SILENT
    ]


_SILENT = frozenset({"elsewhere", "absent"})
