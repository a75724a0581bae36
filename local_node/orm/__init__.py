"""The node's tables, and nothing else. `migrations/` makes them; a test compares the two.

Times are UTC to the second, kept as text that sorts like the time it means. Contents are bytes, structured values are
canonical JSON text. `ledger` and `audit` are append-only: the migration puts triggers on them that refuse UPDATE,
DELETE and an INSERT that does not continue the chain.
"""

from local_node.orm.accounts import AccountRow, SessionRow, SignInAttemptRow
from local_node.orm.agencies import AgencyContactRow, AgencyRow
from local_node.orm.calendar import ActivityRow, CalendarRuleRow, ClashRow, DistrictRow
from local_node.orm.chains import AuditRow, LedgerRow
from local_node.orm.columns import Base, UtcTime
from local_node.orm.exchange import (
    AlarmRow,
    EvidenceRow,
    HeadEvidenceRow,
    HubRow,
    InboxRow,
    KeyChangeRow,
    MembershipRow,
    MirrorLeafRow,
    OutboxRow,
)
from local_node.orm.lessons import DraftRow
from local_node.orm.people import (
    InvitationRow,
    PendingSignInRow,
    RecoveryCodeRow,
    ScriptTokenRow,
    SecondFactorRow,
    SignInRulesRow,
    SignOnLinkRow,
)
from local_node.orm.picture import QuarterNoteRow, SumRow
from local_node.orm.reading import (
    MailingRow,
    NoteRow,
    ReaderRow,
    ReadItemRow,
    SavedViewRow,
    SubscriptionRow,
    UsefulMarkRow,
    ViewMarkRow,
)
from local_node.orm.records import (
    CollectedPeriodRow,
    CorrectionRecordRow,
    CountedUnitRow,
    EventRecordRow,
    ImportBatchRow,
    PersonRow,
    ReturnRecordRow,
)
from local_node.orm.releases import (
    SINGLE_ROW,
    ExportRow,
    RecallRow,
    ReleaseRequestRow,
    SealedShareRow,
    StatementSeqRow,
    WithdrawalRow,
)
from local_node.orm.returns import ColumnLayoutRow, ReturnDutyRow, ReturnEntryRow, ReturnSheetRow, ReturnVersionRow
from local_node.orm.search import SearchItemRow
from local_node.orm.setup import ClosedMeasureRow, OutsideMessageRow, RetentionRuleRow

__all__ = [
    "SINGLE_ROW",
    "AccountRow",
    "ActivityRow",
    "AgencyContactRow",
    "AgencyRow",
    "AlarmRow",
    "AuditRow",
    "Base",
    "CalendarRuleRow",
    "ClashRow",
    "ClosedMeasureRow",
    "CollectedPeriodRow",
    "ColumnLayoutRow",
    "CorrectionRecordRow",
    "CountedUnitRow",
    "DistrictRow",
    "DraftRow",
    "EventRecordRow",
    "EvidenceRow",
    "ExportRow",
    "HeadEvidenceRow",
    "HubRow",
    "ImportBatchRow",
    "InboxRow",
    "InvitationRow",
    "KeyChangeRow",
    "LedgerRow",
    "MailingRow",
    "MembershipRow",
    "MirrorLeafRow",
    "NoteRow",
    "OutboxRow",
    "OutsideMessageRow",
    "PendingSignInRow",
    "PersonRow",
    "QuarterNoteRow",
    "ReadItemRow",
    "ReaderRow",
    "RecallRow",
    "RecoveryCodeRow",
    "ReleaseRequestRow",
    "RetentionRuleRow",
    "ReturnDutyRow",
    "ReturnEntryRow",
    "ReturnRecordRow",
    "ReturnSheetRow",
    "ReturnVersionRow",
    "SavedViewRow",
    "ScriptTokenRow",
    "SealedShareRow",
    "SearchItemRow",
    "SecondFactorRow",
    "SessionRow",
    "SignInAttemptRow",
    "SignInRulesRow",
    "SignOnLinkRow",
    "StatementSeqRow",
    "SubscriptionRow",
    "SumRow",
    "UsefulMarkRow",
    "UtcTime",
    "ViewMarkRow",
    "WithdrawalRow",
]
