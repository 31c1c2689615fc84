"""The README's lines on local entropy, decays and directions, run as they stand."""

import ast
from pathlib import Path

import numpy as np
import pytest

import bn_theory as bn
from bn_theory import low_rank_decay

README = Path(__file__).resolve().parents[2] / "README.md"


@pytest.fixture(scope="module")
def block():
    text = README.read_text(encoding="utf-8")
    _, _, rest = text.partition("### Local entropy, decays, directions")
    _, _, rest = rest.partition("```python\n")
    return rest.partition("```")[0]


def test_the_lines_of_the_readme(block, capsys):
    exec(compile(block, "README.md", "exec"), {})
    first, second, third = capsys.readouterr().out.splitlines()
    time, steepest, law = map(float, first.split())
    # f = 3/4 + cos(2 t)/4, so f'' is lowest at 0, where it is -1
    assert time == pytest.approx(1.0, rel=1e-12)
    assert steepest == pytest.approx(law, rel=1e-5) and steepest > 100
    before, weight_decay, low_rank = ast.literal_eval(second)
    assert weight_decay == pytest.approx(before, rel=1e-12) and low_rank < before - 0.01
    assert float(third) == pytest.approx(0.1 * 1.01**9, rel=1e-12)


def test_control_equal_singular_values_keep_their_rank():
    W = np.eye(4)
    assert low_rank_decay.stable_rank(low_rank_decay.low_rank_step(W, 0.1, 0.5)) == pytest.approx(4.0, rel=1e-12)


def test_control_what_is_not_scale_invariant_has_no_angle():
    from bn_theory.errors import NotScaleInvariantError
    from bn_theory.local_entropy import quotient

    with pytest.raises(NotScaleInvariantError):
        quotient(bn.rayleigh([2.0, 1.0]).unnormalised)
