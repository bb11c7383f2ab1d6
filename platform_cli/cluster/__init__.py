"""
The one door to the Kubernetes API and to Argo's server: get, list, create, apply, watch, logs.

In: settings of an environment. Out: documents as Kubernetes gives them, or an error that names the verb and the object.

Plain REST over one pool of connections: a client library costs more to import than the whole of a submit, and none of
those looked at keeps a watch alive while the server restarts (docs/decisions/0007). Refuses to know what a document
means; `runs` reads them.
"""

from platform_cli.cluster.argo import ArgoServer
from platform_cli.cluster.cluster import Cluster, connect

__all__ = ["ArgoServer", "Cluster", "connect"]
