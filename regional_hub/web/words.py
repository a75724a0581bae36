"""What the hub's pages say, in the language of whoever reads it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final

from shared_schema.problem import ProblemCode
from shared_schema.service.pages import words
from shared_schema.service.pages.error_words import SENTENCES as SHARED_SENTENCES
from shared_schema.service.pages.site import CATALOGUES as SHARED_CATALOGUE
from shared_schema.service.translations import N_
from shared_schema.statement import Audience, Kind

CATALOGUES: Final = ("regional_hub.web.locales", SHARED_CATALOGUE)
SENTENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **SHARED_SENTENCES,
        "fingerprint-mismatch": N_(
            "That is not the fingerprint of the key that waits. Nobody was admitted. Have it read out once more."
        ),
        "name-taken": N_("This name or this key belongs to somebody already."),
        "key-not-valid": N_("This member has ended for ever. Under the same name it needs a new key."),
        "kind-not-allowed": N_("Only a city gets a new key like this. A hub announces its next key itself."),
        "policy-looser-than-parent": N_("This allows more than the hub above does. Nothing was changed."),
        "policy-untried": N_("Text or policy have changed since the test. Test it again, then put it in force."),
        "name-typed": N_("That is not the name of this member. Nothing was changed."),
        "view-name": N_("Please give the view a name of 1 to 60 letters."),
        "view-taken": N_("One of your views has this name already."),
        "view-many": N_("Twenty views are enough. Remove one first."),
        "mail-address": N_("Your account has no e-mail address that can be used. Add it to your account first."),
        "mail-unset": N_("This hub sends no e-mails yet."),
        "address-often": N_("A code was asked for a short while ago. Wait ten minutes; there are five in a day."),
        "address-confirmed": N_("Your address is confirmed already."),
        "address-code": N_("That is not the code of the newest e-mail. A code holds for an hour and for five tries."),
        "log-behind": N_("This hub is being restored and signs nothing until it has everything. Try again later."),
    }
)
REASONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ProblemCode.SCHEMA: N_("It has a form that this program does not know; it may be of a newer release."),
        ProblemCode.TEXT: N_("Its text has characters that nobody sees."),
        ProblemCode.TOO_LARGE: N_("It is too large."),
        ProblemCode.MALFORMED_JSON: N_("It cannot be read."),
        ProblemCode.NOT_CANONICAL: N_("It is not in the one spelling that is allowed."),
        ProblemCode.NO_SIGNATURE: N_("Nobody has signed it."),
        ProblemCode.BAD_SIGNATURE: N_("Its signature does not hold: it is not what its author signed."),
        ProblemCode.UNKNOWN_KEY: N_(
            "Nobody here knows the key that signed it. It is tried again with every new member."
        ),
        ProblemCode.KEY_NOT_VALID: N_("Its key was revoked, or its author has left."),
        ProblemCode.MEMBER_NOT_ACTIVE: N_("Its author is suspended."),
        ProblemCode.WRONG_ORIGIN: N_("Somebody speaks in another member's name."),
        ProblemCode.KIND_NOT_ALLOWED: N_("Its author may not say this."),
        ProblemCode.KIND_MISMATCH: N_("It says to be something else than it is."),
        ProblemCode.WEAK_KEY: N_("Its key is weak."),
        ProblemCode.SEQ_CONFLICT: N_("One member has signed two contents under one number."),
        ProblemCode.SEQ_TOO_LOW: N_("Its number was used before."),
        ProblemCode.RELEASE_RULE: N_("It does not keep the rules for what is shared."),
        ProblemCode.UNKNOWN_TABLE: N_("The policy in force does not know its table."),
        ProblemCode.GRID_MISMATCH: N_("Its cells are not those of the table."),
        ProblemCode.PRIVACY_FLOOR: N_("It protects less than the policy asks for."),
        ProblemCode.PRIVACY_BUDGET: N_("The year's privacy budget for it is used up."),
        ProblemCode.BAD_SHARE: N_("A count in it is out of its range, or its two halves do not belong together."),
        ProblemCode.SAME_OPERATOR: N_("Both hubs of a sealed total are run by one operator."),
        ProblemCode.BATCH_TERMS: N_("A sealed total was announced with terms that are not accepted here."),
        ProblemCode.BATCH_STATE: N_("A sealed total has come to another step than this one."),
        ProblemCode.ALREADY_ANSWERED: N_("A hub asked a second time for something that is answered only once."),
        ProblemCode.FEED_ROLLBACK: N_("A hub shows less of its log than before."),
        ProblemCode.FEED_FORK: N_("A hub has signed two logs that do not go together."),
        ProblemCode.FEED_ENTRY: N_("A hub's log has an entry that is not what it says."),
        ProblemCode.FEED_CHECKPOINT: N_("A hub's log is signed with another key than the known one."),
        ProblemCode.STALE_HEAD: N_("A hub has not vouched for its newest head for a long time."),
        ProblemCode.TOO_FEW_WITNESSES: N_("Too few witnesses vouch for a hub's log."),
        ProblemCode.LOG_DAMAGED: N_("This hub's log is not as it should be."),
        ProblemCode.LOG_BEHIND: N_("This hub's log is shorter than what it has signed."),
        ProblemCode.STORAGE_FULL: N_("There is no space left on the disk."),
        ProblemCode.CERTIFICATE: N_("The certificate of this hub ends soon, or is not believed."),
        ProblemCode.POLICY_LOOSER_THAN_PARENT: N_("This hub's policy allows more than that of the hub above."),
        ProblemCode.INTERNAL: N_("A sum cannot be made from what members handed in."),
    }
)
"""Code → why something was set aside, or what an alarm is about."""
KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        Kind.TREND: N_("Figures of a city"),
        Kind.AGGREGATE: N_("Sum"),
        Kind.PRACTICE: N_("Practice"),
        Kind.EXPERIENCE: N_("Experience"),
        Kind.BULLETIN: N_("Bulletin"),
        Kind.QUESTION: N_("Question"),
        Kind.ANSWER: N_("Answer"),
        Kind.WITHDRAWAL: N_("Withdrawal"),
        Kind.MEMBERSHIP: N_("Membership"),
        Kind.POLICY: N_("Policy"),
        Kind.RELAYED: N_("Item without its city's name"),
        Kind.BATCH: N_("Sealed total announced"),
        Kind.SHARE: N_("Sealed figures of a city"),
        Kind.ROSTER: N_("Who is in a sealed total"),
        Kind.AGGREGATE_SHARE: N_("One hub's half of a sealed total"),
        Kind.VOID: N_("Sealed total that is not opened"),
    }
)
AUDIENCES: Final[Mapping[str, str]] = MappingProxyType(
    {
        Audience.HUB: N_("this hub alone"),
        Audience.REGION: N_("the region"),
        Audience.NATION: N_("the country"),
        Audience.EUROPE: N_("Europe"),
    }
)
FAILURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "mail-unset": N_("No mail server is set: smtp_host and smtp_sender in hub.toml."),
        "mail-address": N_("This is no address that e-mails can go to."),
        "mail-recipient": N_("The mail server does not know the address that it was to go to."),
        "mail-refused": N_("The mail server did not take it."),
        "mail-unreachable": N_("The mail server does not answer."),
        "mail-encryption": N_("The way to the mail server cannot be encrypted, so nothing is sent."),
        "mail-password": N_("The mail server does not take the hub's user and password."),
        "mail-unsure": N_("The mail server broke off, so it may come twice."),
        "webhook-unset": N_("No webhook is set: alarm_webhook in hub.toml."),
        "webhook-secret": N_("The file with the webhook's secret cannot be read, or holds no secret."),
        "webhook-refused": N_("The webhook's server did not take it."),
        "webhook-redirect": N_("The webhook's server leads to another address. That is not followed."),
        "webhook-slow": N_("The webhook's server was too slow."),
        "webhook-unreachable": N_("The webhook's server does not answer."),
        "cut-off": N_("The program was cut off in the middle, so it may come twice."),
    }
)
"""Code → why a message was not taken."""
OTHER_REASON: Final = N_("This program has no sentence for the reason.")


class Words(words.Words):
    """One language with the time zone of the hub."""

    SENTENCES: ClassVar[Mapping[str, str]] = SENTENCES

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Those of both programs, and why something could not be taken."""
        return super().filters() | {
            "reason": lambda code: self.gettext(REASONS.get(code, OTHER_REASON)),
            "failure": lambda code: self.gettext(FAILURES.get(code, OTHER_REASON)),
            "visible": visible,
            "kind": lambda code: self.gettext(KINDS.get(code, code)),
            "audience": lambda code: self.gettext(AUDIENCES.get(code, code)),
        }


def visible(text: str) -> str:
    """A text in which signs that nobody sees are written as their numbers; only the audit trail has such ones."""
    return "".join(sign if sign.isprintable() else f"\\u{ord(sign):04x}" for sign in text)
