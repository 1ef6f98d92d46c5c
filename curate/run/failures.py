"""What the system refuses, said with the next step."""

from __future__ import annotations

import errno


def say_oserror(error: OSError) -> str:
    """One line for a disk that is full, a folder that cannot be written, and the like."""
    name = error.filename2 or error.filename
    place = f" {name}" if name else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"the disk is full: nothing more could be written to{place or ' the run directory'}; "
            "free some space and run the same command again, it continues"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what = place.strip() or "the run directory"
        return f"{what} cannot be written: {error.strerror}; choose another place with out=…"
    what = place.strip() or "a file of the run"
    return f"{what}: {error.strerror or error}; choose another place with out=… or store=…"
