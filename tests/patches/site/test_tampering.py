"""What a site keeps for itself, edited or lost: noticed with an error of ours, or harmless; never a wrong tree."""

import itertools

import pytest

from patchline.patches.errors import PatchlineError
from tests.conftest import EXHAUSTIVE
from tests.crash_scenes import BASE, FIRST, SCENES, SECOND, End, Trial, small, stepping
from tests.fault_disk import read_in, write_out
from tests.worlds import World


class Site:
    """A site with two hotfixes, and what rolling back the upper one leads to."""

    def __init__(self, folder):
        self.world = World(folder, BASE)
        self.world.apply(stepping(self.world), root_steps=True)
        self.lower = End.of(self.world)
        self.world.apply(small(self.world), root_steps=True)
        self.upper = End.of(self.world)
        self.kept = read_in((self.world.root, self.world.state))

    def restore(self):
        write_out(self.kept)

    def judge(self):
        """Use the site; return the code of what was noticed, None when all went as if nothing had happened."""
        code = None
        try:
            self.world.recover()
            assert self.world.inventory().level.label == self.upper.level
            self.world.rollback(SECOND, root_steps=True)
            assert self.world.inventory().level.label == self.lower.level
        except PatchlineError as error:
            code = error.code
        tree = self.world.tree()
        assert tree == self.lower.tree if code is None else tree in (self.upper.tree, self.lower.tree), code
        return code


@pytest.fixture
def site(shared_memory):
    return Site(shared_memory)


def places(data, steps):
    """Positions of bytes to flip: all, or some of them."""
    stride = max(1, len(data) // (2000 if EXHAUSTIVE else steps))
    return range(0, len(data), stride)


def flipped(data, place, bit=1):
    return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]


@pytest.mark.parametrize("name", ["journal", "ledger"])
def test_any_byte_of_journal_or_ledger_flipped_is_noticed_or_harmless(site, name):
    path = site.world.state / name
    data = path.read_bytes()
    noticed = 0
    for place in places(data, 60):
        for bit in (1, 0x80):
            path.write_bytes(flipped(data, place, bit))
            code = site.judge()
            assert code in (None, "installation.edited")
            noticed += code is not None
            site.restore()
    assert noticed or name == "journal"


@pytest.mark.parametrize("name", ["journal", "ledger"])
def test_journal_or_ledger_cut_off_anywhere_is_noticed_or_harmless(site, name):
    path = site.world.state / name
    data = path.read_bytes()
    for size in [*places(data, 30), len(data) - 1]:
        path.write_bytes(data[:size])
        code = site.judge()
        assert code in ((None, "installation.edited") if name == "journal" else ("installation.edited",))
        site.restore()


def changes_of(rows):
    """Ways in which somebody may rearrange rows."""
    for number in range(len(rows)):
        yield rows[:number] + rows[number + 1 :]
        yield [*rows[:number], rows[number], *rows[number:]]
    for first, second in itertools.combinations(range(len(rows)), 2):
        swapped = list(rows)
        swapped[first], swapped[second] = swapped[second], swapped[first]
        yield swapped
    yield []


@pytest.mark.parametrize("name", ["journal", "ledger"])
def test_rows_removed_doubled_or_swapped_are_noticed_or_harmless(site, name):
    path = site.world.state / name
    rows = path.read_bytes().splitlines(keepends=True)
    assert len(rows) > 1 or name == "journal"  # At rest it has one.
    for changed in changes_of(rows):
        path.write_bytes(b"".join(changed))
        code = site.judge()
        last_journal_rows = name == "journal" and changed == rows[: len(changed)]
        doubled_last = changed == [*rows, rows[-1]]
        assert code == "installation.edited" or last_journal_rows or doubled_last
        site.restore()


def test_last_row_of_the_ledger_cannot_go_unnoticed(site):
    path = site.world.state / "ledger"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    assert site.judge() == "installation.edited"


def test_journal_and_ledger_cannot_take_each_others_place(site):
    journal, ledger = site.world.state / "journal", site.world.state / "ledger"
    data = journal.read_bytes(), ledger.read_bytes()
    for first, second in ((data[1], data[1]), (data[0], data[0]), (data[1], data[0])):
        journal.write_bytes(first)
        ledger.write_bytes(second)
        assert site.judge() == "installation.edited"
        site.restore()


def test_secret_that_was_changed_or_lost_is_noticed(site):
    path = site.world.state / "secret"
    for secret in (bytes(32), b"", None):
        path.write_bytes(secret) if secret is not None else path.unlink()
        assert site.judge() in ("installation.edited", "installation.state")
        site.restore()


def damaged(data):
    yield from (flipped(data, place) for place in places(data, 12)) if data else ()
    yield from (b"", data + b"x", None)


@pytest.mark.parametrize("folder", ["manifests", "transactions", "scripts"])
def test_stored_manifest_record_or_script_that_was_changed_or_lost_is_noticed(site, folder):
    paths = sorted((site.world.state / folder).iterdir())
    assert paths
    noticed = 0
    for path in paths:
        for data in damaged(path.read_bytes()):
            path.write_bytes(data) if data is not None else path.unlink()
            code = site.judge()
            # The lower hotfix's scripts are not needed for the upper one's rollback.
            assert code in ("installation.edited", "installation.state") or (code is None and folder == "scripts")
            noticed += code is not None
            site.restore()
    assert noticed or folder == "scripts"


def test_script_that_was_changed_stops_the_rollback_before_anything_runs(site):
    site.world.rollback(SECOND, root_steps=True)
    kept, before = read_in((site.world.root, site.world.state)), End.of(site.world)
    for path in sorted((site.world.state / "scripts").iterdir()):
        for data in (b"touch /tmp/owned\n", None):
            path.write_bytes(data) if data is not None else path.unlink()
            with pytest.raises(PatchlineError) as refused:
                site.world.rollback(FIRST, root_steps=True)
            assert refused.value.code == "installation.edited"
            assert End.of(site.world) == before and site.world.recover().outcome == "nothing"
            write_out(kept)


def test_earlier_content_that_was_changed_or_lost_is_noticed_before_anything_changes(site):
    paths = sorted((site.world.root / ".patchline/objects").iterdir())
    assert paths
    noticed = set()
    for path in paths:
        for data in damaged(path.read_bytes()):
            path.write_bytes(data) if data is not None else path.unlink()
            code = site.judge()
            assert code in (None, "installation.object-missing", "installation.object-changed")
            if code:
                noticed.add(path)
                assert site.world.tree() == site.upper.tree and site.world.recover().outcome == "nothing"
            site.restore()
    assert noticed


@pytest.mark.parametrize("name", ["site.json", "baseline.json", "trust.json", "lock"])
def test_other_files_of_the_state_folder_changed_or_lost_end_in_an_error_of_ours_or_in_none(site, name):
    path = site.world.state / name
    for data in damaged(path.read_bytes() if path.exists() else b"{}"):
        path.write_bytes(data) if data is not None else path.unlink(missing_ok=True)
        try:
            site.world.recover()
            site.world.inventory()
        except PatchlineError:
            assert site.world.tree() == site.upper.tree
        site.restore()


# While a transaction is under way


def recovered_or_refused(trial):
    """Recover; tell whether that was refused, and insist that then nothing was done, or else all."""
    cut_off = trial.world.tree()
    try:
        trial.recover()
    except PatchlineError as error:
        # Without the row that says it was being undone, what was staged for the way forward is found to be gone.
        undone = error.code == "installation.staged-missing" and End.of(trial.world) == trial.before
        assert undone or (error.code == "installation.edited" and trial.world.tree() == cut_off)
        return True
    trial.must_be_whole()
    return False


@pytest.mark.parametrize("name", ["apply", "rollback", "apply-not-well"])
def test_journal_or_ledger_damaged_in_mid_transaction_is_noticed_or_harmless(name, shared_memory):
    trial = Trial(SCENES[name], shared_memory)
    numbers = [
        number
        for number, step in enumerate(trial.steps)
        if step.name == "append" or (step.name, step.path) == ("rename", "current")
    ]
    refused = 0
    for number in numbers:
        trial.act_until(number)
        state = read_in(trial.tops)
        for file in (trial.world.state / "journal", trial.world.state / "ledger"):
            data = file.read_bytes()
            rows = data.splitlines(keepends=True)
            shorter = [b"".join(rows[:count]) for count in range(1, len(rows))] if file.name == "journal" else []
            flips = [flipped(data, place) for place in places(data, 6)] if data else []
            ends = [flipped(data, len(data) - 5), data[:-5]] if data else []
            for bad in [*flips, *ends, *shorter]:
                file.write_bytes(bad)
                refused += recovered_or_refused(trial)
                write_out(state)
    assert refused


@pytest.mark.parametrize("name", ["apply", "rollback"])
def test_contents_damaged_in_mid_transaction_never_come_to_a_place(name, shared_memory):
    trial = Trial(SCENES[name], shared_memory)
    known = {(path, entry[1]) for end in (trial.before, trial.after) for path, entry in end.tree.items()}
    middle = [number for number, step in enumerate(trial.steps) if step.name in ("rename", "unlink", "rmdir")]
    refused = 0
    for number in middle[:: 1 if EXHAUSTIVE else 5]:
        trial.act_until(number)
        state = read_in(trial.tops)
        for folder in ("objects", "staging"):
            for path in sorted((trial.world.root / ".patchline" / folder).iterdir()):
                for data in (b"wrong", None) if path.is_file() and not path.is_symlink() else ():
                    path.unlink()
                    if data is not None:
                        path.write_bytes(data)
                    try:
                        trial.recover()
                    except PatchlineError as error:
                        assert error.code.startswith("installation.")
                        refused += 1
                    assert {(path, entry[1]) for path, entry in trial.world.tree().items()} <= known
                    write_out(state)
    assert refused
