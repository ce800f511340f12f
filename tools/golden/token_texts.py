"""2,000 and more texts for the tokenizer goldens, from seeds: every script, emoji, code, white space, digits, contractions,
combining marks, control characters, long runs. A text is (unit, times): unit * times, so that a long run is a short line.

Only characters that Unicode had in version 13 are drawn (perl knows their age and script): pre-tokenizers ask for general
categories, and PCRE2, Oniguruma and Rust carry the tables of different versions for what came later.
"""
import functools
import itertools
import random
import subprocess
import unicodedata

from strings import FRAGMENTS, texts as old_texts

PERL = """use Unicode::UCD 'prop_invmap';
for my $p ('Script', 'Age') { my ($l, $m) = prop_invmap($p); printf "%s %d %s\\n", $p, $l->[$_], $m->[$_] for 0 .. $#$l; }"""

WHITE = [chr(c) for c in [*range(9, 14), 0x20, 0x85, 0xa0, 0x1680, *range(0x2000, 0x200b), 0x2028, 0x2029, 0x202f, 0x205f, 0x3000]]
CODE = ["int", "return", "if (", "for (i = 0; ", "}\n", "{\n", "    ", "\t", ";\n", "->", "==", "!=", "&&", "||", "x", "y_1", "fooBar", "FOO_BAR",
        "0x1F", "1e-9", "3.14f", "\"s\"", "'c'", "'\\n'", "//", "/* ", " */", "#define ", "::", "<T>", "[]", "()", "(a, b)", "=> ", "def f(self):\n",
        "None", "null", "true", "$x", "@attr", "\\d+", "%s", "${VAR}", "`", "```\n", "<!-- ", "-->", "</p>", "&nbsp;", ",", ", ", " = ", " += ", "\r\n", "!"]
WORDS = ["I", "he", "SHE", "it", "we", "They", "don", "can", "é", "ΑΒ", "мир", "中", "x1", "ß"]
ENDINGS = ["s", "t", "re", "ve", "m", "ll", "d", "S", "T", "RE", "Re", "rE", "VE", "vE", "M", "LL", "lL", "D", "ſ", "x", "l", "r", "v", "sx", "  s", "ss", "\u212a", ""]
EMOJI = ["👩", "👨", "👧", "👦", "❤", "😀", "🙂", "👍", "🏳", "🌈", "☠", "🐈", "⬛", "🇩", "🇪", "🇯", "🇵", "1", "#", "*", "🧑", "🚀", "✈", "™"]
JOIN = ["\u200d", "\ufe0f", "\u20e3", "🏻", "🏿", "\ufe0e", " ", "", ""]


@functools.cache
def scripts():
    """{script: characters of Unicode <= 13}, without surrogates."""
    out = subprocess.run(["perl", "-e", PERL], capture_output=True, text=True, check=True).stdout
    starts = {"Script": [], "Age": []}
    for line in out.splitlines():
        prop, start, value = line.split()
        starts[prop].append((int(start), value))
    at = {}
    for prop, list_ in starts.items():
        at[prop] = [None] * 0x110000
        for (start, value), (end, _) in itertools.pairwise(list_ + [(0x110000, None)]):
            at[prop][start:end] = [value] * (end - start)
    chars = {}
    for c in range(0x110000):
        age = at["Age"][c]
        if not 0xd800 <= c <= 0xdfff and age[0].isdigit() and int(age.split(".")[0]) <= 13:
            chars.setdefault(at["Script"][c], []).append(chr(c))
    return {s: chars[s] for s in sorted(chars)}


def of_scripts(pick):
    """Words, sentences and neighbours of Latin letters, digits and marks, for each script."""
    for name, chars in scripts().items():
        word = lambda: "".join(pick.choices(chars, k=pick.randint(1, 6)))
        yield word()
        yield " ".join(word() for _ in range(3))
        yield word() + pick.choice(["a", "7", "\u0301", "'s", ".", "\n"]) + word()
        yield pick.choice([" ", "(", "A", "\t", "-", "4"]) + word()
    everything = [c for s in scripts().values() for c in s]
    for _ in range(160):
        yield "".join(pick.choices(everything, k=pick.randint(1, 10)))


def of_marks(pick):
    """Decomposed, misordered and composed forms; Hangul jamo; what NFC never composes."""
    marks = [c for c in map(chr, range(0x300, 0x370))] + list("\u05b0\u05bc\u064b\u0651\u0654\u093c\u09bc\u0e38\u0e48\u302a\u3099\u20d0")
    bases = list("aeounAEOUNyszd \n1-中กअबש아") + ["\u1100", "\u1161", "\u11a8", "\u0928", "\u30ab", "\u0627", "\u2260", "\u0226"]
    for _ in range(170):
        yield "".join(pick.choice(bases) + "".join(pick.choices(marks, k=pick.randint(0, 4))) for _ in range(pick.randint(1, 5)))
    yield from ["\u212b", "\u2126", "\u212a", "\u1e9b\u0323", "\u0344", "\u0958", "\u2adc", "\ufb1d", "\uf900", "\u1100\u1161\u11a8", "\uac00\u11a8",
                "\u0dd9\u0dcf\u0dca", "\U0001d15e", "\U0001d160", "\U00011131\U00011127", "\u0f71\u0f72", "\u0340\u0341\u0343", "\u1112\u119e\u11ab"]
    for line in ["Việt Nam có nhiều ngôn ngữ", "Ångström café naïve Zoë", "한국어 문장입니다", "ガギグゲゴ パピプペポ", "हिन्दी ज़िन्दगी", "Ἀθῆναι ᾧ"]:
        for form in ("NFC", "NFD", "NFKD"):
            yield unicodedata.normalize(form, line)


def of_controls(pick):
    odd = [chr(c) for c in [*range(0, 32), *range(0x7f, 0xa0), 0xad, 0x61c, 0x180e, *range(0x200b, 0x2010), *range(0x202a, 0x202f), *range(0x2060, 0x2070),
                            0xfeff, 0xfff9, 0xfffc, 0xfffd, 0xe000, 0xf8ff, 0xfdd0, 0xfffe, 0xffff, 0x1fffe, 0xe0001, 0xe0041, 0xe0100, 0xf0000, 0x10ffff]]
    yield from odd
    for _ in range(80):
        yield "".join(pick.choice(odd + list("ab 1.\n")) for _ in range(pick.randint(2, 8)))


def mixed(pick, of, n, low, high):
    return ("".join(pick.choices(of, k=pick.randint(low, high))) for _ in range(n))


def of_words(pick):
    for quote, ending in itertools.product("'’", ENDINGS):
        yield pick.choice(WORDS) + quote + ending + pick.choice(["", " ", "x", ".", "\n", "'s"])
    yield from mixed(pick, WORDS + ["'" + e for e in ENDINGS] + [" "], 60, 2, 6)


def of_digits(pick):
    digits = [c for s in scripts().values() for c in s if unicodedata.category(c) in ("Nd", "Nl", "No")]
    for _ in range(60):
        yield "".join(pick.choices(digits, k=pick.randint(1, 8)))
    yield from (pick.choice(["", " ", "a", "$", "-", "\n"]) + "1234567890123"[:n] + pick.choice(["", "a", ".5", ",000", " "]) for n in range(1, 14) for _ in range(3))


LONG = [(u, n) for n in (1000, 4099) for u in ["a", "A", "aB", " ", "\n", "\t", " \n", "  x", "1", "12 ", "!", "=", "'s", "é", "e\u0301", "\u0301", "\u0e01\u0e49", "中",
                                               "क्", "🙂", "👩\u200d", "\u200d", "\u00a0", "ab", "the ", "\r\n", "\u1100\u1161", "\u0323\u0301", "x\n\n", "\0"]]


def all_texts():
    pick = random.Random(20261124)
    groups = [old_texts(120), of_scripts(pick), of_marks(pick), of_controls(pick), of_words(pick), of_digits(pick),
              mixed(pick, CODE, 180, 3, 12), mixed(pick, WHITE + ["a", "Z", "9", ".", "\n", "\r\n", " "], 180, 1, 12), mixed(pick, EMOJI + JOIN, 130, 1, 9),
              mixed(pick, FRAGMENTS, 120, 4, 20)]
    return [(t, 1) for t in dict.fromkeys(itertools.chain(*groups))] + LONG
