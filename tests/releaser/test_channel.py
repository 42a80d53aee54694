import json
from datetime import timedelta

import pytest
from obstore.store import MemoryStore
from tuf.api.exceptions import ExpiredMetadataError

from patchline.patches import channel as form
from patchline.patches import documents
from patchline.patches.errors import LockedError, PatchlineError, StateError
from patchline.releaser import ceremony, channel_writing
from patchline.releaser.channel import Channel
from patchline.releaser.channel_roots import Offline, take_in
from patchline.releaser.published import Versions, read_published
from patchline.releaser.stores import Store
from tests import channels
from tests.channels import NOW, begun, keys, name, policy, publish, recalls, seen_by_tuf, zip_of

DAY = timedelta(days=1)


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return Store.of_folder(tmp_path / "store") if request.param == "folder" else Store(MemoryStore())


@pytest.fixture
def channel(store):
    return begun(store)


def code_of(call):
    with pytest.raises(PatchlineError) as refused:
        call()
    return refused.value.code


def test_what_is_published_is_what_pythons_own_client_takes(channel, store, tmp_path):
    listed = publish(channel, tmp_path)
    with channel.changing(NOW) as edit:
        edit.status(form.policy_target("demo"), policy())
        edit.status(form.recalls_target("demo"), recalls())
    found = seen_by_tuf(store, tmp_path / "client", name(), form.policy_target("demo"), form.recalls_target("demo"))
    assert documents.digest(found[name()]) == listed.sha256
    assert found[form.policy_target("demo")] == policy() and found[form.recalls_target("demo")] == recalls()
    assert seen_by_tuf(store, tmp_path / "client", name(2)) == {name(2): None}


def test_channel_has_the_agreed_files(channel, store, tmp_path):
    listed = publish(channel, tmp_path)
    names = {path for folder in ("metadata/", "targets/", "kits/") for path in store.names(folder)}
    assert names == {
        *("metadata/1.root.json", "metadata/1.targets.json", "metadata/timestamp.json", "kits/1.kit-root.json"),
        *(
            f"metadata/{n}.{role}.json"
            for role, last in (("hotfixes", 2), ("status", 1), ("snapshot", 2))
            for n in range(1, last + 1)
        ),
        f"targets/hotfixes/demo/HF-2026-0001/{listed.sha256}.r1.zip",
    }


def test_every_role_expires_within_its_life(channel, tmp_path):
    publish(channel, tmp_path)
    for role, expires in channel.published().expiries.items():
        if role != "kit-root":
            form.check_life(role, expires, NOW - form.CLOCKS)
            assert expires <= NOW + form.LIVES[role]


def test_change_that_changes_nothing_publishes_nothing(channel, tmp_path):
    listed = publish(channel, tmp_path)
    before = channel.published()
    with channel.changing(NOW + DAY) as edit:
        edit.put(listed)
        edit.status(form.recalls_target("demo"), recalls())
    between = channel.published()
    assert (
        between.versions.status == before.versions.status + 1 and between.versions.hotfixes == before.versions.hotfixes
    )
    with channel.changing(NOW + DAY) as edit:
        edit.put(listed)
        edit.status(form.recalls_target("demo"), recalls())
    assert channel.published().versions == between.versions


def test_several_changes_appear_at_once(channel, tmp_path):
    uploaded = [channel.upload(name(number), zip_of(tmp_path, number)) for number in (1, 2, 3)]
    with channel.changing(NOW) as edit:
        for listed in uploaded:
            edit.put(listed)
        assert set(channel.published().targets) == set()
    assert channel.published().versions.timestamp == 2 and len(channel.published().targets) == 3


def test_block_that_fails_publishes_nothing(channel, tmp_path):
    before = channel.published().versions
    with pytest.raises(RuntimeError), channel.changing(NOW) as edit:
        edit.put(channel.upload(name(), zip_of(tmp_path)))
        raise RuntimeError
    assert channel.published().versions == before


@pytest.mark.parametrize(
    "wrong", ["hotfixes/demo/HF-1", "hotfixes/demo/HF-2026-0001/r0.zip", "hotfixes/demo/x/r1.zip", "status/x.json"]
)
def test_hotfix_of_a_wrong_name_is_not_listed(channel, tmp_path, wrong):
    assert code_of(lambda: publish_as(channel, wrong, zip_of(tmp_path))) == "channel.target-name"


@pytest.mark.parametrize("wrong", ["../x/y", "/a/b", "a", "a/../b", "a/b/c/d/e", "a/%2e%2e/b", "a//b", "a/b c", ".a/b"])
def test_name_that_is_no_plain_path_is_not_uploaded(channel, tmp_path, wrong):
    assert code_of(lambda: channel.upload(wrong, zip_of(tmp_path))) == "channel.target-name"


def publish_as(channel, target, path, **more):
    listed = channel.upload(target, path)
    with channel.changing(NOW) as edit:
        edit.put(listed, **more)


def test_published_revision_is_never_replaced_by_another_bundle(channel, tmp_path):
    publish(channel, tmp_path)
    for more in ({}, {"replace": True}):
        other = zip_of(tmp_path, line=b"another bundle")
        assert code_of(lambda other=other, more=more: publish_as(channel, name(), other, **more)) == (
            "refused.channel-replaced"
        )


def test_same_bundle_with_more_sidecars_replaces_when_told(channel, tmp_path):
    publish(channel, tmp_path)
    later = zip_of(tmp_path, more=b"an approval more")
    assert code_of(lambda: publish_as(channel, name(), later)) == "refused.channel-replaced"
    publish_as(channel, name(), later, replace=True)
    assert channel.published().targets[name()].sha256 == documents.digest(later.read_bytes())


def test_file_that_was_not_uploaded_is_not_listed(channel, store, tmp_path):
    listed = channel.upload(name(), zip_of(tmp_path))
    store.delete(listed.file)
    with pytest.raises(StateError), channel.changing(NOW) as edit:
        edit.put(listed)


def test_hotfix_vanishes_only_when_a_recall_list_says_why(channel, tmp_path):
    publish(channel, tmp_path)

    def remove(number=None, held=()):
        with channel.changing(NOW) as edit:
            if number:
                edit.status(form.recalls_target("demo"), recalls(number, held))
            edit.remove(name())

    assert code_of(remove) == "refused.channel-vanish"
    assert code_of(lambda: remove(1, (2,))) == "refused.channel-vanish"
    remove(2, (1, 2))
    assert name() not in channel.published().targets
    # The list that names it is published by now.
    publish(channel, tmp_path, 2)
    with channel.changing(NOW) as edit:
        edit.remove(name(2))
    assert name(2) not in channel.published().targets


def test_status_document_never_vanishes(channel):
    with channel.changing(NOW) as edit:
        edit.status(form.recalls_target("demo"), recalls())
    with pytest.raises(PatchlineError), channel.changing(NOW) as edit:
        edit.remove(form.recalls_target("demo"))


def put_status(channel, target, data):
    with channel.changing(NOW) as edit:
        edit.status(target, data)


OLDER = {
    "policy": (form.policy_target("demo"), policy(2), policy(1), "refused.channel-older"),
    "recalls": (form.recalls_target("demo"), recalls(2), recalls(1), "refused.channel-older"),
    "other recalls": (form.recalls_target("demo"), recalls(2), recalls(2, (1,)), "refused.channel-fork"),
    "checkpoint": (
        form.CHECKPOINT,
        documents.encode({"format": 1, "count": 9, "head": "0" * 64, "time": "2026-11-22T12:00:00Z"}),
        documents.encode({"format": 1, "count": 8, "head": "0" * 64, "time": "2026-11-22T12:00:00Z"}),
        "refused.channel-older",
    ),
    "other checkpoint": (
        form.CHECKPOINT,
        documents.encode({"format": 1, "count": 9, "head": "0" * 64, "time": "2026-11-22T12:00:00Z"}),
        documents.encode({"format": 1, "count": 9, "head": "1" * 64, "time": "2026-11-22T12:00:00Z"}),
        "refused.channel-fork",
    ),
    "policy of another product": (form.policy_target("other"), None, policy(), "refused.channel-product"),
    "recalls of another product": (form.recalls_target("other"), None, recalls(), "refused.channel-product"),
    "unknown": ("status/more/x.json", None, b"{}", "channel.target-name"),
    "garbage": (form.recalls_target("demo"), None, b"{", "document.syntax"),
}


@pytest.mark.parametrize("what", OLDER)
def test_status_never_becomes_older_or_something_else(channel, what):
    target, known, new, code = OLDER[what]
    if known is not None:
        put_status(channel, target, known)
    assert code_of(lambda: put_status(channel, target, new)) == code
    if known is not None:
        put_status(channel, target, known)


def client_files(data=b"client", digest=None):
    line = f"{digest or documents.digest(data)}  patchline-site.pyz\n".encode()
    return {form.CLIENT: data, f"{form.CLIENT}.sha256": line, f"{form.CLIENT}.sha256.sig": b"signature"}


def test_client_goes_with_what_the_release_key_says_about_it(channel):
    def put(files):
        with channel.changing(NOW) as edit:
            for target, data in files.items():
                edit.status(target, data)

    assert code_of(lambda: put({form.CLIENT: b"client"})) == "refused.channel-client"
    assert code_of(lambda: put(client_files(digest="0" * 64))) == "refused.channel-client"
    put(client_files())
    assert set(channel.published().targets) == set(client_files())


def test_list_too_large_for_clients_is_refused_in_time(channel, tmp_path, monkeypatch):
    publish(channel, tmp_path)
    size = len(channel.published().roles["hotfixes"].data)
    monkeypatch.setattr(channel_writing, "FULL", size * 1.1 / form.MOST_BYTES["hotfixes"])
    before = channel.published().versions
    assert code_of(lambda: publish(channel, tmp_path, 2)) == "refused.channel-full"
    assert channel.published().versions == before


def test_other_keys_than_root_and_targets_name_publish_nothing(channel, store, tmp_path):
    for wrong in (keys("thief"), keys("online", "thief")):
        assert code_of(lambda wrong=wrong: publish(Channel(store, wrong), tmp_path)) == "settings.channel-keys"


def test_channel_that_has_not_begun_takes_nothing(store, tmp_path):
    channel = Channel(store, keys())
    assert code_of(lambda: publish(channel, tmp_path)) == "state.channel-empty"
    assert code_of(lambda: channel.renew(NOW)) == "state.channel-empty"
    assert channel.published().versions == Versions() and channel.published().expiries == {}


def test_renewing_signs_again_what_has_lived_half_its_life(channel, store, tmp_path):
    publish(channel, tmp_path)
    before = channel.published()
    assert channel.renew(NOW + 3 * DAY).renewed == ()
    assert channel.published().versions == before.versions
    assert channel.renew(NOW + 4 * DAY).renewed == ("timestamp",)
    assert channel.renew(NOW + 16 * DAY).renewed == ("snapshot", "timestamp")
    assert channel.renew(NOW + 200 * DAY).renewed == ("hotfixes", "status", "snapshot", "timestamp")
    renewal = channel.renew(NOW + 201 * DAY)
    assert renewal.renewed == () and renewal.expiries["targets"] == NOW + channels.YEAR
    assert seen_by_tuf(store, tmp_path / "client", name(), at=NOW + 201 * DAY)[name()]


def test_lists_long_replaced_are_cleared_away_and_roots_are_not(channel, store, tmp_path, monkeypatch):
    monkeypatch.setattr("patchline.releaser.channel._KEPT", 2)
    take_in(channel, Offline.of([channels.root(2, previous=channels.root())]), NOW)
    for number in range(1, 6):
        publish(channel, tmp_path, number)
    channel.renew(NOW)
    left = {path for path in store.names("metadata/") if "root" not in path and "targets" not in path}
    assert left == {
        *(f"metadata/{number}.hotfixes.json" for number in (5, 6, 7)),
        *(f"metadata/{number}.snapshot.json" for number in (5, 6, 7)),
        *("metadata/1.status.json", "metadata/2.status.json", "metadata/timestamp.json"),
    }
    assert {"metadata/1.root.json", "metadata/2.root.json", "metadata/1.targets.json"} <= set(store.names("metadata/"))
    assert all(seen_by_tuf(store, tmp_path / "client", *map(name, range(1, 6))).values())


def test_what_was_signed_by_a_clock_years_ahead_is_signed_again(channel, store, tmp_path):
    publish(channel, tmp_path, now=NOW + 3 * channels.YEAR)
    assert set(channel.renew(NOW).renewed) == {"hotfixes", "snapshot", "timestamp"}
    for role, expires in channel.published().expiries.items():
        if role != "kit-root":
            form.check_life(role, expires, NOW)
    assert seen_by_tuf(store, tmp_path / "client", name())[name()]


def test_nobody_renewing_lets_the_channel_expire_and_renewing_brings_it_back(channel, store, tmp_path):
    publish(channel, tmp_path)
    with pytest.raises(ExpiredMetadataError):
        seen_by_tuf(store, tmp_path / "client", name(), at=NOW + 8 * DAY)
    channel.renew(NOW + 8 * DAY)
    assert seen_by_tuf(store, tmp_path / "client", name(), at=NOW + 8 * DAY)[name()]


TAMPERED = {
    "hotfixes": lambda d: d["signed"]["targets"].clear(),
    "status": lambda d: d["signed"].update(expires="2036-01-01T00:00:00Z"),
    "snapshot": lambda d: d["signed"]["meta"].pop("status.json"),
    "targets": lambda d: d["signed"]["delegations"]["roles"].pop(),
    "timestamp": lambda d: d["signed"].update(version=99),
    "root": lambda d: d["signed"].update(expires="2036-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("role", TAMPERED)
def test_nothing_is_published_on_top_of_what_somebody_changed_in_the_store(channel, store, tmp_path, role):
    publish(channel, tmp_path)
    path = form.metadata_file(role, channel.published().versions.of(role))
    document = json.loads(store.read(path, 1 << 20))
    TAMPERED[role](document)
    store.put(path, json.dumps(document, separators=(",", ":"), sort_keys=True).encode())
    refused = code_of(lambda: publish(channel, tmp_path, 2))
    assert refused.startswith(("channel.", "trust."))


def test_missing_metadata_is_told(channel, store, tmp_path):
    publish(channel, tmp_path)
    store.delete("metadata/1.status.json")
    assert code_of(lambda: read_published(store)) == "channel.metadata"
    store.delete("metadata/1.root.json")
    assert code_of(lambda: read_published(store)) == "channel.metadata"


def test_garbage_for_metadata_is_one_clear_error(channel, store):
    for garbage in (b"", b"{", b"[]", b"null", b'{"signed":1,"signatures":[]}', b"\xff", b"[" * 5000):
        store.put("metadata/timestamp.json", garbage)
        assert code_of(lambda: read_published(store)) == "channel.metadata"


def test_older_store_than_was_published_is_not_published_on(channel, store, tmp_path):
    publish(channel, tmp_path)
    seen = channel.published().versions
    known = Channel(store, keys(), Versions(**{**seen.as_document(), "hotfixes": seen.hotfixes + 1}))
    assert code_of(lambda: publish(known, tmp_path, 2)) == "state.channel-behind"
    with Channel(store, keys(), seen).changing(NOW):
        pass


def test_faster_publisher_makes_the_slower_one_try_again(tmp_path):
    """On an object store nobody waits; the slower one notices at the end."""
    store = Store(MemoryStore())
    channel, other = begun(store), Channel(store, keys())
    mine = channel.upload(name(1), zip_of(tmp_path, 1))
    with pytest.raises(LockedError) as refused, channel.changing(NOW) as edit:
        edit.put(mine)
        publish(other, tmp_path, 2)
    assert refused.value.code == "locked.channel"
    tries = []

    def work(edit):
        edit.put(mine)
        tries.append(None)
        if len(tries) == 1:
            publish(other, tmp_path, 3)

    channel.change(work, NOW)
    assert set(channel.published().targets) == {name(1), name(2), name(3)} and len(tries) == 2
    assert seen_by_tuf(store, tmp_path / "client", name(1))[name(1)]


def test_roots_keep_an_unbroken_chain_and_none_is_replaced(channel, store):
    second = channels.root(2, previous=channels.root())
    third = channels.root(3, previous=second)
    kits = channels.kit_root(previous=channels.kit_root())
    assert code_of(lambda: take_in(channel, Offline.of([third]), NOW)) == "trust.root-gap"
    take_in(channel, Offline.of([third, second, kits]), NOW)
    assert [root.version for root in channel.published().roots] == [1, 2, 3]
    assert channel.published().versions.kit_root == 2
    fork = channels.root(2, previous=channels.root(), now=NOW + DAY)
    assert code_of(lambda: take_in(channel, Offline.of([fork]), NOW)) == "trust.root-fork"
    take_in(channel, Offline.of([channels.root(), second]), NOW)


REFUSED = {
    "root signed by too few": (
        lambda: [channels.root(2, previous=channels.root(), signers=channels.NAMES[:1])],
        "trust.root-predecessor",
    ),
    "targets signed by too few": (
        lambda: [channels.targets(previous=channels.targets(), signers=channels.NAMES[:1])],
        "channel.signatures",
    ),
    "older targets": (lambda: [channels.targets(publisher="other")], "channel.fork"),
    "root with another online key": (
        lambda: [channels.root(2, previous=channels.root(), online="new")],
        "settings.channel-keys",
    ),
    "targets with another publisher": (
        lambda: [channels.targets(publisher="new", previous=channels.targets())],
        "settings.channel-keys",
    ),
    "two targets": (lambda: [channels.targets(), channels.targets()], "usage.options"),
    "kit root of other holders": (
        lambda: [channels.kit_root(names=(*channels.NAMES[:2], "offline-4"), previous=channels.kit_root())],
        "trust.kit-root",
    ),
    "kit root with the online key": (
        lambda: [channels.kit_root(kit="online", previous=channels.kit_root())],
        "trust.kit-root",
    ),
    "root whose kit root stays behind": (
        lambda: [channels.root(2, names=(*channels.NAMES[:2], "offline-4"), previous=channels.root())],
        "trust.kit-root",
    ),
    "expired root": (
        lambda: [channels.root(2, previous=channels.root(), now=NOW - 3 * channels.YEAR)],
        "expired.offline",
    ),
    "expired targets": (
        lambda: [channels.targets(previous=channels.targets(), now=NOW - 2 * channels.YEAR)],
        "expired.offline",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_papers_that_do_not_count_change_nothing(what, tmp_path):
    store = Store.of_folder(tmp_path / "store")
    channel = begun(store)
    before = {path: store.read(path, 1 << 20) for path in store.names("metadata/")}
    make, code = REFUSED[what]
    assert code_of(lambda: take_in(channel, Offline.of(make()), NOW)) == code
    assert {path: store.read(path, 1 << 20) for path in store.names("metadata/")} == before


def test_channel_begins_only_with_root_and_targets(store):
    channel = Channel(store, keys())
    assert code_of(lambda: take_in(channel, Offline.of([channels.targets()]), NOW)) == "state.channel-empty"
    assert code_of(lambda: take_in(channel, Offline.of([channels.root()]), NOW)) == "state.channel-empty"
    take_in(channel, Offline.of([channels.root(), channels.targets()]), NOW)
    assert channel.published().versions.timestamp == 1


def test_same_papers_with_more_signatures_do_no_harm(channel, store):
    more = ceremony.sign_targets(channels.targets(), channels.signer("offline-3"))
    take_in(channel, Offline.of([more]), NOW)
    assert channel.published().versions.targets == 1
