// Charts by Chart.js where the build embedded it. Every chart has its table beside it; stripes mark what the host does, so
// that colour is never the only sign. Colours: Okabe and Ito 2008, lightened on a dark page.
const hasCharts = typeof Chart !== "undefined";
const isDark = () => !printing && window.matchMedia("(prefers-color-scheme: dark)").matches;
let printing = false;

const ROLE_COLOURS = {
  "Initialization": ["#8a8a8a", "#9a9a9a"], "Preprocess": ["#cc79a7", "#d993b9"],
  "Text encoding": ["#e69f00", "#f0b429"], "VAE encoding": ["#b8a800", "#f0e442"],
  "Step loading": ["#d55e00", "#f07f2e"], "Step inference": ["#0072b2", "#4aa8e0"],
  "VAE decoding": ["#009e73", "#2fc79b"], "Output encoding": ["#56b4e9", "#8fd0f5"],
  "Unattributed": ["#404040", "#d0d0d0"],
};
const SERIES_COLOURS = [["#0072b2", "#4aa8e0"], ["#d55e00", "#f07f2e"], ["#009e73", "#2fc79b"], ["#cc79a7", "#d993b9"],
  ["#e69f00", "#f0b429"], ["#56b4e9", "#8fd0f5"]];
const DASHES = [[], [6, 3], [2, 2], [8, 3, 2, 3]];

const shade = (pair) => pair[isDark() ? 1 : 0];
const roleColour = (name) => shade(ROLE_COLOURS[name] || ["#56b4e9", "#8fd0f5"]);
const seriesColour = (i) => shade(SERIES_COLOURS[i % SERIES_COLOURS.length]);

const striped = (colour) => {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 8, 8);
  pen.strokeStyle = isDark() ? "rgba(0,0,0,.55)" : "rgba(255,255,255,.65)";
  pen.lineWidth = 2;
  for (const x of [-4, 4]) {
    pen.beginPath();
    pen.moveTo(x, 8);
    pen.lineTo(x + 8, 0);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
};

const drawn = new Map();  // canvas -> {build, chart}

const draw = (canvas) => {
  const entry = drawn.get(canvas);
  if (!hasCharts || canvas.offsetParent === null) return;
  if (entry.chart) entry.chart.destroy();
  const style = getComputedStyle(document.body);
  const ink = printing ? "#222" : style.getPropertyValue("--ink-soft").trim();
  const line = printing ? "#ddd" : style.getPropertyValue("--line").trim();
  Chart.defaults.color = ink;
  Chart.defaults.borderColor = line;
  Chart.defaults.font.family = style.fontFamily;
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
  entry.chart = new Chart(canvas, entry.build());
};
const drawAll = () => drawn.forEach((entry, canvas) => draw(canvas));
// Forgets the charts of a node that is about to go.
const undraw = (node) => node.querySelectorAll("canvas").forEach((canvas) => {
  const entry = drawn.get(canvas);
  if (entry && entry.chart) entry.chart.destroy();
  drawn.delete(canvas);
});
const drawWithin = (node) => node.querySelectorAll("canvas").forEach((canvas) => drawn.has(canvas) && draw(canvas));

// A chart with a caption and its table; a narrow one is taller, for its legend takes several lines. `build` makes Chart.js's configuration anew for each drawing.
const chart = (title, height, build, tableNode, note) => {
  const parts = [el("figcaption", {}, title)];
  if (hasCharts) {
    const canvas = el("canvas", { role: "img", "aria-label": title + "; the table below has the same numbers" });
    drawn.set(canvas, { build, chart: null });
    parts.push(el("div", { class: "canvas", style: "height:" + (height + (narrow() ? 80 : 0)) + "px" }, canvas));
  }
  if (note) parts.push(el("p", { class: "note" }, note));
  if (tableNode) parts.push(hasCharts ? folded("Table", tableNode) : tableNode);
  return el("figure", {}, ...parts);
};

const narrow = () => window.innerWidth < 600;
const labelWidth = () => (narrow() ? 96 : 200);
const shorten = (label, most) => (label.length > most ? label.slice(0, most - 1) + "…" : label);
// In lines of at most so many letters, broken after "_" and spaces, so that names which begin alike stay apart.
const wrapped = (label, most) => label.split(/(?<=[_ ])/).reduce((lines, part) => {
  const last = lines.length - 1;
  if (last >= 0 && (lines[last] + part).trimEnd().length <= most) lines[last] += part;
  else lines.push(part);
  return lines;
}, []).map((line) => shorten(line.trimEnd(), most));

// Axis whose labels take the same room in every chart of a column, so that times stand under each other.
const alignedAxis = (extra) => ({
  afterFit: (scale) => { scale.width = labelWidth(); },
  ...extra,
});
const categoryAxis = () => alignedAxis({
  grid: { display: false },
  ticks: {
    callback(value) {
      const most = 3;  // lines beside a bar
      const lines = [this.getLabelForValue(value)].flat()  // a label of several lines is an array
        .flatMap((line) => wrapped(line, narrow() ? 14 : 30));
      return lines.length > most ? [...lines.slice(0, most - 1), shorten(lines[most - 1] + "…", narrow() ? 14 : 30)] : lines;
    },
    autoSkip: false,
    font: { size: 11 },
  },
});

const timeAxis = (end, title) => ({ type: "linear", min: 0, max: end, title: { display: title, text: "seconds" } });

const legend = (display) => ({ display, position: "bottom", labels: { boxWidth: 14, boxHeight: 10 } });

// Room below the bars for a legend of these labels, in as many lines as they take at the narrowest the page may be drawn.
const legendHeight = (labels) => {
  const letter = 7, box = 34, line = 22, width = narrow() ? window.innerWidth - 40 : 680;
  let lines = 1, used = 0;
  labels.map((label) => label.length * letter + box).forEach((item) => {
    if (used > 0 && used + item > width) {
      ++lines;
      used = 0;
    }
    used += item;
  });
  return lines * line;
};

// A stage that one row has on the GPU and another on the host is two series of one colour.
const partLabel = (part) => (part.place === "unattributed" ? part.name : part.name + " (" + part.place + ")");
// In the order of the rows; a part that the first rows lack comes after the one it follows in its own.
const stackedSeries = (rows) => {
  const series = [];
  const place = (wanted) => series.findIndex((p) => partLabel(p) === partLabel(wanted));
  rows.forEach((row) => row.parts.forEach((part, i) => {
    if (place(part) < 0) series.splice(i > 0 ? place(row.parts[i - 1]) + 1 : 0, 0, part);
  }));
  return series;
};

// Stacked bars: rows [{label, parts: [{name, place, seconds, share}]}].
const stackedBars = (rows) => () => {
  const datasets = stackedSeries(rows).map((kind) => ({
    label: partLabel(kind),
    data: rows.map((row) => (row.parts.find((p) => partLabel(p) === partLabel(kind)) || { seconds: 0 }).seconds),
    backgroundColor: kind.place === "gpu" ? roleColour(kind.name) : striped(roleColour(kind.name)),
    maxBarThickness: 34,
  }));
  return {
    type: "bar",
    data: { labels: rows.map((row) => row.label), datasets },
    options: {
      indexAxis: "y",
      scales: {
        x: { stacked: true, title: { display: true, text: "seconds per video" } },
        y: { stacked: true, ...categoryAxis() },
      },
      plugins: {
        legend: legend(true),
        tooltip: { callbacks: { label: (c) => c.dataset.label + ": " + write("seconds", c.parsed.x) } },
      },
    },
  };
};

// Plain horizontal bars: items [{name, value, begin?}]; a begin makes a waterfall.
const bars = (items, format, axisTitle, scale) => () => ({
  type: "bar",
  data: {
    labels: items.map((item) => item.name),
    datasets: [{
      data: items.map((i) => (i.begin === undefined ? i.value / scale : [i.begin / scale, (i.begin + i.value) / scale])),
      backgroundColor: items.map((item, i) => (item.colour ? item.colour() : seriesColour(i))),
      maxBarThickness: 26,
      minBarLength: 2,
    }],
  },
  options: {
    indexAxis: "y",
    scales: { x: { beginAtZero: true, title: { display: true, text: axisTitle } }, y: categoryAxis() },
    plugins: {
      legend: legend(false),
      tooltip: { callbacks: { label: (c) => write(format, items[c.dataIndex].value) } },
    },
  },
});

// Spans as floating bars, one line a row; parts of stages have their own.
const timelineBars = (timeline, end) => () => {
  const lineOf = (span) => (span.kind === "component" ? "Parts of stages" : timeline.rows[span.row].name);
  const spans = timeline.spans.filter((span) => span.kind !== "parent");
  const lines = [...new Set(spans.map(lineOf))];
  const roles = [...new Set(spans.map((span) => span.role))];
  return {
    type: "bar",
    data: {
      labels: lines,
      datasets: roles.map((role) => ({
        label: role,
        data: spans.filter((s) => s.role === role).map((s) => ({ x: [s.begin_s, s.end_s], y: lineOf(s), span: s })),
        backgroundColor: spans.filter((s) => s.role === role).map((s) => (s.kind === "leaf" ? roleColour(role)
          : striped(roleColour(role)))),
        borderColor: isDark() ? "#15181c" : "#fff",
        borderWidth: { left: 0, right: 1 },
        borderSkipped: false,
        grouped: false,
        minBarLength: 1,
        maxBarThickness: 26,
      })),
    },
    options: {
      indexAxis: "y",
      scales: { x: timeAxis(end, true), y: categoryAxis() },
      plugins: {
        legend: legend(roles.length > 1),
        tooltip: {
          callbacks: {
            title: (items) => items.map((item) => item.raw.span.id),
            label: (c) => "from " + write("seconds", c.raw.span.begin_s) + " to " + write("seconds", c.raw.span.end_s),
          },
        },
      },
    },
  };
};

// Series of stage values under the timeline, as steps.
const seriesLines = (group, end, scale, unit) => () => ({
  type: "line",
  data: {
    datasets: group.map((series, i) => ({
      label: series.name,
      data: series.points.flatMap(([begin, until, value]) => (value === null
        ? [{ x: begin, y: null }]
        : begin === until ? [{ x: begin, y: value / scale }]
        : [{ x: begin, y: value / scale }, { x: until, y: value / scale }])),
      borderColor: seriesColour(i),
      borderDash: DASHES[i % DASHES.length],
      borderWidth: 2,
      pointRadius: 0,
      spanGaps: false,
    })),
  },
  options: {
    parsing: true,
    interaction: { mode: "nearest", intersect: false },
    scales: {
      x: timeAxis(end, false),
      y: alignedAxis({
        beginAtZero: unit !== "MHz" && unit !== "°C", max: unit === "%" ? 100 : undefined,
        title: { display: true, text: unit }, grace: "5%", ticks: { maxTicksLimit: 6 },
      }),
    },
    plugins: { legend: legend(group.length > 1) },
  },
});

const stepLines = (runs, key, axisTitle) => () => ({
  type: "line",
  data: {
    labels: runs[0].seconds.map((_, i) => i),
    datasets: runs.map((run, i) => ({
      label: run.run,
      data: run[key],
      borderColor: seriesColour(i),
      backgroundColor: seriesColour(i),
      borderDash: DASHES[i % DASHES.length],
      borderWidth: 1.5,
      pointRadius: run[key].map((_, step) => (key === "seconds" && run.outliers.includes(step) ? 6 : 2.5)),
      pointStyle: run[key].map((_, step) => (key === "seconds" && run.outliers.includes(step) ? "triangle" : "circle")),
    })),
  },
  options: {
    interaction: { mode: "index", intersect: false },
    scales: {
      x: { title: { display: true, text: "step" } },
      y: { title: { display: true, text: axisTitle }, grace: "10%" },
    },
    plugins: { legend: legend(runs.length > 1) },
  },
});

// Log-log: limits as lines through given corner points, achieved points as marks.
const rooflineChart = (roof, corners) => () => ({
  type: "scatter",
  data: {
    datasets: [
      ...corners.map((line, i) => ({
        label: line.label, data: line.points, showLine: true, pointRadius: 0, borderWidth: 2,
        borderColor: i === 0 ? seriesColour(0) : seriesColour(4), borderDash: DASHES[i],
      })),
      ...roof.points.filter((p) => p.flops_per_byte !== null).map((point, i) => ({
        label: point.name, data: [{ x: point.flops_per_byte, y: point.tflops }], pointRadius: 6,
        pointStyle: ["circle", "triangle", "rect", "star"][i % 4], backgroundColor: seriesColour(i + 1),
        borderColor: seriesColour(i + 1),
      })),
    ],
  },
  options: {
    scales: {
      x: { type: "logarithmic", title: { display: true, text: "operations per byte of device memory traffic" } },
      y: { type: "logarithmic", title: { display: true, text: "TFLOP/s" } },
    },
    plugins: { legend: legend(true) },
  },
});

const activityBars = (points) => () => ({
  type: "bar",
  data: {
    labels: ["SM active", "Tensor active", "DRAM active", "MFU", "MFU at clock"],
    datasets: points.map((p, i) => ({
      label: p.name,
      data: [p.sm_percent, p.tensor_percent, p.dram_percent, p.mfu_percent, p.mfu_at_clock_percent],
      backgroundColor: seriesColour(i),
    })),
  },
  options: {
    scales: { y: { min: 0, suggestedMax: 100, title: { display: true, text: "%" } } },
    plugins: { legend: legend(true) },
  },
});
