"""Builds what commands work with.

One module for each kind of work, so that no command imports what it does not need.
"""
