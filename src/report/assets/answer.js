// The first screen: a sentence, a second line, and bars of what the reader chose; the statistics are in a fold.
const UNITS = {
  seconds: { title: "Seconds", caption: "Seconds a video", of: (bar) => bar.seconds, write: (v) => write("seconds", v) },
  money: { title: "Money", caption: "Price of a video", of: (bar) => moneyOf(bar), write: (v, bar) => money(v, bar.currency) },
  energy: { title: "Watt-hours", caption: "Watt-hours of the card a video", of: (bar) => bar.energy_wh,
    write: (v) => write("watt_hours", v) },
};
const KINDS = {
  arms: { title: "Sides", chooser: "Case and card" },
  cards: { title: "Cards", chooser: "Case" },
  programs: { title: "Programs", chooser: "Case and card" },
  cases: { title: "Cases", chooser: "Card and program" },
};

// At the price the reader typed, where one was typed.
const moneyOf = (bar) => {
  const c = data.cases[bar.case];
  const price = c.headline.price;
  if (!prices.has(c.device) || price.gpu_hours === null || bar.seconds.value === null) return bar.money;
  const each = prices.get(c.device) * price.gpu_hours / bar.seconds.value;
  const scaled = { ...bar.seconds, value: bar.seconds.value * each };
  if (bar.seconds.low !== undefined) Object.assign(scaled, { low: bar.seconds.low * each, high: bar.seconds.high * each });
  return scaled;
};

const originText = (bar) => [bar.date, bar.driver ? "driver " + bar.driver : ""].filter(Boolean).join(", ");
const factsText = (facts) => facts.filter(([, value]) => value).map(([name, value]) => name + " " + value).join(", ");
const sureText = (bar) => {
  if (bar.doubt) return "does not count: " + bar.doubt;
  return bar.sureness + (bar.seconds.runs > 1 ? ", " + counted(bar.seconds.runs, "run") : "");
};

// Bars that count first, of them the least; without a value last.
const sortedBars = (chart, unit) => chart.bars.map((bar) => ({ bar, q: UNITS[unit].of(bar) })).sort((a, b) => {
  const rank = (entry) => (entry.q.value === null ? 2 : entry.bar.doubt ? 1 : 0);
  return rank(a) - rank(b) || (a.q.value ?? 0) - (b.q.value ?? 0);
});

// Of cards the sentence follows the prices that the reader typed.
const sentenceOf = (chart) => {
  if (!chart.verdict || !chart.bars.some((bar) => prices.has(data.cases[bar.case].device))) return chart.sentence;
  const priced = chart.bars.filter((bar) => !bar.doubt && moneyOf(bar).value !== null)
    .sort((a, b) => moneyOf(a).value - moneyOf(b).value);
  if (priced.length < 2) return chart.verdict + ".";
  const [least, next] = priced.map((bar) => [bar.label, money(moneyOf(bar).value, bar.currency)]);
  return chart.verdict + "; at the prices you typed the " + least[0] + (priced.length > 2 ? " is the cheapest: " : " is cheaper: ")
    + least[1] + ", then the " + next[0] + " with " + next[1] + ".";
};

const percentOf = (value, most) => (100 * Math.max(0, value) / most).toFixed(2) + "%";

// Solid: while the card computes. Striped: while the host works.
const barTrack = ({ bar, q }, unit, most) => {
  if (q.value === null) return null;
  const gpu = unit !== "energy" && bar.gpu_s.value !== null && bar.seconds.value > 0
    ? q.value * Math.min(1, bar.gpu_s.value / bar.seconds.value) : q.value;
  return el("div", { class: "bar-track", "aria-hidden": "true" },
    el("span", { class: "bar-gpu", style: "width:" + percentOf(gpu, most) }),
    el("span", { class: "bar-host", style: "width:" + percentOf(q.value - gpu, most) }),
    q.low === undefined ? null : el("span", { class: "bar-interval",
      style: "left:" + percentOf(q.low, most) + ";width:" + percentOf(q.high - q.low, most) }));
};

// `shared` is said once below the bars.
const barNote = ({ bar, q }, unit, shared) => {
  const between = q.value === null || q.low === undefined ? ""
    : range(unit === "seconds" ? "seconds" : unit === "energy" ? "watt_hours" : "money", q.low, q.high);
  return [q.value === null ? q.reason || "not measured" : between, shared.sure ? "" : sureText(bar), shared.origin ? "" : originText(bar),
    bar.warning, bar.fidelity && !shared.fidelity ? "fidelity " + bar.fidelity : "", factsText(bar.facts)].filter(Boolean).join(" · ");
};

// A name may break after an underscore.
const breakable = (name) => name.split(/(?<=_)/).flatMap((part) => [part, el("wbr")]);

const barItem = (entry, unit, most, shared) => el("li", { class: entry.bar.doubt ? "bar doubtful" : "bar" },
  el("span", { class: "bar-name" }, breakable(entry.bar.label)), barTrack(entry, unit, most) || el("div", { class: "bar-track" }),
  el("span", { class: "bar-value" }, entry.q.value === null ? DASH : UNITS[unit].write(entry.q.value, entry.bar)),
  el("span", { class: "bar-note" }, barNote(entry, unit, shared)));

const gapItem = (gap) => el("li", { class: "bar gap" }, el("span", { class: "bar-name" }, gap.label),
  el("span", { class: "bar-note" }, gap.words + ": no video"));

// Of a card's cases what is the same beside every bar; of cards and programs it stands with each.
const sharedWords = (chart) => {
  const same = (textOf) => (chart.of === "cases" && new Set(chart.bars.map(textOf)).size === 1 ? textOf(chart.bars[0]) : "");
  const several = (textOf) => (chart.bars.length > 1 ? same(textOf) : "");
  return { origin: same(originText), sure: several(sureText), fidelity: several((bar) => bar.fidelity) };
};

const FEWEST_HIDDEN = 4;  // fewer are shown rather than hidden
const MOST_SHOWN = 12;

const barList = (chart, unit, all, showAll) => {
  const entries = sortedBars(chart, unit);
  const most = Math.max(...entries.map(({ q }) => (q.high === undefined ? q.value ?? 0 : q.high)), 1e-12);
  const shared = sharedWords(chart);
  const items = [...entries.map((entry) => barItem(entry, unit, most, shared)), ...chart.gaps.map(gapItem)];
  const cut = all || items.length < MOST_SHOWN + FEWEST_HIDDEN ? items.length : MOST_SHOWN;
  const hasHost = unit !== "energy" && chart.bars.some((bar) => bar.gpu_s.value !== null);
  return [el("ol", { class: "bars", "aria-label": UNITS[unit].caption + ", lower is better" }, items.slice(0, cut)),
    cut < items.length ? el("button", { type: "button", class: "more", on: { click: showAll } },
      "Show all " + items.length) : null,
    el("p", { class: "note" }, hasHost ? [el("span", { class: "key bar-gpu" }), " the card computes ",
      el("span", { class: "key bar-host" }), " the host works. "] : null, shared.origin ? "Measured " + shared.origin + ". " : "", shared.sure ? "Each: " + shared.sure + ". " : "",
      shared.fidelity ? "Fidelity of each: " + shared.fidelity + "." : "")];
};

// Which words mean what, the intervals, and what the bars have in common.
const sureFold = (chart) => folded("How sure is this?",
  table("Each bar of the chart", [text(KINDS[chart.of].title.slice(0, -1)), number("Seconds"), text("Interval"),
    text("How sure"), text("What else is known of its runs"), text("Measured")], chart.bars.map((bar) => [bar.label,
    quantityCell("seconds", bar.seconds), interval("seconds", bar.seconds) || DASH, sureText(bar),
    bar.remarks.join("; ") || DASH, originText(bar) || DASH]), "cards"),
  chart.shared.length ? el("p", { class: "note" }, "The same in all: " + factsText(chart.shared) + ".") : null,
  el("p", { class: "note" }, "Solid: five runs or more count, they agree, and the interval is within 5 % of the value to both sides. "
    + "Fair: two runs or more count. Single run: one counts, so nothing says how far the next would be off. Printed by another "
    + "program: read from its report, not measured here. " + INTERVALS));

const priceInputs = (chart) => el("p", { class: "note prices" }, [...new Map(chart.bars.map((bar) => [data.cases[bar.case].device,
  data.cases[bar.case]]).filter(([, c]) => c.headline.price.gpu_hours !== null)).values()].map((c) => el("label", {},
  c.device + ", " + c.headline.price.currency + " a GPU-hour ", priceInput(c), " ")), "Rental prices unless you type yours; the source stands under ",
el("a", { href: "#cost" }, "Cost"), ".");

const chooser = (id, title, options, chosen, choose) => (options.length < 2 ? null : el("label", {}, title + " ",
  el("select", { id, on: { change: (event) => choose(event.target.selectedIndex) } },
    options.map((option) => el("option", { selected: option === chosen }, option)))));

const unitRadios = (units, chosen, choose) => (units.length < 2 ? null : el("fieldset", { class: "units" },
  el("legend", {}, "In"), units.map((unit) => el("label", {}, el("input", { type: "radio", name: "unit", value: unit,
    checked: unit === chosen, on: { change: () => choose(unit) } }), " " + UNITS[unit].title))));

// `listen` is told the chart that is shown.
const answerChart = (answer, listen) => {
  const sentence = el("p", { class: "sentence", id: "sentence" });
  const rest = el("p", { class: "rest", id: "rest" });
  const switches = el("div", { class: "switches" });
  const bars = el("div", {});
  const extra = el("div", {});
  const caption = el("figcaption", {});
  const kinds = [...new Set(answer.charts.map((chart) => chart.of))];
  let chart = answer.charts[0], unit = "seconds", all = false;
  const drawBars = () => bars.replaceChildren(...barList(chart, unit, all, () => {
    all = true;
    drawBars();
  }).filter(Boolean));
  const show = () => {
    const units = Object.keys(UNITS).filter((u) => u === "seconds" || chart.bars.some((bar) => UNITS[u].of(bar).value !== null));
    if (!units.includes(unit)) unit = "seconds";
    const like = answer.charts.filter((other) => other.of === chart.of);
    sentence.textContent = sentenceOf(chart);
    rest.textContent = chart.rest;
    switches.replaceChildren(...[
      chooser("kind", "Compare", kinds.map((kind) => KINDS[kind].title), KINDS[chart.of].title, (i) => {
        chart = answer.charts.find((other) => other.of === kinds[i]);
        all = false;
        show();
      }),
      chooser("case", KINDS[chart.of].chooser, like.map((other) => other.name), chart.name, (i) => {
        chart = like[i];
        all = false;
        show();
      }),
      unitRadios(units, unit, (chosen) => {
        unit = chosen;
        show();
        switches.querySelector("input:checked").focus();
      })].filter(Boolean));
    caption.textContent = UNITS[unit].caption + ", lower is better: " + chart.name;
    drawBars();
    extra.replaceChildren(...[chart.notes.length ? el("ul", { class: "note" }, chart.notes.map((note) => el("li", {}, note))) : null,
      unit === "money" ? priceInputs(chart) : null, sureFold(chart)].filter(Boolean));
    listen(chart);
  };
  priceListeners.push(() => {
    sentence.textContent = sentenceOf(chart);
    drawBars();
  });
  show();
  return { words: [sentence, rest], chart: [switches, el("figure", { id: "answer-chart" }, caption, bars), extra] };
};

// A demo shows what it made before how long that took; where nothing gave a video, what failed follows.
const answerSection = (data, listen) => {
  const { answer } = data;
  if (!answer.charts.length) return el("section", { id: "answer" }, el("p", { class: "sentence", id: "sentence" }, answer.sentence),
    answer.rest ? el("p", { class: "rest" }, answer.rest) : null);
  const shown = answerChart(answer, listen);
  return el("section", { id: "answer" }, shown.words, answer.is_example ? videoList(data) : null, shown.chart);
};
