"""The verbs of the agent: gather facts, ask a decision, carry it out.

``agent`` watches what is declared and gives each workload a ``worker``; the worker uses ``images``, ``readiness`` and
the ``stdio_hub``, and tells what it sees through the ``reporter``. ``engine`` and ``heartbeat`` know whether work is
possible at all. No outside library is named here.
"""
