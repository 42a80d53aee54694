from datetime import timedelta

import pytest

from patchline.patches.errors import PatchlineError
from patchline.patches.identifiers import level_code
from patchline.patches.site.inventory import level_of
from patchline.releaser import legacy
from patchline.releaser.fleet import reports, telling
from patchline.releaser.fleet.telling import Wanted
from tests.fleets import Fleet, layer
from tests.programs import run
from tests.releaser.fleet.facts import check_caches, revisions, state


@pytest.fixture
def fleet(register):
    made = Fleet(register).product("demo", "1.0")
    made.labels = ["HF-2026-0001-r1", "HF-2026-0002-r1"]
    revisions(register, *made.labels)
    made.customer()
    made.site()
    made.enrolled()
    return made


def tell(fleet, **wanted):
    fleet.now += timedelta(minutes=1)
    with fleet.register.change("rita", fleet.now) as change:
        found = telling.tell(change, "acme-main", Wanted("Jo Smith", wanted.pop("at", fleet.now), **wanted))
    check_caches(fleet.register)
    return found


def refused(fleet, **wanted):
    with pytest.raises(PatchlineError) as error:
        tell(fleet, **wanted)
    return error.value


def code_of(fleet, *labels, preserved=()):
    layers = fleet.layers(*labels)
    return level_code(
        level_of("demo", "1.0", [layer(one.hotfix, 1, one.manifest, preserved=preserved) for one in layers]).digest
    )


def test_level_that_was_told_counts_until_something_newer_comes(fleet):
    first, second = fleet.labels
    told, verdict = tell(fleet, label=f"1.0+{first}")
    assert (told.label, verdict) == (f"1.0+{first}", "accepted")
    now = state(fleet.register)
    assert (now.label, now.evidence, now.as_of) == (f"1.0+{first}", "told", fleet.now)
    again, verdict = tell(fleet, baseline="1.0", hotfixes=(second,), at=fleet.now - timedelta(days=3))
    assert (again.label, verdict) == (f"1.0+{second}", "out-of-order")
    assert state(fleet.register).label == f"1.0+{first}"
    fleet.now += timedelta(minutes=5)
    reports.receive(fleet.register, fleet.report("acme-main", "1.0"), reports.HAND, "rita", fleet.now)
    assert (state(fleet.register).label, state(fleet.register).evidence) == ("1.0", "signed-by-hand")
    assert tell(fleet, baseline="1.0", hotfixes=(second.removesuffix("-r1"),))[1] == "accepted"
    assert state(fleet.register).label == f"1.0+{second}"


def test_code_that_fits_is_better_evidence_and_one_that_does_not_names_what_it_fits(fleet):
    first, second = fleet.labels
    both = code_of(fleet, first, second)
    told, _ = tell(fleet, baseline="1.0", hotfixes=fleet.labels, code=both.lower().replace("-", " "))
    assert told.code == both and state(fleet.register).evidence == "told-with-code"
    error = refused(fleet, baseline="1.0", hotfixes=(first,), code=both)
    assert error.code == "report.told" and f"it fits 1.0+{first}+{second}" in error.message
    wrong = both[:-1] + ("0" if both[-1] != "0" else "1")
    assert "is no code" in refused(fleet, baseline="1.0", code=wrong).message
    assert "fits no level" in refused(fleet, label="1.0", code=level_code("ab" * 32)).message


def test_code_alone_is_enough_where_one_level_fits(fleet):
    told, _ = tell(fleet, code=code_of(fleet, fleet.labels[1]))
    assert told.label == f"1.0+{fleet.labels[1]}"


def test_code_of_a_level_with_preserved_files_is_known_from_a_site_that_reported_it(fleet):
    first = fleet.labels[0]
    code = code_of(fleet, first, preserved=("app/a.txt",))
    assert refused(fleet, label=f"1.0+{first}*", code=code).code == "report.told"
    fleet.site("other")
    fleet.enrolled("other")
    layers = [layer(one.hotfix, 1, one.manifest, preserved=("app/a.txt",)) for one in fleet.layers(first)]
    reports.receive(fleet.register, fleet.report("other", "1.0", layers=layers), reports.HAND, "rita", fleet.now)
    told, _ = tell(fleet, label=f"1.0+{first}*", code=code)
    assert told.label == f"1.0+{first}*" and state(fleet.register).evidence == "told-with-code"


def test_what_the_register_does_not_know_cannot_be_told(fleet):
    assert refused(fleet, label="7.7").code == "not-found.baseline"
    assert refused(fleet, baseline="7.7").code == "not-found.baseline"
    assert refused(fleet, baseline="1.0", hotfixes=("HF-2019-0001",)).code == "not-found.registered-hotfix"
    assert refused(fleet).code == "usage.told"
    assert refused(fleet, baseline="1.0", at=fleet.now + timedelta(days=2)).code == "usage.told"
    with fleet.register.change("rita", fleet.now) as change:
        legacy.register(change, [legacy.Shipped("HF-2019-0001", "demo", "1.0", "old")])
    told, _ = tell(fleet, baseline="1.0", hotfixes=("HF-2019-0001",))
    assert (told.label, told.digest) == ("1.0+HF-2019-0001-r1", None)


def test_the_command_tells_a_level(fleet):
    line = ("site", "tell", "acme-main", "--home", fleet.register.home, "--as", "rita", "--by", "Jo Smith")
    at = ("--at", "2026-03-03T14:00+01:00")
    told = run("patchline", *line, "--level", "1.0", *at)
    assert told.out == "acme-main: 1.0 as of 2026-03-03, told by support\n"
    assert run("patchline", *line, "--level", "1.0", *at, "--json").document["verdict"] == "repeated"
    run("patchline", *line, "--level", "1.0", "--at", "yesterday", expect=2)
    run("patchline", *line[:5], "--as", "ada", "--by", "Jo", "--level", "1.0", expect=12)
