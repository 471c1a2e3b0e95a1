"""What ``jupyter tracking doctor`` looks at: one file for each group of checks."""
