"""Every number of the simulated hospitals that is not a code or its frequency.

The numbers are set from what the two papers report of their records (Choi et al., JAMIA 2017, and
MLHC 2016, table 1: 55 visits a person in eight years, 3.2 codes a visit, 76 days between visits,
1.6% with heart failure, cases who come about twice as often as controls and whose records hold
atrial fibrillation, kidney disease, anemia and edema before the diagnosis), and so that diseases
are about as common as in adults of the United States. They were frozen before any model saw a
record, and none was ever tuned on the score of a model. How often which code is written down is in
``data/simulator_emissions.csv`` and ``data/simulator_therapies.csv``; the hazard of heart failure
is in heart_failure.py.

A hazard is ``rate * exp(growth * (age - 60) / 10 + female + causes)`` a year: a Gompertz law with
proportional effects, each cause counting once it stands in the record. The hospitals share all of
that; they differ in who comes (age, illness), how often, and how the hospital codes.
"""

from dataclasses import dataclass, field, replace

#: First and last day of the records, days since 1970-01-01: 2005-01-01 and 2012-12-31.
FIRST_DAY = 12784
LAST_DAY = 15705

#: Rates and hazards hold for a tick of 14 days and follow the record up to the tick's first day.
TICK_DAYS = 14
TICKS = -(-(LAST_DAY - FIRST_DAY + 1) // TICK_DAYS)

#: A day that never comes, for what does not happen.
NEVER = 2**31 - 1

#: Persons a block. Each block has its own random streams, so it is the same whatever follows it.
BLOCK = 2000

#: OMOP concepts of the kinds of visit; a kind is an index into this tuple.
VISIT_CONCEPTS = (9202, 9203, 9201)
OUTPATIENT, EMERGENCY, INPATIENT = range(3)


@dataclass(frozen=True)
class Disease:
    """When a disease (or death) comes, and how many visits it brings.

    Parameters
    ----------
    rate
        Hazard a year of a man of 60 with none of the causes.
    growth
        Rise of the log hazard in ten years of age.
    female
        Log hazard ratio of women to men.
    causes
        Log hazard ratio of each other disease, once it is there.
    outpatient, emergency, inpatient
        Visits a year that the disease adds.
    found
        Kind of the visit at which the disease is found.
    """

    rate: float
    growth: float = 0.0
    female: float = 0.0
    causes: dict[str, float] = field(default_factory=dict)
    outpatient: float = 0.0
    emergency: float = 0.0
    inpatient: float = 0.0
    found: int = OUTPATIENT


#: Chronic conditions; each may be caused only by those before it.
CONDITIONS: dict[str, Disease] = {
    "obesity": Disease(rate=0.009, growth=-0.1, female=0.1, outpatient=0.3),
    "hyperlipidemia": Disease(rate=0.022, growth=0.3, causes={"obesity": 0.5}, outpatient=0.5),
    "hypertension": Disease(
        rate=0.022, growth=0.4, causes={"obesity": 0.6}, outpatient=1.0, emergency=0.02
    ),
    "diabetes": Disease(
        rate=0.0045,
        growth=0.3,
        female=-0.1,
        causes={"obesity": 1.0, "hypertension": 0.3},
        outpatient=1.8,
        emergency=0.04,
        inpatient=0.02,
    ),
    "ckd": Disease(
        rate=0.0025,
        growth=0.75,
        causes={"hypertension": 0.6, "diabetes": 0.8},
        outpatient=1.6,
        emergency=0.04,
        inpatient=0.04,
    ),
    "coronary": Disease(
        rate=0.005,
        growth=0.6,
        female=-0.6,
        causes={"hyperlipidemia": 0.5, "hypertension": 0.4, "diabetes": 0.6, "ckd": 0.3},
        outpatient=1.6,
        emergency=0.08,
        inpatient=0.06,
    ),
    "infarction": Disease(
        rate=0.0006,
        growth=0.5,
        female=-0.5,
        causes={"coronary": 2.0, "hypertension": 0.3, "diabetes": 0.4},
        outpatient=1.0,
        emergency=0.1,
        inpatient=0.08,
        found=INPATIENT,
    ),
    "atrial_fibrillation": Disease(
        rate=0.002,
        growth=0.85,
        female=-0.3,
        causes={"obesity": 0.3, "hypertension": 0.5, "coronary": 0.5, "infarction": 0.3},
        outpatient=4.0,
        emergency=0.08,
        inpatient=0.06,
        found=EMERGENCY,
    ),
    "copd": Disease(
        rate=0.004, growth=0.5, female=-0.1, outpatient=1.6, emergency=0.12, inpatient=0.06
    ),
    "anemia": Disease(
        rate=0.004,
        growth=0.5,
        female=0.4,
        causes={"diabetes": 0.3, "ckd": 1.0},
        outpatient=1.2,
        inpatient=0.03,
    ),
    "hypothyroidism": Disease(rate=0.003, growth=0.2, female=1.2, outpatient=0.7),
    "osteoarthritis": Disease(
        rate=0.014, growth=0.5, female=0.3, causes={"obesity": 0.5}, outpatient=1.2
    ),
    "reflux": Disease(rate=0.008, growth=0.1, causes={"obesity": 0.3}, outpatient=0.6),
    "depression": Disease(rate=0.006, growth=-0.1, female=0.6, outpatient=1.6),
}

#: Death from any cause, while the record lasts.
DEATH = Disease(
    rate=0.006,
    growth=0.85,
    female=-0.3,
    causes={
        "diabetes": 0.3,
        "ckd": 0.5,
        "coronary": 0.3,
        "infarction": 0.4,
        "copd": 0.6,
        "heart_failure": 1.3,
    },
)


@dataclass(frozen=True)
class Signs:
    """Signs of a failing heart: visits for edema, dyspnea or fatigue that bring on more of them.

    A sign comes by itself at ``rate`` a year (of a person of 60, raised by age and by each
    condition), and each sign brings ``offspring`` others on average, after ``delay_days`` on
    average: a self-exciting (Hawkes) process, so that signs gather before a diagnosis. The share
    ``emergency`` of them is seen in the emergency room. For ``RECENT_TICKS`` after a sign the
    person has ``visits`` outpatient visits a year more.
    """

    rate: float = 0.05
    growth: float = 0.35
    causes: dict[str, float] = field(
        default_factory=lambda: {
            "obesity": 0.3,
            "hypertension": 0.2,
            "ckd": 0.4,
            "coronary": 0.4,
            "infarction": 0.5,
            "atrial_fibrillation": 0.7,
            "copd": 0.8,
            "anemia": 0.4,
        }
    )
    offspring: float = 0.45
    delay_days: float = 60.0
    emergency: float = 0.15
    visits: float = 4.0


SIGNS = Signs()
#: Which codes a sign's visit writes down, and how often.
SIGN_CODES: tuple[tuple[tuple[str, ...], float], ...] = (
    (("edema",), 0.3),
    (("dyspnea",), 0.3),
    (("edema", "dyspnea"), 0.15),
    (("fatigue",), 0.25),
)
#: How long a sign counts as recent.
RECENT_TICKS = 6

#: Share of visits that write down a disease which is then ruled out, with an observation code.
RULED_OUT_SHARE = 0.004

#: Heart failure once it is diagnosed: days of the planned visits after the diagnosis (earliest and
#: latest of each), visits a year besides, share that is found in hospital, share of systolic heart
#: failure without and with coronary disease.
PLANNED_VISITS = ((10, 40), (50, 110), (130, 200))
AFTER_DIAGNOSIS = (4.0, 0.3, 0.4)
FOUND_IN_HOSPITAL = 0.3
SYSTOLIC_SHARE = (0.35, 0.65)

#: Shape of the gamma distribution (mean 1) of how readily persons attend.
ATTENDANCE_SHAPE = 2.8

#: Zipf's exponent of the codes that mean nothing here, how many of them a person returns to, and
#: the share of a person's such codes that come from those few.
ZIPF = 1.0
FAVOURITES = 6
FAVOURITE_SHARE = 0.6

#: Spread (log) of how much of the unrelated codes a visit writes down.
THOROUGHNESS = 0.85

#: Race concepts (0 where it was not recorded) and their shares; share of Hispanic persons.
RACES = {8527: 0.7, 8515: 0.15, 8516: 0.1, 0: 0.05}
HISPANIC_SHARE = 0.12
FEMALE_SHARE = 0.54


@dataclass(frozen=True)
class Preset:
    """A kind of hospital: who comes, how often, and what a visit leaves behind.

    Parameters
    ----------
    dialect
        Whose concepts, local numbers and unmapped codes it writes (codebook.py).
    age
        The two shape numbers of the beta distribution of age on the first day, and its two ends.
    illness
        Log hazard ratio of every condition.
    present
        Share of persons who are in care on the first day; the others join within four years.
    leaving
        Share of persons who leave for good in a year.
    visits
        Outpatient, emergency and inpatient visits a year of a person without any condition.
    sickness
        Factors on the visits of each kind that conditions add.
    nights
        Mean nights of a stay.
    through_emergency
        Share of admissions that come through the emergency room on the same day.
    intensive
        Share of stays that lead to the intensive-care unit.
    tail
        Mean number of unrelated diagnoses, drugs and procedures in a visit of each kind.
    clinics
        Number of clinics; the care site after the last of them is the hospital.
    heart_failure
        Log of the factor on the hazard of heart failure.
    constant_hazard
        Hazard of heart failure a year, whatever the record holds; None where it follows the record.
    design_only
        Whether everybody is enrolled throughout and lives on, heart failure is coded for certain
        and only where it is, and leaves nothing but its own three visits: nothing is left by which
        a cohort's criteria could select.
    """

    dialect: str
    age: tuple[float, float, float, float]
    illness: float
    present: float
    leaving: float
    visits: tuple[float, float, float]
    sickness: tuple[float, float, float]
    nights: float
    through_emergency: float
    intensive: float
    tail: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    clinics: int
    heart_failure: float = 0.0
    constant_hazard: float | None = None
    design_only: bool = False


_PRIMARY_CARE = Preset(
    dialect="primary_care",
    age=(3.4, 2.9, 20, 84),
    illness=0.0,
    present=0.8,
    leaving=0.015,
    visits=(4.55, 0.1, 0.03),
    sickness=(1.0, 1.0, 0.6),
    nights=3.0,
    through_emergency=0.3,
    intensive=0.05,
    tail=((0.76, 0.37, 0.17), (0.8, 0.5, 0.5), (1.5, 1.0, 0.8)),
    clinics=12,
)

PRESETS: dict[str, Preset] = {
    "primary_care": _PRIMARY_CARE,
    "intensive_care": Preset(
        dialect="intensive_care",
        age=(3.4, 2.0, 20, 84),
        illness=0.35,
        present=0.75,
        leaving=0.03,
        visits=(0.5, 0.25, 0.3),
        sickness=(0.2, 1.5, 3.0),
        nights=6.0,
        through_emergency=0.5,
        intensive=0.6,
        tail=((0.5, 0.3, 0.25), (0.8, 0.5, 0.5), (3.0, 2.0, 1.5)),
        clinics=3,
        heart_failure=0.3,
    ),
    "constant_hazard": replace(_PRIMARY_CARE, constant_hazard=0.0024),
    **dict.fromkeys(
        ("no_signal", "order_only", "counts_only"),
        replace(_PRIMARY_CARE, age=(1, 1, 42, 75), design_only=True),
    ),
}


@dataclass(frozen=True)
class Quantity:
    """A measured value: mean, spread between persons, spread within, unit, rise with diseases."""

    mean: float
    between: float
    within: float
    unit: str
    unit_concept: int
    rise: dict[str, float] = field(default_factory=dict)


#: Values of measurements; written with one decimal and never below a tenth of the mean.
QUANTITIES: dict[str, Quantity] = {
    "systolic_pressure": Quantity(122, 9, 9, "mm[Hg]", 8876, {"hypertension": 14}),
    "diastolic_pressure": Quantity(74, 6, 6, "mm[Hg]", 8876, {"hypertension": 7}),
    "body_weight": Quantity(74, 11, 1.5, "kg", 9529, {"obesity": 25}),
    "body_mass_index": Quantity(25.5, 2.5, 0.4, "kg/m2", 9531, {"obesity": 8}),
    "creatinine": Quantity(0.9, 0.15, 0.1, "mg/dL", 8840, {"ckd": 0.9, "heart_failure": 0.2}),
    "hba1c": Quantity(5.5, 0.3, 0.2, "%", 8554, {"diabetes": 1.8}),
    "ldl": Quantity(112, 22, 10, "mg/dL", 8840, {"hyperlipidemia": 25}),
    "hemoglobin": Quantity(14, 1, 0.5, "g/dL", 8713, {"anemia": -3}),
    "nt_probnp": Quantity(90, 40, 30, "pg/mL", 8845, {"heart_failure": 2500}),
    "glucose": Quantity(95, 8, 8, "mg/dL", 8840, {"diabetes": 60}),
}
