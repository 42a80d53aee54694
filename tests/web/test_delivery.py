"""Downloads by token: resumed, refused, attacked; and the channel's files."""

import hashlib
import http.client
import random
import socket
import subprocess
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from patchline.patches.channel import HotfixName, target_file
from patchline.patches.site.sources import opened_source
from patchline.patches.statements import time_text
from patchline.releaser.access import tokens
from tests.delivering import copied_shop, shop
from tests.gunicorns import gunicorn
from tests.pages import Clock, make_app
from tests.registers import NOW

__all__ = ["shop"]


@pytest.fixture
def client(shop):
    return make_app(shop.register).test_client()


def path_of(shop, ending=".zip"):
    return f"/download/{shop.label}{ending}"


def got(client, path, **options):
    return client.get(path, buffered=True, **options)


def test_a_file_comes_whole_with_all_that_a_browser_and_curl_need(shop, client):
    revision = shop.revision()
    answer = got(client, path_of(shop), headers=shop.header())
    assert answer.status_code == 200
    assert hashlib.sha256(answer.data).hexdigest() == revision.zip_sha256 == answer.headers["ETag"].strip('"')
    assert answer.headers["Accept-Ranges"] == "bytes" and answer.content_length == revision.zip_size
    assert answer.headers["Content-Disposition"] == f"attachment; filename={shop.label}.zip"
    assert answer.headers["X-Content-Type-Options"] == "nosniff" and "private" in answer.headers["Cache-Control"]
    assert shop.facts() == [(f"{shop.label}.zip", "begun", 0), (f"{shop.label}.zip", "done", revision.zip_size)]


def test_a_part_comes_as_it_was_asked_for_and_only_of_the_same_file(shop, client):
    header, whole = shop.header(), got(client, path_of(shop), headers=shop.header()).data
    part = got(client, path_of(shop), headers={**header, "Range": "bytes=1000-1999"})
    assert part.status_code == 206 and part.data == whole[1000:2000]
    assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(whole)}"
    same = {**header, "Range": "bytes=-10", "If-Range": f'"{shop.revision().zip_sha256}"'}
    assert got(client, path_of(shop), headers=same).data == whole[-10:]
    other = {**header, "Range": "bytes=-10", "If-Range": '"something else"'}
    assert got(client, path_of(shop), headers=other).data == whole
    beyond = got(client, path_of(shop), headers={**header, "Range": f"bytes={len(whole)}-"})
    assert beyond.status_code == 416 and beyond.headers["Content-Range"] == f"bytes */{len(whole)}"
    many = got(client, path_of(shop), headers={**header, "Range": "bytes=" + ",".join(["0-1"] * 900)})
    assert many.status_code == 200 and many.data == whole


def test_asking_whether_it_changed_sends_and_writes_nothing(shop, client):
    header, etag = shop.header(), f'"{shop.revision().zip_sha256}"'
    head = client.head(path_of(shop), headers=header)
    assert head.status_code == 200 and head.content_length == shop.revision().zip_size and head.headers["ETag"] == etag
    known = got(client, path_of(shop), headers={**header, "If-None-Match": etag})
    assert known.status_code == 304 and not known.data
    assert got(client, path_of(shop), headers={**header, "If-Match": '"x"'}).status_code == 412
    assert shop.facts() == []


def test_sidecars_come_without_counting_as_downloads(shop, client):
    line = got(client, path_of(shop, ".hotfix.sha256"), headers=shop.header())
    assert line.data.endswith(f"  {shop.label}.hotfix\n".encode()) and shop.facts() == []


def test_a_refusal_names_its_reason_and_what_to_do_and_is_written_down(shop, client):
    answer = got(client, path_of(shop), headers=shop.header("other-main"))
    assert answer.status_code == 403 and answer.json["code"] == "entitlement.not-entitled"
    assert "contract" in answer.json["hint"] and shop.events("download.refused") == 1
    shop.life.hold(shop.label)
    assert got(client, path_of(shop), headers=shop.header()).json["code"] == "entitlement.held"


def test_an_entitlement_that_ends_in_mid_download_ends_it(tmp_path):
    with copied_shop(tmp_path) as shop:
        shop.grant(until=NOW + timedelta(hours=1))
        clock = Clock()
        client, header = make_app(shop.register, clock).test_client(), shop.header()
        assert got(client, path_of(shop), headers={**header, "Range": "bytes=0-9"}).status_code == 206
        clock.now += timedelta(hours=2)
        rest = got(client, path_of(shop), headers={**header, "Range": "bytes=10-"})
        assert rest.status_code == 403 and rest.json["code"] == "entitlement.expired"


@pytest.mark.parametrize(
    "sent", [None, "", "Bearer", "Bearer plt_aaaaaaaa_" + "x" * 43, "Basic YTpi", "Bearer " + "x" * 9000]
)
def test_without_a_good_token_nothing_is_told(shop, client, sent):
    answer = got(client, path_of(shop), headers={"Authorization": sent} if sent is not None else {})
    assert answer.status_code == 401 and answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json["code"] in ("token.missing", "token.unknown") and shop.label not in answer.text


def test_a_token_that_was_revoked_or_expired_fetches_nothing(shop, client):
    header = shop.header(life=timedelta(hours=1))
    prefix = header["Authorization"].split()[1][:12]
    with shop.life.change() as change:
        tokens.revoke(change, prefix)
    assert got(client, path_of(shop), headers=header).json["code"] == "token.revoked"


def test_a_token_stands_in_no_address(shop, client):
    secret = shop.token()
    for query in (f"?token={secret}", f"?access_token={secret}"):
        assert got(client, path_of(shop) + query).status_code == 401


@pytest.mark.parametrize(
    "name",
    [
        "..%2f..%2fregister.db",
        "%2e%2e",
        "HF-2026-0001-r1.zip%00",
        "HF-2026-0001-r1.zip%0d%0aSet-Cookie:%20a=b",
        "x" * 3000,
    ],
)
def test_path_tricks_find_nothing(shop, client, name):
    answer = got(client, f"/download/{name}", headers=shop.header())
    assert answer.status_code == 404 and "Set-Cookie" not in answer.headers


def test_what_the_store_lost_is_told_and_nothing_is_sent(shop, client):
    for path in (shop.register.home / "channel" / "targets" / "hotfixes").rglob("*.zip"):
        path.write_bytes(b"short")
    answer = got(client, path_of(shop), headers=shop.header())
    assert answer.status_code == 409 and answer.json["code"] == "store.other-size"


# The channel


def zip_path(shop):
    revision = shop.revision()
    name = HotfixName("demo", revision.hotfix, revision.number)
    return "/channel/" + target_file(name.target, str(revision.zip_sha256))


def test_the_channel_is_public_but_for_its_zips(shop, client):
    stamp = got(client, "/channel/metadata/timestamp.json")
    assert stamp.status_code == 200 and "no-cache" in stamp.headers["Cache-Control"]
    root = got(client, "/channel/metadata/1.root.json")
    assert root.status_code == 200 and root.headers["Cache-Control"] == "public, max-age=3600"
    again = got(client, "/channel/metadata/1.root.json", headers={"If-None-Match": root.headers["ETag"]})
    assert again.status_code == 304
    assert got(client, zip_path(shop)).status_code == 401
    answer = got(client, zip_path(shop), headers=shop.header())
    assert hashlib.sha256(answer.data).hexdigest() == shop.revision().zip_sha256


def test_other_bytes_than_those_of_today_are_not_sent_under_their_name(shop, client):
    other = zip_path(shop).replace(str(shop.revision().zip_sha256), "0" * 64)
    assert got(client, other, headers=shop.header()).status_code == 404


@pytest.mark.parametrize(
    "name",
    [
        "../register.db",
        "..%2fregister.db",
        ".lock",
        "metadata/",
        "metadata/../../settings.toml",
        "kits/1.kit-root.json",
        "metadata/999999.root.json",
        "targets/status/../../metadata/1.root.json",
        "targets/status/x",
        "etc/passwd",
    ],
)
def test_nothing_else_of_the_channels_folder_is_served(client, name):
    assert got(client, f"/channel/{name}").status_code == 404


def test_a_proxy_sends_the_bytes_where_it_is_told_to(tmp_path):
    with copied_shop(tmp_path, web_accel="/_files") as shop:
        shop.grant()
        answer = got(make_app(shop.register).test_client(), path_of(shop), headers=shop.header())
        assert not answer.data and answer.headers["ETag"] == f'"{shop.revision().zip_sha256}"'
        assert answer.headers["X-Accel-Redirect"] == f"/_files{zip_path(shop)}"
        assert [outcome for _, outcome, _ in shop.facts()] == ["begun", "done"]


# Under gunicorn


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with copied_shop(folder) as shop:
        shop.grant()
        with gunicorn(shop.register.home, folder / "gunicorn", time_text(NOW)) as address:
            yield shop, address


def test_a_download_that_is_killed_again_and_again_comes_out_the_same(served, tmp_path):
    shop, address = served
    chance = random.Random(4)
    revision, token = shop.revision(), shop.header()
    for _ in range(3):
        out = tmp_path / "out.zip"
        out.write_bytes(b"")
        while out.stat().st_size < revision.zip_size:
            condition = {**token, "If-Range": f'"{revision.zip_sha256}"'}
            _fetch_some(address, path_of(shop), condition, out, chance.randrange(1, revision.zip_size // 3))
        assert hashlib.sha256(out.read_bytes()).hexdigest() == revision.zip_sha256


def _fetch_some(address, path, header, out, most):
    """Fetch on from where the file ends, and cut the connection after some bytes."""
    header = {**header, "Range": f"bytes={out.stat().st_size}-"}
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path, headers=header)
    answer = connection.getresponse()
    assert answer.status == 206
    with out.open("ab") as file:
        file.write(answer.read(most))
    answer.close()
    connection.close()


def test_curl_resumes_with_a_header_file(served, tmp_path):
    shop, address = served
    (tmp_path / "token").write_text(f"Authorization: {shop.header()['Authorization']}\n")
    out = tmp_path / f"{shop.label}.zip"
    whole = _curl(tmp_path, address, path_of(shop), "-o", "whole")
    out.write_bytes(whole[:100_000])
    assert _curl(tmp_path, address, path_of(shop), "-C", "-", "-O", name=out.name) == whole
    assert hashlib.sha256(whole).hexdigest() == shop.revision().zip_sha256


def _curl(folder, address, path, *options, name="whole"):
    command = ["curl", "-fsS", "-H", "@token", *options, f"{address}{path}"]
    subprocess.run(command, cwd=folder, check=True, timeout=60, capture_output=True)
    return (folder / name).read_bytes()


def test_gunicorn_says_how_far_a_download_came(served):
    shop, address = served
    file, before, header = f"{shop.label}.hotfix", len(shop.facts()), shop.header()
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    connection.request("GET", path_of(shop, ".hotfix"), headers=header)
    assert len(connection.getresponse().read()) == shop.revision().size
    connection.close()
    for _ in range(200):  # It is written down when the bytes are out, so after they arrived.
        if len(shop.facts()) == before + 2:
            break
        time.sleep(0.05)
    assert shop.facts()[before:] == [(file, "begun", 0), (file, "done", shop.revision().size)]


def test_slow_clients_keep_nobody_waiting(served):
    _, address = served
    host = urlsplit(address)
    slow = []
    for _ in range(3):  # One fewer than there are threads.
        connection = socket.create_connection((host.hostname, host.port), timeout=30)
        connection.sendall(b"GET /channel/metadata/timestamp.json HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        slow.append(connection)
    other = http.client.HTTPConnection(host.netloc, timeout=10)
    other.request("GET", "/channel/metadata/timestamp.json")
    assert other.getresponse().status == 200
    for connection in (*slow, other):
        connection.close()


def test_a_site_reads_the_channel_from_the_pages(served):
    _, address = served
    with opened_source(f"{address}/channel") as source:
        assert source.read("metadata/1.root.json", 1_000_000)
