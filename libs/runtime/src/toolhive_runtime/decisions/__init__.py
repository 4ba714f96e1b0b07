"""What needs no engine to be decided: facts in, values out.

No I/O, no clock, no logging, and no library of an engine. What belongs here: reading and building the texts that
engines and package clients exchange with us, and turning a RunConfig into a `ContainerSpec`. What never does: calling
anything.
"""
