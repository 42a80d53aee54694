"""Enrolment of sites: everything that can be wrong with code, key, file and fingerprint has its own answer."""

from datetime import timedelta

import pytest

from patchline.patches import documents
from patchline.patches.errors import EnrolmentError, PatchlineError
from patchline.patches.site_enrolments import enrolment, new_code, read_code
from patchline.releaser.fleet import enrolling, sites
from patchline.releaser.tables.audit import AuditEvent
from tests.fleets import Fleet, site_key
from tests.registers import NOW


@pytest.fixture
def desk(register):
    fleet = Fleet(register).product("demo").product("shop")
    fleet.customer("acme")
    for name in ("acme-main", "acme-test"):
        fleet.site(name)
    fleet.site("acme-shop", product="shop")
    return Desk(fleet)


class Desk:
    """Support on the phone, and the customer's person."""

    def __init__(self, fleet):
        self.fleet, self.register = fleet, fleet.register

    def code(self, name="acme-main", now=NOW):
        with self.register.change("rita", now) as change:
            return enrolling.make_code(change, name).code

    def file(self, code, key="acme-main", site=None, product="demo"):
        made = enrolment(code, self.fleet.identity(site or key), product, site_key(key), NOW)
        return documents.encode(made.as_document()) + b"\n"

    def take(self, data, name=None, now=NOW):
        with self.register.attempt("site.enrol", name or "", "rita", now) as change:
            return enrolling.take(change, data, name)

    def confirm(self, heard, name="acme-main"):
        with self.register.attempt("site.confirm", name, "rita", NOW) as change:
            return enrolling.confirm(change, name, heard)

    def keys(self, name="acme-main"):
        with self.register.read() as session:
            return {key.keyid: key for key in enrolling.keys_of(session, sites.the_site(session, name))}


def refused(code, act, *arguments, **more):
    with pytest.raises(PatchlineError) as refusal:
        act(*arguments, **more)
    assert refusal.value.code == code


def test_key_counts_once_its_fingerprint_was_heard_and_nobody_keeps_the_code(desk):
    code = desk.code()
    taken = desk.take(desk.file(code), "acme-main")
    assert taken.confirmed is None and taken.fingerprint == site_key("acme-main").public.fingerprint
    assert desk.take(desk.file(code)) == taken, "brought again it changes nothing"
    heard = taken.fingerprint.lower().replace("-", " ").replace("0", "o")
    assert desk.confirm(heard).confirmed == NOW
    assert desk.confirm(heard).confirmed == NOW
    assert desk.fleet.get("acme-main").identity == desk.fleet.identity("acme-main")
    with desk.register.read() as session:
        said = b"".join(event.body for event in session.query(AuditEvent))
    for kept in (
        said,
        (desk.register.home / "register.db").read_bytes() if "sqlite" in str(desk.register.settings) else b"",
    ):
        assert code.encode() not in kept and code.replace("-", "").encode() not in kept
    assert [
        action for action in (b"site.code", b"site.enrol", b"site.confirm") if said.count(b'"%s"' % action) != 1
    ] == []


def test_wrong_fingerprint_lets_nothing_count(desk):
    refused("state.no-enrolment", desk.confirm, "7Q2M4")
    desk.take(desk.file(desk.code()))
    refused("enrolment.fingerprint", desk.confirm, site_key("acme-test").public.fingerprint)
    assert [key.confirmed for key in desk.keys().values()] == [None]


def test_code_counts_once_for_a_day_and_only_the_last_one(desk):
    first = desk.code()
    second = desk.code()
    refused("enrolment.code-expired", desk.take, desk.file(first))
    refused("enrolment.code-expired", desk.take, desk.file(second), now=NOW + timedelta(hours=24))
    refused("enrolment.code-unknown", desk.take, desk.file(new_code()))
    desk.take(desk.file(second))
    refused("enrolment.code-used", desk.take, desk.file(second, key="thief"))
    assert list(desk.keys()) == [site_key("acme-main").public.keyid]


def test_enrolment_of_another_site_product_or_key_is_refused(desk):
    desk.take(desk.file(desk.code()))
    other = desk.code("acme-test")
    refused("enrolment.other-site", desk.take, desk.file(other, "acme-test"), "acme-main")
    refused("enrolment.key-elsewhere", desk.take, desk.file(other, "acme-main"))
    refused("enrolment.site-elsewhere", desk.take, desk.file(other, "acme-test", site="acme-main"))
    refused("enrolment.product", desk.take, desk.file(desk.code("acme-shop"), "acme-shop"))
    refused("not-found.site", desk.take, desk.file(other, "acme-test"), "nowhere")
    assert desk.take(desk.file(other, "acme-test"), "acme-test").site == "acme-test"


def test_new_key_ends_the_old_one_when_it_is_confirmed_and_not_before(desk):
    old, waiting, new = (site_key(name).public for name in ("acme-main", "waiting", "new"))
    desk.take(desk.file(desk.code()))
    desk.confirm(old.fingerprint)
    desk.take(desk.file(desk.code(), "waiting", site="acme-main"))
    desk.take(desk.file(desk.code(), "new", site="acme-main"))
    assert [desk.keys()[key.keyid].ended for key in (old, waiting, new)] == [None, NOW, None]
    desk.confirm(new.fingerprint)
    assert [desk.keys()[key.keyid].ended for key in (old, waiting, new)] == [NOW, NOW, None]
    refused("enrolment.key-ended", desk.take, desk.file(desk.code()))


@pytest.mark.parametrize("spoil", ["signature", "key", "proof", "truncated", "other", "empty"])
def test_file_that_was_changed_on_its_way_enrols_nothing(desk, spoil):
    code = desk.code()
    data = desk.file(code)
    stranger = enrolment(code, desk.fleet.identity("acme-main"), "demo", site_key("thief"), NOW).as_document()
    bad = {
        "signature": documents.encode(
            {**documents.decode(data.strip(), what="e", limit=9999), "signatures": stranger["signatures"]}
        ),
        "key": desk.file(code, "thief").replace(b"site", b"sitf", 1),
        "proof": desk.file(read_code(new_code())),
        "truncated": data[:-40],
        "other": b'{"hello":"world"}',
        "empty": b"",
    }[spoil]
    with pytest.raises(PatchlineError) as refusal:
        desk.take(bad)
    assert refusal.value.exit_code in (12, 20, 21) and desk.keys() == {}
    assert isinstance(refusal.value, EnrolmentError) == (spoil == "proof")


def test_code_is_typed_as_people_type_and_a_wrong_letter_is_seen():
    code = new_code()
    assert read_code(code.lower().replace("-", " ").replace("1", "l").replace("0", "O")) == code
    assert read_code(code[:-1]) is None and read_code("") is None
    wrong = [
        code[:at] + ("Z" if code[at] != "Z" else "Y") + code[at + 1 :] for at in range(len(code)) if code[at] != "-"
    ]
    assert [read_code(one) for one in wrong] == [None] * 28
