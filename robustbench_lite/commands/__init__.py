"""The subcommands of `robust`, a module each; helpers that they share begin with an underscore."""
