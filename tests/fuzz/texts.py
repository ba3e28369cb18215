"""Texts of every kind. Each function makes one, and the plain English words in it that have to be said in order."""

import random
import string
from collections.abc import Callable

# None is a part of another, or of what a number or a sign is read as.
WORDS = (
    "yellow", "garden", "window", "mountain", "kitchen", "teacher", "summer", "blanket", "purple", "monkey", "basket",
    "winter", "carpet", "river", "bottle", "finger", "pencil", "rabbit", "silver", "tomato", "jacket", "candle",
)  # fmt: skip
_SPACES = (" ", "  ", "\n", "\t", "\u00a0", "\u200b", "\u2003", "\r\n", " \n\n ")
_JOINTS = (" ", " ", " ", "-", "–", "—", "/", ", ", ",", ". ", "...", "; ", ":", " & ", "(", ")", "'", "’", '"', "_",
           "+", "=", "*", "#", "$", "€", "£", "%", "°", "|", "~", "^", "<", ">", "…", "‰", "\\", "!", "?", "[",
           "]", "@",
           "·", "•", "«", "»", "“", "”")  # fmt: skip
_BLOCKS = ((0x20, 0x7F), (0x80, 0x100), (0x100, 0x250), (0x250, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0x980),
           (0x1E00, 0x2070), (0x2070, 0x2190), (0x2190, 0x2C00), (0x3000, 0x30FF), (0x4E00, 0x5000), (0xAC00, 0xAD00),
           (0xE000, 0xE010), (0xFB00, 0xFB50), (0xFE00, 0xFE10), (0xFF00, 0xFFFF), (0x1D400, 0x1D7FF),
           (0x1F300, 0x1FAFF), (0xE0020, 0xE0080), (0x00, 0x20))  # fmt: skip
_EMOJI = ("😀", "👍🏽", "👨‍👩‍👧‍👦", "🇺🇸", "1️⃣", "❤️", "☺", "✅", "🏳️‍🌈", ":-)", "(^_^)", "¯\\_(ツ)_/¯", "♥", "→", "™", "©",
          "★", "𝓗𝓮𝔂", "ⓐ", "½", "²", "№", "℃", "㎏", "Ⅷ", "١٢٣", "１２３", "٪", "。", "、", "！", "？",
          "　")  # fmt: skip

Made = tuple[str, list[str]]


def _digits(rng: random.Random, most: int = 6) -> str:
    return "".join(rng.choice(string.digits) for _ in range(rng.randint(1, most)))


def number(rng: random.Random) -> str:
    """Something with digits in it, as people write it: amounts, dates, times, measures, versions."""
    a, b, c = _digits(rng), _digits(rng, 3), _digits(rng, 2)
    return rng.choice([
        a, f"-{a}", f"{a}.{b}", f".{b}", f"{b},{_digits(rng, 3).zfill(3)}", f"{a}st", f"{a}nd", f"{a}rd", f"{a}th",
        f"${a}", f"${a}.{c.zfill(2)}", f"€{b}", f"{b}€", f"£{b}k", f"${b}.{c}B", f"₹{a}", f"US${a}", f"{b}%", f"{b}‰",
        f"{c}:{c.zfill(2)}", f"{c}:{c.zfill(2)}:{c.zfill(2)}", f"{c} AM", f"{c}p.m.", f"{c}:{c}pm", f"{c}/{c}/{a}",
        f"{a[:4].zfill(4)}-{c.zfill(2)}-{c.zfill(2)}", f"{a}-{b}", f"{a}–{b}", f"{b}/{c}", f"{c} {b}/{c}", f"{c}½",
        f"{a}s", f"'{c}s", f"{a}'s", f"v{c}.{b}.{c}", f"{c}e{b}", f"{c}E-{c}", f"{c}x{c}", f"{c}×{c}", f"10^{c}",
        f"{b} km", f"{b}kg", f"{b} m/s", f"{c} ft. {c} in.", f"{b}°C", f"{b}°", f"{c} GB", f"{c}mph", f"{c} sq. ft.",
        f"+{c} ({b}) {_digits(rng, 3)}-{a}", f"({b}) {b}-{a}", f"{b}.{b}.{b}.{b}", f"#{a}", f"No. {a}",
        f"№{a}", f"§{a}",
        f"p. {a}", f"Fig. {c}", f"Jan. {c}", f"Mon. {c} May", f"{a}, {b}, {c}", f"{a};{b}", f"{a}{'0' * 30}", f"0x{a}",
        f"{a}{rng.choice(string.ascii_letters)}{b}", f"±{a}", f"{a}±{c}", f"{a}!", f"≤{a}", f"~{a}", f"{c} > {b}",
        f"{a} = {b}", f"{c}+{b}", f"{c}*{b}", f"{a}²", f"H2O{c}", f"COVID-{c}", f"MP{c}", f"{c}D", f"1,2,{c}", f"{a},",
    ])  # fmt: skip


def numbers(rng: random.Random) -> Made:
    """Numbers and words, with anything between them."""
    said, parts = rng.sample(WORDS, rng.randint(1, 5)), []
    for word in said:
        parts += [number(rng), rng.choice(_JOINTS), word, rng.choice(_JOINTS)]
    return "".join(parts), said


def joints(rng: random.Random) -> Made:
    """Words, with signs between them."""
    said = rng.sample(WORDS, rng.randint(2, 8))
    return "".join(word + "".join(rng.choices(_JOINTS, k=rng.randint(1, 3))) for word in said), said


def unicode(rng: random.Random) -> Made:
    """Letters of all scripts, signs and control characters, with words among them."""
    said, parts = rng.sample(WORDS, rng.randint(1, 4)), []
    for word in said:
        chosen = [chr(rng.randrange(*rng.choice(_BLOCKS))) for _ in range(rng.randint(0, 12))]
        parts += ["".join(letter for letter in chosen if letter not in "{}"), rng.choice(_SPACES), word, " "]
    return "".join(parts), said


def emoji(rng: random.Random) -> Made:
    """Emoji, and letters that are drawn as signs."""
    said = rng.sample(WORDS, rng.randint(1, 4))
    return "".join(word + " " + "".join(rng.choices(_EMOJI, k=rng.randint(1, 4))) + " " for word in said), said


def prose(rng: random.Random) -> Made:
    """Sentences with names, abbreviations, quotation marks and apostrophes."""
    said = rng.sample(WORDS, rng.randint(3, 9))
    more = ("Dr. Smith", "Mr. O'Brien", "the U.S.", "e.g.", "St. Paul's", "don't", "I'm", "etc.", "J. R. R. Tolkien",
            "NASA", "the FBI's", "Ph.D.", "a.m.", "vs.", "Inc.", "rock 'n' roll", "World War II", "well-known", "'twas",
            "y'all'd've", "AT&T", "R2-D2", "iPhone", "COVID-19", "café", "naïve", "Zoë", "Å", "Plan B")  # fmt: skip
    parts = []
    for word in said:
        word = rng.choice(
            [word, word.capitalize(), word, f'"{word}"', f"‘{word}’", f"({word})", f"{word}'s", f"*{word}*"]
        )
        parts += [word, *rng.sample(more, rng.randint(0, 1))]
    ends = [rng.choice([" ", " ", " ", ", ", ". ", "! ", "? ", "; ", " - ", "—", "... ", ":\n", "\n\n"]) for _ in parts]
    return "".join(part + end for part, end in zip(parts, ends, strict=True)), said


def markup(rng: random.Random) -> Made:
    """What is copied from elsewhere: HTML, Markdown, code, addresses, paths."""
    said, parts = rng.sample(WORDS, rng.randint(2, 5)), []
    for word in said:
        parts.append(rng.choice([
            f"<b>{word}</b>", f'<a href="https://a.org/x?y=1&z=2">{word}</a>', f"&nbsp;{word}&amp;", f"**{word}**",
            f"# {word}\n", f"- [ ] {word}\n", f"[{word}](http://b.com)", f"`{word}`", f"```py\n{word}()\n```\n",
            f"https://www.{word}.com/a_b-c.html#d", f"{word}@mail.example.org", f"C:\\{word}\\x.txt",
            f"/usr/{word}/a.b",
            f"<speak>{word}<break time='1s'/></speak>", f"\\textbf({word})", f"$x^2_{word}$", f"@{word}", f"#{word}",
            f"| {word} | 5 |\n", f"[1] {word}", f"{word}=5;", f"--{word}", f'"{word}": [1, 2],',
            f"\x1b[31m{word}\x1b[0m",
            f"%s {word} %d", f"${word}", f"{word}.py", f"{word}()", f"//{word}", f"<!-- {word} -->",
        ]))  # fmt: skip
    return " ".join(parts), said


def braces(rng: random.Random) -> Made:
    """Sounds and pauses in braces, right and wrong, nested and left open; all of them may be refused."""
    sounds = ("HH AH0 L OW1", "hh ah l ow", "R EH1 D", "ɹ ˈɛ d", "ɹˈɛd", "/", "%", ";", "", " ", "R EH5 D",
              "QQ", "ˈ", "əʊ",
              "{R EH1 D}", "R {EH1} D", "1", "yellow", "$", "ɹ" * 300, "R " * 300, "мир", "\n", "'", "R\nEH1",
              "😀")  # fmt: skip
    said, parts = rng.sample(WORDS, rng.randint(1, 4)), []
    for word in said:
        inner = rng.choice(sounds)
        form = rng.choice(["{%s}", "{%s", "%s}", "{{%s}}", "{%s}}", "{ %s }", "}%s{", "{%s}{%s}", "{%s} {%s}"])
        parts += [form.replace("%s", inner), rng.choice([" ", "", ", "]), word, rng.choice([" ", ". "])]
    return "".join(parts), said


KINDS: dict[str, tuple[Callable[[random.Random], Made], int]] = {
    "numbers": (numbers, 500), "joints": (joints, 250), "unicode": (unicode, 250), "emoji": (emoji, 100),
    "prose": (prose, 200), "markup": (markup, 150), "braces": (braces, 200),
}  # fmt: skip

LONG: dict[str, Callable[[int], str]] = {
    "sentences": lambda size: "The teacher has a yellow garden. " * (size // 33),
    "one sentence": lambda size: "the teacher has a yellow garden " * (size // 32),
    "clauses": lambda size: "yellow, " * (size // 8),
    "digits": lambda size: "7" * size,
    "numbers": lambda size: "12345 " * (size // 6),
    "grouped digits": lambda size: "1" + ",234" * (size // 4),
    "decimals": lambda size: "1.5" * (size // 3),
    "spaces": lambda size: f"yellow{' ' * size}garden",
    "lines": lambda size: f"yellow{chr(10) * size}garden",
    "tabs and blanks": lambda size: "yellow" + " \t\n" * (size // 3) + "garden",
    "dots": lambda size: "yellow " + "." * size,
    "commas": lambda size: "5" + "," * size,
    "one word": lambda size: "a" * size,
    "capitals": lambda size: "Q" * size,
    "initials": lambda size: "U.S." * (size // 4),
    "dotted": lambda size: "a." * (size // 2),
    "abbreviations": lambda size: "Dr. " * (size // 4),
    "hyphens": lambda size: "yellow" + "-" * size,
    "apostrophes": lambda size: "yellow" + "'" * size,
    "accents": lambda size: "e" + "\u0301" * size,
    "emoji": lambda size: "yellow " + "😀" * size,
    "money": lambda size: "$1" * (size // 2),
    "times": lambda size: "1:" * (size // 2),
    "slashes": lambda size: "1/" * (size // 2),
    "open braces": lambda size: "yellow " + "{" * size,
    "closed braces": lambda size: "yellow " + "{R EH1 D} " * (size // 10),
    "addresses": lambda size: "yellow " + "a@" * (size // 2) + "b.com",
    "url": lambda size: "https://a.com/" + "a/" * (size // 2),
    "quotes": lambda size: '"' * size + "yellow",
    "parentheses": lambda size: "(" * size + "yellow" + ")" * size,
    "nothing": lambda size: "*" * size,
}
