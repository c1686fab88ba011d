// Below the first screen: every case, fit, cold and warm, cost, what would help, comparisons, failures, videos.
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

const runsText = (c) => c.certainty.runs_cell + (c.certainty.runs === 1 ? " run" : " runs");
// What stands for an interval where there is none.
const oneRun = (c) => {
  if (!c.headline.seconds.single) return DASH;
  return !c.counts && c.certainty.runs > 1 ? "first of " + c.certainty.runs + " runs" : "one run";
};
// Of one run nobody asks whether it agrees with others.
const notConverged = (c) => (c.certainty.single_run ? [] : c.certainty.not_converged);

const badgesOf = (c) => {
  if (c.status !== "ok") return [badge(c.status_words, "bad")];
  if (c.certainty.doubt_words) return [badge(c.certainty.doubt_words, "bad")];
  const out = [badge(c.sureness, { solid: "good", "single run": "warn" }[c.sureness])];
  if (c.refuted) out.unshift(badge("class refuted", "bad"));
  if (c.engine_kind === "external") out.push(badge("another program", "info"));
  return out;
};

// What all cases share is said above the table; the others are its columns.
const factColumns = (cases) => {
  const names = cases[0].facts.map(([name]) => name);
  const values = names.map((_, i) => cases.map((c) => c.facts[i][1]));
  const isShared = values.map((column) => new Set(column).size === 1);
  return {
    shared: cases[0].facts.filter(([, value], i) => isShared[i] && value),
    columns: names.filter((_, i) => !isShared[i]),
    of: (c) => c.facts.filter((_, i) => !isShared[i]).map(([, value]) => value || DASH),
  };
};

// As the chart shows them: those that count first, of them the fastest; what gave no video last.
const byAnswer = (cases) => {
  const rank = (c) => (!c.has_result || c.status !== "ok" ? 2 : c.counts ? 0 : 1);
  return [...cases].sort((a, b) => rank(a) - rank(b) || (a.headline.seconds.value ?? 0) - (b.headline.seconds.value ?? 0));
};

const originOf = (c) => [c.provenance.created_utc.slice(0, 10), c.on_gpu && c.provenance.gpus[0].driver
  ? "driver " + c.provenance.gpus[0].driver : ""].filter(Boolean).join(", ");

const everyCase = (data) => {
  const facts = factColumns(data.cases);
  const columns = [text("Case"), ...machineColumns(), number("Seconds"), number("Price"), number("Wh"), number("Memory"),
    ...fidelityColumns(), text("How sure"), text("Measured"), extra(text("Interval")), extra(number("Videos an hour")),
    ...facts.columns.map((name) => extra(text(name)))];
  const rows = byAnswer(data.cases).map((c) => {
    const cost = el("span", { title: costReason(c), "data-cost": data.cases.indexOf(c) }, costText(c));
    const h = c.headline;
    return [c.title, ...machineCells(c), quantityCell("seconds", h.seconds), cost,
      quantityCell("watt_hours", h.energy_wh), quantityCell("bytes", c.fit.peak), ...fidelityCells(c),
      el("span", {}, badgesOf(c), " ", runsText(c)), originOf(c) || DASH, interval("seconds", h.seconds) || oneRun(c),
      quantityCell("rate", h.videos_per_hour), ...facts.of(c)];
  });
  const reasons = reasonsOf(["Energy"], data.cases.filter((c) => c.has_result).map((c) => [c.headline.energy_wh]));
  const isMetered = data.cases.some((c) => (c.headline.energy_wh.source || "").startsWith("nvml"));
  priceListeners.push(() => document.querySelectorAll("[data-cost]").forEach((cell) => {
    cell.textContent = costText(data.cases[cell.dataset.cost]);
  }));
  return [facts.shared.length ? el("p", { class: "note" }, "The same in all: " + factsText(facts.shared) + ".") : null,
    wideTable("One video of every case; a click on a head sorts", columns, rows, "cards line"), reasons, fidelityReasons(data.cases),
    el("p", { class: "note" }, INTERVALS + " Energy is the card's alone" + (isMetered ? "; NVML's meter is right to about ±5 %." : "."))];
};

const partsTable = (cases) => table("Seconds by stage, medians", [text("Case"), text("Stage"), text("Where"),
  number("Time"), number("Share")], cases.flatMap((c) => c.headline.parts.map((p) => [rowLabel(c), p.name, p.place,
  write("seconds", p.seconds), write("share", p.share)])));

// The device, and the program where there is more than one.
const machineOf = (c) => (data.cases.some((other) => other.engine !== c.engine) ? c.device + ", " + c.engine : c.device);
const severalCards = () => new Set(data.cases.map((c) => c.card)).size > 1;
const severalPrograms = () => new Set(data.cases.map((c) => c.engine)).size > 1;
const machineColumns = () => [severalCards() ? text("Card") : null, severalPrograms() ? text("Program") : null].filter(Boolean);
const machineCells = (c) => [...(severalCards() ? [c.card] : []), ...(severalPrograms() ? [c.engine] : [])];
const rowLabel = (c) => (severalMachines() ? c.title + " · " + machineOf(c) : c.title);
const severalMachines = () => new Set(data.cases.map(machineOf)).size > 1;

// Room for a bar with its label of up to three lines.
const barRows = (n) => (severalMachines() ? 58 : 44) * n;
const barsOf = (cases, caption) => {
  const rows = cases.map((c) => {
    const title = c.title + (c.counts ? "" : " (does not count)");
    return { label: severalMachines() ? [title, machineOf(c)] : title, parts: c.headline.parts };
  });
  return chart(caption, 76 + barRows(rows.length) + legendHeight(stackedSeries(rows).map(partLabel)), stackedBars(rows),
    partsTable(cases), cases.some((c) => c.on_gpu) ? "Solid: computed on the GPU. Striped: the host, or time in no stage." : "");
};

const BARS = "Where the seconds of a video go";
const MOST_BARS = 12;

// All cases; where those are many, the ones of the first screen's chart, and the rest in a fold.
const stageBars = (data) => {
  const cases = byAnswer(data.cases).filter((c) => c.headline.parts.length);
  if (!cases.length) return { node: null, show: () => {} };
  if (cases.length <= MOST_BARS) return { node: barsOf(cases, BARS), show: () => {} };
  const holder = el("div", {});
  const show = (answered) => {
    undraw(holder);
    const shown = answered.bars.map((bar) => data.cases[bar.case]).filter((c) => c.headline.parts.length).slice(0, MOST_BARS);
    holder.replaceChildren(barsOf(shown, BARS + ": " + answered.name));
    drawWithin(holder);
  };
  return { node: el("div", {}, holder, folded("All cases", barsOf(cases, BARS + ", all cases"))), show };
};

const fitTable = (data) => folded("Peak memory of every case", table("Does it fit?", [text("Case"), ...machineColumns(), text("Size"),
  number("Frames"), text("Result"), number("Peak"), text("Of"), number("Predicted peak"), number("Capacity"), number("Free")],
data.cases.map((c) => [c.title, ...machineCells(c), sizeText(c.workload), write("plain", c.workload.num_frames),
  c.fit.state + (c.fit.advice ? ": " + c.fit.advice : ""), quantityCell("bytes", c.fit.peak), c.fit.of,
  c.fit.predicted_peak_bytes === null ? DASH : write("bytes", Number(c.fit.predicted_peak_bytes)),
  write("bytes", c.fit.capacity_bytes), write("bytes", c.fit.free_bytes)]), "cards line"));

const coldWarm = (data) => [table("Cold: a new process, loading included. Warm: a later video of a running one", [text("Case"),
  text("Device"), number("Cold"), number("Warm"), number("Cold minus warm")], data.cold_warm.map((p) => [p.case, p.device,
  quantityCell("seconds", p.cold), quantityCell("seconds", p.warm), write("seconds", p.extra_s)])),
el("p", { class: "note" }, "Cold minus warm is of the whole job: loading, and whatever else differed between the runs, such as "
  + "neighbours of the machine; so it can be below zero.")];

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
const MOST_OPEN = 8;  // rows that stand open below the answer
const whatIfs = (data) => {
  if (!data.cases.some((c) => c.headline.parts.length)) return el("p", { class: "note" }, "Not known: no run here says its stages.");
  const rows = data.cases.flatMap((c) => whatIfRows(c, 3));
  const all = [whatIfTable(rows), el("p", { class: "note" }, "The largest three of each case; all of them stand with the case below.")];
  return rows.length > MOST_OPEN ? folded(counted(rows.length, "change"), ...all) : all;
};

const cardsSection = (data) => {
  const cards = data.cards;
  if (!cards) return null;
  const columns = [text("Case"), ...cards.machines.map((m) => text(m.label))];
  const one = (q) => table(q.name + ", " + q.unit, columns, q.rows.map((r) => [r.case, ...r.cells]), "cards line");
  return section("cards", "Cards side by side", one(cards.quantities[0]),
    el("p", { class: "note" }, cards.how_to_read),
    table("Where the numbers come from", [text("Card"), text("Program"), text("Source")],
      cards.machines.map((m) => [m.device, el("span", {}, m.engine + " ", m.imported ? badge("imported", "info") : null),
        m.provenance]), "cards"),
    cards.differences.length ? [el("h3", {}, "Where the work of a row differs"),
      el("ul", { class: "note" }, cards.differences.map((d) => el("li", {}, d)))] : null,
    folded("Stages, memory and energy", cards.quantities.slice(1).map(one)));
};

const comparisonTable = (c) => el("div", {},
  el("h3", {}, c.case + ": " + c.b + " against " + c.a),
  c.sentence ? el("p", {}, c.sentence.replace(c.case + ": " + c.b + " against " + c.a + ": ", "")) : null,
  c.fidelity.length ? el("p", {}, "Fidelity: " + c.fidelity.join("; ") + ".") : null,
  c.refusals.length ? el("p", {}, "Not comparable: " + c.refusals.join("; ")) : null,
  c.rows.length ? table("Ratio below 1: " + c.b + " takes less", [text("Scope"), number(c.a), number(c.b),
    number("Ratio"), text("95 % interval"), text("Verdict")], c.rows.map((r) => [r.name, write("seconds", r.a),
    write("seconds", r.b), r.ratio.toFixed(3), r.interval ? r.interval.map((v) => v.toFixed(3)).join(" to ") : DASH,
    r.plain + (r.reason ? ": " + r.reason : "") + (r.clock_explains ? " (the clocks explain it)" : "")])) : null,
  c.caveats.length ? el("ul", { class: "note" }, c.caveats.map((v) => el("li", {}, v))) : null);
const comparisonTables = (data) => {
  const all = data.comparisons.map(comparisonTable);
  return all.length > 3 ? folded(counted(all.length, "comparison"), ...all) : all;
};

const failures = (data) => {
  const seen = new Set();  // a run that was made to be compared is of the cold case and of the warm one
  const isNew = (f) => !seen.has(f.run_id) && seen.add(f.run_id);
  const rows = data.cases.flatMap((c) => c.failures.filter(isNew).map((f) => [c.title, c.device, f.run,
    badge(f.words, "bad"), f.stage || DASH, f.message || DASH, f.advice || DASH]));
  return [rows.length ? table("Runs that are not ok", [text("Case"), text("Device"), text("Run"), text("Status"),
    text("In stage"), text("What happened"), text("What would fit")], rows, "cards")
    : el("p", { class: "note" }, "Every run was ok."), uncounted(data)];
};

// Runs that are ok and yet enter no estimate; warm-ups and traced runs are meant not to.
const uncounted = (data) => {
  const rows = data.cases.flatMap((c) => c.certainty.exclusions
    .filter((e) => !e.beside && !c.failures.some((f) => f.run_id === e.run_id))
    .map((e) => [c.title, c.device, e.run, e.words + " (" + e.reason + ")"]));
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
const videoList = (data) => {
  const shown = data.cases.filter((c) => c.video);
  return shown.length ? el("div", { class: "videos", id: "videos" }, shown.map(videoFigure)) : null;
};
