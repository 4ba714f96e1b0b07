"""One module for each command: read the command line, call a service, print what ``presentation`` makes of it.

No module here imports another command, and none is imported before it is asked for.
"""
