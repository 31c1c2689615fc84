"""Without torch: the package says how to get it, and the statement that needs it can still be listed."""

import subprocess
import sys
from pathlib import Path

import pytest

import bn_theory

ROOT = Path(bn_theory.__file__).parents[1]
WITHOUT = """
import sys

class Absent:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")

sys.meta_path.insert(0, Absent)
"""
STATEMENT = """
from bn_theory.theorems.li2020.other_normalisations import STATEMENT
from bn_theory.theorems.statement import Settings
assert STATEMENT.extra == 'networks'
next(iter(STATEMENT.evidence(Settings())))
"""


@pytest.mark.parametrize("code", ["import bn_theory.networks", STATEMENT], ids=["networks", "statement"])
def test_the_missing_extra_is_named(code):
    done = subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True, check=False, cwd=ROOT)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("bn_theory.errors.MissingExtraError: bn_theory.networks needs torch")
    assert "pip install '.[networks]'" in last
