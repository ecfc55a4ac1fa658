"""The figures of a report, one file for each; `style`, `canvas`, `legend` and `text` are shared by all."""
