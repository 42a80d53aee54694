import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from patchline.patches import documents
from patchline.patches.baselines import BaselineList, baseline_list
from patchline.patches.enrolments import ENROLMENT_TYPE, Enrolment
from patchline.patches.envelopes import Envelope, read_sidecar, sign
from patchline.patches.errors import PatchlineError
from patchline.patches.keys import Kind
from patchline.patches.manifest import ABSENT
from patchline.patches.policy import Policy
from patchline.patches.provenance import Provenance
from patchline.patches.recall_list import Entry, Held, RecallList
from patchline.patches.recall_statements import Recall, Reinstatement, Revision
from patchline.patches.recalls import KnownRecalls
from patchline.patches.root import Root
from patchline.patches.sealed import Cost, create_sealed, read_sealed
from patchline.patches.statements import PAYLOAD_TYPE, Approval
from patchline.patches.trust import Trust
from tests import vendor
from tests.vendor import approval, manifest, policy_document, provenance, trust

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53) + 1, 2**53 - 1),
    st.text(max_size=20),
    st.sampled_from(["", "0" * 64, "all", "git", "active", "ed25519", "ecdsa", "1.0.31", "2026-11-22T12:00:00Z"]),
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))
MANY = settings(max_examples=250)
TRUST = trust(customer="c-1", baselines={"1": "0" * 64})
ROOT = vendor.root()
MANIFEST = manifest()


def places(document, path=()):
    yield path
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))
        else:
            yield (*path, key)


@st.composite
def changed(draw, document):
    """A document of which one part was replaced, dropped or added to."""
    result = copy.deepcopy(document)
    path = draw(st.sampled_from([path for path in places(document) if path]))
    parent = result
    for key in path[:-1]:
        parent = parent[key]
    action = draw(st.sampled_from(["replace", "drop", "add"]))
    if action == "replace":
        parent[path[-1]] = draw(VALUES)
    elif action == "drop":
        del parent[path[-1]]
    elif isinstance(parent, dict):
        parent[draw(st.text(max_size=10))] = draw(VALUES)
    else:
        parent.append(draw(VALUES))
    return result


def read_or_refused(function, *arguments):
    """Any other error than ours would end in a traceback at a customer's."""
    try:
        function(*arguments)
    except PatchlineError as error:
        assert error.hint


def encoded(document):
    try:
        return documents.encode(document)
    except PatchlineError:  # lone surrogates are no JSON text
        return b"{}"


@MANY
@given(changed(json.loads(TRUST.data)))
def test_no_trust_file_ends_in_a_traceback(document):
    read_or_refused(Trust.parse, encoded(document))
    read_or_refused(TRUST.advanced, encoded(document))


@MANY
@given(changed(ROOT.document))
def test_no_root_ends_in_a_traceback(document):
    def read():
        root = Root.read(document)
        root.check_self()
        ROOT.check_successor(root)

    read_or_refused(read)


RULE = {"match": {"severity": ["low"], "scope": "all", "source": "git", "root": True}, "threshold": 2, "roles": []}
EMERGENCY = {"role": "security", "max_hours": 24, "threshold": 1}
STATUS = {"retired": ["0" * 64]}
PERSONS = {**vendor.PERSONS, "ada": [vendor.policy_key("ada", status=STATUS), vendor.policy_key("ada-2")]}


@MANY
@given(changed(policy_document(PERSONS, [*vendor.RULES, RULE], recalls=["0" * 64], emergency=EMERGENCY)))
def test_no_policy_ends_in_a_traceback(document):
    read_or_refused(Policy.parse, encoded(document))


@MANY
@given(changed(json.loads(approval(MANIFEST, scope=frozenset(["c-1"])).payload)))
def test_no_approval_ends_in_a_traceback(document):
    read_or_refused(lambda: Approval.parse(encoded(document), "x").check_for(MANIFEST))


RECALL = Recall.make(MANIFEST, reason="why", now=vendor.NOW, replacement=manifest(revision=2))
BACK = Reinstatement.make(MANIFEST, reason="why", recalls=frozenset([RECALL.digest]), now=vendor.NOW)


def signed(statement):
    return tuple(sign(statement.as_payload(), PAYLOAD_TYPE, vendor.signer(name)) for name in ("ben", "ed-cleo"))


LISTED = RecallList.make(
    "demo",
    1,
    vendor.NOW,
    [Held(Revision.of(MANIFEST), "why")],
    [Entry(Revision.of(MANIFEST), signed(RECALL), signed(BACK))],
)


@MANY
@given(changed(json.loads(LISTED.data)))
def test_no_recall_list_ends_in_a_traceback(document):
    def taken():
        known = KnownRecalls.first(RecallList.parse(encoded(document)), TRUST.policy)
        known.state(MANIFEST, TRUST.policy)
        known.check_fresh(TRUST.policy, vendor.NOW)
        KnownRecalls.parse(known.as_payload())

    read_or_refused(taken)


@MANY
@given(changed({"format": 1, "list": json.loads(LISTED.data), "proven": ["0" * 64]}))
def test_nothing_that_is_known_of_recalls_ends_in_a_traceback(document):
    read_or_refused(lambda: KnownRecalls.parse(encoded(document)).state(MANIFEST, TRUST.policy))


@MANY
@given(st.one_of(changed(json.loads(RECALL.as_payload())), changed(json.loads(BACK.as_payload()))))
def test_no_recall_ends_in_a_traceback(document):
    for kind in (Recall, Reinstatement):
        read_or_refused(kind.parse, encoded(document), "x")


@MANY
@given(changed(json.loads(approval(MANIFEST, scope=frozenset(["c-1"]), emergency=12).payload)))
def test_no_emergency_ends_in_a_traceback(document):
    read_or_refused(lambda: Approval.parse(encoded(document), "x").check_for(MANIFEST))


ENROLMENT = {"format": 1, "person": "ada", "key": vendor.signer("ada").public.to_pem(), "custody": "cli"}


@MANY
@given(changed(ENROLMENT))
def test_no_enrolment_ends_in_a_traceback(document):
    envelope = sign(encoded(document), ENROLMENT_TYPE, vendor.signer("ada"))
    read_or_refused(Enrolment.read, envelope.as_document())


@MANY
@given(changed(json.loads(provenance(MANIFEST).payload)))
def test_no_provenance_ends_in_a_traceback(document):
    read_or_refused(lambda: Provenance.parse(encoded(document), "x").check_for(MANIFEST))


@MANY
@given(changed(approval(MANIFEST).as_document()))
def test_no_envelope_ends_in_a_traceback(document):
    keys = TRUST.policy.public_keys()
    read_or_refused(lambda: Envelope.from_document(document, "x").verified_keys(keys))


@MANY
@given(st.binary(max_size=200))
def test_no_bytes_end_in_a_traceback(data):
    for function in (Trust.parse, TRUST.advanced, Policy.parse, BaselineList.parse):
        read_or_refused(function, data)
    read_or_refused(read_sidecar, data, "x")


@MANY
@given(changed(json.loads(baseline_list("demo", "1", {"app": {"a": ABSENT, "b": ABSENT}}))))
def test_no_baseline_list_ends_in_a_traceback(document):
    read_or_refused(BaselineList.parse, encoded(document))


def test_no_sealed_key_ends_in_a_traceback(tmp_path):
    path = tmp_path / "ada.key"
    create_sealed(path, Kind.P256, b"words", Cost(1 << 10))
    good = json.loads(path.read_bytes())

    @MANY
    @given(changed(good))
    def with_checksum_mended(document):
        body = {key: document.get(key) for key in ("header", "sealed")}
        checksum = documents.digest(encoded(body))
        path.write_bytes(encoded({**body, "checksum": checksum}))
        read_or_refused(lambda: read_sealed(path).open(b"words"))

    with_checksum_mended()
