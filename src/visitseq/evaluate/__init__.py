"""Stage 5: predictions of the test part and what they are worth, with intervals."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    evaluate_model="evaluate",
    evaluate_forecast="forecast",
    evaluate_next_visit="next_visit",
    score_oracle="oracle",
    evaluate_as_used="as_used",
    measure_reach="reach",
    measure_repetition="repetition",
    time_scoring="scoring_time",
    explain_model="importance",
    explain_rows="importance",
    measure_giveaways="giveaways",
    Estimate="estimate",
    auroc="metrics",
    recall_at_k="recall",
)
