"""Makes quantiles.json, the reference values of tests/quantiles.rs.

    pip install scipy && python3 quantiles.py > quantiles.json

Ranks are from 1. `low` is null when the lower rank is 0, `high` when the upper is above n.
"""
import json
import math

import scipy
from scipy.stats import beta, binom

ALPHA = 0.05

ranks = []
for n in (1, 2, 5, 10, 37, 100, 371, 999, 1000, 3687, 3688, 5000, 20000, 200000):
    for p in (0.5, 0.9, 0.99, 0.999):
        k = max(1, math.ceil(n * p - 1e-9))
        # ppf(q) is the smallest k with cdf(k) >= q.
        low = int(binom.ppf(ALPHA / 2, n, p))
        high = int(binom.ppf(1 - ALPHA / 2, n, p)) + 1
        ranks.append({"n": n, "p": p, "rank": k, "low": low or None, "high": high if high <= n else None})

shares = []
for k, n in ((0, 10), (1, 10), (5, 10), (10, 10), (999, 1000), (1000, 1000), (60000, 60000), (59990, 60000), (3, 200000)):
    low = 0.0 if k == 0 else float(beta.ppf(ALPHA / 2, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1 - ALPHA / 2, k + 1, n - k))
    shares.append({"k": k, "n": n, "low": low, "high": high})

print(json.dumps({"scipy": scipy.__version__, "ranks": ranks, "shares": shares}, indent=1))
