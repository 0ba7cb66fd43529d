"""The audit: what a reviewer would ask of a study, each question a check with its evidence."""

from visitseq.lazy import stage_functions

__getattr__ = stage_functions(
    __name__,
    check_as_used="as_used",
    check_matching="matching",
    check_privacy="privacy",
    check_splits="splits",
    check_windows="windows",
    fill_sheets="sheets",
    pass_audit="gate",
    run_canaries="canaries",
    test_in_time="in_time",
    pass_privacy="privacy",
    write_audit="table",
)
