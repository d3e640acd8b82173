/* Gradient steps on the likelihood of a normal distribution, as torch's optimizers take
   them in `fit`. A step is an evaluation of loss and gradient: a row of `fit`'s trace.

   An optimizer is a generator: it yields the place that it wants evaluated, and is
   handed the loss and the gradient there. */

"use strict";

explorers.gradient = ({ n, mean, std }) => {
  const MOST = 10_000; // steps, as in `fit`
  const PATIENCE = 50; // losses that are not finite, which `fit` bears in a line search
  const SMALL = 1e-6; // a gradient below it ends the walk, in nats a sample
  const CRAWL = 0.98; // a step that leaves more of the loss above its minimum crawls
  const TICK = 80; // milliseconds between the moves of "play"
  const POINTS = 500; // at most drawn of a path
  const HELD = "held at its start";
  const SOFTPLUS = "kept positive by softplus";
  const LBFGS = "L-BFGS (rate 1, line search)";

  // --- vectors ---

  const dot = (a, b) => a.reduce((sum, each, i) => sum + each * b[i], 0);
  const add = (a, factor, b) => a.map((each, i) => each + factor * b[i]);
  const largest = (a) => Math.max(...a.map(Math.abs));

  // --- optimizers ---

  // torch.optim.SGD
  function* descend(place, rate) {
    for (;;) {
      const { gradient } = yield place;
      place = add(place, -rate, gradient);
    }
  }

  // torch.optim.Adam: Kingma and Ba (2015), algorithm 1.
  function* adam(place, rate) {
    const [beta1, beta2, epsilon] = [0.9, 0.999, 1e-8];
    let first = place.map(() => 0);
    let second = first;
    for (let step = 1; ; step++) {
      const { gradient } = yield place;
      first = first.map((each, i) => each + (1 - beta1) * (gradient[i] - each));
      second = second.map((each, i) => beta2 * each + (1 - beta2) * gradient[i] ** 2);
      const size = rate / (1 - beta1 ** step);
      const correction = Math.sqrt(1 - beta2 ** step);
      place = place.map(
        (each, i) =>
          each - (size * first[i]) / (Math.sqrt(second[i]) / correction + epsilon),
      );
    }
  }

  // torch.optim.LBFGS with line_search_fn="strong_wolfe", as `fit` runs it: Nocedal and
  // Wright (2006), algorithms 7.4 and 7.5. Its learning rate is torch's default, 1, for
  // the search finds the length. It ends when rounding lets it move no more.
  function* lbfgs(place) {
    const MAGNIFY = 1e6; // of loss and gradient, as in `fit`
    const LITTLE = 1e-10; // curvature that is not remembered
    const HISTORY = 100;
    function* evaluate(at) {
      const { loss, gradient } = yield at;
      const scaled = gradient.map((each) => each * MAGNIFY);
      if (Number.isFinite(loss)) return { loss: (loss * MAGNIFY) / n, gradient: scaled };
      return { loss: Infinity, gradient: gradient.map(() => NaN) }; // turns half way back
    }
    let here = yield* evaluate(place);
    let direction = here.gradient.map((each) => -each);
    let length = Math.min(1, 1 / dot(direction.map(Math.abs), [1, 1]));
    let shrink = 1; // the first guess of the inverse curvature
    const memory = [];
    while (!(dot(here.gradient, direction) > 0)) {
      const from = here;
      [here, length] = yield* search(evaluate, place, from, direction, length);
      const move = direction.map((each) => length * each);
      if (largest(move) === 0) return;
      place = add(place, length, direction);
      const change = add(here.gradient, -1, from.gradient);
      const curvature = dot(change, move);
      if (curvature > LITTLE) {
        if (memory.length === HISTORY) memory.shift();
        memory.push({ move, change, curvature });
        shrink = curvature / dot(change, change);
      }
      direction = newton(here.gradient, memory, shrink);
      length = 1;
    }
  }

  // Minus the inverse curvature, as remembered, times the gradient.
  function newton(gradient, memory, shrink) {
    let result = gradient.map((each) => -each);
    const parts = [];
    for (const { move, change, curvature } of [...memory].reverse()) {
      const part = dot(move, result) / curvature;
      parts.push(part);
      result = add(result, -part, change);
    }
    result = result.map((each) => each * shrink);
    for (const { move, change, curvature } of memory) {
      result = add(result, parts.pop() - dot(change, result) / curvature, move);
    }
    return result;
  }

  // A length of step with the strong Wolfe conditions: Nocedal and Wright (2006),
  // algorithms 3.5 and 3.6, with the rules and constants of torch/optim/lbfgs.py.
  function* search(evaluate, place, from, direction, length) {
    const [ENOUGH, FLAT, NARROW, TRIALS] = [1e-4, 0.9, 1e-9, 25];
    const slope = dot(from.gradient, direction);
    function* attempt(t) {
      const found = yield* evaluate(add(place, t, direction));
      return { ...found, t, slope: dot(found.gradient, direction) };
    }
    const tooHigh = (end) => end.loss > from.loss + ENOUGH * end.t * slope;
    const good = (end) => Math.abs(end.slope) <= -FLAT * slope;

    // Go on, ever further, until a good length lies between the last two.
    const start = { ...from, t: 0, slope };
    let last = start;
    let end = yield* attempt(length);
    let trials = 0;
    for (; trials < TRIALS; trials++) {
      if (tooHigh(end) || (trials > 1 && end.loss >= last.loss)) break;
      if (good(end)) return [end, end.t];
      if (end.slope >= 0) break;
      const bounds = [end.t + 0.01 * (end.t - last.t), end.t * 10];
      const next = cubic(last, end, bounds);
      last = end;
      end = yield* attempt(next);
    }

    // Narrow these two down. The pair keeps its order; low is the lower of them.
    const pair = [trials < TRIALS ? last : start, end];
    let near = false; // whether the last trial was near an end of the pair
    for (; ; trials++) {
      const [low, high] = pair[0].loss <= pair[1].loss ? [0, 1] : [1, 0];
      const [left, right] = pair.map(({ t }) => t).sort((a, b) => a - b);
      const narrow = (right - left) * largest(direction) < NARROW;
      if (narrow || trials >= TRIALS) return [pair[low], pair[low].t];
      let t = cubic(...pair, [left, right]);
      const margin = 0.1 * (right - left);
      const close = Math.min(right - t, t - left) < margin;
      if (close && (near || t >= right || t <= left)) {
        t = Math.abs(t - right) < Math.abs(t - left) ? right - margin : left + margin;
        near = false;
      } else {
        near = close;
      }
      const found = yield* attempt(t);
      if (tooHigh(found) || found.loss >= pair[low].loss) {
        pair[high] = found;
        continue;
      }
      if (good(found)) return [found, t];
      if (found.slope * (pair[high].t - pair[low].t) >= 0) pair[high] = pair[low];
      pair[low] = found;
    }
  }

  // Where the cubic through two ends, with their slopes, is lowest, within bounds.
  function cubic(one, other, [least, most]) {
    const [a, b] = one.t <= other.t ? [one, other] : [other, one];
    const d1 = a.slope + b.slope - (3 * (a.loss - b.loss)) / (a.t - b.t);
    const square = d1 * d1 - a.slope * b.slope;
    if (!(square >= 0)) return (least + most) / 2;
    const d2 = Math.sqrt(square);
    const t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2));
    return Math.min(Math.max(t, least), most);
  }

  const optimizers = {
    "gradient descent (SGD)": descend,
    Adam: adam,
    [LBFGS]: lbfgs,
  };

  // --- the loss ---

  // The row of `fit`'s trace, with the gradient, at a place in the raw space.
  function evaluate([loc, raw], inputs) {
    let [scale, slope] = [raw ?? inputs.scale, 1];
    if (inputs.constraint === SOFTPLUS && raw <= 20) {
      scale = Math.log1p(Math.exp(raw)); // beyond 20 torch takes the number itself
      slope = Math.exp(raw) / (1 + Math.exp(raw));
    }
    const square = std ** 2 + (mean - loc) ** 2; // the mean of (x - loc)^2
    const constant = 0.5 * Math.log(2 * Math.PI);
    const loss = n * (Math.log(scale) + constant + square / (2 * scale ** 2));
    const gradient = [(loc - mean) / scale ** 2];
    if (raw !== undefined) gradient.push((1 / scale - square / scale ** 3) * slope);
    return { loc, scale, loss, gradient, excess: excess(loc, scale, inputs) };
  }

  // The loss above its minimum in nats a sample, without subtracting large numbers.
  function excess(loc, scale, { constraint }) {
    const ofLoc = (mean - loc) ** 2 / (2 * scale ** 2);
    if (constraint === HELD) return ofLoc;
    const ratio = scale / std;
    const ofScale = Math.log(ratio) - ((ratio - 1) * (ratio + 1)) / (2 * ratio ** 2);
    return ofScale + ofLoc;
  }

  // --- the walk ---

  function begin(inputs) {
    const { loc, scale, constraint } = inputs;
    const raw = constraint === SOFTPLUS ? scale + Math.log(-Math.expm1(-scale)) : scale;
    const place = constraint === HELD ? [loc] : [loc, raw];
    const optimizer = optimizers[inputs.optimizer](place, Number(inputs.rate));
    const parabola = locs.map((at) => ({ loc: at, excess: excess(at, scale, inputs) }));
    const patience = inputs.optimizer === LBFGS ? PATIENCE : 0;
    const walk = { inputs, optimizer, parabola, patience, rows: [], end: null };
    advance(walk);
    return walk;
  }

  // Take a step, unless the walk is at its end.
  function advance(walk) {
    if (walk.end) return;
    const { rows, inputs, optimizer } = walk;
    const { value, done } = optimizer.next(rows.at(-1));
    if (done) {
      walk.end = "stuck";
      return;
    }
    const row = { step: rows.length, ...evaluate(value, inputs) };
    rows.push(row);
    if (!Number.isFinite(row.loss)) walk.patience--;
    if (walk.patience < 0) walk.end = "diverged";
    else if (largest(row.gradient) < SMALL) walk.end = "converged";
    else if (row.step === MOST) walk.end = "most";
  }

  // --- what is seen ---

  const LEVELS = [0.02, 0.1, 0.25, 0.5, 0.8, 1.2, 1.7, 2.4, 3.5, 5, 8, 13, 20, 40];
  const steps = (from, to, count) =>
    Array.from({ length: count + 1 }, (_, i) => from + (i * (to - from)) / count);
  const locs = steps(-12, 16, 280);
  const TOP = 8; // of the scales in the chart

  // Each line of equal loss: up at the right of the mean, and down at its left.
  const contours = LEVELS.flatMap((level) => {
    const side = steps(0.02, TOP, 399).flatMap((scale) => {
      const square = 2 * scale ** 2 * (level + 0.5 - Math.log(scale / std)) - std ** 2;
      return square < 0 ? [] : [{ level, scale, from: Math.sqrt(square) }];
    });
    const right = side.map((each) => ({ ...each, loc: mean + each.from }));
    const left = side.map((each) => ({ ...each, loc: mean - each.from })).reverse();
    return [...right, ...left].map((each, order) => ({ ...each, order }));
  });
  const ridge = locs
    .map((loc) => ({ loc, scale: Math.hypot(std, mean - loc) }))
    .filter(({ scale }) => scale <= TOP);
  const top = [{ loc: mean, scale: std }];
  const bottom = [{ loc: mean, excess: 0 }];
  const none = [];

  // An odd one of many rows, so that a path that swings from side to side still does.
  function thin(rows) {
    const every = 2 * Math.ceil(rows.length / POINTS) - 1;
    return rows.filter((row, i) => i % every === 0 || i === rows.length - 1);
  }

  // Those that lie below all before: the others are trials of a line search.
  function improving(rows) {
    let lowest = Infinity;
    return rows.filter(({ loss }) => {
      const better = loss < lowest;
      if (better) lowest = loss;
      return better;
    });
  }

  function tables({ inputs, parabola, rows }) {
    const FAR = 1000; // outside any chart; a browser cannot draw 1e300
    const within = (x) => Math.max(-FAR, Math.min(FAR, x));
    const onSurface = ({ step, loc, scale }) => ({
      step,
      loc: within(loc),
      scale: within(scale),
    });
    const joined = inputs.optimizer === LBFGS ? improving(rows) : rows;
    const inChart = ({ loc }) => loc >= locs[0] && loc <= locs.at(-1);
    const loss = thin(rows.filter((row) => Number.isFinite(row.excess)));
    const held = inputs.constraint === HELD;
    const surface = {
      contours,
      ridge,
      top,
      dots: thin(rows).map(onSurface),
      path: thin(joined).map(onSurface),
      here: rows.slice(-1).map(onSurface),
    };
    const slice = {
      parabola,
      bottom,
      descent: thin(rows.filter(inChart)),
      now: rows.slice(-1).filter(inChart),
    };
    return {
      ...(held ? emptied(surface) : surface),
      ...(held ? slice : emptied(slice)),
      loss: loss.map(({ step, excess }) => ({ step, excess: Math.max(excess, 1e-14) })),
    };
  }

  function emptied(tables) {
    return Object.fromEntries(Object.keys(tables).map((name) => [name, none]));
  }

  function text(number) {
    const size = Math.abs(number);
    const short = size === 0 || (size >= 1e-4 && size < 1e6);
    return (short ? number.toFixed(4) : number.toExponential(2)).replace("-", "\u2212");
  }

  const at = ({ loc, scale }) => `μ ${text(loc)}, σ ${text(scale)}`;

  // Where the walk is, and what its last step did, in words.
  function says({ inputs, rows, end }) {
    const row = rows.at(-1);
    const place = `Step ${row.step}: ${at(row)}`;
    if (!Number.isFinite(row.loss)) {
      const loss = Number.isNaN(row.loss) ? "nan" : "inf";
      const why = row.scale > 0 ? "It is too far out" : "No normal has such a scale";
      if (!end) return `${place}. ${why}: the loss is ${loss}. The search turns back.`;
      const error = `fit diverged: the loss is ${loss} at step ${row.step}`;
      return `${place}. ${why}: fit raises FloatingPointError, ${error}.`;
    }
    const told = `${place}, ${text(row.excess)} nats a sample above the minimum.`;
    if (end === "converged") return `${told} Converged: the gradient is below 1e-6.`;
    if (end === "stuck") return `${told} Rounding lets it go no further.`;
    if (row.step === 0) return `${told} This is the start.`;
    const more = end === "most" ? " Not there yet, but play ends here." : "";
    return `${told} ${inputs.optimizer === LBFGS ? trial(rows) : pace(rows)}.${more}`;
  }

  function trial(rows) {
    const best = improving(rows).at(-1) === rows.at(-1);
    return best ? "The lowest so far" : "A trial of the line search, not the lowest so far";
  }

  function pace(rows) {
    const [before, row] = rows.slice(-2);
    const ratio = row.excess / before.excess;
    const [a, b, c] = rows.slice(-3).map(({ loc }) => Math.sign(loc - mean));
    const swings = a === c && a === -b;
    const how = [
      [swings && ratio > 1.001, ": it swings ever wider"],
      [swings, ": it swings from side to side"],
      [ratio > 1, ": it rose"],
      [ratio > CRAWL, ": it crawls"],
      [true, ""],
    ].find(([holds]) => holds)[1];
    return `The step multiplied that by ${text(ratio)}${how}`;
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
        loc: row.loc,
        scale: row.scale,
        loss: row.loss,
        excess: row.excess,
        gradient: largest(row.gradient),
        best_loc: mean,
        best_scale: inputs.constraint === HELD ? "held" : std,
      },
      says: says(walk),
      again: playing ? TICK : undefined,
    };
  };
};
