"""What a site may fetch: the matrix of entitlement, and names that are none."""

from datetime import timedelta

import pytest

from patchline.patches.errors import EntitlementError, NotFoundError
from patchline.releaser.delivery.parcels import asked, parcel, store_of
from patchline.releaser.fleet import entitlements
from patchline.releaser.tables.hotfixes import Hotfix, Revision
from tests.delivering import copied_shop, opened_shop
from tests.registers import statements


@pytest.fixture
def shop(tmp_path):
    with copied_shop(tmp_path) as made:
        yield made


def fetched(shop, file=None, site="acme-main"):
    with shop.register.read() as session:
        return parcel(session, shop.taker(site), asked(file or f"{shop.label}.zip"), shop.life.now)


def refused(shop, site="acme-main"):
    with pytest.raises(EntitlementError) as refusal:
        fetched(shop, site=site)
    return refusal.value.code


def test_each_reason_is_named_and_ends_with_its_cause(register, tmp_path):
    shop = opened_shop(register, tmp_path / "files", entitled=False)
    assert refused(shop) == "entitlement.not-entitled"
    shop.grant(line="2.*")
    assert refused(shop) == "entitlement.not-entitled"
    number = shop.grant(until=shop.life.now + timedelta(days=1))
    assert fetched(shop).sha256 == shop.revision().zip_sha256
    shop.life.later(days=2)
    assert refused(shop) == "entitlement.expired"
    shop.grant()
    with shop.register.database.write() as session:
        session.get_one(Revision, shop.revision().id).embargo_until = shop.life.now + timedelta(hours=1)
    assert refused(shop) == "entitlement.embargo"
    shop.life.later(hours=1)
    assert fetched(shop)
    shop.life.hold(shop.label)
    assert refused(shop) == "entitlement.held"
    shop.life.lift(shop.label)
    assert fetched(shop)
    with shop.life.change() as change:
        last = entitlements.listed(change.session, 10)[-1]
        entitlements.end(change, last.id)
    assert number < last.id and refused(shop) == "entitlement.expired"


def test_what_was_recalled_goes_to_nobody_any_more(shop):
    shop.grant()
    shop.life.recall(shop.label, shop.life.recall_file(shop.label, "ada", "ben"))
    assert refused(shop) == "entitlement.recalled"


def test_another_customer_gets_nothing_of_it(shop):
    shop.grant()
    assert refused(shop, "other-main") == "entitlement.not-entitled"
    with shop.register.database.write() as session:
        session.get_one(Hotfix, shop.label.rpartition("-r")[0]).customers = ["acme"]
    assert refused(shop, "other-main") == "entitlement.wrong-customer" and fetched(shop)


def test_hints_tell_customers_nothing_of_the_vendors_commands(shop):
    with pytest.raises(EntitlementError) as refusal:
        fetched(shop)
    assert "patchline" not in refusal.value.hint and "contract" in refusal.value.hint


def test_what_was_never_published_is_not_there(shop):
    shop.grant()
    draft = shop.life.reviewed()
    with pytest.raises(NotFoundError):
        fetched(shop, f"{draft}-r1.zip")
    with pytest.raises(NotFoundError):
        fetched(shop, "HF-2026-9999-r1.zip")


def test_every_file_of_a_release_set_lies_where_it_says(shop):
    shop.grant()
    found = fetched(shop)
    assert store_of(shop.register, found.place).size(found.name) == found.size
    bundle = fetched(shop, f"{shop.label}.hotfix")
    assert store_of(shop.register, bundle.place).size(bundle.name) == bundle.size
    line = fetched(shop, f"{shop.label}.hotfix.sha256")
    assert line.data == f"{bundle.sha256}  {shop.label}.hotfix\n".encode()
    for ending in (".sha256.sig", ".provenance.jsonl", ".approvals.jsonl"):
        assert fetched(shop, f"{shop.label}.hotfix{ending}").data


@pytest.mark.parametrize(
    "file",
    [
        "",
        "..",
        "../register.db",
        "HF-2026-0001.zip",
        "HF-2026-0001-r0.zip",
        "HF-2026-0001-r1.zip/..",
        "HF-2026-0001-r1.zip\n",
        'HF-2026-0001-r1".zip',
        "HF-2026-0001-r1.hotfix.exe",
        "hf-2026-0001-r1.zip",
        "HF-2026-0001-r1.zip\x00",
        "A" * 5000,
    ],
)
def test_other_names_are_no_files(file):
    with pytest.raises(NotFoundError):
        asked(file)


def test_it_takes_as_many_questions_for_one_as_for_another(shop):
    shop.grant()
    taker = shop.taker()
    with shop.register.read() as session, statements(shop.register) as said:
        parcel(session, taker, asked(f"{shop.label}.hotfix"), shop.life.now)
    assert len(said) <= 12
