"""What somebody types is words and nothing else; SQLite itself says whether the expression is one."""

import sqlite3

import pytest

from local_node.search_query import MAX_LETTERS, MAX_TERMS, SearchError, fold, match_all, match_any, parse_words


def find(query: str, *texts: str) -> list[str]:
    """The texts that SQLite finds with every word of a query."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE VIRTUAL TABLE t USING fts5(x, tokenize = 'unicode61 remove_diacritics 2', prefix = '3')")
    database.executemany("INSERT INTO t VALUES (?)", [(fold(text),) for text in texts])
    match = match_all(parse_words(query))
    rows = database.execute("SELECT rowid FROM t WHERE t MATCH ? ORDER BY rowid", (match,)).fetchall()
    database.close()
    return [texts[row - 1] for (row,) in rows]


@pytest.mark.parametrize(
    "query",
    [
        '"', '""', '"open', 'open"', "NEAR(a b, 2)", "a NOT b", "-open", "open*", "*", "^open", "title:open",
        "{title}: x", "(", ")", "open AND", "OR", "'; DROP TABLE t; --", "open\0evenings", "\0", "\ud800open",
        "😀 open", "a+b", "\\", "%s", "„offen”", "«»", "e\u0301cole", "\u202eopen", "x" * MAX_LETTERS,
    ],
)  # fmt: skip
def test_nothing_that_is_typed_is_a_language(query: str) -> None:
    try:
        find(query, "open evenings")
    except SearchError as error:
        assert error.message.startswith("expected ")


@pytest.mark.parametrize("query", ['"', "*", "😀", "\0", "()", "--", "\ud800"])
def test_a_query_without_letters_or_digits_says_so(query: str) -> None:
    with pytest.raises(SearchError, match="letters or digits"):
        parse_words(query)


def test_a_document_in_place_of_a_query_is_refused_with_its_length() -> None:
    with pytest.raises(SearchError, match=f"at most {MAX_LETTERS} letters to search for, got 10000"):
        parse_words("word " * 2_000)


def test_many_words_are_cut_to_what_one_search_may_cost() -> None:
    assert len(parse_words(" ".join(f"w{number}" for number in range(100)))) == MAX_TERMS


def test_blanks_are_no_words_and_no_mistake() -> None:
    assert parse_words(" \n\t") == ()


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("strasse", "Gespräche auf der Straße"),
        ("STRASSE", "straße"),
        ("gesprache", "Gespräche"),
        ("Gespräche", "gesprache"),
        ("schul", "Am Schulhof"),
        ("ecole", "À l'école"),
        ("l'école", "une école"),
        ("coeur", "Au cœur du quartier"),
        ("geëerd", "geeerd"),
        ("één op één", "een op een"),
        ("Łódź", "lodz"),
        ("2015", "Herbst 2015"),
        ('"runder tisch"', "Ein Runder Tisch für alle"),
    ],
)
def test_words_are_found_in_their_spellings(query: str, text: str) -> None:
    assert find(query, text) == [text]


@pytest.mark.parametrize(
    ("query", "text"), [('"tisch runder"', "runder tisch"), ("in", "innen"), ("open shut", "open")]
)
def test_other_words_are_not_found(query: str, text: str) -> None:
    assert find(query, text) == []


def test_function_words_are_left_out_unless_there_is_nothing_else() -> None:
    assert match_all(parse_words("die Schule und das Geld")) == '"schule"* AND "geld"*'
    assert match_all(parse_words("l'école")) == '"école"*'
    assert match_all(parse_words("the who")) == '"who"*'
    assert match_all(parse_words("und")) == '"und"*'


def test_words_with_operators_between_them_are_looked_for_as_words() -> None:
    assert match_all(parse_words("near OR far")) == '"near"* AND "far"*'
    assert match_any(parse_words('"a b" c9')) == '"c9" OR "a b"'
