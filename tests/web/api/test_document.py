"""The running API against its own document: whatever the document allows is answered as it says, and nothing breaks."""

import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from patchline.releaser.register import opened
from tests.api import make_token
from tests.fleets import Fleet
from tests.pages import make_app
from tests.registers import BACKENDS, make_home

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_THOROUGH = bool(os.environ.get("PATCHLINE_REQUIRE_ALL"))
_EXAMPLES = 10 if _THOROUGH else 1


@pytest.fixture(scope="module", params=BACKENDS if _THOROUGH else BACKENDS[:1])
def api(request, tmp_path_factory):
    """Give the document of a running app, and the header of somebody who may do everything."""
    with opened(make_home(request.param, tmp_path_factory.mktemp("api") / "home")) as register:
        fleet = Fleet(register).product("demo", "1.0")
        fleet.customer()
        fleet.site()
        token = make_token(register)
        app = make_app(register)
        yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app), {"Authorization": f"Bearer {token}"}


def test_whatever_the_document_allows_is_answered_as_it_says(api):
    document, headers = api
    operations = [result.ok() for result in document.get_all_operations()]
    assert len(operations) > 60
    for operation in operations:

        @settings(
            max_examples=_EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case):
            response = case.call(headers=headers)
            case.validate_response(response, checks=_CHECKS)

        ask()
