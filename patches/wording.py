"""Numbers as people read them."""


def counted(number: int, noun: str, several: str = "") -> str:
    """Return a number with its noun: `1 path`, `2 paths`, `1,204 files`.

    Args:
        number: how many.
        noun: one of them.
        several: the plural where it is not the noun with an s.
    """
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"


def readable_size(size: int) -> str:
    """Return a number of bytes as people say it: `512 B`, `1.4 MiB`."""
    if size < 1024:
        return f"{size} B"
    amount, units = size / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while amount >= 1023.95 and len(units) > 1:
        amount, units = amount / 1024, units[1:]
    return f"{amount:.1f} {units[0]}"
