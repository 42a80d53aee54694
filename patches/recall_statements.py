"""The two statements of a recall: nobody may apply a revision any more, and, should that be taken back, they may again.

- All who sign one sign the same bytes, each in an envelope of their own; the digest of those bytes names the recall.
- A reinstatement names the recalls that it takes back, so one that is made later still counts.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.errors import StatementError
from patchline.patches.fields import Fields
from patchline.patches.manifest import Manifest
from patchline.patches.statements import (
    MANIFEST_SUBJECT,
    TIME,
    Approval,
    Subject,
    encode_statement,
    read_statement,
    time_text,
)

RECALL_TYPE = "urn:patchline:recall:v1"
REINSTATEMENT_TYPE = "urn:patchline:reinstatement:v1"
REASON_LENGTH = 1000
_RECALL_MEMBERS = {"product", "hotfix", "revision", "reason", "replacement", "void", "time"}
_REINSTATEMENT_MEMBERS = {"product", "hotfix", "revision", "reason", "recalls", "time"}
_MOST_RECALLS = 64


@dataclass(frozen=True)
class Revision:
    """One revision of a hotfix, and the digest of its manifest."""

    hotfix: str
    number: int
    manifest: str

    @property
    def label(self) -> str:
        """Its name, such as HF-2026-0012-r1."""
        return f"{self.hotfix}-r{self.number}"

    def as_document(self) -> dict[str, Any]:
        """Return it as it stands in a list or statement."""
        return {"hotfix": self.hotfix, "revision": self.number, "manifest": self.manifest}

    @classmethod
    def of(cls, manifest: Manifest) -> "Revision":
        """Return the revision that a manifest describes."""
        return cls(manifest.hotfix, manifest.revision, manifest.digest)

    @classmethod
    def read(cls, fields: Fields) -> "Revision":
        """Read one from a list or statement."""
        hotfix, number = _read_name(fields)
        return cls(hotfix, number, fields.sha256("manifest"))


def _read_name(fields: Fields) -> tuple[str, int]:
    return fields.text("hotfix", pattern=identifiers.HOTFIX), fields.integer("revision", 1, 10_000)


@dataclass(frozen=True)
class Recall:
    """The statement that a revision must not be applied any more.

    Attributes:
        replacement: what to apply instead, if there is something.
        void: it was approved and never published.
        time: when it was proposed, for people; it also tells two recalls of one revision apart.
    """

    revision: Revision
    product: str
    reason: str
    replacement: Revision | None
    void: bool
    time: str

    @classmethod
    def make(
        cls, manifest: Manifest, *, reason: str, now: datetime, replacement: Manifest | None = None, void: bool = False
    ) -> "Recall":
        """Make the recall of a manifest, to be signed.

        Raises:
            StatementError: the reason is empty or too long, or the replacement is no other revision of the product.
        """
        if replacement is not None and replacement.target.product != manifest.target.product:
            raise StatementError("product", f"{replacement.label} is for product {replacement.target.product!r}")
        recall = cls(
            revision=Revision.of(manifest),
            product=manifest.target.product,
            reason=reason,
            replacement=Revision.of(replacement) if replacement else None,
            void=void,
            time=time_text(now),
        )
        return cls.parse(recall.as_payload(), f"the recall of {manifest.label}")

    @property
    def digest(self) -> str:
        """What names the recall."""
        return statement_digest(self.as_payload())

    def as_payload(self) -> bytes:
        """Return the statement's bytes, to be signed."""
        predicate = {
            "product": self.product,
            "hotfix": self.revision.hotfix,
            "revision": self.revision.number,
            "reason": self.reason,
            "replacement": self.replacement.as_document() if self.replacement else None,
            "void": self.void,
            "time": self.time,
        }
        return encode_statement([Subject(MANIFEST_SUBJECT, self.revision.manifest)], RECALL_TYPE, predicate)

    @classmethod
    def parse(cls, payload: bytes, what: str) -> "Recall":
        """Read a recall from verified bytes.

        Raises:
            StatementError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        fields, revision = _read(payload, RECALL_TYPE, _RECALL_MEMBERS, what)
        replacement = Revision.read(fields.object("replacement")) if fields.has("replacement") else None
        if replacement is not None and replacement.manifest == revision.manifest:
            raise StatementError("replacement", f"{what} names the recalled revision as its own replacement")
        return cls(
            revision=revision,
            product=fields.text("product", pattern=identifiers.PRODUCT),
            reason=fields.text("reason", limit=REASON_LENGTH),
            replacement=replacement,
            void=fields.boolean("void"),
            time=fields.text("time", pattern=TIME),
        )


@dataclass(frozen=True)
class Reinstatement:
    """The statement that takes recalls of a revision back.

    Attributes:
        recalls: digests of the statements taken back.
    """

    revision: Revision
    product: str
    reason: str
    recalls: frozenset[str]
    time: str

    @classmethod
    def make(cls, manifest: Manifest, *, reason: str, recalls: frozenset[str], now: datetime) -> "Reinstatement":
        """Make the reinstatement of a manifest, to be signed.

        Raises:
            StatementError: the reason is empty or too long, or it takes nothing back.
        """
        made = cls(Revision.of(manifest), manifest.target.product, reason, recalls, time_text(now))
        return cls.parse(made.as_payload(), f"the reinstatement of {manifest.label}")

    def as_approval(self) -> Approval:
        """Return what it is counted as: an approval for all, which does not say that anybody rebuilt it."""
        return Approval(
            manifest=self.revision.manifest,
            product=self.product,
            hotfix=self.revision.hotfix,
            revision=self.revision.number,
            scope=None,
            reproduced=False,
            time=self.time,
        )

    def as_payload(self) -> bytes:
        """Return the statement's bytes, to be signed."""
        predicate = {
            "product": self.product,
            "hotfix": self.revision.hotfix,
            "revision": self.revision.number,
            "reason": self.reason,
            "recalls": sorted(self.recalls),
            "time": self.time,
        }
        return encode_statement([Subject(MANIFEST_SUBJECT, self.revision.manifest)], REINSTATEMENT_TYPE, predicate)

    @classmethod
    def parse(cls, payload: bytes, what: str) -> "Reinstatement":
        """Read a reinstatement from verified bytes.

        Raises:
            StatementError: it breaks a rule.
            DocumentError: it is not canonical JSON.
        """
        fields, revision = _read(payload, REINSTATEMENT_TYPE, _REINSTATEMENT_MEMBERS, what)
        recalls = fields.texts("recalls", most=_MOST_RECALLS, limit=64, pattern=identifiers.DIGEST)
        if not recalls or list(recalls) != sorted(set(recalls)):
            fields.fail("value", ".recalls must name recalls, sorted, each once")
        return cls(
            revision=revision,
            product=fields.text("product", pattern=identifiers.PRODUCT),
            reason=fields.text("reason", limit=REASON_LENGTH),
            recalls=frozenset(recalls),
            time=fields.text("time", pattern=TIME),
        )


def _read(payload: bytes, predicate_type: str, members: set[str], what: str) -> tuple[Fields, Revision]:
    """Return the predicate of a statement about one revision, and the revision."""
    fields, subjects = read_statement(payload, predicate_type, what)
    if len(subjects) != 1:
        raise StatementError("subject-count", f"{what} has {len(subjects)} subjects, not one")
    if set(fields.document) != members:
        raise StatementError("recall-fields", f"{what} has other fields than it must")
    hotfix, number = _read_name(fields)
    return fields, Revision(hotfix, number, subjects[0].sha256)


def statement_digest(payload: bytes) -> str:
    """Return what names a recall: the digest of the bytes that its persons signed."""
    return documents.digest(payload)
