"""Numbers in words."""

from collections.abc import Sequence


def listed(identities: Sequence[int]) -> str:
    """`54 to 63`, `3, 5 and 9`: three neighbours or more become a range."""
    parts: list[list[int]] = []
    for one in sorted(identities):
        if parts and one == parts[-1][-1] + 1:
            parts[-1].append(one)
        else:
            parts.append([one])
    words = [word for part in parts for word in ([f"{part[0]} to {part[-1]}"] if len(part) > 2 else map(str, part))]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
