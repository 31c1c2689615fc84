"""Weight decay as a learning-rate schedule, as a scheduler of PyTorch's SGD."""

from __future__ import annotations

import weakref

import numpy as np
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LRScheduler

from bn_theory.dynamics import EquivalentSchedule
from bn_theory.dynamics.equivalent import RESCALE_BITS
from bn_theory.errors import InvalidInputError, ScheduleEndedError

SAME_PAST = 1e-9
"""Log of the factor between two schedules' ``p_t`` up to which a saved state counts as being of the same past.

``log p_t`` is a sum that is rounded once; its terms are off by an ulp each where another machine's ``log1p`` rounds
otherwise, so that sums up to 1e5 (rates of ``e^200000``) agree to ``1e5 * 2^-52 = 2e-11``. Another decay or rate, in a
single step even, changes it by ``lr * weight_decay``, rarely below 1e-9.
"""


class EquivalentLR(LRScheduler):
    """Trains scale-invariant parameters without weight decay exactly as ``torch.optim.SGD`` would with it.

    The weights are those of the run with decay divided by ``p_t``; the rate grows as ``eta_t/(p_t p_{t+1})``
    (:func:`bn_theory.equivalent_schedule`). Before anything overflows, the units change: weights times ``1/k``,
    momentum buffers times ``k``, all later rates times ``1/k^2``, ``k`` a power of two. That changes no function value
    and rounds nothing. ``true_scale`` says in which units the stored weights are.

    ::

        groups = [{"params": invariant}, {"params": others, "weight_decay": 5e-4}]
        optimizer = torch.optim.SGD(groups, lr=0.1, momentum=0.9)  # no weight decay for the first group
        scheduler = EquivalentLR(optimizer, [bn.equivalent_schedule(0.1, 5e-4, 0.9, steps=steps), None])
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
            scheduler.step()  # after every step of the optimizer, not after every epoch

    Only parameters that are scale-invariant may have a schedule: :func:`scale_invariant_groups` finds them. Others
    (a last layer, ``(gamma, beta)`` of the last normalisation) belong in a group of their own, whose schedule is
    ``None``: this scheduler leaves it alone, rate, momentum and decay. Scheduled, they would run away with the rate.

    **Another scheduler** for the groups left alone steps every group of the optimizer: construct this one last and step
    it last, so that it has the last word on its groups. In the other order the optimizer's next step is refused before
    it is made, as is one after anybody else has changed a scheduled group's rate, momentum or decay.

    **Gradients** must not be changed on the way: those of the weights without decay are ``p_t`` times those with it (in
    the present units), so that clipping them by norm or value is another method. In mixed precision call ``step`` only
    where the optimizer has stepped: a step that a gradient scaler skips is one that the schedule must not count.

    **Running statistics.** Batch normalisation in train mode normalises by the batch and does not see the units. Its
    running averages, used in eval mode, do: they lag behind weights that grow, a little at every step and by up to
    ``k^2`` for some hundred steps after a change of units, so that evaluation would differ from the run with decay.
    Recompute them before evaluating: ``torch.optim.swa_utils.update_bn(loader, model)``, then ``model.eval()``.

    **eps.** Normalisations add ``eps`` to variances, and then the equivalence is approximate: with decay the weights
    shrink and ``eps`` weighs more, without it they grow and it weighs less, until a change of units.

    After the schedule's last step its groups have rate 0; a further ``step`` is refused.

    Args:
        optimizer: ``torch.optim.SGD`` with ``weight_decay=0``, without ``nesterov``, ``dampening`` or ``maximize``;
            the groups' momentum must be the schedule's first; their rates are overwritten.
        schedule: an :class:`EquivalentSchedule` for all groups, or a list with one per group, ``None`` for a group to
            be left alone. Groups end with the shortest schedule.
        last_epoch: ``-1`` for a new run; to resume without ``load_state_dict``, the index of the last step made, the
            optimizer's own state being loaded before.

    Raises:
        InvalidInputError: anything that breaks the equivalence, with its value and the way out.
        ScheduleEndedError: ``step`` beyond the schedule's end.

    Source: Li and Arora (ICLR 2020, arXiv:1910.07454) for constant rates and step decay; the form for any schedule
    and the change of units are derived in this package.

    >>> import bn_theory as bn
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = SGD([w], lr=0.1, momentum=0.9)
    >>> scheduler = EquivalentLR(optimizer, bn.equivalent_schedule(0.1, 5e-4, 0.9, steps=100))
    >>> [round(lr, 9) for lr in scheduler.get_last_lr()]  # 0.1 / (1 - 0.1 * 5e-4)
    [0.100005]
    """

    def __init__(
        self,
        optimizer: SGD,
        schedule: EquivalentSchedule | list[EquivalentSchedule | None],
        last_epoch: int = -1,
    ):
        if not isinstance(optimizer, SGD):
            raise InvalidInputError(
                f"the optimizer is {type(optimizer).__name__}, but the equivalence is one of torch.optim.SGD; use that"
            )
        self._schedules = _per_group(optimizer, schedule)
        self._plans = [None if s is None else s.rescaled() for s in self._schedules]
        self._length = min(s.length for s in self._schedules if s is not None)
        if isinstance(last_epoch, bool) or not isinstance(last_epoch, int) or not -1 <= last_epoch < self._length:
            raise InvalidInputError(
                f"last_epoch must be -1 or the index of a step of the schedule, below {self._length}, not "
                f"{last_epoch!r}"
            )
        for i, (group, found, plan) in enumerate(
            zip(optimizer.param_groups, self._schedules, self._plans, strict=True)
        ):
            if found is not None:
                _refuse(i, group, found, plan, last_epoch)
            if last_epoch >= 0 and "initial_lr" not in group:
                raise InvalidInputError(
                    f"last_epoch={last_epoch} resumes a run, but parameter group {i} has no 'initial_lr': load the "
                    "optimizer's state first, or use load_state_dict of a scheduler made with last_epoch=-1"
                )
        self._started = False
        super().__init__(optimizer, last_epoch)
        self._started = True
        _check_every_step(optimizer, self)

    @property
    def true_scale(self) -> tuple[int, ...]:
        """Per group, log2 of (true weight / stored weight), a whole number; 0 for groups left alone.

        True are the weights of the run without changes of units.
        """
        t = self.last_epoch
        return tuple(0 if plan is None else int(plan.log2_scale[t]) for plan in self._plans)

    def get_lr(self) -> list:
        """The next step's rate of every group, in the present units; 0 after the schedule's end."""
        return [
            group["lr"] if plan is None else self._expected(i)["lr"]
            for i, (group, plan) in enumerate(zip(self.optimizer.param_groups, self._plans, strict=True))
        ]

    def step(self, epoch=None):
        """Go to the next step of the schedule: units, rate, momentum. To be called after every ``optimizer.step()``.

        Raises:
            ScheduleEndedError: the schedule has no further step.
            InvalidInputError: an ``epoch``, or groups added to the optimizer.
        """
        if epoch is not None:
            raise InvalidInputError(
                f"epoch={epoch!r}: the schedule cannot jump, as weights and buffers follow it; call step() without it"
            )
        if len(self.optimizer.param_groups) != len(self._plans):
            raise InvalidInputError(
                f"the optimizer has {len(self.optimizer.param_groups)} parameter groups, but the scheduler was made "
                f"for {len(self._plans)}; add groups before making it"
            )
        if self._started:
            if self.last_epoch >= self._length:
                raise ScheduleEndedError(
                    f"the schedule has {self._length} steps, all of them made; make a longer one (steps=) from the "
                    "start, or stop here"
                )
            self._change_units(self.last_epoch)
        super().step()
        self._set_momentum_and_decay()

    def _expected(self, i) -> dict[str, float]:
        """What the next step of a scheduled group has to be made with."""
        t, ended = min(self.last_epoch, self._length - 1), self.last_epoch >= self._length
        plan = self._plans[i]
        return {
            "lr": 0.0 if ended else float(plan.lr[t]),
            "momentum": float(self._schedules[i].momentum[t]),
            # set and not passed to SGD, whose constructor refuses the negative ones
            "weight_decay": 0.0 if ended else float(plan.correction[t]),
        }

    def _check_groups(self):
        """Refuse a step of the optimizer with other numbers than the schedule's."""
        for i, (group, plan) in enumerate(zip(self.optimizer.param_groups, self._plans, strict=False)):
            if plan is None:
                continue
            for name, wanted in self._expected(i).items():
                found = group[name]
                if isinstance(found, torch.Tensor):
                    wanted = wanted if found.dtype == torch.float64 else torch.tensor(wanted, dtype=found.dtype).item()
                if float(found) != wanted:
                    raise InvalidInputError(
                        f"parameter group {i} would step with {name}={float(found)!r}, but its schedule has {wanted!r} "
                        f"at step {self.last_epoch}: something else has changed it; make and step other schedulers "
                        "before this one, and leave scheduled groups alone"
                    )

    @torch.no_grad()
    def _change_units(self, t):
        for group, plan in zip(self.optimizer.param_groups, self._plans, strict=True):
            if plan is None or plan.factors[t] == 1:
                continue
            factor = float(plan.factors[t])
            for weight in group["params"]:
                weight.mul_(factor)
                buffer = self.optimizer.state.get(weight, {}).get("momentum_buffer")
                if buffer is not None:
                    buffer.div_(factor)

    def _set_momentum_and_decay(self):
        for i, (group, plan) in enumerate(zip(self.optimizer.param_groups, self._plans, strict=True)):
            if plan is not None:
                wanted = self._expected(i)
                group.update(momentum=wanted["momentum"], weight_decay=wanted["weight_decay"])

    def state_dict(self) -> dict:
        """The state as numbers and lists, for ``torch.save``; the schedule itself is not in it.

        A fresh scheduler with the same schedule, given this by ``load_state_dict``, continues bit for bit together
        with the model's and the optimizer's states.
        """
        return {
            "last_epoch": self.last_epoch,
            "_step_count": self._step_count,
            "true_scale": list(self.true_scale),
            "log_p": [0.0 if s is None else float(s.log_p[self.last_epoch]) for s in self._schedules],
        }

    def load_state_dict(self, state_dict: dict):
        """Continue from a saved state; sets the groups' rate, momentum and decay, but neither weights nor buffers.

        It may be called before or after the optimizer's ``load_state_dict``.

        Raises:
            InvalidInputError: the state is of another number of groups or of a schedule with another past.
        """
        _check_state(state_dict, len(self._plans))
        t = state_dict["last_epoch"]
        if not 0 <= t <= self._length:
            raise InvalidInputError(
                f"the state is after step {t}, but the schedule has {self._length} steps; make the scheduler with the "
                "schedule that it was saved with"
            )
        scales = [0 if plan is None else int(plan.log2_scale[t]) for plan in self._plans]
        logs = [0.0 if s is None else float(s.log_p[t]) for s in self._schedules]
        if list(state_dict["true_scale"]) != scales or not np.allclose(
            state_dict["log_p"], logs, rtol=0, atol=SAME_PAST
        ):
            raise InvalidInputError(
                f"the state's schedule had log p = {state_dict['log_p']} and units 2^{state_dict['true_scale']} after "
                f"step {t}, this one has {logs} and 2^{scales}; make the scheduler with the schedule that it was saved "
                "with"
            )
        self.last_epoch, self._step_count = t, state_dict["_step_count"]
        for group, rate in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]
        self._set_momentum_and_decay()


def _check_every_step(optimizer, scheduler):
    """Let the scheduler look at its groups before every step of the optimizer, until another one takes its place."""
    previous = getattr(optimizer, "_equivalent_lr_check", None)
    if previous is not None:
        previous.remove()
    kept = weakref.ref(scheduler)

    def look(*_):
        if (alive := kept()) is not None:
            alive._check_groups()

    optimizer._equivalent_lr_check = optimizer.register_step_pre_hook(look)


def _check_state(state, groups):
    """Raise unless this is what ``state_dict`` gives for so many groups."""
    if not isinstance(state, dict):
        raise InvalidInputError(f"not a state of EquivalentLR: {state!r}; give what state_dict() returned")
    missing = {"last_epoch", "_step_count", "true_scale", "log_p"} - set(state)
    if missing:
        raise InvalidInputError(f"not a state of EquivalentLR: {', '.join(sorted(missing))} is missing")
    for name in ("last_epoch", "_step_count"):
        if isinstance(state[name], bool) or not isinstance(state[name], int):
            raise InvalidInputError(f"not a state of EquivalentLR: {name} is {state[name]!r}, not a whole number")
    for name in ("true_scale", "log_p"):
        if not isinstance(state[name], (list, tuple)) or len(state[name]) != groups:
            raise InvalidInputError(
                f"{name} of the state is {state[name]!r}, but there are {groups} parameter groups; make the scheduler "
                "with the schedules and groups that it was saved with"
            )
        if not all(isinstance(x, int | float) for x in state[name]):
            raise InvalidInputError(f"not a state of EquivalentLR: {name} is {state[name]!r}, not a list of numbers")


def _per_group(optimizer, schedule):
    groups = len(optimizer.param_groups)
    if isinstance(schedule, EquivalentSchedule):
        return [schedule] * groups
    if not isinstance(schedule, (list, tuple)):
        raise InvalidInputError(
            f"schedule must be what bn.equivalent_schedule or bn.texp_schedule returns, or a list of these, not "
            f"{type(schedule).__name__}"
        )
    if len(schedule) != groups:
        raise InvalidInputError(
            f"{len(schedule)} schedules for {groups} parameter groups; give one per group, None for one to leave alone"
        )
    for i, one in enumerate(schedule):
        if one is not None and not isinstance(one, EquivalentSchedule):
            raise InvalidInputError(f"schedule {i} must be an EquivalentSchedule or None, not {type(one).__name__}")
    if all(one is None for one in schedule):
        raise InvalidInputError(
            "every schedule is None: nothing would be scheduled; give at least one group a schedule"
        )
    return list(schedule)


def _refuse(i, group, schedule, plan, last_epoch):
    """Raise where a parameter group would not follow the equivalence."""
    where = f"parameter group {i}"
    for name in ("nesterov", "maximize"):
        if group.get(name):
            raise InvalidInputError(
                f"{where} has {name}=True, but the equivalence is that of minimising with plain momentum; make it False"
            )
    if group["dampening"] != 0:
        raise InvalidInputError(
            f"{where} has dampening={group['dampening']}, which the equivalence has not; set it to 0 (and divide lr by "
            "1 - dampening)"
        )
    t = last_epoch + 1
    now = min(t, schedule.length - 1)
    allowed = {0.0} if last_epoch == -1 else {0.0, float(plan.correction[now])}
    if group["weight_decay"] not in allowed:
        raise InvalidInputError(
            f"{where} has weight_decay={group['weight_decay']}, which the schedule replaces: it would be applied "
            "twice; set it to 0 and give it to bn.equivalent_schedule"
        )
    if group["momentum"] != schedule.momentum[now]:
        raise InvalidInputError(
            f"{where} has momentum={group['momentum']}, but its schedule has {schedule.momentum[now]:g} at step {t}; "
            "make the optimizer with that"
        )
    off = np.flatnonzero((schedule.momentum[:-1] == 0) & (np.maximum.accumulate(schedule.momentum[::-1])[::-1][1:] > 0))
    if off.size:
        raise InvalidInputError(
            f"the momentum of {where} is 0 at step {off[0]} and positive later: torch's SGD keeps no buffer in a step "
            "without momentum; use a tiny momentum there, such as 1e-30"
        )
    for weight in group["params"]:
        if weight.is_complex():
            raise InvalidInputError(f"a weight of {where} is {weight.dtype}; the equivalence is one of real weights")
        if torch.finfo(weight.dtype).max < 2.0**RESCALE_BITS:
            raise InvalidInputError(
                f"a weight of {where} is {weight.dtype}, which cannot hold weights grown by 2^{RESCALE_BITS}; keep "
                "weights in float32 (autocast does)"
            )
