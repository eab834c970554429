"""Learning rates by epoch."""

import math

import pytest
import torch

from models.schedulers import WarmupCosine


@pytest.mark.parametrize("warmup", [1, 2, 5])
def test_grows_then_follows_a_cosine(warmup: int) -> None:
    epochs, rate = 12, 0.5
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = WarmupCosine(optimizer, epochs, warmup)
    seen = []
    for _ in range(epochs):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    growth = [rate * (t + 1) / warmup for t in range(warmup)]
    cosine = [
        rate * (1 + math.cos(math.pi * t / (epochs - warmup))) / 2 for t in range(12 - warmup)
    ]
    assert seen == pytest.approx(growth + cosine)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-12)


def test_its_state_goes_on() -> None:
    def fresh() -> tuple[torch.optim.Optimizer, WarmupCosine]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
        return optimizer, WarmupCosine(optimizer, 8, 3)

    optimizer, scheduler = fresh()
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    other, resumed = fresh()
    resumed.load_state_dict(scheduler.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        optimizer.step()
        scheduler.step()
        other.step()
        resumed.step()
        assert other.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("warmup", [0, 8, 9])
def test_room_for_both(warmup: int) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.5)
    with pytest.raises(ValueError, match=f"warmup: expected 1 to 7 epochs, got {warmup}"):
        WarmupCosine(optimizer, 8, warmup)
