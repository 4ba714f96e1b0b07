"""The proxy's middleware as a RunConfig asks for it: which parts, in which order, with which settings.

The API refuses what cannot be, the proxy builds the rest; neither does it here.
"""
