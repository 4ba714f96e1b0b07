"""What takes several steps: make a workload and wait until it serves; change many and wait until it is done.

Written against `toolhive_common.manager.Manager`; names no outside library.
"""
