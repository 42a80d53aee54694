"""What would happen, worked out before anything is written: actions, problems all at once, bytes, steps.

A plan follows from the site as it stands and the offered hotfixes; nothing here writes. Its document is canonical
JSON, so the same plan has the same digest, and `--plan` can compare what was reviewed with what would happen now.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from patchline.patches import documents
from patchline.patches.errors import InstallationError, PatchlineError, RefusedError, refuse
from patchline.patches.manifest import File, Manifest, Step
from patchline.patches.relations import decide, decide_rollback
from patchline.patches.site import checks, rights, space
from patchline.patches.site.actions import Action
from patchline.patches.site.layering import Layering
from patchline.patches.site.ledger import Change, Layer
from patchline.patches.site.sketch import Sketch
from patchline.patches.site.survey import Survey
from patchline.patches.site.undoing import Undoing
from patchline.patches.situation import Choices, Decision, Key, NewLayer

_BYTES_PER_SECOND, _FILES_PER_SECOND = 40_000_000, 400
"""A slow disk, for the estimate that a plan shows."""


@dataclass
class Plan:
    """A transaction that was worked out.

    Attributes:
        layers: what is applied, each with its changes by place; empty for a rollback.
        gone: the layers that a rollback takes away.
        contained: hotfixes with nothing to do, each with where it is contained.
        actions: the net effect on the disk.
        steps: what runs, with the manifest each step belongs to.
        notes: what people should know beside the problems.
        spent: root and digest of the objects that go back to their place themselves, and not as a copy.
    """

    operation: str
    head: str
    layers: list[tuple[NewLayer, list[Change]]] = field(default_factory=list)
    gone: list[Layer] = field(default_factory=list)
    contained: list[tuple[Manifest, str]] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    steps: list[tuple[Manifest, Step]] = field(default_factory=list)
    problems: list[PatchlineError] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    bytes_written: int = 0
    spent: frozenset[tuple[str, str]] = frozenset()

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing to do."""
        return not (self.layers or self.gone)

    @property
    def between(self) -> dict[tuple[str, str], File]:
        """By root and digest, what one hotfix of the set brings and a later one replaces: a rollback needs it."""
        on_disk = {(action.place[0], action.before) for action in self.actions}
        changes = (change for _, changes in self.layers for change in changes)
        found = ((change.place[0], change.found) for change in changes if change.found != change.after)
        return {
            (root, state.sha256): state
            for root, state in found
            if isinstance(state, File) and (root, state) not in on_disk
        }

    def require(self) -> None:
        """Refuse when there is a problem, naming all of them."""
        refuse(self.problems)

    def as_document(self) -> dict[str, Any]:
        """Return the plan as scripts and `--plan` read it."""
        return {
            "format": 1,
            "operation": self.operation,
            "ledger": self.head,
            "manifests": [layer.manifest.digest for layer, _ in self.layers],
            "gone": [layer.manifest for layer in self.gone],
            "replaces": [[item.manifest.digest for item in layer.replaces] for layer, _ in self.layers],
            "contained": [[manifest.label, where] for manifest, where in self.contained],
            "changes": [[change.as_document() for change in changes] for _, changes in self.layers],
            "actions": [_touched(action) for action in self.actions],
            "steps": [
                {"hotfix": manifest.label, "id": step.id, "phase": step.phase, "script": step.script, "root": step.root}
                for manifest, step in self.steps
            ],
            "guidance": self.guidance,
            "bytes": self.bytes_written,
            "seconds": self.seconds,
            "problems": [problem.as_document() for problem in self.problems],
            "notes": self.notes,
        }

    @property
    def digest(self) -> str:
        """The SHA-256 of the plan's document."""
        return documents.digest(documents.encode(self.as_document()))

    @property
    def guidance(self) -> list[str]:
        """What has to be done afterwards, each once."""
        texts = [text for layer, _ in self.layers for text in layer.manifest.guidance]
        texts += [text for layer in self.gone for text in layer.guidance]
        return list(dict.fromkeys(text for text in texts if text != "none"))

    @property
    def seconds(self) -> int:
        """A cautious estimate; steps may take up to their time limits on top."""
        return 1 + self.bytes_written // _BYTES_PER_SECOND + len(self.actions) // _FILES_PER_SECOND


def _touched(action: Action) -> dict[str, Any]:
    return {"path": action.name, "before": action.before.as_document(), "after": action.after.as_document()}


def plan_apply(survey: Survey, offered: Iterable[Manifest], choices: Choices, *, root_steps: bool) -> Plan:
    """Work out what applying hotfixes as one transaction would do."""
    offered = list(offered)
    survey.will_cover(entry.place for manifest in offered for entry in manifest.files)
    decision = decide(offered, survey.situation, choices)
    plan = Plan("apply", survey.ledger.chain.head, contained=decision.contained, notes=list(decision.warnings))
    plan.problems = _decided(offered, decision, survey)
    sketch = Sketch(survey)
    layering = Layering(sketch)
    for layer in decision.layers:
        plan.layers.append((layer, layering.put_on(layer)))
    plan.steps = [(layer.manifest, step) for layer, _ in plan.layers for step in _wanted(layer.manifest, "apply")]
    plan.notes += layering.notes
    payload = {
        (entry.root, entry.post.sha256)
        for layer, _ in plan.layers
        for entry in layer.manifest.files
        if isinstance(entry.post, File)
    }
    _finish(plan, sketch, payload, root_steps=root_steps)
    return plan


def plan_rollback(survey: Survey, keys: list[Key], *, root_steps: bool, accept_irreversible: bool) -> Plan:
    """Work out what rolling layers back as one transaction would do."""
    layers = [layer for layer in reversed(survey.ledger.layers) if layer.key in keys]
    plan = Plan("rollback", survey.ledger.chain.head, gone=layers)
    plan.problems = decide_rollback(keys, survey.situation)
    sketch = Sketch(survey)
    undoing = Undoing(sketch, layers)
    manifests = {item.key: item.manifest for item in survey.situation.installed}
    for layer in layers:
        manifest = manifests[layer.key]
        plan.problems += _not_reversible(layer, manifest, accepted=accept_irreversible)
        plan.steps += [(manifest, step) for step in _wanted(manifest, "rollback")]
        undoing.take_off(layer, manifest)
    plan.problems += undoing.problems
    plan.notes += undoing.notes
    plan.spent = _spent(sketch.actions(), survey, plan)
    _finish(plan, sketch, set(), root_steps=root_steps)
    return plan


def _spent(actions: list[Action], survey: Survey, plan: Plan) -> frozenset[tuple[str, str]]:
    """Return the objects that one place alone takes back and nothing needs afterwards, each a second name of its file.

    None where a step runs in between: what it writes into such a file would be missing should the rollback be undone.
    """
    if plan.steps:
        return frozenset()
    needed = survey.ledger.needed_objects(layer.key for layer in plan.gone)
    coming = [action for action in actions if isinstance(action.after, File)]
    uses = Counter((action.place[0], action.after.sha256) for action in coming if isinstance(action.after, File))
    ours = {
        (action.place[0], action.after.sha256)
        for action in coming
        if isinstance(action.after, File)
        and action.linkable
        and action.after_attributes is not None
        and rights.only_ours(action.after_attributes)
    }
    return frozenset(key for key in ours - needed if uses[key] == 1)


def _decided(offered: list[Manifest], decision: Decision, survey: Survey) -> list[PatchlineError]:
    """Return the refusals; a root that this site lacks is told once, not for each path in it."""
    unknown = sorted({entry.root for manifest in offered for entry in manifest.files} - survey.site.roots.keys())
    if not unknown:
        return decision.problems
    return [
        *(
            InstallationError("root-missing", f"the hotfix changes root {name!r}, which is not here")
            for name in unknown
        ),
        *(problem for problem in decision.problems if problem.code != "installation.special-file"),
    ]


def _wanted(manifest: Manifest, operation: str) -> list[Step]:
    return [step for step in manifest.steps if step.on in (operation, "both")]


def _not_reversible(layer: Layer, manifest: Manifest, *, accepted: bool) -> list[PatchlineError]:
    problems: list[PatchlineError] = []
    if layer.cleaned:
        problems.append(
            InstallationError("cleaned", f"what {layer.label} replaced was freed by cleanup; it cannot be rolled back")
        )
    if not accepted and any(step.irreversible for step in manifest.steps):
        problems.append(RefusedError("irreversible", f"{layer.label} has steps that cannot be undone"))
    return problems


def _finish(plan: Plan, sketch: Sketch, payload: set[tuple[str, str]], *, root_steps: bool) -> None:
    """Add the actions, and everything that stands in the way of them."""
    site, plan.actions = sketch.survey.site, sketch.actions()
    plan.bytes_written = space.bytes_written(plan.actions, plan.spent)
    problems = [
        *plan.problems,
        *sketch.check(),
        *checks.folder_problems(site, plan.actions),
        *checks.attribute_problems(plan.actions),
        *checks.content_problems(site, plan.actions, payload),
        *checks.step_problems(plan.steps, root_steps=root_steps),
        *space.missing(space.needs_of_actions(site, plan.actions, plan.between, plan.spent)),
    ]
    plan.problems = list({(problem.code, problem.message): problem for problem in problems}.values())
