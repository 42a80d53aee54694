import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from patchline.patches import documents
from patchline.patches.errors import DocumentError

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.text('\x00\x1f\x7f"\\/é\ud7ff\ue000\U0001f600ab')
ATOMS = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXTS
DOCUMENTS = st.recursive(
    ATOMS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)


@given(DOCUMENTS)
def test_document_comes_back_from_its_canonical_bytes(document):
    data = documents.encode(document)
    assert documents.decode(data, what="test") == document
    assert documents.encode(documents.decode(data, what="test")) == data


@given(st.dictionaries(TEXTS, st.integers(0, 9), min_size=2, max_size=4), st.randoms())
def test_keys_in_any_other_order_are_refused(document, random):
    data = documents.encode(document)
    items = list(document.items())
    random.shuffle(items)
    shuffled = b"{" + b",".join(documents.encode(key) + b":%d" % value for key, value in items) + b"}"
    if shuffled == data:
        documents.decode(shuffled, what="test")
    else:
        with pytest.raises(DocumentError) as caught:
            documents.decode(shuffled, what="test")
        assert caught.value.code == "document.not-canonical"


@given(TEXTS)
def test_text_alone_reads_as_in_a_document(text):
    assert documents.encode_text(text).encode() == documents.encode(text)


@pytest.mark.parametrize("leaf", [b"", b"0"])
def test_nesting_has_a_limit(leaf):
    documents.decode(b"[" * 32 + leaf + b"]" * 32, what="test")
    with pytest.raises(DocumentError) as caught:
        documents.decode(b"[" * 33 + leaf + b"]" * 33, what="test")
    assert caught.value.code == "document.depth"


def test_keys_are_sorted_by_utf16_units_not_by_code_points():
    document = {"\U0001f600": 1, "\ue000": 2}
    assert documents.decode(documents.encode(document), what="test") == document
    assert list(documents.encode(document)) == list('{"\U0001f600":1,"\ue000":2}'.encode())


@given(DOCUMENTS)
def test_encoding_is_that_of_the_reference_library(document):
    assert documents.encode(document) == rfc8785.dumps(document)


@pytest.mark.parametrize("document", [1.5, {"a": 2**53}, float("nan"), {"a": "\ud800"}, {1, 2}])
def test_what_has_no_canonical_form_is_not_written(document):
    with pytest.raises(DocumentError):
        documents.encode(document)
