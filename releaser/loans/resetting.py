"""The owner's reset hook `HOME/setups/SETUP/_reset`, run when a loan is back; no endpoint can have that name."""

from pathlib import Path

from patchline.patches.errors import PatchlineError
from patchline.releaser.setups.targets import scripts
from patchline.releaser.setups.targets.outcomes import Outcome
from patchline.vault.setups import Login

HOOK = "_reset"
DONE, FAILED = "done", "failed"


def run(home: Path, setup: str, loan: str) -> str | None:
    """Run the hook with the word `reset`; return how it ended, None where there is none."""
    try:
        script = scripts.script_of(home, setup, HOOK)
    except PatchlineError:
        return FAILED
    if script is None:
        return None
    told = Login(loan, "reset")
    return DONE if scripts.ask(script, "reset", setup, told) is Outcome.WORKS else FAILED
