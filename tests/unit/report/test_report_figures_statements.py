"""The figures of a statement of a document: what its curves carry is what is drawn, with their verdicts."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import bn_theory as bn
from bn_theory.errors import InvalidInputError
from bn_theory.report import figures
from bn_theory.report.figures.statements import DRAW, FEW, drawn
from bn_theory.report.json_ import as_bytes
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import workbench
from bn_theory.theorems.arora2019 import amplitude_law, gd_rate, network_runs, networks, norm_growth, sgd_rate, sgd_runs
from bn_theory.theorems.bjorck2018 import (
    gaussian_products,
    gradients_at_init,
    largest_rate,
    rate_and_generalisation,
    starts,
)
from bn_theory.theorems.evidence import Curves
from bn_theory.theorems.li2020 import constant_rate, equilibrium, pairs, texp
from bn_theory.theorems.low_rank_decay2026 import grokking as low_rank_grokking
from bn_theory.theorems.low_rank_decay2026 import run as low_rank_run
from bn_theory.theorems.md_decoupling2026 import rate_sweeps
from bn_theory.theorems.shock2026 import cases as shock_cases
from bn_theory.theorems.shock2026 import run as shock_run
from bn_theory.theorems.shock2026 import shock_time
from bn_theory.theorems.statement import Settings

QUICK = Settings(engine="numpy")
RNG = np.random.default_rng(0)


def statement(curves, evidence=()):
    """A statement as a document has it, through its JSON."""
    document = {"slug": "a.b", "title": "a title", "evidence": list(evidence), "figures": list(curves)}
    return json.loads(as_bytes(document))


# --- what every statement's curves carry, on runs that are short, or made up where they would be long ---


def of_norm_growth():
    return norm_growth._curves(QUICK, bn.rayleigh(np.linspace(0, 1, 16)), np.array([0.1, 1.0, 10.0]))


def of_gd_rate():
    # any family will do whose envelope is known: the flow's law at norm 1
    run, grid = flow()
    return [gd_rate._curves(1.0, 0.1, run, grid)]


def flow(records=61):
    import xarray as xr

    t = np.r_[0.0, np.geomspace(1, gd_rate.ENVELOPE_STEPS, records)]
    grid = np.geomspace(1e-8, 1.0, 321)
    tau2 = np.tan(0.1) ** 2 * np.exp(-2 * grid[:, None] * t)
    dims = ("case", "replica", "step")
    values = {
        "min_grad_norm2": (dims, (grid[:, None] ** 2 * tau2 / (1 + tau2) ** 2)[:, None]),
        "loss": (dims, (grid[:, None] / 2 * tau2 / (1 + tau2))[:, None]),
    }
    return xr.Dataset(values, {"step": t}), grid


def of_sgd_rate():
    run = workbench.run(QUICK, sgd_runs.loss(), bn.SGD(1.0), steps=3000, replicas=8)
    return [sgd_rate._curves("exponent", 1.0, 0.0, run)]


def amplitudes():
    return [
        judge.amplitude(f"{form}: {amplitude_law._where(eta, alpha)}", (0.99, 1.01), 0.02)
        for form in ("closed form", "finite-time form")
        for alpha in sgd_runs.alphas(QUICK)
        for eta in workbench.rates(QUICK)
        if form == "finite-time form" or alpha < 0.5
    ]


def of_amplitude_law():
    return [amplitude_law._curves(QUICK, [*amplitudes(), judge.Outside("closed form: rate 0.1, alpha 0.5", "why")])]


def of_networks():
    rates, losses = np.array([0.01, 1.0, 100.0]), np.array([[0.2, 0.1, 0.3], [0.2, 0.2, 0.2], [0.1, 0.1, math.inf]])
    settings = (network_runs.SGD, network_runs.PROJECTED, network_runs.TWIN)
    return [networks._curves(400, *(network_runs.Swept(s, rates, losses, losses, losses) for s in settings))]


def of_constant_rate():
    return [constant_rate._curves(["rayleigh"])]


def of_texp():
    return [texp._curves(["rayleigh"], 0.9)]


def of_equilibrium():
    t = np.linspace(0, 400, 200)
    excess = 9 * (0.1 / 9) ** (t / 100) * np.linspace(0.9, 1.1, 16)[:, None]
    c = equilibrium.Configuration(0.1, 0.01, 0.0)
    return equilibrium._curves({c: equilibrium.Relaxed(t, excess, 100.0)}, {(c, "noise"): None})


def of_gaussian_products():
    histograms = {m: gaussian_products.histogram(RNG.uniform(0.01, 5.0, size=(50, 8)), m) for m in (1, 2, 3, 4)}
    return [gaussian_products._curves(histograms, 50)]


def of_gradients_at_init():
    off, on = (
        [start(starts.larger(RNG.standard_t(df, 500) if df else RNG.normal(size=500))) for _ in range(4)]
        for df in (3, 0)
    )
    return [gradients_at_init._curves(38, off, on)]


def start(larger):
    return starts.Start(*(len(starts.Start.__dataclass_fields__) - 1) * [None], larger=larger)


def of_largest_rate():
    found = {
        (depth, norm): [SimpleNamespace(bracket=(size, 1.5 * size)), SimpleNamespace(bracket=(math.nan, math.nan))]
        for depth in (8, 14)
        for norm, size in (("batch", 3.0), (None, 0.1))
    }
    lengths = np.array(largest_rate.MULTIPLES)
    bounded, unbounded = np.minimum(lengths, 3.0), np.append(lengths[:-1] ** 5, np.inf)
    profiles = {"batch": [SimpleNamespace(losses=bounded)] * 2, None: [SimpleNamespace(losses=unbounded)]}
    return [largest_rate._brackets(found), largest_rate._along(profiles)]


def of_rate_and_generalisation():
    runs = {
        (norm, rate): [rate_and_generalisation.Run(0.1, 1.0, 0.9 - rate, 0.01)] * 4
        for norm in ("batch", None)
        for rate in (0.003, 0.1)
    }
    return [rate_and_generalisation._curves(runs)]


def of_shock2026_run():
    f = shock_cases.circles()["rayleigh"]
    nu = shock_run.NUS[0] * shock_cases.swing(f)
    drawn = {share: shock_run.sampled(f, nu, share, 0, 50)[2] for share in shock_run.DRAWN.values()}
    return [shock_run.curves("rayleigh", f, 1.0, drawn, ["rayleigh: a function of the angle"])]


def of_shock2026_shock_time():
    shapes = {name: one for name, one in (shock_cases.circles() | shock_cases.lines()).items() if name[0] in "rt"}
    return [shock_time._curves({name: shock_time.regimes(QUICK, one) for name, one in shapes.items()})]


def of_low_rank_decay2026_run():
    return [low_rank_run._curves(QUICK)]


def of_low_rank_decay2026_grokking():
    decays = ("none", "radial", "low-rank")
    ends = {name: RNG.uniform(0, 1, (9, 40)) for name in ("train", "test")} | {"effective": RNG.uniform(1, 32, (9, 40))}
    trained = SimpleNamespace(
        step=np.arange(40),
        of=lambda decay, fraction: np.arange(3) + 3 * decays.index(decay),
        model=SimpleNamespace(W_Q=np.zeros((9, 32, 32))),
        **ends,
    )
    return [low_rank_grokking._curves(trained, low_rank_grokking.QUICK)]


def of_md_decoupling2026():
    widths, rates = np.array([8, 32, 128, 512]), np.geomspace(1e-3, 10, 23)
    sweeps = [
        rate_sweeps.Sweep(method, rates, widths, np.exp(np.log(rates) ** 2 / 50 + 0.1 * RNG.normal(size=(16, 4, 23))))
        for method in ("SGD", "SGD with weight decay", "decoupled SGD", "decoupled Adam")
    ]
    return [rate_sweeps.curves("caption.", sweeps, "final loss")]


OF = {
    name.removeprefix("of_"): function for name, function in sorted(globals().items()) if name.startswith("of_")
}  # fmt: skip


@pytest.fixture(scope="module")
def curves():
    return {name: list(function()) for name, function in OF.items()}


@pytest.mark.parametrize("name", OF)
def test_curves_are_drawn_with_the_verdicts_that_they_name(curves, name):
    for one in curves[name]:
        assert isinstance(one, Curves) and one.caption.endswith(".")
        pieces = [judge.amplitude(piece, (0.99, 1.01), 0.02) for piece in one.data["supports"]]
        other = judge.bound("another piece", 2.0)
        (figure, caption, alt), (_, _, margin) = drawn(statement([one], [*pieces, other]))
        shown = figure.get_suptitle() or figure.axes[0].get_title()
        assert f"amplitude: {len(pieces)} of {len(pieces)} supported" in shown.replace("\n", " ")
        assert "bound" not in shown.removeprefix("a.b: a title")
        assert caption == one.caption and alt.startswith(caption)
        assert f"Verdict: amplitude: {len(pieces)} of {len(pieces)} supported." in alt
        if len(pieces) <= FEW:
            assert all(f"{piece.name}: measured 1 (0.99 to 1.01), predicted 1, supported." in alt for piece in pieces)
        assert "another piece" not in alt and "Bounds: 1 claimed, 2 of what is allowed." in margin
        assert figures.as_bytes(figure, "svg").rstrip().endswith(b"</svg>")


@pytest.mark.parametrize("name", OF)
def test_curves_are_thinned(curves, name):
    for one in curves[name]:
        assert len(as_bytes(one.data)) < 150_000
        assert longest(json.loads(as_bytes(one.data))) <= 500


def longest(data):
    if isinstance(data, dict):
        return max(map(longest, data.values()), default=0)
    return max(len(data), *map(longest, data), 0) if isinstance(data, list) else 0


def test_every_figure_that_a_statement_names_can_be_drawn_and_is_tried_here(curves):
    """What the sources name is what is tried above, and nothing is drawn that no statement names."""
    folder = Path(judge.__file__).parent
    named = {
        name for path in folder.rglob("*.py") for name in re.findall(r"\bCurves\(\s*\"(\w+)\"", path.read_text())
    }  # fmt: skip
    tried = {one.figure for several in curves.values() for one in several}
    assert named == tried == set(DRAW)


def test_the_numbers_are_those_of_the_runs(curves):
    """One of each kind of data, from the run to the line."""
    (envelope,) = curves["gd_rate"]
    (figure, *_), _ = drawn(statement([envelope], [judge.bound("a", 0.5)]))
    run, grid = flow()
    supremum = np.max(run.min_grad_norm2.values[:, 0, 1:] / run.loss.values[:, 0, :1], axis=0)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    found = lines["envelope, rate 1, theta_0 0.1"].get_ydata()
    # a parabola through the grid's three largest lies at most 1e-3 above the largest of 40 a decade
    np.testing.assert_allclose(found, np.sqrt(supremum), rtol=1e-3)
    assert len(grid) / len(envelope.data["values"]) == pytest.approx(27, abs=1)
    schedule = bn.texp_schedule(*(constant_rate.SHOWN[0], [], *constant_rate.SHOWN[1:]), steps=constant_rate.STEPS)
    (one,) = curves["constant_rate"]
    (figure, *_), _ = drawn(statement([one], [judge.bound("a", 0.5)]))
    (free,) = (line for line in figure.axes[0].lines if line.get_label() == "without, equivalent")
    t = free.get_xdata().astype(int)
    np.testing.assert_allclose(free.get_ydata(), schedule.log_lr[t] / math.log(10), rtol=1e-12)
    np.testing.assert_allclose(figure.axes[1].lines[0].get_ydata(), schedule.log_p[t] / math.log(10), rtol=1e-12)


def test_a_gaussian_gradient_has_the_shares_of_a_gaussian_at_any_scale():
    entries = np.random.default_rng(1).normal(size=100_000)
    found = starts.larger(entries)
    expected = np.array([math.erfc(x / math.sqrt(2)) for x in starts.SIZES])
    # five standard errors of a share, at most 1/(2 sqrt(n))
    np.testing.assert_allclose(found, expected, atol=5 / (2 * math.sqrt(entries.size)))
    assert starts.larger(1024 * entries) == found


def test_a_schedule_keeps_both_sides_of_its_jumps():
    one = pairs.curves("caption.", texp.PHASES.schedule(0.0), [], records=20)
    t = one.data["t"].tolist()
    assert {599, 600, 1099, 1100} <= set(t) and len(t) <= 24 and t == sorted(t)


def test_sgd_has_its_band_and_a_bound_above_it(curves):
    (one,) = curves["sgd_rate"]
    data = one.data
    assert np.all(data["band"]["low"] <= data["grad_norm2"])
    assert data["band"]["replicas"] == 8 and data["fit"] is not None
    bound = np.interp(data["t"], data["bound"]["t"], data["bound"]["grad_norm2"])
    assert np.all(data["grad_norm2"] < bound)


def test_without_a_law_there_is_no_fit_but_the_data():
    run = workbench.run(QUICK, sgd_runs.loss(), bn.SGD(0.1, projected=True), steps=3000, replicas=8)
    one = sgd_rate._curves("exponent", 0.1, 0.0, run)  # its level is constant: nothing decays
    assert one.data["fit"] is None
    (figure, *_), _ = drawn(statement([one], [judge.bound("a", 0.5)]))
    assert len(figure.axes) == 1


# --- what is refused, and what is not there ---

PIECE = judge.bound("a", 0.5)


def test_a_statement_without_curves_has_its_margins():
    ((_, caption, alt),) = drawn(statement([], [PIECE]))
    assert "limit" in caption and "Bounds: 1 claimed, 0.5 of what is allowed." in alt


@pytest.mark.parametrize("evidence", [[], [judge.Evidence("proof", "proof", judge.SUPPORTED)]])
def test_a_statement_that_was_not_run_has_no_figure(evidence):
    assert drawn(statement([], evidence)) == []


def test_without_names_the_verdicts_are_all_of_them():
    one = Curves("gradient_histograms", "caption.", {"sizes": [1.0, 2.0], "shares": {"a": [0.3, 0.1]}})
    (figure, *_), _ = drawn(statement([one], [PIECE, judge.bound("b", 2.0)]))
    assert "bound: 1 of 2 supported, 1 contradicted" in figure.get_suptitle()


def test_an_unknown_figure_is_named_and_so_are_those_that_there_are():
    with pytest.raises(InvalidInputError, match=r"'pie_chart'.*accuracies.*trainable_rates"):
        drawn(statement([Curves("pie_chart", "caption.", {})], [PIECE]))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: {},
        lambda data: data | {"further": 1},
        lambda data: data | {"sizes": ["one", "two"]},
        lambda data: data | {"shares": [[0.1, 0.2]]},
        lambda data: data | {"shares": {"a": [0.1]}},
    ],
)
def test_damaged_data_are_refused(curves, change):
    (one,) = curves["gradients_at_init"]
    with pytest.raises(InvalidInputError):
        drawn(statement([replace(one, data=change(one.data))], [PIECE]))


@pytest.mark.parametrize("name", OF)
def test_a_missing_part_is_refused(curves, name):
    """Whatever part of the data is left out but the names of the evidence, and what may be missing."""
    optional = {"supports", "fit", "bound", "band", "steps"}
    for one in curves[name]:
        for part in one.data.keys() - optional:
            data = {key: value for key, value in one.data.items() if key != part}
            with pytest.raises(InvalidInputError):
                drawn(statement([replace(one, data=data)], [PIECE]))
