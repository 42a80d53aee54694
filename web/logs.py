"""The log of the pages: one JSON object a line, to standard error.

- Every request leaves one line: which page, how it was answered, how long it took, who asked. Never what was sent, no
  query, no cookie, no header but what is named here.
- Whatever reads like something that lets somebody in is made unreadable before a line is written, wherever it stands.
"""

import json
import logging
import re
import sys
import time
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from flask import Flask, Response, g, request
from gunicorn.glogging import Logger as GunicornLogger  # type: ignore[import-untyped]

HIDDEN = "***"
_LOGGER = "patchline"
_QUIET = ("static", "health.alive", "health.ready", "metrics.metrics")
_LONGEST = 300
_SECRET = re.compile(
    r"(?P<before>\bplt_[a-z2-7]{8}_|\b(?:Bearer|Basic)\s+|/link/|\b(?:code|state|nonce|session)=|"
    r"(?:password|secret|token|cookie|authorization|passphrase)[\"']?\s*[=:]\s*[\"']?)"
    r"(?P<secret>[^\s\"'&;,<>]+)",
    re.IGNORECASE,
)
# 256 bits as they are written here; digests of files have no capitals and no dashes, and stay.
_BITS = re.compile(r"(?<![A-Za-z0-9_-])(?=[a-z0-9]*[A-Z_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
_KEYS = re.compile(r"password|secret|token|cookie|authorization|passphrase|csrf", re.IGNORECASE)


def hide(text: str) -> str:
    """Return a text without what could let somebody in."""
    return _BITS.sub(HIDDEN, _SECRET.sub(lambda found: found["before"] + HIDDEN, text))


def _hidden(value: object) -> object:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if _KEYS.search(str(key)) else _hidden(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(one) for one in value]
    return value if isinstance(value, int | float | bool | None) else hide(str(value))


def redact(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide in a line of the log what could let somebody in; a processor of structlog's."""
    for key in [*event]:
        # What the formatter needs of the record is taken out before the line is written.
        if not key.startswith("_"):
            event[key] = HIDDEN if _KEYS.search(key) else _hidden(event[key])
    return event


def _formatter() -> logging.Formatter:
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,  # The traceback as text, without the values of variables.
        redact,
    ]
    last: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(serializer=json.dumps, ensure_ascii=False),
    ]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.PositionalArgumentsFormatter(), structlog.stdlib.ExtraAdder(), *shared],
        processors=last,
        use_get_message=True,
    )


def write_to(stream: TextIO = sys.stderr) -> logging.Handler:
    """Write the log of this process there, and nothing else than it; returns what writes."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter())
    logger = logging.getLogger(_LOGGER)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
    return handler


class ServerLogger(GunicornLogger):  # type: ignore[misc]
    """What gunicorn itself has to say, in the same form."""

    def setup(self, cfg: Any) -> None:
        """Write to standard error, as everything else."""
        super().setup(cfg)
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_formatter())
        self.error_log.handlers[:] = [handler]


def watch(app: Flask) -> None:
    """Let an app leave a line for each request. To be called before anything else that looks at requests."""
    logger = logging.getLogger(f"{_LOGGER}.web.requests")

    @app.before_request
    def begin() -> None:
        g.begun = time.perf_counter()

    @app.after_request
    def tell(response: Response) -> Response:
        level = logging.DEBUG if request.endpoint in _QUIET else logging.INFO
        if logger.isEnabledFor(level):
            logger.log(level, "request", extra=_facts(response))
        return response


def _facts(response: Response) -> dict[str, Any]:
    """Return what is told of a request."""
    facts = {
        "method": request.method,
        "path": request.path[:_LONGEST],
        "page": request.endpoint,
        "status": response.status_code,
        "ms": round((time.perf_counter() - g.begun) * 1000, 1) if "begun" in g else None,
        "person": g.get("person"),
        "address": request.remote_addr,
    }
    return {name: value for name, value in facts.items() if value is not None}
