/* Gradient steps on the likelihood of a normal distribution: SGD and Adam as torch takes
   them in `fit`, and Newton's method as chapter 4 does. A step is an evaluation of loss
   and gradient: a row of `fit`'s trace.

   An optimizer is a generator: it yields the place that it wants evaluated, and is
   handed the loss, the gradient and the Hessian there. */

"use strict";

explorers.gradient = ({ n, mean, std }) => {
  const MOST = 10_000; // steps, as in `fit`
  const ENOUGH = 1e-6; // standard errors left to go that end the walk, as in `fit`
  const FAINT = 1e-12; // a loss that is higher by less may be rounding
  const HUGE = Number.MAX_VALUE ** 0.4; // a mean loss beyond it is infinite, as in `fit`
  const CRAWL = 0.98; // a step that leaves more of the loss above its minimum crawls
  const TICK = 80; // milliseconds between the moves of "play"
  const POINTS = 500; // at most drawn of a path
  const HELD = "held at its start";
  const SOFTPLUS = "kept positive by softplus";
  const NEWTON = "Newton (knows the curvature)";

  // --- vectors ---

  const dot = (a, b) => a.reduce((sum, each, i) => sum + each * b[i], 0);
  const add = (a, factor, b) => a.map((each, i) => each + factor * b[i]);

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

  // Newton's method: back by the gradient over the size of the curvature along each axis,
  // halved until the loss falls.
  function* newton(place) {
    let here = yield place;
    for (;;) {
      let step = axes(here.hessian).map(({ axis, curvature }) => {
        const length = dot(axis, here.gradient) / Math.abs(curvature);
        return axis.map((each) => length * each);
      });
      step = step.reduce((sum, each) => add(sum, 1, each));
      let there = yield add(place, -1, step);
      while (!(there.loss <= here.loss + n * FAINT)) {
        step = step.map((each) => each / 2);
        there = yield add(place, -1, step);
      }
      place = add(place, -1, step);
      here = there;
    }
  }

  // The eigenvectors of a symmetric matrix, 1 by 1 or 2 by 2, and its eigenvalues.
  function axes([[a, b], [, c] = []]) {
    if (c === undefined) return [{ axis: [1], curvature: a }];
    const angle = Math.atan2(2 * b, a - c) / 2;
    return [angle, angle + Math.PI / 2].map((turned) => {
      const axis = [Math.cos(turned), Math.sin(turned)];
      const [x, y] = axis;
      return { axis, curvature: a * x * x + 2 * b * x * y + c * y * y };
    });
  }

  // How far the maximum seems to be, in standard errors; never near at a saddle.
  function distance({ gradient, hessian }) {
    const found = axes(hessian);
    if (found.some(({ curvature }) => !(curvature > 0))) return Infinity;
    const squares = found.map(
      ({ axis, curvature }) => dot(axis, gradient) ** 2 / curvature,
    );
    return Math.sqrt(n * dot(squares, squares.map(() => 1)));
  }

  const optimizers = {
    "gradient descent (SGD)": descend,
    Adam: adam,
    [NEWTON]: newton,
  };

  // --- the loss ---

  // The row of `fit`'s trace, with the gradient, at a place in the raw space.
  function evaluate([loc, raw], inputs) {
    let [scale, slope, bend] = [raw ?? inputs.scale, 1, 0]; // and its two derivatives
    if (inputs.constraint === SOFTPLUS && raw <= 20) {
      scale = Math.log1p(Math.exp(raw)); // beyond 20 torch takes the number itself
      slope = Math.exp(raw) / (1 + Math.exp(raw));
      bend = slope * (1 - slope);
    }
    const off = loc - mean;
    const square = std ** 2 + off ** 2; // the mean of (x - loc)^2
    const constant = 0.5 * Math.log(2 * Math.PI);
    let loss = Math.log(scale) + constant + square / (2 * scale ** 2);
    if (loss > HUGE) loss = Infinity;
    const gradient = [off / scale ** 2];
    const hessian = [[1 / scale ** 2]];
    if (raw !== undefined) {
      const ofScale = 1 / scale - square / scale ** 3;
      const curve = (3 * square) / scale ** 4 - 1 / scale ** 2;
      const mixed = (-2 * off * slope) / scale ** 3;
      gradient.push(ofScale * slope);
      hessian[0].push(mixed);
      hessian.push([mixed, curve * slope ** 2 + ofScale * bend]);
    }
    const above = excess(loc, scale, inputs);
    const row = { loc, scale, loss: n * loss, gradient, hessian, excess: above };
    return { ...row, left: distance(row) };
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
    const walk = { inputs, optimizer, parabola, rows: [], end: null };
    advance(walk);
    return walk;
  }

  // Take a step, unless the walk is at its end.
  function advance(walk) {
    if (walk.end) return;
    const { rows, inputs, optimizer } = walk;
    const { value } = optimizer.next(rows.at(-1));
    const row = { step: rows.length, ...evaluate(value, inputs) };
    rows.push(row);
    const bears = inputs.optimizer === NEWTON; // a loss that is not finite: it halves
    if (!Number.isFinite(row.loss) && !bears) walk.end = "diverged";
    else if (row.left <= ENOUGH) walk.end = "converged";
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

  // Those that lie below all before: the others are trials of too long a step.
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
    const joined = inputs.optimizer === NEWTON ? improving(rows) : rows;
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
      const why = row.scale > 0 ? "It is too far out" : "No normal has such a scale";
      if (!end) return `${place}. ${why}: the loss is not finite. The step is halved.`;
      const error = `fit diverged: the loss left the floats at step ${row.step}`;
      return `${place}. ${why}: fit raises FloatingPointError, ${error}.`;
    }
    const told = `${place}, ${text(row.excess)} nats a sample above the minimum.`;
    if (end === "converged") return `${told} Converged: 1e-6 standard errors left at most.`;
    if (row.step === 0) return `${told} This is the start.`;
    const more = end === "most" ? " Not there yet, but play ends here." : "";
    return `${told} ${inputs.optimizer === NEWTON ? trial(rows) : pace(rows)}.${more}`;
  }

  function trial(rows) {
    const best = improving(rows).at(-1) === rows.at(-1);
    return best ? "The lowest so far" : "Too long a step, so it is halved";
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
        left: Number.isFinite(row.left) ? row.left : "unknown here",
        best_loc: mean,
        best_scale: inputs.constraint === HELD ? "held" : std,
      },
      says: says(walk),
      again: playing ? TICK : undefined,
    };
  };
};
