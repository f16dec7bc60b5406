"""A host's own package, with a dialect of each shape that the package's dialects lack."""
