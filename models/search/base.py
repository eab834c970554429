"""A search is a fit: an epoch is a round, a step evaluates one candidate."""

import json
import os
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from models.search.describe import public_path
from models.search.images import ImageSource, digest, draw_batch
from models.search.resuming import resumable
from models.search.scoring import Evaluation, attempt


class Search(pl.LightningModule):
    """The machinery that searches share; a subclass says what to evaluate and what to decide.

    Candidates of a round are dealt to the ranks; at the end of a round every rank gathers all
    evaluations and takes the same decision. Checkpoints hold the state at the end of a round, so
    a search that was killed goes on with the round in flight. Every evaluation is seeded by what it
    is, so that the result depends neither on the number of ranks nor on a resume.

    Args:
        images: where proxies draw their images; a DataModule of this project, or one that has
            its `num_classes`, `in_shape` and `probe(count, seed)`.
        seed: of everything that is drawn.

    Raises:
        ValueError: a negative seed, or `images` without what a search needs.
    """

    batch_size: int
    """Images per score."""

    def __init__(self, images: pl.LightningDataModule, seed: int) -> None:
        super().__init__()
        if images is None:  # no --data on the command line
            raise ValueError(
                "images: none given; name a DataModule, on the command line by "
                "--data datamodules.CIFAR10DataModule --data.root data"
            )
        if not isinstance(images, ImageSource):
            raise ValueError(
                f"images: {type(images).__name__} has no num_classes, in_shape and "
                "probe(count, seed); take a DataModule of `datamodules`"
            )
        if seed < 0:
            raise ValueError(f"seed: expected 0 or more, got {seed}")
        self.automatic_optimization = False
        self.images = images
        self.seed = seed
        self.history: list[dict[str, Any]] = []
        """One entry per finished round: JSON values, all numbers finite."""
        self.seconds = 0.0
        self.was_finished = False
        """Whether the checkpoint it was loaded from had nothing left to do."""
        self.result_path: Path | None = None
        """Where `architecture.json` was written."""
        self._texts: list[str] = []  # of the first rounds of `history`, as checkpoints have them
        self._evaluations: dict[int, Evaluation] = {}
        self._planned: tuple[int, Sequence[Any]] | None = None
        self._in_round = False
        self._round_start = 0.0
        self._drawn = ""

    # What a subclass says ---------------------------------------------------------------------

    @property
    @abstractmethod
    def finished(self) -> bool:
        """Whether there is nothing left to evaluate."""

    @abstractmethod
    def candidates(self) -> Sequence[Any]:
        """Return the candidates of the next round; a pure function of the state."""

    @abstractmethod
    def evaluate(self, candidate: Any) -> Evaluation:
        """Scores of a candidate by name, and what the decision needs; one that fails raises."""

    @abstractmethod
    def decide(self, evaluations: Sequence[Evaluation]) -> None:
        """Take the round's decision from one evaluation per candidate, and append to `history`."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """Return the settings that decide the result; a resumed search must have the same."""

    def state(self) -> dict[str, Any]:
        """Return what a resume needs beside `history`: builtins and tensors; nothing by default."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Invert `state`; `history` is restored before."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """Return the architecture found, as builtins: the content of `architecture.json`."""

    @abstractmethod
    def summary(self) -> str:
        """One line on what was found, or how far the search came."""

    # Lightning's side ------------------------------------------------------------------------

    @property
    def round(self) -> int:
        """Number of finished rounds. (`current_epoch` is stale while a checkpoint is loaded.)"""
        return len(self.history)

    def plan(self) -> Sequence[Any]:
        """The candidates of the round, worked out once."""
        if self._planned is None or self._planned[0] != self.round:
            start = time.monotonic()
            self._planned = (self.round, self.candidates())
            if not self.finished:
                self.seconds += time.monotonic() - start
        return self._planned[1]

    @property
    def evaluation_count(self) -> int:
        """Evaluations in all finished rounds."""
        return sum(entry["evaluated"] for entry in self.history)

    def progress(self) -> dict[str, int]:
        """What the progress bar shows beside the round."""
        return {"evaluated": self.evaluation_count + (len(self._evaluations) * self._in_round)}

    def probe(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """Training images, for callbacks that measure the module."""
        return self.images.probe(count, seed)

    def prepare_data(self) -> None:
        """Hand on to the images."""
        self.images.prepare_data()

    def configure_callbacks(self) -> list[pl.Callback]:
        """Keep the last round too, for a resume, in checkpoints of which nothing else is asked."""
        for callback in self.trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.save_last is None:
                callback.save_last = True
        return []

    def setup(self, stage: str) -> None:
        """Load the images; refuse what a search cannot run under.

        Raises:
            MisconfigurationException: a subcommand other than `fit`.
            ValueError: fewer images than `batch_size`, a precision other than 32-true, or a DDP
                that averages gradients.
        """
        if stage != "fit":
            raise MisconfigurationException(f"{type(self).__name__} runs with fit, not {stage}")
        if self.trainer.precision != "32-true":
            raise ValueError(
                f"trainer.precision: a search runs in 32-true, got {self.trainer.precision}"
            )
        if getattr(type(self.trainer.strategy), "configure_ddp", None) is DDPStrategy.configure_ddp:
            raise ValueError(
                "trainer.strategy: a search has no gradients to average; give several processes "
                "lightning_app.strategy.SearchStrategy, and a notebook one device"
            )
        # Every round has another number of candidates, fewer than Lightning logs at.
        self.trainer.reload_dataloaders_every_n_epochs = 1  # type: ignore[attr-defined]
        self.trainer.log_every_n_steps = 1  # type: ignore[attr-defined]
        self.images.trainer = self.trainer  # of whose processes each keeps its images
        self.images.setup("fit")
        # Settings leave out the folder, which for a folder of images decides what they are.
        self._drawn = digest(draw_batch(self.images, self.batch_size, self.seed))

    def on_fit_start(self) -> None:
        """Plan the first round: Lightning leaves DataLoader patched if a loader's hook raises."""
        self.plan()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """An optimizer of nothing: its steps make `global_step` count evaluations."""
        return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)

    def train_dataloader(self) -> DataLoader[int]:
        """Indices of this rank's candidates, every rank the same number.

        The sampler repeats the first candidates where the ranks do not divide their number; the
        same evaluation twice gives the same scores. Lightning leaves such a sampler as it is.
        """
        indices = range(len(self.plan()))
        sampler: DistributedSampler[int] = DistributedSampler(
            indices,  # type: ignore[arg-type]
            self.trainer.world_size,
            self.trainer.global_rank,
            shuffle=False,
        )
        return DataLoader(indices, batch_size=None, sampler=sampler)  # type: ignore[arg-type]

    def on_train_epoch_start(self) -> None:
        """A round begins."""
        self._evaluations = {}
        self._in_round = True
        self._round_start = time.monotonic()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Evaluate one candidate; a failure is recorded with its reason."""
        index = int(batch)
        self._evaluations[index] = self._evaluate(self.plan()[index])
        self.optimizers().step()  # type: ignore[union-attr]

    def _evaluate(self, candidate: Any) -> Evaluation:
        with self.own_random_state(), torch.enable_grad():
            evaluation = attempt(lambda: self.evaluate(candidate))
        return {"error": evaluation} if isinstance(evaluation, str) else evaluation

    def own_random_state(self) -> AbstractContextManager[None]:
        """A block that may draw and seed, and leaves the global random state as it was."""
        devices = [self.device] if self.device.type == "cuda" else []
        return torch.random.fork_rng(devices)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """After the round's last step, gather, decide, and stop if that was the last round.

        Here and not at the epoch's end, so that callbacks see the decision in the same epoch.
        """
        if not self.trainer.is_last_batch:
            return
        evaluations = self._gather()
        self._refuse_missing(evaluations)
        failed = {i: value["error"] for i, value in evaluations.items() if "error" in value}
        if failed and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            reason = next(iter(failed.values()))
            rank_zero_warn(f"round {self.round}: {len(failed)} evaluations failed: {reason}")
        self.decide([evaluations[i] for i in sorted(evaluations)])
        self._in_round = False
        self.seconds += time.monotonic() - self._round_start
        if self.finished:
            self.trainer.should_stop = True
            self._write_result()

    def _refuse_missing(self, evaluations: dict[int, Evaluation]) -> None:
        """A decision needs every evaluation; a trial run goes on without."""
        missing = [i for i in range(len(self.plan())) if i not in evaluations]
        if missing and not self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            raise ValueError(
                f"trainer.limit_train_batches: a round needs all {len(self.plan())} evaluations, "
                f"{len(missing)} are missing"
            )
        for index in missing:
            evaluations[index] = {"error": "not evaluated: fast_dev_run"}

    def _gather(self) -> dict[int, Evaluation]:
        """Everybody's evaluations by index."""
        if self.trainer.world_size == 1:
            return self._evaluations
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, self._evaluations)
        return {index: value for part in parts for index, value in part.items()}

    def on_fit_end(self) -> None:
        """A search that was finished before leaves its result in this run's folder too."""
        if self.was_finished:
            self._write_result()

    def _write_result(self) -> None:
        """Write `architecture.json` whole or not at all."""
        folder = self.trainer.log_dir  # a broadcast: on every rank
        path = Path(folder or self.trainer.default_root_dir) / "architecture.json"
        self.result_path = path
        if not self.trainer.is_global_zero:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".json.tmp")
        text = json.dumps(self.result(), indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
        os.replace(temporary, path)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the search's state: builtins and tensors, which load without running code.

        A round is one text, made once: pickling every number anew after each round takes longer
        than scoring does, after some thousand candidates.
        """
        new = self.history[len(self._texts) :]
        self._texts += [json.dumps(entry, allow_nan=False) for entry in new]
        # As Lightning's command line has it of modules that save their arguments.
        kind = {"_class_path": public_path(type(self))}
        checkpoint["hyper_parameters"] = checkpoint.get("hyper_parameters", {}) | kind
        checkpoint["search"] = {
            "settings": self.settings(),
            "drawn": self._drawn,
            "device": self.trainer.strategy.root_device.type,
            "rounds": list(self._texts),
            "seconds": self.seconds,
            "state": self.state(),
            "in_round": self._in_round,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on where the checkpoint was written; a finished search stays finished.

        Raises:
            ValueError: a checkpoint of something else, or of a search with other settings, on
                other images or another kind of device.
        """
        device = None if self._trainer is None else self.trainer.strategy.root_device.type
        ours = {"settings": self.settings(), "drawn": self._drawn, "device": device}
        saved = resumable(checkpoint, ours)
        self._texts = list(saved["rounds"])
        self.history = [json.loads(text) for text in self._texts]
        self.seconds = saved["seconds"]
        self.load_state(saved["state"])
        self._planned = None
        self.was_finished = self.finished
        if self.finished and self._trainer is not None:
            self.trainer.should_stop = True  # or it would prune once more
