"""Search finds the parts of a name, too: *tril* where a page says `scale_tril`."""

import re

from sphinx.search.en import SearchEnglish

PARTS = re.compile("_|(?<=[a-z])(?=[A-Z])")  # `search.js` splits names likewise


class English(SearchEnglish):
    """English, with the names of code."""

    def split(self, input: str) -> list[str]:
        """Return the words of a text, and the parts of those that are names."""
        words = super().split(input)
        parts = [each for word in words for each in PARTS.split(word)]
        return [*words, *parts]
