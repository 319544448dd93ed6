"""Words of a text that are no reasons: function words and punctuation.

Negations ("not", "no", "never") and "but" are reasons, so they are not here. Neither are words that mean something in
another of these languages, such as the German "die" and "war" in an English text.
"""

from __future__ import annotations

_ENGLISH = """
a about above after again all also am an and any are as at be because been before being below between both by can
could did do does doing during each for from further had has have having he her here hers herself him himself his
how i if in into is it its itself just me more most my myself of off on once only or other our ours ourselves out
over own same she should so some such than that the their theirs them themselves then there these they this those
through to too under until up very was we were what when where which while who whom why will with would you your
yours yourself yourselves s t d ll m re ve
"""
_OTHERS = """
der den dem des das ein eine einen einem einer eines und oder ist sind wird werden auf mit von zu zum zur im
f\u00fcr sich auch als aus bei nach wie dass es er sie wir ihr ich
le les un une du et est sont dans par sur avec ce cette ces il elle nous vous ils elles que qui aux
el los las una unos unas del y es en por para su sus al lo se con
"""
_STOP_WORDS = frozenset((_ENGLISH + _OTHERS).split())


def is_stop_word(word: str) -> bool:
    """Whether a word in its normal form is a function word, or has neither a letter nor a digit nor a symbol."""
    return word in _STOP_WORDS or (word.isascii() and not any(letter.isalnum() for letter in word))
