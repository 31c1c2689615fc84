"""The options of every command. Only argparse and this package's light modules are imported here."""

from __future__ import annotations

import argparse
import difflib
import math

from bn_theory.bench.names import REFERENCES, WORKLOADS
from bn_theory.engines import ENGINES, VARIANTS
from bn_theory.experiments.experiment import DEVICES
from bn_theory.experiments.registry import NAMES as EXPERIMENTS
from bn_theory.theorems.statement import PROFILES

FAMILIES = ("rayleigh", "power_law_rayleigh", "bilinear", "least_squares_bn")
METHODS = ("gd", "sgd")
MODELS = ("auto", "pure", "corrected", "floor", "log")


class _Version(argparse.Action):
    """``--version``, looking the version up only when it is asked for."""

    def __call__(self, parser, namespace, values, option_string=None):
        from bn_theory.provenance import described

        print(described())
        parser.exit()


def one_of(kind: str, names):
    """An argparse type: one of the names, the nearest ones in the error."""

    def convert(text):
        if text in names:
            return text
        near = difflib.get_close_matches(text, names, n=2, cutoff=0.4) or names
        raise argparse.ArgumentTypeError(f"unknown {kind} {text!r}; did you mean {' or '.join(near)}?")

    return convert


def whole(least: int, below: int | None = None):
    """An argparse type: a whole number in ``[least, below)``; ``1e6`` is one."""

    def convert(text):
        try:
            number = int(text)
        except ValueError:
            number = _whole_float(text)
        if number is None or number < least or (below is not None and number >= below):
            end = "" if below is None else f" and below {below}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least {least}{end}")
        return number

    return convert


def _whole_float(text):
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def positive(text: str) -> float:
    """An argparse type: a finite number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def between(low: float, below: float = math.inf):
    """An argparse type: a finite number in ``[low, below)``."""

    def convert(text):
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and low <= number < below):
            end = "" if math.isinf(below) else f" and below {below:g}"
            raise argparse.ArgumentTypeError(f"{text!r} is not a number of at least {low:g}{end}")
        return number

    return convert


def drops(text: str) -> tuple[tuple[int, float], ...]:
    """An argparse type: ``EPOCH:FACTOR,EPOCH:FACTOR,...`` as pairs in the order of epochs."""
    found = []
    for part in text.split(","):
        epoch, colon, factor = part.partition(":")
        try:
            if not colon:
                raise argparse.ArgumentTypeError("there is no colon in it")
            found.append((whole(1)(epoch.strip()), positive(factor.strip())))
        except argparse.ArgumentTypeError as error:
            raise argparse.ArgumentTypeError(
                f"{part.strip()!r} is not EPOCH:FACTOR ({error}); write for instance 80:0.1,120:0.1"
            ) from error
    epochs = [epoch for epoch, _ in found]
    if repeated := [epoch for epoch in dict.fromkeys(epochs) if epochs.count(epoch) > 1]:
        raise argparse.ArgumentTypeError(f"two drops at epoch {repeated[0]} in {text!r}; multiply their factors")
    return tuple(sorted(found))


def several(convert):
    """An argparse type: values of another one, separated by commas, different from each other; in rising order.

    >>> several(whole(1))("14,8")
    (8, 14)
    """

    def convert_all(text):
        found = tuple(sorted(convert(part.strip()) for part in text.split(",")))
        if repeated := [value for value in found if found.count(value) > 1]:
            raise argparse.ArgumentTypeError(f"{repeated[0]:g} is given twice in {text!r}")
        return found

    return convert_all


SEED = whole(0, 2**64)
MOST_STEPS = 10_000_000
"""Steps of a schedule: what is still quick and fits into memory."""


def parse(arguments=None) -> argparse.Namespace:
    """Options with ``command``, the name of the module that runs them.

    Raises:
        SystemExit: for ``--help``, ``--version`` and usage errors.
    """
    parser = argparse.ArgumentParser(
        prog="bn-theory",
        description="Do the theorems about batch normalisation and scale invariance hold?",
        epilog="Start with bn-theory verify; bn-theory list names the statements, COMMAND --help the options. "
        "Exit codes: 0 all supported, 1 something contradicted, 2 usage or bad input, 3 something inconclusive.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="name", required=True, metavar="COMMAND")
    for add in (_list, _verify, _fit, _calibrate, _prove, _bench, _schedule, _experiment, _rerun, _cite, _report):
        add(commands)
    options = parser.parse_args(arguments)
    checks = {"fit": _check_fit, "schedule": _check_schedule, "experiment": _check_experiment, "report": _check_report}
    if check := checks.get(options.command):
        check(options, commands.choices[options.command])
    return options


def _command(commands, name, module, text):
    parser = commands.add_parser(name, help=text, description=text)
    parser.set_defaults(command=module)
    return parser


def _engine(parser):
    names = ("auto", *ENGINES, *VARIANTS)
    parser.add_argument(
        "--engine",
        type=one_of("engine", names),
        default="auto",
        metavar="|".join(("auto", *ENGINES)),
        help="default: auto (a GPU where there is one); cupy-thread and cupy-block choose its kernel",
    )


def _list(commands):
    _command(commands, "list", "listing", "List all statements: slug, title, paper.")


def _verify(commands):
    parser = _command(commands, "verify", "verify", "Check statements by proofs, runs and controls.")
    parser.add_argument("names", nargs="*", metavar="SLUG|PAPER", help="what to check; default: everything")
    parser.add_argument(
        "--profile",
        choices=PROFILES,
        default=PROFILES[0],
        help="quick (default): the same tolerances as full on fewer rates and alphas",
    )
    parser.add_argument("--seed", type=SEED, default=0, metavar="N", help="of noise and starts (default: 0)")
    _engine(parser)
    parser.add_argument("--json", metavar="PATH", help="also write the outcome there, whole or not at all")


def _fit(commands):
    parser = _command(
        commands, "fit", "fit", "Run GD or SGD on a loss and fit the exponent of the gradient norm's decay."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--family", type=one_of("family", FAMILIES), metavar="NAME", help=", ".join(FAMILIES))
    source.add_argument("--csv", metavar="FILE", help="BN least squares on your data: names in line 1, numbers below")
    parser.add_argument("--target", metavar="COLUMN", help="the column of FILE to predict")
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="sgd",
        help="sgd (default): linear Rademacher noise, for least squares minibatches; gd: the full loss",
    )
    parser.add_argument("--rate", type=float, default=0.1, help="learning rate of the weights (default: 0.1)")
    parser.add_argument("--alpha", type=float, default=0.0, help="rate * (t+1)^-alpha (default: 0, constant)")
    parser.add_argument("--sigma", type=float, help="size of the noise under sgd (default: 1)")
    parser.add_argument("--d", type=whole(1), metavar="N", help="coordinates (default: 16; power_law_rayleigh: 300)")
    parser.add_argument("--s", type=float, help="of power_law_rayleigh: exponent -(1+s)/2 under gd (default: 0.5)")
    parser.add_argument("--parts", type=whole(1), metavar="N", help="minibatches of least squares (default: 4)")
    parser.add_argument(
        "--gamma-rate",
        type=float,
        metavar="RATE",
        help="learning rate of least squares' gamma, times (t+1)^-1/2 under sgd (default: 0.5; above 2 gd diverges)",
    )
    parser.add_argument("--steps", type=whole(1), default=100_000, metavar="N", help="default: 100000")
    parser.add_argument("--replicas", type=whole(1), metavar="N", help="independent runs (default: sgd 64, gd 1)")
    parser.add_argument("--seed", type=SEED, default=0, metavar="N", help="of noise, starts and made data (default: 0)")
    _engine(parser)
    parser.add_argument("--model", choices=MODELS, default="auto", help="law to fit (default: auto, without log)")
    parser.add_argument("--log-power", type=float, metavar="Q", help="known power of the logarithm of --model log")
    parser.add_argument("--window", type=float, nargs=2, metavar=("LOW", "HIGH"), help="steps to fit (default: all)")
    parser.add_argument(
        "--min-decades", type=float, default=3.0, metavar="D", help="refuse a shorter range (default: 3)"
    )
    parser.add_argument("--png", metavar="PATH", help="also draw the run and its fit (needs matplotlib)")
    parser.add_argument("--json", metavar="PATH", help="also write the outcome there, whole or not at all")


def _check_fit(options, parser):
    """Refuse options that the loss or method would ignore, and fill in defaults that depend on it."""
    if (options.csv is None) != (options.target is None):
        parser.error("--csv FILE and --target COLUMN belong together")
    least_squares = options.csv is not None or options.family == "least_squares_bn"
    sgd = options.method == "sgd"
    used = {
        "sigma": (sgd and not least_squares, 1.0, "to sgd on a family other than least_squares_bn"),
        "d": (options.csv is None, 300 if options.family == "power_law_rayleigh" else 16, "to a family"),
        "s": (options.family == "power_law_rayleigh", 0.5, "to --family power_law_rayleigh"),
        "parts": (sgd and least_squares, 4, "to sgd on least squares"),
        "gamma_rate": (least_squares, 0.5, "to least squares"),
    }
    for name, (applies, default, where) in used.items():
        if getattr(options, name) is None:
            setattr(options, name, default if applies else None)
        elif not applies:
            parser.error(f"--{name.replace('_', '-')} belongs {where}")
    if options.log_power is not None and options.model != "log":
        parser.error("--log-power belongs to --model log")
    if options.window is not None and not options.window[0] < options.window[1]:
        parser.error("--window needs LOW < HIGH")
    if options.replicas is None:
        options.replicas = 64 if sgd else 1


def _rerun(commands):
    parser = _command(
        commands,
        "rerun",
        "rerun",
        "Do the work of a document of verify or fit once more and say whether the results are the same, bit for bit.",
    )
    parser.add_argument("path", metavar="PATH", help="what bn-theory verify --json or fit --json wrote")
    parser.add_argument("--json", metavar="PATH2", help="also write the new document there, whole or not at all")


def _cite(commands):
    parser = _command(commands, "cite", "cite", "Print what to cite for statements: their papers and this package.")
    parser.add_argument("names", nargs="*", metavar="SLUG|PAPER", help="statements used; default: all")
    parser.add_argument("--bibtex", action="store_true", help="as entries for BibTeX")


def _calibrate(commands):
    parser = _command(
        commands, "calibrate", "calibrate", "Measure how often the fit's intervals cover known exponents."
    )
    parser.add_argument(
        "--repeats", type=whole(1), default=1000, metavar="N", help="data sets per regime (default: 1000)"
    )
    parser.add_argument("--seed", type=SEED, default=0, metavar="N", help="of data and bootstrap (default: 0)")
    parser.add_argument(
        "--output", default="calibration.json", metavar="PATH", help="written whole (default: calibration.json)"
    )


def _prove(commands):
    parser = _command(commands, "prove", "prove", "Build a statement's proof, checking every step, and print it.")
    parser.add_argument("slug", metavar="SLUG", help="see bn-theory list")
    parser.add_argument("--latex", action="store_true", help="as LaTeX (for a document that loads amsmath)")


def _bench(commands):
    parser = _command(
        commands,
        "bench",
        "bench",
        "Measure the engines against each other, outside references and the machine's limit.",
    )
    names = (*ENGINES, *REFERENCES)
    parser.add_argument(
        "--engines",
        nargs="+",
        type=one_of("engine or reference", (*names, *VARIANTS)),
        default=names,
        metavar="NAME",
        help=f"default: all that can run here of {', '.join(names)}; also {', '.join(VARIANTS)}",
    )
    parser.add_argument(
        "--workloads",
        nargs="+",
        type=one_of("workload", WORKLOADS),
        default=WORKLOADS,
        metavar="NAME",
        help=f"default: all of {', '.join(WORKLOADS)}",
    )
    parser.add_argument(
        "--full", action="store_true", help="1, 64 and 10000 replicas, more repeats, growth of the references too"
    )
    parser.add_argument(
        "--scale", type=positive, default=1.0, metavar="F", help="factor on the time of every call (default: 1)"
    )
    parser.add_argument("--json", metavar="PATH", help="also write all figures there, whole or not at all")


def _schedule(commands):
    parser = _command(
        commands,
        "schedule",
        "schedule",
        "Turn weight decay into a learning-rate schedule that trains a normalised network identically without it.",
    )
    parser.add_argument("--lr", type=positive, required=True, metavar="RATE", help="learning rate at the start")
    parser.add_argument("--weight-decay", type=between(0), required=True, metavar="LAMBDA", help="as in PyTorch's SGD")
    parser.add_argument(
        "--momentum", type=between(0, 1), default=0.0, metavar="GAMMA", help="as in PyTorch's SGD (default: 0)"
    )
    parser.add_argument("--epochs", type=whole(1), required=True, metavar="N", help="length of the run")
    parser.add_argument("--steps-per-epoch", type=whole(1), required=True, metavar="N", help="391: CIFAR in 128s")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument(
        "--decay", type=drops, default=(), metavar="EPOCH:FACTOR,...", help="multiply the rate from that epoch on"
    )
    shape.add_argument("--cosine", action="store_true", help="let the rate fall to 0 over the run as a cosine")
    parser.add_argument(
        "--warmup", type=whole(1), metavar="EPOCHS", help="let the rate rise linearly over the first epochs"
    )
    parser.add_argument("--csv", metavar="PATH", help="also write every step there, whole or not at all")
    parser.add_argument("--plot", metavar="PATH", help="also draw it: .png, .svg or .pdf (needs matplotlib)")


def _check_schedule(options, parser):
    """Refuse a schedule that does not fit into the run."""
    if late := [epoch for epoch, _ in options.decay if epoch >= options.epochs]:
        parser.error(
            f"--decay at epoch {late[0]} is outside of the run; epochs count from 0, the last of --epochs "
            f"{options.epochs} is {options.epochs - 1}"
        )
    if options.warmup is not None and options.warmup > options.epochs:
        parser.error(f"--warmup {options.warmup} is longer than --epochs {options.epochs}")
    if (steps := options.epochs * options.steps_per_epoch) > MOST_STEPS:
        parser.error(f"{options.epochs} epochs of {options.steps_per_epoch} are {steps} steps; at most {MOST_STEPS}")


def _experiment(commands):
    parser = _command(
        commands,
        "experiment",
        "experiment",
        "Train real networks over many learning rates, seeds and depths; can be killed and resumed.",
    )
    parser.add_argument(
        "experiment", nargs="?", type=one_of("experiment", EXPERIMENTS), metavar="NAME", help=", ".join(EXPERIMENTS)
    )
    parser.add_argument("--list", action="store_true", help="show the experiments with their sizes and exit")
    parser.add_argument(
        "--data", metavar="DIR", help="folder of CIFAR-10, binary or python version (default: scikit-learn's digits)"
    )
    parser.add_argument(
        "--unverified-data", action="store_true", help="take files of that form whatever their checksums are"
    )
    parser.add_argument("--device", choices=DEVICES, default=DEVICES[0], help=f"default: {DEVICES[0]}")
    parser.add_argument("--out", metavar="DIR", help="folder of all that is written (default: ./NAME)")
    parser.add_argument("--resume", action="store_true", help="go on with what is in that folder")
    parser.add_argument("--seeds", type=whole(1, 10_000), default=3, metavar="N", help="runs of each case (default: 3)")
    parser.add_argument(
        "--seed", type=whole(0, 2**31), default=0, metavar="N",
        help="the first of them (default: 0); it also splits the digits into training and test, once for all runs: "
        "intervals over seeds hold for that split",
    )  # fmt: skip
    sizes = parser.add_argument_group("sizes", "defaults are shown by --list; an experiment has not all of them")
    sizes.add_argument("--epochs", type=whole(1), metavar="N", help="of each run")
    sizes.add_argument("--batch", type=whole(1), metavar="N", help="images a step")
    sizes.add_argument("--rates", type=several(positive), metavar="A,B,...", help="learning rates")
    sizes.add_argument("--width", type=whole(1), metavar="N", help="channels of the first convolution")
    sizes.add_argument("--depth", type=several(whole(1)), metavar="N[,N...]", help="of residual networks, 6 n + 2")
    sizes.add_argument("--momentum", type=between(0, 1), metavar="GAMMA", help="as in PyTorch's SGD")
    sizes.add_argument("--weight-decay", type=between(0), metavar="LAMBDA", help="as in PyTorch's SGD")
    sizes.add_argument("--others-rate", type=positive, metavar="RATE", help="of the parameters that are not swept")


def _check_experiment(options, parser):
    """Refuse options that would be ignored."""
    if options.list == (options.experiment is not None):
        parser.error("give the NAME of an experiment, or --list")
    if options.unverified_data and options.data is None:
        parser.error("--unverified-data belongs to --data DIR")


def _report(commands):
    parser = _command(
        commands,
        "report",
        "report",
        "Write what verify finds as one page, as a LaTeX appendix or as Markdown: verdicts, proofs, figures, evidence.",
    )
    parser.add_argument("names", nargs="*", metavar="SLUG|PAPER", help="what to verify for it; default: everything")
    formats = parser.add_argument_group("formats", "at least one; each is written whole or not at all")
    formats.add_argument("--html", metavar="PATH", help="one self-contained page")
    formats.add_argument("--latex", metavar="PATH", help="NAME.tex, with the body and figures in the folder NAME-latex")
    formats.add_argument("--markdown", metavar="PATH", help="NAME.md, with the figures in the folder NAME-markdown")
    parser.add_argument(
        "--from", dest="source", metavar="FILE", help="report what verify --json wrote there; verify nothing"
    )
    parser.add_argument("--profile", choices=PROFILES, help="as of verify (default: quick)")
    parser.add_argument("--seed", type=SEED, metavar="N", help="as of verify (default: 0)")
    _engine(parser)
    parser.set_defaults(engine=None)  # known to be given or not; _check_report fills it in


def _check_report(options, parser):
    """Refuse a report of no format, options that a document has settled, and fill in the others' defaults."""
    if options.html is None and options.latex is None and options.markdown is None:
        parser.error("give --html PATH, --latex PATH or --markdown PATH")
    defaults = {"profile": PROFILES[0], "seed": 0, "engine": "auto"}
    given = [f"--{name}" for name in defaults if getattr(options, name) is not None]
    if options.source is not None and (options.names or given):
        parser.error(f"--from FILE has what was verified; leave out {(options.names + given)[0]}")
    for name, default in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, default)
