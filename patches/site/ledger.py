"""What was done at a site: the rows of the ledger, and the stacks of layers that follow from them.

- A **layer** is one hotfix applied in one transaction. It covers places (root, path); each place has a stack of
  layers over what stood there at first.
- A layer is active, inactive (another one replaced it) or gone (rolled back). A replaced layer comes back when the one
  that replaced it is rolled back.
- Which hotfixes are active follows from the rows alone; what a layer did to each place stands in the transaction's
  record, whose digest the row holds.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from patchline.patches import documents
from patchline.patches.errors import InstallationError
from patchline.patches.fields import Fields
from patchline.patches.manifest import ABSENT, File, Link, State, read_state
from patchline.patches.site.area import Area, Attributes
from patchline.patches.site.chain import Chain
from patchline.patches.situation import Key, Place

NOTES = ("set", "kept", "preserved", "skipped", "reverted", "aside", "folder")

REFERENCE_LENGTH = 200
"""Characters of a change number."""


@dataclass(frozen=True)
class Change:
    """What a layer did at one place.

    Attributes:
        found: the state before; None for what no manifest can describe (then nothing was done).
        after: the state the layer leaves and expects from then on.
        note: `set` as the manifest says; `kept` an edited config file stayed and `.patchline-new` lies beside it;
            `preserved` it stayed as `--preserve` asked; `skipped` an optional file is not there; `reverted` the place
            belonged to a replaced hotfix only and got back what lies below; `aside` a file laid beside another one;
            `folder` a folder that came or went with the files in it.
    """

    place: Place
    found: State
    after: State
    attributes: Attributes | None
    note: str

    def as_document(self) -> dict[str, Any]:
        """Return the change as it stands in a transaction's record."""
        return {
            "root": self.place[0],
            "path": self.place[1],
            "found": self.found.as_document(),
            "after": self.after.as_document(),
            "attributes": self.attributes and self.attributes.as_document(),
            "note": self.note,
        }

    @classmethod
    def read(cls, fields: Fields) -> "Change":
        """Read what `as_document` wrote."""
        return cls(
            place=(fields.text("root"), fields.text("path", limit=4096)),
            found=read_state(fields.object("found")),
            after=read_state(fields.object("after")),
            attributes=Attributes.read(fields.object("attributes")) if fields.has("attributes") else None,
            note=fields.choice("note", NOTES),
        )


@dataclass
class Layer:
    """One hotfix as it was applied.

    Attributes:
        replaces: digests of the manifests whose layers this one took the place of.
        emergency: it was approved as an emergency only when it was applied.
        reference: the change number that the person gave.
        replaced_by: the layer that took the place of this one.
        gone: it was rolled back.
        cleaned: what it replaced was freed; it cannot be rolled back.
    """

    transaction: str
    number: int
    manifest: str
    hotfix: str
    revision: int
    kind: str
    fixes: tuple[str, ...]
    guidance: tuple[str, ...]
    replaces: tuple[str, ...]
    preserved: tuple[str, ...]
    kept: tuple[str, ...]
    lost: tuple[str, ...]
    time: str
    emergency: bool = False
    reference: str | None = None
    replaced_by: Key | None = None
    gone: bool = False
    cleaned: bool = False

    @property
    def key(self) -> Key:
        """Its transaction and its number there."""
        return self.transaction, self.number

    @property
    def active(self) -> bool:
        """Tell whether it is in force."""
        return not self.gone and self.replaced_by is None

    @property
    def label(self) -> str:
        """Identifier and revision; a star says that files were preserved."""
        return f"{self.hotfix}-r{self.revision}{'*' if self.preserved else ''}"

    def as_document(self) -> dict[str, Any]:
        """Return the layer as it stands in a ledger row."""
        return {
            "manifest": self.manifest,
            "hotfix": self.hotfix,
            "revision": self.revision,
            "kind": self.kind,
            "fixes": list(self.fixes),
            "guidance": list(self.guidance),
            "replaces": list(self.replaces),
            "preserved": list(self.preserved),
            "kept": list(self.kept),
            "lost": list(self.lost),
        }

    @classmethod
    def read(
        cls,
        fields: Fields,
        transaction: str,
        number: int,
        time: str,
        emergencies: Container[str] = (),
        reference: str | None = None,
    ) -> "Layer":
        """Read one layer of an `apply` row."""
        return cls(
            transaction=transaction,
            number=number,
            manifest=fields.sha256("manifest"),
            hotfix=fields.text("hotfix"),
            revision=fields.integer("revision", 1, 10_000),
            kind=fields.text("kind"),
            fixes=fields.texts("fixes"),
            guidance=fields.texts("guidance", limit=2100),
            replaces=fields.texts("replaces"),
            preserved=fields.texts("preserved", limit=5000, most=100_000),
            kept=fields.texts("kept", limit=5000, most=100_000),
            lost=fields.texts("lost"),
            time=time,
            emergency=fields.document["manifest"] in emergencies,
            reference=reference,
        )


@dataclass
class Ledger:
    """The rows, and the layers they add up to, oldest first.

    Attributes:
        ratified: manifests that were applied as an emergency and approved by the ordinary rules since.
    """

    chain: Chain
    records: Area
    layers: list[Layer] = field(default_factory=list)
    ratified: set[str] = field(default_factory=set)
    _by_key: dict[Key, Layer] = field(default_factory=dict)
    _digests: dict[str, str] = field(default_factory=dict)
    _changes: dict[str, list[dict[Place, Change]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for row in self.chain.rows:
            self._take(row)

    def append(self, row: dict[str, Any]) -> None:
        """Add a row, durably, and take it in."""
        self.chain.append(row)
        self._take(row)

    def know(self, transaction: str, layers: Iterable[Iterable[Change]]) -> None:
        """Take in the record of a transaction that this process has written itself."""
        self._changes[transaction] = [{change.place: change for change in changes} for changes in layers]

    @property
    def active(self) -> list[Layer]:
        """The layers in force, in the order they were applied."""
        return [layer for layer in self.layers if layer.active]

    @property
    def present(self) -> list[Layer]:
        """The layers that were not rolled back, replaced ones included."""
        return [layer for layer in self.layers if not layer.gone]

    @property
    def unratified(self) -> list[Layer]:
        """The layers that were approved as an emergency only, and by the ordinary rules not since."""
        return [layer for layer in self.present if layer.emergency and layer.manifest not in self.ratified]

    def outcome(self, transaction: str) -> str | None:
        """Return how a transaction ended: the kind of its row (`apply`, `rollback`, `undone`); None without one."""
        rows = [row for row in self.chain.rows if row.get("transaction") == transaction]
        return str(rows[0]["row"]) if rows else None

    def find(self, transaction: str, number: int) -> Layer:
        """Return a layer by its transaction and its number there.

        Raises:
            InstallationError: the ledger has no such layer.
        """
        try:
            return self._by_key[transaction, number]
        except KeyError:
            raise InstallationError("state", f"the ledger has no layer {number} of {transaction}") from None

    def changes(self, layer: Layer) -> dict[Place, Change]:
        """Return what a layer did, by place.

        Raises:
            InstallationError: the transaction's record is missing or was changed.
        """
        if layer.transaction not in self._changes:
            self._changes[layer.transaction] = self._read_record(layer.transaction)
        return self._changes[layer.transaction][layer.number]

    def _read_record(self, transaction: str) -> list[dict[Place, Change]]:
        try:
            data = self.records.read(f"transactions/{transaction}", 1 << 30)
        except FileNotFoundError:
            raise InstallationError("state", f"the record of transaction {transaction} is missing") from None
        if documents.digest(data) != self._digests[transaction]:
            raise InstallationError("edited", f"the record of transaction {transaction} was changed")
        return read_record(data)

    def needed_objects(self, without: Iterable[Key] = ()) -> set[tuple[str, str]]:
        """Return root and digest of every earlier content that some rollback may need, some layers left out."""
        left_out = set(without)
        return {
            (place[0], change.found.sha256)
            for layer in self.layers
            if not layer.gone and not layer.cleaned and layer.key not in left_out
            for place, change in self.changes(layer).items()
            if isinstance(change.found, File) and change.found != change.after
        }

    def folders_made(self, layers: Iterable[Layer]) -> set[Place]:
        """Return the folders that are there only because of these layers."""
        return {
            place
            for layer in layers
            for place, change in self.changes(layer).items()
            if change.note == "folder" and change.found == ABSENT
        }

    def folders_taken(self) -> dict[Place, Attributes]:
        """Return the folders that hotfixes left empty and took away, with the attributes they had."""
        return {
            place: change.attributes
            for layer in self.present
            for place, change in self.changes(layer).items()
            if change.note == "folder" and change.after == ABSENT and change.attributes is not None
        }

    def stacks(self) -> dict[Place, list[tuple[Layer, Change]]]:
        """Return the layers over each covered place, lowest first; folders and what lies beside are left out."""
        stacks: dict[Place, list[tuple[Layer, Change]]] = {}
        for layer in self.present:
            for place, change in self.changes(layer).items():
                if change.note not in ("aside", "folder"):
                    stacks.setdefault(place, []).append((layer, change))
        return stacks

    def _take(self, row: dict[str, Any]) -> None:
        fields = Fields(row, f"ledger.{row.get('row')}", InstallationError)
        kind = fields.text("row")
        if kind == "apply":
            self._take_apply(fields)
        elif kind == "rollback":
            for entry in fields.objects("layers", most=100_000):
                self._take_rollback(entry.text("transaction"), entry.integer("number", 0, 100_000))
        elif kind == "ratified":
            self.ratified.update(fields.object("manifests").document)
        elif kind == "cleanup":
            cleaned = frozenset(fields.texts("transactions", most=1_000_000))
            for layer in self.layers:
                layer.cleaned = layer.cleaned or layer.transaction in cleaned

    def _take_apply(self, fields: Fields) -> None:
        transaction, time = fields.text("transaction"), fields.text("time")
        self._digests[transaction] = fields.sha256("record")
        emergencies = fields.object("emergencies").document if fields.has("emergencies") else {}
        for number, entry in enumerate(fields.objects("layers", most=10_000)):
            layer = Layer.read(entry, transaction, number, time, emergencies, fields.document.get("reference"))
            for replaced in self.active if layer.replaces else ():
                if replaced.manifest in layer.replaces:
                    replaced.replaced_by = layer.key
            self.layers.append(layer)
            self._by_key[layer.key] = layer

    def _take_rollback(self, transaction: str, number: int) -> None:
        gone = self.find(transaction, number)
        gone.gone = True
        for layer in self.layers if gone.replaces else ():
            if layer.replaced_by == gone.key:
                layer.replaced_by = None


def write_record(layers: list[list[Change]]) -> bytes:
    """Return the record of a transaction: the changes of each of its layers."""
    return documents.encode({"layers": [[change.as_document() for change in changes] for changes in layers]})


def read_record(data: bytes) -> list[dict[Place, Change]]:
    """Read what `write_record` wrote."""
    document = documents.decode(data, what="transaction record", limit=1 << 30)
    return [
        {
            change.place: change
            for change in (Change.read(Fields(entry, "transaction", InstallationError)) for entry in layer)
        }
        for layer in document["layers"]
    ]


def shown(state: State) -> str:
    """Return a state in a few words."""
    if isinstance(state, File):
        return f"file {state.sha256[:12]}{' (executable)' if state.executable else ''}"
    return f"link to {state.target}" if isinstance(state, Link) else type(state).__name__.lower()
