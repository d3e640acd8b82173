/* Two normals fitted to the crabs of chapter 8: steps of EM as there, and of Adam as
   torch takes them, on a logit, two locations, and two scales through softplus.

   A method is a generator of places: a weight of the first normal, locs and scales. */

"use strict";

explorers.mixture = ({ x, counts, best }) => {
  const MOST = 10_000; // steps
  const ENOUGH = 1e-8; // nats below the maximum that end the walk, as in the chapter
  const STILL = 1e-10; // thousandths: EM that moves less stands still
  const SPIKE = 0.05; // a scale below it is on its way to 0
  const TICK = 80; // milliseconds between the moves of "play"
  const POINTS = 500; // at most drawn of a path
  const EM = "EM";

  const n = counts.reduce((sum, each) => sum + each, 0);
  const width = x[1] - x[0];
  const logRoot = Math.log(2 * Math.PI) / 2;
  const logNormal = (at, loc, scale) =>
    -(((at - loc) / scale) ** 2) / 2 - Math.log(scale) - logRoot;

  // --- the likelihood ---

  // The log of weight times density of both normals at a point, and log-sum-exp of them.
  function logs({ weight, locs, scales }, at) {
    const pair = [weight, 1 - weight].map(
      (share, k) => Math.log(share) + logNormal(at, locs[k], scales[k]),
    );
    const [low, high] = pair[0] < pair[1] ? pair : [pair[1], pair[0]];
    return { pair, sum: high + Math.log1p(Math.exp(low - high)) };
  }

  // The probability of each interval's crabs to be of the first normal; log-likelihood.
  function evaluate(place) {
    const each = x.map((at) => logs(place, at));
    const gamma = each.map(({ pair, sum }) => Math.exp(pair[0] - sum));
    const height = each.reduce((total, { sum }, i) => total + counts[i] * sum, 0);
    return { ...place, gamma, height, below: best - height };
  }

  // --- the methods ---

  function* em(row) {
    for (;;) {
      const shared = [row.gamma.map((g, i) => g * counts[i])];
      shared.push(row.gamma.map((g, i) => (1 - g) * counts[i]));
      const sizes = shared.map((each) => each.reduce((sum, share) => sum + share, 0));
      const mean = (each, k, of) =>
        each.reduce((sum, share, i) => sum + share * of(x[i]), 0) / sizes[k];
      const locs = shared.map((each, k) => mean(each, k, (at) => at));
      const squares = shared.map((each, k) => mean(each, k, (at) => (at - locs[k]) ** 2));
      row = yield { weight: sizes[0] / n, locs, scales: squares.map(Math.sqrt) };
    }
  }

  // torch.optim.Adam: Kingma and Ba (2015), algorithm 1.
  function* adam(row, rate) {
    const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
    const unsoft = (scale) => scale + Math.log(-Math.expm1(-scale));
    let raw = [0, ...row.locs, ...row.scales.map(unsoft)];
    let first = raw.map(() => 0);
    let second = first;
    for (let step = 1; ; step++) {
      const gradient = slope(row, raw);
      first = first.map((each, i) => each + (1 - beta1) * (gradient[i] - each));
      second = second.map((each, i) => beta2 * each + (1 - beta2) * gradient[i] ** 2);
      const size = rate / (1 - beta1 ** step);
      const correction = Math.sqrt(1 - beta2 ** step);
      raw = raw.map(
        (each, i) =>
          each - (size * first[i]) / (Math.sqrt(second[i]) / correction + epsilon),
      );
      // Beyond 20 torch takes the number itself.
      const scales = raw.slice(3).map((r) => (r > 20 ? r : Math.log1p(Math.exp(r))));
      row = yield { weight: 1 / (1 + Math.exp(-raw[0])), locs: raw.slice(1, 3), scales };
    }
  }

  // The gradient of the mean loss in the raw numbers.
  function slope({ gamma, weight, locs, scales }, raw) {
    const total = [0, 0, 0, 0, 0];
    x.forEach((at, i) => {
      const shares = [gamma[i], 1 - gamma[i]];
      total[0] += counts[i] * (shares[0] - weight);
      shares.forEach((share, k) => {
        const off = (at - locs[k]) / scales[k];
        total[1 + k] += (counts[i] * share * off) / scales[k];
        total[3 + k] += (counts[i] * share * (off ** 2 - 1)) / scales[k];
      });
    });
    const soft = raw.slice(3).map((r) => (r > 20 ? 1 : 1 / (1 + Math.exp(-r))));
    return total.map((each, i) => (-each * (i > 2 ? soft[i - 3] : 1)) / n);
  }

  // --- the walk ---

  function begin(inputs) {
    const locs = [inputs.first, inputs.second];
    const scales = [inputs.scale_first, inputs.scale_second];
    const row = evaluate({ weight: 0.5, locs, scales });
    const isEM = inputs.method === EM;
    const method = isEM ? em(row) : adam(row, Number(inputs.rate));
    return { isEM, method, rows: [{ step: 0, ...row }], end: null };
  }

  // Take a step, unless the walk is at its end.
  function advance(walk) {
    if (walk.end) return;
    const { rows, method, isEM } = walk;
    const last = rows.at(-1);
    const place = method.next(last).value;
    if (!(Math.min(...place.scales) >= SPIKE)) {
      walk.end = "spike";
      return;
    }
    const row = { step: rows.length, ...evaluate(place) };
    rows.push(row);
    const moves = [0, 1].map((k) =>
      Math.max(
        Math.abs(row.locs[k] - last.locs[k]),
        Math.abs(row.scales[k] - last.scales[k]),
      ),
    );
    if (Math.abs(row.below) <= ENOUGH) walk.end = "there";
    else if (isEM && Math.max(...moves) < STILL) walk.end = "still";
    else if (row.step === MOST) walk.end = "most";
  }

  // --- what is seen ---

  const grid = Array.from({ length: 261 }, (_, i) => 574 + i / 2);

  function tables({ rows }) {
    const row = rows.at(-1);
    const parts = grid.map((at) => logs(row, at));
    const crabs = (of) =>
      parts.map((part, i) => ({ x: grid[i], crabs: width * n * Math.exp(of(part)) }));
    const shares = x.flatMap((at, i) => {
      const [from, to] = [at - width / 2, at + width / 2];
      const cut = counts[i] * row.gamma[i];
      return [
        { from, to, low: 0, high: cut, normal: "first" },
        { from, to, low: cut, high: counts[i], normal: "second" },
      ];
    });
    const every = Math.ceil(rows.length / POINTS);
    const path = rows.filter((_, i) => i % every === 0 || i === rows.length - 1);
    return {
      shares,
      first: crabs(({ pair }) => pair[0]),
      second: crabs(({ pair }) => pair[1]),
      sum: crabs(({ sum }) => sum),
      path: path
        .filter(({ below }) => below > 0)
        .map(({ step, below }) => ({ step, below })),
    };
  }

  const text = (number) =>
    Math.abs(number) >= 1e-3 || number === 0 ? number.toFixed(3) : number.toExponential(1);

  // Where the walk is, and what its last step did, in words.
  function says({ rows, end }) {
    const row = rows.at(-1);
    const sides = [0, 1].map((k) => `${row.locs[k].toFixed(1)} with scale ${row.scales[k].toFixed(1)}`);
    const place = `Step ${row.step}: the first normal at ${sides[0]}, the second at ${sides[1]}`;
    const where =
      row.below < 0
        ? `${text(-row.below)} nats above the chapter's maximum`
        : `${text(row.below)} nats below the maximum`;
    const told = `${place}; ${where}.`;
    const ends = {
      there: "Arrived, to 1e-8 nats.",
      still: "It stands still, and not at the maximum.",
      most: "Not there yet, but play ends here.",
      spike: "The next step takes a scale to 0: that normal falls onto one interval, and the likelihood has no bound.",
    };
    if (end) return `${told} ${ends[end]}`;
    if (row.step === 0) return `${told} This is the start.`;
    const gain = row.height - rows.at(-2).height;
    return `${told} The step ${gain < 0 ? "lost" : "gained"} ${text(Math.abs(gain))} nats.`;
  }

  let walk;
  let playing = false;

  return (inputs, pressed) => {
    const changed = pressed === null || pressed === "start";
    if (pressed === "step" || pressed === "rewind") playing = false;
    if (pressed === "play") playing = !playing;
    const again = pressed === "play" && walk.end;
    if (changed || again || pressed === "rewind") walk = begin(inputs);
    // Play goes step by step at first, then ever faster.
    const count = pressed === "tick" ? Math.ceil(walk.rows.length / 20) : 1;
    if (pressed === "step" || pressed === "tick") {
      for (let i = 0; i < count; i++) advance(walk);
    }
    if (walk.end) playing = false;

    const row = walk.rows.at(-1);
    return {
      tables: tables(walk),
      numbers: {
        step: String(row.step),
        weight: row.weight,
        loc_1: row.locs[0],
        loc_2: row.locs[1],
        scale_1: row.scales[0],
        scale_2: row.scales[1],
        height: row.height,
        below: row.below,
      },
      says: says(walk),
      again: playing ? TICK : undefined,
    };
  };
};
