// Puts the page together from the data block, and draws again when the theme changes or the page goes to paper.
const data = JSON.parse(document.getElementById("data").textContent, asShown);

// "8x NVIDIA H200, driver ..." where several say the same of themselves.
const withNumbers = (names) => [...names.reduce((seen, name) => seen.set(name, (seen.get(name) || 0) + 1), new Map())]
  .map(([name, n]) => (n > 1 ? n + "x " + name : name));

// A page that stands alone has no files beside it.
const filesBeside = () => (data.trace ? [" The same numbers: ", ...["report.md", "results.csv", data.trace].flatMap((name) =>
  [el("a", { href: name }, name), ", "]), "the last for Perfetto. Each run's id leads to its record, where that lies beside."] : []);

const provenance = () => {
  const seen = new Map();
  data.cases.forEach((c) => {
    const p = c.provenance;
    const gpus = withNumbers(p.gpus.map((g) => g.name + (g.uuid ? " (" + g.uuid + ")" : "")
      + (g.driver ? ", driver " + g.driver : "")
      + (g.power_limit_w.value === null ? "" : ", limit " + write("watts", g.power_limit_w.value))));
    const line = [p.engine.name + " " + p.tool.version, p.tool.git_commit ? "commit " + p.tool.git_commit
      + (p.tool.git_dirty ? " (changed)" : "") : "", p.tool.build, p.tool.cuda ? "CUDA " + p.tool.cuda : "",
    c.imported ? "imported from " + c.imported.file + ", SHA-256 " + c.imported.sha256 : "",
    gpus.join("; ") || "no GPU", p.cpu_model + (p.cores_allowed.value === null ? "" : ", " + p.cores_allowed.value
      + " cores allowed"), p.host, p.kernel, p.container, p.weights_storage].filter(Boolean).join(" · ");
    seen.set(line, [...(seen.get(line) || []), ...p.runs]);
  });
  return el("footer", { id: "provenance" }, el("h2", {}, "Where this comes from"),
    el("ul", {}, [...seen].map(([line, runs]) => el("li", {}, line, folded(counted(runs.length, "run"), el("p", { class: "ids" },
      ...runs.flatMap((r) => [r.file ? el("a", { href: safePath(r.file) }, r.id) : r.id, " "])))))),
    el("p", { class: "note" }, "Made by wanbench " + data.tool.version + ", " + data.tool.revision
      + (data.tool.dirty ? " (changed)" : "") + (data.cases.length ? ". Medians over runs. " + INTERVALS : ".") + " The method is in "
      + "docs/method.md.", ...filesBeside()));
};

const devices = [...new Set(data.cases.map((c) => c.device))];
const stages = stageBars(data);
const hasCases = data.cases.length > 0;  // a report may be of a server under load alone
const answer = hasCases ? answerSection(data, stages.show) : null;
const failed = section("failures", "Failures", failures(data));
const gaveNone = !data.answer.charts.length;
const shownVideos = data.answer.is_example ? null : videoList(data);
document.title = "Wan2.2 Benchmark: " + (hasCases ? devices.join(", ") : "a server under load");

document.getElementById("report").append(...[
  el("header", {}, el("h1", {}, "Wan2.2 Benchmark Report"), el("p", { class: "soft" }, devices.join(" · "))),
  answer,
  hasCases && gaveNone ? failed : null,
  hasCharts ? null : el("p", { class: "notice" }, "This program was built without Chart.js (Debian: libjs-chart.js): the "
    + "tables are complete, the charts below the first are left out."),
  hasCases ? section("fit", "Will it fit", fitMaps(data), fitTable(data)) : null,
  stages.node ? section("where", BARS, stages.node) : null,
  ablationSection(data),
  loadSection(data),
  hasCases ? section("every", "Every case", everyCase(data)) : null,
  fidelitySection(data),
  cardsSection(data),
  mlperfSection(data),
  data.cold_warm.length ? section("warm", "Cold and warm", coldWarm(data)) : null,
  gaveNone ? null : section("cost", "Cost", costTable(data)),
  gaveNone ? null : section("help", "What would help", whatIfs(data)),
  data.comparisons.length ? section("comparisons", "Comparisons", comparisonTables(data)) : null,
  gaveNone ? null : failed,
  shownVideos ? section("shown", "Videos", shownVideos) : null,
  hasCases ? section("cases", "For the kernel engineer", data.cases.map(caseFold)) : null,
  data.printed_overviews.length ? section("printed", "The imported report, as printed", el("p", { class: "note" },
    "Its corrections stand with each case."), data.printed_overviews.map(textTable)) : null,
  provenance(),
].filter(Boolean));

drawAll();
document.addEventListener("toggle", (event) => event.target.open && drawWithin(event.target), true);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
// Charts are drawn at the width of the paper before the browser lays the page out for it, which is too late for them.
const drawFor = (paper) => {
  printing = paper;
  document.documentElement.classList.toggle("paper", paper);
  drawAll();
};
window.addEventListener("beforeprint", () => drawFor(true));
window.addEventListener("afterprint", () => drawFor(false));
