"""The pruning search as a fit: counts, determinism, failures, files."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from callbacks import NasBench201Lookup, NTKMonitor, TopologyMonitor
from datamodules import DigitsDataModule
from models import PruningSearch
from models.benchmarks.nasbench201 import ARCHITECTURE, COLUMNS
from models.indicators.az_nas import Progressivity, Trainability
from models.indicators.base import Indicator
from models.indicators.condition_number import NTKConditionNumber
from models.indicators.regions import LinearRegions
from models.search.pruning_repeats import Drawing
from models.search.pruning_rules import Candidate
from models.spaces import DartsSpace, NasBench201Space
from models.topology import effective_depth_width

Run = Callable[..., pl.Trainer]


class Parameters(Indicator):
    """Fast and deterministic: the number of weights that the mask uses, plus a seeded draw."""

    name = "parameters"
    higher_is_better = False

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        return float(network.mask.sum()) + float(torch.rand(())) + float(images.abs().mean())


class Failing(Parameters):
    """Fails for a supernet that has lost a given operation on the first edge."""

    name = "failing"

    def __init__(self, operation: int, value: float | None) -> None:
        self.operation = operation
        self._value = value  # not described: NaN is no JSON

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        if network.mask[0, 0, self.operation]:
            return super().score(network, images, labels)
        if self._value is None:
            raise FloatingPointError("it broke")
        return self._value


def small(space=None, **arguments) -> PruningSearch:
    arguments = {"scores": [Parameters()], "repeats": 2, "batch_size": 4} | arguments
    return PruningSearch(DigitsDataModule(), space or NasBench201Space(), **arguments)


@pytest.mark.parametrize(("depth_width", "evaluations"), [("reserve", 36), ("off", 54)])
def test_evaluations_on_nasbench201(run: Run, tmp_path, depth_width, evaluations):
    search = small(depth_width=depth_width)
    trainer = run(search, tmp_path)
    assert search.finished
    assert search.evaluation_count == trainer.global_step == evaluations
    assert [r["evaluated"] for r in search.history] == (
        [12, 12, 12] if depth_width == "reserve" else [24, 18, 12]
    )


def test_darts_prunes_operations_then_edges(run: Run, tmp_path):
    search = small(DartsSpace(), prune_number=3)
    run(search, tmp_path)
    assert search.finished
    assert len(search.history) == 3
    genotype = DartsSpace().parse(
        json.loads((tmp_path / "architecture.json").read_text())["architecture"]
    )
    assert genotype == search.architecture


def test_paper_pair_of_scores_by_default(run: Run, tmp_path):
    search = small(scores=None, repeats=1)
    run(search, tmp_path)
    assert [type(s) for s in search.scores] == [NTKConditionNumber, LinearRegions]
    assert search.scores[0].batch_norm == "frozen"
    first = search.history[0]
    entry = first["candidates"][0]
    # The paired comparison by hand: removal against the shared baseline.
    kappa, base = entry["scores"]["ntk_condition_number"][0], first["base"]["ntk_condition_number"]
    assert entry["gains"]["ntk_condition_number"] == round((base[0] - kappa) / base[0], 3)
    regions, base = entry["scores"]["linear_regions"][0], first["base"]["linear_regions"]
    assert entry["gains"]["linear_regions"] == round((regions - base[0]) / base[0], 3)


def test_repeats_differ_and_seeds_repeat(run: Run, tmp_path):
    first, again, other = small(scores=None), small(scores=None), small(scores=None, seed=1)
    for search in (first, again, other):
        run(search, tmp_path, fast_dev_run=True)
    base = first.history[0]["base"]["ntk_condition_number"]
    assert len(set(base)) == 2  # drawn anew for each repeat
    assert first.history == again.history
    assert first.history != other.history


def test_scores_that_share_a_pass_are_those_of_each_alone():
    space, data, device = NasBench201Space(), DigitsDataModule(), torch.device("cpu")
    data.setup("fit")
    full = space.full_mask()
    pruned = Candidate(0, 0, 1).apply(full)

    def values(*scores: Indicator) -> list[dict[str, float]]:
        sizes = {"channels": 2, "cells_per_stage": 1}
        repeat = Drawing(space, data, scores, sizes, 4, 0).draw(device, full, 0, 0)
        return [repeat.base, repeat.score(pruned)]

    both = values(Trainability(), Progressivity())
    apart = zip(values(Trainability()), values(Progressivity()), strict=True)
    assert both == [first | second for first, second in apart]
    assert both[0] != both[1]


def test_random_state_does_not_matter(run: Run, tmp_path):
    first, second = small(), small()
    torch.manual_seed(1)
    run(first, tmp_path)
    torch.manual_seed(2)
    run(second, tmp_path)
    assert first.history == second.history


@pytest.mark.parametrize(
    ("value", "reason"), [(None, "FloatingPointError: it broke"), (float("nan"), "is nan")]
)
def test_a_failed_evaluation_is_recorded_and_is_not_pruned(run: Run, tmp_path, value, reason):
    operation = 3
    search = small(scores=[Failing(operation, value)], depth_width="off")
    run(search, tmp_path)
    failed = [c for r in search.history for c in r["candidates"] if "error" in c]
    assert {c["candidate"] for c in failed} == {"cell 0→1 nor_conv_3x3"}
    assert all(reason in c["error"] for c in failed)
    assert search.mask[0, 0, operation]  # the supernet without it could not be scored
    assert search.evaluation_count == 54


def test_when_nothing_can_be_evaluated_it_says_why(run: Run, tmp_path):
    class Broken(Parameters):
        def score(self, network, images, labels):
            if bool((network.mask == NasBench201Space().full_mask()).all()):
                return 1.0
            raise RuntimeError("no luck")

    with pytest.raises(
        ValueError, match=r"round 0: no evaluation succeeded: RuntimeError: no luck"
    ):
        run(small(scores=[Broken()]), tmp_path)
    assert not (tmp_path / "architecture.json").exists()


def test_a_checkpoint_from_inside_a_round_is_refused(run: Run, tmp_path):
    saver = pl.callbacks.ModelCheckpoint(every_n_train_steps=5, save_top_k=-1)
    run(small(), tmp_path, enable_checkpointing=True, callbacks=[saver], max_epochs=1)
    (path,) = tmp_path.rglob("*step=5.ckpt")
    with pytest.raises(ValueError, match="ckpt_path: this checkpoint was written inside a round"):
        run(small(), tmp_path, ckpt_path=path)


def test_a_limit_on_batches_is_no_decision(run: Run, tmp_path):
    with pytest.raises(ValueError, match="limit_train_batches: a round needs all 12 evaluations"):
        run(small(), tmp_path, limit_train_batches=3)


def test_a_baseline_that_is_not_finite_is_drawn_again(run: Run, tmp_path):
    class Unlucky(Parameters):
        calls = 0

        def score(self, network, images, labels):
            Unlucky.calls += 1
            return float("inf") if Unlucky.calls == 1 else super().score(network, images, labels)

    search = small(scores=[Unlucky()])
    run(search, tmp_path)
    assert search.finished
    assert all("gains" in c for r in search.history for c in r["candidates"])

    class Hopeless(Parameters):
        def score(self, network, images, labels):
            return float("inf")

    with pytest.raises(ValueError, match="round 0: parameters is inf for the supernet in 10 draws"):
        run(small(scores=[Hopeless()]), tmp_path)


def test_the_global_random_state_is_left_alone(run: Run, tmp_path):
    search = small(scores=None, repeats=1)
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_end(self, *_):
            seen.append(torch.get_rng_state())

    run(search, tmp_path, callbacks=[Watch()])
    # A new loader draws once per round; evaluations draw nothing.
    rounds = [seen[start : start + 12] for start in (0, 12, 24)]
    assert all(torch.equal(state, states[0]) for states in rounds for state in states)


@pytest.mark.parametrize("world", [1, 2, 5])
def test_ranks_share_all_candidates_in_equal_numbers(world):
    search = small()
    dealt = []
    for rank in range(world):
        search._trainer = SimpleNamespace(world_size=world, global_rank=rank)
        dealt.append([int(i) for i in search.train_dataloader()])
    assert {len(part) for part in dealt} == {-(-12 // world)}
    assert set().union(*dealt) == set(range(12))


def test_monitors_work_on_a_search(run: Run, tmp_path):
    logger = pl.loggers.CSVLogger(tmp_path)
    search = small()
    run(
        search,
        tmp_path,
        logger=logger,
        log_every_n_steps=1,
        callbacks=[TopologyMonitor(), NTKMonitor(probe_size=4)],
    )
    text = (Path(logger.log_dir) / "metrics.csv").read_text()
    header = text.splitlines()[0].split(",")
    for name in ("effective_depth", "ntk/log10_condition_number", "search/operations_left"):
        assert name in header
    left = [row.split(",")[header.index("search/operations_left")] for row in text.splitlines()[1:]]
    assert [float(v) for v in left if v] == [18, 12, 6]
    assert (Path(logger.log_dir) / "architecture.json").exists()


def test_the_cell_found_is_looked_up(run: Run, tmp_path):
    table = tmp_path / "table.csv"
    rows = [",".join([*COLUMNS.values(), ARCHITECTURE])]
    rows += [f"{i},{i},{i},{cell}" for i, cell in enumerate(NasBench201Space().architectures())]
    table.write_text("\n".join(rows))
    logger = pl.loggers.CSVLogger(tmp_path)
    search = small()
    run(search, tmp_path, logger=logger, callbacks=[NasBench201Lookup(str(table))])
    text = (Path(logger.log_dir) / "metrics.csv").read_text()
    values = dict(
        zip(text.splitlines()[0].split(","), text.splitlines()[-1].split(","), strict=True)
    )
    index = list(NasBench201Space().architectures()).index(search.architecture)
    assert float(values["lookup/cifar10_accuracy"]) == index
    assert float(values["lookup/cifar10_rank"]) == 15625 - index


def test_result_file(run: Run, tmp_path):
    search = small()
    run(search, tmp_path)
    result = json.loads((tmp_path / "architecture.json").read_text())
    assert NasBench201Space().parse(result["architecture"]) == search.architecture
    depth_width = effective_depth_width(search.architecture)
    assert result["depth_width"] == {"cell": depth_width._asdict()}
    assert result["settings"]["scores"] == [{"class": "Parameters"}]
    assert result["evaluations"] == 36
    assert len(result["rounds"]) == 3
    assert list(tmp_path.glob("*.tmp")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"repeats": 0}, "repeats: expected 1 or more, got 0"),
        ({"prune_number": 0}, "prune_number: expected 1 or more"),
        ({"prune_number": 4}, "prune_number: expected 1 to 3, for one of the 4 operations of an e"),
        ({"batch_size": 1}, "batch_size: expected 2 or more"),
        ({"depth_width": "on"}, "depth_width: expected 'reserve' or 'off', got 'on'"),
        ({"batch_norm": "eval"}, "batch_norm: expected 'frozen' or 'coupled', got 'eval'"),
        ({"batch_norm": "coupled"}, "batch_norm: for the default scores alone"),
        (
            {"supernet": {"width": 3}},
            "supernet: nasbench201 supernets have no 'width'; allowed: ch",
        ),
        ({"supernet": {"channels": 0}}, "supernet: channels: expected 1 or more, got 0"),
        ({"seed": -1}, "seed: expected 0 or more"),
        ({"scores": []}, "scores: expected one or more different indicators"),
        ({"scores": [Parameters(), Parameters()]}, "scores: expected one or more different"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


class Broken(Parameters):
    """Has no score for any supernet."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        raise self._error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FloatingPointError("it overflows"), "round 0: it overflows for the supernet in 10 draws"),
        (ValueError("no ReLU\nat all"), "round 0: the supernet has no score: no ReLU$"),
        (
            torch.OutOfMemoryError("CUDA out of memory.\nTrace"),
            r"round 0: the supernet has no score: CUDA out of memory\.$",
        ),
    ],
)
def test_a_baseline_without_a_score_is_said(run: Run, tmp_path, error, message):
    with pytest.raises(ValueError, match=message):
        run(small(scores=[Broken(error)]), tmp_path)


class OutOfOrder(Failing):
    """The device fails for a supernet that has lost an operation of the first edge, or for all."""

    def __init__(self, error: Exception, always: bool = False) -> None:
        super().__init__(2, None)
        self._error = error
        self._always = always

    def score(self, network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
        if self._always or not network.mask[0, 0, self.operation]:
            raise self._error
        return super().score(network, images, labels)


@pytest.mark.parametrize("always", [True, False])
def test_a_broken_device_ends_the_search(run: Run, tmp_path, always):
    error = torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(torch.AcceleratorError, match="illegal memory access"):
        run(small(scores=[OutOfOrder(error, always)], depth_width="off"), tmp_path)
    assert not (tmp_path / "architecture.json").exists()


def test_out_of_memory_is_a_recorded_failure(run: Run, tmp_path):
    score = OutOfOrder(torch.OutOfMemoryError("CUDA out of memory.\nTrace"))
    search = small(scores=[score], depth_width="off")
    run(search, tmp_path)
    entries = [entry for done in search.history for entry in done["candidates"]]
    errors = {entry["error"] for entry in entries if "error" in entry}
    assert errors == {"out of memory: CUDA out of memory."}


def test_more_images_than_there_are_are_refused(run: Run, tmp_path):
    with pytest.raises(ValueError, match=r"batch_size: cannot draw 5000 training images: .* 1294"):
        run(small(batch_size=5000), tmp_path)


def test_a_search_only_fits():
    with pytest.raises(MisconfigurationException, match="PruningSearch runs with fit, not test"):
        small().setup("test")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({}, "ckpt_path: this checkpoint holds no search"),
        ({"search": {"in_round": True}}, "ckpt_path: .* written inside a round; take one from"),
    ],
)
def test_checkpoints_of_anything_else_are_refused(checkpoint, message):
    with pytest.raises(ValueError, match=message):
        small().on_load_checkpoint(checkpoint)


def test_images_are_asked_for():
    with pytest.raises(ValueError, match=r"images: none given; name a DataModule, .* --data data"):
        PruningSearch(None, NasBench201Space())


def test_images_without_probes_are_refused():
    with pytest.raises(ValueError, match="images: LightningDataModule has no num_classes"):
        PruningSearch(pl.LightningDataModule(), NasBench201Space())
