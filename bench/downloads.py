"""D1, D2: downloads through Patchline beside nginx's own, and downloads that are cut off a thousand times.

nginx sends the same file by itself, and once more when Patchline has said that it may (`X-Accel-Redirect`); Patchline's
own server sends it without any proxy. wrk asks each in turn, and only what ran in the same round is compared.
"""

import hashlib
import http.client
import os
import random
import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from bench.figures import Figure
from patchline.releaser.register import opened
from patchline.releaser.settings import write_settings
from patchline.releaser.stores import Store
from tests.delivering import Shop
from tests.fleets import Fleet
from tests.gunicorns import free_port
from tests.hotfixes import Life, changed
from tests.registers import make_home
from tests.served import served

_NGINX = """
{user} daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location /own/ {{ alias {home}/channel/; }}
    location / {{ proxy_pass {behind}; proxy_set_header Host localhost; }}
    location /files/channel/ {{ internal; etag off; add_header ETag $upstream_http_etag; alias {home}/channel/; }}
  }}
}}
"""
_BYTES = re.compile(r"Transfer/sec:\s+([\d.]+)(KB|MB|GB)")
_UNITS = {"KB": 1 / 1024, "MB": 1.0, "GB": 1024.0}
_AT_ONCE = 4


def run(folder: Path, size: int, kills: int, rounds: int, seconds: int) -> Iterator[Figure]:
    """Measure with a hotfix of so many bytes, cut off so often."""
    folder.mkdir(parents=True)
    shop = _published(folder, size)
    header, port = f"Authorization: Bearer {shop.token()}", free_port()
    revision = shop.revision()
    own = next(Store.at(shop.register.channel).names(f"targets/hotfixes/demo/{revision.hotfix}/"))
    with served(shop.register.home) as plain:
        resumed = _resumed(plain.address, shop, header.partition(": ")[2], kills)
        write_settings(shop.register.home, {**_settings(shop), "web_accel": "/files"}, overwrite=True)
        with served(shop.register.home) as behind, _nginx(folder / "nginx", shop, port, behind.address) as peer:
            urls = {
                "nginx": f"{peer}/own/{own}",
                "accel": f"{peer}/download/{shop.label}.zip",
                "gunicorn": f"{plain.address}/download/{shop.label}.zip",
            }
            rates = {name: [] for name in urls}
            for _ in range(rounds + 1):
                for name, url in urls.items():
                    rates[name].append(_rate(url, header, seconds))
    told = f"download of {size / (1 << 20):.3g} MiB"
    for name, what, goal in (
        ("accel", "sent by nginx, allowed by patchline", 0.9),
        ("gunicorn", "without a proxy", 0.5),
    ):
        ratios = [ours / max(peers, 0.01) for ours, peers in zip(rates[name], rates["nginx"], strict=True)][1:]
        beside = {"MiB/s": statistics.median(rates[name][1:]), "nginx MiB/s": statistics.median(rates["nginx"][1:])}
        beside |= {"least": min(ratios), "most": max(ratios)}
        what = f"{told}, {what}, rate / nginx"
        yield Figure("D1", what, statistics.median(ratios), goal=goal, at_least=True, counts="wall", details=beside)
    yield resumed


def _published(folder: Path, size: int) -> Shop:
    """Publish a hotfix of so many bytes to one customer."""
    now, home = datetime.now(UTC), make_home("sqlite", folder / "home")
    (folder / "files").mkdir()
    with opened(home) as register:
        life = Life(register, folder / "files", now).prepare()
        fleet = Fleet(register, now=now)
        fleet.customer("acme")
        fleet.site("acme-main")
        content = random.Random(5).randbytes(size)
        shop = Shop(life, life.published(files=[changed("b.txt", b"b0\n", content)]) + "-r1")
        shop.grant()
    return shop


def _settings(shop: Shop) -> dict[str, object]:
    return {"database": f"sqlite:///{shop.register.home / 'register.db'}"}


@contextmanager
def _nginx(folder: Path, shop: Shop, port: int, behind: str) -> Iterator[str]:
    folder.mkdir()
    user = "user root;" if os.geteuid() == 0 else ""  # Else its workers could not read what only we may.
    text = _NGINX.format(user=user, folder=folder, port=port, home=shop.register.home, behind=behind)
    (folder / "nginx.conf").write_text(text)
    process = subprocess.Popen(
        ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _rate(url: str, header: str, seconds: int) -> float:
    """Return how many MiB a second come."""
    line = [
        "wrk",
        "-t1",
        f"-c{_AT_ONCE}",
        f"-d{seconds}s",
        "--timeout",
        "60s",
        "-H",
        header,
        "-H",
        "Host: localhost",
        url,
    ]
    said = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    found = _BYTES.search(said)
    if found is None or "Non-2xx" in said:
        raise RuntimeError(said)
    return float(found[1]) * _UNITS[found[2]]


def _resumed(address: str, shop: Shop, bearer: str, kills: int) -> Figure:
    """Fetch again and again, cut off at random places until so many cuts were made; count what came out wrong."""
    revision, chance, began = shop.revision(), random.Random(9), time.monotonic()
    cut = whole = wrong = 0
    while cut < kills:
        hasher, have = hashlib.sha256(), 0
        while have < (revision.zip_size or 0):
            most = chance.randrange(1, max(2, (revision.zip_size or 0) // 8))
            data = _some(address, f"/download/{shop.label}.zip", bearer, revision.zip_sha256, have, most)
            hasher.update(data)
            have += len(data)
            cut += have < (revision.zip_size or 0)
        whole += 1
        wrong += hasher.hexdigest() != revision.zip_sha256
    beside = {"cut off": cut, "downloads": whole, "seconds": time.monotonic() - began}
    return Figure("D2", f"downloads cut off {kills} times and resumed, wrong ones", wrong, "", 0.0, details=beside)


def _some(address: str, path: str, bearer: str, sha256: str | None, start: int, most: int) -> bytes:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    headers = {"Authorization": bearer, "Range": f"bytes={start}-", "If-Range": f'"{sha256}"', "Host": "localhost"}
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    if answer.status != 206:
        raise RuntimeError(f"{answer.status}: {answer.read(300)!r}")
    data = answer.read(most)
    answer.close()
    connection.close()
    return data
