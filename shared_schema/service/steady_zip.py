"""A ZIP archive whose bytes depend on what is in it alone, so that the same table makes the same workbook.

`zipfile` writes the time of writing and the kind of machine into each member; here all members have one time. The
one part of a workbook that names the version of the library that wrote it is replaced.
"""

import shutil
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

APP_PART: Final = "docProps/app.xml"
_APP: Final = (
    b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties">'
    b"<Application>Prevention Exchange</Application></Properties>"
)
_UNIX: Final = 3
_OLDEST: Final = (1980, 1, 1, 0, 0, 0)
"""A ZIP archive knows no time before."""


class SteadyZip(ZipFile):
    """Takes the place of the archive into which openpyxl writes a workbook."""

    def __init__(self, out: IO[bytes], moment: datetime) -> None:
        super().__init__(out, "w", ZIP_DEFLATED, allowZip64=True)
        self._moment = max(moment.timetuple()[:6], _OLDEST)

    def writestr(self, zinfo_or_arcname: str | ZipInfo, data: Any, *_: Any, **__: Any) -> None:
        name = zinfo_or_arcname if isinstance(zinfo_or_arcname, str) else zinfo_or_arcname.filename
        info = self._member(name)
        super().writestr(info, _APP if info.filename == APP_PART else data)

    def write(self, filename: Any, arcname: Any = None, *_: Any, **__: Any) -> None:
        info = self._member(str(arcname or filename))
        info.file_size = Path(filename).stat().st_size  # decides whether the member needs a large header
        with Path(filename).open("rb") as source, self.open(info, "w") as target:
            shutil.copyfileobj(source, target)

    def _member(self, name: str) -> ZipInfo:
        info = ZipInfo(name, self._moment)
        info.compress_type = ZIP_DEFLATED
        info.create_system = _UNIX
        info.external_attr = 0o600 << 16
        return info
