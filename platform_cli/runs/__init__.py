"""Runs of flows as values, and the flow runs of this machine."""
