"""The words around names, in English, German, French, Dutch and Danish: what comes before one, after one, in one."""

import re
from typing import Final

_PARTICLES_EVERYWHERE = (
    "von van de der den del della di da du des la le al el bin ibn ben zu zur vom ter ten af abu bint"
)
PARTICLES: Final = frozenset(f"{_PARTICLES_EVERYWHERE} dos das y und st mac mc op v".split())
"""What may stand inside a name, in lower case."""
LEADING_PARTICLES: Final = frozenset("von van de el al bin ibn abu".split())
"""What is part of a name before it."""
LEADING_PARTICLES_FR_NL: Final = LEADING_PARTICLES | frozenset("le la du ten ter den der".split())
TRAILING: Final = frozenset("ii iii iv md dds phd jr sr cpa".split())
AND: Final = frozenset("and en et og &".split())

INTRODUCTION: Final = re.compile(
    r"\b(?:names? (?:is|was|are)|named|called|call (?:me|him|her)|name:|namens|heißt|hieß|heiße|Name ist|genannt|"
    r"nommée?|appelée?|s['’]appell(?:e|ait)|nom est|genaamd|heet|heette|naam is|hedder|hed|ved navn|navn er)\s+",
    re.IGNORECASE,
)
SAYS: Final = frozenset(
    "said says began lives lived told asked wrote explained joined became met thinks thought went came felt wants "
    "wanted worked works".split()
)
"""What only a person does."""
BEFORE_A_TOWN: Final = frozenset("in im aus nach bei à en te from near around fra nær".split())
"""What stands before a town rather than before a person."""
ROLES: Final = frozenset(
    "cardinal abbé colonel général veuve député père mère frère soeur sœur dr docteur capitaine commandant "
    "curé vicaire lieutenant lord sir keizer koning heer heeren baron graaf weduwe wed kapitein pastoor "
    "burgemeester dominee jonkheer mejuffrouw mevrouw moeder vader broer zus zuster oncle tante cousin onkel "
    "far mor bror søster uncle aunt grandfather grandmother président ministre".split()
)
"""What stands before a person's name."""
INSTITUTIONS: Final = frozenset(
    "ministère ministre conseil chambre république président gouvernement état etat saint sainte monsieur "
    "madame messieurs chef directeur société compagnie mairie préfecture préfet maire église école rue place "
    "raad minister koning staat kamer gemeente provincie maatschappij school straat plein kerk heer heeren "
    "staten wet regering rijk".split()
)
"""Capitalised in French and Dutch, and nobody's name."""
FIELD_WORDS: Final = frozenset(
    "islam islamic islamist islamism islamists muslim muslims christian christians jewish jew jews salafi "
    "salafist salafism jihad jihadi jihadist isis daesh isil nazi nazis quran koran allah god ramadan "
    "christmas easter facebook twitter youtube instagram telegram tiktok whatsapp discord google microsoft "
    "internet eu europe european american african asian arab arabic western eastern northern southern swiss "
    "british english french german dutch danish turkish kurdish québec ontario al-qaeda qaeda métis inuit "
    "indigenous holocaust bible catholic protestant orthodox hindu hindus sikh sikhs buddhist covid mr mrs ms "
    "miss dr prof".split()
)
"""Capitalised in texts of this field, and nobody's name."""
FUNCTION_WORDS: Final = frozenset(
    "au aux du des oui non quant pourquoi très ah eh oh qu jusqu comment plusieurs puis mieux pas mais vous "
    "nous pour elle tout cas avis tre esi déjà beaucoup peu hélas voici voilà her art anders no eene heden "
    "vervolgens ned len".split()
)
"""Ordinary words that the dictionaries do not have in this form."""
NOT_NAMES_AT_THE_START: Final = frozenset("will may can her".split())
CONTRACTION: Final = re.compile(
    r"(?:i|you|we|they|he|she|it|that|there|what|who|c|let|where|here|how|don|won|can|isn|aren|doesn|didn|couldn|"
    r"wouldn)['’](?:m|ll|re|d|ve|t|s|mon)",
    re.IGNORECASE,
)
MIXED_CASE_NAME: Final = re.compile(r"(?:Mc|Mac|De|Di|Da|La|Le|Van|Fitz|O['’]|D['’]|L['’])[A-Z]")
"""`McDonald` is a name, `SecDev` is not."""
STARTS_A_SENTENCE: Final = re.compile(r"(?:[.!?:\n\"“”„»«>‘’(\[]|--|- )\s*$")
