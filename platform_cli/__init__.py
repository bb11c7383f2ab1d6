"""A Kubernetes-native ML platform for Metaflow flows; the command is `platform`."""

__version__ = "0.1.0"
