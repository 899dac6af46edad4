"""The demo: the whole story of the product, told and checked against a platform of its own."""
