"""Training with AugMix and with the methods that its paper compares; importing it loads no torch."""
