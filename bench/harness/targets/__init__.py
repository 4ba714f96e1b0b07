"""What is measured: each module starts one product, and `catalogue` lists them by path.

A target that cannot be had here raises `NotHereError` when it is started; it is then told of below the table.
"""
