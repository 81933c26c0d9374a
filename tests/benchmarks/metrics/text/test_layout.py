"""Which change of layout an instruction asks for first."""

import pytest

from benchmarks.metrics.text.layout import LayoutChange, layout_change

ASKED = {
    "Relocate 'A' above 'B'. Maintain the original font, color and alignment.": LayoutChange.MOVE,
    "Swap 'A' and 'B'": LayoutChange.MOVE,
    "将“甲”移动到左上角": LayoutChange.MOVE,
    "把“甲”和“乙”对调": LayoutChange.MOVE,
    "Make 'move' bold": LayoutChange.OTHER,
    "Rotate 'A' and move it to the right": LayoutChange.OTHER,
    "Change the font of 'A' and enlarge it": LayoutChange.OTHER,
    "Make the font size of 'A' larger": LayoutChange.ENLARGE,
    "Increase the font size of 'A'": LayoutChange.ENLARGE,
    "Increase the opacity of 'A'": LayoutChange.OTHER,
    "scale 'A' to 125%": LayoutChange.ENLARGE,
    "scale 'A' to 75%": LayoutChange.SHRINK,
    "Reduce the size of 'A'": LayoutChange.SHRINK,
    "把“甲”缩小一点": LayoutChange.SHRINK,
    "将“甲”改成绿色": LayoutChange.OTHER,
    "Add an underline to 'A'": LayoutChange.OTHER,
    "": LayoutChange.OTHER,
}


@pytest.mark.parametrize(("instruction", "change"), ASKED.items())
def test_the_change_that_is_asked_for_first_counts(instruction, change):
    assert layout_change(instruction) is change
