import itertools
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from patchline.patches.errors import PatchlineError
from tests.trees import (
    NAMES,
    TREES,
    changed,
    differences,
    folders_above,
    hotfix_between,
    one_fix,
    plain,
    state_at,
    throwaway,
)
from tests.worlds import World

MODES = st.sampled_from((0o600, 0o640, 0o644, 0o444, 0o755, 0o700, 0o2755, 0o4755))
OWNERS = st.tuples(st.sampled_from((0, 4711)), st.sampled_from((0, 4712)))


def adorn(world, draw):
    """Give modes and owners to what is there, and add files and empty folders of the customer's own."""
    for path in [item for item in world.root.rglob("*") if ".patchline" not in item.parts]:
        owner = draw(OWNERS) if os.geteuid() == 0 else None
        if path.is_symlink():
            if owner:
                os.chown(path, *owner, follow_symlinks=False)
        elif path.is_dir():
            path.chmod(draw(st.sampled_from((0o700, 0o755, 0o750, 0o2755))))
            if draw(st.integers(0, 4)) == 0:
                (path / "own").mkdir()
            if draw(st.integers(0, 4)) == 0:
                (path / "own.txt").write_bytes(b"own\n")
        else:
            executable = path.stat().st_mode & 0o100
            if owner:
                os.chown(path, *owner)
            mode = draw(MODES)
            path.chmod(mode | 0o100 if executable else mode & ~0o111)


def without_own(tree):
    return {path: item for path, item in tree.items() if not path.endswith(("own", "own.txt"))}


@given(st.data(), TREES)
@settings(max_examples=120)
def test_apply_gives_the_head_tree_and_rollback_the_identical_base_tree(data, base):
    head = data.draw(changed(base))
    with throwaway() as folder:
        world = World(folder, base)
        adorn(world, data.draw)
        before = world.tree()
        hotfix = hotfix_between(world, base, head)
        if hotfix is None:
            return
        try:
            world.apply(hotfix)
        except PatchlineError as error:
            # A folder that should become a file, or go, holds something of the customer's.
            assert error.code in ("installation.folder-in-use", "installation.no-folder"), error
            assert world.tree() == before
            return
        assert without_own({path: content for path, content in plain(world).items()}) == head
        assert world.inventory().drift == []
        world.rollback()
        assert world.tree() == before


def build(world, base, heads):
    """Hotfixes, each built on the base and on every earlier one that it shares a path with."""
    hotfixes, states = [], {}
    for number, head in enumerate(heads):
        after, before = differences(base, head)
        if not after:
            continue
        name = f"HF-{number}"
        pre = {path: [state, *states.get(path, [])] for path, state in before.items()}
        pre = {path: [item for item in items if _differs(item, after[path])] for path, items in pre.items()}
        hotfixes.append(world.hotfix(after, name, pre=pre, fixes=one_fix(name)))
        for path, state in after.items():
            known = states.setdefault(path, [])
            if not any(_same(state, item) for item in [*known, state_at(base, path)]):
                known.append(state)
    return hotfixes


def _same(one, other):
    return one == other or (type(one) is type(other) and type(one).__name__ == "Directory")


def _differs(one, other):
    return not _same(one, other)


@given(st.data(), TREES)
@settings(max_examples=25)
def test_any_order_that_relations_allow_gives_the_same_level_and_tree_and_comes_off_in_any_order(data, base):
    heads = [data.draw(changed(base, most=3)) for _ in range(3)]
    ends = {}
    with throwaway() as folder:
        maker = World(folder / "maker", base)
        hotfixes = build(maker, base, heads)
        for number, order in enumerate(itertools.permutations(hotfixes)):
            world = World(folder / str(number), base)
            before = world.tree()
            applied = [hotfix for hotfix in order if _applied(world, hotfix)]
            level = world.inventory().level
            tree = world.tree()
            assert ends.setdefault(level.digest, tree) == tree
            assert world.inventory().drift == []
            _take_off(world, applied, data)
            assert world.tree() == before
            assert world.inventory().level.label == "1.0"


def _applied(world, hotfix):
    before = world.tree()
    try:
        world.apply(hotfix)
    except PatchlineError:
        assert world.tree() == before
        return False
    return True


def _take_off(world, applied, data):
    """Roll back in an order drawn at random; what lies below another one is refused and tried again later."""
    waiting = [applied[number] for number in data.draw(st.permutations(range(len(applied))))]
    while waiting:
        stuck = [hotfix for hotfix in waiting if not _rolled_back(world, hotfix)]
        assert len(stuck) < len(waiting), [item.manifest.label for item in stuck]
        waiting = stuck


def _rolled_back(world, hotfix):
    before = world.tree()
    try:
        world.rollback(hotfix.manifest.hotfix)
    except PatchlineError:
        assert world.tree() == before
        return False
    return True


@given(st.data(), TREES)
@settings(max_examples=25)
def test_set_gives_the_same_as_its_hotfixes_one_by_one(data, base):
    heads = [data.draw(changed(base, most=3)) for _ in range(3)]
    with throwaway() as folder:
        one, many = World(folder / "one", base), World(folder / "many", base)
        before = one.tree()
        hotfixes = build(one, base, heads)
        if not hotfixes or not all(_applied(many, hotfix) for hotfix in hotfixes):
            return
        one.apply(*hotfixes)
        assert one.tree() == many.tree()
        assert one.inventory().level == many.inventory().level
        for hotfix in reversed(hotfixes):
            one.rollback(hotfix.manifest.hotfix)
            many.rollback(hotfix.manifest.hotfix)
            assert one.tree() == many.tree()
        assert one.tree() == before


@given(st.data(), TREES)
@settings(max_examples=40)
def test_newer_revision_takes_the_place_of_the_older_one_as_if_that_had_never_been_there(data, base):
    first, second = data.draw(changed(base)), data.draw(changed(base))
    with throwaway() as folder:
        world, fresh = World(folder / "world", base), World(folder / "fresh", base)
        before = world.tree()
        older = hotfix_between(world, base, first)
        newer = hotfix_between(world, base, second, revision=2)
        if older is None or newer is None:
            return
        world.apply(older)
        middle = world.tree()
        world.apply(newer)
        fresh.apply(newer)
        assert world.tree() == fresh.tree()
        assert world.inventory().level == fresh.inventory().level
        world.rollback()
        assert world.tree() == middle
        world.rollback()
        assert world.tree() == before


@given(st.data(), TREES)
@settings(max_examples=60)
def test_edits_after_the_patch_all_survive_the_rollback_and_the_rest_is_as_before(data, base):
    head = data.draw(changed(base))
    with throwaway() as folder:
        world = World(folder, base)
        before = world.tree()
        hotfix = hotfix_between(world, base, head)
        if hotfix is None:
            return
        world.apply(hotfix)
        files = [path for path, content in sorted(head.items()) if isinstance(content, tuple)]
        edited = (
            {path: f"edit of {path}".encode() for path in data.draw(st.sets(st.sampled_from(files)))} if files else {}
        )
        for path, content in edited.items():
            (world.root / path).write_bytes(content)
        patched = world.tree()
        try:
            world.rollback()
        except PatchlineError as error:
            # The edited file lies in a folder that was a file or link before: it would have nowhere to be kept.
            assert error.code in ("installation.folder-in-use", "installation.no-folder"), error
            assert any(above in base for path in edited for above in folders_above(path))
            assert world.tree() == patched
            return
        contents = [item[1] for item in world.tree().values()]
        for content in edited.values():
            assert contents.count(content) == 1
        after = {path: item for path, item in world.tree().items() if ".patchline-saved" not in path}
        untouched = {path for path in before if path not in edited}
        kept_alive = {above for path in edited for above in folders_above(path)}
        assert {path: after.get(path) for path in untouched} == {path: before[path] for path in untouched}
        assert after.keys() - before.keys() <= kept_alive


def test_names_of_the_trees_are_not_those_of_the_customers_own_files():
    assert not {"own", "own.txt"} & set(NAMES)
