"""The recall list: what the vendor took back, and what a site must never forget of it.

- The list travels in the channel's status role, whose one online key can *hold* a revision: no new apply, for as long
  as the list says so.
- A revision is *recalled* when two distinct persons, each with an active approver's key, signed the same statement.
  Contributors and builders count too: a recall only takes away, whoever wrote a fix knows first that it is broken, and
  a site must be able to judge the recall of a manifest that it never saw.
- An entry that fewer signed is as good as held, since the online key could have held it; it refuses no list.
- Once proven, a recall stays: a site refuses a list without its statement, and counts it after its keys are gone.
- Taking it back needs the approval quorum of the rules for this manifest, the strictest of both scopes, and none of
  those who count contributed or holds a builder's key. A newer recall counts again. What the policy itself recalls is
  not taken back.
- Numbers grow with each change and never go back; they grow by steps, so that a stolen key cannot use them up.

Pure rules. Who signed the list is the channel's matter; what it says is judged here.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from patchline.patches import documents, identifiers
from patchline.patches.counting import Signed, judge, missing, places
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import ExpiredError, RecalledError, RecallListError, StatementError
from patchline.patches.fields import Fields
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy, PolicyKey, Purpose
from patchline.patches.recall_list import FORMAT, Entry, Held, RecallList
from patchline.patches.recall_statements import Recall, Reinstatement, Revision, statement_digest
from patchline.patches.rules import Release, Scope
from patchline.patches.statements import time_text
from patchline.patches.wording import counted

PERSONS = 2
"""How many must sign a recall."""
_FIRST_NUMBER = 1 << 50
_STEP = 1_000_000


@dataclass(frozen=True)
class Recalled:
    """A revision that must not be applied any more.

    Attributes:
        replacement: what to apply instead; never one that is recalled itself.
        void: it was approved and never published.
    """

    revision: Revision
    reason: str
    replacement: Revision | None = None
    void: bool = False

    def as_error(self) -> RecalledError:
        """Return the refusal to apply it."""
        instead = f"; {self.replacement.label} replaces it" if self.replacement else ""
        return RecalledError("list", f"{self.revision.label} was recalled: {self.reason}{instead}")


def signers(envelopes: Iterable[Envelope], policy: Policy) -> Iterator[tuple[PolicyKey, bytes]]:
    """Verify envelopes of one signature each; yield key and payload of those that the policy's keys signed.

    Raises:
        SignatureError: a signature by a key of the policy is wrong.
    """
    for envelope in envelopes:
        [(keyid, _)] = envelope.signatures
        if keyid in policy.keys:
            envelope.verified_keys({keyid: policy.keys[keyid].public})
            yield policy.keys[keyid], envelope.payload


def recalling_persons(payload: bytes, envelopes: Iterable[Envelope], policy: Policy) -> frozenset[str]:
    """Return the persons whose signature on the recall of these bytes counts.

    Raises:
        SignatureError: a signature by a key of the policy is wrong.
    """
    same = [envelope for envelope in envelopes if envelope.payload == payload]
    keys = [key for key, _ in signers(same, policy)]
    return frozenset(key.person for key in keys if key.purpose is Purpose.APPROVER and key.active)


@dataclass(frozen=True)
class KnownRecalls:
    """What a site knows: the newest list that it took, and which recalls were ever proven to it.

    Attributes:
        proven: digests of the recalls' statements.
    """

    newest: RecallList
    proven: frozenset[str]

    @classmethod
    def first(cls, newest: RecallList, policy: Policy) -> "KnownRecalls":
        """Take the first list of a site.

        Raises:
            RecallListError, VerificationError: it is for another product, or something signed in it is wrong.
        """
        if newest.number > _FIRST_NUMBER:
            raise RecallListError("number", f"recall list {newest.number} has too high a number to begin with")
        return cls(newest, frozenset())._judged(policy)

    def advanced(self, newest: RecallList, policy: Policy) -> "KnownRecalls":
        """Take a newer list.

        Raises:
            RecallListError: it is older, another one of the same number, or lacks a recall.
            VerificationError: something signed in it is wrong.
        """
        known = self.newest
        if newest.number < known.number:
            raise RecallListError("older", f"recall list {newest.number} is older than {known.number}, already known")
        if newest.number == known.number and newest.data != known.data:
            raise RecallListError("fork", f"there are two different recall lists {newest.number}")
        if newest.number > known.number + _STEP:
            raise RecallListError("number", f"recall list {newest.number} is too far from {known.number}")
        there = {(entry.revision.manifest, digest) for entry in newest.recalled for digest in entry.digests}
        for entry in known.recalled:
            for digest in self.proven.intersection(entry.digests):
                if (entry.revision.manifest, digest) not in there:
                    raise RecallListError(
                        "lost", f"recall list {newest.number} lacks a recall of {entry.revision.label}"
                    )
        return replace(self, newest=newest)._judged(policy)

    def under(self, policy: Policy) -> "KnownRecalls":
        """Return what is known under a newer policy, whose keys may prove more; nothing becomes less.

        Raises:
            VerificationError: something signed in the list is wrong.
        """
        return self._judged(policy)

    def _judged(self, policy: Policy) -> "KnownRecalls":
        if self.newest.product != policy.product:
            raise RecallListError("product", f"the recall list is for product {self.newest.product!r}")
        proven = set(self.proven)
        for entry in self.newest.recalled:
            proven |= _proven(entry, self.newest.product, policy, self.proven)
            for key, payload in signers(entry.reinstated, policy):
                what = f"the reinstatement of {entry.revision.label} by {key.person}"
                made = Reinstatement.parse(payload, what)
                _check_about(made, entry, self.newest.product, what)
        return replace(self, proven=frozenset(proven))

    def state(self, manifest: Manifest, policy: Policy) -> Held | Recalled | None:
        """Return what stands against applying a manifest, None when nothing does."""
        digest = manifest.digest
        entry = self._entry(digest)
        standing = _standing(entry, manifest, policy) if entry else {}
        proven = [payload for name, payload in standing.items() if name in self.proven]
        if proven:
            recall = Recall.parse(proven[-1], f"the recall of {manifest.label}")
            return Recalled(Revision.of(manifest), recall.reason, self._usable(recall, policy), recall.void)
        if digest in policy.recalls:
            return Recalled(Revision.of(manifest), f"by policy {policy.version}")
        if standing:
            return Held(Revision.of(manifest), f"its recall is not signed by {PERSONS} persons yet")
        return next((one for one in self.newest.held if one.revision.manifest == digest), None)

    def _entry(self, digest: str) -> Entry | None:
        return next((entry for entry in self.newest.recalled if entry.revision.manifest == digest), None)

    def _usable(self, recall: Recall, policy: Policy) -> Revision | None:
        """Return a recall's replacement unless that was ever recalled itself; its manifest need not be at hand."""
        if recall.replacement is None or recall.replacement.manifest in policy.recalls:
            return None
        entry = self._entry(recall.replacement.manifest)
        recalled = entry is not None and not self.proven.isdisjoint(entry.digests)
        return None if recalled else recall.replacement

    def check_fresh(self, policy: Policy, now: datetime, stale_until: datetime | None = None) -> tuple[str, ...]:
        """Return a warning when a person accepts a list that is older than the policy allows.

        Raises:
            ExpiredError: it is too old, and nobody accepts it.
        """
        if now < self.newest.issued + timedelta(days=policy.recall_max_age_days):
            return ()
        days = counted((now - self.newest.issued).days, "day")
        error = ExpiredError(
            "recalls",
            f"the newest recall list here is {days} old, of {time_text(self.newest.issued)}; the policy allows "
            f"{counted(policy.recall_max_age_days, 'day')}; this machine's clock says {time_text(now)}",
        )
        if stale_until is None or now >= stale_until:
            raise error
        return (error.message,)

    def as_payload(self) -> bytes:
        """Return the bytes that a site keeps."""
        newest = documents.decode(self.newest.data, what="recall list")
        return documents.encode({"format": FORMAT, "list": newest, "proven": sorted(self.proven)})

    @classmethod
    def parse(cls, data: bytes) -> "KnownRecalls":
        """Read what `as_payload` wrote.

        Raises:
            MalformedError, VerificationError: it is something else.
        """
        fields = Fields(documents.decode(data, what="known recalls"), "known recalls", RecallListError)
        newest = RecallList.parse(documents.encode(fields.object("list").document))
        return cls(newest, frozenset(fields.texts("proven", most=1_000_000, limit=64, pattern=identifiers.DIGEST)))


def _proven(entry: Entry, product: str, policy: Policy, known: frozenset[str]) -> frozenset[str]:
    """Return the digests of an entry's recalls that enough persons signed; those known to be proven are not looked at again."""
    persons: dict[str, set[str]] = defaultdict(set)
    fresh = [envelope for envelope in entry.statements if statement_digest(envelope.payload) not in known]
    for key, payload in signers(fresh, policy):
        what = f"the recall of {entry.revision.label} by {key.person}"
        _check_about(Recall.parse(payload, what), entry, product, what)
        if key.purpose is Purpose.APPROVER and key.active:
            persons[statement_digest(payload)].add(key.person)
    return frozenset(digest for digest, found in persons.items() if len(found) >= PERSONS)


def _check_about(statement: Recall | Reinstatement, entry: Entry, product: str, what: str) -> None:
    if statement.product != product:
        raise StatementError("product", f"{what} is for product {statement.product!r}, not {product!r}")
    if statement.revision != entry.revision:
        raise StatementError("subject", f"{what} is about {statement.revision.label} or another manifest of that name")


def _standing(entry: Entry, manifest: Manifest, policy: Policy) -> dict[str, bytes]:
    """Return the recalls of an entry that were not taken back, by name, whoever signed them."""
    taken_back: set[str] = set()
    if manifest.digest not in policy.recalls:
        taken_back.update(*_taken_back(entry, manifest, policy))
    payloads = {statement_digest(envelope.payload): envelope.payload for envelope in entry.statements}
    return {name: payload for name, payload in payloads.items() if name not in taken_back}


def _taken_back(entry: Entry, manifest: Manifest, policy: Policy) -> Iterator[frozenset[str]]:
    """Yield the recalls named by each reinstatement that the approval quorum signed."""
    signed: dict[bytes, list[PolicyKey]] = defaultdict(list)
    for key, payload in signers(entry.reinstated, policy):
        signed[payload].append(key)
    for payload, keys in signed.items():
        made = Reinstatement.parse(payload, f"the reinstatement of {manifest.label}")
        if not missing_for_reinstatement(made, keys, manifest, policy):
            yield made.recalls


def missing_for_reinstatement(
    made: Reinstatement, keys: Sequence[PolicyKey], manifest: Manifest, policy: Policy
) -> list[tuple[str, str]]:
    """Return what a reinstatement lacks, as `counting.missing` does, given the keys that signed it."""
    builders = builders_of(policy)
    signed = [Signed(key, made.as_approval()) for key in keys]
    found = places(one for one in signed if judge(one, manifest, None, builders) is None)
    demands = [policy.demand(Release.of(manifest, scope)) for scope in Scope]
    # Whether somebody rebuilt it, the approvals say; the bytes are the same.
    return missing(found, replace(demands[0].joined(demands[1]), reproduced=0))


def builders_of(policy: Policy) -> frozenset[str]:
    """Return everybody who holds a builder's key; whether they built a manifest, its provenance alone would tell."""
    return frozenset(key.person for key in policy.keys.values() if key.purpose is Purpose.BUILDER)
