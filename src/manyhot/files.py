"""Replace files whole or not at all: a crash, a full disk or a kill leaves the old one or the new one."""

from __future__ import annotations

import errno
import functools
import glob
import hashlib
import os
import re
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from manyhot.errors import OutputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LEFTOVER_SECONDS = 24 * 3600  # after this long, a temporary file is one of a killed process
_OWNER = ".owner"  # in a scratch folder, locked by the process that made it
_CHUNK_BYTES = 2**24
_NOTED: ContextVar[list[Path] | None] = ContextVar("noted", default=None)
TEMPORARY = re.compile(r"\.(.*)\.[0-9a-f]{16}\.tmp", re.DOTALL)
"""Name of a file that is being written; the group is `temporary_stem` of what it will be."""
_ADVICE = {
    errno.ENOENT: "the folder does not exist; create it first",
    errno.ENOTDIR: "what should be its folder is a file",
    errno.EACCES: "you may not write there; choose another folder or change its permissions",
    errno.EPERM: "you may not write there; choose another folder or change its permissions",
    errno.EROFS: "this file system is read-only; choose another folder",
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "your disk quota is used up; free some space or choose another folder",
    errno.EFBIG: "the file is larger than this system lets you write",
    errno.ENAMETOOLONG: "the file name is too long",
}


@contextmanager
def atomic_write(target: Path) -> Iterator[int]:
    """A descriptor to write to; what was written takes the target's place only when all went well."""
    folder = temporary = None
    is_made = is_replaced = False
    try:
        old = _existing_status(target)
        _remove_leftovers(target)
        folder = _open_folder(target.parent)
        temporary = target.parent / f".{temporary_stem(target)}.{secrets.token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        descriptor = os.open(temporary, flags, 0o666)  # less the umask, as for any new file
        is_made = True
        try:
            yield descriptor
            if old is not None:
                _copy_permissions(descriptor, old)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, target)
        is_replaced = True
        if folder is not None:
            _sync_folder(folder)
    except OutputError:
        raise
    except OSError as error:
        problem = "was written, but may not survive a power failure" if is_replaced else "could not be written"
        raise OutputError(f"{target} {problem}: {describe_os_error(error)}") from error
    finally:
        if temporary is not None:
            _finish(temporary, target, is_made)
        if folder is not None:
            os.close(folder)


def _finish(temporary: Path, target: Path, is_made: bool) -> None:
    """Remove a file that has not taken the target's place; note the target where it has.

    A signal may come right behind `os.replace`, so that only the folder knows whether it has.
    """
    try:
        os.unlink(temporary)
    except FileNotFoundError:
        if is_made:
            note_write(target)
    except OSError:
        pass


def note_write(path: Path) -> None:
    """Note for `noted_writes` that a file was written."""
    noted = _NOTED.get()
    if noted is not None:
        noted.append(path)


@contextmanager
def noted_writes() -> Iterator[list[Path]]:
    """The files that the body, in this thread, has written so far."""
    noted: list[Path] = []
    token = _NOTED.set(noted)
    try:
        yield noted
    finally:
        _NOTED.reset(token)


def check_target(target: Path) -> None:
    """Refuse, before long work, what `atomic_write` would refuse after it: `OutputError`."""
    folder = target.parent
    try:
        _existing_status(target)
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            number = errno.EROFS if _is_on_fixed_system(folder) else errno.EACCES
            raise OSError(number, os.strerror(number))
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(f"{target} could not be written: {describe_os_error(error)}") from error


def describe_os_error(error: OSError) -> str:
    """What the system said of a write, with advice where there is some."""
    return _ADVICE.get(error.errno or 0, error.strerror or str(error))


def temporary_stem(target: Path) -> str:
    """What the temporary files of a target begin with, after a dot."""
    return target.stem[:40]


def _remove_leftovers(target: Path) -> None:
    """Remove what killed processes left of the same file, once it is so old that no process still writes it."""
    latest = time.time() - LEFTOVER_SECONDS
    _remove_lock(_lock_path(target), latest)
    for path in _leftovers(str(target.parent)).pop(temporary_stem(target), ()):
        with suppress(OSError):  # another process was quicker, or it is not ours to remove
            if path.lstat().st_mtime < latest:
                path.unlink()


def _remove_lock(path: Path, latest: float) -> None:
    """Remove the lock of a killed process: one that is as old and that nobody holds."""
    with suppress(OSError):
        if path.lstat().st_mtime < latest:
            descriptor = _try_lock(path)
            if descriptor is not None:
                with suppress(OSError):
                    os.unlink(path)
                os.close(descriptor)


@functools.lru_cache(maxsize=8)
def _leftovers(folder: str) -> dict[str, list[Path]]:
    """Temporary files by the stem of what they would have become, looked for once for each process and folder."""
    found: dict[str, list[Path]] = {}
    with suppress(OSError):
        for name in os.listdir(folder):
            if match := TEMPORARY.fullmatch(name):
                found.setdefault(match[1], []).append(Path(folder, name))
    return found


def _existing_status(target: Path) -> os.stat_result | None:
    try:
        old = os.stat(target)
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(old.st_mode):
        raise OutputError(f"{target} could not be written: it is a folder; give the name of a file in it")
    if not stat.S_ISREG(old.st_mode):
        raise OutputError(f"{target} could not be written: it is not a regular file")
    if not os.access(target, os.W_OK):
        if _is_on_fixed_system(target):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        raise OutputError(f"{target} could not be written: it is write-protected; choose another name")
    return old


def _is_on_fixed_system(path: Path) -> bool:
    """Whether a path is on a file system that is read-only."""
    return sys.platform != "win32" and bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _open_folder(folder: Path) -> int | None:
    """A descriptor to flush the folder by, where the system has such a thing and we may."""
    if os.name == "nt":
        return None
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except PermissionError:
        return None


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        # some network file systems cannot flush folders and say so like this
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _copy_permissions(descriptor: int, old: os.stat_result) -> None:
    if os.name == "nt":
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & 0o777)


@contextmanager
def file_lock(target: Path) -> Iterator[None]:
    """Run the body while no other process runs one for the same file, so that a change of what was read is not lost."""
    path, descriptor = _lock_path(target), None
    try:
        descriptor = _open_locked(path)
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                os.unlink(path)  # still locked: whoever waits sees that the file is another one, and begins anew
            os.close(descriptor)


def _lock_path(target: Path) -> Path:
    return target.parent / f".{target.name}.lock"


def _open_locked(path: Path) -> int | None:
    """A descriptor of the lock, once it is ours; None where there can be none."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except OSError:
            return None
        try:
            _lock(descriptor, waits=True)
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except OSError:  # a file system without locks
            os.close(descriptor)
            return None
        os.close(descriptor)


def _lock(descriptor: int, waits: bool) -> None:
    """Lock a file; where another process has, wait for it, or raise `OSError`."""
    if sys.platform == "win32":
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                if not waits:
                    raise
            time.sleep(0.05)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder that only its user can read, removed in the end; those of killed processes are removed a day later.

    A file in it is locked as long as its process lives, however long that works.
    """
    for path in parent.glob(f"{glob.escape(prefix)}????????"):
        with suppress(OSError):
            if path.lstat().st_mtime < time.time() - LEFTOVER_SECONDS and not _is_in_use(path):
                shutil.rmtree(path)
    try:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    except OSError as error:
        raise OutputError(f"{parent} could not be written to: {describe_os_error(error)}") from error
    descriptor = _try_lock(folder / _OWNER)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _is_in_use(folder: Path) -> bool:
    """Whether a process that lives made the folder, or it is not ours."""
    if hasattr(os, "getuid") and folder.lstat().st_uid != os.getuid():
        return True
    descriptor = _try_lock(folder / _OWNER)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _try_lock(path: Path) -> int | None:
    """A descriptor of a file that is locked by it; None where another one has locked it, or none can."""
    descriptor = None
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        _lock(descriptor, waits=False)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def write_all(descriptor: int, content: memoryview) -> None:
    """Write all of it."""
    n_written = 0
    while n_written < len(content):
        n_written += os.write(descriptor, content[n_written : n_written + _CHUNK_BYTES])


def write_file(target: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with atomic_write(target) as descriptor:
        write_all(descriptor, memoryview(content))


def file_sha256(path: Path) -> str:
    """The checksum of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where compiled programs and features of texts are kept: MANYHOT_CACHE, else the user's cache folder."""
    if os.environ.get("MANYHOT_CACHE"):
        return Path(os.environ["MANYHOT_CACHE"]).expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local")).expanduser() / "manyhot" / "cache"
    if sys.platform == "darwin":
        return Path("~/Library/Caches/manyhot").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "manyhot"
