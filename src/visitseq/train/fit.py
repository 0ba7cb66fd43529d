"""The training loop: fit a network and keep the epoch that the validation part likes best.

An epoch takes every training row once, in shuffled batches; each batch is one step of the optimiser
down

    mean loss of the batch's rows + penalty

After each epoch the mean loss of the whole validation part is taken without dropout. Training stops
when it has not fallen for ``patience`` epochs, and the weights of its smallest value are put back.
Where the validation part is empty the training loss serves instead: the mean over the epoch's
rows, each as the network stood when its batch came, with dropout.

Training stops with an error when a loss or a weight is no longer finite, or when the training loss
of an epoch is ten times what the loss was before the first step: overfitting cannot do that, a step
that is too long does. The last does not hold of a network that was trained before: what it loses at
first can be as little as nothing.

All that the next epoch depends on (weights, moments, random states, losses) can be saved after each
epoch (checkpoint.py); training that goes on from there takes the same steps as one that was not
interrupted. Several processes can share the batches (ranks.py). A network with dropout draws other
masks then: each rank has a random state of its own.
"""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from visitseq.encode.sequences import Integers
from visitseq.errors import UserError
from visitseq.models import kernels
from visitseq.train.checkpoint import Checkpoint, Tensors
from visitseq.train.losses import Losses
from visitseq.train.objective import Objective
from visitseq.train.optimiser import Optimiser
from visitseq.train.progress import Progress
from visitseq.train.ranks import Ranks
from visitseq.train.schedule import learning_rate
from visitseq.train.shuffled_batches import batches_by_length, shuffled_batches

log = logging.getLogger(__name__)

#: Told of the network as it stands before the first step, and after each epoch.
Watch = Callable[[nn.Module], None]

#: Rows whose loss is taken at once without training: enough to fill the processor.
BATCH = 512
#: Of ``keep``: the best epoch; and that, or the weights before the first step.
BEST, START = "best", "best_or_start"
#: Of ``keep``: the last epoch; and that of a network that was trained before.
LAST, LAST_OF_TRAINED = "last", "last_of_trained"
#: A training loss of so many times the loss before the first step is divergence.
DIVERGED = 10


@dataclass
class State:
    """Where a training stands after an epoch, but for the network and the optimiser.

    Attributes
    ----------
    first
        Watched loss before the first step.
    history
        Losses of the epochs so far.
    chosen
        The epoch (from 1) of the smallest watched loss; 0 before the first.
    best
        The network's weights after that epoch; empty where there is none to keep.
    """

    first: float
    history: list[Losses] = field(default_factory=list)
    chosen: int = 0
    best: Tensors = field(default_factory=dict)


def fit(
    objective: Objective,
    model: Mapping[str, Any],
    generator: np.random.Generator,
    checkpoint: Checkpoint | None = None,
    keep: str = BEST,
    *,
    watch: Watch | None = None,
    shown: bool = True,
) -> tuple[list[Losses], int]:
    """Train the objective's network in place; it ends with the weights of the chosen epoch.

    Parameters
    ----------
    objective
        The network with its initial weights, the rows and their losses.
    model
        Settings: optimiser, learning_rate, schedule, gradient_norm, batch, epochs, patience.
    generator
        Decides the order of the batches. Dropout draws from torch's global generator.
    checkpoint
        Where the state is saved after each epoch, and read from at the start if it is there; None
        saves nothing. It is left for the caller to remove.
    keep
        best chooses the epoch with the smallest loss; best_or_start too, or the weights before the
        first step where no epoch has a smaller loss; last takes all epochs and keeps the last;
        last_of_trained too, of a network that was trained before.
    watch
        May score rows with the network, which it leaves as it is but for the mode. Training that
        goes on from a checkpoint is watched from there on.
    shown
        Whether the log says how the training goes.

    Returns
    -------
    history, chosen
        Losses of the epochs run, and the number (from 1) of the epoch that was kept; 0 for the
        weights before the first step.

    Raises
    ------
    UserError
        Training diverged. The state after the last epoch before is in the checkpoint.
    """
    if shown and not len(objective.validation) and keep not in (LAST, LAST_OF_TRAINED):
        log.warning("the validation part has no rows: the training loss chooses the epoch")
    if shown:
        log.info("recurrence on a CPU: %s", kernels.kind() or "in torch, as nothing was compiled")
    return _Training(objective, model, generator, checkpoint, keep, shown=shown).run(watch)


class _Training:
    """One training: the pieces that an epoch needs, and the epochs."""

    def __init__(
        self,
        objective: Objective,
        model: Mapping[str, Any],
        generator: np.random.Generator,
        checkpoint: Checkpoint | None,
        keep: str,
        *,
        shown: bool,
    ) -> None:
        self.keep, self.shown = keep, shown
        self.objective, self.network = objective, objective.network
        self.model, self.generator, self.checkpoint = model, generator, checkpoint
        self.ranks = Ranks.here()
        self.device = next(self.network.parameters()).device
        self.optimiser = Optimiser(self.network, model["optimiser"], model["gradient_norm"])
        self.state = self._restored() or self._at_start()

    def run(self, watch: Watch | None) -> tuple[list[Losses], int]:
        """Train epoch by epoch to the end."""
        state, model = self.state, self.model
        rows, done = len(self.objective.training), len(state.history)
        shown = self.shown and self.ranks.leads
        if watch is not None and not done:
            watch(self.network)
        with Progress(rows, model["epochs"], done, shown=shown) as progress:
            while (
                len(state.history) < model["epochs"]
                and len(state.history) - state.chosen < model["patience"]
            ):
                self._epoch(progress)
                progress.end_epoch(state.history[-1], state.chosen)
                if watch is not None:
                    watch(self.network)
                self._save()
        self.network.load_state_dict(state.best)
        return state.history, state.chosen

    def _epoch(self, progress: Progress) -> None:
        training = self._train(progress)
        validation = self.objective.validation
        losses = Losses(training, self._mean_loss(validation) if len(validation) else None)
        self._require_sound(losses)
        state = self.state
        start = state.first if self.keep == START else math.inf
        smallest = min([start, *(before.watched for before in state.history)])
        state.history.append(losses)
        if losses.watched < smallest or self.keep in (LAST, LAST_OF_TRAINED):
            state.chosen = len(state.history)
            state.best = self._weights()

    def _weights(self) -> Tensors:
        return {name: weight.clone() for name, weight in self.network.state_dict().items()}

    def _train(self, progress: Progress) -> float:
        """Take every training row once; return their mean loss."""
        rows, model = self.objective.training, self.model
        watched = [losses.watched for losses in self.state.history]
        rate = learning_rate(model["schedule"], model["learning_rate"], watched, model["epochs"])
        self.network.train()
        total = 0.0
        for places in shuffled_batches(
            self.objective.lengths[rows], model["batch"], self.generator
        ):
            loss = self._step(rows[places], rate)
            total += loss * len(places)
            progress.advance(len(places), loss)
        return total / len(rows)

    def _step(self, rows: Integers, rate: float) -> float:
        """Take one step down the loss of ``rows``; return its mean before the step."""
        share = self.ranks.share(rows)
        self.optimiser.clear()
        # A rank without a row in the batch adds nothing but its part of the penalty.
        mean = torch.zeros((), dtype=torch.float64, device=self.device)
        if len(share):
            mean = self.objective.losses(share).double().sum() / len(rows)
        torch.autograd.backward(mean + self.objective.penalty() / self.ranks.world)
        loss = float(self.ranks.add(mean.detach()))
        if not math.isfinite(loss):
            self._stop(f"the loss of a batch is {loss}")
        self.optimiser.step(rate, self.ranks)
        return loss

    def _mean_loss(self, rows: Integers) -> float:
        """Mean loss of ``rows``, without dropout."""
        self.network.eval()
        share = self.ranks.share(rows)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        with torch.inference_mode():
            for places in batches_by_length(self.objective.lengths[share], BATCH):
                total += self.objective.losses(share[places]).double().sum()
        return float(self.ranks.add(total)) / len(rows)

    def _at_start(self) -> State:
        validation, training = self.objective.validation, self.objective.training
        loss = self._mean_loss(validation if len(validation) else training)
        if self.shown:
            log.info("before the first step the loss is %.4f", loss)
        return State(loss, best=self._weights() if self.keep == START else {})

    def _require_sound(self, losses: Losses) -> None:
        """Stop unless the epoch left finite weights and losses that are not out of proportion."""
        if not math.isfinite(losses.watched):
            self._stop(f"the validation loss is {losses.watched}")
        if not all(weight.isfinite().all() for weight in self.network.parameters()):
            self._stop("weights are no longer finite")
        fresh = self.keep not in (START, LAST_OF_TRAINED)
        if fresh and losses.training > DIVERGED * self.state.first:
            self._stop(
                f"the training loss is {losses.training:.4g}, but before the first step the loss "
                f"was {self.state.first:.4g}"
            )

    def _stop(self, reason: str) -> None:
        state = self.state
        kept = self.checkpoint.tensors_file() if self.checkpoint and state.chosen else None
        raise UserError(
            f"Training diverged: in epoch {len(state.history) + 1} {reason}; lower the model's "
            f"learning_rate (it is {self.model['learning_rate']}). "
            + (
                f"The weights of epoch {state.chosen}, the best before, are in {kept}, under the "
                "names that begin with best."
                if kept
                else "No weights were kept."
            )
        )

    def _save(self) -> None:
        """Save all that the next epoch depends on; every rank gives its random state."""
        random = self.ranks.gather(self._random_state().to(self.device)).cpu()
        if self.checkpoint is None or not self.ranks.leads:
            return
        state = self.state
        tensors = {
            **_prefixed("network", self.network.state_dict()),
            **_prefixed("best", state.best),
            **_prefixed("optimiser", self.optimiser.state()),
            "random": random,
        }
        values = {
            "first": state.first,
            "history": [[losses.training, losses.validation] for losses in state.history],
            "chosen": state.chosen,
            "batches": self.generator.bit_generator.state,
        }
        self.checkpoint.save(len(state.history), tensors, values)

    def _restored(self) -> State | None:
        """Go back to what the checkpoint holds, if it holds something."""
        if self.checkpoint is None:
            return None
        saved = self.checkpoint.load()
        self.ranks.wait()  # or the first rank could be done, and the checkpoint gone
        if saved is None:
            return None
        tensors, values = saved
        self.network.load_state_dict(_without("network", tensors))
        self.optimiser.load_state(_without("optimiser", tensors))
        # A copy: torch reads a state from where its storage begins, not from where the row does.
        self._set_random_state(tensors["random"][self.ranks.rank].clone())
        self.generator.bit_generator.state = values["batches"]
        history = [Losses(*pair) for pair in values["history"]]
        log.info("going on after epoch %d, from %s", len(history), self.checkpoint.folder)
        return State(values["first"], history, values["chosen"], _without("best", tensors))

    def _random_state(self) -> torch.Tensor:
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.get_rng_state()

    def _set_random_state(self, state: torch.Tensor) -> None:
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)


def _prefixed(prefix: str, tensors: Mapping[str, torch.Tensor]) -> Tensors:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors of one prefix, by their names without it."""
    start = f"{prefix}."
    return {name[len(start) :]: t for name, t in tensors.items() if name.startswith(start)}
