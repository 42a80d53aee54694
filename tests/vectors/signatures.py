"""Vectors of everything that is signed: keys, signatures, envelopes, statements, policy, root and trust file."""

import base64
from collections.abc import Callable
from typing import Any

from tests.vectors import keys, material, release
from tests.vectors.cases import Delivery, register
from tests.vectors.keys import Key
from tests.vectors.material import canonical, sha256
from tests.vectors.release import approval, approval_statement, deliver, envelope, lines, provenance

MANIFEST = canonical(material.document())
BUNDLE = material.container(MANIFEST)
BOB, CAROL = approval(MANIFEST, keys.BOB), approval(MANIFEST, keys.CAROL)
Document = dict[str, Any]


def case(name: str, code: str | None, make: Callable[[], Delivery], *entries: int) -> None:
    register(name, code, make, entries=entries)


def approvals(name: str, code: str | None, *envelopes: Document, numbers: tuple[int, ...] = ()) -> None:
    """Register a release with these approvals beside a good bundle and provenance."""
    case(f"approvals-{name}", code, lambda: deliver(approval_lines=lines(envelopes)), *numbers)


def by_bob(**changes: Any) -> Document:
    """Return an approval by Bob that states something else."""
    return approval(MANIFEST, keys.BOB, **changes)


def with_sig(document: Document, sig: bytes | str, keyid: str | None = None) -> Document:
    """Return an envelope with another signature."""
    text = sig if isinstance(sig, str) else base64.b64encode(sig).decode()
    return {**document, "signatures": [{"keyid": keyid or document["signatures"][0]["keyid"], "sig": text}]}


def sig_of(document: Document) -> bytes:
    return base64.b64decode(document["signatures"][0]["sig"])


# Good ones

case("good", None, deliver)
approvals("three", None, BOB, CAROL, approval(MANIFEST, keys.DAN))
approvals("with-an-unknown-key", None, BOB, CAROL, approval(MANIFEST, keys.STRANGER), numbers=(76,))
approvals("of-an-author-beside", None, BOB, CAROL, approval(MANIFEST, keys.ADA))
approvals("mirrored-signature", None, with_sig(BOB, keys.mirrored(sig_of(BOB))), CAROL, numbers=(83,))
case("good-rich", None, lambda: _release(material.rich_document()))
case("good-without-payload", None, lambda: _release(material.document([], guidance=["reload"])))
case("good-nested-bundle", None, lambda: _carrying(BUNDLE), 56)
case("good-unknown-field", None, lambda: deliver(manifest=canonical(material.document(mood="fine"))), 72)


def _release(document: Document) -> Delivery:
    manifest = canonical(document)
    return deliver(manifest=manifest, bundle=material.container(manifest, material.payload(document)))


def _carrying(content: bytes) -> Delivery:
    from tests.samples import ABSENT, entry, file_state
    from tests.vectors.packing import gzip, member, tar

    document = material.document([entry("inner.hotfix", ABSENT, file_state(content))])
    parts = [member(f"files/{sha256(content)}", content), member("README.txt", material.readme(document))]
    manifest = canonical(document)
    return deliver(manifest=manifest, bundle=material.container(manifest, gzip(tar(parts))))


# Who signed

STRANGER = approval(MANIFEST, keys.STRANGER)
approvals("none", "approval.quorum", numbers=(80,))
approvals("one", "approval.quorum", BOB, numbers=(77,))
approvals("one-twice", "approval.quorum", BOB, BOB, numbers=(77,))
approvals("one-mirrored", "approval.quorum", BOB, with_sig(BOB, keys.mirrored(sig_of(BOB))), numbers=(77, 83))
approvals("one-person-two-keys", "approval.quorum", BOB, approval(MANIFEST, keys.BOB_SECOND), numbers=(77, 78))
approvals("unknown-key", "approval.unknown-key", BOB, STRANGER, numbers=(76,))
approvals("author", "approval.contributor", BOB, approval(MANIFEST, keys.ADA), numbers=(99,))
approvals("builder-as-approver", "approval.builder", BOB, approval(MANIFEST, keys.KIM_APPROVER), numbers=(99,))
approvals("builder-key", "approval.purpose", BOB, approval(MANIFEST, keys.BUILDER), numbers=(99,))
approvals("release-key", "approval.purpose", BOB, approval(MANIFEST, keys.RELEASE), numbers=(99,))
approvals("other-customer", "approval.scope", BOB, approval(MANIFEST, keys.CAROL, scope=["c-9"]), numbers=(116,))
approvals(
    "nobody-rebuilt", "approval.reproduced", by_bob(reproduced=False), approval(MANIFEST, keys.CAROL, reproduced=False)
)


def under(name: str, code: str | None, policy: Document, *numbers: int) -> None:
    """Register the good release under another policy."""
    case(f"policy-{name}", code, lambda: deliver(trust=release.trust_with(policy)), *numbers)


REVOKED = release.with_key("carol", 0, status="revoked")
BROWSERS = release.policy_document()
for person in ("bob", "carol"):
    for held in BROWSERS["persons"][person]["keys"]:
        held["custody"] = "browser"
WITHOUT_CAROL = release.policy_document()
del WITHOUT_CAROL["persons"]["carol"]
under("revoked", "approval.revoked", REVOKED, 98)
under("newer-revoked", "approval.revoked", {**REVOKED, "version": 2, "previous": "a" * 64}, 98)
under("retired", "approval.retired", release.with_key("carol", 0, status={"retired": []}), 98)
under("retired-but-listed", None, release.with_key("carol", 0, status={"retired": [sha256(MANIFEST)]}), 98)
under("key-gone", "approval.unknown-key", WITHOUT_CAROL, 98)
under("browsers-only", "approval.independent", BROWSERS)
under("three-needed", "approval.quorum", release.policy_document(rules=[{"threshold": 3}]))
under(
    "role-needed",
    "approval.roles",
    {
        **release.with_key("dan", 0, roles=["security"]),
        "rules": [{"threshold": 2, "roles": ["security"]}],
    },
)
under(
    "strictest-wins",
    "approval.quorum",
    release.policy_document(
        rules=[{"threshold": 1, "independent": 1}, {"match": {"severity": ["moderate"]}, "threshold": 3}]
    ),
)
under("recalled", "recalled.policy", release.policy_document(recalls=[sha256(MANIFEST)]), 118)
under("builder-revoked", "statement.provenance-revoked", release.with_key("kim", 0, status="revoked"), 98)
under(
    "builder-unknown",
    "statement.provenance-unknown-key",
    release.with_key("kim", 0, keyid=keys.STRANGER.keyid, public=keys.STRANGER.pem),
    76,
)

# Policies that must not be believed

under("threshold-0", "trust.threshold", release.policy_document(rules=[{"threshold": 0}]), 79)
under("threshold-negative", "trust.threshold", release.policy_document(rules=[{"threshold": -1}]), 79)
under("threshold-beyond-persons", "trust.unreachable", release.policy_document(rules=[{"threshold": 99}]), 79)
under("no-rule", "trust.no-rule", release.policy_document(rules=[]), 79)
under(
    "no-rule-for-all",
    "trust.no-rule",
    release.policy_document(rules=[{"match": {"severity": ["low"]}, "threshold": 1}]),
    79,
)
under("other-keyid", "trust.keyid", release.with_key("carol", 0, keyid="a" * 64), 85)
under(
    "key-of-two-persons", "trust.key-twice", release.with_key("carol", 0, keyid=keys.BOB.keyid, public=keys.BOB.pem), 78
)
under("critical-unknown", "trust.critical", release.policy_document(critical=["quantum"]), 72)
under("format-2", "trust.format", release.policy_document(format=2), 71)
under("unknown-field", None, release.policy_document(mood="fine"), 72)
under("purpose-unknown", "trust.value", release.with_key("carol", 0, purpose="everything"))
under("version-without-previous", "trust.policy-chain", release.policy_document(version=2))
under(
    "root-key-as-approver",
    "trust.key-purpose",
    release.with_key("carol", 0, keyid=keys.ROOTS[0].keyid, public=keys.ROOTS[0].pem),
)


def bad_key(name: str, code: str, der: bytes, *numbers: int) -> None:
    public = {"keyid": sha256(der), "public": keys.pem(der)}
    under(f"key-{name}", f"signature.{code}", release.with_key("carol", 0, **public), *numbers)


ED25519, P256 = bytes.fromhex("302a300506032b6570032100"), keys.BOB.der[:26]
FIELD = 2**255 - 19
SMALL_ORDER = {
    "1": (1).to_bytes(32, "little"),
    "2": (FIELD - 1).to_bytes(32, "little"),
    "4": bytes(32),
    "8": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
}
for order, point in SMALL_ORDER.items():
    bad_key(f"small-order-{order}", "key-small-order", ED25519 + point, 82)
bad_key("not-reduced", "key-not-canonical", ED25519 + (FIELD + 3).to_bytes(32, "little"), 82)
bad_key("not-on-ed25519", "key-off-curve", ED25519 + (2).to_bytes(32, "little"), 82)
bad_key("not-on-p256", "key-off-curve", P256 + b"\x04" + (1).to_bytes(32) * 2, 82)
bad_key("compressed", "key-kind", P256[:-1] + b"\x02" + keys.BOB.der[-64:-32], 86)
bad_key("p192", "key-kind", bytes.fromhex("3049301306072a8648ce3d020106082a8648ce3d030101033200") + b"\x04" * 49, 87)
bad_key("rsa", "key-kind", bytes.fromhex("30819f300d06092a864886f70d010101050003818d00") + b"\x30" * 141, 87)
under("key-declared-otherwise", "signature.key-pem", release.with_key("carol", 0, public="none"), 86, 88)
under(
    "key-with-spaces",
    "signature.key-pem",
    release.with_key("carol", 0, public=keys.CAROL.pem.replace("\n", "\n ", 1)),
    93,
)

# Signatures

WRONG = approval(MANIFEST + b" ", keys.BOB)
R, S = sig_of(BOB)[: 4 + sig_of(BOB)[3]], sig_of(BOB)[4 + sig_of(BOB)[3] :]
ED_SIG = sig_of(CAROL)
ED_ORDER = 2**252 + 27742317777372353535851937790883648493


def der(r: int, s: int) -> bytes:
    parts = b"".join(
        bytes([2, len(raw)]) + raw for raw in (n.to_bytes(n.bit_length() // 8 + 1, signed=True) for n in (r, s))
    )
    return bytes([0x30, len(parts)]) + parts


def bad_signature(name: str, code: str, by: Document, sig: bytes, *numbers: int) -> None:
    rest = CAROL if by is BOB else BOB
    approvals(f"signature-{name}", f"signature.{code}", with_sig(by, sig), rest, numbers=numbers)


def longer_form(sig: bytes) -> bytes:
    """Return a DER sequence whose length takes two bytes where one would do."""
    return bytes([0x30, 0x81]) + sig[1:]


bad_signature("of-something-else", "mismatch", BOB, sig_of(WRONG), 97)
bad_signature("ed25519-other", "mismatch", CAROL, sig_of(approval(MANIFEST + b" ", keys.CAROL)), 97)
bad_signature(
    "scalar-plus-order",
    "scalar",
    CAROL,
    ED_SIG[:32] + (int.from_bytes(ED_SIG[32:], "little") + ED_ORDER).to_bytes(32, "little"),
    81,
)
bad_signature("low-order-point", "point-small-order", CAROL, SMALL_ORDER["1"] + bytes(32), 82)
bad_signature("ed25519-short", "length", CAROL, ED_SIG[:63], 86)
bad_signature("ed25519-as-p256", "der", BOB, ED_SIG, 86)
bad_signature("p256-as-ed25519", "length", CAROL, sig_of(BOB), 86)
bad_signature("trailing-bytes", "der", BOB, sig_of(BOB) + b"\0", 84)
bad_signature("long-form", "der", BOB, longer_form(sig_of(BOB)), 84)
bad_signature("r-0", "range", BOB, der(0, 1), 84)
bad_signature("s-0", "range", BOB, der(1, 0), 84)
bad_signature("negative-r", "range", BOB, der(-1, 1), 84)
bad_signature("r-is-order", "range", BOB, der(keys.P256_ORDER, 1), 84)
bad_signature("empty", "der", BOB, b"", 80)
bad_signature(
    "sha1",
    "mismatch",
    BOB,
    keys.BOB.sign_sha1(release.pre_authentication(canonical(approval_statement(MANIFEST)), release.STATEMENT)),
    87,
)
bad_signature("bare-payload", "mismatch", BOB, keys.BOB.sign(canonical(approval_statement(MANIFEST))), 92)

# Envelopes

TEXT = BOB["payload"]
approvals("no-signature", "statement.unsigned", {**BOB, "signatures": []}, CAROL, numbers=(80,))
approvals(
    "two-signatures",
    "statement.several-signatures",
    envelope(canonical(approval_statement(MANIFEST)), [keys.BOB, keys.CAROL]),
    numbers=(77,),
)
approvals("signature-twice", "statement.signature-twice", {**BOB, "signatures": BOB["signatures"] * 2}, numbers=(77,))
approvals(
    "payload-type",
    "statement.payload-type",
    envelope(canonical(approval_statement(MANIFEST)), [keys.BOB], release.POLICY),
    CAROL,
    numbers=(92,),
)
approvals(
    "payload-type-swapped", "statement.payload-type", {**BOB, "payloadType": release.POLICY}, CAROL, numbers=(92,)
)
approvals("base64-url", "statement.base64", {**BOB, "payload": TEXT[:-8] + "-_" + TEXT[-6:]}, CAROL, numbers=(93,))
approvals("base64-white-space", "statement.base64", {**BOB, "payload": TEXT[:8] + " " + TEXT[8:]}, CAROL, numbers=(93,))
approvals("base64-padding", "statement.base64", with_sig(BOB, BOB["signatures"][0]["sig"] + "="), CAROL, numbers=(93,))
approvals(
    "algorithm-none",
    "statement.envelope-fields",
    {**BOB, "signatures": [{**BOB["signatures"][0], "alg": "none"}]},
    CAROL,
    numbers=(88,),
)
approvals("envelope-field", "statement.envelope-fields", {**BOB, "mood": "fine"}, CAROL)
approvals("keyid-short", "statement.value", with_sig(BOB, sig_of(BOB), "a" * 63), CAROL, numbers=(75, 85))


def raw_approvals(name: str, code: str, data: bytes, *numbers: int) -> None:
    case(f"approvals-{name}", code, lambda: deliver(approval_lines=data), *numbers)


raw_approvals("no-line-feed", "statement.sidecar-line", lines([BOB, CAROL])[:-1])
raw_approvals("empty-line", "statement.sidecar-line", lines([BOB]) + b"\n" + lines([CAROL]))
raw_approvals("65-lines", "statement.sidecar-too-many", b"{}\n" * 65)
register(
    "approvals-5-mib",
    "statement.sidecar-too-large",
    lambda: deliver(approval_lines=b"x" * (5 << 20) + b"\n"),
    large=True,
)


def full_sidecar(what: str, code: str, unit: bytes) -> None:
    """Register approvals that are as long as may be, and made to fill the memory."""
    text = b'{"a":[' + unit * ((4 << 20) // len(unit) - 8) + b"0]}\n"
    register(f"approvals-4-mib-of-{what}", code, lambda: deliver(approval_lines=text), large=True)


full_sidecar("lists", "document.too-many-values", b"[],")
full_sidecar("objects", "document.too-many-values", b'{"":0},')
full_sidecar("texts", "document.too-many-values", b'"abc",')
full_sidecar("spread", "document.too-many-values", b'{"":0},             ')
raw_approvals("white-space", "document.not-canonical", lines([BOB]).replace(b'":"', b'": "', 1), 69)
raw_approvals(
    "duplicate-key", "document.duplicate-key", lines([BOB]).replace(b'{"payload"', b'{"payload":"","payload"'), 60
)
raw_approvals("no-json", "document.syntax", b"hello\n")

# Approvals of something else: replayed, or saying something else than an approval

OTHER = "a" * 64
approvals("other-product", "statement.product", by_bob(product="other"), CAROL, numbers=(94, 116))
approvals("other-hotfix", "statement.hotfix", by_bob(hotfix="HF-2026-0002"), CAROL, numbers=(94,))
approvals("other-revision", "statement.revision", by_bob(revision=2), CAROL, numbers=(94,))
approvals("other-manifest", "statement.subject", approval(MANIFEST + b" ", keys.BOB), CAROL, numbers=(94,))
approvals("rejects", "statement.decision", by_bob(decision="reject"), CAROL)
approvals("more-fields", "statement.approval-fields", by_bob(valid_until="2099-01-01"), CAROL, numbers=(72,))
approvals("scope-word", "statement.scope", by_bob(scope="some"), CAROL)
approvals("scope-empty", "statement.scope", by_bob(scope=[]), CAROL)


def said(**changes: Any) -> Document:
    """Return an approval whose statement has other members than it should."""
    return envelope(canonical({**approval_statement(MANIFEST), **changes}), [keys.BOB])


GOOD_SUBJECT = {"name": "manifest.json", "digest": {"sha256": sha256(MANIFEST)}}
approvals(
    "two-subjects",
    "statement.subject-count",
    said(subject=[GOOD_SUBJECT, {"name": "b", "digest": {"sha256": OTHER}}]),
    CAROL,
    numbers=(94,),
)
approvals("no-subject", "statement.subject-count", said(subject=[]), CAROL, numbers=(94,))
approvals(
    "sha1-subject",
    "statement.subject-digest",
    said(subject=[{"name": "manifest.json", "digest": {"sha1": "a" * 40}}]),
    CAROL,
    numbers=(95,),
)
approvals(
    "sha1-beside",
    "statement.subject-digest",
    said(subject=[{**GOOD_SUBJECT, "digest": {**GOOD_SUBJECT["digest"], "sha1": "a" * 40}}]),
    CAROL,
    numbers=(95,),
)
approvals("other-statement", "statement.statement-type", said(_type="https://in-toto.io/Statement/v0.1"), CAROL)
approvals(
    "provenance-as-approval",
    "statement.predicate-type",
    envelope(canonical(release.provenance_statement(MANIFEST, BUNDLE)), [keys.BOB]),
    CAROL,
    numbers=(92,),
)

# Provenance


def origin(name: str, code: str | None, *envelopes: Document, numbers: tuple[int, ...] = ()) -> None:
    case(f"provenance-{name}", code, lambda: deliver(provenance_lines=lines(envelopes)), *numbers)


def built(statement: Document, key: Key = keys.BUILDER) -> Document:
    return envelope(canonical(statement), [key])


SAID = release.provenance_statement(MANIFEST, BUNDLE)
origin("none", "statement.provenance-missing", numbers=(80,))
origin("by-a-stranger", "statement.provenance-unknown-key", built(SAID, keys.STRANGER), numbers=(76,))
origin("by-an-approver", "statement.provenance-purpose", built(SAID, keys.DAN), numbers=(99,))
origin("by-two-keys", None, envelope(canonical(SAID), [keys.BUILDER, keys.STRANGER]))
origin("of-another-product", "statement.product", provenance(MANIFEST, BUNDLE, product="other"), numbers=(94, 116))
origin("of-another-hotfix", "statement.hotfix", provenance(MANIFEST, BUNDLE, hotfix="HF-2026-0002"), numbers=(94,))
origin("of-another-revision", "statement.revision", provenance(MANIFEST, BUNDLE, revision=2), numbers=(94,))
origin("of-another-manifest", "statement.subject", provenance(MANIFEST + b" ", BUNDLE), numbers=(94,))
origin(
    "of-another-source",
    "statement.source",
    provenance(MANIFEST, BUNDLE, source={"kind": "git", "repository": "elsewhere"}),
    numbers=(96,),
)
origin("of-another-container", "verification.container", provenance(MANIFEST, BUNDLE + b" "), numbers=(94,))
origin("without-container", "statement.subject-count", built({**SAID, "subject": SAID["subject"][:1]}), numbers=(94,))
origin(
    "other-build-type",
    "statement.build-type",
    built(
        {
            **SAID,
            "predicate": {
                **SAID["predicate"],
                "buildDefinition": {**SAID["predicate"]["buildDefinition"], "buildType": "urn:other"},
            },
        }
    ),
)
origin("approval-as-provenance", "statement.predicate-type", built(approval_statement(MANIFEST)), numbers=(92,))
origin(
    "signature-wrong",
    "signature.mismatch",
    with_sig(built(SAID), sig_of(built({**SAID, "subject": []}))),
    numbers=(97,),
)

# Root and trust file


def trusting(name: str, code: str | None, make: Callable[[], Document], *numbers: int) -> None:
    case(f"trust-{name}", code, lambda: deliver(trust=canonical(make())), *numbers)


def rooted(**changes: Any) -> Callable[[], Document]:
    return lambda: release.trust_document(root=release.root_document(**changes))


def policy_by(*signers: Key) -> Callable[[], Document]:
    return lambda: release.trust_document(envelope(canonical(release.policy_document()), signers, release.POLICY))


def keyed(**changes: Any) -> Callable[[], Document]:
    """Return a root in which one key reads otherwise."""
    first = keys.ROOTS[0]
    held = {key.keyid: release.tuf_key(key) for key in keys.ROOTS}
    held[first.keyid] = {**held[first.keyid], **changes}
    return rooted(keys=held)


ROLE = {"keyids": [keys.ROOTS[0].keyid], "threshold": 1}
NO_ROLE: Document = {"keyids": [], "threshold": 1}
trusting("root-one-signature", "trust.root-signatures", rooted(signers=keys.ROOTS[:1]), 106)
trusting("root-one-signature-twice", "trust.root-malformed", rooted(signers=[keys.ROOTS[0], keys.ROOTS[0]]), 77)
trusting("root-by-strangers", "trust.root-signatures", rooted(signers=[keys.STRANGER, keys.BOB]), 76)
trusting("root-threshold-0", "trust.root-threshold", rooted(threshold=0), 79)
trusting("root-threshold-4-of-3", "trust.root-threshold", rooted(threshold=4), 79)
trusting(
    "root-key-under-two-ids",
    "trust.root-key",
    rooted(keys={**{key.keyid: release.tuf_key(key) for key in keys.ROOTS}, "a" * 64: release.tuf_key(keys.ROOTS[0])}),
    78,
)
trusting("root-key-other-scheme", "trust.root-key", keyed(scheme="ecdsa-sha2-nistp384"), 86)
trusting("root-key-no-scheme", "trust.root-key", keyed(scheme="none"), 88)
trusting("root-key-rsa", "trust.root-key", keyed(keytype="rsa", scheme="rsassa-pss-sha256"), 87)
trusting("root-expired", "expired.root", rooted(expires="2026-01-01T00:00:00Z"), 104)
trusting("root-is-targets", "trust.root-malformed", rooted(_type="targets"), 92)
trusting("policy-one-signature", "trust.policy-signatures", policy_by(keys.ROOTS[0]), 77)
trusting("policy-by-approvers", "trust.policy-signatures", policy_by(keys.BOB, keys.CAROL), 76)
trusting(
    "policy-as-statement",
    "statement.payload-type",
    lambda: release.trust_document(envelope(canonical(release.policy_document()), keys.ROOTS[:2])),
    92,
)
trusting(
    "policy-of-another-product",
    "trust.policy-product",
    lambda: release.trust_document(
        envelope(canonical(release.policy_document(product="other")), keys.ROOTS[:2], release.POLICY)
    ),
    116,
)
trusting("format-2", "trust.format", lambda: release.trust_document(format=2), 71)
trusting("of-a-customer", None, lambda: release.trust_document(customer="c-1"))
trusting(
    "of-another-product",
    "trust.other-product",
    lambda: release.trust_document(
        envelope(canonical(release.policy_document(product="other")), keys.ROOTS[:2], release.POLICY), product="other"
    ),
    116,
)


def for_customer(name: str, code: str | None, customer: str | None) -> None:
    said = [approval(MANIFEST, key, scope=["c-1", "c-2"]) for key in (keys.BOB, keys.CAROL)]
    trust = canonical(release.trust_document(customer=customer))
    case(f"scope-{name}", code, lambda: deliver(approval_lines=lines(said), trust=trust), 116)


for_customer("named", None, "c-2")
for_customer("other", "approval.scope", "c-3")
for_customer("nobody", "approval.scope", None)
