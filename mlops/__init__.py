"""Engine: run, trace, check; knows no domain."""
