"""Stage 4: a trained model for each fold."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    train_model="network",
    train_baseline="baseline",
    train_pretrained="pretrained",
    train_forecast="forecast",
    train_next_visit="next_visit",
    count_labels="next_visit",
    time_training="training_time",
)
