"""Training of one arm: AdamW, warm-up and cosine, the best epoch on validation clips; the same for the same seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

from engines.models.fusion import FusionInputs, without_sound
from engines.spec import TASKS
from engines.training.features import TRAIN, VAL, FeatureSet
from engines.training.tuning.hiding import Example, HidingOptions, hidden_batch
from engines.training.tuning.judge import logits, quality
from engines.training.tuning.matching import MatchingOptions, match
from engines.training.tuning.network import Tunable
from engines.training.tuning.objective import ObjectiveOptions, positive_weights, summed_loss
from engines.training.tuning.processes import Processes
from engines.training.tuning.rates import rate
from engines.training.tuning.remix import Remixer, RemixOptions
from engines.training.tuning.state import Epoch, Progress, load_state, put, save_state, trained
from engines.training.tuning.things import Things


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """How long and how fast. Training ends early when `patience` epochs in a row were not the best.

    naming: weight of the loss that ties tokens to the names of what is there; 0 is without. silent: weight of the loss
    of the same clips without their sound, beside 1 with it, for arms that see and hear; 0 is without. half: products
    are in bfloat16, which is twice as fast on CPUs that have it; weights, sums and all judging stay in float32.
    """

    epochs: int = 12
    batch_size: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    gradient_norm: float = 1.0
    patience: int = 5
    naming: float = 0.0
    silent: float = 0.0
    half: bool = True
    objective: ObjectiveOptions = field(default_factory=ObjectiveOptions)
    hiding: HidingOptions = field(default_factory=HidingOptions)
    remix: RemixOptions = field(default_factory=RemixOptions)
    matching: MatchingOptions = field(default_factory=MatchingOptions)


def tune(
    model: Tunable,
    features: FeatureSet,
    options: TuneOptions,
    *,
    seed: int,
    state: Path | None = None,
    processes: Processes | None = None,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> Progress:
    """Train in place; the model ends with the weights of its best epoch.

    With `state` every epoch is kept there, and a run that was interrupted goes on to the same result.
    """
    run = _Run(model, features, options, seed, processes or Processes())
    key = run_key(features, options, seed, model)
    if state is not None and state.exists():
        progress = load_state(state, model, run.optimiser, key)
    else:
        progress = Progress()
        run.match()
    while len(progress.history) < options.epochs and not _is_over(progress, options.patience):
        loss = run.epoch(len(progress.history))
        epoch = Epoch(len(progress.history), loss, run.validate())
        progress.history.append(epoch)
        if progress.best_epoch == epoch.epoch:
            progress.best = {name: tensor.clone() for name, tensor in trained(model).items()}
        if state is not None and run.processes.rank == 0:
            save_state(state, model, run.optimiser, progress, key)
        on_epoch(epoch)
    put(model, progress.best)
    model.eval()
    return progress


def run_key(features: FeatureSet, options: TuneOptions, seed: int, model: nn.Module) -> str:
    """sha256 hex of what decides a run besides code and machine."""
    shapes = {name: list(tensor.shape) for name, tensor in trained(model).items()}
    document = (msgspec.to_builtins(features.header), features.without, msgspec.to_builtins(options), seed, shapes)
    return hashlib.sha256(msgspec.json.encode(document, order="deterministic")).hexdigest()


def _is_over(progress: Progress, patience: int) -> bool:
    return len(progress.history) - 1 - progress.best_epoch >= patience and bool(progress.history)


class _Run:
    """What stays the same from epoch to epoch. Everything random in an epoch comes from seed and epoch alone."""

    def __init__(
        self, model: Tunable, features: FeatureSet, options: TuneOptions, seed: int, processes: Processes
    ) -> None:
        self._model, self._features, self._options, self._seed = model, features, options, seed
        self.processes = processes
        self._train, self._val = features.indices(TRAIN), features.indices(VAL)
        if not len(self._train) or not len(self._val):
            raise ValueError(
                f"{features.folder}: came {len(self._train)} clips to train on and {len(self._val)} to validate on, "
                "expected some of both; give the rows splits"
            )
        self._remixer = Remixer(features, self._train, options.remix) if options.remix != RemixOptions() else None
        if options.naming > 0 or options.matching.epochs:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model.things = Things(features, self._train, model.text.linear.out_features)
        self._positive_K = positive_weights(features.targets_NK[self._train], options.objective.balance)
        self._steps = -(-len(self._train) // options.batch_size)
        self._parameters = model.trained_parameters()
        decayed = [parameter for parameter in self._parameters if parameter.ndim > 1]
        others = [parameter for parameter in self._parameters if parameter.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=options.learning_rate, fused=True)

    def match(self) -> None:
        """Pre-train by matching, where there is anything to match: rows say what is there, and the arm reads it."""
        options, things = self._options, self._model.things
        has_names = things is not None and any(things.names)
        if options.matching.epochs and has_names and {"vision", "audio"} & {*self._model.reads}:
            match(
                *(self._model, self._features, self._train, options.matching, options.hiding),
                seed=self._seed,
                half=options.half,
            )

    def epoch(self, epoch: int) -> float:
        """Train on every clip once; the mean loss."""
        order = np.random.default_rng([self._seed, epoch]).permutation(self._train).tolist()
        self._model.train()
        losses = []
        for step in range(self._steps):
            start = step * self._options.batch_size
            done = epoch * self._steps + step
            share = rate(done, self._options.epochs * self._steps, self._options.warm_up)
            for group in self.optimiser.param_groups:
                group["lr"] = self._options.learning_rate * share
            losses.append(self._step(order[start : start + self._options.batch_size], epoch, step))
        return float(np.mean(losses))

    def validate(self) -> float:
        """Quality on validation clips."""
        return quality(logits(self._model, self._features, self._val), self._features, self._val)

    def _step(self, indices: list[int], epoch: int, step: int) -> float:
        own = self.processes.share(indices)
        loss, known_K = torch.zeros(()), torch.zeros(len(TASKS))
        if own:
            example = hidden_batch(
                self._features, own, self._options.hiding, seed=self._seed, epoch=epoch, remixer=self._remixer
            )
            known_K = (~example.targets_NK.isnan()).sum(0).to(torch.float32)
        self.processes.sum_([known_K])
        self.optimiser.zero_grad(set_to_none=True)
        if own:
            loss = self._loss(example, own, known_K, len(own) / len(indices), turn=step)
        gradients = self._gradients()
        total = loss.detach().clone()
        self.processes.sum_([*gradients, total])
        nn.utils.clip_grad_norm_(self._parameters, self._options.gradient_norm)
        self.optimiser.step()
        return float(total)

    def _loss(self, example: Example, clips: list[int], known_K: Tensor, share: float, *, turn: int) -> Tensor:
        """Of this process's part of a batch, with its gradients; what is returned is of judging clips as they are."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self._options.half):
            tokens = self._model.tokens(example.batch)
        loss = self._judging_loss(tokens, example, known_K)
        silent = named = torch.zeros(())
        if self._options.silent > 0 and {"vision", "audio"} <= {*self._model.reads}:
            silent = self._judging_loss(without_sound(tokens), example, known_K)
        if self._model.things is not None and self._options.naming > 0:
            text, things = self._model.text, self._model.things
            reads = self._model.reads
            named = things.loss(text, tokens, example.batch, clips, example.sounds, reads=reads, turn=turn) * share
        torch.autograd.backward(loss + self._options.silent * silent + self._options.naming * named)
        return loss

    def _judging_loss(self, tokens: FusionInputs, example: Example, known_K: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._options.half):
            logits_NK = self._model.body(*tokens).to(torch.float32)
        return summed_loss(logits_NK, example.targets_NK, self._positive_K, known_K, self._options.objective)

    def _gradients(self) -> list[Tensor]:
        gradients = []
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            gradients.append(parameter.grad)
        return gradients
