"""The doors: clients' sockets, NATS and HTTP servers, one file each. They translate and never decide."""
