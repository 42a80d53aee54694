import json

import pytest
from sqlalchemy import select

from patchline.releaser.register import opened
from patchline.releaser.tables.audit import AuditEvent
from tests import archives
from tests.programs import run
from tests.registers import BACKENDS, make_home
from tests.repositories import Repository


@pytest.fixture(params=BACKENDS)
def home(request, tmp_path):
    return make_home(request.param, tmp_path / "home")


def patchline(home, *arguments, **more):
    return run("patchline", *arguments, environment={"PATCHLINE_HOME": str(home), "PATCHLINE_PERSON": "ada"}, **more)


@pytest.fixture
def shop(home, tmp_path):
    """A product with three releases in git: two hold a hurt library, the third a mended one."""
    repository = Repository(tmp_path / "shop.git", bare=True)
    for label, version in (("4.0", "2.13.0"), ("4.1", "2.14.1"), ("4.2", "2.17.1")):
        war = archives.zipped({f"WEB-INF/lib/log4j-core-{version}.jar": archives.log4j(version)})
        repository.commit({"shop.war": war, "VERSION": label.encode()}, tag=f"v{label}")
    patchline(home, "product", "add", "shop", "--name", "Web shop", "--repo", repository.path)
    for label in ("4.0", "4.1", "4.2"):
        patchline(home, "baseline", "add", label, "--product", "shop", "--tag", f"v{label}")
    return home


def test_which_baselines_contain_it_is_answered_on_the_command_line(shop):
    text = patchline(shop, "contains", "log4j-core").out
    assert "shop 4.1" in text and "2.14.1        app/shop.war!WEB-INF/lib/log4j-core-2.14.1.jar" in text
    document = patchline(shop, "contains", "log4j-core@", "--product", "shop", "--json").document
    assert document["places"] == [] and len(document["without"]) == 3 and len(document["sources_only"]) == 3
    document = patchline(shop, "contains", "JndiLookup", "--json").document
    assert {place["baseline"] for place in document["places"]} == {"4.0", "4.1", "4.2"}
    patchline(shop, "contains", "x", "--product", "nothing", expect=11)
    patchline(shop, "contains", "pkg:", expect=2)


def test_products_and_baselines_are_listed_and_shown(shop, tmp_path):
    (product,) = patchline(shop, "product", "list", "--json").document
    assert product["product"] == "shop" and product["baselines"] == 3
    assert "Web shop  3 baselines" in patchline(shop, "product", "list").out
    listed = patchline(shop, "baseline", "list", "--product", "shop", "--json").document
    assert {one["tag"] for one in listed} == {"v4.0", "v4.1", "v4.2"}
    shown = patchline(shop, "baseline", "show", "4.1", "--product", "shop", "--out", tmp_path / "list.json", "--json")
    patchline(
        shop, "baseline", "files", "--repo", tmp_path / "shop.git", "--ref", "v4.1", "--product", "shop",
        "--baseline", "4.1", "--out", tmp_path / "same.json",
    )  # fmt: skip
    assert (tmp_path / "list.json").read_bytes() == (tmp_path / "same.json").read_bytes()
    assert shown.document["files"] == 2 and shown.document["not_looked_into"] == []
    assert "v4.1 = " in patchline(shop, "baseline", "list").out
    patchline(shop, "baseline", "show", "9", "--product", "shop", expect=11)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["5", "--product", "shop"], 2),
        (["5", "--product", "shop", "--tag", "v5"], 14),
        (["5", "--product", "none", "--tag", "v4.1"], 11),
        (["4.1", "--product", "shop", "--tag", "v4.1"], 13),
        (["5", "--product", "shop", "--artefacts", "."], 2),
        (["5", "--product", "shop", "--tag", "v4.1", "--support-ends", "soon"], 2),
        ([" ", "--product", "shop", "--tag", "v4.1"], 2),
    ],
)
def test_baseline_that_cannot_be_added_is_refused_with_a_hint(shop, arguments, code):
    refused = patchline(shop, "baseline", "add", *arguments, expect=code)
    assert "hint: " in refused.err
    assert len(patchline(shop, "baseline", "list", "--json").document) == 3


def test_log4j_day_is_one_line_and_every_baseline_has_an_answer(shop):
    added = patchline(
        shop, "issue", "add", "CVE-2021-44228", "--product", "shop", "--title", "Code from log lines runs",
        "--severity", "critical", "--from-contains", "log4j-core", "--version", "2.1[0-4].*",
        "--workaround", "Remove JndiLookup.class", "--json",
    ).document  # fmt: skip
    assert added["cve"] == ["CVE-2021-44228"] and added["unsolved"] == 2 and added["fixed"] == 0
    assert [row["standing"] for row in added["baselines"]] == ["investigating", "no fix yet", "no fix yet"]
    text = patchline(
        shop, "issue", "mark", "CVE-2021-44228", "--not-affected", "4.2=mended upstream", "--affects", "4.0"
    ).out
    assert "workaround  Remove JndiLookup.class" in text and "4.2  not affected             mended upstream" in text
    assert "critical  shop  2 baselines unsolved, 0 fixed" in patchline(shop, "issue", "list").out
    assert patchline(shop, "issue", "show", "CVE-2021-44228", "--json").document["baselines"][2]["reason"] is None
    patchline(shop, "issue", "show", "BUG-1", expect=11)
    patchline(shop, "issue", "mark", "CVE-2021-44228", "--not-affected", "4.1", expect=2)
    patchline(shop, "issue", "mark", "CVE-2021-44228", "--affects", "9", expect=11)


def test_refusals_are_events_of_the_audit_log(shop):
    patchline(shop, "baseline", "add", "5", "--product", "shop", "--tag", "v5", expect=14)
    patchline(shop, "product", "add", "shop", expect=13)
    patchline(shop, "issue", "add", "BUG 1", "--product", "shop", expect=2)
    with opened(shop) as register, register.read() as session:
        bodies = [json.loads(event.body) for event in session.scalars(select(AuditEvent).order_by(AuditEvent.sequence))]
    refused = [(body["action"], body["facts"]["code"]) for body in bodies if body["action"].endswith(".refused")]
    assert refused == [
        ("baseline.add.refused", "git.ref-missing"),
        ("product.add.refused", "state.product-exists"),
        ("issue.add.refused", "usage.issue-field"),
    ]
    assert [body["action"] for body in bodies][:2] == ["product.add", "baseline.add"]
