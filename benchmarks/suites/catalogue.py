"""The suites by their names on the command line."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.suites.gedit import load_gedit
from benchmarks.suites.imgedit import load_imgedit, load_multiturn, load_uge
from benchmarks.suites.item import SuiteError
from benchmarks.suites.kris import load_kris
from benchmarks.suites.plain import load_plain
from benchmarks.suites.rededit import load_rededit
from benchmarks.suites.risebench import load_risebench
from benchmarks.suites.suite import Load, Suite
from benchmarks.suites.textedit import load_textedit

SUITES: Mapping[str, Load] = {
    "rededit": load_rededit,
    "imgedit": load_imgedit,
    "imgedit_uge": load_uge,
    "imgedit_multiturn": load_multiturn,
    "gedit": load_gedit,
    "gedit_intersection": partial(load_gedit, subset="intersection"),
    "gedit_local": partial(load_gedit, judge="local"),
    "gedit_local_intersection": partial(load_gedit, judge="local", subset="intersection"),
    "risebench": load_risebench,
    "kris": load_kris,
    "textedit": load_textedit,
    "plain": load_plain,
}

BILINGUAL = ("rededit", "plain", *(name for name in SUITES if name.startswith("gedit")))


def load_suite(name: str, *, data: Path, images: Path | None, lang: str) -> Suite:
    """Returns a benchmark, read from the user's copy of its official files.

    Args:
        name: in `SUITES`.
        data: folder of the files.
        images: folder of the images; None: the same.
        lang: `en` or `zh`.

    Raises:
        SuiteError: there is no such suite, or its files are missing; the message says what was expected.
    """
    if name not in SUITES:
        raise SuiteError(f"There is no suite {name!r}. There are {', '.join(SUITES)}.")
    if lang == "zh" and name not in BILINGUAL:
        raise SuiteError(f"{name} has no Chinese instructions. Leave --lang at en.")
    return SUITES[name](data, images or data, lang)
