// What base/terminal.cpp shows by its number, line ends and tabs apart, and what has no width: it is a box here.
const HIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff]/g;
const asShown = (key, value) => (typeof value === "string" ? value.replace(HIDDEN, "\ufffd") : value);

// Elements made from text only: nothing a record says is ever parsed as markup.
const el = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === "") continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
};

const SVG = "http://www.w3.org/2000/svg";
const svgNode = (tag, attributes, ...children) => {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
};

// Which forwards were computed: a column a step, a row a prompt. Letters as records have them.
const FORWARDS = { C: "computed", r: "reused", g: "the guidance's difference reused", "-": "none" };
const forwardsPicture = (forwards) => {
  const rows = [["positive", forwards.cond], ["negative", forwards.uncond]].filter(([, letters]) => letters);
  const steps = Math.max(...rows.map(([, letters]) => letters.length)), cell = 10, row = 14, from = 56;
  const cells = rows.flatMap(([name, letters], y) => [svgNode("text", { x: 0, y: y * row + 10 }, name),
    ...[...letters].map((letter, step) => svgNode("rect", { x: from + step * cell, y: y * row + 1, width: cell - 1, height: row - 2,
      class: "forward-" + (letter === "-" ? "none" : letter) }, svgNode("title", {}, "step " + step + ": " + (FORWARDS[letter] || letter))))]);
  const words = rows.map(([name, letters]) => name + " " + letters).join(", ");
  return el("div", { class: "scroll", tabindex: "0" }, svgNode("svg", { class: "forwards", width: from + steps * cell, height: rows.length * row, role: "img",
    "aria-label": "Forwards by step: " + words }, ...cells));
};
const forwardsLegend = () => el("p", { class: "note forwards-legend" }, ["C", "r", "g"].flatMap((letter) => [
  svgNode("svg", { class: "forwards", width: 10, height: 10 }, svgNode("rect", { width: 10, height: 10, class: "forward-" + letter })), " " + FORWARDS[letter] + " "]));

const badge = (text, kind) => el("span", { class: "badge " + (kind || "") }, text);

const classOf = (column) => [column.number ? "number" : "", column.extra ? "extra" : ""].filter(Boolean).join(" ") || null;

// columns: [{title, number, extra, hint}]; rows: arrays of cells, each a text, a node, or {text, why} for a dash with its reason.
const table = (caption, columns, rows, className) => {
  const cell = (value, column) => {
    const isReasoned = value !== null && typeof value === "object" && !(value instanceof Node);
    const attributes = { class: classOf(column), "data-label": column.title };
    if (isReasoned) attributes.title = value.why;
    return el("td", attributes, isReasoned ? value.text : value === null || value === "" ? DASH : value);
  };
  const body = el("tbody", {}, rows.map((row) => el("tr", {}, row.map((value, i) => cell(value, columns[i])))));
  const isSorted = (className || "").split(" ").includes("cards") && rows.length > 1;
  return el("div", { class: "scroll", tabindex: "0" },
    el("table", { class: className },
      el("caption", {}, caption),
      el("thead", {}, el("tr", {}, columns.map((c, i) => el("th", { scope: "col", class: classOf(c),
        title: c.hint }, isSorted ? sortButton(body, i, c) : c.title)))),
      body));
};

// By numbers or as text, dashes last; a second time the other way round.
const sortButton = (body, place, column) => {
  const keyOf = (row) => {
    const words = row.cells[place].textContent;
    return column.number ? parseFloat(words) : words;
  };
  const isEmpty = (key) => key === DASH || Number.isNaN(key);
  const sort = (event) => {
    const head = event.currentTarget.closest("th");
    const isDown = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    body.append(...[...body.rows].sort((a, b) => {
      const [x, y] = [keyOf(a), keyOf(b)];
      if (isEmpty(x) || isEmpty(y)) return isEmpty(x) - isEmpty(y);
      const order = column.number ? x - y : x.localeCompare(y, undefined, { numeric: true });
      return isDown ? -order : order;
    }));
  };
  return el("button", { type: "button", class: "sort", on: { click: sort } }, column.title);
};

// One table that scrolls on a screen; on paper as many as the page is wide for, each with the first column.
const wideTable = (caption, columns, rows, className) => {
  const most = 9;  // columns beside the first that are readable across a page
  if (columns.length <= most + 1) return table(caption, columns, rows, className);
  const parts = Math.ceil((columns.length - 1) / most), each = Math.ceil((columns.length - 1) / parts);
  const onPaper = Array.from({ length: parts }, (_, i) => {
    const pick = (row) => [row[0], ...row.slice(1 + i * each, 1 + (i + 1) * each)];
    const copy = (cell) => (cell instanceof Node ? cell.cloneNode(true) : cell);
    return table(caption + ", " + (i + 1) + " of " + parts, pick(columns), rows.map((row) => pick(row).map(copy)), className);
  });
  return [el("div", { class: "on-screen" }, table(caption, columns, rows, className)),
    el("div", { class: "on-paper" }, onPaper)];
};

const text = (title) => ({ title });
// Left out on a phone.
const extra = (column) => ({ ...column, extra: true });
const number = (title) => ({ title, number: true });

// A quantity as a cell: the median with its interval under it, or a dash that says why when pointed at.
const quantityCell = (format, q) => {
  if (!q || q.value === null) return { text: DASH, why: q && q.reason ? q.reason : "not measured" };
  if (q.low === undefined) return write(format, q.value);
  return el("span", { title: sureness(format, q) }, write(format, q.value));
};

const section = (id, title, ...children) => el("section", { id }, el("h2", {}, title), ...children);
const folded = (summary, ...children) => el("details", {}, el("summary", {}, summary), ...children);

// Reasons of dashes, in words below a table: a title cannot be seen on paper or by touch.
const reasonsOf = (titles, quantities) => {
  const found = new Map();  // reason -> titles
  quantities.forEach((row) => row.forEach((q, i) => {
    if (q && q.value === null && q.reason) found.set(q.reason, (found.get(q.reason) || new Set()).add(titles[i]));
  }));
  const words = [...found].map(([reason, names]) => [...names].join(", ") + ": " + reason);
  return words.length ? el("p", { class: "note" }, DASH + " no value. " + words.join("; ") + ".") : null;
};

const safePath = (parts) => parts.map(encodeURIComponent).join("/");

// The data block packs what there is much of (html_engineer.cpp): quantities of stage tables, spans and curves.
const unpackQuantity = (q, reasons) => {
  if (!Array.isArray(q)) return { value: null, reason: reasons[q] };
  const [value, runs, low, high, coverage] = q;
  if (low === undefined) return { value, runs, single: true };
  return coverage === undefined ? { value, runs, low, high } : { value, runs, low, high, extremes_coverage: coverage };
};
const SECOND = 1e6;  // in microseconds
const unpackSpan = ([row, place, number, begin, length, bytes], stages) => {
  const { id, kind, role } = stages[place];
  return { row, id: number > 1 ? id + "#" + number : id, kind, role, begin_s: begin / SECOND,
    end_s: (begin + length) / SECOND, moved_bytes: bytes };
};
const unpackCase = (c) => {
  if (c.stages) {
    c.stages.rows.forEach((row) => { row.cells = row.cells.map((q) => unpackQuantity(q, c.stages.reasons)); });
    c.stages.parts.forEach((part) => { part.seconds = unpackQuantity(part.seconds, c.stages.reasons); });
  }
  if (!c.timeline) return;
  c.timeline.spans = c.timeline.spans.map((span) => unpackSpan(span, c.timeline.stages));
  c.timeline.series.forEach((s) => {
    s.points = s.points.map(([begin, length, value]) => [begin / SECOND, (begin + length) / SECOND, value]);
  });
};
// What a case's fold shows travels packed (html.cpp), and is unpacked when it is opened.
const unpackDetails = async (c) => {
  if (!c.details) return;
  const bytes = Uint8Array.from(atob(c.details), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  Object.assign(c, JSON.parse(await new Response(stream).text(), asShown), { details: null });
  unpackCase(c);
};
