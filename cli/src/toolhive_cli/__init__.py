"""The thv command."""
