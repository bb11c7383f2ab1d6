"""The laptop's cluster: one kind node with the whole platform in it."""
