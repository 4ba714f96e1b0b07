"""Pure decisions: facts in, plans and states out. No clock, no I/O, no logging; the time is an argument."""
