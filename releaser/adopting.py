"""Taking into the register what was published and it does not know, after a restore: revisions, policies, recalls.

Publishing follows the register, and nothing that sites have seen may vanish; so what was published must come back
before anything else is published. The channel's signatures say that it was; what it is, its own bytes say. What cannot
be known from outside (tests, drafts, who submitted) stays lost.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from patchline.patches.channel import HOTFIXES, HotfixName
from patchline.patches.documents import decode, digest, encode
from patchline.patches.envelopes import Envelope, read_sidecar, write_sidecar
from patchline.patches.errors import NotFoundError, PatchlineError
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy
from patchline.patches.recall_list import Entry, RecallList
from patchline.patches.release_zip import (
    APPROVALS,
    PROVENANCE,
    RELEASE_LINE,
    RELEASE_SIGNATURE,
    ReleaseZip,
)
from patchline.patches.verify import read_approvals, verify_provenance
from patchline.releaser import approvals, bundles, intake, recalls, table_copy
from patchline.releaser.bundle_files import BundleFile
from patchline.releaser.fleet.folding import learned
from patchline.releaser.policies import vendor_trust
from patchline.releaser.published import ListedTarget, Published
from patchline.releaser.published_zips import open_published, zip_of_recalled
from patchline.releaser.register import Change, Register
from patchline.releaser.states import OFFERED, Action, State
from patchline.releaser.stores import Store
from patchline.releaser.tables.base import Base
from patchline.releaser.tables.catalogue import Baseline, Product
from patchline.releaser.tables.hotfixes import (
    Approval,
    Contributor,
    Hotfix,
    PolicyVersion,
    Recall,
    RecallListVersion,
    Revision,
    Step,
)
from patchline.releaser.trust_files import PolicyFile

_REASON = "taken in again from the channel, after a restore"


@dataclass(frozen=True)
class Adopted:
    """What came back, and what could not, with the reason."""

    taken: tuple[str, ...]
    left: tuple[tuple[str, str], ...]

    def as_facts(self) -> dict[str, Any]:
        """Return it as it stands in audit events and `--json`."""
        return {
            "adopted": [*self.taken],
            "left": [{"revision": label, "reason": reason} for label, reason in self.left],
        }

    def words(self) -> list[str]:
        """Return it for people."""
        lines = [f"taken in again from the channel: {label}" for label in self.taken]
        return [*lines, *(f"not taken in again: {label}: {reason}" for label, reason in self.left)]


def adopt(register: Register, store: Store, published: Published, change: Change) -> Adopted:
    """Take in everything that was published and the register does not know as published.

    Args:
        register: being restored; its bundles get the lost ones.
        store: of the channel.
        published: its state.
        change: under way.
    """
    taken: list[str] = []
    left: list[tuple[str, str]] = []
    adoption = _Adoption(register, store, published, change)
    with table_copy.unguarded(change.session.connection(), list(Base.metadata.tables.values())):
        taken += adoption.policies()
        for name, manifest in [*adoption.lost(), *adoption.withdrawn()]:
            label = f"{name.hotfix}-r{name.revision}"
            try:
                with change.session.begin_nested():
                    adoption.revision(name, manifest)
                taken.append(label)
            except PatchlineError as error:
                left.append((label, error.message))
        taken += adoption.recalls()
        change.session.flush()
    return Adopted(tuple(taken), tuple(left))


@dataclass(frozen=True)
class _Adoption:
    register: Register
    store: Store
    published: Published
    change: Change

    @property
    def session(self) -> Session:
        return self.change.session

    def policies(self) -> Iterator[str]:
        """Take in the newest policy of each product, where it is newer."""
        for data in self._documents("status/policies/"):
            found = PolicyFile.read(decode(data, what="policy", limit=LIMITS.trust_file))
            policy = found.policy
            self._product(policy.product)
            newest = select(func.max(PolicyVersion.number)).where(PolicyVersion.product == policy.product)
            if policy.version > (self.session.scalar(newest) or 0):
                self.session.add(
                    PolicyVersion(
                        product=policy.product,
                        number=policy.version,
                        digest=policy.digest,
                        envelope=encode(found.envelope.as_document()),
                        taken=self.change.now,
                    )
                )
                self.session.flush()
                yield f"policy {policy.version} of {policy.product}"

    def lost(self) -> list[tuple[HotfixName, None]]:
        """Return the revisions that are offered and that the register does not know so."""
        rows = self.session.execute(select(Revision.hotfix, Revision.number, Revision.state, Revision.zip_sha256))
        known = {(row.hotfix, row.number): row for row in rows}
        found = []
        for target in sorted(self.published.targets):
            if target.startswith(f"{HOTFIXES}/"):
                name = HotfixName.read(target)
                row = known.get((name.hotfix, name.revision))
                offered = row is not None and row.state in {*OFFERED, State.RECALLED}
                if row is None or not offered or row.zip_sha256 != self.published.targets[target].sha256:
                    found.append((name, None))
        return found

    def withdrawn(self) -> Iterator[tuple[HotfixName, str]]:
        """Yield the recalled revisions that the register does not know, with the digests of their manifests."""
        for data in self._documents("status/recalls/"):
            recalls = RecallList.parse(data)
            for entry in recalls.recalled:
                named = entry.revision
                if self.session.scalar(select(Revision.id).where(Revision.manifest_sha256 == named.manifest)) is None:
                    name = HotfixName(recalls.product, named.hotfix, named.number)
                    yield name, named.manifest

    def revision(self, name: HotfixName, manifest: str | None) -> None:
        """Take one revision in; one that was recalled, and so is listed no more, by its manifest.

        Raises:
            NotFoundError: its baseline or its product's policy is lost too.
            PatchlineError: its zip is damaged or gone.
        """
        listed = zip_of_recalled(self.store, name, manifest) if manifest else self.published.targets[name.target]
        with open_published(self.store, name, listed) as (release, taken):
            self._check_baseline(name, taken.manifest)
            policy = self._policy(name.product)
            size = bundles.keep(self.register, taken)
            row = self._row(name, taken, size, listed, release)
            self._parts(row, taken.manifest, release, policy)

    def _check_baseline(self, name: HotfixName, manifest: Manifest) -> None:
        label = manifest.target.baselines[0]
        if self.session.get(Baseline, (name.product, label)) is None:
            raise NotFoundError("baseline", f"the register knows no baseline {label} of {name.product}")

    def _policy(self, product: str) -> Policy:
        query = select(PolicyVersion.envelope).where(PolicyVersion.product == product)
        envelope = self.session.scalar(query.order_by(PolicyVersion.number.desc()).limit(1))
        if envelope is None:
            raise NotFoundError("policy", f"the register knows no policy of {product}")
        return PolicyFile.read(decode(envelope, what="policy", limit=LIMITS.trust_file)).policy

    def _product(self, product: str) -> None:
        if self.session.get(Product, product) is None:
            self.session.add(Product(id=product, name=product, repository=None, added=self.change.now))
            self.session.flush()

    def _row(
        self, name: HotfixName, taken: BundleFile, size: int, listed: ListedTarget, release: ReleaseZip
    ) -> Revision:
        manifest, now, by = taken.manifest, self.change.now, self.change.by
        if self.session.get(Hotfix, name.hotfix) is None:
            self.session.add(
                Hotfix(
                    id=name.hotfix,
                    product=name.product,
                    baseline=manifest.target.baselines[0],
                    kind=manifest.kind,
                    severity=manifest.severity,
                    title=manifest.title,
                    fixes=[fix.id for fix in manifest.fixes],
                    customers=None,
                    added=now,
                    added_by=by,
                )
            )
            self.session.flush()
        query = select(Revision).where(Revision.hotfix == name.hotfix, Revision.number == name.revision)
        row = self.session.scalar(query)
        if row is None:
            row = Revision(hotfix=name.hotfix, number=name.revision, state=State.DRAFT, added=now, added_by=by)
            self.session.add(row)
            self.session.flush()
        elif row.manifest_sha256 != manifest.digest:
            self.session.execute(delete(Approval).where(Approval.revision == row.id))
        row.manifest_sha256, row.manifest = manifest.digest, manifest.data
        row.container_sha256, row.size, row.notes = taken.container, size, manifest.notes
        row.provenance = release.sidecar(PROVENANCE) or None
        row.release_line, row.release_signature = (
            release.sidecar(RELEASE_LINE) or None,
            release.sidecar(RELEASE_SIGNATURE) or None,
        )
        row.zip_sha256, row.zip_size = listed.sha256, listed.size
        if row.state not in {*OFFERED, State.RECALLED}:
            row.published = now
            self._step(row, Action.PUBLISH, State.PUBLISHED)
        self.session.flush()
        return row

    def _step(self, row: Revision, action: Action, state: State) -> None:
        last = select(func.coalesce(func.max(Step.number), 0)).where(Step.revision == row.id)
        row.state = state
        self.session.add(
            Step(
                revision=row.id,
                number=(self.session.scalar(last) or 0) + 1,
                action=action,
                state=state,
                at=self.change.now,
                person=self.change.by,
                reason=_REASON,
            )
        )
        self.session.flush()

    def _parts(self, row: Revision, manifest: Manifest, release: ReleaseZip, policy: Policy) -> None:
        """Write down who had a part in it, who approved it, and what it changes."""
        origin = verify_provenance(manifest, row.provenance or b"", policy)
        row.builder = min(origin.builders, default=None)
        parts = {(person, "author") for person in manifest.contributors} | {(who, "builder") for who in origin.builders}
        known = set(
            self.session.execute(select(Contributor.person, Contributor.part).where(Contributor.revision == row.id))
        )
        for person, part in sorted(parts - {(one.person, one.part) for one in known}):
            self.session.add(Contributor(revision=row.id, person=person, part=part))
        for envelope in read_sidecar(release.sidecar(APPROVALS), "the approvals"):
            self._approval(row, manifest, envelope, policy)
        intake.index(self.session, row, manifest)
        learned(self.session, row.id, manifest.digest)
        self._scope(row)
        trust = vendor_trust(self.session, policy.product, self.published.roots[-1])
        row.emergency_hours = approvals.count(self.session, row, trust, self.change.now).emergency

    def _scope(self, row: Revision) -> None:
        """Let the hotfix be for the customers whom every approval names, if none is for all."""
        scopes = self.session.scalars(select(Approval.scope).where(Approval.revision == row.id)).all()
        named = [set(scope) for scope in scopes if scope is not None]
        if named and len(named) == len(scopes):
            self.session.get_one(Hotfix, row.hotfix).customers = sorted(set.intersection(*named))

    def _approval(self, row: Revision, manifest: Manifest, envelope: Envelope, policy: Policy) -> None:
        line = write_sidecar([envelope])
        if self.session.scalar(select(Approval.id).where(Approval.envelope_sha256 == digest(line))) is not None:
            return
        signed, _ = read_approvals(manifest, line, policy)
        for one in signed:
            kinds = select(Approval.kind).where(Approval.revision == row.id, Approval.person == one.key.person)
            kind = approvals.EMERGENCY if one.approval.emergency is not None else approvals.ORDINARY
            if kind in set(self.session.scalars(kinds)):
                kind = approvals.REPRODUCED
            self.session.add(
                Approval(
                    revision=row.id,
                    manifest_sha256=manifest.digest,
                    kind=kind,
                    person=one.key.person,
                    keyid=one.key.public.keyid,
                    reproduced=one.approval.reproduced,
                    scope=None if one.approval.scope is None else sorted(one.approval.scope),
                    envelope=line,
                    envelope_sha256=digest(line),
                    taken=self.change.now,
                    taken_by=self.change.by,
                )
            )
            self.session.flush()

    def recalls(self) -> Iterator[str]:
        """Take in the newest recall list of each product, where it is newer, and what it says."""
        for data in self._documents("status/recalls/"):
            found = RecallList.parse(data)
            self._product(found.product)
            newest = select(func.max(RecallListVersion.number)).where(RecallListVersion.product == found.product)
            if found.number <= (self.session.scalar(newest) or 0):
                continue
            self.session.add(
                RecallListVersion(product=found.product, number=found.number, document=found.data, issued=found.issued)
            )
            for held in found.held:
                yield from self._withdrawn(held.revision.manifest, held.revision.label, Action.HOLD, State.HELD)
            for entry in found.recalled:
                yield from self._recalled(entry)
            self.session.flush()

    def _recalled(self, entry: Entry) -> Iterator[str]:
        row = self.session.scalar(select(Revision).where(Revision.manifest_sha256 == entry.revision.manifest))
        if row is None:
            return
        policy = self._policy(self.session.get_one(Hotfix, row.hotfix).product)
        self._statements(row, recalls.RECALL, entry.statements, policy)
        self._statements(row, recalls.REINSTATEMENT, entry.reinstated, policy)
        if not entry.reinstated:
            yield from self._withdrawn(entry.revision.manifest, entry.revision.label, Action.RECALL, State.RECALLED)

    def _withdrawn(self, manifest: str, label: str, action: Action, state: State) -> Iterator[str]:
        row = self.session.scalar(select(Revision).where(Revision.manifest_sha256 == manifest))
        if row is not None and row.state != state:
            self._step(row, action, state)
            yield f"{label}: {state}"

    def _statements(self, row: Revision, kind: str, envelopes: Sequence[Envelope], policy: Policy) -> None:
        for envelope in envelopes:
            line = write_sidecar([envelope])
            key = next((policy.keys[keyid] for keyid, _ in envelope.signatures if keyid in policy.keys), None)
            there = self.session.scalar(select(Recall.id).where(Recall.envelope_sha256 == digest(line)))
            if key is None or there is not None:
                continue
            self.session.add(
                Recall(
                    revision=row.id,
                    kind=kind,
                    statement_sha256=digest(envelope.payload),
                    person=key.person,
                    reason=decode(envelope.payload, what="statement")["predicate"]["reason"],
                    envelope=line,
                    envelope_sha256=digest(line),
                    taken=self.change.now,
                )
            )

    def _documents(self, prefix: str) -> list[bytes]:
        listed = [target for name, target in sorted(self.published.targets.items()) if name.startswith(prefix)]
        return [data for target in listed if (data := self.store.read(target.file, LIMITS.trust_file)) is not None]
