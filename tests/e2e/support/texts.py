"""Texts that hurt where they are not expected, and what a person must never be sent raw."""
import re

# Valid UTF-8, at most 63 bytes each: also names of databases, tables, roles.
TEXTS = {
    "newline": "new\nline",
    "return": "over\rwritten",
    "header": "a\r\nX-Evil: 1",
    "field": "x\nPRIORITY=0\nMESSAGE=forged",
    "priority": "<0>kernel: panic",
    "colour": "\x1b[31mred\x1b[0m",
    "title": "\x1b]0;owned\x07",
    "bell": "ding\a\b\b\b\bdong\x7f",
    "c1": "\u009b31mcsi\u0085next",
    "right to left": "\u202egnp.exe",
    "isolate": "a\u2066b\u2069c\u200f",
    "line separator": "a\u2028b\u2029c",
    "invisible": "a\u200b\ufeffb\U000e0041",
    "quotes": "it's \"so\" `x`",
    "backslash": "a\\nb\\x1b\\u202e\\",
    "format": "%s%n%d%%{object}{value}{detail}",
    "statement": "'; DROP TABLE texts; --",
    "comment": "/* */ -- $$ $x$",
    "shell": "$(touch /tmp/x) `id` ; & |",
    "path": "../../../../etc/passwd",
    "option": "--config=/etc/shadow",
    "perfdata": "a|b=1;2;3;4;5 'c'=9",
    "markup": "<b>&amp;</b>]]>",
    "json": "{\"a\": [1,\n2]}",
    "emoji": "\U0001f4a5e\u0301\u0301\U0001f468\u200d\U0001f469",
    "wide": "\u8868\u306e\u540d\u524d",
    "blanks": "  lead and trail  ",
    "long": "x" * 63,
}
# Not UTF-8: what a database that does not check its encoding hands out.
BYTES = {
    "lone 9b": b"a\x9b31mb",
    "latin": b"gr\xf6\xdfe",
    "cut short": b"a\xe2\x80",
    "surrogate": b"a\xed\xa0\x80b",
    "overlong": b"a\xc0\xafb",
    "everything": bytes(range(0x80, 0xa0)),
}
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
                       "\ufff9-\ufffb\U000e0000-\U000e007f]")


def safe(data, where=""):
    """Decodes what a person is shown; fails on anything that a terminal would act on."""
    text = data.decode("utf-8") if isinstance(data, bytes) else data
    found = FORBIDDEN.search(text)
    assert not found, f"{where}: {found[0]!r} in {text[max(0, found.start() - 80):found.end() + 40]!r}"
    return text


def decoded(data):
    """What enters by text_from_peer, as far as two decoders agree: runs of U+FFFD are one."""
    return squeezed(data.decode("utf-8", "replace"))


def squeezed(text):
    return re.sub("\ufffd+", "\ufffd", text)
