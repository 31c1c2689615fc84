"""Normalised networks in PyTorch: weight decay as a schedule, which parameters are scale-invariant, training.

Needs the extra ``networks``: ``pip install '.[networks]'``. Importing :mod:`bn_theory` does not import this.
"""

from bn_theory.errors import MissingExtraError

try:
    import torch  # noqa: F401  (asked for here, so that its absence is told in the package's own words)
except ModuleNotFoundError as error:
    if error.name != "torch":  # torch is there and lacks something itself
        raise
    raise MissingExtraError(
        "bn_theory.networks needs torch, which is not installed: pip install '.[networks]' in the source folder"
    ) from error

from bn_theory.networks.architectures import resnet, vgg
from bn_theory.networks.claims import require_scale_invariant
from bn_theory.networks.data import Split, augment, digits_split
from bn_theory.networks.decoupled import Decoupled
from bn_theory.networks.digits import digits
from bn_theory.networks.equivalent_lr import EquivalentLR
from bn_theory.networks.invariance import Finding, Invariance, scale_invariant_groups
from bn_theory.networks.paired_training import PairedRun, train_pair
from bn_theory.networks.small_nets import NORMS, small_net
from bn_theory.networks.step_log import LoggedTrainer, StepLog
from bn_theory.networks.structure import expected_groups
from bn_theory.networks.training import Trainer, evaluate, sgd

__all__ = [
    "NORMS",
    "Decoupled",
    "EquivalentLR",
    "Finding",
    "Invariance",
    "LoggedTrainer",
    "PairedRun",
    "Split",
    "StepLog",
    "Trainer",
    "augment",
    "digits",
    "digits_split",
    "evaluate",
    "expected_groups",
    "require_scale_invariant",
    "resnet",
    "scale_invariant_groups",
    "sgd",
    "small_net",
    "train_pair",
    "vgg",
]
