// Fidelity: seconds against it, stills side by side, and of a case the numbers of each measurement.
const FRONTIER = "no other is as fast and as near";
const MARK = "✦";
const measureHead = (m) => m.title + (m.unit ? " (" + m.unit + ")" : "");
const measureText = (m, value) => Number(value.toPrecision(4)) + (m.unit ? " " + m.unit : "");
const pointName = (p) => data.cases[p.case].title + (p.is_reference ? " (the reference)" : "") + (p.refuted ? " (class refuted)" : "");
const pointText = (p, m, i) => {
  if (p.is_reference || p.identical) return p.is_reference ? "the reference" : "identical";
  return p.values[i] === null ? DASH : measureText(m, p.values[i]);
};

// What is identical lies on the upper edge: a PSNR without end has no other place.
const upperEdge = (m, values) => {
  if (!m.more_is_better) return 0;
  if (m.key === "ssim") return 1;
  const [least, most] = values.length ? [Math.min(...values), Math.max(...values)] : [0, 1];
  return most + 0.25 * (most - least || Math.abs(most) || 1);
};

const fidelityScatter = (points, m, i) => () => {
  const values = points.map((p) => p.values[i]).filter((v) => v !== null);
  const edge = upperEdge(m, values);
  const shown = points.filter((p) => p.values[i] !== null || p.identical);
  const at = (p) => ({ x: p.seconds, y: p.identical ? edge : p.values[i] });
  const colours = 6, shapes = ["circle", "triangle", "rect", "rectRot"];
  const best = shown.filter((p) => p.on_frontier[i]);
  return {
    type: "scatter",
    data: {
      datasets: [
        ...shown.map((p, n) => ({
          label: pointName(p), data: [at(p)], pointRadius: 7, clip: false, borderWidth: p.refuted ? 3 : 1,
          pointStyle: shapes[Math.floor(n / colours) % shapes.length], backgroundColor: p.identical ? "transparent" : seriesColour(n),
          borderColor: seriesColour(n),
        })),
        { label: "frontier: " + FRONTIER, data: best.map(at), showLine: true, pointRadius: 0, borderWidth: 1.5, borderDash: DASHES[1],
          borderColor: roleColour("Initialization"), clip: false, pointStyle: "line" },
      ],
    },
    options: {
      layout: { padding: { top: 12, right: 12 } },
      scales: {
        x: { title: { display: true, text: "seconds a video" }, grace: "8%" },
        y: { reverse: !m.more_is_better, [m.more_is_better ? "max" : "min"]: edge, grace: "8%",
          title: { display: true, text: measureHead(m) }, ticks: { maxTicksLimit: 7 } },
      },
      plugins: {
        legend: { ...legend(true), labels: { ...legend(true).labels, usePointStyle: true } },
        tooltip: { callbacks: { label: (c) => c.dataset.label + (c.datasetIndex < shown.length
          ? ": " + write("seconds", shown[c.datasetIndex].seconds) + ", " + pointText(shown[c.datasetIndex], m, i) : "") } },
      },
    },
  };
};

const fidelityTable = (one, measures) => table("Fastest first; " + MARK + " " + FRONTIER, [text("Case"), number("Seconds"),
  ...measures.map((m) => number(measureHead(m))), text("Noise floor")], one.points.map((p) => [pointName(p),
  write("seconds", p.seconds), ...measures.map((m, i) => pointText(p, m, i) + (p.on_frontier[i] ? " " + MARK : "")), p.floor || DASH]),
"cards");

const fidelityChart = (one, place, measures) => {
  const holder = el("div", {});
  const usable = measures.map((m, i) => i).filter((i) => one.points.some((p) => p.values[i] !== null));
  const show = (i) => {
    const m = measures[i];
    undraw(holder);
    const none = one.points.filter((p) => p.values[i] === null && !p.identical);
    holder.replaceChildren(chart("Seconds " + one.name + ": " + m.title, 300 + legendHeight(one.points.map(pointName)),
      fidelityScatter(one.points, m, i), fidelityTable(one, measures), "Up and to the left is better. Hollow, on the upper edge: identical to the reference."
        + (none.length ? " Not measured: " + none.map(pointName).join(", ") + "." : "")));
    drawWithin(holder);
  };
  const first = usable.length ? usable[0] : 0;
  show(first);
  return el("div", { class: "fidelity-chart" }, chooser("measure" + place, "Fidelity by", usable.map((i) => measures[i].title),
    usable.length ? measures[first].title : "", (chosen) => show(usable[chosen])), holder);
};

const stillsOf = (pair) => {
  const names = [...new Set(pair.cases.map((i) => rowLabel(data.cases[i])))].join(", ");
  const { still } = pair;
  const words = names + " against " + pair.reference + ": " + pair.text;
  if (still.reason) return el("p", { class: "note" }, words + ". No still: " + still.reason + ".");
  const one = (key, what) => el("figure", {}, el("img", { src: still[key], loading: "lazy",
    alt: "Frame " + still.frame + " of " + (key === "reference" ? pair.reference : names) + (key === "difference"
      ? ": how it differs from " + pair.reference + ", 4 times as large" : "") }), el("figcaption", {}, what));
  return el("figure", { class: "pair" }, el("figcaption", {}, words + ", frame " + still.frame + ", the worst by SSIM"),
    el("div", { class: "stills" }, one("reference", "the reference: " + pair.reference), one("test", "this case: " + pair.test),
      one("difference", "what differs, 4 times as large")));
};

const refutedNotice = (cases) => cases.filter((c) => c.refuted).map((c) => el("p", { class: "notice", role: "alert" },
  badge("class refuted", "bad"), " " + rowLabel(c) + ": " + c.refuted + "."));

const fidelitySection = (data) => {
  const { charts, pairs, measures } = data.fidelity;
  const refuted = refutedNotice(data.cases);
  if (!charts.length && !pairs.length && !refuted.length) return null;
  return section("fidelity", "Fidelity: what a faster setting costs in the picture", refuted,
    charts.map((one, place) => fidelityChart(one, place, measures)), pairs.map(stillsOf),
    el("p", { class: "note" }, "Of runs that were made to be compared, with the seed and the work of the timed ones. The noise floor is how "
      + "far the reference's own setting is from fp32 and from itself with other kernels: nothing is asked to be nearer. The numbers stand with each case."));
};

const measuredCell = (format, v) => (v.value === null ? { text: DASH, why: v.reason } : format(v.value));
const scoreText = (score) => (v) => (score.unit ? v.toFixed(1) + " " + score.unit : v.toFixed(4));
const offText = (v) => Number((100 * v).toPrecision(3)) + " %";

const scoresTable = (f) => (f.scores.length ? table("Of " + (f.frames === null ? "the" : f.frames) + " frames" + (f.includes_codec ? "; includes the codec" : ""),
  [text("Metric"), number("Mean"), number("Worst frame"), number("Which, from 0")], f.scores.map((s) => [s.metric,
    measuredCell(scoreText(s), s.mean), measuredCell(scoreText(s), s.worst), write("plain", s.worst_frame)]))
  : el("p", { class: "note" }, "No metrics of the frames: " + f.why_no_scores + "."));

// One line for the case, dashed ones for its noise floor and for what the class promises.
const distanceLines = (lines, bound) => () => ({
  type: "line",
  data: {
    labels: [...new Set(lines.flatMap((line) => line.steps.map((s) => s.step)))].sort((a, b) => a - b),
    datasets: [...lines.map((line, i) => ({
      label: line.name, data: line.steps.map((s) => ({ x: s.step, y: s.relative_l2.value === null ? null : 100 * s.relative_l2.value })),
      parsing: { xAxisKey: "x", yAxisKey: "y" }, borderColor: seriesColour(i), backgroundColor: seriesColour(i), borderWidth: 2, pointRadius: 2.5,
      borderDash: DASHES[i % DASHES.length],
    })), ...(bound === null ? [] : [{ label: "the class promises", data: lines[0].steps.map((s) => ({ x: s.step, y: 100 * bound })),
      borderColor: roleColour("Step loading"), borderWidth: 1.5, borderDash: [2, 4], pointRadius: 0 }])],
  },
  options: {
    interaction: { mode: "index", intersect: false },
    scales: { x: { title: { display: true, text: "step" } }, y: { beginAtZero: true, title: { display: true, text: "% off" } } },
    plugins: { legend: legend(lines.length > 1 || bound !== null) },
  },
});

const distancesOf = (f, key, title, why, bound) => {
  const lines = [{ name: f.test, steps: f[key] }, ...(f.noise_floor || []).filter((floor) => floor[key].length)
    .map((floor) => ({ name: floor.test + " against " + floor.reference, steps: floor[key] }))].filter((line) => line.steps.length);
  if (!f[key].length) return el("p", { class: "note" }, title + ": none: " + why + ".");
  return chart(title, 190, distanceLines(lines, bound), table(title, [text("What"), number("Step"), number("Off"), number("Cosine")],
    lines.flatMap((line) => line.steps.map((s) => [line.name, String(s.step), measuredCell(offText, s.relative_l2),
      measuredCell((v) => v.toFixed(6), s.cosine)]))));
};

const floorTable = (f) => (f.noise_floor.length ? table("Noise floor", [text("Setting"), text("Against"), text("Distance")],
  f.noise_floor.map((floor) => [floor.test, floor.reference, floor.text]))
  : el("p", { class: "note" }, "No noise floor: " + f.why_no_noise_floor + "."));

const measurementOf = (f) => [
  el("h4", {}, "Fidelity against " + f.reference),
  el("p", {}, f.refuted ? [badge("class refuted", "bad"), " ", f.refuted + ". "] : "", f.text + ". The reference's class: " + f.reference_class + ". Run ",
    f.run.file ? el("a", { href: safePath(f.run.file) }, f.run.id) : f.run.id, ", " + f.run.created_utc + "."),
  f.other_frames ? el("p", { class: "notice" }, f.other_frames + ".") : null,
  f.identical ? null : scoresTable(f), floorTable(f),
  distancesOf(f, "replayed", "Replayed velocity, by step", f.why_not_replayed, f.velocity_bound),
  distancesOf(f, "latents", "Latent that each step leaves", f.why_no_latents, null),
];
const caseFidelity = (c) => {
  if (c.fidelity.length) return el("div", {}, c.fidelity.map(measurementOf));
  return c.is_judged ? el("div", {}, el("h4", {}, "Fidelity"), el("p", { class: "note" }, "Not measured: " + c.why_no_fidelity + ".")) : null;
};

// Columns of a table of cases; none in a report of one class and recipe in which nothing is judged.
const hasFidelity = () => data.cases.some((c) => c.fidelity_cell);
// On a CPU there is no floor: a column of "none" would push others out of sight.
const hasFloor = () => data.cases.some((c) => c.fidelity_cell && c.fidelity_cell.text && !c.fidelity_cell.floor.startsWith("none"));
const fidelityColumns = () => (hasFidelity() ? [text("Fidelity"), ...(hasFloor() ? [extra(text("Noise floor"))] : [])] : []);
const fidelityCells = (c) => {
  if (!hasFidelity()) return [];
  const cell = c.fidelity_cell, floor = (text) => (hasFloor() ? [text] : []);
  return cell.text ? [cell.text, ...floor(cell.floor)] : [{ text: DASH, why: cell.why_none }, ...floor(DASH)];
};
const fidelityReasons = (cases) => reasonsOf(["Fidelity"], cases.filter((c) => c.fidelity_cell && !c.fidelity_cell.text)
  .map((c) => [{ value: null, reason: c.fidelity_cell.why_none }]));
