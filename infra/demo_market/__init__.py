"""A small storefront of our own: something real to look at, offline. All of it is fictional."""
