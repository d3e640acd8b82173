"""What the explorer of a moved time shows is what torch and SciPy say of it."""

import numpy as np
import pytest
from scipy import stats
from torch import tensor
from torch.distributions import StudentT

from mle_helpers import fit

from .explore import ask, columns, given, same, same_bins

PLACES = [-100, -44, -7, 16, 27, 60]
TIMES = np.array(given("pull")["values"]["times"])
NEAR = {"df": 3.0, "loc": 27.0, "scale": 4.0}


def moved(place: float) -> np.ndarray:
    return np.sort(np.append(np.sort(TIMES)[1:], place))


@pytest.mark.parametrize("df", ["1", "3", "100", "learned"])
def test_fits_are_torchs_and_the_rest_scipys(df: str) -> None:
    answers = ask("pull", *({"place": place, "df": df} for place in PLACES))[1:]
    for place, answer in zip(PLACES, answers, strict=True):
        data, numbers, tables = moved(place), answer["numbers"], answer["tables"]
        known = {} if df == "learned" else {"df": float(df)}
        start = {name: NEAR[name] for name in NEAR if name not in known}
        best = fit(StudentT, tensor(data), init=start, fixed=known).distribution
        t = stats.t(*(float(each) for each in (best.df, best.loc, best.scale)))
        normal = stats.norm(data.mean(), data.std(ddof=0))
        told = [numbers[name] for name in ("df", "t_loc", "t_scale")]
        assert told == pytest.approx(t.args, rel=1e-4)
        told = [numbers[name] for name in ("normal_loc", "normal_scale")]
        assert told == pytest.approx(normal.args)
        shares = (np.arange(66) + 0.5) / 66
        for name, model in (("normal", normal), ("t", t)):
            height = model.logpdf(data).sum()
            assert numbers[f"{name}_height"] == pytest.approx(height, abs=1e-5)
            xs, densities = columns(tables[f"{name}_curve"], "x", "density")
            same(densities, model.pdf(xs), rtol=1e-3)
            pairs = columns(tables[f"{name}_pairs"], "time", "quantile")
            same(pairs, np.array([data, model.ppf(shares)]), rtol=1e-3)
            (here,) = tables[f"{name}_here"]
            assert here == {"place": place, "loc": numbers[f"{name}_loc"]}
            path = {row["place"]: row["loc"] for row in tables[f"{name}_path"]}
            if place in path:
                assert path[place] == pytest.approx(here["loc"])


def test_histogram_holds_every_time() -> None:
    (answer,) = ask("pull", {"place": -7})[1:]
    same_bins(answer["tables"]["bins"], moved(-7), np.arange(-100, 62, 2))
