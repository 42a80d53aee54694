import pytest

from patchline.patches.errors import BuildError
from patchline.patches.manifest import ABSENT
from patchline.releaser.building import derived
from patchline.releaser.earlier import read_earlier
from patchline.releaser.simulation import simulate, starting_points
from tests.releaser.test_building import built, home, recipe, repository, second, wanted

__all__ = ["home", "repository"]


def test_every_state_an_earlier_hotfix_leaves_is_tried(repository, tmp_path):
    made = built(second(repository, tmp_path), tmp_path)
    assert made.record.simulation.runs == 2
    assert made.record.simulation.paths == len(made.manifest.files)


def test_optional_paths_are_tried_missing_too(repository, tmp_path):
    authored = recipe(tmp_path, 'optional = ["logo.png"]\n')
    made = built(wanted(repository, authored=authored), tmp_path)
    assert made.record.simulation.runs == 2
    points = list(starting_points(made.manifest, []))
    assert points[1]["app", "logo.png"] == ABSENT


def test_no_step_runs(repository, tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "touch.sh").write_text(f"touch {marker}\n")
    phases = ("stop", "start", "health", "symptom")
    text = "".join(
        f'[[steps]]\nid = "{phase}"\nphase = "{phase}"\nscript = "touch.sh"\ninterpreter = "/bin/sh"\n'
        for phase in phases
    )
    made = built(wanted(repository, authored=recipe(tmp_path, text)), tmp_path)
    assert len(made.manifest.steps) == 4
    assert not marker.exists()


def test_hotfix_that_does_not_become_what_it_says_is_refused(repository, tmp_path):
    what = wanted(repository)
    made = built(what, tmp_path)
    with pytest.raises(BuildError, match="app/") as caught:
        simulate(made.path, made.manifest, [], lambda sha256: [b"not what the baseline has"])
    assert caught.value.code == "build.simulation"


def test_hotfix_is_tried_whatever_it_requires_or_targets(repository, tmp_path):
    text = (
        'platforms = ["windows"]\nkind = "diagnostic"\nexpires = 2027-01-31\n'
        '[[requires_products]]\nproduct = "database"\nversions = ["9"]\n'
        '[[relations.requires]]\nhotfix = "HF-2025-0001"\nrevision = 3\n'
    )
    repository.commit({"lib/kind": b"kind\n"}, tag="plain")
    made = built(wanted(repository, head="plain", authored=recipe(tmp_path, text)), tmp_path)
    assert made.record.simulation.runs == 1
    assert made.manifest.expires == "2027-01-31"


def test_starting_points_are_states_the_hotfix_accepts(repository, tmp_path):
    what = second(repository, tmp_path)
    earlier = read_earlier(what.onto, "shop", "1.0")
    with derived(what) as made:
        for states in starting_points(made.manifest, earlier):
            assert all(states[entry.place] in entry.pre for entry in made.manifest.files)
