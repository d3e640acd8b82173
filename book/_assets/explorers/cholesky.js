/* The bivariate normal whose factor the reader moves, beside the data: its ellipses, its
   covariance, samples that it makes of standard normal ones, and its log-likelihood. */

"use strict";

explorers.cholesky = ({ samples, n, loc, covariance, true_factor }) => {
  // Matrices are lists of rows. This product takes the columns of the second one by one.
  const times = ([[a, b], [c, d]], [x, y]) => [a * x + b * y, c * x + d * y];
  const determinant = ([[a, b], [c, d]]) => a * d - b * c;
  const from = ([x, y]) => ({ x: loc[0] + x, y: loc[1] + y });

  // Rounding must not make a small number of what is 0.
  const tidy = (number) => Math.round(number * 1e12) / 1e12;

  // The vector that the factor takes to the given one.
  function solve(factor, [x, y]) {
    const [[a, b], [c, d]] = factor;
    const size = determinant(factor);
    return [(d * x - b * y) / size, (a * y - c * x) / size];
  }

  function cholesky([[a, b], [, c]]) {
    const first = Math.sqrt(a);
    return [[first, 0], [b / first, Math.sqrt(c - (b / first) ** 2)]];
  }

  // The factor times a rotation by the angle.
  function turn([[a, b], [c, d]], degrees) {
    const cos = Math.cos((degrees * Math.PI) / 180);
    const sin = Math.sin((degrees * Math.PI) / 180);
    const row = (x, y) => [tidy(x * cos + y * sin), tidy(y * cos - x * sin)];
    return [row(a, b), row(c, d)];
  }

  // The factor times its transpose.
  function square([[a, b], [c, d]]) {
    const across = tidy(a * c + b * d);
    return [[tidy(a * a + b * b), across], [across, tidy(c * c + d * d)]];
  }

  // At the location of the data their log-likelihood needs only n and their covariance.
  const top = cholesky(covariance);
  const columns = [[1, 0], [0, 1]].map((unit) => times(top, unit));

  function logLikelihood(factor) {
    const squares = columns.map((column) => Math.hypot(...solve(factor, column)) ** 2);
    const size = Math.log(2 * Math.PI) + Math.log(Math.abs(determinant(factor)));
    return -n * (size + (squares[0] + squares[1]) / 2);
  }

  const highest = logLikelihood(top);

  // Where the normal is widest and narrowest: the variances there, and the direction.
  function axes(factor) {
    const [[a, b], [, c]] = square(factor);
    const long = (a + c) / 2 + Math.hypot((a - c) / 2, b);
    const short = determinant(factor) ** 2 / long;
    return { long, short, direction: Math.atan2(2 * b, a - c) / 2 };
  }

  function axisLines({ long, short, direction }) {
    return [[long, direction], [short, direction + Math.PI / 2]].map(([variance, angle]) => {
      const half = 2 * Math.sqrt(variance);
      const end = [half * Math.cos(angle), half * Math.sin(angle)];
      const { x: x2, y: y2 } = from(end.map((each) => -each));
      return { ...from(end), x2, y2 };
    });
  }

  function ellipses(factor) {
    return [1, 2].flatMap((distance) =>
      Array.from({ length: 121 }, (_, order) => {
        const angle = (order * Math.PI) / 60;
        const point = [distance * Math.cos(angle), distance * Math.sin(angle)];
        return { distance, order, ...from(times(factor, point)) };
      }),
    );
  }

  // Why PyTorch refuses a factor, or nothing.
  function fault([[a, b], [, d]]) {
    if (b) return `A₁₂ is ${b.toFixed(4)}`;
    return a > 0 && d > 0 ? "" : "its diagonal is negative";
  }

  // What PyTorch computes where its check is off: it reads the lower half alone.
  function unchecked([[a], [c, d]]) {
    return a > 0 && d > 0 ? logLikelihood([[a, 0], [c, d]]) : "none";
  }

  const entries = ([[a], [c, d]]) => [a, c, d];

  const data = samples.map(([x, y]) => ({ x, y }));
  const z = samples.map(([x, y]) => solve(true_factor, [x - loc[0], y - loc[1]]));
  const goals = { go_to_truth: true_factor, go_to_maximum: top };
  let exact = null; // a factor that a button has set, finer than the sliders can
  let best = { total: -Infinity };

  function upright(factor, correlation, total, maximum) {
    const [a, c, d] = entries(factor).map((each) => each.toFixed(2));
    const below = (maximum ? highest : best.total) - total;
    const goal = maximum ? "maximum" : "best so far";
    const place = below < 0.005 ? `the ${goal}` : `${below.toFixed(2)} below the ${goal}`;
    return (
      `L₁₁ ${a}, L₂₁ ${c}, L₂₂ ${d}: correlation ${correlation.toFixed(2)}, ` +
      `log-likelihood ${total.toFixed(2)} nats, ${place}.`
    );
  }

  function turned(angle, total, refused) {
    const verdict = refused ? `refuses it, for ${refused}` : "takes it";
    return (
      `Turned by ${angle} degrees: the same covariance and log-likelihood, ` +
      `${total.toFixed(2)} nats, other samples. As scale_tril PyTorch ${verdict}.`
    );
  }

  return ({ L_11, L_21, L_22, dense, angle, maximum }, pressed) => {
    const moved = (each, i) => Math.abs(each - [L_11, L_21, L_22][i]) > 0.0051;
    if (exact && entries(exact).some(moved)) exact = null;
    if (pressed in goals) exact = goals[pressed];
    const triangular = exact ?? [[L_11, 0], [L_21, L_22]];
    const factor = dense ? turn(triangular, angle) : triangular;

    const total = logLikelihood(factor);
    if (pressed === "forget" || total > best.total + 1e-6) {
      best = { factor: triangular, total };
    }
    const [[variance, across], [, other]] = square(factor);
    const { long, short, direction } = axes(factor);
    const correlation = across / Math.sqrt(variance * other);
    const refused = fault(factor);

    return {
      controls: exact ? { L_11: exact[0][0], L_21: exact[1][0], L_22: exact[1][1] } : {},
      tables: {
        data,
        ellipses: ellipses(factor),
        axes: axisLines({ long, short, direction }),
        moved: z.map((each) => from(times(factor, each))),
        columns: [1, 2].map((number) => ({
          number,
          x0: loc[0],
          y0: loc[1],
          ...from(factor.map((row) => row[number - 1])),
        })),
        top: maximum ? ellipses(top) : [],
      },
      numbers: {
        factor,
        covariance: square(factor),
        correlation,
        direction: (direction * 180) / Math.PI,
        long_variance: long,
        long_half: Math.sqrt(long),
        short_variance: short,
        short_half: Math.sqrt(short),
        log_likelihood: total,
        best: best.total,
        best_at: best.factor,
        top: maximum ? highest : "not shown",
        top_at: maximum ? top : "not shown",
        check: refused ? "refuses it" : "takes it",
        unchecked: unchecked(factor),
      },
      says: dense
        ? turned(angle, total, refused)
        : upright(triangular, correlation, total, maximum),
    };
  };
};
