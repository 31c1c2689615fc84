"""What is exact about the questions that the reviews of "Understanding Batch Normalization" leave open.

Statement.

* A gradient is its radial part (along w) plus its tangential part, and ``|grad|^2 = |radial|^2 + |tangential|^2``; the
  radial part of a scale-invariant kernel's gradient is 0.
* A kernel's gradient ``sum_i d_i a_i^T`` over n images and positions is ``(sum_i d_i) abar^T + sum_i d_i (a_i -
  abar)^T``: the first term depends on the inputs through their mean only (the input-independent part). Directly before
  a batch normalisation ``sum_i d_i = 0`` in every channel, so that this part is 0. With eps = 0 also ``sum_i d_i x_i =
  0``, so that the radial part of every filter is 0; with eps > 0 it is ``<w, grad> = n mean(u y) eps/(v + eps)``, v the
  variance of the x_i, y_i what they are normalised to and u_i the loss's derivative in y_i.
* In a chain of linear layers and ReLUs without biases, ``L`` with one kernel multiplied by c > 0 is ``L`` of c times
  the outputs z, whichever kernel it is: ``<w_l, grad_l L> = d/dc L(c z)`` at c = 1, the same for every layer l.
* Subtracting the mean outputs removes them and changes no difference between images.
* The rate and the batch divided by one number: the noise of a unit of time, and the time of an epoch, stay.

Source.  The questions: the reviews of Bjorck, Gomes, Selman, Weinberger, NeurIPS 2018, arXiv:1806.02375. The statements
as written here are derived in this package; orthogonality is that of Arora, Li, Lyu, ICLR 2019, arXiv:1812.03981.
"""

from functools import lru_cache

import sympy as sp

from ..arora2019 import orthogonality
from ..li2020 import other_normalisations
from ..proof import Assumption, Citation, Definition, Identity, Induction, Inequality, Proof, Source, eq, instance
from ..vectors import dot, gram, vector
from . import gradients_at_init, rate_and_generalisation


@lru_cache(maxsize=1)
def prove() -> Proof:
    """The proof; see the module for the statement."""
    return Proof(
        "bjorck2018.review_questions",
        "Radial and input-independent parts of gradients, substitutes for normalisation, matched noise",
        "before a batch normalisation the input-independent part of a gradient is 0, with eps = 0 the radial part too; "
        "without normalisation and biases <w_l, grad_l L> is the same for every layer",
        (*_radial(), *_independent(), *_normalised(), *_chain(), *_centred(), *_matched_noise()),
        Source("This package", "radial and input-independent parts of a gradient", "derived"),
    )


def _radial():
    """A gradient g = k w + t with t orthogonal to w."""
    w, t = vector("w"), vector("t")
    k = sp.Symbol("k", real=True)
    gradient = k * w + t
    tangential = Assumption(
        "tangential part",
        "For every w other than 0 a gradient is g = k w + t with t orthogonal to w: k w is its radial, t its "
        "tangential part.",
        eq(gram("w", "t"), 0),
        role="fact",
    )
    coefficient = Identity(
        "radial coefficient", dot(w, gradient), k * gram("w", "w"), "k = <w, g>/<w, w>.", ((1, tangential),)
    )
    pythagoras = Identity(
        "Pythagoras",
        dot(gradient, gradient),
        dot(k * w, k * w) + dot(t, t),
        "|g|^2 = |radial|^2 + |tangential|^2.",
        ((2 * k, tangential),),
    )
    share = Inequality(
        "radial share",
        dot(k * w, k * w),
        dot(gradient, gradient),
        ((1, gram("t", "t")), (-1, pythagoras)),
        "|radial|^2/|g|^2 is at most 1.",
    )
    orthogonal = Citation("<w, grad> = 0", eq(dot(w, gradient), 0), orthogonality.prove(), "orthogonality")
    vanishes = Identity(
        "radial part of a scale-invariant kernel",
        dot(k * w, k * w),
        0,
        "By orthogonality: |radial|^2 = k <w, g> = 0.",
        ((k, orthogonal), (-k, coefficient)),
    )
    return tangential, coefficient, pythagoras, share, orthogonal, vanishes


def _independent():
    """One filter's gradient in one of its inputs: d_i is the loss's derivative in output i, a_i the input."""
    n, size = sp.symbols("n p", integer=True, positive=True)
    i, j = sp.symbols("i j", integer=True)
    over = (i, 1, n)
    mean = sp.Symbol("abar", real=True)
    back, given = sp.Function("d", real=True), sp.Function("a", real=True)
    weight, patch = sp.Function("w", real=True), sp.Function("A", real=True)
    of_inputs = Definition("mean input", mean, sp.Sum(given(i), over) / n, "n images and positions, padding included.")
    split = Citation(
        "input-independent part",
        eq(
            sp.Sum(back(i) * given(i), over),
            mean * sp.Sum(back(i), over) + sp.Sum(back(i) * (given(i) - mean), over),
        ),
        gradients_at_init.prove(),
        "split",
    )
    none_left = Identity(
        "deviations have mean 0",
        sp.Sum(given(i) - mean, over),
        0,
        "The second part is 0 for equal d_i: it sees differences only.",
        ((-n, of_inputs),),
    )
    euler = Identity(
        "radial coefficient by outputs",
        sp.Sum(weight(j) * sp.Sum(back(i) * patch(i, j), over), (j, 1, size)),
        sp.Sum(back(i) * sp.Sum(weight(j) * patch(i, j), (j, 1, size)), over),
        "<w, grad> = sum_i d_i x_i with the outputs x_i = sum_j w_j A_ij.",
    )
    return of_inputs, split, none_left, euler


def _normalised():
    """The outputs x_i = m + s y_i of one channel, normalised to y_i; d_i is the loss's derivative in x_i.

    With eps = 0, s is their standard deviation; with eps > 0 it is sqrt(v + eps).
    """
    n = sp.Symbol("n", integer=True, positive=True)
    i = sp.Symbol("i", integer=True)
    over = (i, 1, n)
    m, mean_input = sp.symbols("m abar", real=True)
    s = sp.Symbol("s", positive=True)
    back, y = sp.Function("d", real=True), sp.Function("y", real=True)
    lemma = gradients_at_init.prove()
    no_sum = Citation("derivatives sum to 0", eq(sp.Sum(back(i), over), 0), lemma, "sum of the gradient")
    against = Citation(
        "derivatives times normalised outputs",
        eq(sp.Sum(back(i) * y(i), over), 0),
        lemma,
        "sum of the gradient times y",
    )
    no_radial = Identity(
        "radial part of a filter",
        sp.Sum(back(i) * (m + s * y(i)), over),
        0,
        "With eps = 0: sum_i d_i x_i = 0, which is <w, grad> of the filter by 'radial coefficient by outputs'.",
        ((m, no_sum), (s, against)),
    )
    vanishes = Identity(
        "input-independent part vanishes",
        mean_input * sp.Sum(back(i), over),
        0,
        "Directly before a batch normalisation with eps = 0.",
        ((mean_input, no_sum),),
    )
    return no_sum, against, no_radial, vanishes, *_normalised_with_eps()


def _normalised_with_eps():
    """The same of outputs x_i = m + sqrt(v + eps) y_i."""
    n = sp.Symbol("n", integer=True, positive=True)
    i = sp.Symbol("i", integer=True)
    over = (i, 1, n)
    m, p, mean_input = sp.symbols("m p abar", real=True)  # p = mean(u y)
    v, eps = sp.Symbol("v", positive=True), sp.Symbol("epsilon", nonnegative=True)
    back, y = sp.Function("d_eps", real=True), sp.Function("y_eps", real=True)
    lemma, root = gradients_at_init.prove(), sp.sqrt(v + eps)
    no_sum = Citation("derivatives sum to 0, eps", eq(sp.Sum(back(i), over), 0), lemma, "sum of the gradient, epsilon")
    against = Citation(
        "derivatives times normalised outputs, eps",
        eq(sp.Sum(back(i) * y(i), over), n * p * eps / (root * (v + eps))),
        lemma,
        "sum of the gradient times y, epsilon",
    )
    radial = Identity(
        "radial part of a filter, eps",
        sp.Sum(back(i) * (m + root * y(i)), over),
        n * p * eps / (v + eps),
        "<w, grad> with eps > 0, p = mean(u y): not 0, and small where eps is small against the variance.",
        ((m, no_sum), (root, against)),
    )
    vanishes = Identity(
        "input-independent part vanishes, eps",
        mean_input * sp.Sum(back(i), over),
        0,
        "Directly before a batch normalisation, whatever eps is.",
        ((mean_input, no_sum),),
    )
    return no_sum, against, radial, vanishes


def _chain():
    """A chain without biases: one kernel multiplied by c."""
    c = sp.Symbol("c", positive=True)
    j = sp.Symbol("j", integer=True, nonnegative=True)
    x = sp.Symbol("x", real=True)
    k, label = sp.symbols("k y", integer=True)
    classes = sp.Symbol("K", integer=True, positive=True)
    layer = sp.Function("H", real=True)
    plain, scaled, output = (sp.Function(name, real=True) for name in ("h", "q", "z"))
    rectified = Citation(
        "ReLU",
        eq((c * x + sp.Abs(c * x)) / 2, c * (x + sp.Abs(x)) / 2),
        other_normalisations.prove(),
        "ReLU",
        (c, x),
    )
    homogeneous = Assumption(
        "layers above",
        "H_j, the j-th layer above the kernel (ReLU and pooling of the outputs, then a linear map without bias), is "
        "positively homogeneous by 'ReLU'; x stands for a vector.",
        eq(layer(j, c * x), c * layer(j, x)),
        (j, x),
    )
    step = Assumption("signals", "h_0 are the kernel's outputs.", eq(plain(j + 1), layer(j, plain(j))), (j,))
    moved = Assumption(
        "signals, kernel scaled", "q_j are the signals with c w for w.", eq(scaled(j + 1), layer(j, scaled(j))), (j,)
    )
    start = Assumption("outputs, kernel scaled", "The kernel's outputs are linear in it.", eq(scaled(0), c * plain(0)))
    through = Induction(
        "outputs of the network",
        scaled(j),
        c * plain(j),
        j,
        ((1, start),),
        ((-c, step), (1, moved), (1, instance(homogeneous, x=plain(j)))),
        why="The factor reaches the network's outputs: L(.., c w_l, ..) = L(c z), for every layer l.",
    )
    exponentials = sp.Sum(sp.exp(output(k)), (k, 1, classes))
    slope = Identity(
        "radial derivative",
        sp.Subs(sp.Derivative(sp.log(sp.Sum(sp.exp(c * output(k)), (k, 1, classes))) - c * output(label), c), c, 1),
        sp.Sum(output(k) * sp.exp(output(k)), (k, 1, classes)) / exponentials - output(label),
        "<w_l, grad_l L> = d/dc L(c z) at c = 1, the mean over images of <p - e_y, z>: cross-entropy of class y, p the "
        "softmax of z. No layer enters.",
    )
    return rectified, homogeneous, step, moved, start, through, slope


def _centred():
    """Outputs z_b of n images in one class, their mean subtracted by a bias."""
    n = sp.Symbol("n", integer=True, positive=True)
    b, first, second = sp.symbols("b b_1 b_2", integer=True)
    output, mean = sp.Function("z", real=True), sp.Symbol("zbar", real=True)
    average = Assumption(
        "mean logits", "zbar is the mean of a class's outputs.", eq(mean, sp.Sum(output(b), (b, 1, n)) / n)
    )
    removed = Identity(
        "mean logits removed", sp.Sum(output(b) - mean, (b, 1, n)) / n, 0, "With the bias -zbar.", ((-1, average),)
    )
    differences = Identity(
        "differences between images",
        (output(first) - mean) - (output(second) - mean),
        output(first) - output(second),
        "They are as before: only what all images have in common is gone.",
    )
    return average, removed, differences


def _matched_noise():
    """The noise of SGD per unit of time, a step of rate eta taking the time eta."""
    rate, factor, batch, images, tau = sp.symbols("eta k B n tau", positive=True)
    trace = sp.Symbol("C", nonnegative=True)
    noise = Citation(
        "noise over the time tau",
        eq(
            sp.Subs(rate * tau * trace / batch, (rate, batch), (rate / factor, batch / factor)),
            rate * tau * trace / batch,
        ),
        rate_and_generalisation.prove(),
        "rate against batch size",
    )
    time = Identity(
        "time of an epoch",
        (images / (batch / factor)) * (rate / factor),
        (images / batch) * rate,
        "n/B steps of the rate eta.",
    )
    return noise, time
