"""In-toto statements (v1), and the approval: one person's word for one manifest.

- A statement is canonical JSON; it is read only from bytes whose signature was verified.
- An approval has exactly one subject, the manifest, by its SHA-256 alone, and repeats product, hotfix and revision;
  `Approval.check_for` refuses it for any other manifest.
- It says nothing about who made it: the person follows from the key, by the policy.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.manifest import Manifest
from patchline.patches.rules import MOST_HOURS

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
APPROVAL_TYPE = "urn:patchline:approval:v1"
MANIFEST_SUBJECT = "manifest.json"
ALL = "all"
CUSTOMER = re.compile(r"(?!all\Z)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_APPROVAL_MEMBERS = {"decision", "product", "hotfix", "revision", "scope", "reproduced", "time"}


@dataclass(frozen=True)
class Subject:
    """Something a statement is about: a name and the SHA-256 of its bytes."""

    name: str
    sha256: str

    def as_document(self) -> dict[str, Any]:
        """Return the subject as it stands in a statement."""
        return {"name": self.name, "digest": {"sha256": self.sha256}}


@dataclass(frozen=True)
class Approval:
    """A person's approval of one manifest.

    Attributes:
        scope: ids of the customers it is for, None for all.
        reproduced: the person rebuilt the manifest from a clone of their own.
        emergency: hours that it counts for, by the policy's emergency rule alone; None for an ordinary approval.
        time: when they say they signed, for people only; nothing is decided by it.
    """

    manifest: str
    product: str
    hotfix: str
    revision: int
    scope: frozenset[str] | None
    reproduced: bool
    time: str
    emergency: int | None = None

    def covers(self, customer: str | None) -> bool:
        """Tell whether it is for the site of this customer; without a customer, whether it is for all."""
        return self.scope is None or customer in self.scope

    def check_for(self, manifest: Manifest) -> None:
        """Raise StatementError unless this approves that very manifest."""
        check_names(manifest, self.product, self.hotfix, self.revision, "the approval")
        if self.manifest != manifest.digest:
            raise StatementError("subject", f"the approval is for manifest {self.manifest}, not {manifest.digest}")

    def as_payload(self) -> bytes:
        """Return the statement's bytes, to be signed."""
        predicate: dict[str, Any] = {
            "decision": "approve",
            "product": self.product,
            "hotfix": self.hotfix,
            "revision": self.revision,
            "scope": ALL if self.scope is None else sorted(self.scope),
            "reproduced": self.reproduced,
            "time": self.time,
        }
        if self.emergency is not None:
            predicate["emergency"] = {"hours": self.emergency}
        return encode_statement([Subject(MANIFEST_SUBJECT, self.manifest)], APPROVAL_TYPE, predicate)

    @classmethod
    def make(
        cls,
        manifest: Manifest,
        *,
        scope: frozenset[str] | None,
        reproduced: bool,
        now: datetime,
        emergency: int | None = None,
    ) -> "Approval":
        """Make the approval of a manifest, to be signed."""
        return cls(
            manifest=manifest.digest,
            product=manifest.target.product,
            hotfix=manifest.hotfix,
            revision=manifest.revision,
            scope=scope,
            reproduced=reproduced,
            time=time_text(now),
            emergency=emergency,
        )

    @classmethod
    def parse(cls, payload: bytes, what: str) -> "Approval":
        """Read an approval from verified bytes.

        Raises:
            StatementError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        fields, subjects = read_statement(payload, APPROVAL_TYPE, what)
        if len(subjects) != 1:
            raise StatementError("subject-count", f"{what} has {len(subjects)} subjects; an approval has one")
        if set(fields.document) - {"emergency"} != _APPROVAL_MEMBERS:
            raise StatementError("approval-fields", f"{what} has other fields than an approval")
        if fields.text("decision") != "approve":
            raise StatementError("decision", f"{what} does not approve but {fields.text('decision')!r}")
        scope = _read_scope(fields)
        return cls(
            manifest=subjects[0].sha256,
            product=fields.text("product", pattern=identifiers.PRODUCT),
            hotfix=fields.text("hotfix", pattern=identifiers.HOTFIX),
            revision=fields.integer("revision", 1, 10_000),
            scope=scope,
            reproduced=fields.boolean("reproduced"),
            time=fields.text("time", pattern=TIME),
            emergency=_read_emergency(fields, scope),
        )


def _read_emergency(fields: Fields, scope: frozenset[str] | None) -> int | None:
    if "emergency" not in fields.document:
        return None
    given = fields.object("emergency")
    if set(given.document) != {"hours"}:
        raise StatementError("approval-fields", f"{given.where} has other fields than hours")
    if scope is None:
        raise StatementError("emergency", f"{fields.where} is for an emergency and for all; it must name customers")
    return given.integer("hours", 1, MOST_HOURS)


def _read_scope(fields: Fields) -> frozenset[str] | None:
    if fields.document.get("scope") == ALL:
        return None
    if not isinstance(fields.document.get("scope"), list):
        fields.fail("scope", f".scope must be {ALL!r} or a list of customers")
    customers = fields.texts("scope", most=10_000, pattern=CUSTOMER)
    if not customers or list(customers) != sorted(set(customers)):
        fields.fail("scope", ".scope must name customers, sorted, each once")
    return frozenset(customers)


def check_names(manifest: Manifest, product: str, hotfix: str, revision: int, what: str) -> None:
    """Raise StatementError unless a statement names the manifest's product, hotfix and revision."""
    if product != manifest.target.product:
        raise StatementError("product", f"{what} is for product {product!r}, not {manifest.target.product!r}")
    if hotfix != manifest.hotfix:
        raise StatementError("hotfix", f"{what} is for {hotfix}, not {manifest.hotfix}")
    if revision != manifest.revision:
        raise StatementError("revision", f"{what} is for {hotfix}-r{revision}, not {manifest.label}")


def time_text(moment: datetime) -> str:
    """Return a moment as statements write it: UTC to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def encode_statement(subjects: list[Subject], predicate_type: str, predicate: dict[str, Any]) -> bytes:
    """Return the bytes of a statement."""
    return documents.encode(
        {
            "_type": STATEMENT_TYPE,
            "subject": [subject.as_document() for subject in subjects],
            "predicateType": predicate_type,
            "predicate": predicate,
        }
    )


def read_statement(payload: bytes, predicate_type: str, what: str) -> tuple[Fields, list[Subject]]:
    """Return the predicate and the subjects of a statement of the type given.

    Raises:
        StatementError: it breaks a rule or is of another type.
        DocumentError: it is not canonical JSON.
    """
    fields = Fields(documents.decode(payload, what=what, limit=LIMITS.sidecar), what, StatementError)
    if fields.text("_type") != STATEMENT_TYPE:
        raise StatementError("statement-type", f"{what} is no in-toto statement v1")
    if fields.text("predicateType") != predicate_type:
        raise StatementError(
            "predicate-type", f"{what} is a {fields.text('predicateType')!r}, not a {predicate_type!r}"
        )
    subjects = [_read_subject(entry) for entry in fields.objects("subject", most=LIMITS.envelopes)]
    return fields.object("predicate"), subjects


def statement_type(payload: bytes, what: str) -> str:
    """Return the predicate type of a statement, to choose its reader by.

    Raises:
        StatementError, DocumentError: it is no statement.
    """
    fields = Fields(documents.decode(payload, what=what, limit=LIMITS.sidecar), what, StatementError)
    return fields.text("predicateType")


def _read_subject(fields: Fields) -> Subject:
    digest = fields.object("digest")
    if set(digest.document) != {"sha256"}:
        raise StatementError("subject-digest", f"{fields.where} has digests {sorted(digest.document)}, not one SHA-256")
    return Subject(fields.text("name"), digest.sha256("sha256"))
