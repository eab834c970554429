"""Learning rates by epoch."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from models.schedulers import WarmupCosine, WarmupLinear, rehearse


def optimizer(rate: float = 0.5) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)


def rates(epochs: int, warmup: int, schedule: Callable[..., Any] = WarmupLinear) -> list[float]:
    sgd = optimizer()
    scheduler = schedule(sgd, epochs, warmup)
    seen = []
    for _ in range(epochs + 1):
        seen.append(sgd.param_groups[0]["lr"])
        sgd.step()
        scheduler.step()
    return seen


def test_the_published_schedule() -> None:
    seen = rates(250, 5)
    assert seen[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert seen[5:245] == pytest.approx([0.5 * (245 - t) / 245 for t in range(5, 245)])
    assert seen[245:250] == pytest.approx([0.1 * (250 - t) / 245 for t in range(245, 250)])
    assert seen[250] == 0


@pytest.mark.parametrize("warmup", [1, 2, 5])
def test_it_grows_then_only_falls(warmup: int) -> None:
    seen = rates(12, warmup)
    assert seen[warmup - 1] == max(seen) == 0.5
    assert seen[:warmup] == sorted(seen[:warmup])
    assert seen[warmup:] == sorted(seen[warmup:], reverse=True)


def test_half_a_cosine_after_warm_up() -> None:
    seen = rates(13, 3, WarmupCosine)
    assert seen[:3] == pytest.approx([0.125, 0.25, 0.375])
    cosine = [0.25 * (1 + math.cos(math.pi * t / 10)) for t in range(11)]
    assert seen[3:] == pytest.approx(cosine, abs=1e-12)
    assert seen[3] == 0.5
    assert seen[8] == pytest.approx(0.25)  # the middle
    assert seen[13] == pytest.approx(0)


@pytest.mark.parametrize("warmup", [0, 12])
def test_a_cosine_needs_an_epoch_on_either_side(warmup: int) -> None:
    with pytest.raises(ValueError, match=f"warmup: expected 1 to 11 of 12 epochs, got {warmup}"):
        WarmupCosine(optimizer(), 12, warmup)


@pytest.mark.parametrize("schedule", [WarmupLinear, WarmupCosine])
def test_its_state_goes_on(schedule: Callable[..., Any]) -> None:
    first, other = optimizer(), optimizer()
    scheduler, resumed = schedule(first, 12, 3), schedule(other, 12, 3)
    for _ in range(4):
        first.step()
        scheduler.step()
    resumed.load_state_dict(scheduler.state_dict())
    other.load_state_dict(first.state_dict())
    for _ in range(3):
        for moved, stepped in ((first, scheduler), (other, resumed)):
            moved.step()
            stepped.step()
        assert other.param_groups[0]["lr"] == first.param_groups[0]["lr"]


@pytest.mark.parametrize("warmup", [0, 7, 9])
def test_room_for_both(warmup: int) -> None:
    with pytest.raises(ValueError, match=f"warmup: expected 1 to 6 of 12 epochs, got {warmup}"):
        WarmupLinear(optimizer(), 12, warmup)


def test_a_schedule_is_rehearsed_to_its_end_on_another_optimizer() -> None:
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=torch.tensor(0.5))
    stepped = []

    def make(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: stepped.append(t) or 0.5**t)

    rehearse(make, sgd, 3)
    assert stepped == [0, 1, 2, 3]
    (group,) = sgd.param_groups
    assert group["lr"] == 0.5
    assert "initial_lr" not in group


def test_a_schedule_that_is_too_short_is_refused_before_training() -> None:
    one_cycle = torch.optim.lr_scheduler.OneCycleLR
    sgd = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5, momentum=0.9)
    rehearse(lambda optimizer: one_cycle(optimizer, 0.5, total_steps=6), sgd, 5)
    with pytest.raises(ValueError, match="Tried to step 6 times"):
        rehearse(lambda optimizer: one_cycle(optimizer, 0.5, total_steps=5), sgd, 6)
    rehearse(torch.optim.lr_scheduler.ReduceLROnPlateau, sgd, 5)  # needs a measurement
