"""
Documents -> text that Git holds and people read; what a merge would change, in words; the tree of an environment.

In: plain documents. Out: YAML with one object per file, or the differences between two sets of documents.
"""
