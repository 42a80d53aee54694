"""`patchline serve`: the pages and the API."""

import os
import socket
import ssl
from pathlib import Path

import click

from patchline.patches.errors import LockedError, RefusedError, UsageError
from patchline.patches.files import os_failure
from patchline.patches.terminal import example, json_option, note, report
from patchline.releaser.access.web_key import web_key
from patchline.releaser.home import home_folder
from patchline.releaser.register import opened
from patchline.releaser.settings import Settings
from patchline.web.metrics import SHARED_FOLDER
from patchline.web.serving.server import Server, Service, run_folder

_LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:")


@click.command(
    epilog=example(
        "patchline serve",
        "patchline serve --bind 0.0.0.0:8443 --certificate fullchain.pem --private-key key.pem",
        "patchline serve --bind unix:/run/patchline/web.sock",
    )
)
@click.option(
    "--bind", metavar="HOST:PORT", default="127.0.0.1:8080", show_default=True, help="Where; or unix:PATH for a proxy."
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes; one for each core."
)
@click.option(
    "--threads",
    type=click.IntRange(2, 512),
    default=64,
    show_default=True,
    help="Requests at once in each; a slow download holds one.",
)
@click.option(
    "--certificate",
    type=click.Path(path_type=Path),
    metavar="PEM",
    help="For TLS without a proxy: with its chain; a newer file counts at once. Default: the setting web_certificate.",
)
@click.option("--private-key", type=click.Path(path_type=Path), metavar="PEM", help="Of the certificate.")
@click.option("--home", metavar="DIR", help="Home of the register; default: PATCHLINE_HOME.")
@json_option
def serve(
    bind: str, workers: int, threads: int, certificate: Path | None, private_key: Path | None, home: str | None
) -> None:
    """Serve the pages and the API until told to stop.

    SIGTERM lets it answer what it is at, for half a minute; downloads that take longer go on where they were cut off.
    """
    folder = Path(home).absolute() if home else home_folder()
    with opened(folder) as register:
        settings = register.settings
        web_key(folder)
    if certificate is None and private_key is None:
        certificate, private_key = settings.web_certificate, settings.web_private_key
    service = Service(folder, bind, workers, threads, certificate, private_key)
    _check_certificate(service)
    _check_free(bind)
    with run_folder() as private:
        os.environ[SHARED_FOLDER] = str(private)
        Server(service, private, lambda address: _tell(address, settings, service)).run()


def _check_certificate(service: Service) -> None:
    if service.certificate is None:
        if service.private_key is not None:
            raise UsageError("options", "--private-key goes with --certificate")
        return
    for path in filter(None, (service.certificate, service.private_key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise os_failure(error) from None
    key = service.private_key or service.certificate
    if key.stat().st_mode & 0o007:
        raise RefusedError("tls-key", f"{key} can be read by everybody")
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(service.certificate, service.private_key)
    except ssl.SSLError as error:
        told = error.reason or "it cannot be read"
        raise UsageError("certificate", f"{service.certificate}: {told.lower().replace('_', ' ')}") from None


def _check_free(bind: str) -> None:
    """Refuse an address that cannot be had, before anything is started."""
    if bind.startswith("unix:"):
        parent = Path(bind.removeprefix("unix:")).absolute().parent
        if not parent.is_dir() or not os.access(parent, os.W_OK):
            raise UsageError("bind", f"no socket can be made in {parent}")
        return
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise UsageError("bind", f"{bind[:200]!r} is not written as HOST:PORT")
    host = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, int(port)))
    except (PermissionError, socket.gaierror, OverflowError) as error:
        raise UsageError("bind", f"{bind[:200]} cannot be served: {error}") from None
    except OSError as error:
        raise LockedError("address", f"{bind[:200]}: {error.strerror or error}".lower()) from None


def _tell(address: str, settings: Settings, service: Service) -> None:
    """Say where the pages are, and what they cannot do there."""
    pages = settings.web_url or address
    local = service.bind.startswith(_LOOPBACK)
    secure = service.certificate is not None or settings.web_secure or (local and not settings.web_url)
    if not secure:
        note("warning: without https the pages cannot sign, and passwords go in the clear: see docs/operate.md, TLS")
    if not local and not settings.web_url:
        note("warning: the setting web_url is missing, so the pages answer to no other name than localhost")
    document = {"address": address, "pages": pages, "workers": service.workers, "browsers_can_sign": secure}
    report(document, f"serving {pages}" if pages == address else f"serving {pages} at {address}")
