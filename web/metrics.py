"""`/metrics` for Prometheus: requests of all workers, and how the register stands.

Only this very machine may ask without a token, and only where no proxy passed the question on; others bring a person's
token with the scope `read`. What is measured is kept for some seconds, so that asking often costs nothing.
"""

import os
import threading
import time
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Blueprint, Flask, Response, current_app, g, request
from werkzeug.wrappers import Response as Answer

from patchline.patches.errors import TokenError
from patchline.releaser.access import tokens
from patchline.releaser.access.tokens import Scope
from patchline.releaser.measures import Measures, measure
from patchline.releaser.register import Register
from patchline.web import access, asking
from patchline.web.access import Access

if TYPE_CHECKING:  # What it counts in is decided when it is imported: by a server in files that all workers share.
    from prometheus_client.core import Metric

MACHINES = "machines"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names where the workers of a server count together."""
KEPT_S = 15.0
_KEY = "patchline.metrics"
_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_LOOPBACK = ("127.", "::1", "::ffff:127.")
_PASSED_ON = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")

pages = Blueprint("metrics", __name__)


@pages.get("/metrics")
@access.mark(Access(MACHINES))
def metrics() -> Response:
    """Answer a scrape."""
    from prometheus_client import CONTENT_TYPE_LATEST

    counted: Counted = current_app.extensions[_KEY]
    return Response(counted.text(asking.register(), asking.now()), content_type=CONTENT_TYPE_LATEST)


def check(_: Access) -> Answer | None:
    """Let this machine in, and whoever has a token that reads.

    Raises:
        TokenError: so it is not.
    """
    if _asked_from_here():
        return None
    given = request.authorization
    if given is None or given.type != "bearer" or not given.token:
        raise TokenError("missing", "metrics are told to this machine, or for a token")
    tokens.check(asking.reading(), given.token, asking.now()).require(Scope.READ)
    return None


def _asked_from_here() -> bool:
    if any(name in request.headers for name in _PASSED_ON):
        return False
    return (request.remote_addr or "").startswith(_LOOPBACK)


def watch(app: Flask) -> None:
    """Count and time every request of an app."""
    counted = app.extensions[_KEY] = Counted()

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()

    @app.after_request
    def end(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        took = time.perf_counter() - g.get("began", time.perf_counter())
        counted.count(route, response.status_code, took)
        return response


class Counted:
    """What an app has counted, and what was measured last."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self.registry = CollectorRegistry()
        self._requests = Counter(
            "patchline_requests", "Requests by route and status.", ("route", "method", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "patchline_request_seconds",
            "Seconds until the answer began.",
            ("route",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._lock = threading.Lock()
        self._measured: tuple[float, Measures] | None = None

    def count(self, route: str, status: int, took: float) -> None:
        """Count a request."""
        method = request.method if request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(took)

    def text(self, register: Register, now: datetime) -> bytes:
        """Return everything as Prometheus reads it."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        if SHARED_FOLDER in os.environ:
            shared = CollectorRegistry()
            MultiProcessCollector(shared)  # type: ignore[no-untyped-call]
        else:
            shared = self.registry
        standing = CollectorRegistry()
        standing.register(_Standing(self.measured(register, now)))
        return generate_latest(shared) + generate_latest(standing)

    def measured(self, register: Register, now: datetime) -> Measures:
        """Return what was measured some seconds ago at most; one who asks measures, the others wait for it."""
        with self._lock:
            if self._measured is None or time.monotonic() - self._measured[0] > KEPT_S:
                self._measured = (time.monotonic(), measure(register, now))
            return self._measured[1]


class _Standing:
    """Writes measures as metrics."""

    def __init__(self, found: Measures) -> None:
        self._found = found

    def collect(self) -> "Iterable[Metric]":
        """Yield every metric, those that nobody has a value for too: alerts name them."""
        found = self._found
        yield _by("patchline_expiry_seconds", "Seconds until it expires.", "of", found.expiries)
        yield _by("patchline_evidence_sites", "Sites by the age of what is known of them.", "age", found.evidence)
        yield _by("patchline_free_bytes", "Bytes that are free where this lies.", "place", found.free)
        vault = {} if found.vault is None else {found.vault: 1}
        yield _by("patchline_vault_state", "1 for the state that Vault is in.", "state", vault)
        yield _by("patchline_unmeasured", "1 for what could not be read.", "what", dict.fromkeys(found.unread, 1))
        for name, told, value in (
            ("channel_renewed_seconds", "Seconds since the channel was signed anew.", found.renewed),
            ("wishes_open", "Jobs that were asked for and did not end.", found.wishes),
            ("wish_oldest_seconds", "Seconds that the first of them waits.", found.oldest),
            ("jobs_given_up", "Jobs given up after many attempts.", found.given_up),
            ("workers_alive", "Workers that gave a sign of late.", found.workers),
            ("audit_unchained", "Audit events that wait for the chain.", found.unchained),
            ("sign_in_failures", "Wrong passwords of the last hour that nobody got in after.", found.tries),
        ):
            yield _by(f"patchline_{name}", told, None, {} if value is None else {"": value})


def _by(name: str, told: str, label: str | None, values: dict[str, Any]) -> "Metric":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, told, labels=[label] if label else None)
    for key, value in values.items():
        family.add_metric([key] if label else [], value)
    return family
