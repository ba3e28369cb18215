"""Words that are spelled letter by letter, Roman numerals, and texts in capitals, which do not show what those are."""

import re

from lightning_vc.text.measures import CURRENCIES, unit
from lightning_vc.text.numbers import roman

LETTER = "·"  # in spoken text, behind each letter that is called by its name

_INITIALISMS = """
ABC AC ADHD AI AKA API ATM ATV BBC BBQ BC BCE BMI BMW BSC CBC CBS CCTV CD CDC CEO CFO CGI CIA CIO CNN CPA CPI CPR CPU
CSI CSS CST CTO CV DC DEA DIY DJ DMV DNA DVD DVR ECB EDT EEG EKG EPA ESL ESPN EU EV FAA FAQ FBI FCC FDA FTP FYI GDP
GDPR GMT GPA GPS GPU HBO HDMI HDTV HIV HQ HTML HTTP HTTPS IBM ICU ID IMF IOC IP IPO IQ IRS ISBN ISP IVF JFK JSON KFC
KGB LCD LGBT LGBTQ LLC LLM LP LSD MBA MGM MIT MLB MRI MSNBC MST MTV MVP NBA NBC NFL NGO NHL NHS NIH NPR NRA NSA NYC
NYPD OECD OK PBS PC PCR PDF PDT PHD PLC PR PST PTA PTSD PVC QA QR RFID RGB RNA RPM RSVP RV SEO SMS SQL SSD SSN SUV TB
TBA TLC TNT TTS TV UAE UFC UFO UI UK URL USA USB USC USD USSR UTC UV UX VAT VCR VHS VIP VP VPN VR WMD WTO WWF WWW XML
XYZ YMCA
"""
_ACRONYMS = """
ASEAN AWOL BRICS COVID FEMA FIFA GIF HIPAA IKEA JPEG NASDAQ OSHA POTUS SARS SCOTUS SWAT UEFA WIFI YOLO
"""
INITIALISMS = frozenset(_INITIALISMS.split())  # spelled in a text of capitals too
ACRONYMS = frozenset(_ACRONYMS.split())  # said as words, though the lexicon does not have them
# Words too, which a text of capitals may mean.
_COLLIDING = frozenset({"AD", "EST", "MC", "MD", "MP", "PM", "UN", "US"})
_COUNTRY = frozenset({"UN", "US"})  # what these mean behind an article

# Nouns whose members an A, I, V or X numbers.
SERIES = (
    "appendix|category|chapter|class|exhibit|figure|grade|group|hepatitis|level|option|part|phase|plan|section|series|"
    "set|stage|team|tier|type|version|vitamin|volume"
)
MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
SOVEREIGNS = (
    *("Alexander", "Alfonso", "Benedict", "Catherine", "Charles", "Edward", "Elizabeth", "Ferdinand", "Francis"),
    *("Frederick", "George", "Gregory", "Gustav", "Henry", "Innocent", "Ivan", "James", "John", "Joseph", "Leo"),
    *("Leopold", "Louis", "Ludwig", "Mary", "Maximilian", "Napoleon", "Nicholas", "Paul", "Peter", "Philip", "Pius"),
    *("Ramses", "Richard", "Rudolf", "Stephen", "Thutmose", "Urban", "Victor", "Wilhelm", "William"),
)
_PROPER = {name.upper(): name for name in (*MONTHS, *SOVEREIGNS)}
_WORD = re.compile(r"(?<![A-Za-z'])[A-Z]+(?:'[A-Z]+)*(?![a-z])")
_NUMBERED = re.compile(rf"\b(?:{SERIES}|world war) $", re.I)
_VOWELLESS = re.compile(r"(?!.*(.)\1$)[B-DF-HJ-NP-TV-XZ]{3,5}")  # PVC, but not HMM
_AFTER_LETTER = re.compile(r"\s*[.,;:!?+=/&]")
_AFTER_MEMBER = re.compile(r"\s*(?:$|[.,;:!?]|(?:AND|OR) [B-Z]\b)")


def spell(initialism: str, ending: str = "") -> str:
    """Mark the letters of an initialism to be called by their names, with its plural or possessive ending."""
    names = "".join(letter + LETTER for letter in initialism.upper() if letter.isalpha())
    return f"{names}'s" if ending else names


def is_initialism(word: str) -> bool:
    """Whether a word in capitals is spelled, in a text that is not all capitals."""
    return word in INITIALISMS or word in _COLLIDING


def is_roman(word: str) -> bool:
    """Whether a word in capitals is a Roman numeral and hardly anything else: IV, but not I, XX, CD or MIX."""
    return bool(roman(word)) and (len(word) > 3 or (len(word) > 1 and not word.strip("IVX") and word.strip("X") != ""))


def lower_capitals(text: str) -> str:
    """Write a text of capitals as one would with both cases: what is spelled keeps its capitals, names their first."""
    return _WORD.sub(_lower, text)


def _lower(match: re.Match[str]) -> str:
    word, text = match[0], match.string
    stem = re.sub("'?S$", "", word)
    before, after = text[max(0, match.start() - 12) : match.start()], text[match.end() : match.end() + 8]
    if word == "I" or (word in "AVX" and _NUMBERED.search(before) and _AFTER_MEMBER.match(after)):
        return word
    if word == "A" and _AFTER_LETTER.match(after):
        return word
    if word in CURRENCIES or word in ("WWI", "WWII") or after.startswith("$"):
        return word
    if word in INITIALISMS or is_roman(word) or (word in _COUNTRY and re.search(r"\bTHE $", before)):
        return word
    if stem in INITIALISMS and word != stem:
        return f"{stem}s"
    if re.search(r"\d-?$|\d $", before) and (unit(word) or word in ("AM", "PM", "AD", "EST", "PST")):
        return word
    if len(word) <= 3 and (re.match(r"\d|&[A-Z]", after) or before.endswith("&")):
        return word  # MP3, AT&T
    if len(word) == 1 and (re.search(r"\d$", before) or re.match(r"-\d", after)):
        return word  # 12A, B-52
    if _VOWELLESS.fullmatch(word):
        return word
    return _PROPER.get(word, word.lower())
