"""``bn-theory fit``."""

from __future__ import annotations

import sys

from bn_theory.cli.output import show
from bn_theory.errors import InvalidInputError
from bn_theory.files import writable_target, write_whole
from bn_theory.provenance import described
from bn_theory.report import figures, tables


def run(options) -> int:
    """Run, fit, print, and write what was asked for; 1 when the run diverged, 3 when it is no power law.

    Raises:
        BnTheoryError: options, a data file or a target file that cannot be used.
    """
    png = json = None
    if options.png is not None:
        figures.need_matplotlib()
        png = writable_target(options.png)
    if options.json is not None:
        json = writable_target(options.json)
    if json is not None and json == png:
        raise InvalidInputError(f"--json and --png are both {options.json}; give two names")
    from bn_theory.cli import fitting

    csv = fitting.identity(options.csv) if json is not None and options.csv is not None else None
    found = fitting.perform(options)
    try:
        # First, so that a reader of the text who stops reading does not cost the file.
        if json is not None:
            _write(json, fitting.document(found, options, csv))
    finally:
        _print(options, found)
    if png is not None:
        _draw(options, found, png)
    return found.code


def _write(target, document):
    from bn_theory.report.json_ import as_bytes

    write_whole(target, as_bytes(document))


def _print(options, found):
    if found.diverged is not None:
        print(f"bn-theory: {found.diverged}", file=sys.stderr)
        return
    print(f"by      {described()}")
    print(f"loss    {found.loss}")
    print(f"method  {_method(options)}")
    print(f"run     {options.steps} steps, {options.replicas} replicas, seed {options.seed}, engine {found.engine}\n")
    if found.zero_from is not None:
        print(f"from step {found.zero_from} on the gradient is exactly 0 in float64; fitted is what comes before")
    if found.refused is None:
        _exponents(found.fit)
        _theory(options)
        return
    print(f"no power law ({found.refused.reason}): {found.refused}")
    if found.refused.partial is not None:
        print("what could be fitted all the same, not to be quoted as an exponent:")
        _exponents(found.refused.partial)


def _draw(options, found, target):
    if found.series is None or found.series.sizes["step"] == 0:
        print(f"bn-theory: {options.png} is not written: there is nothing to draw", file=sys.stderr)
        return
    title = f"{found.loss}, {_method(options)}"
    if found.refused is not None:
        title += f": no power law ({found.refused.reason})"
    figure = figures.convergence(found.series.step.values, found.series.values, found.fit, title=title)
    write_whole(target, figures.as_png(figure))
    print(f"\nfigure written to {options.png}")


def _method(options):
    decay = f" (t+1)^-{options.alpha:g}" if options.alpha else ""
    scale = ""
    if options.gamma_rate is not None:
        scale = f", gamma's rate {options.gamma_rate:g}" + (" (t+1)^-0.5" if options.method == "sgd" else "")
    return f"{options.method.upper()}, rate {options.rate:g}{decay}{scale}"


def _exponents(fit):
    """Exponents of the norm: half of those of its square, which is what was fitted."""
    low, high = (end / 2 for end in fit.interval)
    print(f"exponent of the gradient norm sqrt(E|grad L|^2) at unit norm: {fit.exponent / 2:.5f}")
    print(f"  {fit.confidence:.0%} interval {low:.5f} .. {high:.5f} ({fit.stat / 2:.2g} stat, {fit.sys / 2:.2g} sys)")
    print(f"  fitted was E|grad L|^2, exponent {fit.exponent:.5f}; all exponents here are half of that fit's")
    print(f"  law {fit.model}, amplitude of E|grad L|^2 {fit.amplitude:.6g}", end="")
    print(f", t = {fit.window[0]:.4g} .. {fit.window[1]:.4g}, {fit.n_records} records, {fit.n_replicas} replicas\n")
    show(tables.local_exponents(fit, 0.5))
    print()


def _theory(options):
    """What the number is to be compared with."""
    if options.method == "gd":
        print("Theorem: the running minimum is O(T^-1/2) whatever the constant rate; one run may be faster.")
    else:
        print(
            "Theorem: min_{t<T} E|grad L|^2 is O(log T/sqrt T), its root O(sqrt(log T) T^-1/4), for any rate and "
            "alpha < 1/2."
        )
        if options.alpha == 0.5 and options.model == "auto":
            print("At alpha = 1/2 the law has a logarithm, (t log t)^-1/4: fit it by --model log --log-power -0.5")
    print(
        "This describes one run and does not judge: the interval is that of the fitted law in its window, not of the "
        "limit. Local exponents that still drift mean that the run is not asymptotic yet; take more steps or a larger "
        "rate. bn-theory verify decides this before its runs."
    )
    print(tables.CAVEAT)
