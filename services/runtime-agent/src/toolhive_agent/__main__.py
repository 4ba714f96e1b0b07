"""``python -m toolhive_agent``."""

from toolhive_agent.main import main

main()
