"""Mutation testing of the rules that must not fail unnoticed: `bin/mutation`."""
