"""Statistics, tables and figures that callbacks log."""
