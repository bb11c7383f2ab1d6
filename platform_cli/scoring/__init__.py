"""Contract, snapshot, score: from a day's file of customers to scored parts, in constant memory and without pandas."""
