"""A runtime in memory, for tests of what uses a runtime. Production imports none of it."""
