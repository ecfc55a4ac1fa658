"""Results as tables: what the rows hold, how the columns are laid out, the notes below, and drawing them."""
