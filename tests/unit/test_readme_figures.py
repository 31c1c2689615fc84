"""The README's tables are what the committed results of ``bn-theory bench`` and ``verify`` say, digit by digit."""

import json
import math
import re
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


# --- weight decay as a schedule, from verify --profile full --json ---


def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def verified():
    """``{slug: its evidence}`` of the committed full run."""
    document = json.loads((RESULTS / "verify_full.json").read_text())
    assert (document["profile"], document["seed"], document["verdict"]) == ("full", 0, "supported")
    return {s["slug"]: s for s in document["statements"]}


def pieces(verified, *slugs):
    return [e for slug in slugs for e in verified[f"li2020.{slug}"]["evidence"]]


def row(start):
    """The cells of the one row of the README that starts so."""
    (found,) = [line for line in readme().splitlines() if line.startswith(f"| {start}")]
    return [cell.strip() for cell in found.strip("|").split("|")]


def power(x):
    """Two digits and an exponent without padding."""
    digits, exponent = f"{x:.1e}".split("e")
    return f"{digits}e{int(exponent)}"


def farthest(e):
    """How far an interval of measured/predicted reaches from 1, in per cent."""
    return 100 * max(abs(end - 1) for end in e["interval"])


def test_counts(verified):
    evidence = [e for s in verified.values() for e in s["evidence"]]
    controls = sum(e["kind"] == "control" for e in evidence)
    outside = sum(len(s["outside"]) for s in verified.values())
    words = " ".join(readme().split())
    assert f"{len(evidence)} pieces of evidence, {controls} of them controls, all supported; {outside} conf" in words


def test_runs_with_and_without_decay(verified):
    same = [e for e in pieces(verified, "constant_rate", "texp", "any_schedule") if e["kind"] == "identity"]
    same = [e["details"] | e for e in same if "distance_of_directions" in e["details"]]
    apart = max(e["distance_of_directions"] for e in same)
    short = max(e["distance_of_directions"] for e in same if e["steps"] <= 1500)
    _, count, distance, bound = row("decay and no decay: final directions")
    assert (count, distance) == (str(len(same)), f"apart by at most {power(apart)} ({power(short)} up to 1500 steps)")
    assert bound == f"at most {100 * max(e['measured'] for e in same):.1f} % of the rounding bound"
    wrong = [e for e in pieces(verified, "constant_rate", "texp", "any_schedule") if e["kind"] == "control"]
    over = [e["measured"] for e in wrong]
    _, count, times, _ = row("the same with one thing wrong")
    assert (count, times) == (str(len(wrong)), f"{power(min(over))} to {power(max(over))} times the bound")


def test_texp_growth_and_recursion(verified):
    name = "distance, buffer not corrected at the switches, momentum 0.9"
    (left,) = [e for e in pieces(verified, "texp") if e["name"] == name]
    low, high = left["interval"]
    assert row("TEXP without its corrections")[2] == f"{power(low)} to {power(high)}"
    growth = pieces(verified, "constant_rate")[1]["details"]["growth"]
    assert row("growth of the equivalent rate")[2] == f"{growth:.5f}"
    every = [e for e in pieces(verified, "effective_rate_recursion") if e["kind"] == "identity"]
    _, count, worst, _ = row("recursion of the effective rate")
    assert (count, worst) == (
        str(len(every)),
        f"at most {100 * max(e['measured'] for e in every):.0f} % of the rounding bound",
    )


def test_equilibrium(verified):
    found = [e for e in pieces(verified, "equilibrium") if e["kind"] == "amplitude"]
    relaxing = [e for e in found if e["name"].startswith("relaxation")]
    others = [e for e in found if e not in relaxing]
    _, count, off, _ = row("equilibrium with and without momentum")
    assert (count, off) == (str(len(others)), f"off by at most {max(map(farthest, others)):.2f} %, interval included")
    texts = ["{:.4f} ({:.4f} to {:.4f})".format(e["measured"], *e["interval"]) for e in relaxing]
    assert row("relaxation time")[1:3] == [str(len(relaxing)), f"{', '.join(texts)} of the prediction"]


def test_digits(verified):
    same = [e for e in pieces(verified, "other_normalisations") if e["kind"] == "identity" and "losses" in e["name"]]
    _, count, apart, bound = row("digits, four normalisations")
    largest = max(e["details"]["largest_deviation"] for e in same)
    assert (count, apart) == (str(len(same)), f"apart by at most {power(largest)}")
    assert bound == f"at most {100 * max(e['measured'] for e in same):.1f} % of the rounding bound"
    means = {
        e["name"].split(",")[0]: e["details"]["geometric_mean"]
        for e in pieces(verified, "other_normalisations")
        if e["kind"] == "measurement"
    }
    text = ", ".join(f"{mean:.2f} {norm}" for norm, mean in means.items())
    assert row("the same in float32")[1:3] == [str(len(means)), text]


# --- networks and Understanding BN, from the same run ---


def of(verified, slug, kind, *words):
    """Evidence of a kind whose name has all these words."""
    return [e for e in verified[slug]["evidence"] if e["kind"] == kind and all(w in e["name"] for w in words)]


def spread(e, digits=3):
    return "{:.{d}f} ({:.{d}f} to {:.{d}f})".format(e["measured"], *e["interval"], d=digits)


def test_networks_at_every_step(verified):
    slug = "arora2019.networks"
    same = [e for what in ("orthogonality", "norm growth") for e in of(verified, slug, "identity", what)]
    _, count, bound, _ = row("networks, every step, group and filter")
    worst = max(e["measured"] for e in same)
    assert (count, bound) == (str(len(same)), f"at most {100 * worst:.1f} % of the rounding bound")
    wrong = [e for what in ("orthogonality", "norm growth") for e in of(verified, slug, "control", what)]
    _, count, times, _ = row("the same with decay, momentum")
    over = [e["measured"] for e in wrong]
    assert (count, times) == (str(len(wrong)), f"{power(min(over))} to {power(max(over))} times the bound")


def test_networks_with_eps_and_over_rates(verified):
    slug = "arora2019.networks"
    found = of(verified, slug, "exponent", "eps", "exponent of the violation")
    ends = [end for e in found for end in e["interval"]]
    _, count, measured, _ = row("violation of invariance by eps")
    assert (count, measured) == (str(len(found)), f"{min(ends):.4f} to {max(ends):.4f}")
    (flat,) = of(verified, slug, "comparison", "flat")
    assert row("learning rates 0.01 to 100")[2] == spread(flat)
    apart = of(verified, slug, "comparison", "at the largest rate")
    assert row("the same at rate 100: minus")[1:3] == [str(len(apart)), ", ".join(map(spread, apart))]


def test_noise_and_products(verified):
    exact = of(verified, "bjorck2018.sgd_noise", "identity")
    _, count, off, _ = row("noise of the SGD step")
    assert (count, off) == (str(len(exact)), f"off by {max(e['measured'] for e in exact):g}")
    slug = "bjorck2018.gaussian_products"
    moments = of(verified, slug, "amplitude", "moment", "N = 16")
    _, count, off, _ = row("products of Gaussian matrices, moments")
    assert (count, off) == (str(len(moments)), f"off by at most {max(map(farthest, moments)):.1f} %, interval included")
    smallest = of(verified, slug, "exponent", "median of the smallest")
    _, count, fits, asked = row("the same: exponent of the median smallest")
    assert (count, fits) == (str(len(smallest)), ", ".join(spread(e, 2) for e in smallest))
    assert asked.startswith(" / ".join(f"{e['predicted']:g}" for e in smallest))


def test_largest_rates_and_generalisation(verified):
    ratios = of(verified, "bjorck2018.largest_rate", "comparison", "ratio of the largest")
    _, count, least, _ = row("largest rate that trains, with over without")
    texts = [f"{math.exp(e['interval'][0]):.1f} at {e['name'].split(':')[0]}" for e in ratios]
    assert (count, least) == (str(len(ratios)), f"at least {', '.join(texts)}")
    better = of(verified, "bjorck2018.rate_and_generalisation", "comparison", "test accuracy")
    _, count, gains, _ = row("test accuracy with batch normalisation at 0.1 minus")
    assert (count, gains) == (str(len(better)), ", ".join(spread(e) for e in better))


def test_answers_to_the_reviews(verified):
    """Those that the README gives are the run's own sentences."""
    text = readme()
    _, _, rest = text.partition("What the reviews of the paper left open")
    given = [" ".join(line[2:].split()) for line in rest.partition("\n## ")[0].replace("\n  ", " ").splitlines()]
    given = [line for line in given if line.startswith("*Q")]
    answers = {e["details"].get("answer") for e in verified["bjorck2018.review_questions"]["evidence"]}
    assert len(given) >= 7
    for line in given:
        question, _, answer = line.partition("* ")
        assert answer in answers, question


def test_answers_on_later_works(verified):
    """The same for what these claim and what is measured here."""
    text = readme()
    _, _, rest = text.partition("What later works find, at the sizes of these runs")
    given = [" ".join(line[2:].split()) for line in rest.partition("\n\n#")[0].replace("\n  ", " ").splitlines()]
    given = [line for line in given if line.startswith("*")]
    slugs = ("low_rank_decay2026.grokking", "md_decoupling2026.run", "md_decoupling2026.networks")
    answers = [e["details"].get("answer", "").rstrip(".") for slug in slugs for e in verified[slug]["evidence"]]
    assert len(given) >= 6
    for line in given:
        question, _, answer = line.partition("* ")
        assert answer.rstrip(".").lower() in [a.lower() for a in answers], question


# --- later works, from the same run ---


def ends(found):
    """From the lowest to the highest end of several intervals."""
    return min(e["interval"][0] for e in found), max(e["interval"][1] for e in found)


def largest_share(found):
    return f"at most {100 * max(e['measured'] for e in found):.1f} % of the rounding bound"


def test_local_entropy(verified):
    equations = of(verified, "shock2026.identity", "identity", "equation")
    assert row("local entropy of an angle")[1:3] == [str(len(equations)), largest_share(equations)]
    sampled = of(verified, "shock2026.run", "amplitude", "sampled over spectral")
    low, high = ends(sampled)
    assert row("the same by Monte Carlo")[1:3] == [str(len(sampled)), f"{low:.3f} to {high:.3f}"]


def test_first_shock(verified):
    slug = "shock2026.shock_time"
    for start, where, exponent in (
        ("steepness of its gradient, exponent", "at s*/2", "0"),
        ("the same at the first shock", "at s*", "-1/2"),
        ("the same at twice its time", "at 2 s*", "-1"),
    ):
        found = [e for e in of(verified, slug, "exponent", "exponent of nu") if e["name"].endswith(where)]
        low, high = ends(found)
        allowed = f"{exponent} +- {min(e['tolerance'] for e in found):.5f} to {max(e['tolerance'] for e in found):.5f}"
        assert row(start)[1:] == [str(len(found)), f"{low:.5f} to {high:.5f}", allowed]
    left = of(verified, slug, "bound", "leaves over")
    measured = f"at most {100 * max(e['measured'] for e in left):.0f} % of 1.5 times their next terms"
    assert row("off its laws there")[1:3] == [str(len(left)), measured]
    wrong = [e["measured"] for e in of(verified, slug, "control", "the law at")]
    assert row("the same laws with a term missing")[1:3] == [
        str(len(wrong)),
        f"{power(min(wrong))} to {power(max(wrong))} times that",
    ]


def test_low_rank_decay(verified):
    slug = "low_rank_decay2026.run"
    decayed = [e for e in of(verified, slug, "identity") if e["name"].startswith("20 steps of")]
    assert row("both decays, 20 steps at zero gradient")[1:3] == [str(len(decayed)), largest_share(decayed)]
    (order,) = of(verified, slug, "exponent", "order of convergence")
    assert row("polar factor by Newton-Schulz")[2] == "{:.4f} to {:.4f}".format(*order["interval"])
    same, wrong = of(verified, slug, "identity", "smaller betas"), of(verified, slug, "control", "eta/p_{t+1}")
    apart, off = (
        [e["details"]["largest_difference_of_directions"] for e in found if "signs" not in e["name"]]
        for found in (same, wrong)
    )
    text = f"apart by at most {power(max(apart))} (with the same betas {min(off):.2f} to {max(off):.2f})"
    assert row("AdamW against Adam without decay")[1:3] == [str(len(same)), text]
    ranks = of(verified, "low_rank_decay2026.grokking", "comparison", "effective rank")
    low, _ = ends(ranks)
    assert row("attention, addition modulo 17")[1:3] == [str(len(ranks)), f"at least {low:.2f}, interval included"]


def test_directions_and_gains(verified):
    slug = "md_decoupling2026.equivalent_schedule"
    same = of(verified, slug, "identity", "plain run at eta |w|^2, rate")
    same += of(verified, "md_decoupling2026.networks", "identity", "plainly at eta |w|^2")
    estimate = f"at most {100 * max(e['measured'] for e in same):.1f} % of the rounding estimate"
    assert row("training on the sphere against plain SGD")[1:3] == [str(len(same)), estimate]
    wrong = of(verified, slug, "control") + of(verified, "md_decoupling2026.networks", "control", "plainly at eta")
    over = [e["measured"] for e in wrong]
    texts = [str(len(wrong)), f"{power(min(over))} to {power(max(over))} times the estimate"]
    assert row("the same at other rates, for what is not")[1:3] == texts
    slopes = of(verified, "md_decoupling2026.networks", "measurement", "run by run")
    texts = [f"{e['name'].split(':')[0]} {spread(e, 2)}" for e in slopes]
    assert row("best learning rate of a run on the digits")[1:3] == [str(len(slopes)), ", ".join(texts)]


# --- pictures ---


def test_the_figure_of_all_evidence_says_what_the_full_run_found():
    pytest.importorskip("matplotlib", reason="figures need matplotlib: pip install '.[plots]'")
    from bn_theory.report.pictures import overall

    document = json.loads((RESULTS / "verify_full.json").read_text())
    assert f"![{overall(document).alt}](tests/benchmarks/results/verify_full.svg)" in readme().splitlines()


def test_every_linked_file_is_there():
    links = re.findall(r"\]\(([^)#]+)\)", readme())
    assert len(links) > 5
    for link in links:
        assert (ROOT / link).is_file(), link
