"""The ways out: NATS and HTTP servers, one file each. They translate and never decide."""
