import base64
import quopri
import textwrap

import pytest

from patchline.patches import documents
from patchline.patches.errors import ReportError
from patchline.releaser.fleet.reading import MOST_BYTES, read_report, read_reports
from tests.fleets import layer, signed_report
from tests.registers import NOW

DOCUMENT = {
    "format": 1,
    "audience": "vendor",
    "product": "demo",
    "site": "5" * 32,
    "epoch": "e" * 32,
    "counter": 7,
    "time": "2026-11-22T13:00:00+01:00",
    "client": "1.0",
    "baseline": "1.0",
    "level": {"label": "1.0", "digest": "d" * 64, "code": "8PY3-7QEN-HF1S"},
    "hotfixes": [
        {
            "hotfix": "HF-2026-0001",
            "revision": 2,
            "manifest": "a" * 64,
            "applied": layer("HF-2026-0001", 2, "a" * 64).time,
            "preserved": 1,
            "kept": 0,
            "lost": ["BUG-7"],
            "unratified": False,
        }
    ],
    "unfinished": False,
    "checked": None,
    "drift": [["f" * 64, "the baseline"]],
    "policy": 1,
    "recalls": None,
    "checkpoint": None,
}
REPORT = signed_report(DOCUMENT, "a site")
LINE = REPORT.decode().strip()


def quoted(text, mark="> "):
    return "".join(f"{mark}{line}\n" for line in text.splitlines())


def wrapped(text, width=72):
    return "\n".join(textwrap.wrap(text, width, break_on_hyphens=False))


PASTED = {
    "as it is": LINE,
    "with line ends of another system": LINE + "\r\n",
    "broken into lines": wrapped(LINE),
    "broken into lines with CRLF": wrapped(LINE, 60).replace("\n", "\r\n"),
    "quoted": quoted(wrapped(LINE)),
    "quoted twice": quoted(quoted(wrapped(LINE))),
    "between other words": f"Dear support,\n\nhere it is:\n{quoted(wrapped(LINE, 76))}\nRegards {{Jo}}\n-- \n{{}}",
    "indented": textwrap.indent(wrapped(LINE), "    "),
    "with curly quotation marks": wrapped(LINE).replace('"', "\u201d"),
    "as HTML": wrapped(LINE).replace('"', "&quot;"),
    "with invisible characters": "\u200b".join(wrapped(LINE).splitlines()),
    "as quoted-printable": quopri.encodestring(REPORT).decode(),
    "as base64": base64.encodebytes(REPORT).decode(),
    "as quoted base64": quoted(wrapped(base64.b64encode(REPORT).decode())),
}


@pytest.mark.parametrize("how", PASTED)
def test_report_is_found_in_pasted_text(how):
    found = read_report(PASTED[how].encode())
    assert found.data.decode() == LINE
    said = found.statement
    assert (said.counter, said.made, said.hotfixes[0].label, said.hotfixes[0].lost) == (
        7,
        NOW,
        "HF-2026-0001-r2",
        ("BUG-7",),
    )


def test_report_in_sixteen_bits_is_read_as_some_shells_write_it():
    assert read_report(LINE.encode("utf-16")).data.decode() == LINE


def test_several_reports_in_one_text_are_all_read():
    other = signed_report({**DOCUMENT, "counter": 8}, "a site").decode()
    text = f"two of them\n{wrapped(LINE)}\n\nand\n{quoted(other)}\n{LINE}\n".encode()
    assert [one.statement.counter for one in read_reports(text)] == [7, 8]
    with pytest.raises(ReportError) as refused:
        read_report(text)
    assert refused.value.code == "report.several"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "text"),
        (b"{}\n", "text"),
        (b"\x00\xff" * 50, "text"),
        (b"Dear support, we have 4.1.2 with HF-9. Regards", "text"),
        (b"x" * (MOST_BYTES + 1), "too-large"),
        (LINE[: len(LINE) // 2].encode(), "truncated"),
        (LINE[:-1].encode(), "truncated"),
        (quoted(wrapped(LINE[:-40])).encode(), "truncated"),
        (LINE.replace("vnd.patchline.report", "vnd.patchline.policy").encode(), "other-document"),
        (base64.b64encode(REPORT)[: len(REPORT)], "truncated"),
    ],
)
def test_what_is_no_report_has_one_clear_answer(data, code):
    with pytest.raises(ReportError) as refused:
        read_reports(data)
    assert refused.value.code == f"report.{code}" and refused.value.hint


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"format": 2}, "fields"),
        ({"counter": 0}, "value"),
        ({"counter": True}, "type"),
        ({"epoch": "a b"}, "value"),
        ({"time": "2026-11-22T13:00:00"}, "value"),
        ({"time": "1970-01-01T00:00:00Z"}, "value"),
        ({"time": "9999-12-31T23:59:59-23:00"}, "value"),
        ({"product": "../x"}, "value"),
        ({"level": None}, "type"),
        ({"level": {"label": "x", "digest": "D" * 64}}, "value"),
        ({"hotfixes": [{}]}, "missing"),
        ({"hotfixes": DOCUMENT["hotfixes"] * 2}, "value"),
        ({"drift": [["f" * 64]]}, "type"),
        ({"drift": [["etc/passwd", "x"]]}, "value"),
        ({"unfinished": 0}, "type"),
    ],
)
def test_report_that_breaks_a_rule_is_refused_by_its_name(change, code):
    with pytest.raises(ReportError) as refused:
        read_report(signed_report({**DOCUMENT, **change}, "a site"))
    assert refused.value.code == f"report.{code}"


def test_payload_that_is_no_canonical_json_is_refused():
    envelope = documents.decode(LINE.encode(), what="report", light=True)
    envelope["payload"] = base64.b64encode(b'{ "format": 1 }').decode()
    with pytest.raises(ReportError) as refused:
        read_report(documents.encode(envelope))
    assert refused.value.code == "report.fields"
