"""The hub's tables, the same on SQLite and PostgreSQL.

`entries` and `tiles` are the log and only grow; `contents` holds what was signed and can be erased without touching
the log; everything else says how far somebody is.
"""

from regional_hub.orm.accounts import (
    AccountRow,
    InvitationRow,
    PendingSignInRow,
    RecoveryCodeRow,
    ScriptTokenRow,
    SecondFactorRow,
    SessionRow,
    SignInAttemptRow,
)
from regional_hub.orm.columns import Base, BigId, UtcTime, table_of
from regional_hub.orm.delivering import DeliveryRow
from regional_hub.orm.figures import FiguresHeadRow, SeriesRow, ShownCellRow, ShownSumRow
from regional_hub.orm.following import (
    EvidenceRow,
    MirrorLeafRow,
    QuarantineReportRow,
    QuarantineRow,
    RecallReportRow,
    SourceRow,
)
from regional_hub.orm.log import CheckpointRow, ContentRow, EntryRow, HeadRow, TileRow
from regional_hub.orm.members import EnrolmentCodeRow, EnrolmentRow, MemberRow
from regional_hub.orm.oversight import AlarmRow, AuditRow
from regional_hub.orm.recovery import (
    RecoveryContentRow,
    RecoveryHeardRow,
    RecoveryLeafRow,
    RecoveryNoteRow,
    RecoveryRow,
)
from regional_hub.orm.relaying import RelayItemRow, RelayQuestionRow
from regional_hub.orm.sealed import SealedBatchRow, SealedShareRow, SealedWordRow
from regional_hub.orm.sums import RECOVERED, AggregateRow, ChargeRow
from regional_hub.orm.watch_views import MailAddressRow, WatchViewRow
from regional_hub.orm.watching import TrendAlertRow, TrendLookRow
from regional_hub.orm.witnessing import CosignatureRow, HeadEvidenceRow, WitnessedRow, WitnessRow

__all__ = [
    "RECOVERED",
    "AccountRow",
    "AggregateRow",
    "AlarmRow",
    "AuditRow",
    "Base",
    "BigId",
    "ChargeRow",
    "CheckpointRow",
    "ContentRow",
    "CosignatureRow",
    "DeliveryRow",
    "EnrolmentCodeRow",
    "EnrolmentRow",
    "EntryRow",
    "EvidenceRow",
    "FiguresHeadRow",
    "HeadEvidenceRow",
    "HeadRow",
    "InvitationRow",
    "MailAddressRow",
    "MemberRow",
    "MirrorLeafRow",
    "PendingSignInRow",
    "QuarantineReportRow",
    "QuarantineRow",
    "RecallReportRow",
    "RecoveryCodeRow",
    "RecoveryContentRow",
    "RecoveryHeardRow",
    "RecoveryLeafRow",
    "RecoveryNoteRow",
    "RecoveryRow",
    "RelayItemRow",
    "RelayQuestionRow",
    "ScriptTokenRow",
    "SealedBatchRow",
    "SealedShareRow",
    "SealedWordRow",
    "SecondFactorRow",
    "SeriesRow",
    "SessionRow",
    "ShownCellRow",
    "ShownSumRow",
    "SignInAttemptRow",
    "SourceRow",
    "TileRow",
    "TrendAlertRow",
    "TrendLookRow",
    "UtcTime",
    "WatchViewRow",
    "WitnessRow",
    "WitnessedRow",
    "table_of",
]
