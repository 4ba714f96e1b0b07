"""Frozen values that the proxy's layers hand to each other, and the interfaces between them. No behaviour."""
