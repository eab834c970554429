"""Learning rates by epoch."""

import pytest
import torch

from models.schedulers import WarmupLinear


def optimizer(rate: float = 0.5) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)


def rates(epochs: int, warmup: int) -> list[float]:
    sgd = optimizer()
    scheduler = WarmupLinear(sgd, epochs, warmup)
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


def test_its_state_goes_on() -> None:
    first, other = optimizer(), optimizer()
    scheduler, resumed = WarmupLinear(first, 12, 3), WarmupLinear(other, 12, 3)
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
