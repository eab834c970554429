"""The command line: Lightning's own, with links from data to model and a last line that helps."""

from typing import Any

from jsonargparse import ArgumentError
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.cli import LightningCLI
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn

from lightning_app.errors import OneLineParser
from lightning_app.resume import continue_last
from models import ImageClassifier
from models.search import Search


class ArchitectureCLI(LightningCLI):
    """`lightning fit|validate|test|predict --config …`."""

    def add_arguments_to_parser(self, parser: Any) -> None:
        """What the DataModule knows of its images shapes the model."""
        for name in ("num_classes", "in_shape"):
            parser.link_arguments(f"data.{name}", f"model.init_args.{name}", apply_on="instantiate")
        parser.link_arguments("data", "model.init_args.images", apply_on="instantiate")
        parser.add_argument(
            "--test_after_fit", type=bool, default=False, help="Test the final weights after `fit`."
        )

    def instantiate_classes(self) -> None:
        """Build data, model and trainer; what a constructor refuses is the user's mistake."""
        try:
            continue_last(self.config[self.subcommand])
            super().instantiate_classes()
        except (ValueError, TypeError, OSError, MisconfigurationException, ArgumentError) as error:
            self.parser.error(str(error), error)
        if isinstance(self.model, Search):
            # The search draws from its images; `fit` would take its candidates from there.
            self.datamodule = None

    def after_fit(self) -> None:
        """Test if asked to, and say what was reached and where to look at it."""
        if self.trainer.interrupted:
            return
        if self._get(self.config, "test_after_fit"):
            self.trainer.test(self.model, datamodule=self.datamodule, verbose=False)
        metrics = self.trainer.callback_metrics
        reached = ", ".join(
            f"{name} {float(metrics[name]):.4f}"
            for name in ("train/accuracy", "val/accuracy", "test/accuracy")
            if name in metrics
        )
        folder = self.trainer.log_dir
        name = type(self.model).__name__
        if isinstance(self.model, Search):
            rank_zero_info(f"{name}: {self.model.summary()}")
        else:
            rank_zero_info(f"{name}, {self.trainer.current_epoch} epochs: {reached}")
        if folder:
            rank_zero_info(f"Written to {folder}; look at it with: tensorboard --logdir {folder}")

    def _warn_untrained(self) -> None:
        if isinstance(self.model, ImageClassifier) and not self._get(self.config, "ckpt_path"):
            rank_zero_warn("no --ckpt_path: this evaluates the network at initialisation")

    before_validate = before_test = before_predict = _warn_untrained


def main(args: list[str] | None = None) -> None:
    """Run the command line; `args` are `sys.argv[1:]` by default."""
    ArchitectureCLI(
        args=args,
        parser_class=OneLineParser,
        auto_configure_optimizers=False,
        save_config_kwargs={"overwrite": True},
    )
