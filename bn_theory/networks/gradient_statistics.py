"""Activations and gradients of every layer of a network, as one mini-batch makes them, and what they say.

A kernel's gradient is a sum over the images b of a batch and the places p of an image:
``dL/dw[o, i, t] = sum_{b,p} d[b, o, p] a[b, i, p, t]`` with the gradient ``d`` by the layer's output and its input
``a`` under the tap t of the kernel (0 where the kernel hangs over the border). :func:`record` keeps both sides; the
functions below ask how much of the sum cancels, of what rank it is, which class it favours and how activations grow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, cross_entropy, unfold

from bn_theory.errors import InvalidInputError
from bn_theory.networks.rounding import unit
from bn_theory.networks.structure import NORMALISATIONS
from bn_theory.networks.training import check_batch, check_images


@dataclass(frozen=True, eq=False)
class Layer:
    """What went through a convolution or a linear layer.

    Attributes:
        inputs: ``a``, shape ``(images, inside, height, width)`` or ``(images, inside)``.
        gradients: ``d``, of the loss by the outputs, ``(images, outside, height', width')`` or ``(images, outside)``.
        weight_gradient: of the loss by the weight, in the weight's shape.
        kernel, stride, padding: of a convolution, height and width alike; 1, 1, 0 for a linear layer.
    """

    inputs: torch.Tensor
    gradients: torch.Tensor
    weight_gradient: torch.Tensor
    kernel: int = 1
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, eq=False)
class Normalised:
    """What went through a normalisation, or through the ``Identity`` in its place.

    Attributes:
        inputs, outputs: ``x`` and ``y``, shape ``(images, channels, ...)``.
        output_gradients, input_gradients: of the loss by ``y`` and by ``x``, in their shapes.
        scale: ``gamma`` of each channel, 1 where there is none.
    """

    inputs: torch.Tensor
    outputs: torch.Tensor
    output_gradients: torch.Tensor
    input_gradients: torch.Tensor
    scale: torch.Tensor


@dataclass(frozen=True, eq=False)
class Recording:
    """One forward and backward pass.

    Attributes:
        loss: mean cross-entropy.
        logits, logit_gradients: shape ``(images, classes)``; the gradients are of the mean over the batch.
        layers, norms: by name, in the order of the pass.
    """

    loss: float
    logits: torch.Tensor
    logit_gradients: torch.Tensor
    layers: dict[str, Layer] = field(repr=False)
    norms: dict[str, Normalised] = field(repr=False)


def record(model: nn.Module, images: torch.Tensor, classes: torch.Tensor) -> Recording:
    """Run one mini-batch forward and backward, and keep what goes through every layer with weights and every norm.

    The mode of the model (train or eval) is as it stands; its parameters' ``grad`` are set to this batch's gradient.

    Args:
        model: convolutions with square kernels, without dilation or groups; no module in place.
        images: shape ``(images, channels, height, width)``. classes: whole numbers, shape ``(images,)``.

    Raises:
        InvalidInputError: a layer whose gradient is no sum of that form (named), images that are not finite, a weight
            that no gradient reaches, a batch of one under batch normalisation.

    >>> from bn_theory.networks import digits, resnet
    >>> images, classes = digits(torch.float32)
    >>> found = record(resnet(8), images[:16], classes[:16])
    >>> found.layers["blocks.0.conv1"].inputs.shape
    torch.Size([16, 8, 8, 8])
    """
    check_images(images, classes)
    check_batch(model, len(images))
    weighted = {n: m for n, m in model.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}
    norms = {n: m for n, m in model.named_modules() if isinstance(m, (*NORMALISATIONS, nn.Identity))}
    for name, module in weighted.items():
        _check(name, module)
    seen = {}

    def keep(name):
        def hook(module, inputs, output):
            kept = seen[name] = {"x": inputs[0].detach(), "y": output.detach()}
            if name in norms:
                inputs[0].register_hook(lambda gradient: kept.__setitem__("dx", gradient.detach()))
            output.register_hook(lambda gradient: kept.__setitem__("dy", gradient.detach()))

        return hook

    handles = [module.register_forward_hook(keep(name)) for name, module in (weighted | norms).items()]
    model.zero_grad(set_to_none=True)
    try:
        logits = model(images)
        logits.retain_grad()
        loss = cross_entropy(logits, classes)
        loss.backward()
    finally:
        for handle in handles:
            handle.remove()
    return Recording(
        float(loss.detach()),
        logits.detach(),
        logits.grad,
        {n: _layer(n, weighted[n], kept) for n, kept in seen.items() if n in weighted},
        {n: _normalised(norms[n], kept) for n, kept in seen.items() if n in norms and "dx" in kept},
    )


def tap_sums(layer: Layer) -> tuple[torch.Tensor, torch.Tensor]:
    """The sums over batch and space of ``d a`` and of ``|d a|`` for every pair of channels and tap of the kernel.

    Returns:
        ``sum_{b,p} d a`` (the gradient of the weight) and ``sum_{b,p} |d a|``, each of shape
        ``(outside, inside * taps)``.

    Source: derived in this package, on the decomposition of Bjorck et al. (NeurIPS 2018, arXiv:1806.02375).
    """
    under = _under_the_taps(layer)
    d = layer.gradients.flatten(2) if layer.gradients.ndim == 4 else layer.gradients.unsqueeze(-1)
    over = "bop,bkp->ok"
    return torch.einsum(over, d, under), torch.einsum(over, d.abs(), under.abs())


def sum_ratio(layer: Layer) -> float:
    """``|sum_{b,p} d a| / sum_{b,p} |d a|``, averaged over pairs of channels and taps.

    1 where nothing cancels, of the order of one over the square root of the number of terms where signs are random.
    Pairs without any gradient (a dead channel) have no ratio and are left out; NaN if all are.

    Source: derived in this package, on the decomposition of Bjorck et al. (NeurIPS 2018, arXiv:1806.02375).
    """
    total, absolute = tap_sums(layer)
    alive = absolute > 0
    return float((total.abs()[alive] / absolute[alive]).double().mean())


def input_independent_part(gradients: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """A kernel's gradient with every input replaced by its mean: ``(sum_i d_i) abar^T`` over images and places i.

    Exactly 0 directly before a batch normalisation, as ``sum_i d_i = 0`` then, whatever its ``eps``.

    Args:
        gradients: ``d``, by the outputs, shape ``(outside, images and places)``.
        inputs: ``a`` under every tap, 0 where it hangs over the border; shape ``(inside * taps, images and places)``.

    Returns:
        Shape ``(outside, inside * taps)``.

    Source: derived in this package (``bn-theory prove bjorck2018.gradients_at_init``).
    """
    return torch.outer(gradients.sum(1), inputs.mean(1))


def input_independent_share(layer: Layer) -> float:
    """Norm of :func:`input_independent_part` over that of the whole gradient (Frobenius norms, not squared).

    Source: derived in this package.
    """
    d = layer.gradients.transpose(0, 1).flatten(1)
    constant = input_independent_part(d, _under_the_taps(layer).transpose(0, 1).flatten(1))
    return float(constant.norm() / layer.weight_gradient.norm())


def first_share(layer: Layer) -> float:
    """Share of the first singular value in the squared Frobenius norm of the weight's gradient, channels to channels.

    ``s_1^2 / sum_k s_k^2`` of the gradient as a matrix of shape ``(outside, inside * taps)``: 1 for rank one, at least
    one over the smaller side.

    Source: derived in this package.

    >>> flat = torch.ones(3, 2)
    >>> round(first_share(Layer(flat, flat, torch.ones(4, 2))), 6)
    1.0
    """
    squared = _squared_singular_values(layer)
    return float(squared[0] / squared.sum())


def effective_rank(layer: Layer) -> float:
    """``exp(-sum_k p_k log p_k)``, ``p_k = s_k^2 / sum s^2``, of the same matrix as :func:`first_share`.

    Source: Roy and Vetterli (EUSIPCO 2007) with squared singular values.

    >>> flat = torch.ones(3, 2)
    >>> round(effective_rank(Layer(flat, flat, torch.eye(2))), 6)
    2.0
    """
    squared = _squared_singular_values(layer)
    return float(torch.exp(torch.special.entr(squared / squared.sum()).sum()))


def favoured_class(logits: torch.Tensor) -> float:
    """Share of the images whose largest logit is that of one and the same class, the most frequent.

    Args:
        logits: shape ``(images, classes)``.

    >>> favoured_class(torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 1.0]]))
    0.6666666666666666
    """
    return int(logits.argmax(1).bincount().max()) / len(logits)


def class_spread(logits: torch.Tensor) -> float:
    """Variance over classes of the mean logit, in units of the variance over images, which is averaged over classes.

    Above 1 the images' logits differ less from one another than the classes' means do.

    Args:
        logits: shape ``(images, classes)``.
    """
    z = logits.double()
    return float(z.mean(0).var(unbiased=False) / z.var(0, unbiased=False).mean())


def favoured_gradient(logit_gradients: torch.Tensor) -> float:
    """Largest share that one class has in the positive part of the logits' gradients, summed over the batch.

    ``max_c sum_b (d[b, c])_+ / sum_c sum_b (d[b, c])_+``: one over the number of classes where none is favoured, 1
    where the loss pushes a single logit down for every image.

    Args:
        logit_gradients: shape ``(images, classes)``.
    """
    pushed = logit_gradients.clamp(min=0).sum(0).double()
    return float(pushed.max() / pushed.sum())


def one_sided(logit_gradients: torch.Tensor) -> float:
    """``|sum_b d[b, c]| / sum_b |d[b, c]|``, averaged over classes: 1 where each logit is pushed one way by all images.

    The ratio of sums, :func:`sum_ratio`, for the bias of the last layer. Classes without gradient are left out.

    Args:
        logit_gradients: shape ``(images, classes)``.

    >>> one_sided(torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    0.5
    """
    d = logit_gradients.double()
    sizes = d.abs().sum(0)
    return float((d.sum(0).abs()[sizes > 0] / sizes[sizes > 0]).mean())


def expected_square(squares: torch.Tensor, layer: Layer) -> torch.Tensor:
    """Mean square of a convolution's output over weights of mean 0 and variance ``2/fan_in``, its input being given.

    ``E y_p^2 = 2/fan_in * sum x_k^2`` over the inputs under the kernel at p; a tap that hangs over the border has none.
    The same for every channel of the output.

    Args:
        squares: mean over channels of the squares of the input, shape ``(images, height, width)``.
        layer: whose kernel, stride and padding it is.

    Returns:
        Shape ``(images, height', width')``; of the dimension of ``squares``.

    Source: He, Zhang, Ren and Sun (ICCV 2015), with borders.

    >>> flat = torch.ones(1, 1, 2, 2)
    >>> float(expected_square(flat[0], Layer(flat, flat, flat, kernel=3, padding=1)).mean())  # 4 of 9 taps
    0.8888888955116272
    """
    return 2 * avg_pool2d(squares.unsqueeze(1), layer.kernel, layer.stride, layer.padding).squeeze(1)


def output_ratios(recording: Recording) -> dict[str, float]:
    """Mean square of each convolution's output, before its normalisation, in units of :func:`expected_square`.

    At the start each has mean 1 over the layer's weights, whatever the layer's input, and a variance of at most
    ``2/channels``: a channel's output is a quadratic form of Gaussian weights, whose variance is at most twice its
    squared mean, and channels are independent.

    Args:
        recording: of a :func:`bn_theory.networks.resnet`, whose ``conv...`` go into ``norm...``.

    Raises:
        InvalidInputError: no such layers were recorded.

    Source: derived in this package.
    """
    convolutions = {n: l for n, l in recording.layers.items() if l.inputs.ndim == 4}
    found = {}
    for name, layer in convolutions.items():
        norm = recording.norms.get(name.replace("conv", "norm"))
        if norm is not None:
            squares = expected_square(layer.inputs.double().square().mean(1), layer)
            found[name] = float(norm.inputs.double().square().mean() / squares.mean())
    if not found:
        raise InvalidInputError(f"no conv with its norm among {', '.join(recording.layers)}; record a resnet")
    return found


@dataclass(frozen=True)
class BlockMoments:
    """Second moments around one residual block that keeps shape and channels, over batch, channels and space.

    Attributes:
        before, after: mean squares of the block's input and output, both behind a ReLU.
        branch: mean square of what the branch adds before the ReLU.
        expected_branch: its mean over starts of mean 0 and variance ``2/fan_in`` without normalisation, the block's
            input being given: :func:`expected_square` twice, halved by the ReLU in between.
        channels: of the block.
        mean_before, mean_after: means of the block's input and output.
    """

    before: float
    after: float
    branch: float
    expected_branch: float
    channels: int
    mean_before: float
    mean_after: float


def block_moments(recording: Recording) -> dict[int, BlockMoments]:
    """Moments of every block of a recorded :func:`bn_theory.networks.resnet` that keeps the shape, but for the last.

    Raises:
        InvalidInputError: no such blocks were recorded.
    """
    names = (re.fullmatch(r"blocks\.(\d+)\.conv1", name) for name in recording.layers)
    inputs = {int(match[1]): recording.layers[match[0]].inputs for match in names if match}
    found = {}
    for k, x in inputs.items():
        if k + 1 in inputs and recording.layers[f"blocks.{k}.conv1"].stride == 1:
            x, y = x.double(), inputs[k + 1].double()
            branch = recording.norms[f"blocks.{k}.norm2"].outputs.double()
            first, second = (recording.layers[f"blocks.{k}.{conv}"] for conv in ("conv1", "conv2"))
            expected = expected_square(expected_square(x.square().mean(1), first) / 2, second).mean()
            squares = (float(t) for t in (*(t.square().mean() for t in (x, y, branch)), expected))
            found[k] = BlockMoments(*squares, x.shape[1], float(x.mean()), float(y.mean()))
    if not found:
        raise InvalidInputError(f"no residual blocks among {', '.join(recording.layers)}; record a resnet")
    return found


@dataclass(frozen=True, eq=False)
class CentredGradients:
    """Sums over batch and space of the gradient by the input of a normalisation; each has shape ``(channels,)``.

    Attributes:
        plain: ``sum dL/dx``. against: ``sum dL/dx xhat``, ``xhat`` the input normalised over batch and space.
        plain_rounding, against_rounding: what rounding makes of a sum that is exactly 0.
    """

    plain: torch.Tensor
    against: torch.Tensor
    plain_rounding: torch.Tensor
    against_rounding: torch.Tensor


def centred_gradients(norm: Normalised) -> CentredGradients:
    """The two sums that batch normalisation with ``eps = 0`` makes 0 whatever the loss behind it.

    ``dL/dx_j = gamma (u_j - mean(u) - xhat_j mean(u xhat))/s`` with the gradient u by the output. To first order in the
    unit roundoff, with n numbers a channel: a mean of n numbers errs by at most ``n u`` of their mean size, and so does
    ``xhat_j``, by ``X_j = |xhat_j| + (|x_j| + mean|x|)/s``; a few more roundings a term are in ``n + 8``.

    Source: derived in this package.
    """

    def by_channel(t):
        return t.detach().double().transpose(0, 1).flatten(1)

    x, upstream, dx = (by_channel(t) for t in (norm.inputs, norm.output_gradients, norm.input_gradients))
    n = x.shape[1]
    g = upstream * norm.scale.double().unsqueeze(1)
    inverse = x.var(1, unbiased=False, keepdim=True).rsqrt()
    hat = (x - x.mean(1, keepdim=True)) * inverse
    size = hat.abs() + inverse * (x.abs() + x.abs().mean(1, keepdim=True))
    slope = (g * hat).mean(1, keepdim=True).abs()
    terms = g.abs() + g.mean(1, keepdim=True).abs() + slope * hat.abs()
    u = (n + 8) * unit(norm.inputs.dtype)
    # plain: errors of mean(u) and of sum xhat (|slope| X), roundings of each term, and of the sum taken here
    plain = u * (inverse * (2 * terms + slope * size) + dx.abs()).sum(1)
    # against: the errors of mean(u), of mean(u xhat), of each term and of the sum are each within the bracket
    against = 4 * u * ((inverse * terms + dx.abs()) * size).sum(1)
    return CentredGradients(dx.sum(1), (dx * hat).sum(1), plain, against)


def unit_variance_rounding(norm: Normalised) -> torch.Tensor:
    """What rounding makes of ``mean(xhat^2) - 1 = 0`` over batch and space, shape ``(channels,)``, to first order.

    Mean, variance, ``xhat`` and the mean taken of its square err by ``(n + 8) u`` of their sizes, as in
    :func:`centred_gradients`; a square errs twice.

    Source: derived in this package.
    """
    x = norm.inputs.double().transpose(0, 1).flatten(1)
    inverse = x.var(1, unbiased=False, keepdim=True).rsqrt()
    hat = (x - x.mean(1, keepdim=True)) * inverse
    size = hat.abs() + inverse * (x.abs() + x.abs().mean(1, keepdim=True))
    return 4 * (x.shape[1] + 8) * unit(norm.inputs.dtype) * (hat.abs() * size).mean(1)


def _check(name, module):
    if isinstance(module, nn.Linear):
        return
    square = all(len(set(v)) == 1 for v in (module.kernel_size, module.stride)) and not isinstance(module.padding, str)
    plain = module.groups == 1 and set(module.dilation) == {1} and module.padding_mode == "zeros"
    if not (square and plain and len(set(module.padding)) == 1):
        raise InvalidInputError(f"{name} = {module}: only square kernels without dilation or groups, padded by zeros")


def _layer(name, module, kept):
    if "dy" not in kept or module.weight.grad is None:
        raise InvalidInputError(f"no gradient reaches {name}; leave it out of the model or let its weight be trained")
    shape = (module.kernel_size[0], module.stride[0], module.padding[0]) if isinstance(module, nn.Conv2d) else ()
    return Layer(kept["x"], kept["dy"], module.weight.grad.detach().clone(), *shape)


def _normalised(module, kept):
    scale = getattr(module, "weight", None)
    channels = kept["x"].shape[1]
    if scale is None or scale.shape != (channels,):
        scale = torch.ones(channels, dtype=kept["x"].dtype, device=kept["x"].device)
    return Normalised(kept["x"], kept["y"], kept["dy"], kept["dx"], scale.detach())


def _under_the_taps(layer):
    """Inputs under each tap, ``(images, inside * taps, places)``."""
    if layer.inputs.ndim == 2:
        return layer.inputs.unsqueeze(-1)
    return unfold(layer.inputs, layer.kernel, padding=layer.padding, stride=layer.stride)


def _squared_singular_values(layer):
    return torch.linalg.svdvals(layer.weight_gradient.double().flatten(1)).square()
