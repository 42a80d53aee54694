"""Somebody has the vendor's whole server: database, files, online keys. They try to have a customer apply their own hotfix.

The customer runs the real client against what the operator publishes. Whatever is tried, the customer's tree stays as it
was; what the operator can do is shown too. Row by row, for every adversary: tests/patches/test_adversaries.py.
"""

import pytest
from sqlalchemy import text

from patchline.patches import channel, documents, envelopes
from patchline.patches.envelopes import write_sidecar
from patchline.patches.errors import PatchlineError
from patchline.patches.policy import Purpose
from patchline.patches.recall_statements import Reinstatement
from patchline.patches.recalls import statement_digest
from patchline.patches.release_zip import APPROVALS, PROVENANCE, open_release
from patchline.patches.statements import PAYLOAD_TYPE
from patchline.patches.verify import Sidecars, verify
from patchline.releaser import bundles, hotfixes, policies, publishing
from tests import vendor
from tests.channel_worlds import NOW, Shop, held, policy, recalled, target
from tests.forged_channels import make_root, make_targets
from tests.hotfixes import Life
from tests.registers import register
from tests.vendor import PERSONS, approval, policy_key, signer
from tests.worlds import take

__all__ = ["register"]
MADE_UP = {**PERSONS, "eve": [policy_key("eve-1")], "ivo": [policy_key("eve-2")]}


class Stolen(Shop):
    """The server in the operator's hands: they publish with the online keys whatever they like."""

    def evil(self, approvals=(), built=None, name="HF-2026-0666", **more):
        """A hotfix of the operator's own, with what they managed to put beside it."""
        hotfix = self.hotfix(name, content=b"harm\n", **more)
        beside = hotfix.path.with_name
        given = [approval(hotfix.manifest, one) if isinstance(one, str) else one for one in approvals]
        beside(f"{hotfix.path.name}.approvals.jsonl").write_bytes(write_sidecar(given))
        if built is not None:
            containers = tuple(hotfix.verified.containers)
            lines = [vendor.provenance(hotfix.manifest, built, containers)] if built else []
            beside(f"{hotfix.path.name}.provenance.jsonl").write_bytes(write_sidecar(lines))
        return hotfix

    def put_own_policy(self, by, **changes):
        document = vendor.policy_document(version=2, persons=MADE_UP, root_steps=True, **changes)
        document["previous"] = documents.digest(policy().payload)
        self.put_policy(vendor.policy_envelope(document, by))

    def nothing_is_accepted(self, hotfix, whole=None):
        """Fetch, and try to apply everything that was published as well as what lies there."""
        before = take(self.world.root)
        found = self.fetch(expect=whole or 0)
        if whole is None:
            [offer] = [one for one in found["offers"] if one["release"] == hotfix.manifest.label]
            assert offer["standing"] not in ("new", "applied")
        path = self.folder / f"{hotfix.manifest.label}.zip"
        path.write_bytes(self.release(hotfix))
        refused = self.site("apply", path, "--accept-emergency", "--json", expect=21).document["error"]
        assert take(self.world.root) == before
        return found["error"] if whole else refused


@pytest.fixture
def stolen(tmp_path):
    shop = Stolen(tmp_path)
    shop.publish(shop.hotfix())
    shop.site("apply", shop.fetch()["offers"][0]["path"])
    return shop


def genuine(shop):
    """The approvals of the hotfix that people did approve, as they lie on the server."""
    return envelopes.read_sidecar(vendor.sidecars(shop.hotfix().manifest, ("ben", "ed-cleo")).approvals, "x")


@pytest.mark.parametrize(
    ("tries", "code"),
    [
        (lambda shop: {}, "approval.quorum"),
        (lambda shop: {"approvals": ("eve-1", "eve-2")}, "approval.unknown-key"),
        (lambda shop: {"approvals": ("online", "publisher")}, "approval.unknown-key"),
        (lambda shop: {"approvals": ("builder", "release")}, "approval.purpose"),
        (lambda shop: {"approvals": genuine(shop)}, "statement.hotfix"),
        (lambda shop: {"approvals": genuine(shop), "name": "HF-2026-0001", "revision": 1}, "statement.subject"),
        (lambda shop: {"approvals": ("ben",)}, "approval.quorum"),
        (lambda shop: {"built": ("online",)}, "statement.provenance-unknown-key"),
        (lambda shop: {"built": ()}, "statement.provenance-missing"),
    ],
    ids=["nobody", "keys of their own", "online keys", "other keys", "moved", "exchanged", "one", "builder", "unbuilt"],
)
def test_operator_cannot_make_a_customer_accept_what_was_not_approved(stolen, tries, code):
    evil = stolen.evil(**tries(stolen))
    stolen.publish(evil)
    assert stolen.nothing_is_accepted(evil) == code


@pytest.mark.parametrize(
    ("by", "code"),
    [(("online", "publisher"), "trust.policy-signatures"), (("offline-1",), "trust.policy-signatures")],
    ids=["online keys", "and one offline key"],
)
def test_operator_cannot_make_the_policy_that_would_accept_it(stolen, by, code):
    stolen.put_own_policy(by)
    evil = stolen.evil(("eve-1", "eve-2"))
    stolen.publish(evil)
    assert stolen.nothing_is_accepted(evil, whole=21) == code


def test_operator_cannot_make_the_root_that_would_accept_the_policy(stolen):
    own = ("eve-1", "eve-2", "eve-3")
    stolen.channel.roots.append(make_root(stolen.channel.roots[-1], names=own))
    stolen.channel.targets = make_targets(2, names=own)
    stolen.put_own_policy(own[:2])
    evil = stolen.evil(("eve-1", "eve-2"))
    stolen.publish(evil)
    assert stolen.nothing_is_accepted(evil, whole=21) == "trust.root-predecessor"


def test_operator_cannot_publish_it_under_an_approved_name(stolen):
    evil = stolen.evil()
    stolen.channel.put(target(stolen.hotfix().manifest), stolen.release(evil))
    stolen.channel.commit()
    [offer] = stolen.fetch()["offers"]
    assert offer["standing"] == "set-aside"


def test_operator_cannot_give_a_recalled_hotfix_free(stolen):
    bad = stolen.hotfix("HF-2026-0002", "b.txt")
    entry = recalled(bad.manifest)
    stolen.put_recalls(recalled=[entry])
    stolen.publish(bad)
    assert stolen.standings()["HF-2026-0002-r1"] == "recalled"
    stolen.put_recalls()
    stolen.channel.commit()
    assert stolen.fetch(expect=21)["error"] == "recalls.lost"
    name = statement_digest(entry.statements[0].payload)
    made = Reinstatement.make(bad.manifest, reason="please", recalls=frozenset([name]), now=NOW)
    signed = [envelopes.sign(made.as_payload(), PAYLOAD_TYPE, signer(by)) for by in ("online", "publisher", "ben")]
    stolen.put_recalls(recalled=[type(entry)(entry.revision, entry.statements, tuple(signed))])
    stolen.channel.commit()
    assert stolen.standings()["HF-2026-0002-r1"] == "recalled"


def test_operator_cannot_put_themselves_among_the_persons_of_an_old_release(stolen):
    """Approvals are bound to bytes: nothing is gained from a statement that was signed for something else."""
    claims = {"person": "ben", "purpose": Purpose.APPROVER.value}
    line = approval(stolen.hotfix().manifest, "eve-1").as_document() | claims
    evil = stolen.evil(("ben",))
    path = evil.path.with_name(f"{evil.path.name}.approvals.jsonl")
    path.write_bytes(path.read_bytes() + documents.encode(line) + b"\n")
    stolen.publish(evil)
    assert stolen.nothing_is_accepted(evil) == "statement.envelope-fields"


def test_not_prevented_operator_withholds_and_holds(stolen):
    """They take away, for as long as they have the keys: a hold, or a release that is listed no more, which is told."""
    good = stolen.hotfix("HF-2026-0002", "b.txt")
    stolen.put_recalls(held=[held(good.manifest)])
    stolen.publish(good)
    assert stolen.standings()["HF-2026-0002-r1"] == "recalled"
    stolen.put_recalls()
    stolen.channel.commit()
    assert stolen.standings()["HF-2026-0002-r1"] == "new"
    stolen.channel.drop(target(good.manifest))
    stolen.channel.commit()
    found = stolen.fetch()
    assert found["vanished"] == [target(good.manifest)]
    assert channel.HOTFIXES in found["vanished"][0]


# With the vendor's real server: its database, its store, its code


def take_over(register, statement):
    """Change the database as its administrator, whom no trigger stops."""
    with register.database.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars().all()
            for name in names:
                connection.execute(text(f"DROP TRIGGER {name}"))
        else:
            connection.execute(text("ALTER TABLE revision DISABLE TRIGGER USER"))
        assert connection.execute(text(statement)).rowcount == 1


def test_operator_with_the_database_and_the_online_keys_ships_nothing(register, tmp_path):
    (tmp_path / "files").mkdir()
    life = Life(register, tmp_path / "files").prepare()
    identifier = life.reviewed()
    life.approve(identifier, "ada")
    take_over(register, f"UPDATE revision SET state = 'approved' WHERE hotfix = '{identifier}'")
    assert life.state(identifier) == "approved"
    with pytest.raises(PatchlineError) as caught:
        life.publish(identifier)
    assert caught.value.code == "refused.not-publishable"  # The server's own code recounts; so it is passed by.

    with register.read() as session:
        kept = bundles.release_set(session, hotfixes.find(session, identifier))
        trust = policies.vendor_trust(session, "demo", life.root)
    zipped = publishing.make_zip(register, kept, tmp_path)
    listed = life.channel.upload(channel.HotfixName("demo", identifier, 1).target, zipped)
    with life.channel.changing(life.now) as edit:
        edit.put(listed)
    assert life.offered() == [f"{identifier}-r1"]
    with open_release(zipped) as release:
        sidecars = Sidecars(release.sidecar(PROVENANCE), release.sidecar(APPROVALS))
    with pytest.raises(PatchlineError) as caught:
        verify(kept.manifest.data, sidecars, trust, life.now)
    assert caught.value.code == "approval.quorum"
