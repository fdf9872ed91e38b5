"""What make.py calls: each module writes some of the files that the tests read."""
