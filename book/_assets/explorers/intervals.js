/* Intervals for a scale, one for each data set of the chapter, and how many of them hold
   the truth. The first 500 data sets of each n are known by their estimated scale. */

"use strict";

explorers.intervals = ({ truth, level, far, sizes, scales }) => {
  const SHOWN = 30; // intervals in the pile
  const all = scales[0].length;

  /* The factors that lead from an estimate to the ends of its interval. */

  function wald(n) {
    const reach = far / Math.sqrt(2 * n);
    return [1 - reach, 1 + reach];
  }

  function rawSide(n) {
    const reach = far / Math.sqrt(2 * n);
    return [Math.exp(-reach), Math.exp(reach)];
  }

  // Twice the nats lost are n (1 / f² - 1 + 2 log f) at the factor f.
  function likelihood(n) {
    const lost = (f) => n * (1 / f ** 2 - 1 + 2 * Math.log(f));
    function end(outside) {
      let inside = 1;
      for (let i = 0; i < 60; i++) {
        const middle = (inside + outside) / 2;
        if (lost(middle) > far ** 2) outside = middle;
        else inside = middle;
      }
      return inside;
    }
    return [end(0.01), end(100)];
  }

  const methods = { likelihood, "Wald, raw side": rawSide, Wald: wald };
  const drawn = new Map(sizes.map((n) => [n, 1])); // by n: how many data sets

  return (inputs, pressed) => {
    const n = Number(inputs.n);
    const more = { once: 1, many: 50 }[pressed] ?? 0;
    if (pressed === "over") drawn.set(n, 1);
    drawn.set(n, Math.min(all, drawn.get(n) + more));
    const count = drawn.get(n);

    const factors = methods[inputs.method](n);
    const estimates = scales[sizes.indexOf(n)].slice(0, count);
    let held = 0;
    const running = [];
    const intervals = estimates.map((estimate, i) => {
      const [low, high] = factors.map((factor) => factor * estimate);
      const holds = low <= truth && truth <= high;
      held += holds;
      running.push({ count: i + 1, share: held / (i + 1) });
      return { low, high, estimate, holds };
    });
    const share = held / count;
    const error = Math.sqrt((share * (1 - share)) / count);
    const last = intervals.at(-1);
    const pile = intervals.slice(-SHOWN).map((each, i) => ({ ...each, place: i + 1 }));
    const sets = `${count} data set${count > 1 ? "s" : ""} of ${n} samples`;
    const end = count === all ? " These are all there are." : "";
    return {
      tables: {
        holding: pile.filter((each) => each.holds),
        missing: pile.filter((each) => !each.holds),
        truth: [{ truth }],
        running,
        promise: [{ level }],
      },
      numbers: {
        drawn: String(count),
        held: String(held),
        share,
        error,
        estimate: last.estimate,
        low: last.low,
        high: last.high,
      },
      says: `${sets}: ${held} intervals (${inputs.method}) hold the truth, a share of ${share.toFixed(3)}.${end}`,
    };
  };
};
