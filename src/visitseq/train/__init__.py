"""Stage 4: fit a model on the training parts, choose it on the validation part.

Nothing is imported here: a baseline does not pay for torch, nor a network for scikit-learn.
"""
