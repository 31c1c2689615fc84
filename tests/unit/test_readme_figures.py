"""The README's table of speed is what the committed result of ``bn-theory bench`` says, digit by digit."""

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "tests" / "benchmarks" / "results"
NAMES = {f"rayleigh_{d}": f"Rayleigh, signs, d = {d}" for d in (2, 8, 32, 128, 512, 4096)}
NAMES |= {"momentum": "Rayleigh, signs, momentum and decay, d = 128"}
NAMES |= {"bilinear": "bilinear, signs", "least_squares": "BN least squares, GD", "gd": "Rayleigh, GD"}


def figure(x):
    return f"{x:.3g}" if x < 1000 else f"{x:.0f}"


@pytest.mark.parametrize("workload", NAMES)
def test_speed(workload):
    found = {
        r["engine"]: r for r in json.loads((RESULTS / "bench.json").read_text())["results"] if r["workload"] == workload
    }
    ns = {name: r["ns_per_coordinate_and_step"]["median"] for name, r in found.items()}
    ns["jax"] = min(ns[name] for name in ("jax", "jax_bits") if name in ns)
    cells = [NAMES[workload], figure(ns["numba"])]
    cells += [f"{figure(ns[n])} ({figure(ns[n] / ns['numba'])}x)" for n in ("numpy", "eager", "jax", "torch")]
    cells.append(f"{100 * found['numba']['share_of_limit']['median']:.0f} %")
    assert f"| {' | '.join(cells)} |" in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("d", [8, 32, 128, 4096])
def test_share_of_the_limit_by_replicas(d):
    rows = json.loads((RESULTS / "bench_replicas.json").read_text())["results"]
    shares = {
        r["runs"]["main"]["replicas"]: r["share_of_limit"]["median"] for r in rows if r["workload"] == f"rayleigh_{d}"
    }
    text = " / ".join(f"{100 * shares[n]:.0f}" for n in (1, 64, 10_000))
    words = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert f"{text} % at d = {d}" in words
