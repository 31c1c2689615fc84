"""Arrows point one way, importing is cheap, and the public names are what other code relies on."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import bn_theory as bn
import proofs_check

PACKAGE = Path(bn.__file__).parent
PROOFS = Path(proofs_check.__file__).parent

# proofs_check <- losses <- dynamics <- engines <- simulate <- rates, bounds, networks <- theorems
#              <- experiments, report, testing <- cli; a module imports from lower levels and from itself.
LEVELS = {
    "errors": 0,
    "progress": 0,
    "files": 1,
    "papers": 1,
    "provenance": 1,
    "losses": 1,
    "dynamics": 2,
    "engines": 3,
    "simulate": 4,
    "low_rank_decay": 4,
    "rates": 5,
    "bounds": 5,
    "predictions": 5,
    "decoupling": 5,
    "fuss_catalan": 5,
    "local_entropy": 5,
    "csv_data": 5,
    "networks": 5,
    "theorems": 6,
    "experiments": 7,
    "report": 7,
    "testing": 7,
    "bench": 7,
    "cli": 8,
    "pytest_plugin": 8,
    "__main__": 9,
}
ONLY = {"errors": set(), "rates": {"errors"}}  # tighter than their level


def imports(path, package_root):
    """Absolute dotted names imported anywhere in a file, functions included; of ``bn_theory`` itself, those used."""
    here = path.relative_to(package_root.parent).with_suffix("").parts
    parent = here if path.name == "__init__.py" else here[:-1]
    parent = parent[:-1] if path.name == "__init__.py" else parent
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    whole = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            whole |= {alias.asname or alias.name for alias in node.names if alias.name == "bn_theory"}
            yield from (alias.name for alias in node.names if alias.name != "bn_theory")
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parent[: len(parent) - node.level + 1]) + "." if node.level else ""
            module = base + (node.module or "")
            yield from (f"{module.rstrip('.')}.{alias.name}" for alias in node.names)
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in whole:
            yield f"bn_theory.{node.attr}"


def top(name):
    """The layer of ``bn_theory`` that a dotted name belongs to; a public name counts where it lives."""
    part = name.split(".")[1] if "." in name else "bn_theory"
    return bn._HOMES[part].split(".")[0] if part in bn._HOMES else part


def layer(path):
    part = path.relative_to(PACKAGE).parts[0]
    return part.removesuffix(".py")


FILES = sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


def test_every_module_has_a_level():
    found = {layer(p) for p in FILES}
    assert {"losses", "dynamics", "engines", "simulate", "errors"} <= found
    assert found <= set(LEVELS), f"give {found - set(LEVELS)} a place in LEVELS"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = layer(path)
    for name in imports(path, PACKAGE):
        if name.split(".")[0] == "proofs_check":
            assert LEVELS[own] > LEVELS["progress"] and own not in ONLY, f"{own} imports {name}"
        if name.split(".")[0] != "bn_theory" or top(name) == own:
            continue
        target = top(name)
        if target.startswith("__"):  # bn_theory.__version__ and the like
            continue
        assert target in LEVELS, f"{own} imports {name}, which has no level"
        assert LEVELS[target] < LEVELS[own], f"{own} imports {name}: arrows point down only"
        if own in ONLY:
            assert target in ONLY[own], f"{own} imports {name}"


def test_the_package_itself_imports_nothing():
    outside = {name.split(".")[0] for name in imports(PACKAGE / "__init__.py", PACKAGE)}
    assert outside == {"importlib"}


def test_proofs_are_symbols_only():
    files = sorted(PROOFS.rglob("*.py"))
    assert len(files) > 5
    for path in files:
        roots = {name.split(".")[0] for name in imports(path, PROOFS)}
        assert not roots & {"bn_theory", "numpy", "scipy", "numba", "xarray"}, path
        if path.name != "z3_check.py":
            assert "z3" not in roots, path


def test_the_reader_of_imports_sees_functions_and_relative_names(tmp_path):
    package = tmp_path / "bn_theory"
    (package / "losses").mkdir(parents=True)
    path = package / "losses" / "x.py"
    path.write_text(
        "import bn_theory as bn\ndef f():\n    from bn_theory.engines import choose\n    from .loss import Loss\n"
        "    from .. import cli\n    return bn.run"
    )
    assert set(imports(path, package)) == {
        "bn_theory.engines.choose",
        "bn_theory.losses.loss.Loss",
        "bn_theory.cli",
        "bn_theory.run",
    }
    assert top("bn_theory.run") == "simulate"


HEAVY = ("sympy", "numba", "torch", "matplotlib", "cupy", "numpy", "scipy", "xarray", "sklearn", "rich", "proofs_check")


@pytest.mark.parametrize("code", ["import bn_theory", "import bn_theory as bn; bn.DivergedError; dir(bn); bn.__all__"])
def test_importing_is_cheap(code):
    code += f"; import sys; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert done.stdout.strip() == "[]"


# Names that other code relies on.
PROMISED = {
    "weights",
    "data",
    "noise",
    "parameter",
    "total",
    "Loss",
    "rayleigh",
    "power_law_rayleigh",
    "least_squares_bn",
    "bilinear",
    "with_linear_noise",
    "GD",
    "SGD",
    "equivalent_schedule",
    "run",
    "fit_exponent",
    "envelope",
    "NotScaleInvariantError",
    "NoPowerLawError",
    "DivergedError",
}
# The rest of the public names; a change here is a change of the interface.
FURTHER = {
    "ArrayLoss",
    "Sampler",
    "rayleigh_dense_noise",
    "minibatch_least_squares_bn",
    "bn_neuron_logistic",
    "Constant",
    "Cosine",
    "Exponential",
    "Polynomial",
    "Power",
    "StepDecay",
    "Table",
    "Warmup",
    "texp_schedule",
    "BnTheoryError",
    "InvalidInputError",
    "LossError",
}


def test_public_names():
    assert sorted(bn.__all__) == bn.__all__
    assert set(bn.__all__) >= PROMISED
    assert set(bn.__all__) == PROMISED | FURTHER
    assert dir(bn) == bn.__all__


@pytest.mark.parametrize("name", sorted(PROMISED | FURTHER))
def test_every_public_name_loads_and_is_documented(name):
    value = getattr(bn, name)
    assert value.__name__ == name
    assert value.__doc__ and value.__doc__.strip()


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="'bn_theory' has no attribute 'rayleihg'"):
        _ = bn.rayleihg
