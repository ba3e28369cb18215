"""The tests; a package, because gruut installs one of the same name that worker processes would find instead."""
