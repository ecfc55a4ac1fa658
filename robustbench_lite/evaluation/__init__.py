"""A model on a suite: the run, its folder, its scores. Importing this package alone loads no torch."""
