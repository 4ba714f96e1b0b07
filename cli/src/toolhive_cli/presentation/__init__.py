"""Pure functions from data to the text that users and programs read. No clock, no terminal, no I/O."""
