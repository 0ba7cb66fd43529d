"""Stage 3: the visits in the window as a sparse one-hot sequence."""
