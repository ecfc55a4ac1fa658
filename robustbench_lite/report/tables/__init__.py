"""Results as tables. The path is: rows, layout, tables, notes; `results_table` walks it, `render` prints."""
