"""Applying and rolling back: one journalled transaction that ends wholly before or wholly after.

    stage, check, plan → keep earlier contents → begin → symptom, stop steps → FORWARD
    → changes below the roots (`placing`) → check every place → start steps, health
    → ledger row → PATCHLEVEL, tidy → DONE

- Before FORWARD nothing in a root but `.patchline` was touched: a failure or a signal drops staging and starts again
  what was stopped.
- After FORWARD a failure goes BACKWARD: every place gets back its earlier content and attributes.
- The ledger row ends it: from then on nothing is undone, and what is left is tidying.
- `recover` continues whatever a crash left, with the same functions; each action looks first whether it is done.
"""

import contextlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from patchline.patches import documents
from patchline.patches.errors import HealthError, InstallationError, PatchlineError
from patchline.patches.manifest import File, Manifest, Step
from patchline.patches.site import staging
from patchline.patches.site.inventory import write_patch_level
from patchline.patches.site.journal import Journal, check_heads
from patchline.patches.site.ledger import Change, Layer, write_record
from patchline.patches.site.placing import Known, Placing
from patchline.patches.site.plan import Plan
from patchline.patches.site.state import Site
from patchline.patches.site.steps import StepResult, read_script, run_step
from patchline.patches.site.survey import Survey
from patchline.patches.situation import NewLayer, place_name
from patchline.patches.stopping import Stopped, finishing

_OUTCOMES = {"apply": "applied", "rollback": "rolled-back", "undone": "undone"}
_ROWS_TO_COME = 16 << 10
"""Bytes of the rows that journal and ledger get after `begin`, the transaction's own row left out."""


@dataclass
class Result:
    """How a transaction ended."""

    outcome: str
    """`applied`, `rolled-back`, `undone` or `nothing`."""
    transaction: str | None = None
    notes: list[str] = field(default_factory=list)
    stopped: Stopped | None = None
    """The signal that came while it had to be finished."""


Progress = Callable[[str], None]


def quiet(_: str) -> None:
    """Report no progress."""


class Installation:
    """An opened and locked site that can be changed. Every method leaves it whole, or recoverable."""

    def __init__(self, site: Site, now: datetime, progress: Progress = quiet) -> None:
        """Read ledger and journal.

        Raises:
            InstallationError: one of them was changed by something else.
        """
        self.site, self.now = site, now
        self.ledger = site.ledger()
        self.journal = Journal(site)
        check_heads(self.journal, self.ledger)
        self._progress = progress
        self._notes: list[str] = []

    def _tell(self, text: str) -> None:
        """Report progress; a terminal that is gone is no reason to stop."""
        with contextlib.suppress(OSError, ValueError):
            self._progress(text)

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._tell(text)

    # What people ask for

    def execute(
        self, plan: Plan, survey: Survey, facts: dict[str, Any], staged: staging.Stamps | None = None
    ) -> Result:
        """Carry a plan out.

        Args:
            plan: without problems.
            survey: what the plan was made from.
            facts: what else the ledger's row says (reference, accepted losses).
            staged: what was staged for it.

        Raises:
            PatchlineError: it was undone and the site is as before; with the code `unfinished`, the next command
                has to go on.
            OSError: the disk failed; it was undone.
        """
        plan.require()
        transaction = f"{self.now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self._notes = list(plan.notes)
        result = Result(_OUTCOMES[plan.operation], transaction, self._notes)
        known = Known({action.place: survey.found(action.place).stamp for action in plan.actions}, staged or {})
        placing = Placing(self.site, plan.actions, self._note, known)
        try:
            self.journal.begin(self._prepare(plan, survey, known.staged, transaction, facts))
            self._symptoms(plan)
            self._steps("stop", plan.steps)
            self._finishing(result, lambda: self._decide(plan.steps, placing))
        except BaseException:
            self._drop_undecided(plan.steps)
            raise
        return result

    def recover(self) -> Result:
        """Finish or undo what a crash left; also clears what was staged for nothing."""
        self.journal.doubt()
        self.ledger.chain.doubt()
        self.site.disk.sync()
        if not self.journal.under_way:
            if staging.remains(self.site):
                self._tidy()
            return Result("nothing")
        self._notes = []
        result = Result("undone", str(self.journal.begun["transaction"]), self._notes)
        self._finishing(result, lambda: self._resume(result))
        return result

    def _finishing(self, result: Result, work: Callable[[], None]) -> None:
        """Let no signal stop the work; one that came is told in the result."""
        try:
            with finishing():
                work()
        except Stopped as stop:
            result.stopped = stop

    def _resume(self, result: Result) -> None:
        begun = self.journal.begun
        if ended := self.ledger.outcome(begun["transaction"]):
            result.outcome = _OUTCOMES[ended]
            self._close(ended)
            return
        steps = self._stored_steps(begun)
        if self.journal.has("backward"):
            self._undo(steps, self.journal.reason)
        elif self.journal.has("forward"):
            result.outcome = _OUTCOMES[begun["operation"]]
            self._decide(steps, Placing(self.site, self.journal.actions(), self._note))
        elif Placing(self.site, self.journal.actions(), self._note).begun():
            # Nothing is touched before FORWARD is durable: the journal has lost rows since.
            self._note("the journal has lost its last rows; what was changed is undone")
            self.journal.record("backward", reason="journal")
            self._undo(steps, "journal")
        else:
            self._drop(steps)

    # Before FORWARD

    def _prepare(
        self, plan: Plan, survey: Survey, stamps: staging.Stamps, transaction: str, facts: dict[str, Any]
    ) -> dict[str, Any]:
        """Keep earlier contents, stage the new ones, store what must outlive the bundle; all durable at the end."""
        site, disk = self.site, self.site.disk
        record = write_record([changes for _, changes in plan.layers])
        row = self._row(plan, transaction, record, facts)
        # First, so that whatever a crash leaves of this is found by it; it also keeps room for the rows to come.
        staged = site.state, f"{staging.SCRIPTS}/{transaction}"
        disk.write_file(*staged, [record])
        disk.write_file(site.state, f"{staging.SCRIPTS}/room", [bytes(len(documents.encode(row)) + _ROWS_TO_COME)])
        self._tell("keeping earlier contents")
        made = staging.save_earlier(site, plan.actions, survey.found)
        staging.keep_between(site, plan.between)
        self._tell("preparing new contents")
        staging.Staged(site, plan.actions, stamps).prepare(plan.actions, plan.spent)
        if plan.layers:
            disk.rename(staged, (site.state, f"transactions/{transaction}"))
            self.ledger.know(transaction, (changes for _, changes in plan.layers))
        for layer, _ in plan.layers:
            self._store(layer.manifest)
        for _, step in plan.steps:
            read_script(site, step)
        disk.sync()
        return {
            "transaction": transaction,
            "operation": plan.operation,
            "head": self.ledger.chain.head,
            "actions": [action.as_document() for action in plan.actions],
            "objects": [list(item) for item in made],
            "steps": [[manifest.digest, step.id] for manifest, step in plan.steps],
            "ledger": row,
        }

    def _store(self, manifest: Manifest) -> None:
        """Keep a manifest and its scripts in the state folder, under their digests."""
        disk, state = self.site.disk, self.site.state
        path = f"manifests/{manifest.digest}"
        if self.site.read_document(path) == manifest.data:
            disk.doubt(state, path)
        else:
            disk.replace(state, path, manifest.data)
        for script in manifest.scripts:
            staged, kept = f"{staging.SCRIPTS}/{script.sha256}", f"scripts/{script.sha256}"
            if isinstance(state.look(staged, content=False).state, File):
                disk.rename((state, staged), (state, kept))
            else:
                disk.doubt(state, kept)

    def _row(self, plan: Plan, transaction: str, record: bytes, facts: dict[str, Any]) -> dict[str, Any]:
        row = {"row": plan.operation, "transaction": transaction, "time": self.now.isoformat(timespec="seconds")}
        if plan.operation == "rollback":
            gone = [{"transaction": layer.transaction, "number": layer.number} for layer in plan.gone]
            return {**row, "layers": gone, "notes": plan.notes, **facts}
        layers = [new_layer(layer, changes, transaction).as_document() for layer, changes in plan.layers]
        return {**row, "layers": layers, "record": documents.digest(record), **facts}

    def _drop_undecided(self, steps: list[tuple[Manifest, Step]]) -> None:
        """Undo what came before FORWARD, whatever stopped it; where that fails, the next command does it."""
        if self.journal.decided:
            return
        try:
            with finishing():
                self._drop(steps)
        except (OSError, PatchlineError) as error:
            self._note(f"{error}: run `patchline-site recover` when that is mended")

    def _drop(self, steps: list[tuple[Manifest, Step]]) -> None:
        """Undo what came before FORWARD: start what was stopped, empty staging, drop objects made."""
        if self.journal.under_way and self._reached("stop", steps):
            self._again("start", steps)
        self._tidy()
        if self.journal.under_way:
            self.journal.done(self.ledger)

    # Steps

    def _stored_steps(self, begun: dict[str, Any]) -> list[tuple[Manifest, Step]]:
        manifests = {digest: self.site.manifest(digest) for digest, _ in begun["steps"]}
        return [
            (manifests[digest], next(step for step in manifests[digest].steps if step.id == name))
            for digest, name in begun["steps"]
        ]

    def _symptoms(self, plan: Plan) -> None:
        """Ask whether the bug shows before a hotfix for it is applied; note where it does not."""
        for manifest, step in plan.steps if plan.operation == "apply" else ():
            if step.phase == "symptom" and not run_step(self.site, step, plan.operation).ok:
                self._note(f"step {step.id} of {manifest.label}: the bug does not show here")

    def _steps(self, phase: str, steps: list[tuple[Manifest, Step]]) -> None:
        """Run the steps of a phase that have not ended yet.

        Raises:
            InstallationError: a stop or start step failed, or one that must not run twice may have run.
            HealthError: a health step failed.
        """
        for manifest, step in steps:
            if step.phase == phase:
                self._step(phase, manifest, step)

    def _step(self, phase: str, manifest: Manifest, step: Step) -> None:
        state = self.journal.step_state(phase, manifest.digest, step.id)
        if state == "ended":
            return
        if state == "begun" and not step.idempotent:
            raise InstallationError("step", f"step {step.id} was cut off and must not run twice")
        result = self._run(phase, manifest, step)
        if not result.ok:
            shown = f"step {step.id} of {manifest.label} {result}"
            raise HealthError("failed", shown) if phase == "health" else InstallationError("step", shown)

    def _run(self, phase: str, manifest: Manifest, step: Step) -> StepResult:
        self._tell(f"step {step.id}")
        facts = {"phase": phase, "manifest": manifest.digest, "step": step.id}
        self.journal.record("step", state="begun", **facts)
        result = run_step(self.site, step, str(self.journal.begun["operation"]))
        self.journal.record("step", state="ended" if result.ok else "failed", **facts)
        return result

    def _reached(self, phase: str, steps: list[tuple[Manifest, Step]]) -> bool:
        """Tell whether any step of a phase began."""
        return any(self.journal.step_state(phase, manifest.digest, step.id) for manifest, step in steps)

    def _again(self, phase: str, steps: list[tuple[Manifest, Step]]) -> None:
        """Stop or start on the way back, as far as it can be; what fails is left to the person."""
        for manifest, step in steps:
            if step.phase == phase:
                shown = f"step {step.id} of {manifest.label}"
                if not step.idempotent and self.journal.step_state(phase, manifest.digest, step.id) == "begun":
                    self._note(f"{shown} was cut off and must not run twice: see to what it does")
                    continue
                try:
                    result = run_step(self.site, step, "recover")
                    if not result.ok:
                        self._note(f"{shown} {result}")
                except InstallationError as error:
                    self._note(f"{shown}: {error}")

    # From FORWARD on

    def _decide(self, steps: list[tuple[Manifest, Step]], placing: Placing) -> None:
        """Go forward to the ledger row, or back."""
        try:
            if not self.journal.has("forward"):
                self.journal.record("forward")
            self._forward(steps, placing)
        except (PatchlineError, OSError) as error:
            if not _unfinished(error):
                self._back(steps, error)
            raise
        self._close(self.journal.begun["operation"])

    def _forward(self, steps: list[tuple[Manifest, Step]], placing: Placing) -> None:
        self._tell("changing files")
        placing.forward()
        self._tell("checking")
        placing.check()
        self._steps("start", steps)
        self._steps("health", steps)
        staging.clear(self.site)
        self.ledger.append(self.journal.begun["ledger"])

    def _back(self, steps: list[tuple[Manifest, Step]], error: PatchlineError | OSError) -> None:
        reason = error.code if isinstance(error, PatchlineError) else "disk"
        try:
            with contextlib.suppress(OSError):  # It only makes room for the rows to come; tidying comes at the end.
                staging.clear(self.site)
            self.journal.record("backward", reason=reason)
            self._undo(steps, reason)
        except (PatchlineError, OSError) as worse:
            if _unfinished(worse):
                raise
            raise InstallationError("unfinished", f"{error}; it cannot be undone now: {worse}") from None

    def _undo(self, steps: list[tuple[Manifest, Step]], reason: str) -> None:
        """Give every place its earlier content back, whatever was reached."""
        self._tell("undoing")
        begun = self.journal.begun
        if self._reached("start", steps):
            self._again("stop", steps)
        Placing(self.site, self.journal.actions(), self._note).back(
            {(root, digest) for root, digest in begun["objects"]}
        )
        self._again("start", steps)
        row = {"row": "undone", "transaction": begun["transaction"], "operation": begun["operation"], "reason": reason}
        self.ledger.append({**row, "time": self.now.isoformat(timespec="seconds")})
        self._close("undone")

    def _close(self, ended: str) -> None:
        """Do what is left once the ledger tells how the transaction ended."""
        try:
            if ended != "undone":
                write_patch_level(self.site, self.ledger, self.now)
            self._tidy()
            self.journal.done(self.ledger)
        except OSError as error:
            raise InstallationError("unfinished", f"{_OUTCOMES[ended]}, but tidying failed: {error}") from None

    def _tidy(self) -> None:
        """Empty staging, and drop the objects and records that nothing can need any more."""
        staging.clear(self.site)
        needed = self.ledger.needed_objects()
        staging.drop_objects(self.site, [item for item in staging.objects(self.site) if item not in needed])
        known = {layer.transaction for layer in self.ledger.layers}
        for name in self.site.state.names("transactions"):
            if name not in known:
                self.site.disk.unlink(self.site.state, f"transactions/{name}")


def _unfinished(error: BaseException) -> bool:
    return isinstance(error, PatchlineError) and error.code == "installation.unfinished"


def new_layer(layer: NewLayer, changes: Iterable[Change], transaction: str) -> Layer:
    """Return a layer as the ledger will have it."""
    names: dict[str, list[str]] = {"preserved": [], "kept": []}
    for change in changes:
        if change.note in names:
            names[change.note].append(place_name(change.place))
    manifest = layer.manifest
    return Layer(
        transaction=transaction,
        number=0,
        manifest=manifest.digest,
        hotfix=manifest.hotfix,
        revision=manifest.revision,
        kind=manifest.kind,
        fixes=tuple(sorted(manifest.full_fixes)),
        guidance=manifest.guidance,
        replaces=tuple(item.manifest.digest for item in layer.replaces),
        preserved=tuple(sorted(names["preserved"])),
        kept=tuple(sorted(names["kept"])),
        lost=tuple(layer.lost),
        time="",
    )
