"""The application: command line and search strategy over callbacks, datamodules and models."""
