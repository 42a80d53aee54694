"""The files that docs/operate.md hands out: units of systemd, nginx before the pages, the wheel folder, the container."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from patchline.patches.channel import TIMESTAMP
from patchline.releaser.settings import write_settings
from tests.certificates import certificate
from tests.conftest import NOTHING_MAY_BE_SKIPPED
from tests.delivering import copied_shop
from tests.programs import BIN
from tests.served import served, trusting
from tests.test_docs import wrong

DOCS = Path(__file__).parent.parent / "docs"
UNITS = sorted((DOCS / "systemd").iterdir())


# systemd


def test_systemd_takes_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    for unit in UNITS:
        text = unit.read_text().replace("/opt/patchline/bin", str(BIN)).replace("User=patchline", "User=root")
        (tmp_path / unit.name).write_text(text.replace("Group=patchline", "Group=root"))
    line = ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    ours = [said for said in done.stderr.splitlines() if "patchline" in said]
    assert ours == [] and done.returncode == 0, done.stderr


def test_systemd_shuts_the_services_in(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze")
    for unit in UNITS:
        if unit.suffix == ".service":
            line = ["systemd-analyze", "security", "--offline=true", "--threshold=25", unit]
            done = subprocess.run(line, check=False, capture_output=True, text=True)
            assert done.returncode == 0, f"{unit.name}\n{done.stdout}{done.stderr}"


def test_every_command_of_the_units_exists_and_every_timer_has_its_service():
    for unit in UNITS:
        text = unit.read_text()
        if unit.suffix == ".timer":
            assert unit.with_suffix(".service").exists() and "OnCalendar=" in text
            continue
        [line] = re.findall(r"/opt/patchline/bin/(patchline [^'\n]*)", text)
        assert not wrong(line.split(' "')[0]), line
        assert f"systemd/{unit.name}" in (DOCS / "operate.md").read_text()


# nginx


@contextmanager
def nginx(folder: Path, sock: Path, files: Path):
    """Start Debian's nginx with the site of the docs, which knows other places here; yields its port for TLS."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.access(program, os.X_OK):
        pytest.skip("no nginx")
    pem, key = certificate(folder, "patches.example.com")
    plain, port = free_port(), free_port()
    site = (DOCS / "nginx.conf").read_text()
    for there, here in (
        ("/run/patchline/web.sock", sock),
        ("/etc/ssl/patches.example.com/fullchain.pem", pem),
        ("/etc/ssl/patches.example.com/key.pem", key),
        ("/srv/patchline-files", files),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ", f"listen 127.0.0.1:{port} "),
        ("client_header_timeout 10s;", "client_header_timeout 1s;"),
    ):
        assert there in site, there
        site = site.replace(there, str(here))
    (folder / "site.conf").write_text(site)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\nworker_processes 1;\n"
        f"events {{ worker_connections 200; }}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    line = [program, "-p", folder, "-c", folder / "nginx.conf"]
    process = subprocess.Popen([str(word) for word in line], stderr=subprocess.DEVNULL)
    try:
        wait_for(port, process, folder / "error.log")
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port, process, log):
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@pytest.fixture(scope="module")
def vendor(tmp_path_factory):
    """A vendor behind nginx as the docs have it; yields the shop and the port."""
    folder = tmp_path_factory.mktemp("vendor")
    with copied_shop(folder) as made:
        made.life.now = datetime.now(UTC)  # The server asks the real clock.
        made.grant()
        home = made.register.home
        public = folder / "public"
        public.mkdir()
        for name in ("bundles", "channel"):
            (home / name).rename(public / name)
        database = f"sqlite:///{home}/register.db"
        values = {"database": database, "bundles": str(public / "bundles"), "channel": str(public / "channel")}
        values |= {"web_url": "https://patches.example.com", "web_proxies": 1, "web_accel": "/files"}
        write_settings(home, values, overwrite=True)
        (folder / "nginx").mkdir()
        with (
            served(home, "--workers", 1, "--bind", f"unix:{folder}/web.sock"),
            nginx(folder / "nginx", folder / "web.sock", public) as port,
        ):
            yield made, port


def ask(port, path, method="GET", body=None, **headers):
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=trusting())
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, {"Host": "patches.example.com", **named})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_pages_know_behind_nginx_that_they_come_by_tls(vendor):
    _, port = vendor
    status, headers, body = ask(port, "/sign-in/", X_Forwarded_Proto="http", X_Forwarded_For="127.0.0.1")
    assert status == 200 and b"<h1" in body and headers["Strict-Transport-Security"]
    assert "Secure" in headers["Set-Cookie"] and headers["Set-Cookie"].startswith("__Host-")
    assert ask(port, "/sign-in/", Host="evil.example")[0] == 400


def test_nginx_sends_what_patchline_hands_out_and_nothing_else(vendor):
    shop, port = vendor
    path = f"/download/{shop.label}.zip"
    assert ask(port, path)[0] == 401
    status, headers, whole = ask(port, path, **shop.header())
    assert status == 200 and len(whole) == shop.revision().zip_size and "X-Accel-Redirect" not in headers
    assert headers["Content-Disposition"] and headers["X-Content-Type-Options"] == "nosniff"
    status, headers, part = ask(port, path, **shop.header(), Range="bytes=1000-1999")
    assert status == 206 and part == whole[1000:2000]
    assert headers["Content-Range"] == f"bytes 1000-1999/{len(whole)}"
    assert ask(port, f"/channel/metadata/{TIMESTAMP}.json")[0] == 200
    for direct in (
        "/files/bundles/",
        "/files/channel/metadata/timestamp.json",
        "/files/../web.key",
        "/files/channel/../home/web.key",
    ):
        assert ask(port, direct)[0] in (400, 404), direct


def test_metrics_are_told_through_nginx_for_a_token_only(vendor):
    _, port = vendor
    assert ask(port, "/metrics")[0] == 401
    assert ask(port, "/metrics", X_Forwarded_For="127.0.0.1")[0] == 401


def test_nginx_cuts_off_who_sends_too_much_or_too_slowly(vendor):
    _, port = vendor
    assert ask(port, "/sign-in/", "POST", b"", Content_Length=str(65 << 20))[0] == 413
    with trusting().wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=20)) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: patches.exa")
        said = slow.recv(100)  # It would wait for twenty seconds if nobody cut it off.
        assert said == b"" or b" 408 " in said


# The wheel folder, the container


def commands(language):
    page = (DOCS / "operate.md").read_text().split("## Install")[1].split("\n## ")[0]
    [block] = re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)
    return [line for line in block.splitlines() if not line.startswith("#")]


def test_a_folder_of_wheels_installs_the_server_without_a_network(tmp_path):
    """What depends on others is fetched where nothing may be skipped; elsewhere ours alone is made and installed."""
    download, wheel, environment, install = commands("sh")
    nothing = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull}
    if NOTHING_MAY_BE_SKIPPED:
        bash(download, tmp_path)
    bash(wheel.replace("pip wheel", "pip wheel --no-build-isolation"), tmp_path)
    [ours] = (tmp_path / "wheels").glob("patchline-*.whl")
    bash(environment, tmp_path)
    bash(install if NOTHING_MAY_BE_SKIPPED else install.replace("install", "install --no-deps"), tmp_path, **nothing)
    program = tmp_path / "opt" / "bin" / "patchline"
    more = {} if NOTHING_MAY_BE_SKIPPED else {"PYTHONPATH": next(p for p in sys.path if p.endswith("site-packages"))}
    said = bash(f"{program} serve --help", tmp_path, **more)
    assert "Serve the pages and the API" in said and ours.exists()


def bash(line, folder, **environment):
    line = line.replace("/opt/patchline", f"{folder}/opt").replace(" wheels", f" {folder}/wheels")
    line = line.replace("python3 -m pip", f"{sys.executable} -m pip")
    done = subprocess.run(
        ["bash", "-c", line],
        check=False,
        cwd=DOCS.parent,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    return done.stdout


INSTRUCTIONS = {"FROM", "RUN", "COPY", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}


def test_the_container_runs_as_nobody_with_what_the_docs_install():
    text = (DOCS / "Containerfile").read_text()
    joined = re.sub(r"\\\n", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    steps = [line.split(" ", 1) for line in joined.splitlines() if line.strip()]
    assert {word for word, _ in steps} <= INSTRUCTIONS and steps[0][0] == "FROM"
    said = dict(steps)
    assert said["USER"] == "patchline" and not re.search(r"(?i)passphrase=|password=|secret=", joined)
    assert commands("sh")[-1].split("/opt/patchline/bin/")[1].replace("'", '"').replace(" wheels", " /tmp/wheels") in (
        joined.replace("--no-cache-dir ", "")
    )
    assert not wrong(" ".join(["patchline", *json.loads(said["CMD"])]))
    for run in (value for word, value in steps if word == "RUN"):
        assert subprocess.run(["bash", "-n", "-c", run], check=False).returncode == 0
