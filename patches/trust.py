"""The trust file: what a site believes before it has seen anything else, and how that may change.

A trust file is canonical JSON `{format, product, customer | null, trial, root, policy, baselines, channel | null}`.
It is handed over once by a trusted way, and compared by its fingerprint. Its root and policy are signed and may be
replaced by newer ones from anywhere; the rest is not signed and comes from the first trust file alone.

- The root must be signed by a threshold of its own root keys, the policy by a threshold of the root's targets keys.
- The policy is for the trust file's product. No key of the root stands in the policy: a key has one purpose.
- `advanced` takes a newer root, policy or trust file: never a lower version, never another of the same version; the
  next policy must name the digest of the one it follows.
- An expired root takes nothing new (`check_fresh`); what is applied stays and may be rolled back.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from patchline.patches import documents, identifiers
from patchline.patches.envelopes import Envelope
from patchline.patches.errors import ExpiredError, TrustError
from patchline.patches.fields import Fields
from patchline.patches.limits import LIMITS
from patchline.patches.policy import POLICY_TYPE, Policy
from patchline.patches.root import Root
from patchline.patches.statements import CUSTOMER, time_text
from patchline.patches.wording import counted

FORMAT = 1
_CHANNEL = re.compile(r"https?://[!-~]{1,1000}")


@dataclass(frozen=True)
class Trust:
    """A trust file whose root and policy count.

    Attributes:
        data: the bytes of the trust file.
        policy_envelope: the policy as it is handed on.
        customer: id of the site's customer, None where only releases for all count.
        trial: made by a trial home, all keys in one place.
        baselines: by version, the SHA-256 of the list of its files.
        channel: where updates are fetched from, None without a channel.
    """

    data: bytes
    product: str
    customer: str | None
    trial: bool
    root: Root
    policy: Policy
    policy_envelope: Envelope
    baselines: Mapping[str, str]
    channel: str | None

    @property
    def digest(self) -> str:
        """SHA-256 of the trust file."""
        return documents.digest(self.data)

    @property
    def fingerprint(self) -> str:
        """The digest in the form that people compare."""
        return identifiers.fingerprint(self.digest)

    @classmethod
    def parse(cls, data: bytes) -> "Trust":
        """Read a trust file and check its root and policy.

        Raises:
            TrustError: it breaks a rule, or root or policy do not count.
            VerificationError: a key or signature in it is wrong.
            DocumentError: it is not canonical JSON.
        """
        what = "trust file"
        fields = Fields(documents.decode(data, what=what, limit=LIMITS.trust_file), what, TrustError)
        if fields.integer("format", 0, 1_000_000) != FORMAT:
            fields.fail("format", f".format is {fields.document['format']}; this client knows {FORMAT}")
        root = Root.read(fields.object("root").document)
        root.check_self()
        envelope = Envelope.from_document(fields.object("policy").document, "policy")
        trust = cls(
            data=data,
            product=fields.text("product", pattern=identifiers.PRODUCT),
            customer=fields.text("customer", pattern=CUSTOMER) if fields.has("customer") else None,
            trial=fields.boolean("trial"),
            root=root,
            policy=check_policy(envelope, root),
            policy_envelope=envelope,
            baselines=MappingProxyType(_read_baselines(fields.object("baselines"))),
            channel=fields.text("channel", limit=1000, pattern=_CHANNEL) if fields.has("channel") else None,
        )
        if trust.policy.product != trust.product:
            raise TrustError(
                "policy-product", f"the policy is for product {trust.policy.product!r}, not {trust.product!r}"
            )
        return trust

    def check_fresh(self, now: datetime) -> None:
        """Raise ExpiredError when the root has expired."""
        if now >= self.root.expires:
            days = (now - self.root.expires).days
            raise ExpiredError(
                "root",
                f"the trust file's root expired {counted(days, 'day')} ago, on {time_text(self.root.expires)}; "
                f"this machine's clock says {time_text(now)}",
            )

    def advanced(self, data: bytes) -> "Trust":
        """Return the trust after taking a newer root, policy or trust file.

        Args:
            data: bytes of one of them. Of a trust file only root and policy are taken, the rest being unsigned.

        Raises:
            TrustError: it is older, does not follow, or does not count.
        """
        document = documents.decode(data, what="trust document", limit=LIMITS.trust_file)
        fields = Fields(document, "trust document", TrustError)
        if "signed" in document:
            return self._with(root=document)
        if "payload" in document:
            return self._with(policy=document)
        if "root" not in document:
            raise TrustError("unknown-document", "the file is no root, no policy and no trust file")
        newer = Trust.parse(data)
        if newer.product != self.product:
            raise TrustError("product", f"the trust file is for product {newer.product!r}, not {self.product!r}")
        return self._with(root=fields.object("root").document, policy=fields.object("policy").document)

    def followed(self, roots: Sequence[Root], policy: Any = None) -> "Trust":
        """Return the trust after taking, at once, the roots that follow and the newest policy.

        Only both together may count: a root that exchanges the targets keys leaves no policy but a newer one.

        Args:
            roots: one after the other; each must follow the one before.
            policy: document of its envelope, None for the policy that is known.

        Raises:
            TrustError: one of them is older, does not follow, or does not count.
        """
        newest = self.root
        for root in roots:
            newest.check_successor(root)
            newest = root
        return self._replaced(newest.document, policy)

    def _with(self, root: Any = None, policy: Any = None) -> "Trust":
        """Return this trust with another root or policy, by the rules of a trust file and of succession."""
        if root is not None:
            self.root.check_successor(Root.read(root))
        return self._replaced(root, policy)

    def _replaced(self, root: Any, policy: Any) -> "Trust":
        document = documents.decode(self.data, what="trust file", limit=LIMITS.trust_file)
        document["root"] = root or document["root"]
        document["policy"] = policy or document["policy"]
        newer = Trust.parse(documents.encode(document))
        _check_policy_follows(self.policy, newer.policy)
        return newer


def check_policy(envelope: Envelope, root: Root) -> Policy:
    """Read the policy in an envelope that a threshold of the root's targets keys signed.

    Raises:
        TrustError: too few signed, or the policy breaks a rule.
        SignatureError: a signature by a targets key is wrong.
    """
    envelope.require_type(POLICY_TYPE, "the policy")
    signed, needed = len(envelope.verified_keys(root.targets.keys)), root.targets.threshold
    if signed < needed:
        raise TrustError("policy-signatures", f"the policy was signed by {signed} of {needed} targets keys of the root")
    policy = Policy.parse(envelope.payload)
    if shared := sorted(set(policy.keys).intersection(root.keys)):
        raise TrustError("key-purpose", f"key {shared[0][:16]} stands both in the root and in the policy")
    return policy


def _check_policy_follows(known: Policy, newer: Policy) -> None:
    if newer.version < known.version:
        raise TrustError("policy-older", f"policy {newer.version} is older than policy {known.version}, already known")
    if newer.version == known.version and newer.digest != known.digest:
        raise TrustError("policy-fork", f"there are two different policies {newer.version}")
    if newer.version == known.version + 1 and newer.previous != known.digest:
        raise TrustError("policy-chain", f"policy {newer.version} does not follow the known policy {known.version}")
    if lost := known.recalls.difference(newer.recalls):
        raise TrustError("policy-recalls", f"policy {newer.version} lacks the recall of {min(lost)}")


def _read_baselines(fields: Fields) -> dict[str, str]:
    for baseline in fields.document:
        fields.check_text("baselines", baseline, limit=128, pattern=identifiers.VERSION)
    return {baseline: fields.sha256(baseline) for baseline in fields.document}


def trust_document(
    *,
    product: str,
    root: Root,
    policy: Envelope,
    customer: str | None = None,
    trial: bool = False,
    baselines: Mapping[str, str] | None = None,
    channel: str | None = None,
) -> bytes:
    """Make the bytes of a trust file; refused by the rules of `Trust.parse`."""
    document = {
        "format": FORMAT,
        "product": product,
        "customer": customer,
        "trial": trial,
        "root": root.document,
        "policy": policy.as_document(),
        "baselines": dict(baselines or {}),
        "channel": channel,
    }
    return Trust.parse(documents.encode(document)).data
