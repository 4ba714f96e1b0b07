"""Ask the service in this container whether it lives; the container's HEALTHCHECK. Any error fails the check."""

import os
from urllib.request import urlopen

urlopen(f"http://127.0.0.1:{os.environ['TOOLHIVE_PORT']}/healthz", timeout=3).close()
