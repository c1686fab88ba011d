#include "report/cards_picture.h"

#include <algorithm>
#include <functional>
#include <set>
#include <vector>

#include <fmt/format.h>

#include "analysis/answer.h"
#include "report/escape.h"
#include "report/format.h"

namespace wan::report {
namespace {

constexpr double kWidth = 880, kMargin = 20, kPanel = 405, kGap = 30;
constexpr double kHead = 66, kPanelHead = 30, kRow = 62, kFoot = 34;
constexpr double kBar = 185;  // the longest one; its value stands behind it

/// The cases of the answer's first chart of cards that says so much: of this program, of the same work, one of each
/// card that counts. By seconds of a video, least first.
std::vector<const CaseView*> cases_of(const Answer& answer) {
  for (const AnswerChart& chart : answer.charts) {
    if (chart.of != ChartOf::kCards || !chart.notes.empty()) continue;
    std::vector<const CaseView*> cases;
    std::set<std::string> cards;
    for (const AnswerBar& bar : chart.bars)
      if (bar.counts() && bar.sureness != Sureness::kPrinted && cards.insert(bar.shown->summary.group.device).second)
        cases.push_back(bar.shown);
    if (cases.size() > 1) return cases;
  }
  return {};
}

/// What is drawn of a card in one panel.
struct Bar {
  std::string card, below;
  std::string value;         // or why there is none
  std::optional<double> at;  // nothing: there is no bar
  double solid = 0;          // the part of it that is the card's own work
  std::optional<Interval> interval;
};

struct Panel {
  std::string title;
  std::vector<Bar> bars;
};

/// A name of a record, as long as there is room for.
std::string name_text(const std::string& name) {
  constexpr size_t kMost = 52;
  if (name.size() <= kMost) return xml_text(name);
  size_t end = kMost;
  while (end > 0 && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;  // not within a character
  return xml_text(name.substr(0, end) + "…");
}

/// "25.89 s [24.55, 26.98], n = 5"
std::string value_text(const Bar& bar, const std::function<std::string(double)>& write, const char* unit, size_t runs) {
  std::string text = write(*bar.at) + unit;
  if (!bar.interval) return text + (runs == 1 ? ", one run" : fmt::format(", n = {}", runs));
  return text + fmt::format(" [{}, {}], n = {}", write(bar.interval->low), write(bar.interval->high), runs);
}

/// "driver 580.159.04, 2026-11-27", of the first run that counts.
std::string provenance(const CaseView& shown) {
  const RunRecord& run = shown.example();
  const std::string driver = run.system.gpus.empty() ? "" : run.system.gpus[0].driver;
  const std::string date = run.created_utc.substr(0, 10);
  return fmt::format("{}, {}", driver.empty() ? "driver not recorded" : "driver " + driver,
                     date.empty() ? "date not recorded" : date);
}

Panel seconds_panel(const std::vector<const CaseView*>& cases) {
  Panel panel{"Seconds a video", {}};
  for (const CaseView* shown : cases) {
    const Estimate& total = *shown->summary.total_s.estimate;
    Bar bar{shown->summary.group.device, provenance(*shown), "", total.median, 0, total.interval};
    bar.value = value_text(bar, seconds, " s", total.runs);
    const Quantity& gpu = shown->summary.gpu_part_s;
    if (gpu.has()) {
      bar.solid = gpu.median();
      bar.below = fmt::format("on the card {} s; {}", seconds(gpu.median()), bar.below);
    }
    panel.bars.push_back(std::move(bar));
  }
  return panel;
}

constexpr double kCents = 100;

std::string cents(double value) { return fmt::format("{:.{}f}", value, value < 10 ? 2 : 1); }

/// Cards without a price come last.
Panel cents_panel(const std::vector<const CaseView*>& cases) {
  const auto priced = std::find_if(cases.begin(), cases.end(), [](auto* c) { return c->buyer.cost; });
  const std::string currency = priced == cases.end() ? "USD" : (*priced)->buyer.cost->currency;
  Panel panel{currency == "USD" ? "US cents a video" : fmt::format("Hundredths of {} a video", xml_text(currency)), {}};
  for (const CaseView* shown : cases) {
    Bar bar{shown->summary.group.device, "", "", {}, 0, {}};
    const std::optional<Cost>& cost = shown->buyer.cost;
    if (!cost || cost->currency != currency) {
      bar.value = cost ? "its price is in " + cost->currency : shown->buyer.no_cost_reason;
    } else {
      const Estimate& total = *shown->summary.total_s.estimate;
      const double rate = kCents * cost->money / total.median;
      bar.at = kCents * cost->money;
      bar.solid = *bar.at;
      if (total.interval) bar.interval = Interval{total.interval->low * rate, total.interval->high * rate};
      bar.value = value_text(bar, cents, "", total.runs);
      bar.below = fmt::format(
          "at {}{} {} an hour, price of {}",
          shown->example().system.gpus.size() > 1 ? fmt::format("{} times ", shown->example().system.gpus.size()) : "",
          *shown->price->per_gpu_hour, currency, shown->price->date);
    }
    panel.bars.push_back(std::move(bar));
  }
  std::stable_sort(panel.bars.begin(), panel.bars.end(),
                   [](const Bar& a, const Bar& b) { return a.at && (!b.at || *a.at < *b.at); });
  return panel;
}

std::string text_at(double x, double y, const char* style, const std::string& xml) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" class=\"{}\">{}</text>\n", x, y, style, xml);
}

std::string rect(double x, double y, double width, double height, const char* style) {
  return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" class=\"{}\"/>\n", x, y, width,
                     height, style);
}

/// From the interval's lower end to its upper one.
std::string whisker(double low, double high, double y) {
  return fmt::format("<path d=\"M{0:.1f} {2:.1f}H{1:.1f}M{0:.1f} {3:.1f}v8M{1:.1f} {3:.1f}v8\" class=\"whisker\"/>\n",
                     low, high, y, y - 4);
}

std::string draw(const Bar& bar, double most, double x, double y) {
  std::string out = text_at(x, y + 12, "card", name_text(bar.card));
  double end = x;
  if (bar.at) {
    const auto place = [&](double value) { return x + kBar * value / most; };
    end = place(*bar.at);
    const double solid = std::min(place(bar.solid), end);
    out += rect(x, y + 19, solid - x, 15, "own") + rect(solid, y + 19, end - solid, 15, "rest");
    if (bar.interval) {
      out += whisker(place(bar.interval->low), place(bar.interval->high), y + 26.5);
      end = std::max(end, place(bar.interval->high));
    }
  }
  out += text_at(end + (bar.at ? 8 : 0), y + 31, "value", xml_text(bar.value));
  return out + text_at(x, y + 48, "small", xml_text(bar.below));
}

std::string draw(const Panel& panel, double x) {
  double most = 0;
  for (const Bar& bar : panel.bars)
    if (bar.at) most = std::max({most, *bar.at, bar.interval ? bar.interval->high : 0});
  std::string out = text_at(x, kHead + 16, "panel", panel.title);
  double y = kHead + kPanelHead;
  for (const Bar& bar : panel.bars) {
    out += draw(bar, most, x, y);
    y += kRow;
  }
  return out;
}

/// "ti2v-5B 1280×704, 161 frames, 5 steps, by wanbench"
std::string work_text(const CaseView& shown) {
  const Workload& work = shown.example().workload;
  std::string text = work.model;
  if (work.width && work.height) text += fmt::format(" {}×{}", *work.width, *work.height);
  if (work.num_frames) text += fmt::format(", {} frames", *work.num_frames);
  if (work.steps) text += fmt::format(", {} steps", *work.steps);
  return text + ", by " + shown.summary.group.engine;
}

constexpr const char* kStyle =
    "<style>text{font-family:system-ui,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:#1b1e23}"
    ".ground{fill:#fff;stroke:#d9dde3}.title{font-size:17px;font-weight:600}.card{font-size:13px;font-weight:600}"
    ".panel{font-size:14px;font-weight:600}.value{font-size:12.5px}.soft{font-size:12.5px;fill:#555c66}"
    ".small{font-size:11px;fill:#555c66}.own{fill:#005a8e}.rest{fill:#9cc3dd}"
    ".whisker{stroke:#1b1e23;stroke-width:1.3;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e8eaed}.ground{fill:#15181c;stroke:#363d45}"
    ".soft,.small{fill:#aab2bc}.own{fill:#4aa3df}.rest{fill:#27506e}.whisker{stroke:#fff}}</style>\n";

}  // namespace

std::string cards_picture(const ReportView& view) {
  const std::vector<const CaseView*> cases = cases_of(answer_of(view));
  if (cases.empty()) return "";
  const CaseView& first = *cases.front();
  const double height = kHead + kPanelHead + kRow * static_cast<double>(cases.size()) + kFoot;
  const std::string title = name_text(first.title) + ": seconds and cents a video, by card";
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "role=\"img\">\n<title>{2}</title>\n{3}",
      kWidth, height, title, kStyle);
  out += rect(0.5, 0.5, kWidth - 1, height - 1, "ground");
  out += text_at(kMargin, 30, "title", title);
  out += text_at(kMargin, 51, "soft", xml_text(work_text(first)) + ". Lower is better.");
  out += draw(seconds_panel(cases), kMargin) + draw(cents_panel(cases), kMargin + kPanel + kGap);
  out +=
      text_at(kMargin, height - 14, "small",
              "Medians; the line is the interval of the median. Strong part of a bar of seconds: the card's own work; "
              "faint: the host's, where another host may differ.");
  return out + "</svg>\n";
}

}  // namespace wan::report
