"""Pure rules: what a command line asks for, and which states mean that something is done."""
