// Numbers as people read them, with the same digits as report.md. SI units come in; only digits are chosen here.
const DASH = "–";
const GIB = 1024 ** 3;

const writers = {
  seconds: (v) => v.toFixed(Math.abs(v) < 10 ? 3 : 2) + " s",
  sm_seconds: (v) => v.toFixed(Math.abs(v) < 10 ? 3 : 2) + " SM·s",
  bytes: (v) => (v / GIB).toFixed(v < GIB ? 3 : 2) + " GiB",
  percent: (v) => v.toFixed(1) + " %",
  share: (v) => (100 * v).toFixed(1) + " %",
  watts: (v) => v.toFixed(1) + " W",
  joules: (v) => (Math.abs(v) < 100 ? v.toPrecision(3) : v.toFixed(0)) + " J",
  mhz: (v) => v.toFixed(0) + " MHz",
  celsius: (v) => v.toFixed(0) + " °C",
  cores: (v) => v.toFixed(2),
  tflops: (v) => (v < 0.1 ? (v * 1000).toPrecision(3) + " GFLOP/s" : v.toPrecision(3) + " TFLOP/s"),
  rate: (v) => (v < 10 ? v.toFixed(2) : v < 1000 ? v.toFixed(1) : v.toFixed(0)),
  watt_hours: (v) => (Math.abs(v) < 10 ? v.toFixed(3) : v.toFixed(1)) + " Wh",
  ratio: (v) => v.toFixed(2) + "x",
  number: (v) => (Math.abs(v) < 10 ? v.toFixed(2) : v.toFixed(1)),
  money: (v) => (v < 1 ? v.toPrecision(3) : v.toFixed(2)),
  tenths: (v) => v.toFixed(1),
  whole: (v) => v.toFixed(0),
  plain: (v) => String(v),
};

const write = (format, value) => (value === null || value === undefined ? DASH : writers[format](value));

// Of a run of zero seconds a ratio is none.
const fixed = (value, digits) => (value === null ? DASH : value.toFixed(digits));

const money = (value, currency) => write("money", value) + " " + currency;

// A quantity of the data block: its median, or a dash.
const median = (format, quantity) => write(format, quantity ? quantity.value : null);

const counted = (n, one) => n + " " + one + (n === 1 ? "" : "s");

// "34.28 to 42.25 s": the unit once.
const range = (format, low, high) => {
  const [from, to] = [write(format, low), write(format, high)];
  const unit = (to.match(/[^0-9]*$/) || [""])[0];
  return (unit && from.endsWith(unit) ? from.slice(0, -unit.length) : from) + " to " + to;
};

const hasInterval = (q) => Boolean(q) && q.value !== null && q.low !== undefined;
const interval = (format, q) => (hasInterval(q) ? range(format, q.low, q.high) + ", n\u00a0=\u00a0" + q.runs : "");
const INTERVALS = "Interval of the median: from 6 runs on a 95 % bootstrap; for fewer the lowest to the highest run, which "
  + "covers the median with 50 % at n = 2, 75 % at 3, 87.5 % at 4 and 93.8 % at 5.";

// What stands under a number: its interval, that there is none, or why there is no number.
const sureness = (format, q) => {
  if (!q || q.value === null) return q && q.reason ? q.reason : "not measured";
  if (q.single) return "one run, no interval";
  const between = range(format, q.low, q.high);
  if (q.extremes_coverage === undefined) return "95 %: " + between + ", " + counted(q.runs, "run");
  return "lowest to highest of " + counted(q.runs, "run") + ": " + between + " (covers the median with "
    + Number((100 * q.extremes_coverage).toFixed(1)) + " %)";
};

const sizeText = (w) => (w.width && w.height ? w.width + "×" + w.height : DASH);
