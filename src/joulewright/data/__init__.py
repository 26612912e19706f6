"""What ships inside the package: accelerator catalogue, grid climatology and series made from it."""
