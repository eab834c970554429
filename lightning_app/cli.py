"""The command line: Lightning's own, with links from data to model and a last line that helps."""

import logging
import sys
import warnings
from typing import Any

from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Callback, ModelCheckpoint, ProgressBar
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

import callbacks  # imported, so that class names need no package
import datamodules  # noqa: F401
import lightning_app.strategy  # noqa: F401  # registers `search`
from lightning_app.after_fit import OpenTestData
from lightning_app.checkpoints import checkpoint_arguments, misfit
from lightning_app.errors import (
    MISTAKES,
    beneath,
    debugging,
    device_error,
    fail,
    lost_process,
    not_written,
    one_line,
    raised_in_restoring,
    raised_in_step,
    said_by_lightning,
    stopped,
)
from lightning_app.hints import hint
from lightning_app.last_words import LastWords
from lightning_app.process_group import leave_group_at_exit
from lightning_app.resume import continue_last
from lightning_app.signals import AGREED, StopTogether
from lightning_app.trainer import ArchitectureTrainer
from lightning_app.usage import DESCRIPTION, SUBCOMMANDS
from models import ImageClassifier
from models.search import Search

_BY_CLASS = "--callbacks."
"""`--callbacks.NTKMonitor.probe_size 32` is an argument of that callback, wherever it stands."""

LOGGER = {
    "class_path": "pytorch_lightning.loggers.TensorBoardLogger",
    "init_args": {"save_dir": "runs", "default_hp_metric": False},
}
"""Where runs are logged; a config has to give no more than the `name`."""


RENAMED = {"CellClassifier": "ArchitectureClassifier"}
"""Former names of classes, which checkpoints may have."""


class ArchitectureCLI(LightningCLI):
    """`lightning fit|validate|test|predict|export --config …`."""

    _logger_asked_for: Any = None  # where `--ckpt_path last` gave it the folder of a run
    _checkpoint: str | None = None
    _shape_asked_for: dict[str, Any]

    def __init__(self, args: list[str], words: LastWords, **kwargs: Any) -> None:
        # Classes of callbacks whose arguments are given by name.
        given = (arg for arg in args if arg.startswith(_BY_CLASS))
        self._named = {arg.removeprefix(_BY_CLASS).partition(".")[0] for arg in given}
        self._words = words
        super().__init__(args=args, **kwargs)

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's, and `export`."""
        return LightningCLI.subcommands() | {"export": {"model", "datamodule"}}

    def add_arguments_to_parser(self, parser: Any) -> None:
        """Link what the DataModule knows of its images to the model."""
        for name in ("num_classes", "in_shape"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("data", "model.init_args.images", apply_on="instantiate")
        parser.add_argument(
            "--test_after_fit",
            type=bool,
            default=False,
            help="Test after `fit`: the checkpoint best by its metric, or the last weights.",
        )
        for name in self._named:
            parser.add_argument(_BY_CLASS + name, type=dict[str, Any], default={})

    def parse_arguments(self, parser: Any, args: Any) -> None:
        """The arguments that a checkpoint holds override those given, as in Lightning.

        Checkpoints written from Python do not name their class: they are of the given one.
        Lightning's own way, which imports the class that a file names, does not see the path.
        """
        try:
            self.config = parser.parse_args(args)
        except UnicodeDecodeError:
            fail("config: expected a YAML file, not binary; a checkpoint follows --ckpt_path")
        subcommand = self.config.subcommand
        config = self.config[subcommand]
        seed = config.seed_everything
        if not 0 <= seed < 2**32:
            fail(f"seed_everything: {seed}, expected 0 to {2**32 - 1}, or true for any")
        self._give_callbacks_their_arguments(parser, subcommand)
        config = self.config[subcommand]
        model = config.model.get("init_args", {})
        self._shape_asked_for = {name: model.get(name) for name in ("num_classes", "in_shape")}
        if subcommand == "fit" and config.get("ckpt_path") == "last":
            self._logger_asked_for = config.clone()["trainer.logger"]
        continue_last(config, subcommand)
        path = self._checkpoint = config.get("ckpt_path")
        config["ckpt_path"] = None
        arguments = checkpoint_arguments(path) if path else {}
        arguments.pop("_instantiator", None)
        if subcommand == "fit":
            # What to train is asked for; the module refuses a checkpoint of anything else.
            for name in ("space", "architecture"):
                arguments.pop(name, None)
        given = config.model.class_path
        if config.get("data"):  # links give what the class takes of these
            for name in ("num_classes", "in_shape"):
                arguments.pop(name, None)
        class_path = arguments.pop("_class_path", given)
        # By name alone: files have moved, and a path that a file holds is not imported.
        if _class_name(class_path) != _class_name(given):
            fail(f"ckpt_path: {path} was written by {class_path}, not {given}")
        if not arguments:
            return
        model = {"class_path": given, "dict_kwargs": arguments}
        try:
            self.config = parser.parse_object({subcommand: {"model": model}}, self.config)
        except ArgumentError as error:
            reason = one_line(str(error))
            fail(f"ckpt_path: the arguments in {path} do not fit this model: {reason}")

    def _give_callbacks_their_arguments(self, parser: Any, subcommand: str) -> None:
        """Merge `--callbacks.<class>.<argument>` into the callbacks of the trainer."""
        by_class = self.config[subcommand].get("callbacks") or {}
        if not by_class:
            return
        given = self.config[subcommand].trainer.callbacks or []
        entries = [one.as_dict() for one in (given if isinstance(given, list) else [given])]
        classes = [one["class_path"].rpartition(".")[2] for one in entries]
        for name, arguments in by_class.items():
            if name not in classes:
                fail(
                    f"callbacks.{name}: this run has {', '.join(classes) or 'no callbacks'}; "
                    f"add it by --trainer.callbacks+={name}"
                )
            entry = entries[classes.index(name)]
            entry["init_args"] = entry.get("init_args", {}) | arguments
        trainer = {"trainer": {"callbacks": entries}}
        self.config = parser.parse_object({subcommand: trainer}, self.config)

    def before_instantiate_classes(self) -> None:
        """A model that takes its shape from the data needs data."""
        config = self.config[self.subcommand]
        config["ckpt_path"] = self._checkpoint
        config.pop("callbacks", None)  # each has its arguments; a run's config needs no more
        arguments = config.model.get("init_args", {})
        if "in_shape" in arguments and not (arguments.in_shape or config.get("data")):
            fail("data: required; give --data with a class of datamodules, or a config")

    def instantiate_classes(self) -> None:
        """A search draws from its images itself: `fit` would take its candidates from there."""
        super().instantiate_classes()
        for name, asked in self._shape_asked_for.items():
            known = getattr(self.datamodule, name, None)
            if asked is not None and known is not None and _plain(asked) != _plain(known):
                fail(f"model.{name}: {_plain(asked)}, but the images of data have {_plain(known)}")
        if self._logger_asked_for is not None:
            # What the run leaves as its config starts anew, and not in its folder.
            config = self.config[self.subcommand]
            config["ckpt_path"], config["trainer.logger"] = None, self._logger_asked_for
        if isinstance(self.model, Search):
            self.datamodule = None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer; what it refuses is one of its arguments.

        A search runs until it is finished, and deals its candidates to the devices.
        """
        asked = self.config_init[self.subcommand].trainer
        given = asked.callbacks or []
        given = given if isinstance(given, list) else [given]
        if isinstance(self.model, Search):
            if asked.strategy == "auto":
                kwargs["strategy"] = "search"
            if asked.max_epochs is None and asked.max_steps == -1:
                kwargs["max_epochs"] = -1
            if asked.enable_progress_bar is not False:
                bars = [one for one in given if isinstance(one, ProgressBar)]
                given = given if bars else [callbacks.SearchProgressBar(), *given]
            given = _with(callbacks.SearchMonitor, given)
        given = _with(callbacks.RunRecord, given)
        if self.subcommand == "fit" and self.config[self.subcommand].test_after_fit:
            given = [*given, OpenTestData()]
        checkpoints = [one for one in given if isinstance(one, ModelCheckpoint)]
        if checkpoints and all(one.monitor for one in checkpoints):
            given = [*given, ModelCheckpoint()]  # the others write nothing unless it is the best
        try:
            trainer = super().instantiate_trainer(callbacks=given, **kwargs)
        except (ValueError, TypeError, MisconfigurationException) as error:
            raise ValueError(f"trainer: {error}") from error
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.save_last is None:
                # What `--ckpt_path last` goes on from is the newest, of whatever metric.
                callback.save_last = callback.monitor is None
        self._words.watch(trainer)
        return trainer

    def after_fit(self) -> None:
        """Test if asked to, and say what was reached and where to look at it."""
        if self.trainer.interrupted:
            return
        metrics = dict(self.trainer.callback_metrics)
        if self.config[self.subcommand].test_after_fit:
            best = [  # or the final weights
                kept.best_model_path
                for kept in self.trainer.checkpoint_callbacks
                if isinstance(kept, ModelCheckpoint) and kept.monitor and kept.best_model_path
            ]
            path = best[0] if best else None
            self.trainer.test(self.model, self.datamodule, verbose=False, ckpt_path=path)
            metrics |= self.trainer.callback_metrics
        reached = ", ".join(
            f"{name} {float(metrics[name]):.4f}"
            for name in ("train/accuracy", "val/accuracy", "test/accuracy")
            if name in metrics
        )
        name = type(self.model).__name__
        if isinstance(self.model, Search):
            rank_zero_info(f"{name} {self.model.summary()}")
        else:
            rank_zero_info(f"{name}, epoch {self.trainer.current_epoch}: {reached}")
        if any(isinstance(logger, TensorBoardLogger) for logger in self.trainer.loggers):
            folder = self.trainer.log_dir
            rank_zero_info(f"Written to {folder}; look at it with: tensorboard --logdir {folder}")

    def _check_model(self) -> None:
        if isinstance(self.model, Search) and self.subcommand != "export":
            fail(f"model: a search runs with fit, not {self.subcommand}")
        if isinstance(self.model, ImageClassifier) and not self.config[self.subcommand].ckpt_path:
            rank_zero_warn("no --ckpt_path: this is the network at initialisation")

    before_validate = before_test = before_predict = before_export = _check_model


def _with(kind: type[Callback], given: list[Callback]) -> list[Callback]:
    """Return callbacks with one of a kind: that of the user, or one more."""
    return given if any(isinstance(one, kind) for one in given) else [*given, kind()]


def _class_name(path: str) -> str:
    """Return the last part of an import path, as it is called today."""
    name = path.rpartition(".")[2]
    return RENAMED.get(name, name)


def main(args: list[str] | None = None) -> None:
    """Run the command line; `args` are `sys.argv[1:]` by default.

    A mistake of the user, and trouble of the machine, is one line and exit code 2; with
    `JSONARGPARSE_DEBUG=true`, and for everything else, there is a traceback. A run that is stopped
    says how to go on: by Ctrl-C with exit code 130, by SIGTERM with 143.
    """
    # Lightning's own use of torch; nothing that a user could change.
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    # The figures of this project are the same on every rank.
    ours = r".*self\.log\('(train|val|test|search|stage|ntk|nngp|effective_)"
    warnings.filterwarnings("ignore", message=f"{ours}.*sync_dist=True")
    # `validation: 0` asks for no validation.
    warnings.filterwarnings("ignore", message="Total length of `list` across ranks is zero")
    logging.getLogger("pytorch_lightning.utilities.rank_zero").addFilter(_is_news)
    args = sys.argv[1:] if args is None else args
    sys.argv[1:] = args  # which the processes that Lightning starts are given
    words = LastWords()
    always = [callbacks.PredictionWriter(), callbacks.FitChecks(), StopTogether(), words]
    strict = {"exit_on_error": False, "allow_abbrev": False}
    described = {name: {"description": text, **strict} for name, text in SUBCOMMANDS.items()}
    try:
        ArchitectureCLI(
            args=args,
            words=words,
            trainer_class=ArchitectureTrainer,
            parser_kwargs={"description": DESCRIPTION, **strict, **described},
            auto_configure_optimizers=False,
            trainer_defaults={"callbacks": always, "logger": LOGGER},
            save_config_kwargs={"overwrite": True},
        )
        leave_group_at_exit()
    except (SystemExit, KeyboardInterrupt) as error:
        if error.args == (AGREED,):
            leave_group_at_exit()
        stopped(error)
        raise
    except Exception as error:
        if debugging():
            raise
        if isinstance(error, ArgumentError):
            fail(one_line(str(error)) + hint(str(error), args))
        if raised_in_restoring(error) and not isinstance(error, OSError):
            fail(misfit(error), error)
        own = beneath(error)
        if line := device_error(own) or lost_process(own) or not_written(own):
            fail(line, error)
        mistake = isinstance(own, MISTAKES) or said_by_lightning(own)
        if not mistake or raised_in_step(own):
            raise
        fail(one_line(str(own)), error)
    finally:
        words.clear_up()


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a message of Lightning's is about this run, and no offer of another product."""
    return not record.getMessage().startswith(("\N{ELECTRIC LIGHT BULB}", "TPU available: False"))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
