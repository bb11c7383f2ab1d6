"""The command line: one file per verb that parses, calls and prints; the one place that wires the rooms together."""
