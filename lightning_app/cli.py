"""The command line: Lightning's own, with links from data to model and a last line that helps."""

import os
import warnings
from typing import Any

from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import ProgressBar
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

import callbacks  # imported, so that class names need no package
import datamodules  # noqa: F401
from lightning_app.checkpoints import checkpoint_arguments, mismatch, unfit
from lightning_app.errors import (
    MISTAKES,
    OneLineParser,
    debugging,
    fail,
    lost_process,
    one_line,
    raised_in_step,
    stopped,
)
from lightning_app.process_group import leave_group_at_exit
from lightning_app.resume import continue_last, how_to_go_on
from lightning_app.signals import AGREED
from lightning_app.trainer import ArchitectureTrainer
from lightning_app.usage import CHECKPOINT, DESCRIPTION, GROUPS, SUBCOMMANDS, usage
from models import ImageClassifier
from models.search import Search


class ArchitectureCLI(LightningCLI):
    """`lightning fit|validate|test|predict|export --config …`."""

    _logger_asked_for: Any = None  # where `--ckpt_path last` gave it the folder of a run

    def setup_parser(self, *args: Any) -> None:
        """Say of each subcommand, and of its groups of arguments, what they are here."""
        super().setup_parser(*args)
        action: Any = self.parser._subcommands_action
        for choice in action._choices_actions:
            choice.help = SUBCOMMANDS[choice.dest]
        for name, parser in action.choices.items():
            parser.usage, parser.description = usage(name), SUBCOMMANDS[name]
            (links,) = (g for g in parser._action_groups if g.title == "Linked arguments")
            groups = parser.groups | {"run": parser.groups[name], "links": links}
            for key, title in GROUPS.items():
                groups[key].title = title
                # The many arguments of the Trainer come last.
                parser._action_groups.remove(groups[key])
                parser._action_groups.append(groups[key])
            for option in groups["run"]._group_actions:
                if option.dest == "ckpt_path":
                    option.help = CHECKPOINT

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's, and `export`."""
        return LightningCLI.subcommands() | {"export": {"model", "datamodule"}}

    def add_arguments_to_parser(self, parser: Any) -> None:
        """What the DataModule knows of its images shapes the model."""
        for name in ("num_classes", "in_shape"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("data", "model.init_args.images", apply_on="instantiate")
        parser.add_argument(
            "--test_after_fit", type=bool, default=False, help="Test the final weights after `fit`."
        )

    def _parse_ckpt_path(self) -> None:
        """The arguments that a checkpoint holds override those given, as in Lightning.

        Checkpoints written from Python do not name their class: they are of the given one.
        """
        subcommand = self.config.subcommand
        asked = self.config[subcommand].clone()
        continue_last(self.config[subcommand], subcommand)
        if subcommand == "fit" and asked.get("ckpt_path") == "last":
            self._logger_asked_for = asked["trainer.logger"]
        path = self.config[subcommand].get("ckpt_path")
        arguments = checkpoint_arguments(path) if path else {}
        arguments.pop("_instantiator", None)
        if subcommand == "fit":
            # What to train is asked for; the module refuses a checkpoint of anything else.
            for name in ("space", "architecture"):
                arguments.pop(name, None)
        given = self.config[subcommand].model.class_path
        class_path = arguments.pop("_class_path", given)
        # By name alone: files have moved, and a path that a file holds is not imported.
        if class_path.rpartition(".")[2] != given.rpartition(".")[2]:
            fail(f"ckpt_path: {path} was written by {class_path}, not {given}")
        if not arguments:
            return
        model = {"class_path": given, "dict_kwargs": arguments}
        self.parser.exit_on_error = False
        try:
            self.config = self.parser.parse_object({subcommand: {"model": model}}, self.config)
        except ArgumentError as error:
            reason = one_line(str(error))
            fail(f"ckpt_path: the arguments in {path} do not fit this model: {reason}")
        finally:
            self.parser.exit_on_error = True

    def before_instantiate_classes(self) -> None:
        """A model that takes its shape from the data needs data."""
        arguments = self._get(self.config, "model").get("init_args", {})
        if "in_shape" in arguments and not (arguments.in_shape or self._get(self.config, "data")):
            self.parser.error("the following arguments are required: fit.data")

    def instantiate_classes(self) -> None:
        """A search draws from its images itself: `fit` would take its candidates from there."""
        super().instantiate_classes()
        if self._logger_asked_for is not None:
            # What the run leaves as its config starts anew, and not in its folder.
            config = self.config[self.subcommand]
            config["ckpt_path"], config["trainer.logger"] = None, self._logger_asked_for
        if isinstance(self.model, Search):
            self.datamodule = None

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """Build the trainer; what it refuses is one of its arguments."""
        try:
            return super().instantiate_trainer(**kwargs)
        except (ValueError, TypeError, MisconfigurationException) as error:
            raise ValueError(f"trainer: {error}") from error

    def _instantiate_trainer(self, config: dict[str, Any], callbacks: list[Callback]) -> Trainer:
        """`enable_progress_bar: false` holds for a bar among the callbacks of a config too."""
        if config.get("enable_progress_bar") is False:
            given = config["callbacks"] or []
            given = given if isinstance(given, list) else [given]
            config["callbacks"] = [one for one in given if not isinstance(one, ProgressBar)]
        return super()._instantiate_trainer(config, callbacks)

    def _run_subcommand(self, subcommand: str) -> None:
        """Note on whatever ends a fit early how to go on with it."""
        try:
            super()._run_subcommand(subcommand)
        except BaseException as error:
            if self.trainer.progress_bar_callback and self.trainer.is_global_zero:
                print(flush=True)  # the bar's line has no end yet
            if isinstance(error, OSError) and self._in_log_folder(error.filename):
                error.add_note("the folder is that of trainer.logger, see its save_dir")
            if subcommand == "fit" and (hint := how_to_go_on(self.trainer)):
                error.add_note(hint)
            raise

    def _in_log_folder(self, filename: object) -> bool:
        folders = [os.path.abspath(one.save_dir) for one in self.trainer.loggers if one.save_dir]
        path = os.path.abspath(filename) if isinstance(filename, str) else ""
        return any(path == folder or path.startswith(f"{folder}{os.sep}") for folder in folders)

    def after_fit(self) -> None:
        """Test if asked to, and say what was reached and where to look at it."""
        if self.trainer.interrupted:
            return
        metrics = dict(self.trainer.callback_metrics)
        if self._get(self.config, "test_after_fit"):
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
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

    def _warn_untrained(self) -> None:
        if isinstance(self.model, ImageClassifier) and not self._get(self.config, "ckpt_path"):
            rank_zero_warn("no --ckpt_path: this is the network at initialisation")

    before_validate = before_test = before_predict = before_export = _warn_untrained


def main(args: list[str] | None = None) -> None:
    """Run the command line; `args` are `sys.argv[1:]` by default.

    A mistake of the user, and trouble of the machine, is one line and exit code 2; with
    `JSONARGPARSE_DEBUG=true`, and for everything else, there is a traceback. A run that is stopped
    says how to go on: by Ctrl-C with exit code 130, by SIGTERM with 143.
    """
    # Lightning's own use of torch; nothing that a user could change.
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec, LeafSpec\\).*")
    # The figures of this project are the same on every rank.
    ours = r".*self\.log\('(train|val|test|search|ntk|effective_)"
    warnings.filterwarnings("ignore", message=f"{ours}.*sync_dist=True")
    # `validation: 0` asks for no validation.
    warnings.filterwarnings("ignore", message="Total length of `list` across ranks is zero")
    try:
        ArchitectureCLI(
            args=args,
            trainer_class=ArchitectureTrainer,
            parser_class=OneLineParser,
            parser_kwargs={"description": DESCRIPTION},
            auto_configure_optimizers=False,
            trainer_defaults={"callbacks": [callbacks.PredictionWriter()]},
            save_config_kwargs={"overwrite": True},
        )
        leave_group_at_exit()
    except (SystemExit, KeyboardInterrupt) as error:
        if error.args == (AGREED,):
            leave_group_at_exit()
        stopped(error)
        raise
    except MISTAKES as error:
        if debugging() or raised_in_step(error):
            raise
        fail(unfit(error) or one_line(str(error)), error)
    except (RuntimeError, LookupError, TypeError, AttributeError) as error:
        line = unfit(error)
        if isinstance(error, RuntimeError):
            line = mismatch(error) or line or lost_process(error)
        if debugging() or line is None:
            raise
        fail(line, error)
