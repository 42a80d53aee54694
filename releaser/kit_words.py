"""What people read in a kit: its `README.txt`. Never evidence; the client reads none of it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from patchline.patches import channel
from patchline.patches.site.offers import Offer
from patchline.patches.statements import time_text
from patchline.patches.wording import readable_size

_CLIENT = channel.CLIENT.rpartition("/")[2]


def readme(products: Sequence[str], releases: Iterable[Offer], made: datetime, expires: datetime, client: bool) -> str:
    """Return the `README.txt` of a kit.

    Args:
        products: what it is for.
        releases: what is in it.
        made: when.
        expires: when the first part of it expires.
        client: whether the client lies in it.
    """
    lines = [
        f"HOTFIXES FOR {', '.join(products)}",
        "",
        f"Made {time_text(made)}, good until {time_text(expires)}.",
        "KIT below is this folder, or the zip that it came as.",
        "",
        "THREE COMMANDS, on the machine of the installation",
        "",
        "    patchline-site fetch --from KIT",
        "    patchline-site plan KIT",
        "    patchline-site apply KIT",
        "",
        "The first takes in which hotfixes were recalled and shows what is new for this installation. The second",
        "shows every change and every problem, and writes nothing. The third applies; `patchline-site rollback ID`",
        "takes a hotfix back at any time.",
        "",
        "The client that is installed does this, and believes nothing for lying here: a person has to trust neither",
        "the stick nor whoever carried it. An older kit than the last one is refused. A kit that has expired is",
        "refused too, until a person goes on with --accept-stale-until DATE, which is recorded.",
        "",
        "AFTERWARDS",
        "",
        "    patchline-site report --out report.json",
        "",
        "and hand report.json to us: the next kit then holds only what is missing.",
        "",
        "WHAT IS IN IT",
        "",
        *(_release(offer) for offer in releases),
        "policy and recalls of the products, and the newest checkpoint of our audit chain",
        "",
        *(_client() if client else []),
        "A kit never holds a trust file. Never take one from a stick without comparing its fingerprint another way.",
        "",
    ]
    return "\n".join(lines)


def _release(offer: Offer) -> str:
    manifest = offer.verified.manifest if offer.verified else None
    told = f": {manifest.title} ({manifest.severity})" if manifest else ""
    return f"{offer.label}{told}, {readable_size(offer.target.size)}"


def _client() -> list[str]:
    return [
        "THE CLIENT",
        "",
        f"{_CLIENT} is data to the installed client: it says when it is newer and signed by our release key.",
        "For a first installation compare the fingerprint of release.pem another way, then:",
        "",
        f"    openssl dgst -sha256 -verify release.pem -signature {_CLIENT}.sha256.sig {_CLIENT}.sha256 \\",
        f"        && sha256sum -c {_CLIENT}.sha256",
        "",
    ]
