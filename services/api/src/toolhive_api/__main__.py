"""``python -m toolhive_api`` serves the API."""

import sys

from toolhive_api.main import main

if __name__ == "__main__":
    sys.exit(main())
