"""Texts of `lightning --help`; imports nothing, so that help appears at once."""

DESCRIPTION = "Train networks of any wiring, and search architectures without training them."

SUBCOMMANDS = {
    "fit": "train a network, or search for one: lightning fit --config configs/quickstart.yaml",
    "validate": "evaluate on the validation images; the weights come from --ckpt_path",
    "test": "evaluate on the test images; the weights come from --ckpt_path",
    "predict": "class probabilities of the test images, or of --data.predict_folder, as CSV; "
    "the weights come from --ckpt_path",
    "export": "write the network to --output, .pt2 or .onnx; the weights come from --ckpt_path",
}

_NAMES = "\n".join(f"  {name:10}{text}" for name, text in SUBCOMMANDS.items())
OVERVIEW = f"""\
usage: lightning {{{",".join(SUBCOMMANDS)}}} --config FILE [--KEY VALUE ...]

{DESCRIPTION}

commands:
{_NAMES}

A config is a YAML file, such as those in configs/. Every entry of it can be given on the command
line instead, with dots between its levels, and what comes later wins:

  lightning fit --config configs/quickstart.yaml --model.dag 1_01_222 --trainer.max_epochs 5
  lightning fit --config configs/search/quickstart.yaml
  lightning fit --config configs/quickstart.yaml --print_config   # all that can be set
  lightning fit --config configs/quickstart.yaml --callbacks.NTKMonitor.probe_size 32

--ckpt_path FILE starts from a checkpoint, whose model arguments override those given here;
--ckpt_path last goes on from the newest checkpoint of this name, in its folder.

more help:
  lightning fit --help                                # all arguments
  lightning fit --model.help models.PruningSearch     # those of a class
  lightning fit --data.help datamodules.MNISTDataModule
"""
"""The whole of `lightning --help`."""
