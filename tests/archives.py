"""Archives for tests, made in memory: jars that say what they are, wars around them, and hostile ones."""

import io
import json
import struct
import zipfile
from collections.abc import Mapping


def zipped(members: Mapping[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", how) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, how)
    return made.getvalue()


def maven_jar(group: str, name: str, version: str, members: Mapping[str, bytes] | None = None) -> bytes:
    said = f"#Generated\nversion={version}\ngroupId={group}\nartifactId={name}\n".encode()
    manifest = f"Manifest-Version: 1.0\r\nImplementation-Title: {name}\r\nImplementation-Version: {version}\r\n\r\n"
    return zipped(
        {
            "META-INF/MANIFEST.MF": manifest.encode(),
            f"META-INF/maven/{group}/{name}/pom.properties": said,
            **(members or {}),
        }
    )


def log4j(version: str) -> bytes:
    lookup = {"org/apache/logging/log4j/core/lookup/JndiLookup.class": f"lookup {version}".encode()}
    return maven_jar("org.apache.logging.log4j", "log4j-core", version, lookup)


def wheel(name: str, version: str) -> bytes:
    said = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nText.\n".encode()
    return zipped({f"{name}/__init__.py": b"", f"{name}-{version}.dist-info/METADATA": said})


def package_json(name: str, version: str) -> bytes:
    return json.dumps({"name": name, "version": version}).encode()


def nested(depth: int, innermost: bytes) -> bytes:
    for level in range(depth):
        innermost = zipped({f"level-{level}.zip": innermost})
    return innermost


def encrypted() -> bytes:
    """An archive whose one member says that it is encrypted."""
    data = bytearray(zipped({"secret.txt": b"secret"}, zipfile.ZIP_STORED))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        struct.pack_into("<H", data, data.index(mark) + place, 1)
    return bytes(data)


def with_broken_member() -> bytes:
    """An archive of three members of which the second does not give its checksum."""
    data = bytearray(
        zipped({"first.txt": b"first", "second.txt": b"second", "third.txt": b"third"}, zipfile.ZIP_STORED)
    )
    place = data.index(b"second", data.index(b"second") + 6)
    data[place] ^= 1
    return bytes(data)
