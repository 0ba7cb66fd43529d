"""Every number of the simulator that is not a code: diseases, visits, the two kinds of hospital.

The numbers are chosen so that the records look like those that the two papers describe (Choi et
al., JAMIA 2017, and MLHC 2016, table 1: persons aged 40 to 85 for the most part, tens of visits
over eight years, 3.2 codes a visit, cases that come twice as often as controls and whose records
hold atrial fibrillation, kidney disease, anemia, edema before the diagnosis) and so that the
diseases are about as common as in adults of the United States. No number was ever tuned on the
score of a model. How often which code is written down is in ``data/simulator_emissions.csv``.

A hazard is ``rate * exp(growth * (age - 60) / 10 + female + frailty * liability + causes)`` a
year: a Gompertz law with proportional effects, the effect of a cause beginning at its own onset.
The two presets share all of that; they differ in who comes (age, liability), how often, and how
the hospital codes.
"""

from dataclasses import dataclass, field

#: First and last day of the records, days since 1970-01-01: 2005-01-01 and 2012-12-31.
FIRST_DAY = 12784
LAST_DAY = 15705

#: A day that never comes, for what does not happen.
NEVER = 2**31 - 1

#: Persons a block. Each block has its own random stream, so it is the same whatever follows it.
BLOCK = 1000


@dataclass(frozen=True)
class Disease:
    """When a disease (or death) comes, and how many visits it brings.

    Parameters
    ----------
    rate
        Hazard a year of a man of 60 with average liability and none of the causes.
    growth
        Rise of the log hazard in ten years of age.
    female
        Log hazard ratio of women to men.
    frailty
        Rise of the log hazard with one standard deviation of the person's liability.
    causes
        Log hazard ratio of each other disease, once it is there.
    outpatient, emergency, inpatient
        Visits a year that the disease adds.
    """

    rate: float
    growth: float = 0.0
    female: float = 0.0
    frailty: float = 0.2
    causes: dict[str, float] = field(default_factory=dict)
    outpatient: float = 0.0
    emergency: float = 0.0
    inpatient: float = 0.0


#: Chronic conditions; each may be caused only by those before it.
CONDITIONS: dict[str, Disease] = {
    "obesity": Disease(rate=0.009, growth=-0.1, female=0.1, outpatient=0.3),
    "hyperlipidemia": Disease(rate=0.022, growth=0.3, causes={"obesity": 0.5}, outpatient=0.4),
    "hypertension": Disease(
        rate=0.022, growth=0.4, causes={"obesity": 0.6}, outpatient=0.7, emergency=0.02
    ),
    "diabetes": Disease(
        rate=0.0045,
        growth=0.3,
        female=-0.1,
        causes={"obesity": 1.0, "hypertension": 0.3},
        outpatient=1.2,
        emergency=0.04,
        inpatient=0.02,
    ),
    "ckd": Disease(
        rate=0.0025,
        growth=0.75,
        causes={"hypertension": 0.6, "diabetes": 0.8},
        outpatient=1.0,
        emergency=0.04,
        inpatient=0.04,
    ),
    "coronary": Disease(
        rate=0.005,
        growth=0.6,
        female=-0.6,
        causes={"hyperlipidemia": 0.5, "hypertension": 0.4, "diabetes": 0.6, "ckd": 0.3},
        outpatient=1.0,
        emergency=0.08,
        inpatient=0.06,
    ),
    "atrial_fibrillation": Disease(
        rate=0.002,
        growth=0.85,
        female=-0.3,
        causes={"obesity": 0.3, "hypertension": 0.5, "coronary": 0.5},
        outpatient=2.5,
        emergency=0.08,
        inpatient=0.06,
    ),
    "copd": Disease(
        rate=0.004, growth=0.5, female=-0.1, outpatient=1.0, emergency=0.12, inpatient=0.06
    ),
    "anemia": Disease(
        rate=0.004,
        growth=0.5,
        female=0.4,
        causes={"diabetes": 0.3, "ckd": 1.0},
        outpatient=0.8,
        inpatient=0.03,
    ),
    "hypothyroidism": Disease(rate=0.003, growth=0.2, female=1.2, frailty=0.0, outpatient=0.5),
    "osteoarthritis": Disease(
        rate=0.014, growth=0.5, female=0.3, causes={"obesity": 0.5}, outpatient=0.8
    ),
    "reflux": Disease(rate=0.008, growth=0.1, causes={"obesity": 0.3}, outpatient=0.4),
    "depression": Disease(rate=0.006, growth=-0.1, female=0.6, frailty=0.1, outpatient=1.0),
}

#: Heart failure; nobody has it when the record begins.
HEART_FAILURE = Disease(
    rate=0.00108,
    growth=0.6,
    female=-0.2,
    frailty=0.3,
    causes={
        "obesity": 0.3,
        "hypertension": 0.6,
        "diabetes": 0.5,
        "ckd": 0.7,
        "coronary": 0.9,
        "atrial_fibrillation": 1.0,
        "copd": 0.5,
        "anemia": 0.5,
    },
    outpatient=5.0,
    emergency=0.3,
    inpatient=0.4,
)

#: Death from any cause, while the record lasts.
DEATH = Disease(
    rate=0.005,
    growth=0.85,
    female=-0.3,
    frailty=0.2,
    causes={"diabetes": 0.3, "ckd": 0.5, "coronary": 0.3, "copd": 0.6, "heart_failure": 1.3},
)

#: Share of heart failure that shows no sign before it is diagnosed, in an emergency.
SILENT_SHARE = 0.25
#: Median days before the onset in which the signs grow by a factor e, and their spread (log).
WARNING_DAYS = 150.0
WARNING_SPREAD = 0.5
#: Mean days from the onset to the visit that would diagnose it, where it isn't silent.
DELAY_DAYS = 20.0
#: Share of systolic heart failure in persons without and with coronary disease.
SYSTOLIC_SHARE = (0.35, 0.65)
#: Outpatient visits a year that full warning signs add, and the half year after the diagnosis.
WARNING_VISITS = 3.0
FOLLOW_UP_VISITS = 8.0
FOLLOW_UP_DAYS = 182
#: Spread (log) of how readily persons attend.
ATTENDANCE_SPREAD = 0.5

#: Zipf's exponent of the codes that mean nothing here, how many of them a person returns to, and
#: the share of a person's such codes that come from those few.
ZIPF = 1.0
FAVOURITES = 6
FAVOURITE_SHARE = 0.6

#: OMOP concepts of the kinds of visit; a kind is an index into this tuple.
VISIT_CONCEPTS = (9202, 9203, 9201)
OUTPATIENT, EMERGENCY, INPATIENT = range(3)

#: Race concepts (0 where it was not recorded) and their shares; share of Hispanic persons.
RACES = {8527: 0.7, 8515: 0.15, 8516: 0.1, 0: 0.05}
HISPANIC_SHARE = 0.12


@dataclass(frozen=True)
class Preset:
    """A kind of hospital: who comes, how often, and what a visit leaves behind.

    Parameters
    ----------
    age
        The two shape numbers of the beta distribution of age on the first day, between 20 and 84.
    liability
        Mean of the persons' liability; its standard deviation is 1.
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
    prefix
        What the hospital writes before the local numbers of drugs and procedures.
    """

    age: tuple[float, float]
    liability: float
    present: float
    leaving: float
    visits: tuple[float, float, float]
    sickness: tuple[float, float, float]
    nights: float
    through_emergency: float
    intensive: float
    tail: tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
    clinics: int
    prefix: str


PRESETS: dict[str, Preset] = {
    "primary_care": Preset(
        age=(3.4, 2.9),
        liability=0.0,
        present=0.8,
        leaving=0.015,
        visits=(2.0, 0.08, 0.03),
        sickness=(1.0, 1.0, 0.6),
        nights=3.0,
        through_emergency=0.3,
        intensive=0.05,
        tail=((0.6, 0.3, 0.25), (0.7, 0.4, 0.4), (1.5, 1.0, 0.8)),
        clinics=12,
        prefix="PC-",
    ),
    "intensive_care": Preset(
        age=(3.4, 2.0),
        liability=0.8,
        present=0.75,
        leaving=0.03,
        visits=(1.2, 0.25, 0.15),
        sickness=(0.6, 1.5, 2.0),
        nights=6.0,
        through_emergency=0.5,
        intensive=0.5,
        tail=((0.5, 0.3, 0.25), (0.8, 0.5, 0.5), (2.5, 1.5, 1.5)),
        clinics=3,
        prefix="IC-",
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
    "body_weight": Quantity(74, 11, 1.5, "kg", 9529, {"obesity": 25, "warning": 3}),
    "body_mass_index": Quantity(25.5, 2.5, 0.4, "kg/m2", 9531, {"obesity": 8, "warning": 1}),
    "creatinine": Quantity(0.9, 0.15, 0.1, "mg/dL", 8840, {"ckd": 0.9, "heart_failure": 0.2}),
    "hba1c": Quantity(5.5, 0.3, 0.2, "%", 8554, {"diabetes": 1.8}),
    "ldl": Quantity(112, 22, 10, "mg/dL", 8840, {"hyperlipidemia": 25}),
    "hemoglobin": Quantity(14, 1, 0.5, "g/dL", 8713, {"anemia": -3}),
    "nt_probnp": Quantity(90, 40, 30, "pg/mL", 8845, {"warning": 900, "heart_failure": 2500}),
    "glucose": Quantity(95, 8, 8, "mg/dL", 8840, {"diabetes": 60}),
}
