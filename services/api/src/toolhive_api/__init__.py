"""The REST API: what users want, kept in a database and declared over NATS."""
