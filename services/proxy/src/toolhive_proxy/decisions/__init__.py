"""What to do, from facts alone: no I/O, no clock, no ids made here. A refusal is a value, not an exception."""
