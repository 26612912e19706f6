"""The constraint families of the joint model, one per file."""
