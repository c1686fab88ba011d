// The second screen: one fold a case, from the timeline to the command that repeats it.
const seriesCharts = (timeline, end) => {
  const groups = {};
  timeline.series.forEach((s) => (groups[s.format] = groups[s.format] || []).push(s));
  const charts = Object.entries(groups).map(([format, group]) => chart(group.map((s) => s.name).join(" · "),
    group.length > 1 ? 160 : 110,
    seriesLines(group, end, format === "bytes" ? GIB : 1, group[0].symbol), null));
  const rows = timeline.series.flatMap((s) => s.points.map(([from, to, value]) => [s.name, write("seconds", from),
    write("seconds", to), write(s.format, value)]));
  return [...charts, folded("Table", table("Values along the run", [text("What"), number("From"), number("To"),
    number("Value")], rows))];
};

const timelineSection = (c) => {
  const t = c.timeline;
  if (!t || !t.spans.length) return null;
  const end = t.spans.reduce((latest, s) => Math.max(latest, s.end_s), 0);
  const rows = t.spans.map((s) => [s.id, t.rows[s.row].name, s.kind, write("seconds", s.begin_s),
    write("seconds", s.end_s), write("bytes", s.moved_bytes)]);
  const lines = new Set(t.spans.filter((s) => s.kind !== "parent")
    .map((s) => (s.kind === "component" ? "parts" : s.row))).size;
  return el("div", {}, el("h4", {}, "Timeline of " + t.run + (c.certainty.used > 1 ? ", nearest to the median total" : "")),
    t.reconstructed ? el("p", { class: "note" }, "The source has durations only: stages are laid end to end.") : null,
    chart("Stages", 110 + 34 * lines, timelineBars(t, end), table("Spans", [text("Span"), text("Row"), text("Kind"),
      number("From"), number("To"), number("Moved")], rows)),
    t.series.length ? [seriesCharts(t, end), el("p", { class: "note" }, t.period_ms !== null
      ? "Samples every " + t.period_ms.toFixed(0) + " ms; neighbours put together where there are too many to draw."
      : "One value a stage; a gap where the stage was too short for the sampling period or nothing was read.")]
      : el("p", { class: "note" }, "No memory, power, clock or activity was recorded by stage."));
};

const stepsSection = (c) => {
  const runs = c.steps;
  if (!runs || !runs.length) return null;
  const rows = runs.map((r) => [r.run, write("seconds", r.first_s), write("seconds", r.steady_median_s),
    fixed(r.first_over_steady, 3), r.drift === null ? DASH : (100 * r.drift).toFixed(2) + " %" + (r.drifts ? " drifting" : ""),
    fixed(r.p90_over_p10, 3) + (r.bimodal ? " two levels" : ""), r.change_at === null ? DASH : "step " + r.change_at,
    r.outliers.join(", ") || DASH]);
  const values = runs.flatMap((r) => r.seconds.map((v, i) => [r.run, String(i), write("seconds", v),
    write("mhz", r.sm_clock_mhz[i]), write("celsius", r.temperature_c[i])]));
  const hasClock = runs.some((r) => r.sm_clock_mhz.some((v) => v !== null));
  return el("div", {}, el("h4", {}, "Steps"),
    chart("Seconds of each step, by run (triangles: outliers)", 230, stepLines(runs, "seconds", "seconds"),
      table("Steps", [text("Run"), number("Step"), number("Time"), number("SM clock"), number("Temperature")], values)),
    hasClock ? chart("SM clock of each step", 150, stepLines(runs, "sm_clock_mhz", "MHz"), null) : null,
    table("Drift, levels and outliers of the steady steps", [text("Run"), number("First step"), number("Steady median"),
      number("First / steady"), number("Drift"), number("p90 / p10"), text("Change point"), text("Outliers")], rows));
};

const rooflineSection = (c) => {
  const r = c.roofline;
  if (!r) return null;
  if (!r.points.length) return el("div", {}, el("h4", {}, "Roofline"), el("p", { class: "note" }, r.reason + "."));
  const pointsTable = table("Achieved work", [text("Work"), number("Time"), number("Achieved"), number("MFU"),
    number("MFU at measured clock"), number("SM clock"), number("Operations / byte"), number("SM"), number("Tensor"),
    number("DRAM")], r.points.map((p) => [p.name, write("seconds", p.seconds), write("tflops", p.tflops),
    write("percent", p.mfu_percent), write("percent", p.mfu_at_clock_percent), write("mhz", p.sm_clock_mhz),
    p.flops_per_byte === null ? { text: DASH, why: p.no_intensity_reason } : p.flops_per_byte.toFixed(0),
    write("percent", p.sm_percent), write("percent", p.tensor_percent), write("percent", p.dram_percent)]));
  const placed = r.points.filter((p) => p.flops_per_byte !== null);
  const out = [el("h4", {}, "Roofline and utilisation")];
  if (placed.length && r.peak_tflops !== null && r.bandwidth_tb_per_s !== null) {
    const low = Math.min(1, ...placed.map((p) => p.flops_per_byte));
    const high = Math.max(10000, ...placed.map((p) => p.flops_per_byte));
    const corners = (peak, label) => ({ label, points: [{ x: low, y: low * r.bandwidth_tb_per_s },
      { x: peak / r.bandwidth_tb_per_s, y: peak }, { x: high, y: peak }] });
    const lines = [corners(r.peak_tflops, "peak at the stated clock")];
    if (r.peak_tflops_at_clock !== null) lines.push(corners(r.peak_tflops_at_clock, "peak at the measured clock"));
    out.push(chart("Roofline", 300, rooflineChart(r, lines), pointsTable));
  } else {
    out.push(pointsTable);
    const reason = placed.length ? r.reason : r.points[0].no_intensity_reason || r.reason;
    if (reason) out.push(el("p", { class: "note" }, "No roofline: " + reason + "."));
  }
  const active = r.points.filter((p) => [p.sm_percent, p.tensor_percent, p.mfu_percent].some((v) => v !== null));
  if (active.length) out.push(chart("Busy units beside useful work", 220, activityBars(active), null));
  if (r.source) out.push(el("p", { class: "note" }, "Peaks: " + r.source));
  return el("div", {}, ...out);
};

const kindsSection = (c) => {
  if (!c.analysis || !c.analysis.classes.length) return null;
  const items = c.analysis.classes.map((k) => ({ name: k.name, value: k.seconds }));
  return el("div", {}, el("h4", {}, "Time by kind"),
    chart("What the time was spent on", 70 + 34 * items.length, bars(items, "seconds", "seconds", 1),
      table("Classes", [text("Kind"), number("Time"), number("Share"), number("Speedup if removed")],
        c.analysis.classes.map((k) => [k.name, write("seconds", k.seconds), write("share", k.share),
          write("ratio", k.speedup_bound)]))),
    c.analysis.findings.length ? table("Findings", [text("Rule"), text("Where"), number("Number"), number("Limit"),
      text("Likely cause"), number("Saves at most")], c.analysis.findings.map((f) => [badge(f.rule,
      f.severity === "error" ? "bad" : f.severity === "warning" ? "warn" : "info"), f.where,
    f.value.toPrecision(3) + " " + f.unit, f.limit.toPrecision(3) + " " + f.unit, f.message,
    write("seconds", f.saving_s)]), "cards") : el("p", { class: "note" }, "No rule fired."),
    whatIfTable(whatIfRows(c)));
};

const memorySection = (c) => {
  const m = c.memory;
  if (!m) return null;
  if (!m.parts.length) return el("div", {}, el("h4", {}, "GPU memory"), el("p", { class: "note" }, m.reason + "."));
  const items = m.parts.map((p) => ({ name: p.name, value: p.bytes, begin: p.begin_bytes }));
  if (m.capacity_bytes !== null) items.push({ name: "the card has", value: m.capacity_bytes, begin: 0,
    colour: () => roleColour("Initialization") });
  return el("div", {}, el("h4", {}, "GPU memory"),
    chart("GPU memory by component in " + m.stage, 70 + 32 * items.length, bars(items, "bytes", "GiB", GIB),
      table("Components", [text("Component"), number("Highest")],
        items.map((i) => [i.name, write("bytes", i.value)])),
      "Each component at its own highest within the stage" + (m.peak_bytes === null ? "."
        : "; the peak of all together was " + write("bytes", m.peak_bytes) + ".")));
};

const stagesSection = (c) => {
  if (!c.stages) return null;
  const columns = [text("Stage"), number("Share"), ...c.stages.columns.map((col) => ({ ...number(col.title),
    hint: col.hint }))];
  const { rows: shown, parts } = c.stages;
  const cells = (row) => [row.name, write("share", row.share),
    ...row.cells.map((q, i) => quantityCell(c.stages.columns[i].format, q))];
  const titles = c.stages.columns.map((col) => col.title);
  return el("div", {}, el("h4", {}, "Stage Breakdown"),
    wideTable("Medians over runs, which need not add up: in each run the stages do add up to its total", columns,
      shown.map(cells), "stages"),
    reasonsOf(titles, shown.filter((row) => row.name !== "Unattributed").map((row) => row.cells)),
    parts.length ? folded("Parts of stages and hidden work: never summed", table("Parts", [text("Part"), text("Kind"),
      number("Time, all together")], parts.map((part) => [part.id + (part.count > 1 ? " (" + part.count + ")" : ""),
      part.kind === "hidden" ? "hidden behind other work" : "part", quantityCell("seconds", part.seconds)]))) : null);
};

// One line a flag's name: the first detail, and how many more runs or stages have it.
const flagLines = (flags) => [...new Set(flags.map((f) => f.name))].map((name) => {
  const same = flags.filter((f) => f.name === name);
  const more = same.length > 1 ? "; and " + counted(same.length - 1, "more note") + " like it, of other runs or stages" : "";
  return el("li", {}, badge(same[0].words, same[0].excludes ? "bad" : "warn"), " ", same[0].detail,
    same[0].stage ? " (" + same[0].stage + ")" : "", more, same[0].excludes ? " — such a run does not count" : "");
});

const sureBox = (c) => {
  const s = c.certainty;
  const overhead = s.overhead_percent.value === null ? DASH + " (" + s.overhead_percent.reason + ")"
    : write("percent", s.overhead_percent.value) + " of step time";
  const residual = s.clock_residual_ns.value === null ? DASH + " (" + s.clock_residual_ns.reason + ")"
    : (s.clock_residual_ns.value / 1000).toFixed(1) + " µs";
  const lines = [
    ["Runs", runsText(c) + (s.runs === 1 ? " counts" : " count")
      + (s.single_run ? "; numbers of " + oneRun(c).replace("first", "the first") + ", no interval" : "")],
    ["Total", median("seconds", c.headline.seconds) + "; " + sureness("seconds", c.headline.seconds)],
    ...(s.single_run ? [] : [s.converged ? ["Converged", "yes"] : ["Not converged", notConverged(c).join("; ") || DASH]]),
    ["In no stage", s.unattributed_share.value === null ? DASH : write("share", s.unattributed_share.value)],
    ["Stages cut by", s.marker_source || DASH], ["SM activity from", s.sm_source], ["Memory from", s.memory_source],
    ["Energy from", s.energy_source], ["Watching cost", overhead], ["Device clock residual", residual],
  ];
  lines.push(["Executed", s.executed]);
  if (s.reused) lines.push(["Reused", s.reused], ["Steps", s.reuse_letters]);
  if (s.forwards) lines.push(["Forwards", [forwardsPicture(s.forwards), forwardsLegend()]]);
  for (const text of s.mixed) lines.unshift(["Mixed", text]);
  if (s.doubt) lines.unshift(["Doubt", s.doubt_words + ": " + s.doubt]);
  return el("aside", { class: "sure" }, el("h4", {}, "How sure are we?"),
    el("dl", {}, lines.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)])),
    s.flags.length ? el("ul", {}, flagLines(s.flags)) : null,
    s.exclusions.length ? folded(counted(s.exclusions.length, "run") + (s.exclusions.length === 1 ? " does" : " do") + " not count", el("ul", {}, s.exclusions.map((e) => el("li",
      {}, e.run + ": " + e.words + " (" + e.reason + ")")))) : null);
};

const shellQuote = (word) => (/^[\w@%+=:,.\/-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\\''") + "'");

const commandSection = (c) => {
  const p = c.provenance;
  const out = [el("h4", {}, "To repeat it")];
  if (p.repeat_command) out.push(el("pre", { class: "repeat" }, p.repeat_command));
  else out.push(el("p", { class: "note" }, "The record has no command that repeats it."));
  if (p.command.length) out.push(folded("The process as it was started", el("pre", {},
    Object.entries(p.env).map(([k, v]) => k + "=" + shellQuote(v) + " ").join("") + p.command.map(shellQuote).join(" "))));
  return el("div", {}, ...out);
};

const workloadList = (c) => {
  const w = c.workload;
  const dtypes = Object.entries(w.dtypes).map(([k, v]) => k + " " + v).join(", ");
  const lines = [
    ["Task and model", w.task + " " + w.model], ["Size", sizeText(w) + ", " + write("plain", w.num_frames) + " frames"],
    ["Steps", write("plain", w.steps) + (w.recipe && w.recipe !== "official" ? ", recipe " + w.recipe : "") + ", " + (w.solver || "solver " + DASH) + ", shift " + write("plain", w.shift) + ", guidance "
      + write("plain", w.guidance_low) + (w.guidance_high === null ? "" : " / " + w.guidance_high)],
    ["Precision", w.precision_class + (dtypes ? ": " + dtypes : "") + (c.certainty.fidelity ? "; " + c.certainty.fidelity : "")], ...(w.loras ? [["LoRAs", w.loras]] : []),
    ...(w.images ? [["Images", w.images]] : []),
    ["Approximations", w.approximations.join(", ") || "none"],
    ["Offload", w.offload || DASH], ["Text encoder on", w.text_encoder_device || DASH],
    ["Scope", w.scope + ", page cache " + w.page_cache], ["Seed", write("plain", w.seed)],
    ["Prompt", w.prompt || DASH], ["Negative prompt", w.negative_prompt || DASH],
  ];
  c.quality.forEach((q) => lines.push(["Quality: " + q.metric, write("number", q.value.value) + " against " + q.reference
    + (q.threshold === null ? "" : ", limit " + q.threshold) + (q.passed ? ": passed" : ": failed")]));
  return el("dl", { class: "workload" }, lines.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
};

const textTable = (t) => wideTable(t.title, t.columns.map(text), t.rows, "printed");

const importedSection = (c) => {
  if (!c.imported) return null;
  return el("div", {}, el("h4", {}, "As printed in " + c.imported.file),
    textTable(c.imported.stages), el("h4", {}, "Corrections"),
    c.imported.corrections.rows.length ? textTable(c.imported.corrections)
      : el("p", { class: "note" }, "Nothing contradicts itself."),
    c.imported.notes.length ? folded("The source's own remarks", el("ul", {},
      c.imported.notes.map((n) => el("li", {}, n)))) : null);
};

const failureSection = (c) => (c.failures.length ? el("div", {}, el("h4", {}, "What failed"), c.failures.map((f) => el("div",
  {}, el("p", {}, badge(f.words, "bad"), " " + f.run + ": " + (f.message || "no message")
    + (f.stage ? ", in " + f.stage : "")), f.advice ? el("p", {}, "What would fit: " + f.advice) : null,
  f.stderr_tail ? el("pre", {}, f.stderr_tail) : null))) : null);

const caseBody = (c) => [el("p", {}, c.verdict), el("div", { class: "columns" }, sureBox(c), workloadList(c)), failureSection(c),
  stagesSection(c), timelineSection(c), stepsSection(c), kindsSection(c), caseFidelity(c), kernelsSection(c), rooflineSection(c),
  memorySection(c), importedSection(c), commandSection(c)].filter(Boolean);

// Filled when it is opened; paper has what is open.
const caseFold = (c) => {
  const body = el("div", { class: "case-body" });
  const fold = el("details", { class: "case" }, el("summary", {}, el("h3", {}, c.title), " ",
    el("span", { class: "soft" }, machineOf(c) + " · " + median("seconds", c.headline.seconds)), " ", badgesOf(c)), body);
  fold.addEventListener("toggle", async () => {
    if (body.childElementCount || !fold.open) return;
    body.append(el("p", { class: "note" }, "Unpacking …"));
    try {
      await unpackDetails(c);
      body.replaceChildren(...caseBody(c));
    } catch (problem) {
      body.replaceChildren(el("p", { class: "notice" }, "This browser cannot unpack the case's details (" + problem.message
        + "); report.md has its tables."));
    }
    drawWithin(body);
  });
  return fold;
};
