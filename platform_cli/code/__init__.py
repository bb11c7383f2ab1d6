"""The content-addressed code package: how a working copy reaches a pod without an image of its own."""
