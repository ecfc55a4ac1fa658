"""The figures of a report, each in a file of its own; `style`, `canvas` and `legend` hold what they share."""
