"""Which browser somebody uses, as it says itself, in a few words: so that people know theirs apart, and for no rule."""

_PROGRAMS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("Chrom", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Windows", "Windows"),
    ("Mac OS", "a Mac"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def words(said: str) -> str:
    """Return what a `User-Agent` says, such as `Firefox on Linux`."""
    program = next((word for mark, word in _PROGRAMS if mark in said), "a browser")
    system = next((word for mark, word in _SYSTEMS if mark in said), None)
    return f"{program} on {system}" if system else program
