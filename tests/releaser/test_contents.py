import hashlib
import io
import zipfile
from dataclasses import replace

import pytest
from sqlalchemy import text

from patchline.patches.errors import PatchlineError
from patchline.releaser import contains as asking
from patchline.releaser.archive_index import BOUNDS, ArchiveReader
from patchline.releaser.catalogue import Release, add_baseline, add_product, list_baselines
from patchline.releaser.components import component_of, place_of, stem_of, version_of
from patchline.releaser.tables.catalogue import Container, Content
from tests import archives
from tests.registers import NOW, statements
from tests.repositories import Repository


@pytest.fixture
def shop(register):
    with register.change("ada", NOW) as change:
        add_product(change, "shop", "Web shop", None)
    return register


def lay(folder, files):
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def add(register, label, folder, files, **more):
    release = Release("shop", label, artefacts=(lay(folder / label, files),), source="the release farm", **more)
    return add_baseline(register, release, "ada", NOW)


def ask(register, asked, **more):
    with register.read() as session:
        return asking.contains(session, asking.understand(asked), **more)


def told(answer):
    return [(place.baseline, place.path, place.version) for place in answer.places]


def listed(data, bounds=BOUNDS):
    found = []
    known = {}
    ArchiveReader(
        known.__contains__, lambda one: (found.append(one), known.setdefault(one.sha256)), bounds=bounds
    ).read(io.BytesIO(data), hashlib.sha256(data).hexdigest())
    return {one.sha256: one for one in found}[hashlib.sha256(data).hexdigest()], found


# What people ask for on the first morning


def test_component_is_found_in_a_jar_within_a_war_with_its_version(shop, tmp_path):
    war = archives.zipped({"WEB-INF/lib/log4j-core-2.14.1.jar": archives.log4j("2.14.1")})
    add(shop, "4.1", tmp_path, {"shop.war": war, "README": b"read me"})
    add(shop, "4.2", tmp_path, {"lib/logging.jar": archives.log4j("2.17.1")})
    add(shop, "4.3", tmp_path, {"README": b"nothing here"})
    answer = ask(shop, "log4j-core")
    assert told(answer) == [
        ("4.2", "app/lib/logging.jar", "2.17.1"),
        ("4.1", "app/shop.war!WEB-INF/lib/log4j-core-2.14.1.jar", "2.14.1"),
    ]
    assert [one.label for one in answer.without] == ["4.3"]
    assert answer.sources_only == [] and answer.unread == []
    for asked, expected in {
        "pkg:maven/org.apache.logging.log4j/log4j-core": 2,
        "pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1?type=jar": 1,
        "org.apache.logging.log4j:log4j-core": 2,
        "org.apache.logging.log4j:log4j-core:2.17.1": 1,
        "Log4J-core-2.14.1.jar": 1,
        "log4j-core-2.17.1": 1,
        "JndiLookup": 2,
        "JndiLookup.class": 2,
        "org/apache/logging/log4j/core/lookup/JndiLookup.class": 2,
        hashlib.sha256(archives.log4j("2.14.1")).hexdigest(): 1,
        hashlib.sha256(b"lookup 2.17.1").hexdigest(): 1,
        "log4j": 0,
        "log4j-core-2.1": 0,
        "org.example:log4j-core": 0,
    }.items():
        assert len(ask(shop, asked).places) == expected, asked


def test_component_shaded_into_another_jar_is_found_there(shop, tmp_path):
    shaded = {
        "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties": b"groupId: org.apache.logging.log4j\n"
    }
    said = b"groupId = org.apache.logging.log4j\nartifactId = log4j-core\nversion = 2.14.0\n"
    jar = archives.maven_jar("com.example", "everything", "1", dict.fromkeys(shaded, said))
    add(shop, "1", tmp_path, {"everything.jar": jar})
    assert told(ask(shop, "log4j-core")) == [("1", "app/everything.jar", "2.14.0")]


def test_python_and_npm_packages_are_found_in_wheels_folders_and_archives(shop, tmp_path):
    files = {
        "wheels/Flask_Login-0.6-py3-none-any.whl": archives.wheel("Flask_Login", "0.6"),
        "site/flask_login-0.5.dist-info/METADATA": b"Name: Flask-Login\nVersion: 0.5\n",
        "web/node_modules/@shop/cart/package.json": archives.package_json("@shop/cart", "3.1.0"),
        "web.zip": archives.zipped({"node_modules/lodash/package.json": archives.package_json("lodash", "4.17.20")}),
        "web/package.json": b'{"private": true}',
    }
    add(shop, "1", tmp_path, files)
    expected = {("1", "app/wheels/Flask_Login-0.6-py3-none-any.whl", "0.6")}
    expected.add(("1", "app/site/flask_login-0.5.dist-info", "0.5"))
    for asked in ("flask-login", "Flask_Login", "pkg:pypi/Flask.Login"):
        assert set(told(ask(shop, asked))) >= expected
    assert told(ask(shop, "pkg:pypi/flask-login@0.5")) == [("1", "app/site/flask_login-0.5.dist-info", "0.5")]
    for asked in ("@shop/cart", "cart", "pkg:npm/%40shop/cart", "pkg:npm/@shop/cart@3.1.0"):
        assert told(ask(shop, asked)) == [("1", "app/web/node_modules/@shop/cart", "3.1.0")]
    assert told(ask(shop, "lodash")) == [("1", "app/web.zip!node_modules/lodash", "4.17.20")]


def test_manifest_names_a_jar_only_where_nothing_better_does():
    manifest = b"Manifest-Version: 1.0\nBundle-SymbolicName: org.old.lib;singleton\n :=true\nBundle-Version: 1.2.0\n\n"
    (entry,) = listed(archives.zipped({"META-INF/MANIFEST.MF": manifest}))[0].entries
    assert (entry.component.url, entry.component.version) == ("pkg:generic/org.old.lib", "1.2.0")
    entries = listed(archives.log4j("2.14.1"))[0].entries
    assert [entry.path for entry in entries if entry.component] == [
        "META-INF/maven/org.apache.logging.log4j/log4j-core/pom.properties"
    ]


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("package.json", b"[" * 100_000),
        ("package.json", b'["name"]'),
        ("package.json", b'{"name": 1, "version": 2}'),
        ("package.json", b'{"name": "a\\u0000b", "version": "1"}'),
        ("package.json", b"\xff\xfe"),
        ("META-INF/MANIFEST.MF", b"\0" * 1000),
        ("META-INF/maven/g/a/pom.properties", b"groupId=\nartifactId=a\nversion=1"),
        ("META-INF/maven/g/a/pom.properties", b"groupId=g\nartifactId=a b\nversion=1"),
        ("x.dist-info/METADATA", b"Name: x\nVersion: " + b"1" * 500),
        ("x/METADATA", b"Name: x\nVersion: 1"),
    ],
)
def test_what_cannot_be_understood_names_no_component(path, data):
    assert component_of(path, data) is None


@pytest.mark.parametrize(
    ("name", "stem", "version"),
    [
        ("log4j-core-2.14.1.jar", "log4j-core", "2.14.1"),
        ("log4j-1.2-api-2.17.0.jar", "log4j-1.2-api", "2.17.0"),
        ("guava-31.1-jre.jar", "guava", "31.1-jre"),
        ("commons-io-2.11.0-tests.jar", "commons-io", "2.11.0"),
        ("numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl", "numpy", "1.26.4"),
        ("jquery-3.6.0.min.js", "jquery", "3.6.0"),
        ("libssl.so.1.1", "libssl", None),
        ("a.tar.gz", "a", None),
        (".js", ".js", None),
    ],
)
def test_names_are_known_without_version_and_ending(name, stem, version):
    assert (stem_of(name), version_of(name)) == (stem, version)


def test_place_of_a_component_is_the_archive_or_folder_that_it_is():
    assert place_of("app/x.war!WEB-INF/lib/l.jar!META-INF/maven/g/a/pom.properties") == "app/x.war!WEB-INF/lib/l.jar"
    assert place_of("app/WEB-INF/classes/META-INF/maven/g/a/pom.properties") == "app/WEB-INF/classes"
    assert place_of("app/z.zip!package.json") == "app/z.zip"
    assert place_of("app/f.whl!f-1.dist-info/METADATA") == "app/f.whl"


# Hostile archives


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (archives.encrypted, "encrypted"),
        (lambda: archives.zipped({"a": b"a" * 1000}, zipfile.ZIP_BZIP2), "packing"),
        (lambda: archives.log4j("1")[:-30], "damaged"),
        (lambda: b"PK\x03\x04 and no more", "damaged"),
        (archives.with_broken_member, "damaged"),
        (lambda: archives.zipped({str(number): b"" for number in range(40)}), "too-many"),
        (lambda: archives.zipped({"zeros": bytes(2_000_000)}), "ratio"),
        (lambda: archives.zipped({"a": bytes(range(256)) * 12_000}), "too-much"),
        (lambda: archives.nested(5, archives.log4j("1")), None),
    ],
)
def test_hostile_archive_gives_one_finding_and_everything_else_is_indexed(shop, tmp_path, make, code, monkeypatch):
    bounds = replace(BOUNDS, depth=4, members=30, ratio=300, ratio_from=1_000_000, inflated=3_000_000)
    files = {"bad.jar": make(), "good.war": archives.zipped({"lib/log4j-core-2.14.1.jar": archives.log4j("2.14.1")})}
    release = Release("shop", "1", artefacts=(lay(tmp_path / "1", files),), source="somewhere")
    add_baseline(shop, release, "ada", NOW, bounds)
    answer = ask(shop, "JndiLookup")
    assert (
        "1",
        "app/good.war!lib/log4j-core-2.14.1.jar!org/apache/logging/log4j/core/lookup/JndiLookup.class",
        None,
    ) in (told(answer))
    (finding,) = answer.unread
    if code:
        assert (finding.path, finding.finding) == ("app/bad.jar", code)
    else:
        assert finding.finding == "depth" and finding.path.startswith("app/bad.jar!level-4.zip")


def test_archives_of_other_kinds_are_named_as_not_looked_into(shop, tmp_path):
    add(shop, "1", tmp_path, {"shop-1.tar.gz": b"x", "in.zip": archives.zipped({"lib/y.RPM": b"y", "tar.txt": b""})})
    found = {(one.path, one.finding) for one in ask(shop, "log4j-core").unread}
    assert found == {("app/shop-1.tar.gz", "kind"), ("app/in.zip!lib/y.RPM", "kind")}


def test_members_beside_a_broken_one_are_listed():
    one, _ = listed(archives.with_broken_member())
    assert [entry.path for entry in one.entries] == ["first.txt", "third.txt"]
    assert one.finding.told.startswith("second.txt cannot be read")


def test_list_of_members_that_would_fill_the_memory_is_not_read():
    one, _ = listed(archives.zipped({str(number): b"" for number in range(100)}), replace(BOUNDS, listing=1000))
    assert one.entries == [] and one.finding.code == "too-many"


def test_archive_that_lies_there_many_times_is_read_once():
    jar = archives.log4j("1")
    _, found = listed(archives.zipped({f"{number}.jar": jar for number in range(20)}))
    assert len(found) == 2


# The register


def test_archive_that_an_earlier_baseline_held_is_not_opened_again(shop, tmp_path):
    files = {f"lib/log4j-core-2.{number}.0.jar": archives.log4j(f"2.{number}.0") for number in range(5)}
    add(shop, "1", tmp_path, files)
    with shop.read() as session:
        before = session.query(Content).count()
    add(shop, "2", tmp_path, files)
    with shop.read() as session:
        assert session.query(Container).count() == 5 + 2
        assert session.query(Content).count() == before + 5
    assert len(ask(shop, "log4j-core").places) == 10


def test_question_costs_the_same_number_of_statements_however_many_baselines_there_are(shop, tmp_path):
    counts = []
    for label in ("1", "2", "3"):
        war = archives.zipped({f"lib/log4j-core-2.{label}.jar": archives.log4j(f"2.{label}")})
        add(shop, label, tmp_path, {"shop.war": war, "bad.zip": b"PK\x03\x04" + label.encode()})
        with statements(shop) as said:
            assert len(ask(shop, "log4j-core").places) == int(label)
        counts.append(len(said))
    assert counts == [3, 3, 3]


def test_answer_of_too_many_places_says_so_and_claims_no_absence(shop, tmp_path):
    add(shop, "1", tmp_path, {f"{number}.txt": b"same" for number in range(5)})
    add(shop, "2", tmp_path, {"a.txt": b"other"})
    answer = ask(shop, hashlib.sha256(b"same").hexdigest(), most=3)
    assert len(answer.places) == 3 and answer.cut and answer.without == []


def test_baseline_and_its_contents_stand_as_they_were_added(shop, tmp_path):
    add(shop, "1", tmp_path, {"a.jar": archives.log4j("1")})
    for statement in (
        "DELETE FROM content",
        "UPDATE content SET name = 'x'",
        "UPDATE container SET finding = 'x'",
        "UPDATE baseline SET tag = 'x'",
        "DELETE FROM baseline",
    ):
        with pytest.raises(PatchlineError) as refused, shop.database.write() as session:
            session.execute(text(statement))
        assert refused.value.code == "refused.database-rule"
    with pytest.raises(PatchlineError) as refused:
        add(shop, "1", tmp_path, {"a.jar": archives.log4j("2")})
    assert refused.value.code == "state.baseline-exists"


def test_single_artefacts_are_known_by_their_names(shop, tmp_path):
    folder = lay(tmp_path, {"a/x.jar": archives.log4j("1"), "b/x.jar": b"", "b/y.jar": archives.log4j("2")})
    release = Release("shop", "1", artefacts=(folder / "a/x.jar", folder / "b/y.jar"), source="a disk")
    add_baseline(shop, release, "ada", NOW)
    assert {place[1] for place in told(ask(shop, "log4j-core"))} == {"app/x.jar", "app/y.jar"}
    for wrong, code in (
        ((folder / "a/x.jar", folder / "b/x.jar"), "build.artefact-twice"),
        ((folder / "a", folder / "b/y.jar"), "build.artefact-mixed"),
        ((folder / "a/z.jar",), "not-found.file"),
    ):
        with pytest.raises(PatchlineError) as refused:
            add_baseline(shop, replace(release, label="2", artefacts=wrong), "ada", NOW)
        assert refused.value.code == code


# Git


@pytest.fixture
def repository(tmp_path):
    made = Repository(tmp_path / "shop.git", bare=True)
    made.commit({"src/a.py": b"1", "lib/log4j-core-2.14.1.jar": archives.log4j("2.14.1")}, tag="v1")
    return made


def test_tag_is_pinned_to_its_commit_and_archives_in_the_tree_are_indexed(shop, repository):
    made = add_baseline(shop, Release("shop", "1", repository=repository.path, tag="v1"), "ada", NOW)
    assert made.commit_id == repository.git("rev-parse", "v1")
    assert made.tree_id == repository.git("rev-parse", "v1^{tree}")
    answer = ask(shop, "log4j-core")
    assert told(answer) == [("1", "app/lib/log4j-core-2.14.1.jar", "2.14.1")]
    assert [one.label for one in ask(shop, "spring-core").sources_only] == ["1"]


def test_moved_tag_is_noticed_and_refused(shop, repository):
    add_baseline(shop, Release("shop", "1", repository=repository.path, tag="v1"), "ada", NOW)
    repository.commit({"src/a.py": b"2"}, tag="v1")
    for label in ("1b", "2"):
        with pytest.raises(PatchlineError) as refused:
            add_baseline(shop, Release("shop", label, repository=repository.path, tag="v1"), "ada", NOW)
        assert refused.value.code == "git.tag-moved"


def test_branch_is_no_release(shop, repository):
    with pytest.raises(PatchlineError) as refused:
        add_baseline(shop, Release("shop", "1", repository=repository.path, tag="main"), "ada", NOW)
    assert refused.value.code == "git.ref-missing"


def test_commit_and_what_was_built_from_it_are_one_baseline(shop, repository, tmp_path):
    built = lay(tmp_path / "built", {"shop.war": archives.zipped({"lib/log4j-core-2.0.jar": archives.log4j("2.0")})})
    release = Release("shop", "1", repository=repository.path, tag="v1", artefacts=(built,), source="build 7")
    made = add_baseline(shop, release, "ada", NOW)
    assert made.kind == "git" and made.source == "build 7"
    assert told(ask(shop, "log4j-core")) == [
        ("1", "app/lib/log4j-core-2.14.1.jar", "2.14.1"),
        ("1", "built:app/shop.war!lib/log4j-core-2.0.jar", "2.0"),
    ]
    assert ask(shop, "spring-core").sources_only == []
    with shop.read() as session:
        assert [one.label for one in list_baselines(session, "shop")] == ["1"]
