"""What is wrong or about to be wrong with a home: expiries, keys, rights, missing parts. Looks only; changes nothing.

Each look is a function that yields findings; what one of them cannot read is a finding too and hides no other.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from sqlalchemy import select

from patchline.patches import channel, documents
from patchline.patches.channel import HOTFIXES, SNAPSHOT, STATUS, TARGETS, TIMESTAMP
from patchline.patches.errors import PatchlineError, VaultError
from patchline.patches.policy import Policy
from patchline.patches.statements import time_text
from patchline.patches.wording import counted
from patchline.releaser import audit, doctor_keys, doctor_machine, doctor_web, founding, restoring
from patchline.releaser.catalogue import check_pinned, tag_of
from patchline.releaser.doctor_keys import Finding
from patchline.releaser.emergencies import unratified
from patchline.releaser.git_store import GitStore
from patchline.releaser.home import mirror_folder
from patchline.releaser.loans.findings import of_loans
from patchline.releaser.policies import newest_policy
from patchline.releaser.published import Published, read_published
from patchline.releaser.register import Register
from patchline.releaser.settings import FILE
from patchline.releaser.states import OFFERED
from patchline.releaser.stores import Store
from patchline.releaser.tables.catalogue import Baseline, Product
from patchline.releaser.tables.hotfixes import Revision
from patchline.releaser.trust_files import PolicyFile
from patchline.releaser.vault_access import skew_words, vault_server
from patchline.releaser.work import queue
from patchline.releaser.work.wishes import count_open

WARNING_TIMES: Mapping[str, timedelta] = {
    "root": timedelta(days=120),
    "kit-root": timedelta(days=120),
    TARGETS: timedelta(days=60),
    HOTFIXES: timedelta(days=120),
    STATUS: timedelta(days=120),
    SNAPSHOT: timedelta(days=10),
    TIMESTAMP: timedelta(days=3),
}
"""How long before it expires something is a finding: offline keys take weeks to meet, the timer comes daily."""
_OFFLINE = ("root", "kit-root", TARGETS)


@dataclass(frozen=True)
class Health:
    """What the doctor has seen.

    Attributes:
        findings: what is to be mended.
        expiries: when each part of the channel expires.
        losses: what losing each key would mean, in words.
    """

    findings: tuple[Finding, ...]
    expiries: Mapping[str, datetime]
    losses: tuple[str, ...]


class Patient:
    """A home being looked at; what several looks need is read once."""

    def __init__(self, register: Register) -> None:
        self.register = register

    @cached_property
    def published(self) -> Published:
        """The channel as it is published."""
        return read_published(Store.at(self.register.channel))

    @cached_property
    def schema_is_right(self) -> bool:
        """Tell whether the database can be asked."""
        try:
            self.register.database.check_schema()
        except PatchlineError:
            return False
        return True

    @cached_property
    def policies(self) -> dict[str, Policy | None]:
        """The newest policy of each product."""
        found: dict[str, Policy | None] = {}
        with self.register.read() as session:
            for product in session.scalars(select(Product.id).order_by(Product.id)):
                newest = newest_policy(session, product)
                document = documents.decode(newest.envelope, what="policy") if newest else None
                found[product] = PolicyFile.read(document).policy if document else None
        return found


def examine(register: Register, now: datetime) -> Health:
    """Look at everything."""
    patient = Patient(register)
    looks: tuple[Callable[[Patient, datetime], Iterator[Finding]], ...] = (
        _unfinished,
        _rights,
        _database,
        _audit,
        _jobs,
        _keys,
        _channel,
        _expiries,
        _policies,
        _bundles,
        _emergencies,
        _tags,
        _machine,
        _vault,
        _web,
        _loans,
    )
    findings = tuple(finding for look in looks for finding in _safely(look, patient, now))
    try:
        expiries = patient.published.expiries
        losses = tuple(doctor_keys.losses(patient.published, list(_known(patient))))
    except PatchlineError:
        expiries, losses = {}, ()
    return Health(findings, expiries, losses)


def _safely(
    look: Callable[[Patient, datetime], Iterator[Finding]], patient: Patient, now: datetime
) -> Iterator[Finding]:
    try:
        yield from look(patient, now)
    except PatchlineError as error:
        yield Finding(error.code, error.message, error.hint)


def _known(patient: Patient) -> Iterator[Policy]:
    if patient.schema_is_right:
        yield from (policy for policy in patient.policies.values() if policy is not None)


# The looks


def _unfinished(patient: Patient, now: datetime) -> Iterator[Finding]:
    home = patient.register.home
    for marker, command in ((founding.MARKER, "patchline init"), (restoring.MARKER, "patchline restore")):
        if (home / marker).exists():
            yield Finding("unfinished", f"{command} was broken off in {home}", f"Run {command} again, as before.")
    if patient.register.settings.trial:
        yield Finding(
            "trial",
            "this home is for trying out: all its keys lie in one place",
            "Make a real one with patchline init, and ship nothing from this one.",
        )


def _rights(patient: Patient, now: datetime) -> Iterator[Finding]:
    home, database = patient.register.home, patient.register.database.file
    private = [home, home / FILE, *(home / "keys").rglob("*.key"), *([database] if database else [])]
    closed = not home.stat().st_mode & 0o077
    for path in private:
        status = path.lstat() if os.path.lexists(path) else None
        if status is None:
            continue
        open_to = status.st_mode & (0o077 if path.suffix in (".key", ".toml") or path == home else 0o007)
        if open_to and (path == home or path.suffix == ".key" or not closed):
            yield Finding("rights", f"others may use {path} ({stat.filemode(status.st_mode)})", f"chmod go-rwx {path}")
        if status.st_uid != home.stat().st_uid:
            yield Finding("owner", f"{path} does not belong to who owns {home}", "Change its owner with chown.")


def _database(patient: Patient, now: datetime) -> Iterator[Finding]:
    patient.register.database.check_schema()
    yield from ()


def _audit(patient: Patient, now: datetime) -> Iterator[Finding]:
    if not patient.schema_is_right:
        return
    with patient.register.read() as session:
        waiting, count, told = audit.waiting(session), audit.head(session)[0], audit.told(session)
    if waiting:
        what = f"{counted(waiting, 'audit event')} not in the chain yet"
        yield Finding("unchained", what, "The next change takes them in; if they stay, look for who keeps writing.")
    if count and not told and patient.published.delegations:
        yield Finding(
            "checkpoint", "the audit chain was never told outside", "Let a timer run patchline channel renew daily."
        )


def _jobs(patient: Patient, now: datetime) -> Iterator[Finding]:
    if not patient.schema_is_right:
        return
    embedded = patient.register.database.is_sqlite
    with patient.register.read() as session:
        waiting = count_open(session)
        lives, given_up = (0, 0) if embedded else (queue.living(session), queue.failed(session))
    if waiting and embedded:
        yield Finding("jobs", f"{counted(waiting, 'job')} cut off before the end", "Run patchline worker --once.")
    elif waiting and not lives:
        what = f"{counted(waiting, 'job')} waiting, and no worker lives"
        yield Finding("no-worker", what, "Let a service run patchline worker.")
    if given_up:
        what = f"{counted(given_up, 'job')} given up after many attempts"
        yield Finding("jobs", what, "The worker's log says why; mend it, then start the worker again.")


def _keys(patient: Patient, now: datetime) -> Iterator[Finding]:
    yield from doctor_keys.missing(patient.register.home)
    if not patient.register.settings.trial:
        yield from doctor_keys.foreign(patient.register.home, patient.published, list(_known(patient)))
    yield from doctor_keys.unnamed(patient.register.home, patient.published)


def _channel(patient: Patient, now: datetime) -> Iterator[Finding]:
    published = patient.published
    if published.delegations is None:
        yield Finding(
            "no-channel", "the channel has no root and no targets yet", "Do the ceremony: patchline channel root."
        )
        return
    if published.rotating:
        yield Finding("rotation", "a new root was taken in only half", "Run patchline channel root again.")
    if not published.kit_roots:
        yield Finding("kit-root", "there is no root for kits", "Make one: patchline trust root --kit.")
    if patient.schema_is_right:
        for product, policy in patient.policies.items():
            if policy is not None and channel.policy_target(product) not in published.targets:
                what = f"the channel lacks the policy of {product}"
                yield Finding("unpublished", what, "Run patchline channel renew.")


def _expiries(patient: Patient, now: datetime) -> Iterator[Finding]:
    for role, expires in sorted(patient.published.expiries.items()):
        left = expires - now
        if left > WARNING_TIMES[role]:
            continue
        when = (
            f"expired {counted(-left.days, 'day')} ago"
            if left < timedelta()
            else f"expires in {counted(left.days, 'day')}"
        )
        hint = "Let a timer run patchline channel renew daily."
        if role in _OFFLINE:
            hint = (
                "Its holders must sign a new one: patchline trust root or trust targets, --previous, then channel root."
            )
        yield Finding("expiry", f"{role} {when}, on {expires:%Y-%m-%d}", hint)


def _policies(patient: Patient, now: datetime) -> Iterator[Finding]:
    if not patient.schema_is_right:
        return
    for product, policy in patient.policies.items():
        if policy is None:
            hint = f"Make and sign one, then: patchline product policy {product} FILE"
            yield Finding("no-policy", f"product {product} has no policy, so nothing of it can be approved", hint)
        else:
            yield from doctor_keys.thin(policy)


def _bundles(patient: Patient, now: datetime) -> Iterator[Finding]:
    """Every bundle that is offered is there; where that costs no requests."""
    register = patient.register
    if not patient.schema_is_right or "://" in register.bundles:
        return
    store = Store.at(register.bundles)
    query = select(Revision.hotfix, Revision.number, Revision.container_sha256, Revision.size)
    with register.read() as session:
        rows = session.execute(query.where(Revision.state.in_(OFFERED), Revision.container_sha256.is_not(None))).all()
    for row in rows:
        if store.size(f"{row.container_sha256[:2]}/{row.container_sha256}.hotfix") != row.size:
            what = f"the bundle of {row.hotfix}-r{row.number} is missing or has another size"
            yield Finding("bundle", what, "Take it from the channel or a backup, and put it back.")


def _emergencies(patient: Patient, now: datetime) -> Iterator[Finding]:
    if not patient.schema_is_right:
        return
    with patient.register.read() as session:
        waiting = unratified(session)
    for one in waiting:
        when = "ended on" if one.ends <= now else "ends on"
        what = f"the emergency release {one.label} is not ratified and {when} {time_text(one.ends)}"
        yield Finding("emergency", what, f"Get the ordinary approvals: patchline hotfix ratify {one.label}")


def _tags(patient: Patient, now: datetime) -> Iterator[Finding]:
    """Every tag of a baseline is where it was; asked of repositories on this machine alone."""
    if not patient.schema_is_right:
        return
    with patient.register.read() as session:
        query = select(Product.id, Product.repository).where(Product.repository.is_not(None))
        places = {row.id: Path(row.repository) for row in session.execute(query) if Path(row.repository).is_dir()}
        pinned = session.scalars(select(Baseline).where(Baseline.tag.is_not(None), Baseline.product.in_(places))).all()
    for product, place in places.items():
        with GitStore(place, mirror_folder(product, patient.register.home)) as git:
            for baseline in pinned:
                if baseline.product == product:
                    yield from _safely(lambda *_, one=baseline: _tag(git, one), patient, now)


def _tag(git: GitStore, baseline: Baseline) -> Iterator[Finding]:
    check_pinned(baseline, tag_of(git, baseline.tag or ""))
    yield from ()


def _machine(patient: Patient, now: datetime) -> Iterator[Finding]:
    yield from doctor_machine.served(patient.register)
    yield from doctor_machine.space(patient.register)
    yield from doctor_machine.programs()


def _vault(patient: Patient, now: datetime) -> Iterator[Finding]:
    settings = patient.register.settings
    if not settings.vault_address:
        return
    from patchline.vault.connection import health

    found = health(vault_server(settings))
    if found.state != "active":
        yield Finding(f"vault.{found.state}", f"Vault is {found.state}", VaultError.hints[found.state])
    for words in skew_words(round(found.clock - now.timestamp())):
        yield Finding("vault.clock", words, "Set both clocks right; tokens and wrapped secrets live for minutes.")


def _web(patient: Patient, now: datetime) -> Iterator[Finding]:
    register = patient.register
    yield from doctor_web.places(register.home, register.settings, now)
    if patient.schema_is_right:
        with register.read() as session:
            yield from doctor_web.records(session, now)


def _loans(patient: Patient, now: datetime) -> Iterator[Finding]:
    if patient.schema_is_right:
        with patient.register.read() as session:
            yield from of_loans(session, now)
