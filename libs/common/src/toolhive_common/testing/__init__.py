"""Parts for tests, shipped with the library: a real nats-server, a clock, factories. Production imports none."""
