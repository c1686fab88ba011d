// A server under load: latency against what it completed, and a row a level.
const loadQuantile = (spread, p) => (spread ? spread.quantiles.find((q) => q.p === p) : null);
const loadCell = (spread, p) => {
  const q = loadQuantile(spread, p), end = (v) => (v === null ? DASH : v.toFixed(2));
  return q ? el("span", { title: "95 %: " + end(q.low) + " to " + end(q.high) + " s, n\u00a0=\u00a0" + spread.count }, write("seconds", q.value))
    : { text: DASH, why: "not told" };
};
const perHour = (v) => (3600 * v).toFixed(1);
const withinCell = (g) => (g.judged ? g.within + " of " + g.judged : { text: DASH, why: g.reason });
const loadColumns = [text("Load"), number("Completed"), number("Videos an hour"), number("Latency p50"), number("p90"), extra(number("p95")), number("p99"),
  number("Queue p50"), number("Service p50"), number("Within objective"), extra(number("Energy, made")), number("with waiting"), extra(number("Price"))];
const loadTable = (one) => wideTable("A level a row; a click on a head sorts", loadColumns, one.levels.map((level) => [
  level.name, level.completed + " of " + level.asked, measuredCell(perHour, level.per_s), loadCell(level.latency, 0.5), loadCell(level.latency, 0.9), loadCell(level.latency, 0.95),
  loadCell(level.latency, 0.99), loadCell(level.queue, 0.5), loadCell(level.service, 0.5), withinCell(level.goodput),
  quantityCell("joules", level.video_energy_j), quantityCell("joules", level.all_energy_j),
  measuredCell((v) => money(v, one.currency), level.price),
]), "cards");

// Open and closed loads are lines of their own: on the first the queue grows without end where the server is full.
const loadLines = (one) => () => {
  const lines = [["open load, latency p50", false, 0.5], ["open load, p99", false, 0.99], ["closed load, latency p50", true, 0.5], ["closed load, p99", true, 0.99]];
  return {
    type: "scatter",
    data: { datasets: lines.map(([label, isClosed, p], i) => ({
      label, showLine: true, borderWidth: 2, pointRadius: 4, borderDash: DASHES[i % DASHES.length], borderColor: seriesColour(i),
      backgroundColor: seriesColour(i), clip: false,
      data: one.levels.filter((l) => l.is_closed === isClosed && l.latency && l.per_s.value !== null)
        .map((l) => ({ x: 3600 * l.per_s.value, y: loadQuantile(l.latency, p).value, name: l.name })).sort((a, b) => a.x - b.x),
    })).filter((line) => line.data.length) },
    options: {
      scales: { x: { beginAtZero: true, grace: "5%", title: { display: true, text: "videos an hour, completed" } },
        y: { beginAtZero: true, grace: "5%", title: { display: true, text: "seconds" } } },
      plugins: { legend: legend(true), tooltip: { callbacks: { label: (c) => c.raw.name + ": " + write("seconds", c.raw.y) + " at " + c.raw.x.toFixed(1) + " videos an hour" } } },
    },
  };
};
const loadDetails = (one) => one.levels.map((level) => folded(level.name, el("ul", {}, level.sentences.map((words) => el("li", {}, words)))));
const loadSection = (data) => (data.loads.length ? section("load", "Serving under load", data.loads.map((one) => el("div", {},
  el("p", {}, one.head + "."), one.levels.some((l) => l.latency) ? chart("Latency against what the server completes", 260, loadLines(one), loadTable(one)) : loadTable(one),
  one.notes.map((words) => el("p", { class: "note" }, words + ".")), loadDetails(one)))) : null);
