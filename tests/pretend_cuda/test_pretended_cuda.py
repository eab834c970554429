"""The pretended device itself: what raises, what counts, what is drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from device_runs import darts_classifier, indicators
from pretended_cuda import CUDA, PretendedCuda
from pretended_runtime import pretend_cuda
from torch import Tensor

import models.indicators as library
from models.indicators import Indicator


@pytest.mark.parametrize(
    ("misuse", "error", "message"),
    [
        (lambda x: x + torch.ones(3), RuntimeError, "two devices"),
        (lambda x: torch.cat([x, torch.ones(3)]), RuntimeError, "two devices"),
        (lambda x: torch.nn.Linear(3, 3)(x), RuntimeError, "two devices"),
        (lambda x: x.numpy(), TypeError, "numpy"),
        (lambda x: x.detach().view(3, 1).numpy(), TypeError, "numpy"),
        (lambda x: x.pin_memory(), RuntimeError, "pin"),
        (lambda x: torch.ones(3)[x.long()] + x, RuntimeError, "two devices"),
        (
            lambda x: torch.rand(3, device=x.device, generator=torch.Generator()),
            RuntimeError,
            "generator",
        ),
        (lambda x: x.uniform_(generator=torch.Generator()), RuntimeError, "generator"),
    ],
)
def test_what_cuda_refuses_raises(
    misuse: Callable[[Tensor], object], error: type[Exception], message: str
) -> None:
    with pretend_cuda(), pytest.raises(error, match=message):
        misuse(torch.ones(3).to("cuda"))


def test_what_cuda_allows_computes() -> None:
    with pretend_cuda():
        x = torch.arange(3.0, device="cuda", requires_grad=True)
        y = (x * torch.tensor(2.0) + torch.zeros_like(x))[torch.tensor([0, 2])]
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert y.device == gradient.device == CUDA
        assert y.cpu().device.type == "cpu"
        assert gradient.tolist() == [2, 0, 2]
        assert torch.vmap(lambda row: row + x.detach())(torch.ones(2, 3, device=CUDA)).is_cuda


def test_launches_synchronisations_and_memory_are_counted() -> None:
    with pretend_cuda(sites=True) as cuda:
        x = torch.ones(1000).to("cuda")
        cuda.reset()
        y = x * 2 + 1
        assert (cuda.launches, cuda.syncs.total()) == (2, 0)
        assert cuda.peak - 4000 >= 4000
        assert y.view(10, 100).sum().item() == 3000
        assert cuda.syncs["_local_scalar_dense"] == 1
        assert cuda.sync_sites.total() == 1


def test_collectives_of_the_host_are_refused_under_the_rule_of_nccl(tmp_path: Path) -> None:
    with pretend_cuda(nccl=True):
        dist.init_process_group("gloo", init_method=f"file://{tmp_path}/g", rank=0, world_size=1)
        try:
            with pytest.raises(RuntimeError, match="No backend type"):
                dist.all_reduce(torch.ones(1))
            dist.all_reduce(torch.ones(1).to("cuda"))
            parts: list[object] = [None]
            dist.all_gather_object(parts, {0: 1.5})
            assert parts == [{0: 1.5}]
        finally:
            dist.destroy_process_group()


def test_every_indicator_is_run() -> None:
    kinds = {
        kind
        for kind in map(library.__dict__.get, library.__all__)
        if isinstance(kind, type) and issubclass(kind, Indicator) and kind is not Indicator
    }
    assert kinds == {type(one) for one in indicators()}


class _At:
    """A trainer in some epoch."""

    global_rank = 0
    barebones = False

    def __init__(self, epoch: int) -> None:
        self.current_epoch = epoch


def _draws(cuda: PretendedCuda, *steps: tuple[int, int]) -> list[list[str]]:
    """States from which training steps (epoch, batch) of a network with drop-path draw."""
    torch.manual_seed(0)
    module: Any = darts_classifier((1, 8, 8), channels=1).to("cuda")
    module.network.drop_path = 0.5
    images, labels = torch.randn(2, 1, 8, 8).to("cuda"), torch.arange(2).to("cuda")
    found = []
    for epoch, batch in steps:
        module._trainer = _At(epoch)
        cuda.reset()
        module.training_step((images, labels), batch)
        found.append(list(cuda.draws))
    return found


def test_drop_path_draws_anew_in_each_step_and_the_same_after_a_resume() -> None:
    """A seed that leaves out CUDA computes, and draws the same in every step."""
    with pretend_cuda() as cuda:
        steps = _draws(cuda, (0, 0), (0, 1), (1, 0))
    assert all(steps)
    states = [state for step in steps for state in step]
    assert len(set(states)) == len(states)
    with pretend_cuda() as cuda:
        cuda.generator.manual_seed(1)
        assert _draws(cuda, (1, 0)) == steps[2:]
