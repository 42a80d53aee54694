from dataclasses import replace
from datetime import timedelta

import pytest

from patchline.patches import channel as form
from patchline.patches import documents
from patchline.patches.errors import PatchlineError
from patchline.patches.site.sources import Folder
from patchline.patches.site.web import Web
from patchline.patches.trust import Trust, trust_document
from patchline.releaser.channel import Channel
from patchline.releaser.channel_watch import Watched, look, read_versions
from patchline.releaser.published import Versions
from patchline.releaser.stores import Store
from tests import channels, vendor
from tests.channels import NOW, begun, copy_of, keys, name, policy, publish, recalls
from tests.servers import serving

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def trust():
    return Trust.parse(trust_document(product="demo", root=channels.root(), policy=vendor.policy_envelope()))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def channel(folder, tmp_path):
    """A channel with a hotfix, a policy and a recall list."""
    found = begun(Store.of_folder(folder))
    publish(found, tmp_path)
    with found.changing(NOW) as edit:
        edit.status(form.policy_target("demo"), policy())
        edit.status(form.recalls_target("demo"), recalls())
    return found


def looked(folder, trust, watched=None, now=NOW, **more):
    return look(Folder(folder), trust, watched, now, **more)


def codes(seen):
    return [problem.code for problem in seen.findings]


def test_healthy_channel_has_no_findings_over_http_and_from_a_folder(channel, folder, trust):
    with serving(folder) as server:
        web = Web(server.url)
        seen = look(web, trust, None, NOW, every_file=True)
        web.close()
    assert codes(seen) == [] == codes(looked(folder, trust))
    assert seen.targets == 3 and set(seen.expiries) == {
        "root",
        "targets",
        "hotfixes",
        "status",
        "snapshot",
        "timestamp",
    }


def test_each_look_goes_on_from_what_the_one_before_left(channel, folder, trust, tmp_path):
    first = looked(folder, trust)
    kept = Watched.parse(first.watched.as_bytes(), trust)
    assert kept == first.watched and read_versions(first.watched.as_bytes()) == Versions(
        **{**channel.published().versions.as_document(), "kit_root": 0}
    )
    publish(channel, tmp_path, 2)
    assert codes(looked(folder, trust, kept)) == []


def test_timer_that_does_not_renew_is_told_before_anything_expires(channel, folder, trust):
    assert codes(looked(folder, trust, now=NOW + 4 * DAY)) == []
    assert codes(looked(folder, trust, now=NOW + 5 * DAY)) == ["settings.channel-expiring"]
    expired = looked(folder, trust, now=NOW + 9 * DAY)
    assert codes(expired) == ["expired.timestamp"] and "2 days ago" in expired.findings[0].message


def test_ceremony_that_is_due_is_told_months_before(channel, folder, trust):
    later = NOW + 300 * DAY
    channel.renew(later)
    found = looked(folder, trust, now=later)
    assert {problem.message.split()[0] for problem in found.findings} == {"targets", "the"}
    assert codes(found) == ["settings.channel-expiring", "settings.channel-recalls"]


def test_old_recall_list_is_told(channel, folder, trust):
    later = NOW + 40 * DAY
    channel.renew(later)
    assert codes(looked(folder, trust, now=later)) == ["settings.channel-recalls"]
    with channel.changing(later) as edit:
        edit.status(form.recalls_target("demo"), recalls(2, now=later))
    assert codes(looked(folder, trust, now=later)) == []


def test_earlier_state_is_told(channel, folder, trust, tmp_path):
    copy_of(folder, tmp_path / "earlier")
    publish(channel, tmp_path, 2)
    seen = looked(folder, trust)
    back = looked(tmp_path / "earlier", trust, seen.watched)
    assert codes(back) == ["channel.older"] and back.watched == seen.watched


def thief_removes(folder, target):
    """Whoever holds the online key takes a hotfix out of the list, past the vendor's own rules."""
    channel = Channel(Store.of_folder(folder), keys())
    published = channel.published()
    channel._write(published, {one: listed for one, listed in published.targets.items() if one != target}, NOW)


def test_hotfix_that_vanished_is_told_unless_a_recall_list_says_why(channel, folder, trust):
    seen = looked(folder, trust)
    thief_removes(folder, name())
    assert codes(looked(folder, trust, seen.watched)) == ["channel.vanished"]
    with channel.changing(NOW) as edit:
        edit.status(form.recalls_target("demo"), recalls(2, held=(1,)))
    assert codes(looked(folder, trust, seen.watched)) == []


def test_file_that_is_gone_or_cut_is_told(channel, folder, trust):
    path = folder / channel.published().targets[name()].file
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert codes(looked(folder, trust)) == ["channel.target"]
    path.unlink()
    seen = looked(folder, trust)
    assert codes(seen) == ["source.missing"]
    # Known by now, it is looked at again only when all are.
    assert codes(looked(folder, trust, seen.watched)) == []
    assert codes(looked(folder, trust, seen.watched, every_file=True)) == ["source.missing"]


def test_file_that_is_gone_is_told_over_http(channel, folder, trust):
    (folder / channel.published().targets[name()].file).unlink()
    with serving(folder) as server:
        web = Web(server.url)
        assert codes(look(web, trust, None, NOW)) == ["source.missing"]
        web.close()


def test_changed_status_document_is_told(channel, folder, trust):
    path = folder / channel.published().targets[form.policy_target("demo")].file
    path.write_bytes(path.read_bytes()[:-1] + b" ")
    assert codes(looked(folder, trust)) == ["channel.target"]


def checkpoint(count, head="0"):
    return documents.encode({"format": 1, "count": count, "head": head * 64, "time": "2026-11-22T12:00:00Z"})


def test_shorter_or_other_audit_chain_is_told(channel, folder, trust):
    with channel.changing(NOW) as edit:
        edit.status(form.CHECKPOINT, checkpoint(5))
    first = looked(folder, trust)
    with channel.changing(NOW) as edit:
        edit.status(form.CHECKPOINT, checkpoint(6))
    second = looked(folder, trust, first.watched)
    assert codes(first) == codes(second) == []
    longer = replace(second.watched.known.checkpoint, count=9)
    watched = replace(second.watched, known=replace(second.watched.known, checkpoint=longer))
    assert codes(looked(folder, trust, watched)) == ["channel.checkpoint"]


def test_policy_older_than_the_trust_file_is_told(folder, channel):
    newer = vendor.policy_envelope(vendor.policy_document(version=2, previous="0" * 64))
    trust = Trust.parse(trust_document(product="demo", root=channels.root(), policy=newer))
    assert codes(looked(folder, trust)) == ["trust.policy-older"]


def test_channel_of_somebody_else_is_told(channel, folder):
    other = channels.root(names=("a", "b", "c"))
    trust = Trust.parse(trust_document(product="demo", root=other, policy=vendor.policy_envelope(signers=("a", "b"))))
    assert codes(looked(folder, trust)) == ["channel.forged"]


def test_address_without_a_channel_is_told(tmp_path, trust):
    assert codes(looked(tmp_path, trust)) == ["source.no-channel"]


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"format":2}', b'{"format":1,"known":{},"root":{}}'])
def test_state_that_is_none_is_one_clear_error(trust, data):
    for read in (lambda: Watched.parse(data, trust), lambda: read_versions(data)):
        with pytest.raises(PatchlineError):
            read()


def test_trust_file_with_a_newer_root_counts_more_than_the_state(channel, folder, trust):
    kept = looked(folder, trust).watched.as_bytes()
    second = channels.root(2, previous=channels.root())
    newer = Trust.parse(trust_document(product="demo", root=second, policy=vendor.policy_envelope()))
    assert Watched.parse(kept, newer).root.version == 2 and documents.decode(kept, what="state")["format"] == 1
