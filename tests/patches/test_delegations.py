from datetime import timedelta

import pytest

from patchline.patches.delegations import Delegations
from patchline.patches.errors import ChannelError, PatchlineError, TrustError
from patchline.patches.root import TREE_MARK, Root
from patchline.patches.tuf_keys import TufKey
from patchline.releaser import ceremony
from tests import vendor
from tests.vendor import NOW, OFFLINE, signer

ONLINE = signer("online").public


def made(publisher="online", status="online", **more):
    return ceremony.make_targets([signer(publisher).public], [signer(status).public], NOW, **more)


def signed(targets, names=OFFLINE[:2]):
    for name in names:
        targets = ceremony.sign_targets(targets, signer(name))
    return targets


def test_targets_signed_by_a_threshold_of_the_roots_keys_count():
    targets = signed(made("publisher"))
    targets.check_signed(vendor.root(online=ONLINE))
    assert set(targets.hotfixes.keys) == {signer("publisher").public.keyid}
    assert set(targets.status.keys) == {ONLINE.keyid}
    assert targets.expires == NOW.replace(microsecond=0) + timedelta(days=365)


@pytest.mark.parametrize("names", [(), OFFLINE[:1], (OFFLINE[0], OFFLINE[0]), (OFFLINE[0], "stranger")])
def test_targets_signed_by_too_few_do_not_count(names):
    with pytest.raises(ChannelError) as refused:
        signed(made(), names).check_signed(vendor.root(online=ONLINE))
    assert refused.value.code == "channel.signatures"


@pytest.mark.parametrize("places", [("offline-1", "online"), ("online", "offline-3")])
def test_offline_key_does_not_publish(places):
    with pytest.raises(ChannelError, match="both for the root and for the channel"):
        signed(made(*places)).check_signed(vendor.root(online=ONLINE))


def _role(document, number):
    return document["signed"]["delegations"]["roles"][number]


def _twice(document):
    keyid = _role(document, 0)["keyids"][0]
    _role(document, 0)["keyids"] = [keyid, keyid]


def _wrong_id(document):
    keys = document["signed"]["delegations"]["keys"]
    keys["0" * 64] = next(iter(keys.values()))


CHANGES = {
    "a target of its own": lambda d: d["signed"]["targets"].update(x={"length": 1, "hashes": {"sha256": "0" * 64}}),
    "a third role": lambda d: d["signed"]["delegations"]["roles"].append({**_role(d, 0), "name": "more"}),
    "one role": lambda d: d["signed"]["delegations"]["roles"].pop(),
    "the roles the other way round": lambda d: d["signed"]["delegations"]["roles"].reverse(),
    "one role twice": lambda d: d["signed"]["delegations"]["roles"].__setitem__(1, dict(_role(d, 0))),
    "more names": lambda d: _role(d, 1)["paths"].append("hotfixes/*/*/*"),
    "names by hash": lambda d: _role(d, 1).update(path_hash_prefixes=["0"]),
    "not terminating": lambda d: _role(d, 0).update(terminating=False),
    "threshold 0": lambda d: _role(d, 0).update(threshold=0),
    "threshold below 0": lambda d: _role(d, 0).update(threshold=-1),
    "threshold beyond its keys": lambda d: _role(d, 0).update(threshold=2),
    "a key twice": _twice,
    "a key under another id": _wrong_id,
    "an unknown key": lambda d: _role(d, 0).update(keyids=["0" * 64]),
    "no keys": lambda d: _role(d, 0).update(keyids=[]),
    "a key that no role has": lambda d: d["signed"]["delegations"]["keys"].update(
        {signer("spare").public.keyid: TufKey(signer("spare").public).to_dict()}
    ),
    "hash bins": lambda d: d["signed"]["delegations"].update(succinct_roles={}),
    "a spare member": lambda d: d["signed"].update(extra=1),
    "version 0": lambda d: d["signed"].update(version=0),
    "another time": lambda d: d["signed"].update(expires="2027-11-22"),
    "another kind": lambda d: d["signed"].update(_type="snapshot"),
    "no signatures": lambda d: d.pop("signatures"),
    "a signature that is none": lambda d: d.update(signatures=[{"keyid": "x", "sig": "zz"}]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_targets_of_another_form_are_refused(name):
    document = made().document
    CHANGES[name](document)
    with pytest.raises(PatchlineError) as refused:
        Delegations.read(document)
    assert refused.value.family == "channel"


def test_newer_targets_follow_and_older_or_other_ones_do_not():
    first = signed(made())
    second = signed(made(previous=first))
    first.check_successor(second)
    first.check_successor(first)
    for newer, known, code in ((first, second, "older"), (signed(made("publisher")), first, "fork")):
        with pytest.raises(ChannelError) as refused:
            known.check_successor(newer)
        assert refused.value.code == f"channel.{code}"


def kit_root(**more):
    keys = [signer(name).public for name in OFFLINE]
    return ceremony.make_root(keys, 2, NOW, kit=signer("kit").public, **more)


def test_root_of_kits_is_never_read_as_a_channels_root_nor_the_other_way_round():
    online, kits = vendor.root(online=ONLINE), kit_root()
    assert Root.read(kits.document, kit=True).kit and not Root.read(online.document).kit
    for document, kit in ((kits.document, False), (online.document, True)):
        with pytest.raises(TrustError) as refused:
            Root.read(document, kit=kit)
        assert refused.value.code == "trust.root-tree"


@pytest.mark.parametrize("mark", ["", "online", None, 1, True])
def test_root_with_another_mark_is_refused_everywhere(mark):
    document = kit_root().document
    document["signed"][TREE_MARK] = mark
    for kit in (True, False):
        with pytest.raises(TrustError, match="marked as of"):
            Root.read(document, kit=kit)


def test_mark_of_kits_is_signed():
    kits = kit_root()
    for name in OFFLINE[:2]:
        kits = ceremony.sign_root(kits, signer(name))
    kits.check_self()
    document = {**kits.document, "signed": {k: v for k, v in kits.document["signed"].items() if k != TREE_MARK}}
    with pytest.raises(TrustError, match="signed by 0 of 2"):
        Root.read(document).check_self()


def test_roots_of_the_two_trees_do_not_follow_each_other():
    with pytest.raises(TrustError, match="follows no root of the channel"):
        vendor.root(online=ONLINE).check_successor(kit_root())
    with pytest.raises(TrustError, match="follows no root of the channel"):
        kit_root(previous=vendor.root(online=ONLINE))
