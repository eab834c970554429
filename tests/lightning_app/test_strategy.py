"""The strategy of a search: its backend, its devices, and how its processes are started."""

import pytest
import torch
from pytorch_lightning import Trainer

from lightning_app.strategy import SearchStrategy


def test_gloo_by_default() -> None:
    trainer = Trainer(accelerator="cpu", devices=2, strategy="search", logger=False)
    assert isinstance(trainer.strategy, SearchStrategy)
    assert trainer.strategy.process_group_backend == "gloo"
    assert SearchStrategy(process_group_backend="nccl").process_group_backend == "nccl"


def test_ranks_share_devices() -> None:
    trainer = Trainer(
        accelerator="cpu", devices=2, strategy=SearchStrategy(ranks_per_device=3), logger=False
    )
    strategy = trainer.strategy
    assert isinstance(strategy, SearchStrategy)
    assert strategy.num_processes == trainer.num_devices == 6
    assert strategy.distributed_sampler_kwargs["num_replicas"] == 6

    devices = [torch.device("cuda", 0), torch.device("cuda", 1)]
    strategy = SearchStrategy(parallel_devices=devices, ranks_per_device=2)
    assert strategy.parallel_devices == [devices[0], devices[0], devices[1], devices[1]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_method": "spawn"}, "start_method: spawn, expected popen: .* on one device"),
        ({"start_method": "fork"}, "start_method: fork, expected popen"),
        ({"ranks_per_device": 0}, "ranks_per_device: expected 1 or more, got 0"),
        (
            {"ranks_per_device": 2, "process_group_backend": "nccl"},
            "ranks_per_device: nccl allows 1; gloo allows more",
        ),
    ],
)
def test_refusals(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchStrategy(**arguments)
