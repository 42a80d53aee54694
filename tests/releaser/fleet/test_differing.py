import json

import pytest

from patchline.patches.errors import UsageError
from patchline.releaser.fleet.differing import difference
from tests.programs import run
from tests.registers import statements
from tests.releaser.fleet.a_march import a_march, day


@pytest.fixture
def march(register):
    return a_march(register)


def compare(march, first, second):
    levels = [march.level(site=name) for name in (first, second)]
    with march.register.read() as session, statements(march.register) as said:
        found = difference(session, *levels)
    assert len(said) == 1
    return found


def test_two_sites_differ_in_hotfixes_and_in_the_fixes_these_bring(march):
    march.fleet.site("acme-test")
    march.report(day(3), march.one, march.two)
    silent = compare(march, "acme-main", "acme-test")
    assert not silent.comparable and not silent.same
    march.fleet.enrolled("acme-test")
    march.report(day(4), march.two, site="acme-test")
    found = compare(march, "acme-main", "acme-test")
    assert [one.label for one in found.first.only] == [march.one] and found.second.only == ()
    assert (found.first.fixes, found.both, found.same) == (("BUG-1",), (march.two,), False)
    home = ["--home", march.register.home]
    assert json.loads(run("patchline", "site", "diff", "acme-main", "acme-test", "--json", *home).out)["both"] == [
        march.two
    ]
    words = run("patchline", "site", "diff", "acme-main", "acme-test", *home).out
    assert f"only acme-main  {march.one}" in words and "as of 2026-03-04, signed report carried by hand" in words
    march.report(day(5), march.two)
    assert compare(march, "acme-main", "acme-test").same


def test_site_is_not_compared_with_itself(march):
    with pytest.raises(UsageError, match="with itself"):
        compare(march, "acme-main", "acme-main")
