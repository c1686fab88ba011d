// Kernels of the traced run: kinds of work as one bar a stage, and the longest kernels.
const KIND_COLOURS = { GEMM: 0, attention: 1, convolution: 2, elementwise: 4, copies: 3, other: 5 };
const kindColour = (name) => (name === "gaps" ? striped(roleColour("Unattributed")) : seriesColour(KIND_COLOURS[name]));

const kindBars = (views) => () => {
  const names = [...new Set(views.flatMap((v) => v.kinds.map((k) => k.name)))];
  return {
    type: "bar",
    data: {
      labels: views.map((v) => v.stages),
      datasets: names.map((name) => ({
        label: name,
        data: views.map((v) => 100 * (v.kinds.find((k) => k.name === name) || { share: 0 }).share),
        backgroundColor: kindColour(name),
        maxBarThickness: 34,
      })),
    },
    options: {
      indexAxis: "y",
      scales: { x: { stacked: true, max: 100, title: { display: true, text: "% of the stage's time" } },
        y: { stacked: true, ...categoryAxis() } },
      plugins: {
        legend: legend(true),
        tooltip: { callbacks: { label: (c) => c.dataset.label + ": " + c.parsed.x.toFixed(1) + " %" } },
      },
    },
  };
};

const kernelsSection = (c) => {
  const k = c.kernels;
  if (!k) return null;
  const title = el("h4", {}, "Kernels of the traced run");
  if (!k.views.length) return el("div", {}, title, el("p", { class: "note" }, "None: " + k.reason + "."));
  const kinds = table("Each instant once; a copy only where no kernel ran", [text("Stage"), text("Kind"), number("Time"),
    number("Share"), number("Hidden included"), number("Count")], k.views.flatMap((v) => v.kinds.map((kind) => [v.stages,
    kind.name, write("seconds", kind.seconds), write("share", kind.share), write("seconds", kind.total_seconds),
    kind.name === "gaps" ? "" : String(kind.count)])));
  const longest = (v) => table("Longest kernels: " + v.stages, [text("Kernel"), text("Kind"), number("Time"),
    number("Share"), number("Count"), number("Mean")], v.kernels.map((kernel) => [el("code", {}, kernel.name), kernel.kind,
    write("seconds", kernel.seconds), write("share", kernel.share), String(kernel.count),
    kernel.mean_us.toFixed(1) + " µs"]), "kernels");
  const byTime = [...k.views].sort((a, b) => b.seconds - a.seconds);
  return el("div", {}, title,
    chart("What ran on the card", 90 + 40 * k.views.length, kindBars(k.views), kinds,
      "Watching each kernel slows a run: shares are meant, its times enter no estimate."
      + (k.slowdown === null ? "" : " A steady step took " + k.slowdown.toFixed(3) + " times as long as in the runs that count.")
      + (k.missing ? " " + k.missing : "")),
    longest(byTime[0]), byTime.length > 1 ? folded("Other stages", byTime.slice(1).map(longest)) : null);
};
