import json
from datetime import UTC, datetime, timedelta

import pytest

from patchline.patches import bundle
from patchline.patches.envelopes import Envelope, write_sidecar
from patchline.patches.manifest import Manifest
from patchline.patches.site import known
from patchline.patches.site.known import Known
from tests import vendor
from tests.channel_worlds import Shop, policy
from tests.patches.site.test_commands import Customer, put, write_trust
from tests.programs import run
from tests.samples import OLD
from tests.worlds import take

RULE = {"role": "security", "max_hours": 24, "threshold": 1}
TO_US = frozenset(["c-1"])


class Hurried(Customer):
    def manifest(self, file):
        with bundle.open_container(file) as container:
            return Manifest.parse(container.manifest)

    def approve(self, file, *approvals):
        envelopes = [vendor.approval(self.manifest(file), by, **more) for by, more in approvals]
        file.with_name(f"{file.name}.approvals.jsonl").write_bytes(write_sidecar(envelopes))

    def urgent(self, **changes):
        file = self.bundle(**changes)
        self.approve(file, URGENT)
        return file

    def pass_time(self, file, hours):
        """Let the site have seen the bundle so many hours earlier."""
        place = self.folder / "state" / known.NAME
        seen = Known.parse(place.read_bytes())
        earlier = datetime.now(UTC) - timedelta(hours=hours)
        manifest = self.manifest(file).digest
        changed = Known(first_seen={**seen.first_seen, manifest: earlier.isoformat(timespec="seconds")})
        place.write_bytes(changed.as_payload())


URGENT = ("ben", {"scope": TO_US, "emergency": 12})


@pytest.fixture
def hurried(tmp_path, monkeypatch):
    monkeypatch.setenv("PATCHLINE_STATE", str(tmp_path / "state"))
    root, trust_file = tmp_path / "app", tmp_path / "demo.trust"
    root.mkdir()
    put(root, {"a.txt": OLD, "lib/b.txt": b"b\n"})
    trust = write_trust(trust_file, policy=vendor.policy_document(emergency=RULE), customer="c-1")
    line = ("--root", root, "--product", "demo", "--baseline", "1.0", "--trust", trust_file)
    run("patchline-site", "init", *line, "--fingerprint", trust.fingerprint)
    return Hurried(tmp_path, root, trust_file, trust.fingerprint)


def test_emergency_is_applied_with_consent_and_reported_until_it_is_ratified(hurried):
    file, before = hurried.urgent(), take(hurried.root)
    assert "emergency only, for 12 hours" in hurried.site("verify", file).out
    assert hurried.document("apply", file, expect=12)["error"] == "refused.emergency"
    assert take(hurried.root) == before
    hurried.document("apply", file, "--accept-emergency")
    assert hurried.document("inventory")["hotfixes"][0]["unratified"] is True
    assert "unratified" in hurried.site("inventory").out
    assert report(hurried)["hotfixes"][0]["unratified"] is True
    hurried.approve(file, URGENT, ("ada", {}), ("ben", {}))
    assert hurried.document("apply", file)["notes"] == ["HF-2026-0001-r1 is ratified"]
    assert hurried.document("apply", file)["notes"] == []
    assert hurried.document("inventory")["hotfixes"][0]["unratified"] is False
    assert report(hurried)["hotfixes"][0]["unratified"] is False
    assert "ratified HF-2026-0001-r1 (ada, ben)" in hurried.site("history").out


def report(hurried):
    out = hurried.folder / "report.json"
    out.unlink(missing_ok=True)
    hurried.site("report", "--out", out)
    return json.loads(Envelope.from_document(json.loads(out.read_bytes()), "report").payload)


def test_hours_count_from_when_the_site_first_saw_it(hurried):
    file = hurried.urgent()
    hurried.document("apply", file, expect=12)
    hurried.pass_time(file, 11)
    hurried.document("apply", file, "--accept-emergency")
    hurried.site("rollback", "HF-2026-0001")
    hurried.pass_time(file, 13)
    assert hurried.document("apply", file, "--accept-emergency", expect=26)["error"] == "expired.emergency"
    assert hurried.document("plan", file, expect=26)["error"] == "expired.emergency"
    hurried.approve(file, URGENT, ("ada", {}), ("ben", {}))
    hurried.document("apply", file)
    assert hurried.document("inventory")["hotfixes"][0]["unratified"] is False


def test_what_is_applied_stays_after_its_hours(hurried):
    file = hurried.urgent()
    hurried.document("apply", file, "--accept-emergency")
    hurried.pass_time(file, 1000)
    assert hurried.document("apply", file)["contained"]
    assert hurried.document("inventory", "--check")["drift"] == []
    assert hurried.document("inventory")["hotfixes"][0]["unratified"] is True


def test_looking_does_not_start_the_clock(hurried):
    file = hurried.urgent()
    hurried.site("verify", file), hurried.site("plan", file)
    assert not (hurried.folder / "state" / known.NAME).exists()


def test_ordinary_hotfix_needs_no_consent_and_is_never_unratified(hurried):
    hurried.document("apply", hurried.bundle())
    assert hurried.document("inventory")["hotfixes"][0]["unratified"] is False


# From a channel


@pytest.fixture
def shop(tmp_path):
    made = Shop(tmp_path, customer="c-1")
    made.put_policy(policy(2, emergency=RULE))
    made.channel.commit()
    return made


def published(shop, *approvals):
    """Publish the hotfix with these approvals, as the vendor does again once it is ratified."""
    hotfix = shop.hotfix()
    given = [vendor.approval(hotfix.manifest, by, **more) for by, more in approvals]
    hotfix.path.with_name(f"{hotfix.path.name}.approvals.jsonl").write_bytes(write_sidecar(given))
    shop.publish(hotfix)
    [offer] = shop.fetch()["offers"]
    return offer


def test_fetched_emergency_is_ratified_by_fetching_again(shop):
    offer = published(shop, URGENT)
    assert (offer["standing"], offer["emergency"]) == ("new", 12)
    assert shop.site("apply", offer["path"], "--json", expect=12).document["error"] == "refused.emergency"
    shop.site("apply", offer["path"], "--accept-emergency")
    assert shop.fetch()["ratified"] == []
    ratified = ("ben", {}), ("ed-cleo", {})
    assert published(shop, URGENT, *ratified)["standing"] == "applied"
    rows = shop.site("history", "--json").document["rows"]
    assert rows[-1]["row"] == "ratified"
    assert shop.site("inventory", "--json").document["hotfixes"][0]["unratified"] is False


def test_emergency_is_not_offered_after_its_hours(shop):
    assert published(shop, URGENT)["standing"] == "new"
    shop.now += timedelta(hours=13)
    [offer] = shop.fetch()["offers"]
    assert (offer["standing"], offer["error"], offer["path"]) == ("unratified", "expired.emergency", None)
