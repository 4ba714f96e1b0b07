"""Pure rules: facts in, verdict out. No clock, id, I/O or logging; what they need of those is an argument."""
