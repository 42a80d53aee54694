"""Fetching from a channel or kit: what a site learns, brings and refuses, through the program alone."""

import contextlib
import json
import os
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import pytest

from patchline.patches import channel, documents, stored_zip
from patchline.patches.errors import PatchlineError
from patchline.patches.site import accepting, web
from patchline.patches.site.fetching import fetch
from patchline.patches.site.known import Listed
from patchline.patches.site.sources import opened_source
from patchline.patches.site.view import View
from tests import vendor
from tests.channel_worlds import NOW, Shop, clock_at, held, policy, recalled, target
from tests.forged_channels import KIT, OFFLINE, ONLINE, later, make_root, make_targets
from tests.samples import fix
from tests.servers import served, serving


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)


def offers(document, *fields):
    return {one["release"]: tuple(one[field] for field in fields) for one in document["offers"]}


def zipped(kit, path):
    """A kit as one zip."""
    names = sorted(str(file.relative_to(kit)) for file in kit.rglob("*") if file.is_file())
    with path.open("w+b") as out:
        members = [(name, (kit / name).stat().st_size, (kit / name).open("rb")) for name in names]
        stored_zip.write_members(out, members)
        for _, _, stream in members:
            stream.close()
    return path


# What is for this site


def test_what_is_new_for_this_site_is_brought_and_applied(shop):
    shop.publish(shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt"))
    with serving(shop.channel.folder) as server:
        found = shop.fetch(server.url)
    assert offers(found, "standing") == {"HF-2026-0001-r1": ("new",), "HF-2026-0002-r1": ("new",)}
    paths = [offer["path"] for offer in found["offers"]]
    shop.site("plan", *paths)
    shop.site("apply", *paths)
    assert shop.level() == "1.0+HF-2026-0001-r1+HF-2026-0002-r1"
    assert set(shop.standings().values()) == {"applied"}


def test_nothing_is_fetched_twice(shop):
    shop.publish(shop.hotfix())
    with serving(shop.channel.folder) as server:
        shop.fetch(server.url)
        server.asked.clear()
        found = shop.fetch(server.url)
        assert offers(found, "standing") == {"HF-2026-0001-r1": ("new",)}
        assert not [line for line in server.asked if "targets/hotfixes" in line and "bytes=0-9" not in line][2:]


def test_what_is_for_others_is_not_brought_and_not_looked_into_again(shop):
    other = {"product": "demo", "baselines": ["2.0"], "platforms": ["linux"], "requires_products": []}
    shop.publish(shop.hotfix(target=other))
    with serving(shop.channel.folder) as server:
        found = shop.fetch(server.url)
        assert offers(found, "standing", "why") == {"HF-2026-0001-r1": ("elsewhere", "it is for baseline 2.0")}
        server.asked.clear()
        shop.fetch(server.url)
    assert not [line for line in server.asked if "hotfixes/demo" in line]


def test_the_highest_revision_stands_for_its_hotfix(shop):
    shop.publish(shop.hotfix(), shop.hotfix(revision=2, content=b"better\n"))
    assert shop.standings() == {"HF-2026-0001-r2": "new"}


def test_what_a_new_one_takes_the_place_of_is_not_new(shop):
    first = shop.hotfix()
    relations = {
        "requires": [],
        "conflicts": [],
        "supersedes": [{"hotfix": "HF-2026-0001"}],
        "includes": [],
        "merges": [],
    }
    second = shop.hotfix(
        "HF-2026-0007", "a.txt", relations=relations, kind="cumulative", fixes=[fix("BUG-7"), fix("BUG-HF-2026-0001")]
    )
    shop.publish(first, second)
    assert shop.standings() == {"HF-2026-0001-r1": "superseded", "HF-2026-0007-r1": "new"}
    shop.site("apply", shop.channel.kit(shop.folder / "kit"))
    assert shop.level() == "1.0+HF-2026-0007-r1"


def test_a_channel_of_another_product_is_told_as_such(shop):
    shop.channel.drop(channel.policy_target("demo"))
    shop.channel.put(channel.policy_target("other"), b"{}")
    shop.channel.commit()
    found = shop.fetch(expect=21)
    assert found["error"] == "channel.not-listed"
    assert "demo" in found["message"]


def test_without_a_channel_nothing_can_be_fetched(shop):
    assert shop.site("fetch", "--json", expect=13).document["error"] == "source.none"


def test_the_trust_files_channel_is_the_default(tmp_path):
    (tmp_path / "channel").mkdir()
    with served(tmp_path / "channel") as url:
        shop = Shop(tmp_path, url=url)
        shop.publish(shop.hotfix())
        found = shop.site("fetch", "--json").document
    assert found["source"] == url
    assert offers(found, "standing") == {"HF-2026-0001-r1": ("new",)}


# One broken entry


def test_36_one_broken_release_is_set_aside_alone(shop):
    good, bad = shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt", content=os.urandom(3 << 20))
    shop.publish(good, bad)
    path = shop.channel.folder / channel.target_file(target(bad.manifest), documents.digest(shop.release(bad)))
    data = bytearray(path.read_bytes())
    middle = data.index(b"payload.tar.gz") + (2 << 20)
    data[middle] ^= 1
    path.write_bytes(data)
    with serving(shop.channel.folder) as server:
        found = shop.fetch(server.url)
    assert offers(found, "standing", "error") == {
        "HF-2026-0001-r1": ("new", None),
        "HF-2026-0002-r1": ("set-aside", "channel.target"),
    }
    kit = shop.channel.kit(shop.folder / "kit")
    shutil.copy(path, kit / path.relative_to(shop.channel.folder))
    for command in ("verify", "plan", "apply"):
        shop.site(command, kit)
    assert shop.level() == "1.0+HF-2026-0001-r1"
    for line in (
        ["inventory", "--check"],
        ["report"],
        ["history"],
        ["fetch", "--from", kit],
        ["rollback", "HF-2026-0001"],
    ):
        shop.site(*line)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda data: b"", "zip.truncated"),
        (lambda data: b"<html>", "zip.truncated"),
        (lambda data: data[:-10], "zip.truncated"),
        (lambda data: data + b"x", "zip.truncated"),
    ],
)
def test_36_a_release_that_is_no_release_is_set_aside(shop, spoil, error):
    shop.publish(shop.hotfix())
    bad = shop.hotfix("HF-2026-0002", "b.txt")
    shop.channel.put(target(bad.manifest), spoil(shop.release(bad)))
    shop.channel.commit()
    assert offers(shop.fetch(), "standing", "error")["HF-2026-0002-r1"] == ("set-aside", error)


def test_36_names_that_say_nothing_are_set_aside(shop):
    shop.publish(shop.hotfix())
    shop.channel.put("hotfixes/demo/notes/readme.txt", b"hello")
    shop.channel.commit()
    found = offers(shop.fetch(), "standing", "error")
    assert found["hotfixes/demo/notes/readme.txt"] == ("set-aside", "channel.target-name")
    assert found["HF-2026-0001-r1"] == ("new", None)


def test_a_release_under_another_name_is_set_aside(shop):
    hotfix = shop.hotfix()
    shop.channel.put("hotfixes/demo/HF-2026-0009/r3.zip", shop.release(hotfix))
    shop.channel.commit()
    assert offers(shop.fetch(), "standing", "error") == {"HF-2026-0009-r3": ("set-aside", "channel.target-manifest")}


def test_a_release_that_nobody_approved_is_set_aside(shop):
    hotfix = shop.hotfix()
    hotfix.path.with_name(hotfix.path.name + ".approvals.jsonl").write_bytes(b"")
    shop.publish(hotfix)
    assert offers(shop.fetch(), "standing", "error") == {"HF-2026-0001-r1": ("set-aside", "approval.quorum")}


def test_a_missing_release_is_told_and_nothing_more(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix, shop.hotfix("HF-2026-0002", "b.txt"))
    (
        shop.channel.folder / channel.target_file(target(hotfix.manifest), documents.digest(shop.release(hotfix)))
    ).unlink()
    assert shop.standings() == {"HF-2026-0001-r1": "absent", "HF-2026-0002-r1": "new"}


def test_109_a_release_longer_than_listed_is_set_aside(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix)
    path = shop.channel.folder / channel.target_file(target(hotfix.manifest), documents.digest(shop.release(hotfix)))
    path.write_bytes(path.read_bytes() + b"more")
    assert offers(shop.fetch(), "standing")["HF-2026-0001-r1"] == ("set-aside",)


# Downloads


def big(shop):
    return shop.hotfix(content=os.urandom(3 << 20))


def test_a_download_that_is_cut_is_resumed(shop):
    hotfix = big(shop)
    shop.publish(hotfix)
    with serving(shop.channel.folder, "cut-large", "r1.zip") as server:
        failed = shop.fetch(server.url, expect=13)
    assert failed["error"] in ("source.cut", "source.unreachable")
    with serving(shop.channel.folder) as server:
        found = shop.fetch(server.url)
        [asked] = [line for line in server.asked if line.endswith(f"-{found['offers'][0]['bytes'] - 1}")][-1:]
    assert not asked.split("bytes=")[1].startswith("0-")
    shop.site("apply", found["offers"][0]["path"])


def test_a_part_that_is_not_the_beginning_is_thrown_away(shop):
    hotfix = big(shop)
    shop.publish(hotfix)
    folder = shop.world.state / "channel/releases"
    folder.mkdir(parents=True)
    sha256 = documents.digest(shop.release(hotfix))
    (folder / f"{sha256}.part").write_bytes(b"something else entirely" * 1000)
    with serving(shop.channel.folder) as server:
        found = shop.fetch(server.url)
    assert offers(found, "standing") == {"HF-2026-0001-r1": ("new",)}
    assert os.listdir(folder) == ["HF-2026-0001-r1.zip"]


def test_a_server_without_ranges_is_good_enough(shop):
    shop.publish(big(shop))
    with serving(shop.channel.folder, "no-ranges") as server:
        found = shop.fetch(server.url)
    assert offers(found, "standing") == {"HF-2026-0001-r1": ("new",)}
    shop.site("apply", found["offers"][0]["path"])


def test_what_is_not_offered_any_more_is_removed_from_the_state_folder(shop):
    shop.publish(shop.hotfix())
    with serving(shop.channel.folder) as server:
        [offer] = shop.fetch(server.url)["offers"]
        shop.site("apply", offer["path"])
        shop.fetch(server.url)
    assert os.listdir(shop.world.state / "channel/releases") == []


# Recalls


def test_31_a_recall_reaches_a_site_and_stays(shop):
    bad = shop.hotfix()
    better = shop.hotfix("HF-2026-0031", "a.txt", content=b"mended\n")
    shop.publish(bad)
    shop.site("apply", bad.path)
    shop.put_recalls(recalled=[recalled(bad.manifest, replacement=better.manifest)])
    shop.publish(better)
    found = shop.fetch(shop.channel.kit(shop.folder / "kit"))
    assert found["recalls"] == 2 and found["withdrawn"]["HF-2026-0001-r1"]["recalled"]
    [layer] = shop.site("inventory", "--json").document["hotfixes"]
    assert layer["withdrawn"] == {"recalled": True, "reason": "it loses orders", "replacement": "HF-2026-0031-r1"}
    assert "RECALLED: it loses orders; HF-2026-0031-r1 replaces it" in shop.site("inventory").out
    assert (
        "HF-2026-0001-r1, which is applied here, is RECALLED" in shop.site("fetch", "--from", shop.folder / "kit").out
    )
    shop.site("rollback", "HF-2026-0001")
    for command in ("verify", "plan", "apply"):
        assert shop.site(command, bad.path, "--json", expect=27).document["error"] == "recalled.list"
    shop.number = 0
    shop.put_recalls()
    shop.channel.commit()
    assert shop.fetch(expect=21)["error"] == "recalls.older"
    assert shop.site("apply", bad.path, "--json", expect=27).document["error"] == "recalled.list"


def test_31_a_kit_brings_recall_and_replacement_in_one_command(shop):
    bad = shop.hotfix()
    relations = {
        "requires": [],
        "conflicts": [],
        "supersedes": [{"hotfix": "HF-2026-0001"}],
        "includes": [],
        "merges": [],
    }
    better = shop.hotfix(
        "HF-2026-0021",
        "a.txt",
        content=b"mended\n",
        relations=relations,
        fixes=[fix("BUG-HF-2026-0001")],
        pre={"a.txt": [b"a old\n", b"a.txt of HF-2026-0001\n"]},
    )
    shop.publish(bad)
    shop.site("apply", bad.path)
    shop.put_recalls(recalled=[recalled(bad.manifest, replacement=better.manifest)])
    shop.publish(better)
    shop.site("apply", shop.channel.kit(shop.folder / "kit"))
    assert shop.level() == "1.0+HF-2026-0021-r1"


def test_a_held_hotfix_is_not_applied_until_it_is_free_again(shop):
    hotfix = shop.hotfix()
    shop.put_recalls(held=[held(hotfix.manifest)])
    shop.publish(hotfix)
    assert offers(shop.fetch(), "standing", "error") == {"HF-2026-0001-r1": ("recalled", "recalled.held")}
    assert shop.site("apply", hotfix.path, "--json", expect=27).document["error"] == "recalled.held"
    shop.put_recalls()
    shop.channel.commit()
    assert shop.standings() == {"HF-2026-0001-r1": "new"}
    shop.site("apply", hotfix.path)


def test_a_recall_by_one_person_only_holds(shop):
    hotfix = shop.hotfix()
    shop.put_recalls(recalled=[recalled(hotfix.manifest, by=["ada"])])
    shop.publish(hotfix)
    assert offers(shop.fetch(), "error") == {"HF-2026-0001-r1": ("recalled.held",)}


def test_the_report_tells_which_list_and_checkpoint_the_site_has(shop):
    shop.put_checkpoint(7, "b" * 64)
    shop.channel.commit()
    assert reported(shop)["recalls"] is None
    shop.fetch()
    assert reported(shop)["recalls"] == 1
    assert reported(shop)["checkpoint"] == {"count": 7, "head": "b" * 64, "time": "2026-11-22T12:00:00Z"}


def reported(shop):
    from patchline.patches.base64text import decode_base64

    return json.loads(decode_base64(shop.site("report", "--json").document["payload"], "report"))


def test_an_audit_chain_that_goes_back_is_told(shop):
    shop.put_checkpoint(7)
    shop.channel.commit()
    shop.fetch()
    shop.put_checkpoint(5)
    shop.channel.commit()
    [warning] = shop.fetch()["warnings"]
    assert "7 events" in warning
    assert reported(shop)["checkpoint"]["count"] == 7


def test_a_release_that_vanishes_without_a_recall_is_told(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix, shop.hotfix("HF-2026-0002", "b.txt"))
    shop.fetch()
    shop.channel.drop(target(hotfix.manifest))
    shop.channel.commit()
    assert shop.fetch()["vanished"] == [target(hotfix.manifest)]
    shop.put_recalls(recalled=[recalled(hotfix.manifest)])
    shop.channel.commit()
    assert shop.fetch()["vanished"] == []


# Time


def test_a_recall_list_too_old_needs_a_persons_word_which_is_recorded(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix)
    kit = shop.channel.kit(shop.folder / "kit")
    shop.fetch(kit)
    shop.now = later(days=46)
    refused = shop.site("apply", hotfix.path, "--json", expect=26).document
    assert refused["error"] == "expired.recalls"
    assert "46 days" in refused["message"]
    shop.site("apply", hotfix.path, "--accept-stale-until", "2027-02-01")
    [row] = [row for row in shop.site("history", "--json").document["rows"] if row["row"] == "apply"]
    assert row["accepted_stale_until"] == "2027-02-01"
    assert "accepting until 2027-02-01" in shop.site("history").out


def test_a_site_that_never_took_a_channel_needs_no_list(shop):
    hotfix = shop.hotfix()
    shop.now = later(days=400)
    shop.site("apply", hotfix.path)


def test_a_word_that_was_not_needed_is_not_recorded(shop):
    shop.site("apply", shop.hotfix().path, "--accept-stale-until", "2027-02-01")
    [row] = shop.site("history", "--json").document["rows"]
    assert "accepted_stale_until" not in row


def test_an_expired_kit_needs_a_persons_word_which_is_recorded(shop):
    shop.publish(shop.hotfix())
    kit = shop.channel.kit(shop.folder / "kit")
    shop.now = later(days=183)
    refused = shop.fetch(kit, expect=26)
    assert refused["error"] == "expired.timestamp"
    assert "3 days ago" in refused["message"]
    shop.fetch(kit, "--accept-stale-until", "2027-06-30")
    assert shop.site("history", "--json").document["rows"][-1]["accepted_stale_until"] == "2027-06-30"
    shop.site("apply", kit, "--json", expect=26)
    shop.site("apply", kit, "--accept-stale-until", "2027-06-30")
    assert shop.level() == "1.0+HF-2026-0001-r1"
    shop.site("rollback", "HF-2026-0001")


def test_a_clock_behind_the_ledger_is_refused_but_rollback_goes_on(shop):
    hotfix, other = shop.hotfix(), shop.hotfix("HF-2026-0002", "b.txt")
    shop.publish(other)
    shop.site("apply", hotfix.path)
    shop.now = later(days=-800)
    for line in (["apply", other.path], ["plan", other.path], ["fetch", "--from", shop.channel.folder]):
        refused = shop.site(*line, "--json", expect=13).document
        assert refused["error"] == "state.clock"
        assert "2024" in refused["message"]
        assert "2026" in refused["message"]
    shop.site("rollback", "HF-2026-0001")


def test_a_clock_years_ahead_is_told_and_changes_nothing(shop):
    shop.publish(shop.hotfix())
    shop.now = later(days=3000)
    assert shop.fetch(expect=26)["error"].startswith("expired.")
    assert shop.site("history", "--json").document["rows"] == []


def test_first_sight_is_remembered(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix)
    shop.fetch()
    with shop.opened() as site:
        assert View.of(site).known.seen(hotfix.manifest.digest, later(days=9)) == NOW
    other = shop.hotfix("HF-2026-0002", "b.txt")
    shop.now = later(hours=1)
    shop.site("apply", other.path)
    with shop.opened() as site:
        assert View.of(site).known.seen(other.manifest.digest, later(days=9)) == later(hours=1)


# Trust


def test_a_newer_policy_comes_with_the_channel(shop):
    shop.put_policy(policy(2))
    shop.channel.commit()
    assert shop.fetch()["policy"] == 2
    assert shop.site("history", "--json").document["rows"][-1]["policy"] == 2


def test_an_older_policy_in_the_channel_is_told_and_not_taken(shop):
    newer = shop.folder / "policy-2.json"
    newer.write_bytes(documents.encode(policy(2).as_document()))
    shop.site("trust", newer)
    found = shop.fetch()
    assert found["policy"] == 2
    assert "policy 1 is older" in found["warnings"][0]


def test_new_targets_keys_come_with_the_policy_they_signed(shop):
    names = ("offline-7", "offline-8", "offline-9")
    both = make_root(shop.channel.roots[-1], names=names, by=[*OFFLINE[:2], *names[:2]])
    shop.channel.roots.append(both)
    shop.channel.kit_root = make_root(kit=True, names=names)
    shop.channel.targets = make_targets(2, names=names)
    second = policy(2)
    envelope = vendor.policy_envelope(documents.decode(second.payload, what="policy"), signers=names[:2])
    shop.put_policy(envelope)
    shop.channel.commit()
    found = shop.fetch()
    assert (found["root"], found["policy"]) == (2, 2)
    shop.publish(shop.hotfix())
    shop.site("apply", shop.channel.kit(shop.folder / "kit"))


def test_a_policy_by_the_online_key_alone_is_refused(shop):
    document = documents.decode(policy(2).payload, what="policy")
    shop.put_policy(vendor.policy_envelope(document, signers=[ONLINE, KIT]))
    shop.channel.commit()
    assert shop.fetch(expect=21)["error"] == "trust.policy-signatures"


def test_a_refused_channel_leaves_the_site_as_it_was(shop):
    shop.fetch()
    before = kept(shop)
    shop.channel.commit(hotfixes_by="stranger")
    shop.fetch(expect=21)
    assert kept(shop) == before


def kept(shop):
    """What the site keeps, python-tuf's cache left out."""
    return {path: path.read_bytes() for path in shop.world.state.rglob("*.json") if "tuf" not in path.parts}


# Kits


def test_a_kit_and_the_zip_of_it_are_taken_by_every_command(shop, tmp_path):
    shop.publish(shop.hotfix())
    kit = zipped(shop.channel.kit(tmp_path / "kit"), tmp_path / "kit.zip")
    state = {path: path.read_bytes() for path in shop.world.state.rglob("*") if path.is_file()}
    assert shop.site("verify", kit, "--json").document["releases"][0]["hotfix"] == "HF-2026-0001"
    shop.site("plan", kit)
    assert {path: path.read_bytes() for path in shop.world.state.rglob("*") if path.is_file()} == state
    shop.fetch(kit)
    shop.site("apply", kit)
    assert shop.level() == "1.0+HF-2026-0001-r1"
    assert shop.site("apply", kit, "--json").document["outcome"] == "nothing"


def test_a_plan_of_a_kit_holds_for_its_apply(shop, tmp_path):
    shop.publish(shop.hotfix())
    kit = shop.channel.kit(tmp_path / "kit")
    shop.site("plan", kit, "--out", tmp_path / "plan.json")
    shop.site("apply", kit, "--plan", tmp_path / "plan.json")


def test_a_release_zip_is_taken_by_itself(shop, tmp_path):
    path = tmp_path / "HF-2026-0001-r1.zip"
    path.write_bytes(shop.release(shop.hotfix()))
    found = shop.site("verify", path, "--json").document
    assert found["hotfix"] == "HF-2026-0001"
    shop.site("plan", path)
    shop.site("apply", path)
    assert shop.level() == "1.0+HF-2026-0001-r1"


def test_a_kit_is_verified_against_a_trust_file_without_a_site(shop, tmp_path):
    from tests.programs import run

    shop.publish(shop.hotfix())
    kit = shop.channel.kit(tmp_path / "kit")
    trust = tmp_path / "demo.trust"
    trust.write_bytes(shop.world.trust.data)
    with clock_at(NOW):
        run("patchline-site", "verify", kit, "--trust", trust, cwd=tmp_path)


def test_a_kit_of_which_nothing_is_of_use_says_why(shop, tmp_path):
    hotfix = shop.hotfix()
    shop.put_recalls(recalled=[recalled(hotfix.manifest)])
    shop.publish(hotfix)
    kit = shop.channel.kit(tmp_path / "kit")
    assert shop.site("apply", kit, "--json", expect=27).document["error"] == "recalled.list"


def test_37_what_another_product_must_have_is_told_before_anything_changes(shop, tmp_path):
    beside = {"product": "demo", "baselines": ["1.0"], "platforms": ["linux"]}
    needs = [{"product": "crm", "versions": ["7.1", "7.2"]}]
    hotfix = shop.hotfix(target={**beside, "requires_products": needs})
    shop.publish(hotfix)
    kit = shop.channel.kit(tmp_path / "kit")
    planned = shop.site("plan", kit, "--json").document
    assert any("crm 7.1 or 7.2" in note for note in planned["notes"])


# The client


def client_files(shop, data, signer="release"):
    line = f"{documents.digest(data)}  patchline-site.pyz\n".encode()
    return dict(zip(channel.CLIENT_ENDINGS, (data, line, vendor.signer(signer).sign(line)), strict=True))


def made_client(version):
    import io
    import zipfile

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        entry = zipfile.ZipInfo(f"patchline-{version}.dist-info/METADATA")
        archive.writestr(entry, f"Metadata-Version: 2.1\nVersion: {version}\n")
    return b"#!/usr/bin/env python3\n" + made.getvalue()


def put_client(shop, version="9.9", signer="release"):
    for ending, data in client_files(shop, made_client(version), signer).items():
        shop.channel.put(channel.CLIENT + ending, data)
    shop.channel.commit()


def test_a_newer_client_is_offered_as_data(shop):
    put_client(shop)
    found = shop.fetch()
    assert found["client"] == {"version": "9.9", "path": str(shop.world.state / "channel/patchline-site.pyz")}
    path = shop.world.state / "channel/patchline-site.pyz"
    assert path.read_bytes() == made_client("9.9")
    assert not os.access(path, os.X_OK) or os.geteuid() == 0
    assert path.stat().st_mode & 0o111 == 0


def test_a_client_by_a_stolen_server_is_not_offered(shop):
    for thief in (ONLINE, "publisher", "ada", "builder"):
        put_client(shop, signer=thief)
        found = shop.fetch()
        assert found["client"] is None
        assert "not offered" in found["warnings"][0]
        assert not (shop.world.state / "channel/patchline-site.pyz").exists()


def test_an_older_client_is_not_offered(shop):
    put_client(shop, version="0.0.1")
    assert shop.fetch()["client"] is None


def test_32_a_hotfix_for_a_newer_client_names_the_version_and_the_client_at_hand(shop, tmp_path):
    with patch("patchline.patches.manifest.CLIENT", "5.0"):
        newer = shop.release(shop.hotfix(min_client="4.2"))
    shop.channel.put("hotfixes/demo/HF-2026-0001/r1.zip", newer)
    put_client(shop)
    found = shop.fetch()
    [offer] = found["offers"]
    assert (offer["standing"], offer["error"]) == ("newer-client", "manifest.client")
    assert "4.2" in offer["why"]
    kit = shop.channel.kit(tmp_path / "kit")
    for ending, data in client_files(shop, made_client("9.9")).items():
        (kit / f"patchline-site.pyz{ending}").write_bytes(data)
    refused = shop.site("apply", kit, "--json", expect=20).document
    assert refused["error"] == "manifest.client"
    assert "4.2" in refused["message"]
    assert "9.9" in refused["hint"]
    assert "patchline-site.pyz" in refused["hint"]
    path = tmp_path / "HF-2026-0001-r1.zip"
    path.write_bytes(newer)
    assert "4.2" in shop.site("apply", path, "--json", expect=20).document["message"]


def test_what_was_verified_before_a_recall_came_is_not_applied_after_it(shop):
    hotfix = shop.hotfix()
    shop.fetch()
    with shop.opened() as site, accepting.offered(site, [hotfix.path], NOW, None) as (handed, _):
        shop.put_recalls(recalled=[recalled(hotfix.manifest)])
        shop.channel.commit()
        shop.fetch()
        with pytest.raises(PatchlineError) as caught:
            accepting.keep(site, handed, NOW)
    assert caught.value.code == "state.edited"
    assert shop.site("apply", hotfix.path, "--json", expect=27).document["error"] == "recalled.list"


def test_a_thousand_releases_for_others_cost_no_request(shop):
    hotfix = shop.hotfix()
    shop.publish(hotfix)
    shop.fetch()
    listed = {f"hotfixes/demo/HF-2025-{number:05}/r1.zip": b"x%d" % number for number in range(1_000)}
    shop.channel.files |= listed
    shop.channel.commit()
    with shop.opened() as site:
        before = View.of(site)
        others = {name: Listed(documents.digest(data), len(data), None, "elsewhere") for name, data in listed.items()}
        replace(before, known=before.known.with_hotfixes(others)).keep(site, before)
    with serving(shop.channel.folder) as server:
        found = shop.fetch(server.url)
    assert sum(offer["standing"] == "elsewhere" for offer in found["offers"]) == 1_000
    assert not [line for line in server.asked if "HF-2025" in line]


def test_a_slow_network_keeps_nobody_from_rolling_back(shop):
    hotfix = shop.hotfix()
    shop.publish(shop.hotfix("HF-2026-0002", "b.txt"))
    shop.site("apply", hotfix.path)
    server = serving(shop.channel.folder, "drip", "r1.zip")
    with server as server, shop.opened() as site, opened_source(server.url) as source:
        slow = threading.Thread(target=lambda: fails(lambda: fetch(site, source, NOW, None)), daemon=True)
        slow.start()
        while not [line for line in server.asked if "r1.zip" in line]:
            time.sleep(0.01)
        refused = shop.fetch(server.url, expect=25)
        assert "being fetched for by process" in refused["message"]
        shop.site("rollback", "HF-2026-0001")
        assert slow.is_alive()
    assert shop.level() == "1.0"


def fails(work):
    with contextlib.suppress(PatchlineError, OSError, ValueError):
        work()


# The line


def test_a_server_is_trusted_by_its_certificate_only(shop, tmp_path, monkeypatch):
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9"]
    named = ["-subj", "/CN=channel", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"]
    subprocess.run([*made, *named, *files], check=True, capture_output=True)
    with serving(shop.channel.folder, certificate=(tmp_path / "cert.pem", tmp_path / "key.pem")) as server:
        refused = shop.fetch(server.url, expect=13)
        assert refused["error"] == "source.unreachable"
        assert "certificate" in refused["message"].lower()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        assert shop.fetch(server.url)["recalls"] == 1


def test_a_proxy_of_the_environment_is_used(shop, monkeypatch):
    with serving(shop.channel.folder) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert shop.fetch("http://channel.example/idm")["recalls"] == 1
        assert proxy.asked[0].startswith("http://channel.example/idm/metadata/")


@pytest.mark.parametrize("quirk", ["drip", "drip-header", "endless", "busy", "portal", "deny"])
def test_a_server_that_behaves_badly_changes_nothing(shop, monkeypatch, quirk):
    monkeypatch.setattr(web, "Patience", partial(web.Patience, connect=1, gap=0.6, request=0.8, slowest=1 << 30))
    before = kept(shop)
    with serving(shop.channel.folder, quirk) as server:
        refused = shop.site("fetch", "--from", server.url, "--json", expect=21 if quirk == "portal" else 13).document
    assert refused["hint"]
    assert kept(shop) == before
    with serving(shop.channel.folder) as server:
        shop.fetch(server.url)
