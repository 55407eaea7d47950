"""Columns of a row that can be found by any substring of its values."""

from sqlalchemy import Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column


class Searchable:
    """Folded text and hashed bigrams (rules in `search.rules`); each table indexes `grams` with GIN."""

    search_text: Mapped[str] = mapped_column(Text)
    grams: Mapped[list[int]] = mapped_column(ARRAY(Integer))
