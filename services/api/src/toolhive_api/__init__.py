"""The REST API: what users want, kept in a database and declared over NATS.

It runs no container and reaches no engine. Whatever a user asks for becomes a row and, in the same transaction, an
entry of the outbox; agents do the work and report back.
"""
