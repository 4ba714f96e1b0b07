"""The gates that every request to a workload passes on its way, one file each. `chain` holds the order as data.

Two of ToolHive's parts have no file: the server itself holds to the body limit and gives each request its id, since
both concern requests that never become whole.
"""
