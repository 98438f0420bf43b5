"""The models of purchase histories, by name."""

from app.predictions.clv.bgnbd import BgNbd
from app.predictions.clv.family import Family
from app.predictions.clv.mbgnbd import MbgNbd
from app.predictions.clv.nbd import Nbd
from app.predictions.clv.pareto_nbd import ParetoNbd

PARETO, MBG, BG, NBD = ParetoNbd(), MbgNbd(), BgNbd(), Nbd()

CANDIDATES: tuple[Family, ...] = (PARETO, MBG, BG)
"""In order of preference where the past does not tell them apart.

Pareto/NBD had the least error of the three on both public logs; BG/NBD comes last because to it nobody who bought
once can have left.
"""
FAMILIES: dict[str, Family] = {family.key: family for family in (*CANDIDATES, NBD)}
