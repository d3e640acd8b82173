/* The log-likelihood of a sample under the normal density that the reader moves. */

"use strict";

explorers.density = ({ sample }) => {
  const n = sample.length;
  const WIDTH = 0.5; // of a bin
  const xs = Array.from({ length: 201 }, (_, i) => -3 + i / 20);
  const locs = Array.from({ length: 121 }, (_, i) => -1 + i / 20);

  function logDensity(x, { loc, scale }) {
    const z = (x - loc) / scale;
    return -0.5 * z * z - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
  }

  function curve(normal) {
    return xs.map((x) => ({ x, density: Math.exp(logDensity(x, normal)) }));
  }

  // The sum of the log-densities of the first 0, 1, ..., n samples.
  function running(normal) {
    let sum = 0;
    const rows = sample.map((x, i) => {
      sum += logDensity(x, normal);
      return { n: i + 1, sum };
    });
    return [{ n: 0, sum: 0 }, ...rows];
  }

  function total(normal) {
    return sample.reduce((sum, x) => sum + logDensity(x, normal), 0);
  }

  // What is drawn of a density: where it stands, its curve, and how its sum runs.
  function drawn(normal) {
    const density = Math.exp(logDensity(normal.loc, normal));
    const place = [{ ...normal, density, n }];
    return { place, curve: curve(normal), running: running(normal) };
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
  top.total = total(top);
  const nothing = { place: [], curve: [], running: [] };
  let best = { total: -Infinity };

  return ({ loc, scale, maximum }, pressed) => {
    const here = { loc, scale, total: total({ loc, scale }) };
    if (pressed === "forget" || here.total > best.total) best = here;
    const points = sample.map((x) => {
      const log = logDensity(x, here);
      return { x, log, density: Math.exp(log) };
    });
    const [mine, former] = [drawn(here), drawn(best)];
    const highest = maximum ? drawn(top) : nothing;
    const below = best.total - here.total;
    const place =
      below > 0 ? `${below.toFixed(2)} nats below the best so far` : "the best so far";
    const gap = ` and ${(top.total - here.total).toFixed(2)} below the maximum`;
    return {
      tables: {
        points,
        bins: [...bins.values()],
        curve: mine.curve,
        best_curve: former.curve,
        top_curve: highest.curve,
        over_loc: locs.map((loc) => ({ loc, total: total({ loc, scale }) })),
        here: mine.place,
        best: former.place,
        top: highest.place,
        running: mine.running,
        best_running: former.running,
        top_running: highest.running,
      },
      numbers: {
        log_likelihood: here.total,
        lowest: Math.min(...points.map(({ log }) => log)),
        best: best.total,
        best_loc: best.loc,
        best_scale: best.scale,
        top: maximum ? top.total : "hidden",
        top_loc: maximum ? top.loc : "hidden",
        top_scale: maximum ? top.scale : "hidden",
      },
      says:
        `At location ${loc} and scale ${scale} the log-likelihood is ` +
        `${here.total.toFixed(2)} nats, ${place}${maximum ? gap : ""}.`,
    };
  };
};
