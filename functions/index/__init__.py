"""The embedding index: chunks, generations, the embedder and exact search.

A lower layer: `embed_rebuild` writes with it, `inference` reads with it, and neither imports the other.
"""
