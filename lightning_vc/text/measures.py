"""Names of units and currencies, and of amounts of them.

In a name, # stands where the plural ending goes: mile# per hour.
"""

from lightning_vc.text.numbers import cardinal, number
from lightning_vc.text.tables import rows

_PREFIXES = {
    **{"k": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "h": "hecto"},
    **{"d": "deci", "c": "centi", "m": "milli", "μ": "micro", "u": "micro", "n": "nano"},
}
_ROWS = rows("units.tsv")
UNITS = {
    **{form + symbol: _PREFIXES[form] + name for symbol, name, forms in _ROWS for form in forms if form in _PREFIXES},
    **{symbol: name for symbol, name, forms in _ROWS if "1" in forms},
}
DOTTED_UNITS = {symbol: name for symbol, name, forms in _ROWS if "." in forms}  # lb., ft.
_FOLDED = {unit.casefold(): name for unit, name in reversed(UNITS.items()) if len(unit) > 1}
CURRENCIES = {sign: (whole, hundredth) for sign, whole, hundredth in rows("currencies.tsv")}
SCALES = {
    **dict.fromkeys(("k", "K"), "thousand"),
    **dict.fromkeys(("m", "M", "mn", "mln"), "million"),
    **dict.fromkeys(("b", "B", "bn", "Bn", "bln"), "billion"),
    **dict.fromkeys(("t", "T", "tn", "Tn", "trn"), "trillion"),
    **{word: word for word in ("hundred", "thousand", "million", "billion", "trillion", "lakh", "crore")},
}
_IRREGULAR = {"foot": "feet", "inch": "inches", "penny": "pence"}


def unit(symbol: str) -> str | None:
    """The name of a unit, whatever the case of a symbol of several letters; None for what is no unit."""
    return UNITS.get(symbol) or _FOLDED.get(symbol.casefold())


def singular(name: str) -> str:
    """One of a unit."""
    return name.replace("#", "")


def plural(name: str) -> str:
    """Several of a unit."""
    head, mark, rest = name.partition("#")
    *before, noun = head.split(" ")
    return " ".join([*before, _IRREGULAR.get(noun, f"{noun}s")]) + rest if mark else name


def counted(amount: str, name: str) -> str:
    """The name of a unit as it follows a number: 1 mile, 1.5 miles."""
    return singular(name) if amount == "1" else plural(name)


def money(amount: str, currency: str, scale: str = "") -> str:
    """An amount of a currency: $3.50 as three dollars fifty cents, $1.2M as one point two million dollars."""
    whole_name, part_name = CURRENCIES[currency]
    whole, _, part = amount.partition(".")
    if scale or len(part) not in (0, 2):
        return " ".join([number(amount), *([SCALES[scale]] if scale else []), plural(whole_name)])
    parts = f"{cardinal(part)} {counted(part.lstrip('0'), part_name)}" if part.strip("0") else ""
    if parts and not whole.strip("0"):
        return parts
    return f"{cardinal(whole or '0')} {counted(whole, whole_name)} {parts}".strip()
