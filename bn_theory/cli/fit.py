"""``bn-theory fit``."""

from __future__ import annotations

import sys

from bn_theory.cli.output import show
from bn_theory.errors import DivergedError, InvalidInputError, NoPowerLawError
from bn_theory.files import writable_target, write_whole
from bn_theory.report import figures, tables

DIVERGED, NO_POWER_LAW = 1, 3


def run(options) -> int:
    """Run, fit, print; 1 when the run diverged, 3 when it is no power law.

    Raises:
        BnTheoryError: options, a data file or a target file that cannot be used.
    """
    target = None
    if options.png is not None:
        figures.need_matplotlib()
        target = writable_target(options.png)
    import bn_theory as bn
    from bn_theory.cli import losses

    _enough_replicas(options)
    loss = losses.build(options)
    method = losses.method(options, loss)
    try:
        result = bn.run(
            loss, method, steps=options.steps, replicas=options.replicas, seed=options.seed, engine=options.engine
        )
    except DivergedError as error:
        print(f"bn-theory: {error}", file=sys.stderr)
        return DIVERGED
    print(f"loss    {result.attrs['loss']}")
    print(f"method  {_described(options, loss)}")
    engine = result.attrs["engine"]
    print(f"run     {options.steps} steps, {options.replicas} replicas, seed {options.seed}, engine {engine}\n")
    series = _before_zero(result.grad_norm2.isel(step=slice(1, None)))  # a logarithmic axis has no step 0
    if series.sizes["step"] == 0:
        print("no power law: the gradient is exactly 0 from the first step on")
        return NO_POWER_LAW
    title = f"{result.attrs['loss']}, {_described(options, loss)}"
    try:
        fit, code = _fitted(options, series), 0
        _print(fit)
        _theory(options)
    except NoPowerLawError as error:
        fit, code = None, NO_POWER_LAW
        title += f": no power law ({error.reason})"
        print(f"no power law ({error.reason}): {error}")
        if error.partial is not None:
            print("what could be fitted all the same, not to be quoted as an exponent:")
            _print(error.partial)
    if target is not None:
        figure = figures.convergence(series.step.values, series.values, fit, title=title)
        write_whole(target, figures.as_png(figure))
        print(f"\nfigure written to {options.png}")
    return code


def _enough_replicas(options):
    """Refuse before the run what the fit would refuse after it."""
    from bn_theory.rates.data import MIN_REPLICAS

    if options.replicas >= MIN_REPLICAS or (options.method == "gd" and options.replicas == 1):
        return
    other = " (or 1, for one run without statistics)" if options.method == "gd" else ""
    raise InvalidInputError(
        f"--replicas {options.replicas} is too few for an expectation with an interval; "
        f"give {MIN_REPLICAS} or more{other}"
    )


def _before_zero(series):
    """The records before the gradient is exactly 0 in every replica: fast decay ends there, in float64."""
    zero = (series == 0).all("replica").values
    if not zero.any():
        return series
    first = int(zero.argmax())
    print(f"from step {int(series.step[first])} on the gradient is exactly 0 in float64; fitted is what comes before")
    return series.isel(step=slice(0, first))


def _fitted(options, series):
    import bn_theory as bn

    return bn.fit_exponent(
        series,
        model=options.model,
        log_power=options.log_power,
        window=None if options.window is None else tuple(options.window),
        min_decades=options.min_decades,
        seed=options.seed,
    )


def _described(options, loss):
    decay = f" (t+1)^-{options.alpha:g}" if options.alpha else ""
    scale = ""
    if loss.parameters:
        scale = f", gamma's rate {options.gamma_rate:g}" + (" (t+1)^-0.5" if options.method == "sgd" else "")
    return f"{options.method.upper()}, rate {options.rate:g}{decay}{scale}"


def _print(fit):
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
