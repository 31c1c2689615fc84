"""Queries and keys that are normalised make their matrices scale-invariant; what is left when training has fitted.

Statement.  A head of size n has the query q_i = sum_a x_a W(a, i), divided by its root mean square
``sqrt(sum_i q_i^2/n)``, and a key alike.

* The attention's logit, their inner product, is unchanged where W_Q is multiplied by any c > 0 and W_K by any k > 0:
  the loss is scale-invariant in both, at every input.  Without the normalisation it is multiplied by c k.
  With it, it is at most n, whatever the weights.
* So at zero gradient radial decay, W <- (1 - eta lambda) W, changes neither the function nor a singular value's share
  of the largest, however many steps it takes; low-rank decay goes on changing both (see ``.identity``).
* The gradient in the logits of cross-entropy is small once the training set is fitted:
  ``sum_j |p_j - y_j| = 2 (1 - p_c) <= 2 (-log p_c)``, twice the loss.
* Adam's steps do not follow it there: they do not scale with the gradient (see ``.run``).

That generalisation follows is no theorem; it is measured.

Source.  Derived in this package, on the subject of Li, arXiv:2606.04405.
"""

from functools import lru_cache

import sympy as sp

from .. import logarithm
from ..proof import Assumption, Citation, Definition, Identity, Inequality, Proof, Source, Summed, eq, instance
from . import identity, run


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "low_rank_decay2026.grokking",
        "Scale-invariant queries and keys: what decay does to them at zero gradient",
        "logits with normalised queries and keys do not change with the scale of W_Q and W_K; fitted examples leave a "
        "gradient of at most twice their loss",
        (*_logit(), *_decay(), *_fitted()),
        Source("Li, arXiv:2606.04405", "attention with normalised queries and keys", "derived"),
    )


def _logit():
    i, j, b = sp.symbols("i j b", integer=True)
    n, m = sp.symbols("n m", integer=True, positive=True)
    c, k, query_size, key_size = sp.symbols("c k A B", positive=True)
    x, weight = sp.Function("x", real=True), sp.Function("W_Q", real=True)
    query, key = sp.Function("q", real=True), sp.Function("k", real=True)
    over, inputs = (i, 1, n), (b, 1, m)
    yield Identity(
        "a query is linear",
        sp.Sum(x(b) * c * weight(b, j), inputs),
        c * sp.Sum(x(b) * weight(b, j), inputs),
        "W_Q -> c W_Q multiplies every query by c.",
    )
    query_named = Assumption(
        "A", "A name for the mean square of a query that is not 0.", eq(query_size, sp.Sum(query(i) ** 2, over) / n)
    )
    key_named = Assumption("B", "A name for that of a key that is not 0.", eq(key_size, sp.Sum(key(i) ** 2, over) / n))
    yield from (query_named, key_named)
    yield Identity(
        "mean square, scaled",
        sp.Sum((c * query(i)) ** 2, over) / n,
        c**2 * query_size,
        "",
        ((-(c**2), query_named),),
    )
    scaled_query, scaled_key = sp.Function("q_c", real=True), sp.Function("k_k", real=True)
    query_after, key_after = sp.symbols("A_c B_k", positive=True)
    queries = Definition("scaled query", scaled_query(j), c * query(j))
    keys = Definition("scaled key", scaled_key(j), k * key(j))
    query_sizes = Definition("its mean square", query_after, c**2 * query_size, "By the step before.")
    key_sizes = Definition("that of a scaled key", key_after, k**2 * key_size, "Likewise.")
    yield from (queries, keys, query_sizes, key_sizes)
    same_query = Identity(
        "normalised query, scaled",
        scaled_query(j) / sp.sqrt(query_after),
        query(j) / sp.sqrt(query_size),
        "Every entry is what it was.",
        rewrite=(queries, query_sizes),
    )
    same_key = Identity(
        "normalised key, scaled",
        scaled_key(j) / sp.sqrt(key_after),
        key(j) / sp.sqrt(key_size),
        "Likewise.",
        rewrite=(keys, key_sizes),
    )
    yield from (same_query, same_key)
    yield Summed(
        "logit, scaled",
        scaled_query(i) / sp.sqrt(query_after) * scaled_key(i) / sp.sqrt(key_after),
        query(i) / sp.sqrt(query_size) * key(i) / sp.sqrt(key_size),
        (over,),
        (
            (key(i) / sp.sqrt(key_size), instance(same_query, j=i)),
            (scaled_query(i) / sp.sqrt(query_after), instance(same_key, j=i)),
        ),
        equality=True,
        why="For every c, k > 0: the loss is scale-invariant in W_Q and in W_K.",
    )
    yield Identity(
        "logit without normalisation",
        sp.Sum(c * query(i) * k * key(i), over),
        c * k * sp.Sum(query(i) * key(i), over),
        "It is not invariant.",
    )
    one, two = query(i) / sp.sqrt(query_size), key(i) / sp.sqrt(key_size)
    query_length = Identity(
        "length of a normalised query", sp.Sum(one**2, over), n, "", ((-n / query_size, query_named),)
    )
    key_length = Identity("length of a normalised key", sp.Sum(two**2, over), n, "", ((-n / key_size, key_named),))
    products = Summed(
        "inner product and lengths",
        one * two,
        one**2 / 2 + two**2 / 2,
        (over,),
        ((sp.Rational(1, 2), (one - two) ** 2),),
        why="2 x y <= x^2 + y^2, which for vectors of one length is Cauchy's and Schwarz's.",
    )
    yield from (query_length, key_length, products)
    yield Inequality(
        "no logit exceeds n",
        sp.Sum(one * two, over),
        n,
        ((1, products), (sp.Rational(1, 2), query_length), (sp.Rational(1, 2), key_length)),
        "Nor is one below -n: the same with -k.",
    )


def _decay():
    value = identity.VALUE(identity.I)
    c, top, delta = identity.C, identity.TOP, identity.DELTA
    yield Citation(
        "radial decay keeps the stable rank",
        eq(identity.over((c * value) ** 2) / (c * top) ** 2, identity.Q / top**2),
        identity.prove(),
        "radial: stable rank",
    )
    yield Citation(
        "low-rank decay lowers shares",
        eq(value / top - (value - delta) / (top - delta), delta * (top - value) / (top * (top - delta))),
        identity.prove(),
        "relative singular values",
    )
    m, v = sp.Symbol("m", real=True), sp.Symbol("v", positive=True)
    yield Citation(
        "Adam goes on",
        eq(sp.Symbol("m_c", real=True) / sp.sqrt(sp.Symbol("v_c", positive=True)), m / sp.sqrt(v)),
        run.prove(),
        "Adam's step does not scale",
    )


def _fitted():
    bounds = logarithm.bounds()
    tangent = bounds["tangent"]
    right, others = sp.symbols("p_c o", positive=True)
    whole = Assumption("probabilities", "p_c of the right class and o of all others together.", eq(right + others, 1))
    yield from (bounds["below"], bounds["above"], tangent, whole)
    gradient = (1 - right) + others
    yield Identity("gradient in the logits", gradient, 2 * (1 - right), "sum_j |p_j - y_j|, y_c = 1.", ((1, whole),))
    yield Inequality(
        "no larger than twice the loss",
        2 * (1 - right),
        -2 * sp.log(right),
        ((2, instance(tangent, z=right)),),
        "log z <= z - 1.",
    )
