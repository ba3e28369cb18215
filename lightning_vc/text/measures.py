"""Names of units and currencies, and of amounts of them.

In a name, # stands where the plural ending goes: mile# per hour.
"""

from lightning_vc.text.numbers import cardinal, number

_PREFIXES = {
    **{"k": "kilo", "M": "mega", "G": "giga", "T": "tera", "P": "peta", "h": "hecto"},
    **{"d": "deci", "c": "centi", "m": "milli", "μ": "micro", "u": "micro", "n": "nano"},
}
_PREFIXED = {  # units, and the prefixes that they have in practice
    **{"m": ("meter#", "kcdmμun"), "g": ("gram#", "kmμun"), "L": ("liter#", "hcdmμu"), "l": ("liter#", "hcdmμu")},
    **{"s": ("second#", "mμun"), "W": ("watt#", "kMGm"), "Wh": ("watt hour#", "kMGT"), "V": ("volt#", "km")},
    **{"A": ("amp#", "m"), "Ah": ("amp hour#", "m"), "Ω": ("ohm#", "kM"), "J": ("joule#", "kM")},
    **{"Hz": ("hertz", "kMGT"), "Pa": ("pascal#", "hkM"), "cal": ("calorie#", "k"), "eV": ("electron volt#", "kMGT")},
    **{"B": ("byte#", "kMGTP"), "b": ("bit#", "kMG"), "bps": ("bit# per second", "kMG")},
}
UNITS = {
    **{prefix + unit: _PREFIXES[prefix] + name for unit, (name, known) in _PREFIXED.items() for prefix in known},
    **{unit: _PREFIXED[unit][0] for unit in ("m", "g", "L", "l", "s", "W", "Wh", "V", "Ω", "Hz", "eV", "bps")},
    **{
        "KB": "kilobyte#",
        "Kbps": "kilobit# per second",
        "cal": "calorie#",
        "ha": "hectare#",
        "cc": "cubic centimeter#",
    },
    **{"ft": "foot#", "in": "inch#", "yd": "yard#", "yds": "yard#", "mi": "mile#", "lb": "pound#", "lbs": "pound#"},
    **{"oz": "ounce#", "gal": "gallon#", "qt": "quart#", "tsp": "teaspoon#", "tbsp": "tablespoon#"},
    **{"mph": "mile# per hour", "kph": "kilometer# per hour", "mpg": "mile# per gallon", "fps": "frame# per second"},
    **{"rpm": "revolution# per minute", "bpm": "beat# per minute", "psi": "pound# per square inch", "kn": "knot#"},
    **{"h": "hour#", "hr": "hour#", "hrs": "hour#", "min": "minute#", "mins": "minute#", "sec": "second#"},
    **{"secs": "second#", "yr": "year#", "yrs": "year#", "wk": "week#", "wks": "week#"},
    **{"°C": "degree# celsius", "°F": "degree# fahrenheit", "°K": "degree# kelvin", "°": "degree#"},
    **{"%": "percent", "‰": "per mille", "dB": "decibel#", "px": "pixel#", "ppm": "part# per million"},
}
_FOLDED = {unit.casefold(): name for unit, name in reversed(UNITS.items()) if len(unit) > 1}

CURRENCIES = {  # and their hundredths
    **{"$": ("dollar#", "cent#"), "€": ("euro#", "cent#"), "£": ("pound#", "penny#"), "¥": ("yen", "sen")},
    **{"₹": ("rupee#", "paisa"), "₩": ("won", "jeon"), "₽": ("ruble#", "kopeck#"), "₿": ("bitcoin#", "cent#")},
    **{"₪": ("shekel#", "agora"), "₺": ("lira#", "kurus"), "₴": ("hryvnia#", "kopeck#"), "₫": ("dong", "hao")},
    **{"฿": ("baht", "satang"), "₦": ("naira", "kobo"), "₱": ("peso#", "centavo#"), "₡": ("colon#", "centimo#")},
    **{"A$": ("australian dollar#", "cent#"), "AU$": ("australian dollar#", "cent#"), "US$": ("dollar#", "cent#")},
    **{"C$": ("canadian dollar#", "cent#"), "CA$": ("canadian dollar#", "cent#"), "S$": ("singapore dollar#", "cent#")},
    **{"NZ$": ("new zealand dollar#", "cent#"), "HK$": ("hong kong dollar#", "cent#"), "R$": ("real#", "centavo#")},
    **{"USD": ("dollar#", "cent#"), "EUR": ("euro#", "cent#"), "GBP": ("pound#", "penny#"), "JPY": ("yen", "sen")},
    **{"INR": ("rupee#", "paisa"), "CHF": ("swiss franc#", "centime#"), "CNY": ("yuan", "fen")},
    **{"AUD": ("australian dollar#", "cent#"), "CAD": ("canadian dollar#", "cent#"), "BTC": ("bitcoin#", "cent#")},
}
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
    """An amount of a currency: 3.50 dollars as three dollars fifty cents."""
    whole_name, part_name = CURRENCIES[currency]
    whole, _, part = amount.partition(".")
    if scale or len(part) not in (0, 2):
        return (
            f"{number(amount)} {SCALES[scale]} {plural(whole_name)}"
            if scale
            else f"{number(amount)} {plural(whole_name)}"
        )
    parts = f"{cardinal(part)} {counted(part.lstrip('0'), part_name)}" if part.strip("0") else ""
    if parts and not whole.strip("0"):
        return parts
    return f"{cardinal(whole or '0')} {counted(whole, whole_name)} {parts}".strip()
