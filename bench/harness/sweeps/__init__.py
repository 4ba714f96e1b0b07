"""What grows with what: one module for each thing that is varied, each gives a `Section` of the report."""
