"""Every bound on what a bundle may be, in one frozen object (format 1)."""

from dataclasses import dataclass

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """Sizes in bytes, counts in items."""

    manifest: int = 64 * MIB
    """`manifest.json`, and any other canonical JSON document read whole."""
    manifest_unsigned: int = MIB
    """A larger manifest is looked into only when a builder's signature names its digest."""
    depth: int = 32
    """Nesting of JSON."""
    light: int = 4000
    bytes_per_weight: int = 4
    """JSON in which `[` and `{` weigh 4 and a comma weighs 1 weighs no more than `light` and 1 for so many bytes."""
    entries: int = 100_000
    """Members of the payload, and entries of `files`."""
    file: int = 8 * GIB - 1
    """One member: what eleven octal digits of a ustar header hold."""
    payload_inflated: int = 32 * GIB
    payload_packed: int = 8 * GIB - 1
    sidecar: int = 4 * MIB
    envelopes: int = 64
    """Lines of one sidecar."""
    path: int = 1024
    component: int = 255
    key_file: int = 64 * KIB
    trust_file: int = 64 * MIB
    baseline_entries: int = 1_000_000
    """Paths of one root in the list of a baseline."""


LIMITS = Limits()
