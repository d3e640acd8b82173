/* The log-likelihood of a sample under the normal density that the reader moves. */

"use strict";

explorers.density = ({ sample }) => {
  const n = sample.length;
  const WIDTH = 0.5; // of a bin
  const grid = Array.from({ length: 201 }, (_, i) => -3 + i / 20);

  function logDensity(x, loc, scale) {
    const z = (x - loc) / scale;
    return -0.5 * z * z - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
  }

  function curve({ loc, scale }) {
    return grid.map((x) => ({ x, density: Math.exp(logDensity(x, loc, scale)) }));
  }

  // The sum of the log-densities of the first 0, 1, ..., n samples.
  function running({ loc, scale }) {
    let sum = 0;
    const rows = sample.map((x, i) => {
      sum += logDensity(x, loc, scale);
      return { n: i + 1, sum };
    });
    return [{ n: 0, sum: 0 }, ...rows];
  }

  function at({ loc, scale }) {
    return `μ ${loc.toFixed(4)}, σ ${scale.toFixed(4)}`;
  }

  const bins = new Map();
  for (const x of sample) {
    const from = Math.floor(x / WIDTH) * WIDTH;
    const bin = bins.get(from) ?? { from, to: from + WIDTH, density: 0 };
    bin.density += 1 / (n * WIDTH);
    bins.set(from, bin);
  }

  const loc = sample.reduce((sum, x) => sum + x, 0) / n;
  const square = sample.reduce((sum, x) => sum + (x - loc) ** 2, 0) / n;
  const top = { loc, scale: Math.sqrt(square) };
  const topRows = running(top);
  let best = { total: -Infinity };

  return (here, pressed) => {
    const rows = running(here);
    const total = rows[n].sum;
    const points = sample.map((x) => {
      const log = logDensity(x, here.loc, here.scale);
      return { x, log, density: Math.exp(log) };
    });
    if (pressed === "forget" || total > best.total) {
      best = { loc: here.loc, scale: here.scale, total, rows };
    }
    const below = best.total - total;
    const place =
      below > 0 ? `${below.toFixed(2)} nats below the best so far` : "the best so far";
    const gap = `, ${(topRows[n].sum - total).toFixed(2)} below the maximum`;
    return {
      tables: {
        points,
        bins: [...bins.values()],
        curve: curve(here),
        running: rows,
        best: best.rows,
        top: here.maximum ? topRows : [],
        top_curve: here.maximum ? curve(top) : [],
      },
      numbers: {
        log_likelihood: total,
        best: best.total,
        best_at: at(best),
        lowest: Math.min(...points.map(({ log }) => log)),
        top: here.maximum ? topRows[n].sum : "not shown",
        top_at: here.maximum ? at(top) : "not shown",
      },
      says:
        `At location ${here.loc} and scale ${here.scale} the log-likelihood is ` +
        `${total.toFixed(2)} nats, ${place}${here.maximum ? gap : ""}.`,
    };
  };
};
