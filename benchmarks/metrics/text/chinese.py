"""Which role a quoted text has in a Chinese instruction, by the words before and after it."""

import re

from benchmarks.metrics.text.roles import Grammar, QuoteRole, Verb

DECORATION = r"(?:下划线|删除线|着重号|阴影|投影|描边|边框|外框|背景|底纹|高光|发光|光晕|斜线|圆圈|方框|特效)"

VERBS = {
    Verb.STYLE: (
        r"加粗|变粗|斜体|倾斜|放大|缩小|变大|变小|加大|增大|减小|移动?到|移动|移至|挪到|挪动|旋转|翻转|镜像|居中|"
        rf"更[大小粗细]|[大小粗细]一?[点些]|对调|交换|互换|高亮|设置为|设为|变色|(?:添加|增加|加上?|画上?)[^，。；“”\"']*?{DECORATION}|"
        r"改成[^，。；“”\"'「『]*?(?:色|体|字号|大小|竖排|横排)(?!的)|(?:改为|变为|变成|换成)[^，。；“”\"'「『]*?(?:色|体)(?!的)"
    ),
    Verb.REPLACE: (
        r"改成|改为|改作|换成|换为|替换|修改|变成|变为|更改|更换|翻译|译成|译为|转换|纠正|更正|订正|改写|调换|改"
    ),
    Verb.DELETE: r"删除(?!线)|移除|去掉|去除|擦除|擦掉|抹去|抹掉|消除|清除|删掉|删去|移走|去\s?除|拿掉|隐藏",
    Verb.ADD: (
        r"添加|增加|加上|加入|加个|加一|添上|(?<![大小手书])写|插入|新增|打上|印上|放置|放上|标注|标上|补充|输入|"
        r"刻上|(?<![利招])贴上|绘制|画上|画出|生成|显示|题上|附上|填上|喷上|绣上"
    ),
    Verb.KEEP: r"只?留下|仅?保留|只剩|仅剩|仅留|除了",
}
VERB = re.compile("|".join(f"(?P<{verb}>{words})" for verb, words in VERBS.items()))

LIST = re.compile(
    r"[\s,，、;；和与及跟&]*(?:以及|还有|并且)?\s*(?:数字|号码|文字|字母|单词|名字|汉字|字样)?[\s,，、]*"
)
ASIDE = re.compile(r"\s*[(（][^()（）]*[)）]")

INTO = r"(?:(?:改|换|替换|修改|变|更改|更换|翻译|译|转换|纠正|更正|改写)(?:成|为|作)|替换|改)"
BECOMES = re.compile(rf"{INTO}[^，。；,;]{{0,12}}$")

NEW_AFTER = re.compile(r"(?<=[\u4e00-\u9fff])(?:是|为|写道|写着)\s*[:：]?\s*$|[:：]\s*$")
EXISTING = re.compile(r"(?:写着|写有|印着|印有|标有|标着|刻着|刻有|显示着|带有|写)\s*$")
EXISTING_AFTER = re.compile(r"\s*(?:字样)?的")
LANDMARK_AFTER = re.compile(
    r"\s*(?:这?(?:几|两|二|三|四)?个?(?:大|小)?(?:文字|字样?|标志|单词|字母|标题|招牌|标牌|牌匾|标识|一词|两字|二字|三字|四字|几个字))?"
    r"\s*(?:的)?\s*(?:正|右|左|最)?(?:上|下|左|右|前|后|旁|中间?|里|内|外|底|顶|末尾|之间|附近|周围|标牌|牌匾|招牌|标志牌)(?:方|面|边|侧|部|角|端|的)?"
)
ALIKE = re.compile(r"(?:与|和|跟|同|像|按照?|仿照|参考|参照|类似)[^，。；,;]{0,10}$")
ALIKE_AFTER = re.compile(
    r"[^，。；,;]{0,8}?(?:相同|一致|一样|同样|对齐|匹配|协调|类似|的(?:字体|颜色|风格|样式|大小|字号))"
)
KEPT_BEFORE = re.compile(rf"(?:{VERBS[Verb.KEEP]})[^，。；,;]{{0,8}}$")
OBJECT_MARK = re.compile(r"(?:将|把|给|为|对|让|使)[^，。；,;]*$")
STYLE_OF = re.compile(r"\s*(?:文字|字样|字)?的?(?:颜色|字体|字号|大小|样式|风格|位置|粗细)")
CASED = re.compile(rf"[^，。；]*?(?:{INTO}|变|全部|转)?(?P<case>大|小)写")


def chinese_last_verb(text: str) -> Verb | None:
    """Returns the verb nearest to the end of a text; None if there is none."""
    found = list(VERB.finditer(text))
    return Verb(str(found[-1].lastgroup)) if found else None


def first_verb(text: str) -> Verb | None:
    """Returns the verb nearest to the start of a text; None if there is none."""
    found = VERB.search(text)
    return Verb(str(found.lastgroup)) if found else None


def chinese_role(before: str, after: str, verb: Verb | None, roles: list[QuoteRole]) -> QuoteRole:
    """Returns the role of a quoted text.

    Args:
        before: the words since the text before, or since the start.
        after: the words up to the next text, or to the end.
        verb: the last one before the text.
        roles: of the texts before it.
    """
    if roles and LIST.fullmatch(before):
        return roles[-1]
    if KEPT_BEFORE.search(before) or (ALIKE.search(before) and ALIKE_AFTER.match(after)):
        return QuoteRole.KEPT
    if BECOMES.search(before):
        return QuoteRole.NONE if roles[-1:] == [QuoteRole.STYLED] else QuoteRole.NEW
    if EXISTING.search(before) and EXISTING_AFTER.match(after):
        return QuoteRole.KEPT
    if NEW_AFTER.search(before) and verb is not Verb.DELETE:
        return QuoteRole.NEW
    if chinese_last_verb(before) is Verb.ADD:
        return QuoteRole.NEW
    if LANDMARK_AFTER.match(after) and first_verb(after) is not Verb.REPLACE:
        return QuoteRole.KEPT
    return _by_verb(before, after, verb)


def _by_verb(before: str, after: str, verb: Verb | None) -> QuoteRole:
    """Returns the role by what is done: the verb follows after 将 and 把, else it stands before the text."""
    following = first_verb(after)
    ruling = following if OBJECT_MARK.search(before) or verb is None else verb
    if ruling is Verb.REPLACE:
        return QuoteRole.STYLED if STYLE_OF.match(after) else QuoteRole.OLD
    if ruling is Verb.DELETE:
        return QuoteRole.OLD
    if ruling is Verb.STYLE:
        return QuoteRole.STYLED
    return QuoteRole.KEPT if ruling is None or following is Verb.ADD else QuoteRole.NEW


CHINESE = Grammar(chinese_last_verb, chinese_role, CASED)
