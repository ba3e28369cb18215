"""Which pronunciation a word has in its sentence: by its part of speech, or by the words around it."""

import re
from collections.abc import Sequence

# The roles of gruut's lexicon to look for, in their order, by a tag of the Penn treebank or its first letter; the empty
# one is that of words which are said in one way.
_ROLES = {
    "VBD": ("VBD", "VB", "", "NN", "JJ"),
    "VBN": ("VBD", "VB", "", "NN", "JJ"),
    "V": ("VB", "", "NN", "JJ"),
    "N": ("NN", "", "JJ", "VB"),
    "J": ("JJ", "", "NN", "VB"),
    "R": ("RB", "", "JJ", "NN", "VB"),
}
# Readings that gruut's lexicon lacks, or has wrong, by role; `None` removes one that hardly anybody means.
READINGS: dict[str, dict[str, str | None]] = {
    "tear": {"NN": "t ˈɪ ɹ", "VB": "t ˈɛ ɹ"},
    "tears": {"NN": "t ˈɪ ɹ z", "VB": "t ˈɛ ɹ z"},
    "bow": {"NN": "b ˈoʊ", "VB": "b ˈaʊ"},
    "bows": {"NN": "b ˈoʊ z", "VB": "b ˈaʊ z"},
    "bass": {"NN": "b ˈeɪ s", "fish": "b ˈæ s"},
    "lead": {"VBD": None},
    "leads": {"NN": None, "VB": "l ˈi d z"},
    "close": {"NN": "k l ˈoʊ z"},
    "contract": {"JJ": None, "VB": "k ə n t ɹ ˈæ k t"},
    "dove": {"VB": "d ˈoʊ v"},
    "proceed": {"NN": None, "VB": "p ɹ ə s ˈi d"},
    "houses": {"NN": "h ˈaʊ z ɪ z"},
    "upset": {"JJ": "ʌ p s ˈɛ t"},
    "outside": {"NN": "aʊ t s ˈaɪ d"},
    "de": {"VB": None},
    "evening": {"VB": None},
    "evenings": {"VB": None},
    "ragged": {"VB": None},
    "wicked": {"VB": None},
    "marked": {"JJ": None},
    "resent": {"VBD": None},
    "number": {"JJ": None},
    "supply": {"RB": None},
    "apply": {"JJ": None},
    "irony": {"JJ": None},
    "minutely": {"JJ": None},
    "multiply": {"RB": None},
    **{word: {"NN": None} for word in ("nice", "real", "won", "do", "dos", "were", "re", "hinder", "hinders", "lied")},
    **{word: {"NN": None} for word in ("nestle", "coax", "coaxes", "maas", "slaver", "agape", "consist", "consists")},
}
_BE = "(am|is|are|was|were|be|been|being)"
_HAVE = "(have|has|had|having|i've|you've|we've|they've|haven't|hasn't|hadn't)"
_MODAL = "(to|will|can|could|would|should|must|may|might|did|do|does|didn't|don't|doesn't|can't|let's|please|i'll)"
_AUXILIARIES = re.compile(
    "i|we|they|you|who|will|would|could|should|must|might|may|cannot|let's|(do|does|did|ca|wo|could|would|should)n't"
)
_DETERMINERS = re.compile("the|an?|my|your|its|our|their|his|every")
_ITS = "(an?|the|his|her|its|my|your|our|their|this|that|no|new|early|big|good|clear|small|narrow|slight|huge)"
_SHIP = "(ship|boat|vessel|yacht|canoe|steamer)"
_FISHING = "(catch|catches|caught|fish|fishing|lake|sea|striped|largemouth|smallmouth|fried|grilled|ate|eat|eats)"
# (role, the words that stand before, those that stand behind); the first row that fits decides, else the tagger. The
# patterns are of whole words, each with one blank.
_CONTEXTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "lead": (
        ("NN", "", "(pipes?|paint|poison.*?|acid|weights?|bullets?|ore|shot|mines?|glass|crystal|balloon|roofs?)"),
        ("VB", _ITS, ""),
        ("VB", "", "(singer|actor|actress|role|guitar.*?|story|time|engineer|designer|character|vocal.*?)s?"),
    ),
    "live": (
        ("VB", "(to|who|they|we|you|i|people|where|that|will|can|cannot|not|don't|should|must|could|would)", ""),
        ("JJ", "(watch|see|hear|stream|televis|perform|play|record|show|air)(ed|s|ing|e|es|n)?( .*)?", ""),
        ("JJ", "(saw|heard|broadcast|sang|sung|sing|shown|report|reporting)( .*)?", ""),
        ("JJ", "", "(on (tv|television|air|radio|stage)|from)"),
    ),
    "close": (
        ("VB", _MODAL, ""),
        ("JJ", "", "(to|by|behind|together|at hand)"),
    ),
    "tear": (
        ("VB", "wear and", ""),
        ("NN", "", "in (his|her|my|your|our|their|one|each|an?) (.* )?eyes?"),
        ("VB", "an?( .*)?", "in"),
    ),
    "bow": (
        ("VB", "(take|takes|took|taken|taking|make|makes|made|deep|low|slight|final|polite|stiff|little)( an?)?", ""),
        ("VB", "", f"of (the|a|his|her|its|our|their) (.* )?{_SHIP}"),
        ("VB", f"{_SHIP}'s", ""),
        ("VB", "", "to stern"),
    ),
    "bass": (
        ("fish", f"{_FISHING}( .*)?", ""),
        ("fish", "", "(fish.*?|boats?|in the (lake|river|pond))"),
    ),
    "minute": (
        ("JJ", f"({_BE}|so|very|too|more|most|extremely)", ""),
        ("JJ", "", "(particle|detail|amount|quantity|quantitie|trace|difference|change|creature|fragment|grain)s?"),
    ),
    "read": (
        ("VB", f"{_MODAL}( not| never| always| often| also)?", ""),
        ("VBD", f"({_HAVE}|{_BE})( not| never| ever| just| already| always| often| also| only| .*ly)*", ""),
        ("VBD", f"{_HAVE} .*", ""),
        ("VB", "(did|does|do) .*", ""),
        ("VBD", "(he|she|it)", ""),
        ("VB", "(i|you|we|they|people|children)( always| often| usually| never)?", ".* (every|each) .*"),
    ),
    "object": (("VB", "(to|i|you|we|they|people|anyone|nobody|anybody|who)", ""),),
    "invalid": (("NN", "(an|the|this|that|poor|old|helpless|chronic)", "($|for|who|and|was|had|in|since|whose)"),),
}


def roles(words: Sequence[str], tags: Sequence[str]) -> list[str]:
    """The role of each word of a sentence: its tag, unless the words around it say better."""
    words = [word.lower() for word in words]
    return [
        (_in_context(words, place) if word in _CONTEXTS else None) or _behind(words[place - 1] if place else "", tag)
        for place, (word, tag) in enumerate(zip(words, tags, strict=True))
    ]


def _behind(previous: str, tag: str) -> str:
    """The tag of a word, or what it has to be behind the one before it: the tagger errs on rare words."""
    if _DETERMINERS.fullmatch(previous) and tag in ("VB", "VBP", "VBZ"):
        return "NN"
    return "VB" if _AUXILIARIES.fullmatch(previous) and tag in ("NN", "NNS", "JJ") else tag


def _in_context(words: Sequence[str], place: int) -> str | None:
    """What the contexts of a word say, None if none of them fits."""
    before, behind = " ".join(words[max(0, place - 4) : place]), " ".join(words[place + 1 : place + 6])
    for role, left, right in _CONTEXTS[words[place]]:
        if re.search(rf"(^|\s){left}$" if left else "", before) and re.match(
            rf"{right}(\s|$)" if right else "", behind
        ):
            return role
    return None


def candidates(tag: str) -> tuple[str, ...]:
    """The roles of the lexicon to look for, in their order, for the role or tag of a word."""
    return (tag, *_ROLES.get(tag, _ROLES.get(tag[:1], ("",))))
