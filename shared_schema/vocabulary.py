"""The shared vocabulary: controlled terms as enums, with English labels.

Generated from `vocabulary.json`; change that file and run `python -m shared_schema._generate_vocabulary`.
Codes are language-neutral and stay; labels are for readers and are translated elsewhere. Only these codes may leave a
node, so a term that a city adds for itself is not here.

    Phenomenon("REL.ISL") is Phenomenon.REL_ISL
    label(Outcome.NO_EFFECT)
"""
# ruff: noqa: E741 - SDMX status letters keep their names, O among them

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final

VOCABULARY_VERSION: Final = 1


class Phenomenon(StrEnum):
    RWE = "RWE"  # Right-wing extremism
    LWE = "LWE"  # Left-wing and anarchist extremism
    REL = "REL"  # Religiously motivated extremism
    REL_ISL = "REL.ISL"  # Islamist / jihadist
    REL_OTH = "REL.OTH"  # Other religiously motivated
    ENS = "ENS"  # Ethno-nationalist, separatist or foreign ideology
    SIN = "SIN"  # Single-issue
    AGO = "AGO"  # Anti-government / sovereign / conspiracy based
    VIO = "VIO"  # Fascination with extreme violence, no other ideology
    MIX = "MIX"  # Mixed, unclear or unstable ideology
    NOI = "NOI"  # No ideology identified
    POL = "POL"  # Polarisation / inter-group tension
    UNKNOWN = "_U"  # Unknown / not stated


class Outcome(StrEnum):
    WORKED = "worked"  # Intended effect seen
    MIXED = "mixed"  # Mixed results
    NO_EFFECT = "no_effect"  # No effect seen (CrimeSolutions: Ineffective)
    HARM = "harm"  # Unwanted or harmful effect (CrimeSolutions: Negative effects; Blueprints: Harmful)
    NOT_DELIVERED = "not_delivered"  # Planned but not delivered as intended
    STOPPED = "stopped"  # Stopped early
    TOO_EARLY = "too_early"  # Too early to say / inconclusive


class EvidenceLevel(StrEnum):
    LEVEL_0 = "0"  # Practitioner experience only
    LEVEL_1 = "1"  # Described and theoretically plausible
    LEVEL_2 = "2"  # Process or outcome monitored, no comparison
    LEVEL_3 = "3"  # Comparison group or >=2 quasi-experiments
    LEVEL_4 = "4"  # Randomised trial(s)
    LEVEL_5 = "5"  # Independently replicated (Model Plus)


class ReviewStatus(StrEnum):
    UNREVIEWED = "unreviewed"  # Unreviewed
    PRIVACY_CHECKED = "privacy_checked"  # Checked for privacy, not for effect
    PEER_REVIEWED = "peer_reviewed"  # Peer reviewed
    ARCHIVED = "archived"  # Archived: not updated


class PreventionLevel(StrEnum):
    PRIMARY = "primary"  # Primary (universal)
    SECONDARY = "secondary"  # Secondary (selective)
    TERTIARY = "tertiary"  # Tertiary (indicated)


class AgencyType(StrEnum):
    YOUTH = "youth"  # Youth services
    SOCIAL = "social"  # Social services
    EDU_EARLY = "edu_early"  # Child care / primary education
    EDU_SEC = "edu_sec"  # Secondary education
    EDU_TER = "edu_ter"  # Universities
    LABOUR = "labour"  # Labour services
    MIGRATION = "migration"  # Migration authority
    REGULATORY = "regulatory"  # Regulatory / other administration
    COURTS = "courts"  # Prosecution and courts
    PRISON = "prison"  # Prison and probation
    POLICE = "police"  # Police
    HEALTH = "health"  # Health and mental health
    MUNICIPALITY = "municipality"  # City administration / coordinator
    NGO_COUNSELLING = "ngo_counselling"  # Specialised counselling NGO
    COMMUNITY_ORG = "community_org"  # Community organisation
    RELIGIOUS = "religious"  # Religious community
    WELFARE_ORG = "welfare_org"  # Welfare organisation
    COMPANY = "company"  # Private enterprise
    RESEARCH = "research"  # Research


class AgencyRole(StrEnum):
    COORDINATE = "coordinate"  # coordinate
    DELIVER = "deliver"  # deliver
    REFER = "refer"  # refer
    COUNSEL = "counsel"  # counsel
    ADVISE = "advise"  # advise
    FUND = "fund"  # fund
    ADDRESSEE = "addressee"  # Partner being reached, informed or encouraged


class CompanyEngagement(StrEnum):
    RAISE_AWARENESS = "raise_awareness"  # raise_awareness
    INFORM = "inform"  # inform
    ADVISE = "advise"  # advise
    ENCOURAGE = "encourage"  # encourage
    ACKNOWLEDGE = "acknowledge"  # acknowledge
    COMMERCIAL_PARTNER = "commercial_partner"  # commercial_partner


class InterventionType(StrEnum):
    TRAINING_FLP = "training_flp"  # Training of first-line practitioners
    EXIT = "exit"  # Exit: disengagement / deradicalisation
    COMMUNITY = "community"  # Community engagement and empowerment
    EDUCATION = "education"  # Educating young people
    FAMILY = "family"  # Family support
    NARRATIVE = "narrative"  # Counter- and alternative narratives; inclusion narrative
    INFRASTRUCTURE = "infrastructure"  # Local prevention infrastructure / multi-agency structure
    PRISON_PROB = "prison_prob"  # Prison and probation work
    COUNSELLING = "counselling"  # Counselling / helpline
    MENTORING = "mentoring"  # Mentoring
    VICTIM_SUPPORT = "victim_support"  # Victim support
    YOUTH_WORK = "youth_work"  # Open youth and street work


class Setting(StrEnum):
    SCHOOL = "school"  # School
    HIGHER_ED = "higher_ed"  # College / university
    CHILDCARE = "childcare"  # Child care
    YOUTH_CENTRE = "youth_centre"  # Youth or community centre
    WORSHIP = "worship"  # Place of worship
    STREET = "street"  # Street / public space
    PARK = "park"  # Park / playground
    TRANSPORT = "transport"  # Public transport
    HOME = "home"  # Home
    SHELTER = "shelter"  # Shelter / reception centre
    PUBLIC_BUILDING = "public_building"  # Public building
    HEALTH = "health"  # Health facility
    WORKPLACE = "workplace"  # Workplace / shop
    SPORT_EVENT = "sport_event"  # Sport or event venue
    PRISON = "prison"  # Prison
    ONLINE = "online"  # Online
    UNKNOWN = "_U"  # Other / unknown


class Bias(StrEnum):
    RACIST = "racist"  # Racism and xenophobia
    ROMA = "roma"  # Bias against Roma and Sinti
    ANTISEMITIC = "antisemitic"  # Antisemitism
    MUSLIM = "muslim"  # Anti-Muslim
    CHRISTIAN = "christian"  # Anti-Christian
    RELIGION_OTHER = "religion_other"  # Other religion or belief
    LGBTIQ = "lgbtiq"  # Sexual orientation / gender identity
    GENDER = "gender"  # Gender-based
    DISABILITY = "disability"  # Disability
    SOCIAL_STATUS = "social_status"  # Homelessness / social status
    POLITICAL = "political"  # Political opponents
    PRESS = "press"  # Journalists
    UNKNOWN = "_U"  # Unknown


class ReferralSource(StrEnum):
    EDUCATION = "education"  # Education
    POLICE = "police"  # Police
    LOCAL_AUTHORITY = "local_authority"  # Local authority
    HEALTH = "health"  # Health
    PRISON_PROB = "prison_prob"  # Prison and probation
    COMMUNITY = "community"  # Community
    FAMILY_FRIENDS = "family_friends"  # Family and friends
    OTHER = "other"  # Other


class PathwayStage(StrEnum):
    CONTACT_FIRST = "contact_first"  # First contact / referral
    CONTACT_FOLLOW = "contact_follow"  # Follow-up contact
    PANEL = "panel"  # Discussed in multi-agency panel
    ADOPTED = "adopted"  # Adopted for support
    SIGNPOSTED = "signposted"  # Signposted elsewhere
    INFO_REQUEST = "info_request"  # General information or training request


class TensionBasis(StrEnum):
    EXPERIENCED = "experienced"  # Experienced: how communities feel
    EVIDENCED = "evidenced"  # Evidenced: what happened
    POTENTIAL = "potential"  # Potential: what may happen


class TensionLevel(StrEnum):
    LEVEL_0 = "0"  # none noted
    LEVEL_1 = "1"  # low
    LEVEL_2 = "2"  # raised
    LEVEL_3 = "3"  # high
    LEVEL_4 = "4"  # acute


class SourceKind(StrEnum):
    POLICE_RECORDED = "police_recorded"  # Police-recorded
    COUNSELLING = "counselling"  # Counselling / victim support count
    AGENCY_RETURN = "agency_return"  # Agency return
    SURVEY = "survey"  # Survey
    OPEN_MEDIA = "open_media"  # Open media scan
    ESTIMATE = "estimate"  # Coordinator's estimate


class FailureFactor(StrEnum):
    TIMING_CONFLICT = "timing_conflict"  # Ill-timed action by another agency
    NO_COORDINATION = "no_coordination"  # Lack of communication or coordination
    NOT_ACCEPTED = "not_accepted"  # Role or shared strategy not accepted
    SEEN_AS_SPYING = "seen_as_spying"  # Seen as spying; trust lost
    STIGMA = "stigma"  # Stigma or backlash in the target group
    WRONG_TARGET = "wrong_target"  # Target group chosen on assumption
    MESSENGER = "messenger"  # Messenger not credible
    LOW_UPTAKE = "low_uptake"  # Not taken up
    STAFF = "staff"  # Staff change
    FUNDING = "funding"  # Funding ended
    LEGAL_BLOCK = "legal_block"  # Data-protection or legal block
    NOT_AS_DESIGNED = "not_as_designed"  # Not delivered as designed
    CONTEXT = "context"  # Local conditions differed
    NO_MEASURE = "no_measure"  # Could not be measured


class ObsStatus(StrEnum):
    A = "A"  # Normal value (a true zero is A with value 0)
    B = "B"  # Time series break
    D = "D"  # Definition differs
    E = "E"  # Estimated value
    L = "L"  # Missing; exists but was not collected
    O = "O"  # Missing value
    P = "P"  # Provisional
    Q = "Q"  # Missing; suppressed
    U = "U"  # Low reliability


class ConfStatus(StrEnum):
    F = "F"  # Free
    N = "N"  # Not for publication, internal use
    C = "C"  # Confidential statistical information
    D = "D"  # Secondary confidentiality set by the sender (= node)
    S = "S"  # Secondary confidentiality set by the receiver (= hub)


class Sharing(StrEnum):
    CLEAR = "clear"  # clear
    GREEN = "green"  # green
    AMBER = "amber"  # amber
    AMBER_STRICT = "amber+strict"  # amber+strict
    RED = "red"  # red


class NeverShare(StrEnum):
    RACIAL_OR_ETHNIC_ORIGIN = "racial-or-ethnic-origin"  # racial-or-ethnic-origin
    POLITICAL_OPINIONS = "political-opinions"  # political-opinions
    RELIGIOUS_OR_PHILOSOPHICAL_BELIEFS = "religious-or-philosophical-beliefs"  # religious-or-philosophical-beliefs
    TRADE_UNION_MEMBERSHIP = "trade-union-membership"  # trade-union-membership
    GENETIC_DATA = "genetic-data"  # genetic-data
    BIOMETRIC_DATA = "biometric-data"  # biometric-data
    HEALTH = "health"  # health
    SEX_LIFE_OR_SEXUAL_ORIENTATION = "sex-life-or-sexual-orientation"  # sex-life-or-sexual-orientation


VOCABULARIES: Final[Mapping[str, type[StrEnum]]] = MappingProxyType(
    {
        "phenomenon": Phenomenon,
        "outcome": Outcome,
        "evidence_level": EvidenceLevel,
        "review_status": ReviewStatus,
        "prevention_level": PreventionLevel,
        "agency_type": AgencyType,
        "agency_role": AgencyRole,
        "company_engagement": CompanyEngagement,
        "intervention_type": InterventionType,
        "setting": Setting,
        "bias": Bias,
        "referral_source": ReferralSource,
        "pathway_stage": PathwayStage,
        "tension_basis": TensionBasis,
        "tension_level": TensionLevel,
        "source_kind": SourceKind,
        "failure_factor": FailureFactor,
        "obs_status": ObsStatus,
        "conf_status": ConfStatus,
        "sharing": Sharing,
        "never_share": NeverShare,
    }
)


def label(term: StrEnum) -> str:
    """The English label of a term. Raises KeyError when the term is of none of these vocabularies."""
    return _labels()[type(term)][term.value]


@cache
def _labels() -> Mapping[type[StrEnum], Mapping[str, str]]:
    """Read the labels once, when somebody first asks for one."""
    document = json.loads(resources.files(__package__).joinpath("vocabulary.json").read_text(encoding="utf-8"))
    return {
        VOCABULARIES[name]: {term["code"]: term["label"] for term in terms}
        for name, terms in document["vocabularies"].items()
    }
