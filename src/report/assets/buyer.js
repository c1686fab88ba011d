// The first screen: what a video takes, costs and needs; then fit, cold and warm, cost, what would help.
const prices = new Map();  // device -> price of a GPU-hour the reader typed, or the table's
const priceListeners = [];

const priceOf = (c) => (prices.has(c.device) ? prices.get(c.device) : c.headline.price.per_gpu_hour);
const costOf = (c) => {
  const price = priceOf(c);
  const hours = c.headline.price.gpu_hours;
  if (hours === null || price === null) return null;
  return prices.has(c.device) ? price * hours : c.headline.price.per_video;
};
const costText = (c) => (costOf(c) === null ? DASH : money(costOf(c), c.headline.price.currency));
const costReason = (c) => {
  if (c.headline.price.gpu_hours === null || priceOf(c) === null) return c.headline.price.reason;
  if (prices.has(c.device)) return "at the price you typed";
  return "at " + c.headline.price.per_gpu_hour + " " + c.headline.price.currency + " a GPU-hour, " + c.headline.price.date;
};

const priceInput = (c) => el("input", {
  type: "number", min: "0", step: "0.01", inputmode: "decimal", value: priceOf(c) === null ? "" : priceOf(c),
  "aria-label": "Price of a GPU-hour of " + c.device + ", " + c.headline.price.currency,
  on: {
    input: (event) => {
      const typed = parseFloat(event.target.value);
      if (Number.isFinite(typed) && typed >= 0) prices.set(c.device, typed);
      else prices.delete(c.device);
      priceListeners.forEach((listen) => listen(event.target));
    },
  },
});

const tile = (id, title, value, under, extra) => el("div", { class: "tile", id },
  el("div", { class: "tile-title" }, title), el("div", { class: "tile-value" }, value),
  el("div", { class: "tile-under" }, under), extra);

const runsText = (c) => c.certainty.runs_cell + (c.certainty.runs === 1 ? " run" : " runs");
// What stands for an interval where there is none.
const oneRun = (c) => {
  if (!c.headline.seconds.single) return DASH;
  return !c.counts && c.certainty.runs > 1 ? "first of " + c.certainty.runs + " runs" : "one run";
};
// Of one run nobody asks whether it agrees with others.
const notConverged = (c) => (c.certainty.single_run ? [] : c.certainty.not_converged);

const badgesOf = (c) => {
  const out = [];
  if (c.status !== "ok") out.push(badge(c.status, "bad"));
  if (!c.counts && c.has_result) out.push(badge("not counted", "bad"));
  if (c.engine_kind === "imported") out.push(badge("imported", "info"));
  if (c.engine_kind === "external") out.push(badge("other engine", "info"));
  if (c.certainty.single_run && c.counts) out.push(badge("single run", "warn"));
  else if (c.counts && !c.certainty.converged) out.push(badge("not converged", "warn"));
  // The traced run is made beside those that count, on purpose.
  const flags = c.certainty.flags.filter((f) => f.name !== "traced");
  new Set(flags.map((f) => f.name)).forEach((name) => out.push(badge(name,
    flags.some((f) => f.name === name && f.excludes) ? "bad" : "info")));
  return out;
};

const tiles = (c) => {
  const h = c.headline;
  const priceTile = tile("answer-price", "Price per video", costText(c), costReason(c),
    h.price.gpu_hours === null ? null
      : el("label", { class: "price" }, h.price.currency + " per GPU-hour ", priceInput(c)));
  priceListeners.push(() => {
    priceTile.querySelector(".tile-value").textContent = costText(c);
    priceTile.querySelector(".tile-under").textContent = costReason(c);
  });
  return el("div", { class: "tiles" },
    tile("answer-seconds", "Seconds per video", median("seconds", h.seconds), sureness("seconds", h.seconds)),
    tile("answer-rate", "Videos per hour", median("rate", h.videos_per_hour), sureness("rate", h.videos_per_hour)),
    tile("answer-energy", "Energy of the card", median("watt_hours", h.energy_wh),
      sureness("watt_hours", h.energy_wh) + ((h.energy_wh.source || "").startsWith("nvml") ? "; NVML, about ±5 %" : "")),
    priceTile, memoryTile(c));
};

const memoryTile = (c) => tile("answer-memory", "Memory", median("bytes", c.fit.peak),
  [fitText(c), c.fit.peak.value === null ? c.fit.peak.reason
    : "peak " + c.fit.of + (c.fit.capacity_bytes === undefined ? "" : " of " + write("bytes", c.fit.capacity_bytes))]
    .filter(Boolean).join("; "));

const fitText = (c) => {
  if (c.fit.state !== "fits") return c.fit.state;
  if (c.fit.free_bytes === undefined) return "fits";
  return "fits, " + write("bytes", c.fit.free_bytes) + " (" + c.fit.free_percent.toFixed(0) + " %) free";
};

const answerTable = (data) => {
  const columns = [text("Case"), severalMachines() ? text("Device") : null, number("Seconds per video"), text("Interval"),
    number("Videos per hour"), number("Wh per video, card"), number("Price per video"), text("Memory"), text("Sure?")].filter(Boolean);
  const rows = data.cases.map((c) => {
    const cost = el("span", { title: costReason(c) }, costText(c));
    priceListeners.push(() => { cost.textContent = costText(c); });
    const h = c.headline;
    return [c.title, ...(severalMachines() ? [machineOf(c)] : []), quantityCell("seconds", h.seconds),
      interval("seconds", h.seconds) || oneRun(c), quantityCell("rate", h.videos_per_hour),
      quantityCell("watt_hours", h.energy_wh), cost, fitText(c), el("span", {}, runsText(c), " ", badgesOf(c))];
  });
  const reasons = reasonsOf(["Energy"], data.cases.filter((c) => c.has_result).map((c) => [c.headline.energy_wh]));
  return [table("Every case on this page", columns, rows, "cards"), reasons,
    el("p", { class: "note" }, INTERVALS + " Energy is the card's alone.")];
};

const partsTable = (cases) => table("Seconds by stage, medians", [text("Case"), text("Stage"), text("Where"),
  number("Time"), number("Share")], cases.flatMap((c) => c.headline.parts.map((p) => [rowLabel(c), p.name, p.place,
  write("seconds", p.seconds), write("share", p.share)])));

// The device, and the program where there is more than one.
const machineOf = (c) => (data.cases.some((other) => other.engine !== c.engine) ? c.device + ", " + c.engine : c.device);
const rowLabel = (c) => (severalMachines() ? c.title + " · " + machineOf(c) : c.title);
const severalMachines = () => new Set(data.cases.map(machineOf)).size > 1;

// Room for a bar with its label of up to three lines.
const barRows = (n) => (severalMachines() ? 58 : 44) * n;
const barsOf = (cases, caption) => {
  const rows = cases.map((c) => {
    const title = c.title + (c.counts ? "" : " (not counted)");
    return { label: severalMachines() ? [title, machineOf(c)] : title, parts: c.headline.parts };
  });
  return chart(caption, 76 + barRows(rows.length) + legendHeight(stackedSeries(rows).map(partLabel)), stackedBars(rows),
    partsTable(cases), "Solid: computed on the GPU. Striped: the host, or time in no stage.");
};

// The same work on all machines, by its names and circumstances.
const sameCase = (a, b) => {
  const names = (c) => [c.name, ...c.aliases];
  return a.title.slice(a.name.length) === b.title.slice(b.name.length) && names(a).some((n) => names(b).includes(n));
};
const BARS = "Where the seconds of a video go";
const MOST_BARS = 12;

// All cases; where those are many, the chosen one first and the rest in a fold.
const stageBars = (data) => {
  const cases = data.cases.filter((c) => c.headline.parts.length);
  if (!cases.length) return { node: null, show: () => {} };
  if (cases.length <= MOST_BARS) return { node: barsOf(cases, BARS), show: () => {} };
  const holder = el("div", {});
  const show = (chosen) => {
    undraw(holder);
    const shown = cases.filter((c) => sameCase(c, chosen));
    holder.replaceChildren(...(shown.length ? [barsOf(shown, BARS + ": " + chosen.title)] : []));
    drawWithin(holder);
  };
  return { node: el("div", {}, holder, folded("All cases", barsOf(cases, BARS + ", all cases"))), show };
};

const firstScreen = (data) => {
  const withResult = data.cases.filter((c) => c.counts);
  const own = withResult.filter((c) => c.engine_kind === "native");
  // Ours before others, warm before cold, then the one known best.
  const known = (cases) => [...cases].sort((a, b) => b.certainty.used - a.certainty.used)[0];
  const chosen = known(own.filter((c) => c.workload.scope === "warm")) || known(own) || known(withResult) || data.cases[0];
  const verdict = el("p", { class: "verdict", id: "verdict" });
  const holder = el("div", {});
  const stages = stageBars(data);
  const show = (c) => {
    verdict.textContent = c.verdict;
    holder.replaceChildren(tiles(c), sureLine(c));
    stages.show(c);
  };
  const select = el("select", { id: "case", on: { change: (e) => show(data.cases[e.target.selectedIndex]) } },
    data.cases.map((c) => el("option", { selected: c === chosen }, c.title + " — " + machineOf(c))));
  show(chosen);
  const most = 3;  // the rest is under Comparisons
  const sentences = data.comparisons.filter((c) => c.sentence).slice(0, most).map((c) => el("li", {}, c.sentence));
  return el("section", { id: "answer" },
    sentences.length ? el("ul", { class: "verdicts" }, sentences) : null, verdict,
    data.cases.length > 1 ? el("label", { class: "case-choice" }, "Case ", select) : null, holder,
    stages.node, answerTable(data));
};

const sureLine = (c) => el("p", { class: "sure-line" }, el("strong", {}, "How sure are we? "),
  runsText(c) + (c.certainty.runs === 1 ? " counts. " : " count. "),
  c.certainty.doubt ? c.certainty.doubt + ". " : "", notConverged(c).join("; "), " ", badgesOf(c));

const fitTable = (data) => table("Does it fit?", [text("Case"), text("Device"), text("Size"), number("Frames"),
  text("Result"), number("Peak"), text("Of"), number("Predicted peak"), number("Capacity"), number("Free")],
data.cases.map((c) => [c.title, machineOf(c), sizeText(c.workload), write("plain", c.workload.num_frames),
  c.fit.state + (c.fit.advice ? ": " + c.fit.advice : ""), quantityCell("bytes", c.fit.peak), c.fit.of,
  c.fit.predicted_peak_bytes === null ? DASH : write("bytes", Number(c.fit.predicted_peak_bytes)),
  write("bytes", c.fit.capacity_bytes), write("bytes", c.fit.free_bytes)]), "cards");

const coldWarm = (data) => (data.cold_warm.length ? [table("Cold: a new process, loading included. Warm: a later video of a "
  + "running one", [text("Case"), text("Device"), number("Cold"), number("Warm"), number("Cold minus warm")],
data.cold_warm.map((p) => [p.case, p.device, quantityCell("seconds", p.cold), quantityCell("seconds", p.warm),
  write("seconds", p.extra_s)])), el("p", { class: "note" }, "Cold minus warm is of the whole job: loading, and whatever else "
  + "differed between the runs, such as neighbours of the machine; so it can be below zero.")] : el("p", { class: "note" }, "No case was run both cold and warm."));

const costTable = (data) => {
  const devices = [...new Map(data.cases.filter((c) => c.headline.price.gpu_hours !== null)
    .map((c) => [c.device, c])).values()];
  if (!devices.length) return el("p", { class: "note" }, "No cost: no run used a GPU.");
  const rows = devices.map((c) => [c.device, priceInput(c), c.headline.price.source || c.headline.price.reason]);
  priceListeners.push((typed) => rows.forEach((row, i) => {
    if (row[1] !== typed) row[1].value = priceOf(devices[i]) === null ? "" : priceOf(devices[i]);
  }));
  return table("Prices: type what you pay", [text("Device"), number("Per GPU-hour"), text("Source")], rows);
};

const whatIfRows = (c, most) => (c.analysis ? c.analysis.what_ifs.slice(0, most).map((w) => [rowLabel(c), w.change,
  w.saved_bytes > 0 ? write("bytes", w.saved_bytes) : write("seconds", w.saved_s),
  write("seconds", w.new_total_s), write("ratio", w.speedup)]) : []);
const whatIfTable = (rows) => (rows.length ? table("By Amdahl's law: upper bounds", [text("Case"), text("Change"),
  number("Saves at most"), number("Then takes"), number("Speedup")], rows, "cards")
  : el("p", { class: "note" }, "No single change would save more than 0.5 %."));
const whatIfs = (data) => [whatIfTable(data.cases.flatMap((c) => whatIfRows(c, 3))),
  el("p", { class: "note" }, "The largest three of each case; all of them stand with the case below.")];

const cardsSection = (data) => {
  const cards = data.cards;
  if (!cards) return null;
  const columns = [text("Case"), ...cards.machines.map((m) => text(m.label))];
  const one = (q) => table(q.name + ", " + q.unit, columns, q.rows.map((r) => [r.case, ...r.cells]), "cards");
  return section("cards", "Cards side by side", one(cards.quantities[0]),
    el("p", { class: "note" }, cards.how_to_read),
    table("Where the numbers come from", [text("Card"), text("Program"), text("Source")],
      cards.machines.map((m) => [m.device, el("span", {}, m.engine + " ", m.imported ? badge("imported", "info") : null),
        m.provenance]), "cards"),
    cards.differences.length ? [el("h3", {}, "Where the work of a row differs"),
      el("ul", { class: "note" }, cards.differences.map((d) => el("li", {}, d)))] : null,
    folded("Stages, memory and energy", cards.quantities.slice(1).map(one)));
};

const comparisonTables = (data) => data.comparisons.map((c) => el("div", {},
  el("h3", {}, c.case + ": " + c.b + " against " + c.a),
  c.refusals.length ? el("p", {}, "Not comparable: " + c.refusals.join("; ")) : null,
  c.rows.length ? table("Ratio below 1: " + c.b + " takes less", [text("Scope"), number(c.a), number(c.b),
    number("Ratio"), text("95 % interval"), text("Verdict")], c.rows.map((r) => [r.name, write("seconds", r.a),
    write("seconds", r.b), r.ratio.toFixed(3), r.interval ? r.interval.map((v) => v.toFixed(3)).join(" to ") : DASH,
    r.verdict + (r.reason ? ": " + r.reason : "") + (r.clock_explains ? " (clock)" : "")])) : null,
  c.caveats.length ? el("ul", { class: "note" }, c.caveats.map((v) => el("li", {}, v))) : null));

const failures = (data) => {
  const rows = data.cases.flatMap((c) => c.failures.map((f) => [c.title, c.device, f.run,
    badge(f.status, "bad"), f.stage || DASH, f.message || DASH, f.advice || DASH]));
  return [rows.length ? table("Runs that are not ok", [text("Case"), text("Device"), text("Run"), text("Status"),
    text("In stage"), text("What happened"), text("What would fit")], rows, "cards")
    : el("p", { class: "note" }, "Every run was ok."), uncounted(data)];
};

// Runs that are ok and yet enter no estimate; warm-ups and traced runs are meant not to.
const uncounted = (data) => {
  const rows = data.cases.flatMap((c) => c.certainty.exclusions
    .filter((e) => !e.beside && !c.failures.some((f) => f.run_id === e.run_id))
    .map((e) => [c.title, c.device, e.run, e.reason]));
  return rows.length ? table(counted(rows.length, "run") + (rows.length === 1 ? " is ok and does" : " are ok and do") + " not count",
    [text("Case"), text("Device"), text("Run"), text("Why")], rows, "cards") : null;
};

// Plays where the file is beside the page; its still, which the page holds, is shown before and where the file is not.
const videoFigure = (c) => {
  const path = c.video.path.join("/");
  const { prompt } = c.workload; // a redacted record has none
  const caption = el("figcaption", {}, rowLabel(c) + ", " + c.video.run + (prompt ? ": \u201c" + prompt + "\u201d" : ""));
  const video = el("video", { controls: true, preload: "metadata", src: safePath(c.video.path),
    poster: c.video.poster, loop: true, muted: true, "aria-label": "Video of " + rowLabel(c) });
  const still = () => {
    caption.append(" (a still: " + path + " is not beside this page)");
    if (c.video.poster) video.replaceWith(el("img", { src: c.video.poster, alt: "A frame of the video of " + rowLabel(c) }));
  };
  video.addEventListener("error", still);
  return el("figure", {}, video, caption);
};
const videos = (data) => {
  const shown = data.cases.filter((c) => c.video);
  return shown.length ? section("videos", "Videos", el("div", { class: "videos" }, shown.map(videoFigure))) : null;
};
