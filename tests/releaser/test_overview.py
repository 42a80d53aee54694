import pytest
from sqlalchemy import event

from patchline.patches.errors import PatchlineError
from patchline.releaser import close_up, legacy
from patchline.releaser.legacy import Shipped
from patchline.releaser.overview import Filter, listed
from tests.hotfixes import Life, changed
from tests.samples import fix


@pytest.fixture
def life(register, tmp_path):
    (tmp_path / "files").mkdir()
    return Life(register, tmp_path / "files").prepare()


class Statements:
    """Counts what is sent to the database."""

    def __init__(self, register):
        self.engine, self.count = register.database.engine, 0

    def __enter__(self):
        event.listen(self.engine, "before_cursor_execute", self._counted)
        return self

    def __exit__(self, *_):
        event.remove(self.engine, "before_cursor_execute", self._counted)

    def _counted(self, *_):
        self.count += 1


def fill(life, number, start=0):
    shipped = [
        Shipped(f"HF-2020-{one:04}", "demo", "1.0", f"Old {one}", (f"BUG-{one % 7}",), (f"CVE-2020-{one % 5 + 1000}",))
        for one in range(start, start + number)
    ]
    with life.change() as change:
        legacy.register(change, shipped)


def pages(life, limit, **wanted):
    found, after = [], None
    while True:
        with life.register.read() as session:
            page = listed(session, Filter(**wanted), limit=limit, after=after)
        found += [row.hotfix for row in page.rows]
        after = page.after
        if after is None:
            return found


def test_pages_hold_every_hotfix_once_the_newest_first(life):
    fill(life, 23)
    life.later(hours=1)
    newest = life.new()
    wanted = [newest, *(f"HF-2020-{one:04}" for one in reversed(range(23)))]
    assert pages(life, 5) == pages(life, 24) == pages(life, 100) == wanted


def test_list_takes_the_same_number_of_statements_whatever_its_size(life):
    fill(life, 5)
    counts = set()
    for more in (0, 45, 250):
        fill(life, more, start=5 + more)
        for limit in (1, 50, 200):
            with life.register.read() as session, Statements(life.register) as sent:
                listed(session, Filter(product="demo", states=("published",)), limit=limit)
            counts.add(sent.count)
    assert len(counts) == 1 and counts < set(range(5)), counts


def test_filters_narrow_the_list(life):
    fill(life, 10)
    life.later(hours=1)
    mine = life.reviewed(files=[changed("b.txt", b"b0\n", b"b1\n", fixes=["NEW-1"])],
                         fixes=[fix("NEW-1", cve=["CVE-2026-0001"])], severity="critical",
                         title="100% right_now")  # fmt: skip
    for wanted in (
        {"fix": "NEW-1"},
        {"cve": "CVE-2026-0001"},
        {"states": ("in-review",)},
        {"severity": "critical"},
        {"text": "100%"},
        {"text": "right_n"},
        {"text": mine.lower()},
    ):
        assert pages(life, 3, **wanted) == [mine], wanted
    assert pages(life, 3, fix="BUG-3") == ["HF-2020-0003"]
    assert pages(life, 3, text="_") == [mine] and pages(life, 3, product="shop") == []
    with life.register.read() as session, pytest.raises(PatchlineError):
        listed(session, Filter(), limit=0)


def test_close_up_tells_in_one_sentence_how_it_stands(life):
    identifier = life.reviewed()
    life.approve(identifier, "ada")
    with life.register.read() as session, Statements(life.register) as sent:
        found = close_up.close_up(session, identifier, life.root, life.now)
    start = f"{identifier}-r1 for demo 1.0: in-review, 1 of 2 approvals, not publishable because "
    assert found.headline.startswith(start) and "1 of 2 persons approved" in found.headline
    assert sent.count < 40
    document = close_up.document(found)
    assert [one["person"] for one in document["approvals"]] == ["ada"] and document["may"][0] == "approve"
    assert "approved by ada" in close_up.text(found)
