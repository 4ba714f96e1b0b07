"""What every request to a workload passes on its way, one file each. `chain` holds the order as data."""
