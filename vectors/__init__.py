"""Engine: encode, store, search; knows no domain."""
