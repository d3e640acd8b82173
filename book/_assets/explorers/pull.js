/* One of Newcomb's times is moved, and the normal and Student's t that fit best follow
   it, or do not.

   The best t for given degrees of freedom comes from weighted means, as in the chapter;
   the degrees themselves from a golden section of the profile. */

"use strict";

explorers.pull = ({ times }) => {
  const sorted = (values) => [...values].sort((a, b) => a - b);
  const others = sorted(times).slice(1);
  const n = times.length;
  const WIDTH = 2; // of a bin, in nanoseconds
  const FEW = 0.5; // and MANY: between them the degrees of freedom are learned
  const MANY = 500;
  const NODES = 4000; // of the integral that gives quantiles
  const xs = Array.from({ length: 321 }, (_, i) => -100 + i / 2);
  const places = Array.from({ length: 41 }, (_, i) => -100 + 4 * i);

  const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

  // --- The two families ---

  function logGamma(z) {
    let shift = 0; // Stirling's series is for large numbers
    for (; z < 10; z++) shift += Math.log(z);
    const series = 1 / (12 * z) - 1 / (360 * z ** 3) + 1 / (1260 * z ** 5);
    return (z - 0.5) * Math.log(z) - z + 0.5 * Math.log(2 * Math.PI) + series - shift;
  }

  // The logarithm of the density of a standard t at 0.
  function logTop(df) {
    return logGamma((df + 1) / 2) - logGamma(df / 2) - 0.5 * Math.log(df * Math.PI);
  }

  function logDensity(x, { df, loc, scale }) {
    const square = ((x - loc) / scale) ** 2;
    if (df === Infinity) {
      return -0.5 * square - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
    }
    return logTop(df) - Math.log(scale) - ((df + 1) / 2) * Math.log1p(square / df);
  }

  function total(data, model) {
    return data.reduce((sum, x) => sum + logDensity(x, model), 0);
  }

  // Quantiles at the plotting positions (i + 1/2) / n, from the integral of the density
  // to the right of the middle. Of a t it is taken over an angle, r = sqrt(df) tan(angle),
  // for then the density is a power of the cosine.
  function quantiles({ df, loc, scale }) {
    const normal = df === Infinity;
    const step = (normal ? 6 : Math.PI / 2) / NODES;
    const top = normal ? 1 / Math.sqrt(2 * Math.PI) : Math.exp(logTop(df)) * Math.sqrt(df);
    const height = normal ? (r) => Math.exp(-0.5 * r * r) : (a) => Math.cos(a) ** (df - 1);
    const shares = [0.5];
    for (let i = 1; i < NODES; i++) {
      const area = (step * (height((i - 1) * step) + height(i * step))) / 2;
      shares.push(shares[i - 1] + top * area);
    }
    function standard(share) {
      if (share < 0.5) return -standard(1 - share);
      const after = Math.max(1, shares.findIndex((each) => each >= share));
      const part = (share - shares[after - 1]) / (shares[after] - shares[after - 1]);
      const at = (after - 1 + part) * step;
      return normal ? at : Math.sqrt(df) * Math.tan(at);
    }
    return Array.from({ length: n }, (_, i) => loc + scale * standard((i + 0.5) / n));
  }

  // --- The fits ---

  function bestNormal(data) {
    const loc = mean(data);
    const scale = Math.sqrt(mean(data.map((x) => (x - loc) ** 2)));
    return { df: Infinity, loc, scale };
  }

  function bestT(data, df) {
    let { scale } = bestNormal(data);
    let loc = data[Math.floor(n / 2)];
    for (let round = 0; round < 500; round++) {
      const weights = data.map((x) => (df + 1) / (df + ((x - loc) / scale) ** 2));
      const moved = mean(data.map((x, i) => weights[i] * x)) / mean(weights);
      const spread = Math.sqrt(mean(data.map((x, i) => weights[i] * (x - moved) ** 2)));
      const still = Math.abs(moved - loc) + Math.abs(spread - scale) < 1e-9 * scale;
      [loc, scale] = [moved, spread];
      if (still) break;
    }
    return { df, loc, scale };
  }

  function learnedT(data) {
    const RATIO = (Math.sqrt(5) - 1) / 2;
    const model = (log) => bestT(data, Math.exp(log));
    const height = (log) => total(data, model(log));
    let [low, high] = [Math.log(FEW), Math.log(MANY)];
    let [left, right] = [high - RATIO * (high - low), low + RATIO * (high - low)];
    let [atLeft, atRight] = [height(left), height(right)];
    while (high - low > 1e-5) {
      if (atLeft > atRight) {
        [high, right, atRight] = [right, left, atLeft];
        left = high - RATIO * (high - low);
        atLeft = height(left);
      } else {
        [low, left, atLeft] = [left, right, atRight];
        right = low + RATIO * (high - low);
        atRight = height(right);
      }
    }
    return model((low + high) / 2);
  }

  // --- What is shown ---

  const withOneAt = (place) => sorted([...others, place]);

  function fitT(place, df) {
    const data = withOneAt(place);
    return df === "learned" ? learnedT(data) : bestT(data, Number(df));
  }

  function histogram(data) {
    const bins = new Map();
    for (const x of data) {
      const from = Math.floor(x / WIDTH) * WIDTH;
      const bin = bins.get(from) ?? { from, to: from + WIDTH, density: 0 };
      bin.density += 1 / (n * WIDTH);
      bins.set(from, bin);
    }
    return [...bins.values()];
  }

  const curve = (model) => xs.map((x) => ({ x, density: Math.exp(logDensity(x, model)) }));

  function pairs(data, model) {
    return quantiles(model).map((quantile, i) => ({ quantile, time: data[i] }));
  }

  const normalPath = places.map((place) => {
    return { place, loc: bestNormal(withOneAt(place)).loc };
  });
  const tPaths = {}; // for each choice of the degrees of freedom, once it was asked for

  return ({ place, df }) => {
    const data = withOneAt(place);
    const [normal, t] = [bestNormal(data), fitT(place, df)];
    tPaths[df] ??= places.map((each) => ({ place: each, loc: fitT(each, df).loc }));
    const [heightNormal, heightT] = [total(data, normal), total(data, t)];
    const say = (number) => number.toFixed(2);
    return {
      tables: {
        bins: histogram(data),
        moved: [{ place }],
        normal_curve: curve(normal),
        t_curve: curve(t),
        normal_pairs: pairs(data, normal),
        t_pairs: pairs(data, t),
        normal_path: normalPath,
        t_path: tPaths[df],
        normal_here: [{ place, loc: normal.loc }],
        t_here: [{ place, loc: t.loc }],
      },
      numbers: {
        normal_loc: normal.loc,
        normal_scale: normal.scale,
        normal_height: heightNormal,
        df: t.df,
        t_loc: t.loc,
        t_scale: t.scale,
        t_height: heightT,
      },
      says:
        `With the lowest time at ${place} the normal has location ${say(normal.loc)} and ` +
        `scale ${say(normal.scale)}; Student's t has ${say(t.loc)} and ${say(t.scale)}, ` +
        `and is ${say(Math.abs(heightT - heightNormal))} nats ` +
        `${heightT > heightNormal ? "more" : "less"} likely.`,
    };
  };
};
