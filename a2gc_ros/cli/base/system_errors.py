"""What the operating system refuses, in a sentence that says what to do."""

from __future__ import annotations

import errno
from typing import Final

USERS_MISTAKE: Final = 2
OUT_OF_REACH: Final = 1

_REMEDIES: Final = {
    errno.ENOENT: (USERS_MISTAKE, "check the name"),
    errno.EEXIST: (USERS_MISTAKE, "choose another name, or remove what is there"),
    errno.EISDIR: (USERS_MISTAKE, "name a file, not a folder"),
    errno.ENOTDIR: (USERS_MISTAKE, "name a folder, not a file"),
    errno.ENOTEMPTY: (USERS_MISTAKE, "choose another name, or empty the folder"),
    errno.ENAMETOOLONG: (USERS_MISTAKE, "choose a shorter name"),
    errno.ELOOP: (USERS_MISTAKE, "a link there leads to itself"),
    errno.EACCES: (USERS_MISTAKE, "give yourself the right to read and write there, or choose another folder"),
    errno.EPERM: (USERS_MISTAKE, "give yourself the right to do so, or choose another folder"),
    errno.EROFS: (USERS_MISTAKE, "choose a folder that can be written"),
    errno.ENOSPC: (OUT_OF_REACH, "make room on the disk"),
    errno.EDQUOT: (OUT_OF_REACH, "make room within your quota"),
    errno.EFBIG: (OUT_OF_REACH, "the file system cannot hold a file so large"),
    errno.EMFILE: (OUT_OF_REACH, "raise the limit of open files with `ulimit -n`"),
    errno.ENFILE: (OUT_OF_REACH, "too many files are open on this machine"),
    errno.EIO: (OUT_OF_REACH, "check the disk"),
    errno.ENOMEM: (OUT_OF_REACH, "free memory, or work on less at once"),
}


def told(error: OSError) -> tuple[str, int]:
    """Returns a sentence about an error of the operating system, and the exit code of a command that it ends."""
    code, remedy = _REMEDIES.get(error.errno or 0, (OUT_OF_REACH, "check the file, its folder and the disk"))
    names = " to ".join(str(name) for name in (error.filename, error.filename2) if name is not None)
    reason = error.strerror or str(error) or type(error).__name__
    return (f"{names}: {reason}: {remedy}" if names else f"{reason}: {remedy}"), code
