"""`patchline contains`: which baselines hold a file or component."""

from typing import Any

import click

from patchline.patches.terminal import example, json_option, report
from patchline.patches.wording import counted
from patchline.releaser.catalogue import the_product
from patchline.releaser.commands.options import home_option, the_register
from patchline.releaser.contains import Answer, Place, understand
from patchline.releaser.contains import contains as ask


@click.command(
    "contains",
    epilog=example(
        "patchline contains log4j-core",
        "patchline contains pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1 --product shop",
    ),
)
@click.argument("asked", metavar="NAME|SHA256|PURL")
@click.option("--product", metavar="P", help="Only baselines of this product.")
@home_option
@json_option
def contains(asked: str, product: str | None) -> None:
    """Find a file, class or component in all baselines, also within archives: by name, SHA-256 or package URL."""
    question = understand(asked)
    with the_register() as register, register.read() as session:
        if product:
            the_product(session, product)
        answer = ask(session, question, product)
    report(_document(answer), "\n".join(_lines(answer)))


def _document(answer: Answer) -> dict[str, Any]:
    return {
        "asked": answer.question.asked,
        "places": [place.as_document() for place in answer.places],
        "without": [{"product": one.product, "baseline": one.label} for one in answer.without],
        "sources_only": [{"product": one.product, "baseline": one.label} for one in answer.sources_only],
        "not_looked_into": [one.as_document() for one in answer.unread],
        "cut": answer.cut,
    }


def _lines(answer: Answer) -> list[str]:
    lines: list[str] = []
    groups: dict[tuple[str, str], list[Place]] = {}
    for place in answer.places:
        groups.setdefault((place.product, place.baseline), []).append(place)
    for (product, label), places in groups.items():
        lines.append(click.style(f"{product} {label}", bold=True))
        lines += [f"  {place.version or '?':<12}  {place.path}{_known_by(place)}" for place in places]
    if answer.cut:
        lines.append(f"and more: only the first {counted(len(answer.places), 'place')} are listed")
        return lines
    if answer.without:
        names = ", ".join(f"{one.product} {one.label}" for one in answer.without)
        lines.append(f"not in the index of {counted(len(answer.without), 'baseline')}: {names}")
    if answer.sources_only:
        lines.append(
            f"source code alone is in the index of {counted(len(answer.sources_only), 'baseline')} of these, not the"
            " libraries that a build takes in (baseline add --artefacts)"
        )
    lines += [f"not looked into: {one.product} {one.baseline} {one.path}: {one.told}" for one in answer.unread]
    return lines or ["the register has no baselines yet: patchline baseline add"]


def _known_by(place: Place) -> str:
    return f"  ({place.component})" if place.component else ""
