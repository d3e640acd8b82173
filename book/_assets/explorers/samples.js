/* Samples of n points from a normal, drawn again and again, and what is estimated from
   each: how far the estimates spread, and what they are on average.

   Random numbers: sfc32 by Chris Doty-Humphrey (PractRand, pracrand.sourceforge.net),
   seeded as there, made normal by Marsaglia's polar method (SIAM Review 6, 1964). From
   one seed the same buttons give the same draws, at each visit. (Vega's own seeded
   generator is weak, and Vega's normal draws share one state over the page.) */

"use strict";

explorers.samples = ({ loc, scale, seed }) => {
  const SIZES = [2, 5, 10, 20, 50, 100, 200, 500, 1000]; // the choices of n
  const EACH = 100; // samples that play draws of each size, in PARTS
  const PARTS = 5;
  const PAUSE = 150; // milliseconds between parts
  const ENOUGH = 10; // estimates, to speak of their spread

  // --- Random numbers ---

  // Return a source of whole numbers below 2^32.
  function sfc32(seed) {
    let [a, b, c, counter] = [0, seed | 0, 0, 1];
    function next() {
      const sum = (((a + b) | 0) + counter) | 0;
      counter = (counter + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + sum) | 0;
      return sum >>> 0;
    }
    for (let i = 0; i < 12; i++) next();
    return next;
  }

  // Return a source of standard normal numbers.
  function normals(seed) {
    const next = sfc32(seed);
    const uniform = () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
    let spare = null;
    return () => {
      if (spare !== null) {
        const kept = spare;
        spare = null;
        return kept;
      }
      let u, v, square;
      do {
        u = 2 * uniform() - 1;
        v = 2 * uniform() - 1;
        square = u * u + v * v;
      } while (square >= 1 || square === 0);
      const stretch = Math.sqrt((-2 * Math.log(square)) / square);
      spare = v * stretch;
      return u * stretch;
    };
  }

  // --- Theory ---

  // ratio[k] is Γ((k + 1) / 2) / Γ(k / 2); logGamma[k] is log Γ(k / 2).
  const ratio = [NaN, 1 / Math.sqrt(Math.PI)];
  const logGamma = [NaN, Math.log(Math.PI) / 2];
  for (let k = 1; k < SIZES.at(-1); k++) {
    ratio.push(k / 2 / ratio[k]);
    logGamma.push(logGamma[k] + Math.log(ratio[k]));
  }

  function normalDensity(x, mean, spread) {
    const z = (x - mean) / spread;
    return Math.exp((-z * z) / 2) / (spread * Math.sqrt(2 * Math.PI));
  }

  // The density of the sum of k squared standard normals.
  function chiSquareDensity(x, k) {
    const log = (k / 2 - 1) * Math.log(x) - x / 2 - (k / 2) * Math.log(2);
    return Math.exp(log - logGamma[k]);
  }

  /* An estimate: its value for a sample's mean and sum of squares about it, the truth,
     what it is on average, how far it spreads, its density, and an axis for it. */
  const mean = {
    value: ({ mean }) => mean,
    truth: loc,
    expected: () => loc,
    spread: (n) => scale / Math.sqrt(n),
    density: (x, n) => normalDensity(x, loc, scale / Math.sqrt(n)),
    axis: [loc - 2.5 * scale, loc + 2.5 * scale],
  };

  function variance(correction) {
    return {
      value: ({ squares }, n) => squares / (n - correction),
      truth: scale ** 2,
      expected: (n) => (scale ** 2 * (n - 1)) / (n - correction),
      spread: (n) => (scale ** 2 * Math.sqrt(2 * (n - 1))) / (n - correction),
      density: (x, n) => {
        const unit = (n - correction) / scale ** 2;
        return unit * chiSquareDensity(unit * x, n - 1);
      },
      axis: [0, 4 * scale ** 2],
    };
  }

  function deviation(correction) {
    const square = variance(correction);
    const expected = (n) => scale * Math.sqrt(2 / (n - correction)) * ratio[n - 1];
    return {
      value: (sample, n) => Math.sqrt(square.value(sample, n)),
      truth: scale,
      expected,
      spread: (n) => Math.sqrt(square.expected(n) - expected(n) ** 2),
      density: (x, n) => 2 * x * square.density(x * x, n),
      axis: [0, 3 * scale],
    };
  }

  const estimates = {
    mean,
    "variance (by n)": variance(0),
    "variance (by n − 1)": variance(1),
    "standard deviation (by n)": deviation(0),
    "standard deviation (by n − 1)": deviation(1),
  };

  function grid(from, to, count) {
    return Array.from({ length: count }, (_, i) => from + ((to - from) * (i + 0.5)) / count);
  }

  // About evenly spaced on a log axis.
  const logSizes = grid(Math.log(SIZES[0]), Math.log(SIZES.at(-1)), 40);
  const sizes = new Set([...SIZES, ...logSizes.map((log) => Math.round(Math.exp(log)))]);
  const allSizes = [...sizes].sort((a, b) => a - b);
  const truth = grid(loc - 4 * scale, loc + 4 * scale, 160);
  const truthCurve = truth.map((x) => ({ x, density: normalDensity(x, loc, scale) }));

  // --- Drawing ---

  let draw; // the source of numbers
  let drawn; // by n: the samples so far, and the points of the last
  let part; // how many parts have been played
  let playing;

  function startOver() {
    draw = normals(seed);
    drawn = new Map(SIZES.map((n) => [n, { samples: [], points: [] }]));
    part = 0;
    playing = false;
  }

  function sample(n, times) {
    const here = drawn.get(n);
    for (let i = 0; i < times; i++) {
      here.points = Array.from({ length: n }, () => loc + scale * draw());
      const mean = average(here.points);
      const squares = here.points.reduce((sum, x) => sum + (x - mean) ** 2, 0);
      here.samples.push({ mean, squares });
    }
  }

  function average(values) {
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  function spread(values) {
    const middle = average(values);
    return Math.sqrt(average(values.map((value) => (value - middle) ** 2)));
  }

  function bins(values, from, width) {
    const counts = new Map();
    for (const value of values) {
      const bin = Math.floor((value - from) / width);
      counts.set(bin, (counts.get(bin) ?? 0) + 1);
    }
    return [...counts].map(([bin, count]) => ({
      from: from + bin * width,
      to: from + (bin + 1) * width,
      density: count / (values.length * width),
    }));
  }

  startOver();

  return (inputs, pressed) => {
    let n = Number(inputs.n);
    if (pressed === "over") startOver();
    playing = pressed === "tick" || (pressed === "play" && !playing);
    if (playing) {
      n = SIZES[Math.floor(part / PARTS)];
      sample(n, EACH / PARTS);
      part = (part + 1) % (PARTS * SIZES.length);
      playing = part > 0;
    }
    if (pressed === "once") sample(n, 1);
    if (pressed === "hundred") sample(n, 100);
    const { samples } = drawn.get(n);
    if (!samples.length) sample(n, 1);

    const estimate = estimates[inputs.estimate];
    const valuesOf = (n) => drawn.get(n).samples.map((each) => estimate.value(each, n));
    const values = valuesOf(n);
    const [expected, expectedSpread] = [estimate.expected(n), estimate.spread(n)];
    const [low, high] = estimate.axis;
    const near = [expected - 4 * expectedSpread, expected + 4 * expectedSpread];
    const seen = grid(Math.max(low, near[0]), Math.min(high, near[1]), 100);
    const measured = SIZES.filter((size) => drawn.get(size).samples.length >= ENOUGH);
    const last = samples.at(-1);
    const reach = Math.sqrt(last.squares / n);
    const spreads = values.length >= ENOUGH ? spread(values) : null;
    const count = `${values.length} data set${values.length > 1 ? "s" : ""} of ${n} samples`;
    const middle = `${average(values).toFixed(3)} on average (theory: ${expected.toFixed(3)})`;
    const about = `spreads by ${spreads?.toFixed(3)} (theory: ${expectedSpread.toFixed(3)})`;
    return {
      tables: {
        points: drawn.get(n).points.map((x) => ({ x })),
        last: [{ mean: last.mean, low: last.mean - reach, high: last.mean + reach }],
        true_curve: truthCurve,
        bins: bins(values, low, expectedSpread / 3),
        curve: seen.map((x) => ({ x, density: estimate.density(x, n) })),
        axis: [{ low, high }],
        truth: [{ truth: estimate.truth }],
        expected: [{ expected }],
        estimate: [{ estimate: values.at(-1) }],
        spread_line: allSizes.map((n) => ({ n, spread: estimate.spread(n) })),
        spreads: measured.map((n) => ({ n, spread: spread(valuesOf(n)) })),
        average_line: allSizes.map((n) => {
          const [middle, reach] = [estimate.expected(n), estimate.spread(n)];
          return { n, expected: middle, low: middle - reach, high: middle + reach };
        }),
        averages: measured.map((n) => ({ n, average: average(valuesOf(n)) })),
      },
      numbers: {
        drawn: String(values.length),
        average: average(values),
        spread: spreads ?? "not yet",
      },
      says: `${count}: the ${inputs.estimate} is ${middle}${spreads ? ` and ${about}` : ""}.`,
      controls: { n: String(n) },
      again: playing ? PAUSE : undefined,
    };
  };
};
