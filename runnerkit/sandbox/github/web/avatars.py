"""Everybody's portrait: dunes under a sun, drawn from the login."""

import hashlib

PICTURE = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40">\
<rect width="40" height="40" fill="hsl({sky} 55% 82%)"/>\
<circle cx="{x}" cy="{y}" r="5.5" fill="hsl({sun} 88% 62%)"/>\
<path d="M0 {a} C10 {b} 22 {c} 40 {d} V40 H0Z" fill="hsl({sand} 42% 58%)"/>\
<path d="M0 {e} C14 {f} 26 {g} 40 {h} V40 H0Z" fill="hsl({sand} 46% 40%)"/>\
</svg>"""


def avatar(login: str) -> str:
    """Draw the portrait of an account."""
    seed = hashlib.sha256(login.lower().encode()).digest()
    heights = {name: base + byte % 9 - 4 for name, base, byte in zip("abcdefgh", _BASES, seed[8:], strict=False)}
    hue = seed[0] * 360 // 256
    return PICTURE.format(
        sky=hue,
        sun=20 + seed[1] % 35,
        sand=(hue + 150 + seed[2] % 60) % 360,
        x=9 + seed[3] % 23,
        y=9 + seed[4] % 6,
        **heights,
    )


_BASES = (24, 18, 30, 22, 30, 36, 24, 33)
