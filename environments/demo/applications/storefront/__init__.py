"""The storefront: the files of its repository (all but the Python package's own two) and their history."""
