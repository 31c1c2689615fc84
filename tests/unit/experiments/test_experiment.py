"""Descriptions of experiments: sizes that are checked, runs in their order, importing without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

import bn_theory
from bn_theory.errors import InvalidInputError, UnknownNameError
from bn_theory.experiments import NAMES, experiment
from bn_theory.report.figures import networks as network_figures

ROOT = Path(bn_theory.__file__).parents[1]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_is_complete(name):
    found = experiment(name)
    assert found.name == name and set(found.defaults) == {"digits", "CIFAR-10"}
    for data in found.defaults:
        setup = found.setup(data)
        runs = found.runs(setup)
        cases = len(runs) // 3
        assert len(runs) == 3 * cases and [seed for seed, _ in runs] == [0] * cases + [1] * cases + [2] * cases
        assert len({str(case) for _, case in runs}) == cases
    assert found.headline[1] in found.axes(setup)
    for function in found.figures.values():
        assert callable(getattr(network_figures, function))


def test_unknown_names_have_near_ones():
    with pytest.raises(UnknownNameError, match="unknown experiment 'learning_rate'; did you mean learning_rate_sweep"):
        experiment("learning_rate")


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"rates": [0.1, 0.0]}, r"rates must rise"),
        ({"rates": [-1.0]}, r"learning rates must be finite and above 0, not -1.0"),
        ({"rates": [float("inf")]}, r"learning rates must be finite and above 0, not inf"),
        ({"rates": [float("nan")]}, r"learning rates must be finite and above 0, not nan"),
        ({"rates": [0.1, 0.1]}, r"rates must be different numbers"),
        ({"rates": []}, r"rates must be different numbers, at least one"),
        ({"others_rate": 0.0}, r"learning rates must be finite and above 0, not 0.0"),
        ({"epochs": 0}, r"epochs must be a whole number of at least 1, not 0"),
        ({"batch": 2.5}, r"batch must be a whole number of at least 1, not 2.5"),
        ({"depth": (8,)}, r"learning_rate_sweep has no depth; its sizes are batch, epochs"),
        ({"seeds": 0}, r"seeds must be at least 1"),
        ({"data": "mnist"}, r"data must be digits or CIFAR-10, not 'mnist'"),
        ({"device": "tpu"}, r"device must be cpu or cuda, not 'tpu'"),
    ],
)
def test_bad_sizes_are_named(sizes, message):
    with pytest.raises(InvalidInputError, match=message):
        experiment("learning_rate_sweep").setup(**sizes)


@pytest.mark.parametrize(
    "sizes, message",
    [
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), not 1.0"),
        ({"weight_decay": -1e-4}, r"weight decay must be finite and at least 0, not -0.0001"),
    ],
)
def test_bad_momentum_and_decay_are_named(sizes, message):
    with pytest.raises(InvalidInputError, match=message):
        experiment("rate_and_generalisation").setup(**sizes)


def test_one_depth_where_it_is_no_axis():
    found = experiment("rate_and_generalisation")
    with pytest.raises(InvalidInputError, match=r"takes one depth, not \(8, 14\)"):
        found.runs(found.setup(depth=[8, 14]))


def test_descriptions_import_no_torch():
    code = (
        "from bn_theory.experiments import *; [experiment(n) for n in NAMES]; import sys; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_a_missing_library_is_named():
    code = """
import sys
class Absent:
    def find_spec(name, path=None, target=None):
        if name == "safetensors":
            raise ModuleNotFoundError("No module named 'safetensors'", name="safetensors")
sys.meta_path.insert(0, Absent)
from bn_theory.cli import main
print(main(["experiment", "learning_rate_sweep"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "2"
    assert "an experiment needs safetensors, which is not installed: pip install '.[networks]'" in done.stderr
