"""The same network in torch, for gradients."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from joulewright.errors import MissingExtraError
from joulewright.model.timeline import FloatArray
from joulewright.policy.dag.learned import Network
from joulewright.policy.dag.learned.network import LIMIT_SHARES, PARTS, SLOPE, weight_shapes
from joulewright.study.dag_training.batch import Batch

_CLIP = 0.2


def import_torch() -> Any:
    """Torch, which only training needs.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module("torch")
    except ImportError as error:
        raise MissingExtraError(
            "training the scheduler needs torch; install it with: pip install 'joulewright[train]'"
        ) from error


class Learner:
    """Weights that are being trained.

    Parameters
    ----------
    seed : int
        Of the first weights.
    rate : float
        Step of Adam.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self.torch = torch = import_torch()
        random = np.random.default_rng([seed, 7])
        self.weights: Mapping[str, Any] = {
            name: torch.tensor(_first(name, shape, random), requires_grad=True)
            for name, shape in weight_shapes().items()
        }
        self._optimiser = torch.optim.Adam(list(self.weights.values()), lr=rate)

    def network(self) -> Network:
        """A copy of the present weights."""
        return Network({name: value.detach().numpy().copy() for name, value in self.weights.items()})

    def take(self, network: Network) -> None:
        """Replace the present weights."""
        with self.torch.no_grad():
            for name, value in self.weights.items():
                value.copy_(self.torch.from_numpy(network.weights[name]))

    def set_rate(self, rate: float) -> None:
        """Change the step."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate

    def imitate(self, batch: Batch) -> float:
        """One step towards the decisions of a batch; mean of their log probabilities before it."""
        log_chosen, _ = self.log_probabilities(batch)
        self._descend(-log_chosen.mean())
        return float(log_chosen.detach().mean())

    def reinforce(self, batch: Batch, gains: FloatArray, *, entropy: float, passes: int) -> None:
        """Steps up the policy gradient ``mean(gain * ratio) + entropy * mean(entropy)``.

        The ratio is the probability of a decision over that when it was drawn, so that the first step is the one of
        REINFORCE; further passes over the same experience stop where it leaves 0.8 to 1.2.

        References
        ----------
        Williams (1992), Simple statistical gradient-following algorithms for connectionist reinforcement learning,
        Machine Learning 8, doi 10.1007/BF00992696. Schulman et al. (2017), Proximal policy optimization algorithms,
        arXiv 1707.06347.
        """
        torch = self.torch
        gain, drawn = torch.from_numpy(gains), None
        for _ in range(passes):
            log_chosen, uncertain = self.log_probabilities(batch)
            drawn = log_chosen.detach() if drawn is None else drawn
            ratio = (log_chosen - drawn).exp()
            score = torch.minimum(ratio * gain, ratio.clamp(1.0 - _CLIP, 1.0 + _CLIP) * gain).mean()
            self._descend(-(score + entropy * uncertain.mean()))

    def _descend(self, loss: Any) -> None:
        torch = self.torch
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.weights.values()), 1.0)
        self._optimiser.step()

    def log_probabilities(self, batch: Batch) -> tuple[Any, Any]:
        """Log probability of each decision and the entropy of what it was drawn from, shape ``(D,)`` each."""
        torch = self.torch
        stages, limits = self.scores(batch)
        decisions, rows = len(batch.chosen), torch.from_numpy(batch.row_decision)
        highest = torch.full((decisions,), -np.inf, dtype=stages.dtype)
        highest = highest.scatter_reduce(0, rows, stages.detach(), "amax")
        total = torch.zeros_like(highest).index_add(0, rows, (stages - highest[rows]).exp())
        log_stage = stages - (highest + total.log())[rows]
        entropy = -torch.zeros_like(highest).index_add(0, rows, log_stage.exp() * log_stage)
        log_limit = torch.log_softmax(limits, dim=1)
        chosen = log_limit.gather(1, torch.from_numpy(batch.limit)[:, None])[:, 0]
        known = torch.where(torch.from_numpy(batch.allowed), log_limit, torch.zeros_like(log_limit))
        entropy = entropy - (log_limit.exp() * known).sum(dim=1)
        return log_stage[torch.from_numpy(batch.chosen)] + chosen, entropy

    def scores(self, batch: Batch) -> tuple[Any, Any]:
        """Scores of frontier rows, shape ``(R,)``, and of limits, shape ``(D, 8)``, minus infinity if not allowed."""
        torch = self.torch
        features, index = torch.from_numpy(batch.features), torch.from_numpy
        stages = self._apply("prepare", features)
        for members, parents, children in batch.levels:
            told = self._apply("message", stages[index(children)])
            heard = torch.zeros((len(members), told.shape[1]), dtype=told.dtype).index_add(0, index(parents), told)
            stages = stages.index_add(0, index(members), self._apply("combine", heard))
        told = self._apply("job", torch.cat([features, stages], dim=1)[index(batch.waiting)])
        summaries = self._mean(told, batch.waiting_graph, int(batch.waiting_graph.max()) + 1)
        jobs = torch.cat([summaries[index(batch.job_graph)], index(batch.job_features)], dim=1)
        whole = self._mean(self._apply("whole", jobs), batch.job_decision, len(batch.chosen))
        jobs = torch.cat([jobs, whole[index(batch.job_decision)]], dim=1)
        rows = torch.cat([stages[index(batch.row_stage)], jobs[index(batch.row_job)]], dim=1)
        return self._apply("stage", rows)[:, 0], self._limits(jobs[index(batch.chosen_job)], batch)

    def _limits(self, jobs: Any, batch: Batch) -> Any:
        torch = self.torch
        shares = torch.tensor(LIMIT_SHARES, dtype=jobs.dtype).expand(len(batch.chosen), -1)
        relative = 0.5 * (shares * torch.from_numpy(batch.waiting_jobs)[:, None]).log()
        told = jobs[:, None, :].expand(-1, shares.shape[1], -1)
        scores = self._apply("limit", torch.cat([told, shares[..., None], relative[..., None]], dim=2))[..., 0]
        return scores.masked_fill(~torch.from_numpy(batch.allowed), -np.inf)

    def _mean(self, values: Any, group: Any, groups: int) -> Any:
        torch = self.torch
        index = torch.from_numpy(group)
        count = torch.from_numpy(np.bincount(group, minlength=groups).astype(float))
        return torch.zeros((groups, values.shape[1]), dtype=values.dtype).index_add(0, index, values) / count[:, None]

    def _apply(self, part: str, values: Any) -> Any:
        last = len(PARTS[part]) - 2
        for layer in range(last + 1):
            values = values @ self.weights[f"{part}.{layer}.weight"] + self.weights[f"{part}.{layer}.bias"]
            if layer < last:
                values = self.torch.nn.functional.leaky_relu(values, SLOPE)
        return values


def _first(name: str, shape: tuple[int, ...], random: np.random.Generator) -> FloatArray:
    """First weights: normal with variance ``2 / inputs`` (He et al. 2015), narrower in the last layer of heads."""
    if name.endswith("bias"):
        return np.zeros(shape)
    scale = np.sqrt(2.0 / shape[0]) * (0.1 if shape[1] == 1 else 1.0)
    first: FloatArray = scale * random.standard_normal(shape)
    return first
