"""The result of each statement that a file lists in ``SLUGS``, by the code that ``bn-theory verify`` runs."""

import pytest

from bn_theory.theorems.registry import statement
from bn_theory.theorems.statement import Settings, verify

pytest.register_assert_rewrite("checks_of_statements")


def pytest_generate_tests(metafunc):
    if "result" in metafunc.fixturenames:
        metafunc.parametrize("result", metafunc.module.SLUGS, indirect=True, scope="module")


@pytest.fixture(scope="module")
def result(request):
    return verify(statement(request.param), Settings(profile="quick", seed=0))
