"""The one table of what the API has: each of its resources is a command, under an address.

So nothing is written twice: the API answers with the document that the command prints with `--json`, its parameters are
the command's own, and `patchline --server` asks for a command by the same table. What a command may not do from afar,
such as reading a file of the server, it cannot be asked for: a parameter that names a path is an upload, or stays with
the caller.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from patchline.releaser.access.tokens import Scope

_VARIABLE = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True)
class Door:
    """A command that can be asked for from afar.

    Attributes:
        words: the command, without the program.
        method, at: of its address; a variable of it is `{name}`, or `{name:parameter}` where the command's differs.
        keys: members that its document always has; none where it is a list.
        uploads: parameters that name files: their content is sent.
        local: parameters that the caller's own machine obeys.
        fixed: flags that are always on here.
        withheld: parameters that are not to be had from afar.
        beside: what the names of files have at their end that are sent with an upload.
        secret: what it answers is kept nowhere, not even for a request that is sent again.
    """

    words: str
    method: str
    at: str
    keys: tuple[str, ...] = ()
    uploads: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    fixed: frozenset[str] = frozenset()
    withheld: frozenset[str] = frozenset()
    beside: tuple[str, ...] = ()
    secret: bool = False

    @property
    def scope(self) -> Scope:
        """What a token must be good for."""
        if self.words == "report import":
            return Scope.REPORT
        return Scope.READ if self.method == "GET" else Scope.WRITE

    @property
    def address(self) -> str:
        """The address, with its variables as OpenAPI writes them."""
        return _VARIABLE.sub(r"{\1}", self.at)

    @property
    def rule(self) -> str:
        """The address, with its variables as Flask writes them."""
        return _VARIABLE.sub(r"<\1>", self.at)

    @property
    def variables(self) -> Mapping[str, str]:
        """Names of the address's variables, by the parameters of the command that they are."""
        return {found[2] or found[1]: found[1] for found in _VARIABLE.finditer(self.at)}

    @property
    def subject(self) -> str:
        """What it is about: the first word of its address."""
        return self.at.split("/")[1]


def _files(*names: str) -> dict[str, Any]:
    return {"uploads": frozenset(names)}


_REVISION = ("hotfix", "revision", "state")

DOORS: tuple[Door, ...] = (
    # Who has what
    Door("customer list", "GET", "/customers", ("customers", "after")),
    Door("customer add", "POST", "/customers", ("customer", "title")),
    Door("customer show", "GET", "/customers/{customer:id_}", ("customer", "title", "sites")),
    Door("customer contact", "POST", "/customers/{customer:id_}/contacts"),
    Door("customer people", "GET", "/customers/{customer:id_}/people"),
    Door("customer invite", "POST", "/customers/{customer:id_}/people", secret=True),
    Door("customer dismiss", "DELETE", "/customers/{customer:id_}/people/{address}"),
    Door("site list", "GET", "/sites", ("sites", "after")),
    Door("site add", "POST", "/sites", ("site", "customer")),
    Door("site show", "GET", "/sites/{site:name}", ("site", "customer", "known", "keys")),
    Door("site enrol", "POST", "/sites/{site:name}/keys", ("site",), **_files("take"), secret=True),
    Door("site facets", "PATCH", "/sites/{site:name}/facets"),
    Door("site tell", "POST", "/sites/{site:name}/told"),
    Door("site diff", "GET", "/sites/{site:first}/differences/{other:second}"),
    Door("site accept-restore", "POST", "/sites/{site:name}/restored"),
    Door("site split", "POST", "/sites/{site:name}/split"),
    Door("history", "GET", "/sites/{site}/history", local=frozenset({"out"})),
    Door("loses", "GET", "/sites/{site}/losses", ("site", "to", "fixes")),
    Door("event add", "POST", "/sites/{site}/events"),
    Door("level", "GET", "/levels/{name}"),
    Door("entitlement list", "GET", "/entitlements", ("entitlements", "after")),
    Door("entitlement add", "POST", "/entitlements"),
    Door("entitlement end", "DELETE", "/entitlements/{number}"),
    Door("report import", "POST", "/reports", ("reports", "enrolled", "counts"), **_files("files")),
    Door("who lacks", "GET", "/fleet/lacks"),
    Door("who has", "GET", "/fleet/has"),
    Door("who downloaded", "GET", "/fleet/downloaded"),
    Door("who exposed", "GET", "/fleet/exposed"),
    Door("who recalled", "GET", "/fleet/recalled"),
    # What there is
    Door("product list", "GET", "/products"),
    Door("baseline list", "GET", "/baselines"),
    Door("baseline show", "GET", "/products/{product}/baselines/{version:label}", withheld=frozenset({"out"})),
    Door("contains", "GET", "/contains"),
    Door("issue list", "GET", "/issues"),
    Door("issue add", "POST", "/issues"),
    Door("issue show", "GET", "/issues/{issue:identifier}"),
    Door("issue mark", "POST", "/issues/{issue:identifier}/marks"),
    # Hotfixes and their way out
    Door("hotfix list", "GET", "/hotfixes", ("hotfixes", "after")),
    Door("hotfix new", "POST", "/hotfixes", _REVISION),
    Door("hotfix show", "GET", "/hotfixes/{hotfix:identifier}", local=frozenset({"save"})),
    Door("hotfix edit", "PATCH", "/hotfixes/{hotfix:identifier}", _REVISION),
    Door(
        "hotfix evidence",
        "POST",
        "/hotfixes/{hotfix:identifier}/evidence",
        **_files("files"),
        withheld=frozenset({"statement"}),
    ),
    Door("hotfix submit", "POST", "/hotfixes/{hotfix:identifier}/submission", _REVISION, **_files("provenance")),
    Door("hotfix approve", "POST", "/hotfixes/{hotfix:identifier}/approvals", _REVISION, **_files("statement")),
    Door("hotfix reject", "POST", "/hotfixes/{hotfix:identifier}/rejection", _REVISION),
    Door("hotfix abandon", "POST", "/hotfixes/{hotfix:identifier}/abandonment", _REVISION),
    Door(
        "hotfix simulate",
        "POST",
        "/hotfixes/{hotfix:identifier}/simulations",
        fixed=frozenset({"queue"}),
        withheld=frozenset({"others"}),
    ),
    Door(
        "hotfix publish",
        "POST",
        "/hotfixes/{hotfix:identifier}/publication",
        **_files("release"),
        beside=(".sig",),
        fixed=frozenset({"queue"}),
    ),
    Door("hotfix ratify", "POST", "/hotfixes/{hotfix:identifier}/ratification", **_files("statement")),
    Door("hotfix hold", "POST", "/hotfixes/{hotfix:identifier}/hold"),
    Door("hotfix recall", "POST", "/hotfixes/{hotfix:identifier}/recalls", **_files("statements")),
    Door("recall show", "GET", "/recalls/{hotfix:identifier}"),
    Door("recall acknowledge", "POST", "/recalls/{hotfix:identifier}/acknowledgements"),
    Door("campaign list", "GET", "/campaigns"),
    Door("campaign show", "GET", "/campaigns/{campaign:identifier}"),
    Door("rollout plan", "POST", "/rollouts"),
    Door("rollout show", "GET", "/rollouts/{hotfix:identifier}"),
    Door("rollout start", "POST", "/rollouts/{hotfix:identifier}/start"),
    Door("rollout pause", "POST", "/rollouts/{hotfix:identifier}/pause"),
    Door("rollout promote", "POST", "/rollouts/{hotfix:identifier}/promotion"),
    Door("rollout stop", "POST", "/rollouts/{hotfix:identifier}/stop"),
    Door("rollout problem", "POST", "/rollouts/{hotfix:identifier}/problems"),
    Door("ring list", "GET", "/rings"),
    Door("freeze list", "GET", "/freezes"),
    Door("freeze add", "POST", "/freezes"),
    Door("freeze end", "DELETE", "/freezes/{number}"),
    # Setups, people, tokens
    Door("setup list", "GET", "/setups"),
    Door("setup show", "GET", "/setups/{setup:name}"),
    Door("loan list", "GET", "/loans"),
    Door("loan show", "GET", "/loans/{loan:identifier}"),
    Door("person list", "GET", "/persons"),
    Door("token list", "GET", "/tokens", ("tokens", "after")),
    Door("token new", "POST", "/tokens", ("token", "secret"), secret=True),
    Door("webhook list", "GET", "/webhooks"),
    Door("webhook add", "POST", "/webhooks", ("webhook", "secret"), secret=True),
    Door("webhook test", "POST", "/webhooks/{webhook:number}/test"),
    Door("webhook resume", "POST", "/webhooks/{webhook:number}/resume"),
    Door("webhook remove", "DELETE", "/webhooks/{webhook:number}", ("webhook", "url")),
    Door("webhook deliveries", "GET", "/webhooks/{webhook:number}/deliveries", ("deliveries", "after")),
    Door("token revoke", "DELETE", "/tokens/{token:prefix}", ("token", "stands")),
)

BY_WORDS: Mapping[str, Door] = {door.words: door for door in DOORS}
