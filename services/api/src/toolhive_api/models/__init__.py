"""What this service remembers and decides, as frozen values. No I/O, no wire format."""
