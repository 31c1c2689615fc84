"""What these tests have the assertions find is no evidence of the suite's own."""

import pytest

from bn_theory.theorems.recording import Recorder, recording


@pytest.fixture(autouse=True)
def recorder():
    """A recorder that is thrown away."""
    with recording(Recorder()) as found:
        yield found
