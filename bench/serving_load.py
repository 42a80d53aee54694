"""Load by programs of Debian: wrk asks small things and says how long the slowest took, curl fetches large ones."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_DONE = """
done = function(summary, latency, requests)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("told %d %d %f %f %f %d\\n", summary.requests, failed, latency:percentile(50) / 1000,
    latency:percentile(95) / 1000, latency:percentile(99) / 1000, summary.errors.status))
end
"""
_TOLD = re.compile(r"^told (\d+) (\d+) ([\d.]+) ([\d.]+) ([\d.]+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """What wrk found: requests, those that failed on the wire, and milliseconds within which half, 95 % and 99 % were answered."""

    requests: int
    failed: int
    half: float
    p95: float
    p99: float
    refused: int


def ask(folder: Path, url: str, connections: int, seconds: int, *headers: str) -> Asked:
    """Ask one thing over and over."""
    return _asked(folder, _DONE, url, connections, seconds, *headers)


def send(folder: Path, address: str, sent: Sequence[tuple[str, bytes]], connections: int, seconds: int) -> Asked:
    """Send some bodies, each to a path of its own, over and over; they hold no bracket that ends a text of Lua."""
    rows = ",\n".join(f"{{[==[{path}]==], [==[{body.decode().strip()}]==]}}" for path, body in sent)
    script = f"""
local sent = {{
{rows}
}}
local next = 0
request = function()
  next = next % #sent + 1
  return wrk.format("POST", sent[next][1], {{["Content-Type"] = "application/json"}}, sent[next][2])
end
"""
    return _asked(folder, script + _DONE, address, connections, seconds)


def _asked(folder: Path, lua: str, url: str, connections: int, seconds: int, *headers: str) -> Asked:
    script = folder / "load.lua"
    script.write_text(lua)
    named = [word for header in headers for word in ("-H", header)]
    line = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(script), *named, url]
    said = subprocess.run(line, check=True, capture_output=True, text=True).stdout
    found = _TOLD.search(said)
    if found is None:
        raise RuntimeError(said)
    numbers = [float(number) for number in found.groups()]
    return Asked(int(numbers[0]), int(numbers[1]), *numbers[2:5], int(numbers[5]))


@contextmanager
def fetching(folder: Path, urls: Sequence[str], *options: str) -> Iterator["Fetch"]:
    """Fetch all at once while the block runs; whatever is left then is stopped."""
    listed = folder / "urls.txt"
    listed.write_text("".join(f'url = "{url}"\noutput = "/dev/null"\n' for url in urls))
    line = ["curl", "--parallel", "--parallel-immediate", "--parallel-max", str(len(urls)), "--fail", "--silent"]
    line += ["--write-out", "%{size_download}\\n", "--config", str(listed), *options]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    fetch = Fetch(process, time.perf_counter())
    try:
        yield fetch
    finally:
        process.kill()
        process.wait()


@dataclass
class Fetch:
    """A curl that runs."""

    process: subprocess.Popen[str]
    began: float

    @property
    def runs(self) -> bool:
        """Tell whether it still fetches."""
        return self.process.poll() is None

    def finished(self) -> tuple[list[int], float]:
        """Wait for the end; return the bytes of each fetch, and the seconds that all took."""
        said, _ = self.process.communicate()
        return [int(line) for line in said.split()], time.perf_counter() - self.began


@contextmanager
def nginx(folder: Path, root: Path, port: int) -> Iterator[str]:
    """Serve a folder by nginx as Debian has it."""
    folder.mkdir()
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind}; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log crit; worker_processes 2;\n"
        f"events {{ worker_connections 500; }}\n"
        f"http {{ access_log off; sendfile on; {temporary} server {{ listen 127.0.0.1:{port}; root {root}; }} }}\n"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    process = subprocess.Popen(
        [program, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
