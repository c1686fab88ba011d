// An ablation: what each arm gained over the default and what it cost. Seconds against fidelity are drawn with the cases.
const VERDICT_KINDS = { sooner: "good", sooner_other_video: "", slower: "bad", costs_fidelity: "bad", not_measured: "bad" };
const verdictOf = (row) => el("span", { class: "verdict" }, badge(row.verdict.replaceAll("_", " "), VERDICT_KINDS[row.verdict] || ""), " " + row.text);
const ablationColumns = [text("Arm"), text("Verdict"), number("Gain"), number("Denoising gain"), number("Seconds"), number("±"),
  number("Denoising"), number("Memory"), number("Energy"), number("Forwards"), number("PSNR (dB)"), number("SSIM"), extra(text("Setting"))];
const ablationTable = (one) => wideTable("One lever at a time against the default; a click on a head sorts", ablationColumns, one.rows.map((row) => [
  row.arm, verdictOf(row), quantityCell("ratio", row.gain), quantityCell("ratio", row.denoising_gain), quantityCell("seconds", row.seconds),
  quantityCell("share", row.spread), quantityCell("seconds", row.denoising_s), quantityCell("bytes", row.device_bytes),
  quantityCell("joules", row.energy_j), row.forwards ? row.forwards.computed + " of " + (row.forwards.computed + row.forwards.reused) : DASH,
  measuredCell((v) => v.toFixed(1), row.psnr), measuredCell((v) => v.toFixed(4), row.ssim), row.setting || DASH,
]), "cards");
const ablationForwards = (one) => {
  const rows = one.rows.filter((row) => row.bitmap);
  if (!rows.length) return null;
  return el("figure", {}, el("figcaption", {}, "Forwards, a column a step"), rows.map((row) => el("div", {}, el("p", { class: "soft" }, row.arm),
    forwardsPicture(row.bitmap))), forwardsLegend());
};
const ablationNotes = (one) => [...one.remarks, ...one.rows.flatMap((row) => row.remarks.map((remark) => row.arm + ": " + remark))]
  .map((words) => el("p", { class: "note" }, words + "."));
const ablationSection = (data) => (data.ablations.length ? section("ablation", "What each setting gains and costs",
  data.ablations.map((one) => el("div", {}, el("h3", {}, one.case + (one.device ? " on " + one.device : "")), ablationTable(one),
    ablationForwards(one), ablationNotes(one)))) : null);
