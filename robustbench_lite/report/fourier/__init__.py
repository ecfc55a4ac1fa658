"""The figures of a Fourier sweep, and the record that they are drawn from."""
