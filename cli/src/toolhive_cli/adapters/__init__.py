"""Edges out: the API over HTTP, files, and the terminal. They translate and never decide."""
