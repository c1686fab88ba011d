// Rows by first fit: leaves and components on the pipeline's, everything else on the first row where it nests.
#include "analysis/timeline.h"

#include <algorithm>

#include <fmt/format.h>

#include "analysis/breakdown.h"

namespace wan {
namespace {

bool before(const TimelineSpan& a, const TimelineSpan& b) {
  if (a.row != b.row) return a.row < b.row;
  if (a.begin_ns != b.begin_ns) return a.begin_ns < b.begin_ns;
  return a.end_ns > b.end_ns;
}

bool nest(const TimelineSpan& a, const TimelineSpan& b) {
  const bool apart = a.end_ns <= b.begin_ns || b.end_ns <= a.begin_ns;
  const bool a_in_b = b.begin_ns <= a.begin_ns && a.end_ns <= b.end_ns;
  const bool b_in_a = a.begin_ns <= b.begin_ns && b.end_ns <= a.end_ns;
  return apart || a_in_b || b_in_a;
}

class Layout {
 public:
  explicit Layout(const RunRecord& record) : record_(record) {
    out_.rows.push_back({"Pipeline", false});
    out_.reconstructed = std::none_of(record.stages.begin(), record.stages.end(), [](const StageRecord& s) {
      return s.kind == StageKind::kLeaf && s.begin_ns.has();
    });
  }

  Timeline apply() {
    if (record_.stages.empty()) return {};
    if (out_.reconstructed)
      lay_end_to_end();
    else
      place_known();
    place_total();
    std::sort(out_.spans.begin(), out_.spans.end(), before);
    set_depths();
    return std::move(out_);
  }

 private:
  void place_total() {
    const StageRecord* total = total_stage(record_);
    if (total != nullptr) place({total, 0, total->wall_ns, 0, 0}, "Run");
    for (const TimelineSpan& span : out_.spans) out_.earliest_ns = std::min(out_.earliest_ns, span.begin_ns);
  }

  void lay_end_to_end() {
    int64_t at_ns = 0;
    for (const StageRecord& stage : record_.stages) {
      if (stage.kind != StageKind::kLeaf || stage.name == kUnattributedName) continue;
      place({&stage, at_ns, at_ns + stage.wall_ns, 0, 0}, "Overlapping");
      at_ns += stage.wall_ns;
    }
  }

  void place_known() {
    for (const StageKind kind : {StageKind::kLeaf, StageKind::kComponent, StageKind::kHidden}) {
      for (const StageRecord& stage : record_.stages) {
        if (stage.kind != kind || !stage.begin_ns.has() || stage.name == kUnattributedName) continue;
        const TimelineSpan span{&stage, *stage.begin_ns.value, *stage.begin_ns.value + stage.wall_ns, 0, 0};
        if (kind == StageKind::kHidden)
          place_beside(span, "Hidden: " + stage.name);
        else
          place(span, "Overlapping");
      }
    }
  }

  /// On the pipeline's row if it nests there, else on one of that name.
  void place(TimelineSpan span, const std::string& other_row) {
    if (fits(span))
      out_.spans.push_back(span);
    else
      place_beside(span, other_row);
  }

  void place_beside(TimelineSpan span, const std::string& name) {
    for (int copy = 1;; ++copy) {
      span.row = row_named(copy == 1 ? name : fmt::format("{} ({})", name, copy), span.stage->kind);
      if (!fits(span)) continue;
      out_.spans.push_back(span);
      return;
    }
  }

  int row_named(const std::string& name, StageKind kind) {
    const auto found =
        std::find_if(out_.rows.begin(), out_.rows.end(), [&](const TimelineRow& row) { return row.name == name; });
    if (found != out_.rows.end()) return static_cast<int>(found - out_.rows.begin());
    out_.rows.push_back({name, kind == StageKind::kHidden});
    return static_cast<int>(out_.rows.size()) - 1;
  }

  bool fits(const TimelineSpan& span) const {
    return std::all_of(out_.spans.begin(), out_.spans.end(),
                       [&](const TimelineSpan& other) { return other.row != span.row || nest(other, span); });
  }

  void set_depths() {
    std::vector<const TimelineSpan*> open;
    for (TimelineSpan& span : out_.spans) {
      while (!open.empty() && (open.back()->row != span.row || open.back()->end_ns < span.end_ns ||
                               open.back()->end_ns <= span.begin_ns))
        open.pop_back();
      span.depth = static_cast<int>(open.size());
      open.push_back(&span);
    }
  }

  const RunRecord& record_;
  Timeline out_;
};

}  // namespace

Timeline timeline_of(const RunRecord& record) { return Layout(record).apply(); }

}  // namespace wan
