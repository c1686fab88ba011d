// Will it fit: a row a model, size and stored form, a column a memory. A word says what a colour says.
const fitPlaces = { card: "good", packed: "info", streamed: "warn", mapped: "warn", no: "bad", "ran out": "bad", "": "" };
const fitSigns = { no: "✕ ", "ran out": "✕ " };
// The first line answers; others are of the same place, or within memory where nothing should fit.
const fitLine = (line, first) => {
  if (line.place === "") return el("span", { class: "fit", title: line.note }, DASH);
  const isFirst = line === first;
  const place = isFirst || line.place !== first.place ? (fitSigns[line.place] || "") + line.place : "";
  const lines = [line.gib ? el("b", {}, line.gib) : place, line.gib ? place : "", line.note].filter(Boolean);
  return el("span", { class: isFirst ? "fit " + fitPlaces[line.place] : "fit beside" },
    lines.map((one, i) => [i > 0 ? el("br", {}) : "", one, i === 0 && line.mark ? " " + line.mark : ""]));
};
const fitRows = (fit, rows) => table("GiB at the peak, by the GiB that are free for it: predicted, ● measured here, ○ by published records; ✕ nowhere",
  [text("Memory, GiB"), ...fit.gib.map((gib) => text(String(gib))), number("Host, streamed")],
  rows.map((row) => [row.name, ...row.cells.map((cell) => el("span", {}, cell.map((line) => fitLine(line, cell[0])))),
    row.host_bytes === null ? { text: DASH, why: "its weights are never streamed, or nothing is predicted" }
      : write("bytes", row.host_bytes)]), "fits");

const fitMaps = (data) => {
  const { fit } = data;
  const asked = fit.rows.filter((row) => row.asked), others = fit.rows.filter((row) => !row.asked);
  return [asked.length ? fitRows(fit, asked) : el("p", { class: "note" }, "No case here is of a published model on a card."),
    others.length ? folded("Other models and sizes (" + counted(others.length, "row") + ")", fitRows(fit, others)) : null,
    fit.rows.length ? el("p", { class: "note" }, fit.how_to_read, "Host: page-locked there while weights are streamed. ",
      DASH + " not measured within so little: wanbench plan says what it would take.") : null,
    fit.ran_out.length ? [el("h3", {}, "Ran out of memory"), el("ul", {}, fit.ran_out.map((one) => el("li", {}, one)))] : null];
};
