"""Question → answer with citations and entities: the public entry point."""
