import filecmp
import json

import pytest

from patchline.patches import documents
from patchline.patches.errors import PatchlineError, RecallListError
from patchline.patches.manifest import Manifest
from patchline.patches.policy import Policy
from patchline.patches.recall_list import Held, RecallList
from patchline.patches.recalls import KnownRecalls, Recalled
from patchline.patches.trust import Trust
from tests.vectors import recalls

NAMES = sorted(path.stem for path in recalls.DATA.glob("vector-*.json"))
MOST_COMMITTED = 200_000


def taken(vector, policy):
    """What a site knows after it was handed the list."""
    given, known = (vector[key] and RecallList.parse(documents.encode(vector[key])) for key in ("list", "known"))
    return KnownRecalls.first(known, policy).advanced(given, policy) if known else KnownRecalls.first(given, policy)


def said(state):
    if state is None:
        return {"is": "free"}
    if isinstance(state, Held):
        return {"is": "held"}
    assert isinstance(state, Recalled)
    return {
        "is": "recalled",
        "reason": state.reason,
        "replacement": state.replacement and state.replacement.as_document(),
    }


@pytest.mark.parametrize("name", NAMES)
def test_recall_vector_has_its_outcome(name):
    vector = json.loads((recalls.DATA / f"{name}.json").read_bytes())
    policy = Trust.parse((recalls.DATA / "trust.json").read_bytes()).policy
    if "policy" in vector:
        policy = Policy.parse(documents.encode(vector["policy"]))
    if vector["code"] is not None:
        with pytest.raises(PatchlineError) as caught:
            taken(vector, policy)
        assert caught.value.code == vector["code"] and caught.value.hint
        return
    manifest = Manifest.parse((recalls.DATA / "manifest.json").read_bytes())
    assert said(taken(vector, policy).state(manifest, policy)) == vector["state"]


def test_committed_recall_vectors_are_what_the_generator_makes(tmp_path):
    recalls.write(tmp_path)
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == sorted(path.name for path in recalls.DATA.iterdir()), "run: make vectors"
    _, differing, errors = filecmp.cmpfiles(tmp_path, recalls.DATA, made, shallow=False)
    assert (differing, errors) == ([], []), "run: make vectors"
    assert sum(path.stat().st_size for path in recalls.DATA.iterdir()) < MOST_COMMITTED


def test_every_code_of_the_list_has_a_vector():
    codes = {vector["code"] for vector in recalls.VECTORS.values()}
    generic = {"missing", "type"}
    assert {f"recalls.{code}" for code in RecallListError.hints.keys() - generic} <= codes
