"""Which component a file says it is a part of, and by which names people ask for files and components.

    META-INF/maven/**/pom.properties          groupId, artifactId, version
    META-INF/MANIFEST.MF of an archive        where no pom.properties lies in it: OSGi, module or implementation name
    *.dist-info/METADATA, *.egg-info/PKG-INFO Python: Name, Version
    package.json                              npm: name, version

A component is a package URL without its version (`pkg:maven/org.apache.logging.log4j/log4j-core`), the version as it
stands there. What cannot be read says nothing; it is no reason to stop. Pure: reads no disk, knows no database.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.parser import HeaderParser
from urllib.parse import quote

MANIFEST = "META-INF/MANIFEST.MF"
LARGEST = 1 << 20
"""A file of more bytes is not asked what it is a part of."""

_LONGEST = 400
_NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._/@+-]*")
_PLACES = (
    re.compile(r"(.*)[!/]META-INF/maven/[^!]+/pom\.properties"),
    re.compile(r"(.*)!META-INF/MANIFEST\.MF"),
    re.compile(r"(.*\.whl)![^/!]+\.dist-info/METADATA"),
    re.compile(r"(.*\.egg)!EGG-INFO/PKG-INFO"),
    re.compile(r"(.*)[!/](?:METADATA|PKG-INFO|package\.json)"),
)
"""Paths of what tells of a component; before it the archive, or the folder, that is the component."""
_QUALIFIER = r"snapshot|alpha|beta|rc|cr|m|ga|final|release|sp|jre|android|redhat|b|build|[0-9]"
_VERSION = re.compile(rf"[-_.]v?([0-9][0-9a-z.+_]*(?:-(?:{_QUALIFIER})[0-9a-z.+_]*)*)$")
_ENDINGS = re.compile(
    r"(\.(jar|war|ear|rar|zip|whl|aar|jmod|egg|class|pyc?|so|dll|exe|[mc]?js|json|xml|properties|pom|tar|t?gz)|"
    r"-(sources|javadoc|tests|(py|cp)[0-9.]+-[a-z0-9_.-]+)|\.min|\.so(\.[0-9]+)+)$"
)


@dataclass(frozen=True)
class Component:
    """A component as a file names it.

    Attributes:
        url: package URL without version.
        name: its last part in lower case, by which people ask.
    """

    url: str
    name: str
    version: str


def evidence(path: str) -> bool:
    """Tell by its path whether a file may say what it is a part of."""
    return _reader(path) is not None


def component_of(path: str, data: bytes) -> Component | None:
    """Return what a file says it is a part of; None when it says nothing that can be used."""
    read = _reader(path)
    try:
        found = read(data) if read else None
    except (ValueError, RecursionError, AttributeError, TypeError):
        return None
    if found is None or len(found.url) > _LONGEST or len(found.version) > 128 or not found.version.isprintable():
        return None
    return found


def _reader(path: str) -> Callable[[bytes], Component | None] | None:
    name = path.rpartition("/")[2]
    if name == "pom.properties" and "META-INF/maven/" in path:
        return _maven
    if path == MANIFEST:
        return _manifest
    if name in ("METADATA", "PKG-INFO"):
        folder = path.rpartition("/")[0]
        return _python if folder.endswith((".dist-info", ".egg-info", "EGG-INFO")) else None
    return _npm if name == "package.json" else None


def _maven(data: bytes) -> Component | None:
    lines = (line.strip() for line in data.decode("latin-1").splitlines())
    pairs = (re.split(r"\s*[=:]\s*", line, maxsplit=1) for line in lines if line and line[0] not in "#!")
    said = {pair[0]: pair[1] for pair in pairs if len(pair) == 2}
    return _component("maven", said.get("groupId"), said.get("artifactId"), said.get("version"))


def _manifest(data: bytes) -> Component | None:
    text = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\n ", "")
    main = text.partition("\n\n")[0]
    said = dict(line.split(": ", 1) for line in main.splitlines() if ": " in line)
    name = said.get("Bundle-SymbolicName", "").partition(";")[0].strip()
    name = name or said.get("Automatic-Module-Name", "").strip() or said.get("Implementation-Title", "").strip()
    version = said.get("Implementation-Version") or said.get("Bundle-Version")
    group = said.get("Implementation-Vendor-Id", "").strip()
    return _component("maven" if group else "generic", group or None, name, version)


def _python(data: bytes) -> Component | None:
    said = HeaderParser().parsestr(data.decode("utf-8", "replace"))
    name = said.get("Name")
    return _component("pypi", None, python_name(name) if name else None, said.get("Version"))


def _npm(data: bytes) -> Component | None:
    said = json.loads(data)
    name, version = said.get("name"), said.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return None
    scope, _, plain = name.rpartition("/")
    return _component("npm", scope or None, plain, version)


def _component(kind: str, group: str | None, name: str | None, version: str | None) -> Component | None:
    if not name or not version or not _NAME.fullmatch(name) or not (group is None or _NAME.fullmatch(group)):
        return None
    parts = [kind, *([quote(group, safe="")] if group else []), quote(name, safe="")]
    return Component(f"pkg:{'/'.join(parts)}", name.lower(), version.strip())


def python_name(name: str) -> str:
    """Return the one form of a Python distribution's name."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def place_of(path: str) -> str:
    """Return where the component lies of which a file tells: the archive, or the folder, that it is."""
    found = next(filter(None, (pattern.fullmatch(path) for pattern in _PLACES)), None)
    return found[1] if found else path


# Names


def file_name(path: str) -> str:
    """Return the last component of a path in lower case."""
    return path.rpartition("/")[2].rpartition("!")[2].lower()[-_LONGEST:]


def stem_of(name: str) -> str:
    """Return a lower-case file name without version and ending; a name that is nothing else stays."""
    found = _VERSION.sub("", without_ending(name))
    return found or name


def version_of(name: str) -> str | None:
    """Return the version that stands in a file name."""
    found = _VERSION.search(without_ending(name))
    return found[1] if found else None


def without_ending(name: str) -> str:
    """Return a lower-case file name without the endings that tell its kind."""
    while (found := _ENDINGS.search(name)) and found.start():
        name = name[: found.start()]
    return name
