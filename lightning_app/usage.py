"""What the command line says of itself; imports nothing, so that it is said at once."""

DESCRIPTION = "Train networks of any wiring, and search architectures without training them."

SUBCOMMANDS = {
    "fit": "train a network, or search for one: lightning fit --config configs/quickstart.yaml",
    "validate": "evaluate on the validation images; the weights come from --ckpt_path",
    "test": "evaluate on the test images; the weights come from --ckpt_path",
    "predict": "class probabilities of the test images, or of --data.predict_folder, as CSV; "
    "the weights come from --ckpt_path",
    "export": "write the network to --output, .pt2 or .onnx; the weights come from --ckpt_path",
}

GROUPS = {
    "model": "What to train, or which search to run (--model.help CLASS lists a class's arguments)",
    "data": "Where the images come from (--data.help CLASS)",
    "run": "This run",
    "links": "Taken from the data",
    "trainer": "Lightning's Trainer: epochs, devices, precision, logger, callbacks",
}
"""Titles of the groups of a subcommand's arguments, in the order in which they are shown."""

CHECKPOINT = (
    "Checkpoint to start from. last: go on with the newest run of this name, in its folder. "
    "The model's arguments in a checkpoint override those given here."
)


def overview() -> str:
    """The whole of `lightning --help`."""
    names = "\n".join(f"  {name:10}{text}" for name, text in SUBCOMMANDS.items())
    return f"""\
usage: lightning {{{",".join(SUBCOMMANDS)}}} --config FILE [--KEY VALUE ...]

{DESCRIPTION}

commands:
{names}

A config is a YAML file, such as those in configs/. Every entry of it can be given on the command
line instead, with dots between its levels, and what comes later wins:

  lightning fit --config configs/quickstart.yaml --model.dag 1_01_222 --trainer.max_epochs 5
  lightning fit --config configs/search/quickstart.yaml
  lightning fit --config configs/quickstart.yaml --print_config   # all that can be set

more help:
  lightning fit --help                                # all arguments
  lightning fit --model.help models.PruningSearch     # those of a class
  lightning fit --data.help datamodules.MNISTDataModule
"""


def usage(subcommand: str) -> str:
    """One short line of usage instead of a screen of every option."""
    output = " [--output FILE]" if subcommand == "export" else ""
    return f"lightning {subcommand} --config FILE [--KEY VALUE ...] [--ckpt_path FILE]{output}"
