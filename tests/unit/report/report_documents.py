"""Documents of verify for the tests of reports: every verdict once, hostile texts, and the proofs of all statements."""

from functools import cache

from bn_theory.report.json_ import verify_document
from bn_theory.report.verification import NotRun, Verification
from bn_theory.theorems import evidence as judge
from bn_theory.theorems import registry
from bn_theory.theorems.evidence import Outside
from bn_theory.theorems.statement import Result, Settings

PACKAGE = {"name": "bn_theory", "version": "0.1.0", "commit": "0" * 39 + "1"}
ENVIRONMENT = {"versions": "bn_theory 0.1.0, numpy 2", "python": "3.11", "processor": "a_b & c"}

HOSTILE = (
    r"""</td><script>alert("1")</script> 'q' & | `x` $\nope{x}$ [y](z) **b** """
    r"""\input{/etc/passwd} %# ~^_{} <!-- 50% é λ"""
)
"""A text that is markup in all three formats."""


def edited(document, path, value):
    """The document with the value at a path of keys and indices; ``...`` leaves it out."""
    *way, last = path
    place = document
    for key in way:
        place = place[key]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def outcome(slug, *evidence, outside=()):
    """A result of a real statement, whose proof is real, with evidence of the test's own."""
    return Result(registry.statement(slug), tuple(evidence), tuple(outside), 1.25, ())


def document(*outcomes):
    return verify_document(Verification(Settings("quick", 3, "numpy"), outcomes, 7.5), PACKAGE, ENVIRONMENT)


@cache
def _every_verdict():
    return document(
        outcome(
            "arora2019.norm_growth",
            judge.identity("growth", 0.25, 1.0, unit="the rounding bound"),
            judge.control(judge.identity("broken by 1e-6", 12.0, 1.0, unit="the rounding bound")),
            judge.measurement("slope", (0.5, 0.75), answer="It is between a half and three quarters."),
            *(judge.bound(f"step {n}", 0.5) for n in range(12)),
        ),
        outcome(
            "arora2019.orthogonality",
            judge.identity("holds", 0.0, 1.0),
            judge.identity("fails", 5.0, 1.0, largest_at_step=17),
            judge.control(judge.identity("too weak", 0.5, 1.0)),
            outside=(Outside("rate 0.1", "the norm has not outgrown its start"),),
        ),
        outcome("arora2019.effective_rate", judge.exponent("wide", (-0.9, -0.1), -0.5, 0.1, 0.05)),
        NotRun(registry.statement("li2020.texp"), "needs torch: pip install '.[networks]' in the source folder"),
    )


def every_verdict():
    """Statements that are supported, contradicted, inconclusive and not run; the verdict is contradicted."""
    return _copied(_every_verdict())


def hostile():
    """The same with texts that are markup wherever a document may hold any text; slugs it may not."""
    found = every_verdict()
    found["environment"] = {name: HOSTILE for name in found["environment"]}
    for statement in found["statements"]:
        statement["title"] = HOSTILE
        statement["source"] |= {"paper": HOSTILE, "statement": HOSTILE}
        if "not_run" in statement:
            statement["not_run"] = HOSTILE
        for item in statement["outside"]:
            item |= {"case": HOSTILE, "reason": HOSTILE}
        for piece in statement["evidence"]:
            piece["name"] = HOSTILE
            piece["details"] |= {
                "unit": HOSTILE,
                "answer": HOSTILE,
                "controlled_kind": HOSTILE,
                "claim_verdict": HOSTILE,
            }
            piece["details"][HOSTILE] = HOSTILE
        proof = statement["proof"]
        proof |= {"title": HOSTILE, "claim": HOSTILE, "source": HOSTILE}
        for step in proof["steps"]:
            step |= {name: HOSTILE for name in ("name", "method", "why", "text", "latex")} | {"using": [HOSTILE]}
    return found


@cache
def all_proofs():
    """A document of all statements with their proofs, none of them run."""
    return document(*(NotRun(registry.statement(slug), "only its proof is wanted") for slug in registry.SLUGS))


def steps(proof):
    """All steps of a proof and of its parts."""
    yield from proof["steps"]
    for part in proof["parts"]:
        yield from steps(part)


def _copied(value):
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
