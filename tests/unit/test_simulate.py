"""``run``: what it returns, what it refuses, and what it keeps of a run that diverges."""

import numpy as np
import pytest
import xarray as xr

import bn_theory as bn
from bn_theory import provenance
from bn_theory.errors import BnTheoryError, DivergedError, InvalidInputError, LossError, UnknownNameError
from bn_theory.simulate import _rates_at

RAYLEIGH = bn.rayleigh([0.0, 1.0, 2.0])
GRID = bn.rayleigh([[0.0, 1.0, 2.0], [0.0, 3.0, 1.0]])
BILINEAR = bn.bilinear([1.0, 0.5])
X = np.array([[0.0, 1.0], [1.0, 0.5], [2.0, -1.0], [3.0, 0.0], [-1.0, 2.0]])
BN = bn.least_squares_bn(X, X @ [1.0, -2.0] + [0.1, -0.2, 0.3, 0.0, -0.1])
w, a = bn.weights("w"), bn.data("a")
SIZELESS = bn.Loss(bn.total(w**4) / bn.total(w**2) ** 2)
u, v = bn.weights("u"), bn.weights("v")
SHARED = bn.Loss(bn.total(u * v) ** 2 / (bn.total(u**2) * bn.total(v**2)))
SILENT_ARRAY = bn.ArrayLoss((lambda w, sample: w[..., 0], lambda w, sample: 0 * w), {"w": 2}, name="silent")


def run(loss=RAYLEIGH, method=None, start=None, **keywords):
    return bn.run(loss, method or bn.GD(lr=0.3), start, **({"steps": 5, "engine": "numpy"} | keywords))


# --- bad input ---


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run(steps=0), "steps must be at least 1, not 0"),
        (lambda: run(steps=-3), "steps must be at least 1"),
        (lambda: run(steps=2.5), "steps must be a whole number, not 2.5"),
        (lambda: run(steps=True), "steps must be a whole number"),
        (lambda: run(steps="ten"), "steps must be a whole number"),
        (lambda: run(steps=np.nan), "steps must be a whole number"),
        (lambda: run(steps=2**47), r"below 2\*\*47"),
        (lambda: run(replicas=0), "replicas must be at least 1"),
        (lambda: run(replicas=[]), "replica numbers"),
        (lambda: run(replicas=[1, 1]), "distinct"),
        (lambda: run(replicas=[-1]), "at least 0"),
        (lambda: run(replicas=[2**32]), r"below 2\*\*32"),
        (lambda: run(replicas=1.5), "replicas must be a whole number"),
        (lambda: run(seed=-1), "seed must be at least 0"),
        (lambda: run(seed=2**64), r"seed must be below 2\*\*64"),
        (lambda: run(seed="x"), "seed must be a whole number"),
        (lambda: run(record="some"), "record must be 'log', 'all' or step numbers"),
        (lambda: run(record=None), "record"),
        (lambda: run(record=3), "record"),
        (lambda: run(record=[]), "record"),
        (lambda: run(record=[0.5]), "whole step numbers"),
        (lambda: run(record=["a"]), "record"),
        (lambda: run(record=[np.nan]), "whole step numbers"),
        (lambda: run(record=[np.inf]), "whole step numbers|outside"),
        (lambda: run(record=[[0, 1]]), "record"),
        (lambda: run(record=[0, 6]), "record step 6 is outside of the run's 0 .. 5"),
        (lambda: run(record=[-1]), "record step -1 is outside"),
        (lambda: run(method="GD"), "method must come from"),
        (lambda: run(method=0.1), "method must come from"),
        (lambda: bn.run(0.1, bn.GD(lr=0.1), steps=3), "loss"),
        (lambda: run(method=bn.GD(lr={"v": 0.1})), r"learning rates for \['v'\]"),
        (lambda: run(BILINEAR, bn.GD(lr={"u": 0.1})), "no learning rate for 'v'"),
        (lambda: run(start=[0.0, 0.0, 0.0]), "start of 'w' is zero"),
        (lambda: run(start=[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], replicas=2), "start of 'w' is zero"),
        (lambda: run(BN, start={"w": [0.0, 0.0]}), "start of 'w' is zero"),
        (lambda: run(start=[1.0, np.nan, 0.0]), "start of 'w' must be finite.*nan"),
        (lambda: run(start=[1.0, np.inf, 0.0]), "start of 'w' must be finite.*inf"),
        (lambda: run(BN, start={"gamma": np.nan}), "start of 'gamma' must be finite"),
        (lambda: run(start=[1.0, 2.0]), "but the data have 3 coordinates"),
        (lambda: run(start=1.0), r"shape \(\), one number; give an array of shape \(d,\)"),
        (lambda: run(SIZELESS, start=1.0), r"one number; give an array of shape \(d,\)"),
        (lambda: run(SIZELESS, start=[]), "start of 'w' is empty"),
        (lambda: run(start=[1.0, 1j, 0.0]), "not an array of numbers"),
        (lambda: run(start=np.array([1.0, 1j, 0.0])), "not an array of numbers"),
        (lambda: run(start=["1", "2", "3"]), "not an array of numbers"),
        (lambda: run(start=[1e200, 0.0, 0.0]), r"entry of size 1e\+200, and \|w\|\^2 leaves the range of float64"),
        (lambda: run(RAYLEIGH.unnormalised, start=[1e200, 0.0, 0.0]), "leaves the range of float64"),
        (lambda: run(start=[1e-200, 0.0, 0.0]), "size 1e-200, and .* leaves the range of float64"),
        (lambda: run(RAYLEIGH.with_start(w=[0.0, 1e200, 0.0])), "leaves the range of float64"),
        (lambda: run(RAYLEIGH.with_start(w=np.ones((3, 3))), bn.GD(lr=[0.1, 0.2])), "case axes differ in length"),
        (lambda: run(BN, bn.GD(lr=[0.1, 0.2]), {"gamma": np.ones((3, 1))}), "case axes differ in length"),
        (lambda: run(SHARED, start={"u": np.ones(3), "v": np.ones(4)}), "'u' has 3 coordinates where u, v have 4"),
        (lambda: run(SHARED), "no data or start share its coordinates; give start="),
        (lambda: run(start="text"), "not an array of numbers"),
        (lambda: run(start=[[1.0, 2.0, 3.0], [1.0]]), "not an array of numbers"),
        (lambda: run(start=np.ones((3, 3)), replicas=2), "does not fit"),
        (lambda: run(GRID, start=np.ones((2, 3)), replicas=5), r"give shape \(cases, 1, d\)"),
        (lambda: run(GRID, start=np.ones((3, 1, 3))), "case axes differ in length"),
        (lambda: run(GRID, bn.GD(lr=[0.1, 0.2, 0.3])), "case axes differ in length"),
        (lambda: run(start={"v": [1.0]}), r"start for \['v'\]"),
        (lambda: run(BILINEAR, start=[1.0, 1.0]), "several groups"),
        (lambda: run(BN, start={"gamma": [1.0, 2.0, 3.0]}, replicas=2), "does not fit"),
        (lambda: run(SIZELESS), "give start="),
        (lambda: run(SILENT_ARRAY, bn.SGD(lr=0.1)), "no sampler"),
        (lambda: run(SILENT_ARRAY, engine="numba"), "engine 'numba' cannot run silent"),
        (lambda: run(SILENT_ARRAY, start=[1.0, 2.0, 3.0]), "3"),
    ],
)
def test_refused(call, message):
    with pytest.raises(InvalidInputError, match=message):
        call()


@pytest.mark.parametrize("name", ["numpi", "", None, "cuda"])
def test_unknown_engine_names_the_nearest(name):
    with pytest.raises(UnknownNameError, match=r"unknown engine.*did you mean") as caught:
        run(engine=name)
    if name == "numpi":
        assert "'numpy'" in str(caught.value)


def test_unknown_keywords_raise():
    with pytest.raises(TypeError):
        run(stpes=3)
    with pytest.raises(TypeError):
        bn.run(RAYLEIGH, bn.GD(lr=0.1))


def test_loss_without_weights_or_with_curved_noise_never_runs():
    z = bn.noise("z")
    with pytest.raises(LossError, match="no weights"):
        bn.Loss(bn.parameter("gamma") ** 2)
    with pytest.raises(LossError, match="linearly"):
        bn.Loss(bn.total(w * z) ** 2 + bn.total(w**2))


def test_every_refusal_is_an_error_of_the_package():
    assert issubclass(InvalidInputError, BnTheoryError) and issubclass(InvalidInputError, ValueError)
    assert issubclass(UnknownNameError, InvalidInputError)
    assert issubclass(DivergedError, BnTheoryError)


# --- records ---


def test_log_records():
    result = run(steps=10_000)
    steps = result.step.values
    assert steps[:4].tolist() == [0, 1, 2, 3] and steps[-1] == 10_000
    # 20 a decade: neighbours at most 10**(1/20) apart once that exceeds one step
    late = steps[steps > 50]
    assert np.all(late[1:] / late[:-1] < 10 ** (1 / 20) * (1 + 1 / 50))
    assert len(steps) <= 20 * 4 + 2


def test_chosen_records_are_sorted_and_need_not_hold_the_end():
    result = run(record=[4, 0, 4, 2])
    assert result.step.values.tolist() == [0, 2, 4]
    everything = run(record="all")
    assert everything.step.values.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array_equal(result.norm2, everything.norm2.sel(step=[0, 2, 4]))
    # the final state is that of step 5 whatever is recorded
    assert np.array_equal(result.final_w, everything.final_w)
    assert result.attrs["steps"] == 5


def test_memory_does_not_grow_with_steps():
    small, large = (bn.run(RAYLEIGH, bn.GD(lr=0.3), steps=n, replicas=3) for n in (10**3, 10**5))
    assert large.sizes["step"] <= small.sizes["step"] + 2 * 20  # two more decades
    assert large.nbytes < 2 * small.nbytes


# --- shapes ---


def test_dims_of_a_simple_run():
    result = run(replicas=4)
    assert isinstance(result, xr.Dataset)
    for name in (
        "loss",
        "grad_norm2",
        "norm2",
        "effective_lr",
        "min_grad_norm2",
        "sum_grad_norm2",
        "sum_step2",
    ):
        assert result[name].dims == ("replica", "step"), name
    assert result.final_w.dims == ("replica", "w_coordinate")
    assert result.replica.values.tolist() == [0, 1, 2, 3]
    assert "parameters" not in result


def test_dims_with_cases_groups_and_parameters():
    result = run(BILINEAR, bn.GD(lr=[0.1, 0.2, 0.3]), replicas=2)
    assert result.loss.dims == ("case", "replica", "step")
    assert result.norm2.dims == result.effective_lr.dims == ("case", "replica", "step", "group")
    assert result.group.values.tolist() == ["u", "v"]
    assert result.loss.shape[:2] == (3, 2)
    result = run(BN, bn.GD(lr=[0.1, 0.2, 0.3]), replicas=2)
    assert result.parameters.dims == ("case", "replica", "step", "parameter")
    assert result.parameter.values.tolist() == ["gamma"]
    assert result.final_gamma.shape == (3, 2)
    assert result.final_w.shape == (3, 2, 2)


def test_one_case_is_a_case():
    """A case axis of length one that was given stays; none is invented."""
    assert run(bn.rayleigh([[0.0, 1.0]])).loss.dims == ("case", "replica", "step")
    assert "case" not in run(start=np.ones((1, 1, 3))).dims


def test_replica_numbers_are_labels():
    result = run(replicas=[17, 3])
    assert result.replica.values.tolist() == [17, 3]
    assert np.array_equal(result.final_w.sel(replica=3), run(replicas=4).final_w.sel(replica=3))


# --- starts ---


def test_random_starts_are_seeded_points_of_unit_norm():
    result = run(replicas=5, seed=3)
    assert np.allclose(result.norm2.isel(step=0), 1.0, rtol=0, atol=1e-14)
    assert len(np.unique(result.loss.isel(step=0))) == 5
    assert not np.array_equal(result.loss, run(replicas=5, seed=4).loss)
    two = run(BILINEAR, record=[0])
    assert not np.array_equal(two.final_u, two.final_v)


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_start_shapes(name):
    shared = np.array([1.0, 2.0, 3.0])
    per_replica = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    per_case = np.stack([per_replica, per_replica[::-1]])
    first = {"record": [0], "replicas": 2, "engine": name}

    def norms(loss, start):
        return run(loss, start=start, **first).norm2.isel(step=0).values.tolist()

    assert norms(RAYLEIGH, shared) == [14.0, 14.0]
    assert norms(RAYLEIGH, per_replica) == [14.0, 77.0]
    assert norms(GRID, per_replica) == [[14.0, 77.0], [14.0, 77.0]]
    assert norms(GRID, per_case) == [[14.0, 77.0], [77.0, 14.0]]
    assert norms(GRID, per_case[:, :1]) == [[14.0, 14.0], [77.0, 77.0]]
    assert norms(RAYLEIGH, per_case) == [[14.0, 77.0], [77.0, 14.0]]
    assert norms(RAYLEIGH, {"w": shared.tolist()}) == [14.0, 14.0]


def test_parameter_starts():
    def gammas(loss, start, **keywords):
        return run(loss, start=start, record=[0], **keywords).parameters.isel(step=0, parameter=0).values.tolist()

    assert gammas(BN, None, replicas=2) == [1.0, 1.0]  # the family's own
    assert gammas(BN, {"gamma": 3.0}, replicas=2) == [3.0, 3.0]
    assert gammas(BN, {"gamma": [3.0, 4.0]}, replicas=2) == [3.0, 4.0]
    method = bn.GD(lr=[0.1, 0.2])
    assert gammas(BN, {"gamma": [[3.0], [4.0]]}, method=method) == [[3.0], [4.0]]
    assert gammas(BN.with_start(gamma=[5.0, 6.0]), None, method=method, replicas=2) == [[5.0, 5.0], [6.0, 6.0]]


@pytest.mark.parametrize("name", ["numpy", "numba"])
def test_a_start_can_bring_the_case_axis(name):
    """One start per case, of the loss or of the call, without cases in data or rates."""
    rows = np.array([[1.0, 2.0, 2.0], [0.0, 3.0, 4.0], [2.0, 0.0, 0.0]])
    first = {"record": [0], "replicas": 2, "engine": name}
    own = run(RAYLEIGH.with_start(w=rows), **first)
    assert own.norm2.dims == ("case", "replica", "step")
    assert own.norm2[..., 0].values.tolist() == [[9.0, 9.0], [25.0, 25.0], [4.0, 4.0]]
    assert "case" not in run(RAYLEIGH.with_start(w=rows), start=rows[0], **first).dims  # the call's start replaces it
    gammas = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert run(BN, start={"gamma": gammas}, **first).parameters[..., 0, 0].values.tolist() == gammas
    found = run(BN.with_start(gamma=[5.0, 6.0]), **first).parameters[..., 0, 0].values.tolist()
    assert found == [[5.0, 5.0], [6.0, 6.0]]


def test_a_loss_can_bring_its_start():
    loss = bn.power_law_rayleigh([0.5, 1.0], d=5)
    result = run(loss, record=[0], replicas=2)
    expected = bn.rayleigh(loss.data["a"][0]).value({"w": loss.start["w"]})
    assert np.allclose(result.loss[..., 0], expected[:, None], rtol=1e-14, atol=0)
    assert run(loss, start=np.ones(5), record=[0]).norm2[0, 0, 0] == 5.0


def test_a_scale_variant_group_may_start_at_zero():
    result = run(RAYLEIGH.unnormalised, start=[0.0, 0.0, 0.0])
    assert np.all(result.loss == 0)


def test_sizes_come_from_the_start_where_no_data_know_them():
    assert run(SIZELESS, start=np.ones(7)).final_w.shape == (1, 7)


def test_groups_that_share_coordinates_share_their_size():
    result = run(SHARED, start={"u": np.ones(4)}, record=[0])
    assert result.final_v.shape == (1, 4) and np.allclose(result.norm2[0, 0], [4.0, 1.0], rtol=1e-14, atol=0)


# --- array functions ---


def quotient(w, sample):
    return (w[..., 0] ** 2) / np.sum(w * w, axis=-1)


@pytest.mark.parametrize(
    ("value", "grad", "parameters", "message"),
    [
        (quotient, lambda w, sample: w[..., :1], (), r"returns shape \(1, 2, 1\) for 'w'; .*\(1, 2, 3\)"),
        (quotient, lambda w, sample: w[0], (), r"returns shape \(2, 3\) for 'w'"),
        (quotient, lambda w, sample: 0.0, (), r"returns shape \(\) for 'w'"),
        (lambda w, sample: w, lambda w, sample: w, (), r"value of made up returns shape \(1, 2, 3\); .*\(1, 2\)"),
        (lambda w, sample: 0.0, lambda w, sample: w, (), r"value of made up returns shape \(\)"),
        (
            lambda s, _: s["g"],
            lambda s, _: s["w"],
            ("g",),
            r"must return \{name: array\} for \['w', 'g'\], not ndarray",
        ),
        (lambda s, _: s["g"], lambda s, _: {"w": s["w"]}, ("g",), r"for \['w', 'g'\], not \['w'\]"),
        (lambda s, _: s["g"], lambda s, _: s | {"g": s["w"]}, ("g",), r"shape \(1, 2, 3\) for 'g'"),
    ],
)
def test_shapes_of_array_functions_are_checked_before_they_run(value, grad, parameters, message):
    loss = bn.ArrayLoss((value, grad), {"w": 3}, parameters, name="made up")
    with pytest.raises(InvalidInputError, match=message):
        run(loss, replicas=2)


def test_the_gradient_of_a_sample_is_checked_too():
    def grad(w, sample):
        return w if sample is None else sample

    loss = bn.ArrayLoss((quotient, grad), {"w": 3}, sampler=bn.Sampler("rademacher", 3), name="made up")
    run(loss, replicas=2)
    with pytest.raises(InvalidInputError, match=r"returns shape \(2, 3\) for 'w'"):
        run(loss, bn.SGD(lr=0.1), replicas=2)


def test_final_state_is_that_of_the_last_step():
    result = run(replicas=2, start=[1.0, 2.0, 3.0])
    assert np.allclose((result.final_w**2).sum("w_coordinate"), result.norm2.isel(step=-1), rtol=1e-14, atol=0)
    assert np.allclose(RAYLEIGH.value({"w": result.final_w.values}), result.loss.isel(step=-1), rtol=1e-14, atol=0)


# --- attributes ---


def test_attributes_make_it_reproducible():
    result = run(bn.with_linear_noise(RAYLEIGH, 0.5), bn.SGD(lr=0.25, decay=0.125), seed=2**63 + 1, engine="numba")
    attributes = result.attrs
    assert attributes["engine"] == "numba"
    assert attributes["seed"] == str(2**63 + 1)  # files have no integer that large
    assert attributes["steps"] == 5
    assert attributes["dtype"] == "float64"
    assert "SGD(lr=0.25, decay=0.125)" in attributes["method"]
    assert "rayleigh(d=3)" in attributes["loss"] and "0.5" in attributes["loss"]
    for library in ("bn_theory", "numpy", "numba", "sympy", "scipy", "xarray"):
        assert library in attributes["versions"]
    assert f"numpy {np.__version__}" in attributes["versions"]
    assert attributes["processor"] and attributes["python"]
    assert attributes["commit"] == (provenance.commit() or "unknown")
    assert "total(z*w)" in str(attributes.get("expression", "")).replace("w*z", "z*w")


def test_the_seed_is_a_number_where_files_can_hold_it():
    for seed, kept in ((5, 5), (2**63 - 1, 2**63 - 1), (2**63, str(2**63)), (2**64 - 1, str(2**64 - 1))):
        assert run(seed=seed).attrs["seed"] == kept


# --- recorded rates ---


class Counting:
    """A schedule that counts how often and for how much it is asked."""

    cases = None

    def __init__(self):
        self.asked = []

    def values(self, first, last):
        self.asked.append(last - first)
        return 1.0 / np.arange(first + 1, last + 1)[None]


@pytest.mark.parametrize(
    ("records", "calls"),
    [
        (np.arange(300_000), 5),  # 300 000 / 2**16, rounded up
        (np.arange(0, 60_000, 50), 1),
        (np.arange(0, 10**9, 10**8), 10),
        (np.r_[0:10, 10**6, 10**7 : 10**7 + 5], 3),
        (np.array([3]), 1),
    ],
)
def test_rates_of_records_are_asked_for_together(records, calls):
    """In few calls where records are dense, and never for more than 2**16 rates at once."""
    schedule = Counting()
    assert np.array_equal(_rates_at(schedule, records), 1.0 / (records + 1)[None])
    assert len(schedule.asked) == calls and max(schedule.asked) <= 2**16


def test_auto_prefers_the_compiled_engine():
    assert run(engine="auto").attrs["engine"] == "numba"
    assert run(SILENT_ARRAY, engine="auto").attrs["engine"] == "numpy"


# --- divergence ---


TWIN = bn.rayleigh([[0.0, 1.0, 2.0], [0.0, 0.1, 0.2]]).unnormalised


@pytest.mark.parametrize("name", ["numpy", "numba"])
class TestDivergence:
    def test_the_error_says_where(self, name):
        # 1 - 50 * 2 = -99: |w|^2 grows by 99^2 a step and leaves float64 (1.8e308) at step 78: 99^(2*78) > 1.8e308
        with pytest.raises(DivergedError, match="lower the learning rate") as caught:
            bn.run(TWIN, bn.GD(lr=50.0), [1.0, 1.0, 1.0], steps=200, replicas=[4, 9], engine=name)
        error = caught.value
        assert (error.step, error.replica, error.case) == (78, 4, 0)
        assert "replica 4 of case 0" in str(error) and "step 78" in str(error)

    def test_the_records_made_before_and_the_other_runs_are_kept(self, name):
        start = [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]  # replica 1 starts in the minimum and stays
        with pytest.raises(DivergedError) as caught:
            bn.run(TWIN, bn.GD(lr=5.0), start, steps=400, replicas=2, record="all", engine=name)
        error, dataset = caught.value, caught.value.dataset
        assert (error.replica, error.case) == (0, 0)
        # 1 - 5 * 2 = -9 in case 0; 1 - 5 * 0.2 = 0 in case 1, where all is well
        assert np.isfinite(dataset.loss.isel(case=1)).all()
        assert np.isfinite(dataset.loss.isel(case=0, replica=1)).all()
        bad = dataset.isel(case=0, replica=0)
        assert np.isfinite(bad.loss.sel(step=slice(0, error.step - 1))).all()
        for variable in (
            "loss",
            "grad_norm2",
            "norm2",
            "min_grad_norm2",
            "sum_grad_norm2",
            "sum_step2",
            "effective_lr",
        ):
            assert np.isnan(bad[variable].sel(step=slice(error.step, None))).all(), variable
        good = bn.run(TWIN, bn.GD(lr=5.0), start[1], steps=400, record="all", engine=name).isel(replica=0)
        assert np.array_equal(dataset.loss.isel(replica=1), good.loss)

    def test_the_earliest_run_is_named(self, name):
        with pytest.raises(DivergedError) as caught:
            bn.run(RAYLEIGH.unnormalised, bn.GD(lr=[5.0, 50.0]), [1.0, 1.0, 1.0], steps=400, replicas=1, engine=name)
        assert caught.value.case == 1

    def test_a_divergence_between_records_is_found(self, name):
        with pytest.raises(DivergedError) as caught:
            bn.run(RAYLEIGH.unnormalised, bn.GD(lr=50.0), [1.0, 1.0, 1.0], steps=300, record=[0], engine=name)
        assert caught.value.step == 78
        assert caught.value.case is None
        assert caught.value.dataset.step.values.tolist() == [0]

    def test_divergence_in_the_last_step(self, name):
        bn.run(RAYLEIGH.unnormalised, bn.GD(lr=50.0), [1.0, 1.0, 1.0], steps=77, engine=name)
        with pytest.raises(DivergedError) as caught:
            bn.run(RAYLEIGH.unnormalised, bn.GD(lr=50.0), [1.0, 1.0, 1.0], steps=78, engine=name)
        assert caught.value.step == 78

    def test_a_scale_invariant_loss_survives_every_rate(self, name):
        result = bn.run(RAYLEIGH, bn.GD(lr=[1e-2, 1.0, 1e2, 1e8]), [1.0, 1.0, 1.0], steps=200, engine=name)
        assert np.isfinite(result.loss).all()
