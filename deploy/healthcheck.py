"""Ask the service in this container whether it lives; the container's HEALTHCHECK."""

import os
import sys
from urllib.request import urlopen

with urlopen(f"http://127.0.0.1:{os.environ['TOOLHIVE_PORT']}/healthz", timeout=3) as answer:  # noqa: S310
    sys.exit(0 if answer.status == 200 else 1)
