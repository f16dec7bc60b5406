"""A host's own package, with a dialect of each shape that those of ours do not have."""
