"""The entry of the command line, around all imports: ``octomodel presets | show | run | predict | compare | sweep | verify``.

Exit codes: 0 done, 1 a check failed (``verify``), 2 bad input, 3 the run had to stop, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence

DONE, FAILED, BAD_INPUT, STOPPED, INTERRUPTED = 0, 1, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        Words after the name of the program; default: those it was called with.

    Returns
    -------
    int
        0 done, 1 a check failed, 2 bad input, 3 the run had to stop, 130 interrupted.
    """
    try:
        # imported here, for what takes a second may be interrupted
        from octomodel import cli_app
        from octomodel.errors import ModelError, RunError

        shown = warnings.showwarning
        try:
            warnings.showwarning = _warn
            code = cli_app.call(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
            return code
        except ModelError as error:
            return _say(BAD_INPUT, str(error))
        except (RunError, OSError, MemoryError) as error:
            if isinstance(error, BrokenPipeError):
                # the reader of the pipe has had enough; what is still buffered must not fail again at exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                return DONE
            return _say(STOPPED, str(error) or "out of memory")
        finally:
            warnings.showwarning = shown
    except KeyboardInterrupt:
        return _say(INTERRUPTED, "interrupted")
    except Exception:
        traceback.print_exc()
        return _say(STOPPED, "internal error; please report it with the lines above")


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    _say(DONE, f"warning: {message}")


def _say(code: int, message: str) -> int:
    """Print one line to standard error."""
    print(f"octomodel: {' '.join(message.split())}", file=sys.stderr)
    return code
