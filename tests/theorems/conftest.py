"""Each statement that a file lists in ``SLUGS`` is verified once, by the package's own pytest plugin."""

import pytest

pytest.register_assert_rewrite("checks_of_statements")


def pytest_generate_tests(metafunc):
    if "theorem_result" in metafunc.fixturenames:
        slugs = [pytest.param(slug, id=slug, marks=pytest.mark.theorem(slug)) for slug in metafunc.module.SLUGS]
        # the module's scope keeps the tests of a statement together
        metafunc.parametrize("theorem_slug", slugs, scope="module")
