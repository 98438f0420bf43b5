"""The fit of a scope: the models its data can carry, and the one among them that its own past speaks for."""

from collections.abc import Sequence

from app.predictions.clv.backtest import Scores, choose_boosting, choose_family, fit_past, knowing, widen, widened
from app.predictions.clv.boosting import boosting_installed
from app.predictions.clv.fallback import (
    BOUNDARY,
    OK,
    TOO_FEW,
    explain,
    fit_candidates,
    shows_churn,
    status_of,
    thinness,
)
from app.predictions.clv.histories import Consumers, Fold, Histories
from app.predictions.clv.model import ScopeModel
from app.predictions.clv.predictor import Choice, Predictor
from app.predictions.clv.registry import NBD
from app.predictions.clv.scorecard import scorecard
from app.predictions.clv.spend import fit_spend

__all__ = ["Fold", "ScopeModel", "fit_scope"]


def fit_scope(
    groups: Histories, consumers: Consumers, folds: Sequence[Fold], *, seed: int, with_boosting: bool
) -> ScopeModel:
    """`groups` holds the histories of everybody, `consumers` everybody or a sample, `folds` what followed past origins.

    Folds may be samples too, and none. Boosting needs LightGBM; without it the others are chosen among.
    """
    groups, _ = groups.grouped()
    buyers, repeaters, span = round(groups.consumers), round(groups.repeaters), groups.span
    if thinness(groups) == TOO_FEW or not (consumers.amount > 0.0).any():
        return ScopeModel(TOO_FEW, explain(TOO_FEW, groups, {}), None, False, buyers, repeaters, span)
    past = fit_past(folds)
    estimates = fit_candidates(groups, near=past[-1].predictor.estimates if past else None)
    status = status_of(groups, estimates)
    spend, notes_on_spend = fit_spend(consumers)

    first = next(iter(estimates))
    choice, boosting = Choice(first, first), None
    judged, comparison = [each.with_choice(choice) for each in knowing(past, (first,))], Scores()
    carries_churn = status in (OK, BOUNDARY)
    if carries_churn:
        choice, comparison = choose_family(past, [key for key in estimates if key != NBD.key])
        judged = [each.with_choice(choice) for each in knowing(past, (choice.orders, choice.probability))]
    if carries_churn and with_boosting and boosting_installed():
        choice, boosting, judged, scores = choose_boosting(past, choice, seed)
        comparison |= scores
    rate, amount = widen(judged)
    judged = widened(judged, rate, amount)

    notes = explain(status, groups, estimates) + notes_on_spend
    if not judged:
        notes.append("The history is too short to check these predictions against what followed.")
    if rate or amount:
        notes.append("Past intervals held less than they should have; they are widened to what this shop has shown.")
    return ScopeModel(
        status=status,
        notes=notes,
        predictor=Predictor(estimates, choice, spend.widened(amount), boosting, rate),
        churn_visible=carries_churn and shows_churn(estimates),
        buyers=buyers,
        repeaters=repeaters,
        span_weeks=span,
        comparison=comparison,
        scorecard=scorecard([(each.predictor, each.fold) for each in judged]),
    )
