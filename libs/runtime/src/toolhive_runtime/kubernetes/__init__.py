"""The door to a Kubernetes cluster: what a proxy needs of one to run a server's pods and hold their streams.

``cluster`` is what others use. Short calls are made in threads; the streams of an attached pod run on asyncio over a
websocket. Objects are plain mappings, as the cluster's JSON has them: what they mean is decided in
`toolhive_runtime.decisions`, never here.
"""

from toolhive_runtime.kubernetes.access import Access, open_access
from toolhive_runtime.kubernetes.cluster import Cluster

__all__ = ["Access", "Cluster", "open_access"]
