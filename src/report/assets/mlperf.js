// Published MLPerf results beside the cases of the same work; ours first, both as they are stated.
const mlperfColumns = [text("Who"), text("Round"), text("Cards"), text("Precision as stated"), number("One video"), extra(number("Videos an hour, queued")),
  number("Card-seconds, one video"), number("Card-seconds, queued")];
const mlperfRow = (row) => [
  el("span", {}, row.ours ? badge("unofficial", "warn") : null, row.ours ? " " : "", row.who, row.platform ? el("span", { class: "soft platform" }, row.platform) : null),
  row.round, row.cards, row.precision, quantityCell("seconds", row.seconds), quantityCell("tenths", row.per_hour),
  quantityCell("whole", row.card_seconds), quantityCell("whole", row.queued_card_seconds)];
const mlperfSection = (data) => {
  const { mlperf } = data;
  if (!mlperf) return null;
  return section("mlperf", "MLPerf text-to-video, unofficial", el("p", {}, mlperf.head + "."),
    table("An entry a row; a click on a head sorts", mlperfColumns, mlperf.rows.map(mlperfRow), "cards mlperf"),
    el("ul", { class: "note" }, mlperf.notes.map((words) => el("li", {}, words + ".")),
      mlperf.sources.map((source) => el("li", {}, "Source of " + source.round + ": " + source.text + "."))));
};
