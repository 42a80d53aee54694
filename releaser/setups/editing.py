"""Changing a setup: its team, its facets, its endpoints.

- Whoever moves or drops an endpoint must be able to see its credential in Vault: else anybody could move it to a machine of
  theirs, and the team's next login would bring the password there.
- A credential of an endpoint that is dropped is destroyed in Vault, with all its versions, before the register forgets
  the endpoint. Cut off in between, the same command finishes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from patchline.patches.errors import NotFoundError, StateError, UsageError
from patchline.releaser.persons import require_role
from patchline.releaser.register import Change, Register
from patchline.releaser.setups import keeping
from patchline.releaser.setups.endpoints import Endpoint, check_pin
from patchline.releaser.setups.keeping import KEEPERS, Known
from patchline.releaser.tables.loans import LoanPart
from patchline.releaser.tables.setups import Setup, SetupCredential, SetupEndpoint, SetupFacet
from patchline.vault.setups import TeamSecrets


@dataclass(frozen=True)
class Edit:
    """What is to be different at a setup; None leaves it as it is.

    Attributes:
        facets: all of them, kind and value.
        endpoints: new ones, and changed ones under the name they have.
        pins: fingerprints of hosts by the names of endpoints.
        drop: names of endpoints.
    """

    team: str | None = None
    sensitive: bool | None = None
    facets: tuple[tuple[str, str], ...] | None = None
    endpoints: tuple[Endpoint, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Edited:
    """A setup that was changed.

    Attributes:
        destroyed: endpoints whose credentials are gone from Vault; at the targets they go on working.
    """

    setup: Known
    destroyed: tuple[str, ...]


def edit(
    register: Register,
    vault: Callable[[], TeamSecrets],
    name: str,
    wanted: Edit,
    by: str,
    now: datetime,
    seen: int | None = None,
) -> Edited:
    """Change a setup.

    Args:
        register: that knows it.
        vault: gives the credentials, under the person's own login; asked only where an endpoint moves or goes.
        name: of the setup.
        wanted: what is to be different.
        by: the person who acts.
        now: the time.
        seen: the version that the person looked at; None for whatever there is now.

    Raises:
        NotFoundError: there is no such setup or endpoint.
        RefusedError: who acts may not.
        StateError: somebody else changed it meanwhile, or a loan has a login at an endpoint that moves or goes.
        UsageError: a field cannot be written so, or nothing is to be different.
        VaultError: Vault cannot be asked, or does not show them the credential of an endpoint that moves or goes.
    """
    with register.read() as session:
        require_role(session, by, *KEEPERS)
        known = keeping.the_setup(session, name)
        _check(known, wanted)
        _check_loans(session, known, wanted)
        seen = known.setup.version if seen is None else seen
        _check_version(known, seen)
    destroyed = _deal_with_credentials(register, vault, known, wanted)
    with register.change(by, now) as change:
        known = keeping.the_setup(change.session, name)
        # Whoever lends it waits here, and sees the endpoints as they are then.
        change.session.scalar(select(Setup.version).where(Setup.site == known.site.id).with_for_update())
        change.session.refresh(known.setup)
        _check_version(known, seen)
        _check(known, wanted)
        _check_loans(change.session, known, wanted)
        facts = _apply(change, known, wanted)
        change.record("setup.edit", name, {**facts, "destroyed": list(destroyed)})
        change.session.flush()
        return Edited(keeping.the_setup(change.session, name), destroyed)


def _check_version(known: Known, seen: int) -> None:
    if known.setup.version != seen:
        raise StateError("edited", f"{known.site.name} was changed meanwhile")


def _check(known: Known, wanted: Edit) -> None:
    """Refuse what cannot be written so, before anything is asked or changed."""
    if wanted == Edit():
        raise UsageError("options", "say what is to be different")
    if wanted.team is not None:
        keeping.vault_name("team", wanted.team)
    keeping.checked_facets(wanted.facets or ())
    kinds = {row.name: row.kind for row, _ in known.endpoints}
    for name in wanted.drop:
        if name not in kinds:
            raise NotFoundError("setup-endpoint", f"{known.site.name} has no endpoint {name[:80]!r}")
    named = [one.name for one in wanted.endpoints]
    if len({*named, *wanted.drop}) < len(named) + len(wanted.drop):
        raise UsageError("setup-field", "an endpoint is named twice")
    kinds |= {keeping.vault_name("endpoint", one.name): one.kind for one in wanted.endpoints}
    for name, fingerprint in wanted.pins.items():
        check_pin(name, kinds.get(name) if name not in wanted.drop else None, fingerprint)


def _check_loans(session: Session, known: Known, wanted: Edit) -> None:
    """Refuse to move or drop an endpoint at which a loan has a login: it could not be proved dead any more."""
    touched = {*_moved(known, wanted), *wanted.drop}
    rows = {row.id: row.name for row, _ in known.endpoints if row.name in touched}
    alive = select(LoanPart.loan, LoanPart.endpoint).where(
        LoanPart.endpoint.in_(rows), LoanPart.state.in_(("waiting", "made", "ending"))
    )
    for loan, endpoint in session.execute(alive):
        raise StateError("setup-lent", f"{known.site.name} {rows[endpoint]}: the loan {loan} has a login there")


def _moved(known: Known, wanted: Edit) -> list[str]:
    """Return the endpoints that are there and get another kind or address."""
    now = {row.name: (row.kind, row.address) for row, _ in known.endpoints}
    return [
        one.name for one in wanted.endpoints if now.get(one.name, (one.kind, one.address)) != (one.kind, one.address)
    ]


def _deal_with_credentials(
    register: Register, vault: Callable[[], TeamSecrets], known: Known, wanted: Edit
) -> tuple[str, ...]:
    touched = [*_moved(known, wanted), *wanted.drop]
    noted = {row.name for row, credential in known.endpoints if credential is not None}
    if not touched or not (register.settings.vault_address or noted.intersection(touched)):
        return ()
    secrets, setup = vault(), known.site.name
    there = [name for name in touched if secrets.read(secrets.path(setup, name)) is not None]
    gone = tuple(name for name in there if name in wanted.drop)
    for name in gone:
        secrets.destroy(secrets.path(setup, name))
    return gone


def _apply(change: Change, known: Known, wanted: Edit) -> dict[str, Any]:
    session, setup = change.session, known.setup
    facts: dict[str, Any] = {}
    # Facets and endpoints are rows of their own: the version goes up whatever was changed.
    setup.edited = change.now
    flag_modified(setup, "edited")
    for column in ("team", "sensitive"):
        value = getattr(wanted, column)
        if value is not None:
            facts[column] = {"from": getattr(setup, column), "to": value}
            setattr(setup, column, value)
    if wanted.facets is not None:
        facts["facets"] = _replace_facets(session, known, wanted.facets)
    if wanted.endpoints or wanted.pins or wanted.drop:
        facts["endpoints"] = _replace_endpoints(change, known, wanted)
    return facts


def _replace_facets(session: Session, known: Known, facets: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    setup, wished = known.setup.site, keeping.checked_facets(facets)
    session.execute(delete(SetupFacet).where(SetupFacet.setup == setup))
    session.add_all(SetupFacet(setup=setup, kind=kind, value=value) for kind, value in wished)
    return {"from": [list(one) for one in known.facets], "to": [list(one) for one in wished]}


def _replace_endpoints(change: Change, known: Known, wanted: Edit) -> dict[str, Any]:
    session, rows = change.session, {row.name: row for row, _ in known.endpoints}
    added = [one for one in wanted.endpoints if one.name not in rows]
    changed = [one for one in wanted.endpoints if one.name in rows]
    for one in changed:
        _change(rows[one.name], one)
    for one in added:
        rows[one.name] = keeping.add_endpoint(session, known.site, one)
    for name, fingerprint in wanted.pins.items():
        rows[name].host_fingerprint = fingerprint
    for name in wanted.drop:
        rows[name].removed = change.now
        session.execute(delete(SetupCredential).where(SetupCredential.endpoint == rows[name].id))
    return {
        "added": [_facts(one) for one in added],
        "changed": [_facts(one) for one in changed],
        "pinned": dict(wanted.pins),
        "dropped": list(wanted.drop),
    }


def _change(row: SetupEndpoint, wanted: Endpoint) -> None:
    """Change an endpoint; what was compared of one host says nothing of another."""
    if (row.kind, row.address) != (wanted.kind, wanted.address):
        row.host_fingerprint = None
    row.kind, row.address, row.strategy = wanted.kind, wanted.address, wanted.strategy


def _facts(one: Endpoint) -> dict[str, str]:
    return {"endpoint": one.name, "kind": one.kind, "address": one.address, "strategy": one.strategy}
