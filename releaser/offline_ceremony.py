"""What is left to do once a home is made: the ceremony of the keys that never come near the server, as exact commands."""

from dataclasses import dataclass

OFFLINE = ("offline-1", "offline-2", "offline-3")
_POLICY = (
    "patchline trust policy --product PRODUCT --builder bob=bob.pem --approver ada=ada.pem --approver ben=ben.pem "
    "--release release.pem --threshold 2 --out policy.json"
)
_EACH = "on a machine of their own"


@dataclass(frozen=True)
class Step:
    """A step of the ceremony.

    Attributes:
        who: who does it, and where.
        commands: as they are typed; PRODUCT, URL and the like are filled in by people.
    """

    who: str
    commands: tuple[str, ...]


def steps() -> tuple[Step, ...]:
    """Return the ceremony in its order."""
    offline = " ".join(f"--key {name}.pem" for name in OFFLINE)
    made = ("root.json", "kit-root.json", "targets.json", "policy.json")
    return (
        Step(f"Three holders of offline keys, each {_EACH} that is not this server", _new_keys(*OFFLINE)),
        Step(f"Builder, approvers, keeper of the release key, each {_EACH}", _new_keys("bob", "ada", "ben", "release")),
        Step(
            "One of the three, with everybody's .pem and with online.pem and kit.pem from this server",
            (
                f"patchline trust root {offline} --threshold 2 --online online.pem --out root.json",
                f"patchline trust root {offline} --threshold 2 --kit kit.pem --out kit-root.json",
                "patchline trust targets --root root.json --publisher online.pem --status online.pem --out targets.json",
                _POLICY,
            ),
        ),
        Step(
            "Two of the three, one after the other; for each new key one --fingerprint, as its person read it out",
            tuple(f"patchline trust sign {name} --key {OFFLINE[0]}" for name in made),
        ),
        Step(
            "Here, with the signed files",
            (
                "patchline channel root root.json kit-root.json targets.json",
                "patchline product add PRODUCT",
                "patchline product policy PRODUCT policy.json",
            ),
        ),
        Step(
            "For each site, handed over once by a trusted way and compared by its fingerprint",
            ("patchline trust file --root root.json --policy policy.json --channel URL --out PRODUCT.trust",),
        ),
    )


def words() -> list[str]:
    """Return the ceremony as lines for people."""
    lines = ["What is left is done with keys that never come to this server:"]
    for number, step in enumerate(steps(), 1):
        lines += [f"{number}. {step.who}:", *(f"     {command}" for command in step.commands)]
    return lines


def _new_keys(*names: str) -> tuple[str, ...]:
    return tuple(
        command
        for name in names
        for command in (f"patchline key new {name}", f"patchline key public {name} > {name}.pem")
    )
