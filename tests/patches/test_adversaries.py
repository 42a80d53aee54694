"""The threat model, row by row: who holds what, what it is good for, and what it is not.

The adversary writes the files of the vendor's channel and its kits with the keys that they hold; the site is a real one as
far as it believes things: it reads the channel, takes policy and recalls, and verifies what it is offered. Rows that
are not prevented are played as well, and end with what the adversary gets.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import pytest

from patchline.patches import bundle, documents, envelopes
from patchline.patches.channel import HotfixName, policy_target, recalls_target
from patchline.patches.envelopes import Envelope, write_sidecar
from patchline.patches.errors import PatchlineError
from patchline.patches.recall_list import Entry, Held, RecallList
from patchline.patches.recall_statements import Recall, Reinstatement, Revision
from patchline.patches.recalls import KnownRecalls, Recalled
from patchline.patches.release import check_release, release_line
from patchline.patches.release_zip import APPROVALS, PROVENANCE, ReleaseZip, write_release
from patchline.patches.site.known import Known
from patchline.patches.site.metadata import Reading, read_tree
from patchline.patches.site.sources import opened_source
from patchline.patches.statements import PAYLOAD_TYPE
from patchline.patches.trust import Trust
from patchline.patches.verify import Sidecars, VerifiedManifest, verify
from tests import vendor
from tests.forged_channels import NOW, Channel, later, make_root, make_targets
from tests.samples import NEW
from tests.vendor import PERSONS, approval, manifest, policy_document, policy_key, provenance, signer

GOOD = manifest()
EVIL = manifest(hotfix="HF-2026-0666", title="Does harm")
STRANGERS = ("eve-1", "eve-2")


@dataclass
class Site:
    """What a customer's client believes and accepts."""

    folder: Path
    trust: Trust
    known: Known = field(default_factory=Known)
    recalls: KnownRecalls | None = None

    def fetch(self, source: Path, now: datetime = NOW) -> dict[str, VerifiedManifest]:
        """Take everything new from a channel or kit; return the releases that may be applied."""
        cache = self.folder / "cache"
        cache.mkdir(exist_ok=True)
        with opened_source(str(source)) as opened:
            tree = read_tree(opened, Reading(self.trust.root, self.known, cache, now))
            files = {name: opened.read(target.file, 1 << 20) for name, target in tree.targets.items()}
        for name, data in files.items():
            assert documents.digest(data) == tree.targets[name].sha256
        policy = files.get(policy_target("demo"))
        newer = documents.decode(policy, what="policy") if policy else None
        self.trust = self.trust.followed(tree.roots, newer)
        self.known = self.known.with_versions(tree.versions)
        self._take_recalls(files.get(recalls_target("demo")))
        releases = {name: data for name, data in files.items() if name.startswith("hotfixes/")}
        return {name: self.verify_zip(data, name, now) for name, data in releases.items()}

    def _take_recalls(self, data: bytes | None) -> None:
        if data is None:
            return
        newest, policy = RecallList.parse(data), self.trust.policy
        known = self.recalls
        self.recalls = known.advanced(newest, policy) if known else KnownRecalls.first(newest, policy)

    def verify_zip(self, data: bytes, name: str, now: datetime = NOW) -> VerifiedManifest:
        release = ReleaseZip(BytesIO(data), len(data), name)
        container = bundle.Container(release.open_bundle())
        return self.verify(container.manifest, release.sidecar(PROVENANCE), release.sidecar(APPROVALS), now)

    def verify(self, data: bytes, built: bytes, approved: bytes, now: datetime = NOW) -> VerifiedManifest:
        return verify(data, Sidecars(built, approved), self.trust, now, recalls=self.recalls)


@dataclass
class Vendor:
    """The channel, and making releases for it; whoever is named signs."""

    folder: Path
    channel: Channel
    recall_number: int = 0

    def zip(self, of=GOOD, approvals=("ada", "ed-cleo"), by=("builder",)) -> bytes:
        path = self.folder / f"{of.label}.hotfix"
        written = bundle.write(path, of, lambda member: [NEW], overwrite=True)
        given = [approval(of, one) if isinstance(one, str) else one for one in approvals]
        built = [provenance(of, by, (written.container,))] if by else []
        path.with_name(path.name + PROVENANCE).write_bytes(write_sidecar(built))
        path.with_name(path.name + APPROVALS).write_bytes(write_sidecar(given))
        zipped = self.folder / f"{of.label}.zip"
        write_release(zipped, "read me", path)
        return zipped.read_bytes()

    def publish(self, of=GOOD, name=None, **more) -> Path:
        """Publish with the online keys whatever it is."""
        target = name or HotfixName("demo", of.hotfix, of.revision).target
        self.channel.put(target, self.zip(of, **more))
        return self.commit()

    def policy(self, document, signers=vendor.OFFLINE[:2]) -> Path:
        data = documents.encode(vendor.policy_envelope(document, signers).as_document())
        self.channel.put(policy_target("demo"), data)
        return self.commit()

    def recall(self, *entries, held=(), number=None) -> Path:
        self.recall_number = number or self.recall_number + 1
        made = RecallList.make("demo", self.recall_number, NOW, held, entries)
        self.channel.put(recalls_target("demo"), made.data)
        return self.commit()

    def commit(self, **changes) -> Path:
        self.channel.commit(**changes)
        return self.channel.folder


@pytest.fixture
def house(tmp_path):
    folder = tmp_path / "vendor"
    folder.mkdir()
    made = Vendor(folder, Channel(tmp_path / "channel"))
    made.publish()
    return made


@pytest.fixture
def site(tmp_path, house):
    folder = tmp_path / "site"
    folder.mkdir()
    made = Site(folder, vendor.trust(root_of=house.channel.roots[0]))
    assert [one.manifest for one in made.fetch(house.channel.folder).values()] == [GOOD]
    return made


def refused(call, *arguments, **more) -> str:
    with pytest.raises(PatchlineError) as caught:
        call(*arguments, **more)
    assert caught.value.hint
    return caught.value.code


def next_policy(site, **changes):
    return policy_document(version=2, previous=site.trust.policy.digest, **changes)


def recall_entry(of=GOOD, names=("ada", "ben"), reinstated_by=()):
    statement = Recall.make(of, reason="loses orders", now=NOW)
    back = Reinstatement.make(of, reason="was a mistake", recalls=frozenset([statement.digest]), now=NOW)
    return Entry(
        Revision.of(of),
        tuple(envelopes.sign(statement.as_payload(), PAYLOAD_TYPE, signer(name)) for name in names),
        tuple(envelopes.sign(back.as_payload(), PAYLOAD_TYPE, signer(name)) for name in reinstated_by),
    )


# The download server, or the way to it: no key at all


def test_download_server_cannot_exchange_a_file(house, site):
    [target] = (house.channel.folder / "targets").rglob("*.zip")
    target.write_bytes(house.zip(EVIL))
    with pytest.raises(AssertionError):
        site.fetch(house.channel.folder)
    assert refused(site.verify_zip, target.read_bytes()[:-1] + b"x", "x").startswith("zip.")


def test_download_server_cannot_take_a_site_back(house, site, tmp_path):
    old = house.channel.copy(tmp_path / "old")
    house.policy(next_policy(site, persons={**PERSONS, "ben": [policy_key("ben", status="revoked")]}))
    site.fetch(house.channel.folder)
    assert refused(site.fetch, old) == "channel.older"
    earlier = documents.encode(vendor.policy_envelope().as_document())
    assert refused(site.trust.advanced, earlier) == "trust.policy-older"


def test_download_server_can_withhold_until_the_channel_expires(house, site, tmp_path):
    old = house.channel.copy(tmp_path / "old")
    house.publish(EVIL)
    assert site.fetch(old, later(days=6)).keys() == {HotfixName("demo", GOOD.hotfix, 1).target}
    assert refused(site.fetch, old, later(days=8)) == "expired.timestamp"


# The database: an index of what was signed, and nothing that a client ever reads


def test_database_row_that_says_approved_is_no_approval(house, site):
    claimed = [approval(EVIL, name) for name in ("ada", "ed-cleo")]
    faked = [
        Envelope(one.payload_type, one.payload, approval(GOOD, by).signatures)
        for one, by in zip(claimed, ("ada", "ed-cleo"), strict=True)
    ]
    assert refused(site.fetch, house.publish(EVIL, approvals=faked)) == "signature.mismatch"


# The whole server: database, files, and the online keys of publisher, status, snapshot and timestamp


def test_operator_cannot_ship_what_nobody_approved(house, site):
    assert refused(site.fetch, house.publish(EVIL, approvals=())) == "approval.quorum"


def test_operator_cannot_sign_approvals_with_keys_of_their_own(house, site):
    assert refused(site.fetch, house.publish(EVIL, approvals=STRANGERS)) == "approval.unknown-key"


def test_operator_cannot_approve_with_the_online_keys(house, site):
    assert refused(site.fetch, house.publish(EVIL, approvals=("online", "publisher"))) == "approval.unknown-key"


def test_operator_cannot_move_approvals_to_another_manifest(house, site):
    moved = [approval(GOOD, "ada"), approval(GOOD, "ed-cleo")]
    assert refused(site.fetch, house.publish(EVIL, approvals=moved)) == "statement.hotfix"
    changed = manifest(title="Mend BUG-1, and more")
    assert refused(site.fetch, house.publish(changed, approvals=moved)) == "statement.subject"


def test_operator_cannot_ship_without_a_builder(house, site):
    assert refused(site.fetch, house.publish(EVIL, by=())) == "statement.provenance-missing"
    assert refused(site.fetch, house.publish(EVIL, by=("online",))) == "statement.provenance-unknown-key"


def test_operator_cannot_count_one_person_twice(house, site):
    assert refused(site.fetch, house.publish(GOOD, approvals=("ada", "ada"))) == "approval.quorum"


def test_operator_cannot_widen_the_scope_of_approvals(house, site):
    limited = [approval(GOOD, "ada", frozenset(["c-1"])), approval(GOOD, "ed-cleo", frozenset(["c-1"]))]
    assert refused(site.fetch, house.publish(GOOD, approvals=limited)) == "approval.scope"


def test_operator_cannot_make_a_policy(house, site):
    own = next_policy(site, persons={**PERSONS, "eve": [policy_key("eve-1")], "ivo": [policy_key("eve-2")]})
    assert refused(site.fetch, house.policy(own, signers=("online", "publisher"))) == "trust.policy-signatures"
    assert refused(site.fetch, house.policy(own, signers=())) == "statement.unsigned"


def test_operator_cannot_bring_back_an_old_policy(house, site):
    house.policy(next_policy(site, persons={**PERSONS, "ben": [policy_key("ben", status="revoked")]}))
    site.fetch(house.channel.folder)
    assert refused(site.fetch, house.policy(policy_document())) == "trust.policy-older"
    assert refused(site.fetch, house.policy(policy_document(version=2, previous="0" * 64))) == "trust.policy-fork"


def test_operator_cannot_make_a_root_or_hand_names_to_other_keys(house, site):
    house.channel.roots.append(make_root(house.channel.roots[0], names=("eve-1", "eve-2", "eve-3")))
    assert refused(site.fetch, house.commit()) == "trust.root-predecessor"
    house.channel.roots.pop()
    (house.channel.folder / "metadata/2.root.json").unlink()
    house.channel.targets = make_targets(2, names=("eve-1", "eve-2", "eve-3"), publisher="eve-1")
    assert refused(site.fetch, house.commit(hotfixes_by="eve-1")) == "channel.forged"


def test_operator_cannot_unrecall(house, site):
    assert refused(site.fetch, house.recall(recall_entry())) == "recalled.list"
    assert refused(site.fetch, house.recall()) == "recalls.lost"
    assert refused(site.fetch, house.recall(number=1)) in ("recalls.older", "recalls.fork")
    back = recall_entry(reinstated_by=("online", "publisher", "ada"))
    assert refused(site.fetch, house.recall(back, number=5)) == "recalled.list"


def test_operator_cannot_recall_but_only_hold(house, site):
    forged = recall_entry(names=("online", "publisher"))
    assert refused(site.fetch, house.recall(forged)) == "recalled.held"
    assert not isinstance(site.recalls.state(GOOD, site.trust.policy), Recalled)
    assert refused(site.fetch, house.recall(held=[Held(Revision.of(GOOD), "because")])) == "recalled.held"
    assert site.fetch(house.recall())


def test_operator_cannot_stretch_or_widen_an_emergency(house, tmp_path):
    rule = {"role": "security", "max_hours": 24, "threshold": 1}
    policy = policy_document(emergency=rule)
    urgent = approval(EVIL, "ben", frozenset(["c-1"]), emergency=720)
    house.publish(EVIL, approvals=[urgent])
    for customer, outcome in (("c-1", 24), ("c-2", "approval.scope"), (None, "approval.scope")):
        folder = tmp_path / f"site-{customer}"
        folder.mkdir()
        one = Site(folder, vendor.trust(policy, root_of=house.channel.roots[0], customer=customer))
        if customer == "c-1":
            found = one.fetch(house.channel.folder)
            assert {verified.emergency for verified in found.values()} == {None, outcome}
        else:
            assert refused(one.fetch, house.channel.folder) == outcome


def test_not_prevented_operator_withholds_a_release(house, site):
    house.channel.drop(HotfixName("demo", GOOD.hotfix, 1).target)
    assert site.fetch(house.commit()) == {}


def test_not_prevented_operator_shows_one_thing_in_a_browser_and_has_another_signed(house, tmp_path):
    """Whoever serves the page chooses what its keys sign. By default one signature must come from elsewhere."""
    in_browsers = ("dora", "emil")
    default = Site(tmp_path, vendor.trust(root_of=house.channel.roots[0]))
    assert refused(default.fetch, house.publish(EVIL, approvals=in_browsers)) == "approval.independent"
    trusting = policy_document(rules=[{"threshold": 2, "independent": 0, "reproduced": 0}])
    other = Site(tmp_path, vendor.trust(trusting, root_of=house.channel.roots[0]))
    assert EVIL in [one.manifest for one in other.fetch(house.channel.folder).values()]


# People and their keys


def test_one_approver_reaches_no_quorum_and_recalls_nothing(house, site):
    assert refused(site.fetch, house.publish(EVIL, approvals=("ada",))) == "approval.quorum"
    house.channel.drop(HotfixName("demo", EVIL.hotfix, 1).target)
    assert refused(site.fetch, house.recall(recall_entry(names=("ada",)))) == "recalled.held"


def test_approver_cannot_approve_their_own_work(house, site):
    own = manifest(hotfix="HF-2026-0667", contributors=["ada"])
    assert refused(site.fetch, house.publish(own, approvals=("ada", "ed-cleo"))) == "approval.contributor"


def test_builder_alone_ships_nothing(house, site):
    assert refused(site.fetch, house.publish(EVIL, approvals=())) == "approval.quorum"
    assert refused(site.fetch, house.publish(EVIL, approvals=("builder", "ada"))) == "approval.purpose"


def test_builder_who_builds_something_else_does_not_pass_a_rebuild(house, tmp_path):
    usual = policy_document(rules=[{"threshold": 2}])
    one = Site(tmp_path, vendor.trust(usual, root_of=house.channel.roots[0]))
    assert refused(one.fetch, house.publish(EVIL)) == "approval.reproduced"


def test_approver_and_builder_together_fill_one_place(house, site):
    assert refused(site.fetch, house.publish(EVIL, approvals=("ada", "bob"))) == "approval.builder"


def test_not_prevented_two_approvers_and_the_builder_ship_what_the_policy_allows(house, site):
    found = site.fetch(house.publish(EVIL, approvals=("ada", "ed-cleo")))
    verified = found[HotfixName("demo", EVIL.hotfix, 1).target]
    assert [place.person for place in verified.approvals] == ["ada", "cleo"]  # They are named, for good.
    revoked = {name: [{**key, "status": "revoked"} for key in PERSONS[name]] for name in ("ada", "cleo")}
    after = next_policy(site, persons={**PERSONS, **revoked})
    assert refused(site.fetch, house.policy(after)) == "approval.revoked"


def test_release_key_deceives_only_those_who_check_with_openssl_alone(house, site):
    data = house.zip(EVIL, approvals=())
    line = release_line("HF-2026-0666-r1.hotfix", "a" * 64)
    signature = signer("release").sign(line)
    assert check_release(line, signature, "a" * 64, EVIL.digest, site.trust.policy)
    assert refused(site.verify_zip, data, "x") == "approval.quorum"
    assert refused(site.fetch, house.publish(EVIL, approvals=("release", "ada"))) == "approval.purpose"


@pytest.mark.parametrize(("independent", "outcome"), [(1, None), (2, "approval.independent")])
def test_vault_administrator_counts_as_one_custody(house, tmp_path, independent, outcome):
    """Not prevented where the policy asks for one independent signature and two approvers' keys lie in Vault."""
    policy = policy_document(rules=[{"threshold": 2, "independent": independent, "reproduced": 0}])
    one = Site(tmp_path, vendor.trust(policy, root_of=house.channel.roots[0]))
    house.publish(EVIL, approvals=("tess", "toni"))
    if outcome:
        assert refused(one.fetch, house.channel.folder) == outcome
    else:
        assert one.fetch(house.channel.folder)


# Offline keys


def test_one_offline_key_changes_neither_policy_nor_root(house, site):
    own = next_policy(site, persons={**PERSONS, "eve": [policy_key("eve-1")]})
    assert refused(site.fetch, house.policy(own, signers=vendor.OFFLINE[:1])) == "trust.policy-signatures"
    house.channel.drop(policy_target("demo"))
    house.channel.roots.append(make_root(house.channel.roots[0], by=vendor.OFFLINE[:1]))
    assert refused(site.fetch, house.commit()) == "trust.root-predecessor"


def test_not_prevented_two_offline_keys_decide_who_approves(house, site):
    own = {"eve": [policy_key("eve-1")], "ivo": [policy_key("eve-2")], "bob": PERSONS["bob"]}
    house.policy(next_policy(site, persons=own))
    house.channel.drop(HotfixName("demo", GOOD.hotfix, 1).target)
    found = site.fetch(house.publish(EVIL, approvals=STRANGERS))
    assert [one.manifest for one in found.values()] == [EVIL]


def test_two_offline_keys_unrecall_nothing(house, site):
    recalled = next_policy(site, recalls=[GOOD.digest])
    assert refused(site.fetch, house.policy(recalled)) == "recalled.policy"
    after = policy_document(version=3, previous=site.trust.policy.digest)
    assert refused(site.fetch, house.policy(after)) == "trust.policy-recalls"


# A customer's credentials, the stick, the clock


def test_customers_credentials_open_no_other_customers_hotfix(house, tmp_path):
    other = frozenset(["c-2"])
    limited = [approval(EVIL, "ada", other), approval(EVIL, "ed-cleo", other)]
    one = Site(tmp_path, vendor.trust(root_of=house.channel.roots[0], customer="c-1"))
    assert refused(one.fetch, house.publish(EVIL, approvals=limited)) == "approval.scope"


def test_not_prevented_whoever_has_the_file_reads_it(house):
    data = house.zip()
    release = ReleaseZip(BytesIO(data), len(data), "x")
    assert bundle.Container(release.open_bundle()).manifest == GOOD.data


def test_older_stick_after_a_newer_one_is_refused(house, site, tmp_path):
    old = house.channel.kit(tmp_path / "old-kit")
    house.recall(recall_entry())
    new = house.channel.kit(tmp_path / "new-kit")
    assert refused(site.fetch, new) == "recalled.list"
    assert refused(site.fetch, old) == "channel.older"


def test_stick_is_no_channel_and_brings_no_trust(house, site, tmp_path):
    kit = house.channel.kit(tmp_path / "kit")
    before = site.trust
    (kit / "trust.json").write_bytes(
        vendor.trust(policy_document(persons={"eve": [policy_key("eve-1")]}, rules=[{"threshold": 1}])).data
    )
    site.fetch(kit)
    assert site.trust == before


def test_stick_that_was_changed_is_refused(house, site, tmp_path):
    kit = house.channel.kit(tmp_path / "kit")
    path = kit / "metadata/timestamp.json"
    path.write_bytes(path.read_bytes().replace(b"2027", b"2037", 1))
    assert refused(site.fetch, kit).startswith("channel.")


@pytest.mark.parametrize("years", [-20, 1])
def test_clock_changes_no_count(house, site, years):
    now = NOW + timedelta(days=365 * years)
    limited = vendor.sidecars(EVIL, ("ada",))
    assert refused(site.verify, EVIL.data, limited.provenance, limited.approvals, now) == "approval.quorum"
    old = approval(GOOD, "ada"), approval(GOOD, "ed-cleo")
    found = vendor.sidecars(GOOD, old)
    assert site.verify(GOOD.data, found.provenance, found.approvals, now).manifest == GOOD


def test_clock_far_ahead_expires_the_root(house, site):
    found = vendor.sidecars(GOOD)
    assert refused(site.verify, GOOD.data, found.provenance, found.approvals, later(days=731)) == "expired.root"


def test_not_prevented_clock_that_stands_still_makes_an_expired_channel_look_fresh(house, site, tmp_path):
    old = house.channel.copy(tmp_path / "old")
    assert refused(site.fetch, old, later(days=30)) == "expired.timestamp"
    assert site.fetch(old, later(days=1))


# A git account


def test_git_account_approves_nothing_it_pushed(house, site):
    pushed = manifest(hotfix="HF-2026-0668", contributors=["ben"])
    assert refused(site.fetch, house.publish(pushed, approvals=("ada", "ben"))) == "approval.contributor"
    nameless = manifest(hotfix="HF-2026-0668", contributors=[f"unknown:{'0' * 64}"])
    assert refused(site.fetch, house.publish(nameless, approvals=("ada",))) == "approval.quorum"


def test_not_prevented_commit_under_another_name_lets_its_author_approve(house, site):
    """Git does not prove who wrote a commit; a second person is still needed."""
    disguised = manifest(hotfix="HF-2026-0669", contributors=["walt"])
    assert site.fetch(house.publish(disguised, approvals=("ben", "ada")))
