"""Fourier sensitivity: the sweep over frequencies, its images, its store, and spectra of corruptions."""
