"""How to read figures in the tools that analysts have: short programs that a test runs as they stand.

Each reads the token from the environment, so that nobody writes it into a file that is shared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from shared_schema.service.translations import N_

TOKEN_VARIABLE: Final = "PREVENTION_EXCHANGE_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, slots=True)
class Snippet:
    """One way: its heading, what to know before, and the program or the steps."""

    name: str
    hint: str
    text: str


def snippets_for(link: str) -> Mapping[str, Snippet]:
    """The snippets for a permanent link."""
    csv = f"{link}&format=csv"
    host = urlsplit(link).netloc
    return {
        "excel": Snippet(
            "Excel",
            N_("Data, Get Data, From Other Sources, Blank Query, Advanced Editor. Put your token in place of TOKEN."),
            f'''let
    Source = Csv.Document(
        Web.Contents("{csv}", [Headers = [Authorization = "Bearer TOKEN"]]),
        [Delimiter = ",", Encoding = 65001]
    ),
    Figures = Table.PromoteHeaders(Source, [PromoteAllScalars = true])
in
    Figures''',
        ),
        "r": Snippet(
            "R",
            N_("Needs nothing but R. Sets the figures that are not shown to NA."),
            f'''address <- "{csv}"
token <- Sys.getenv("{TOKEN_VARIABLE}")
figures <- read.csv(url(address, headers = c(Authorization = paste("Bearer", token))), fileEncoding = "UTF-8-BOM")
print(figures[c("area", "cell", "period", "status", "estimate", "low", "high")])''',
        ),
        "python": Snippet(
            "Python",
            N_("Needs nothing but Python. With pandas: pandas.read_csv(io.StringIO(text))."),
            f'''import csv
import io
import os
import urllib.request

request = urllib.request.Request("{csv}")
request.add_header("Authorization", "Bearer " + os.environ["{TOKEN_VARIABLE}"])
with urllib.request.urlopen(request) as answer:
    text = answer.read().decode("utf-8-sig")
for row in csv.DictReader(io.StringIO(text)):
    print(row["area"], row["cell"], row["period"], row["status"], row["estimate"], row["low"], row["high"])''',
        ),
        "curl": Snippet(
            "curl",
            N_("For scripts. Parquet instead of CSV: format=parquet."),
            f'curl --silent --fail --header "Authorization: Bearer ${TOKEN_VARIABLE}" '
            f'"{csv}" --output figures-{host.partition(":")[0]}.csv',
        ),
    }
