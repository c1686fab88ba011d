// Rows by first fit: leaves and components on the pipeline's, everything else on the first row where it nests.
#include "analysis/timeline.h"

#include <algorithm>
#include <unordered_map>

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

constexpr int kMostCopies = 32;  // of a row, for spans that overlap in it: nobody reads more
constexpr size_t kMostSpans =
    20'000;  // a streamed run of 50 steps has about a quarter; each is held against those of its row

class Layout {
 public:
  Layout(const RunRecord& record, const SpanSet* spans) : record_(record) {
    add_row({"Pipeline", false});
    if (spans != nullptr)
      for (const PartSpans& part : spans->parts) parts_[part.id] = &part;
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
    if (total != nullptr) place({total, 0, total->wall_ns}, "Run");
    for (const TimelineSpan& span : out_.spans) out_.earliest_ns = std::min(out_.earliest_ns, span.begin_ns);
  }

  void lay_end_to_end() {
    int64_t at_ns = 0;
    for (const StageRecord& stage : record_.stages) {
      if (stage.kind != StageKind::kLeaf || stage.name == kUnattributedName) continue;
      place({&stage, at_ns, at_ns + stage.wall_ns}, "Overlapping");
      at_ns += stage.wall_ns;
    }
  }

  void place_known() {
    for (const StageKind kind : {StageKind::kLeaf, StageKind::kComponent, StageKind::kHidden}) {
      for (const StageRecord& stage : record_.stages) {
        if (stage.kind != kind || stage.name == kUnattributedName) continue;
        for (const TimelineSpan& span : spans_of(stage)) {
          if (kind == StageKind::kHidden)
            place_beside(span, "Hidden: " + stage.name);
          else
            place(span, "Overlapping");
        }
      }
    }
  }

  /// The row itself, or the spans that it sums up.
  std::vector<TimelineSpan> spans_of(const StageRecord& stage) const {
    if (stage.begin_ns.has())
      return {{&stage, *stage.begin_ns.value, *stage.begin_ns.value + stage.wall_ns, 0, 0, 0, stage.moved_bytes.value}};
    std::vector<TimelineSpan> out;
    const auto part = parts_.find(stage.id);
    if (part == parts_.end()) return out;
    for (const PartSpan& span : part->second->spans) {
      const auto number = static_cast<int64_t>(out.size()) + 1;
      out.push_back({&stage, span.begin_ns, span.begin_ns + span.wall_ns, 0, 0, number, span.moved_bytes});
    }
    return out;
  }

  /// On the pipeline's row if it nests there, else on one of that name.
  void place(TimelineSpan span, const std::string& other_row) {
    if (!has_room(span))
      ++out_.left_out;
    else if (fits(span))
      add(span);
    else
      place_beside(span, other_row);
  }

  /// The run itself always has its place.
  bool has_room(const TimelineSpan& span) const {
    return out_.spans.size() < kMostSpans || span.stage->kind == StageKind::kParent;
  }

  void place_beside(TimelineSpan span, const std::string& name) {
    for (int copy = 1; copy <= kMostCopies && has_room(span); ++copy) {
      span.row = row_named(copy == 1 ? name : fmt::format("{} ({})", name, copy), span.stage->kind);
      if (!fits(span)) continue;
      add(span);
      return;
    }
    ++out_.left_out;
  }

  int row_named(const std::string& name, StageKind kind) {
    const auto found =
        std::find_if(out_.rows.begin(), out_.rows.end(), [&](const TimelineRow& row) { return row.name == name; });
    if (found != out_.rows.end()) return static_cast<int>(found - out_.rows.begin());
    add_row({name, kind == StageKind::kHidden});
    return static_cast<int>(out_.rows.size()) - 1;
  }

  void add_row(TimelineRow row) {
    out_.rows.push_back(std::move(row));
    placed_.emplace_back();
  }

  void add(const TimelineSpan& span) {
    Placed& row = placed_[static_cast<size_t>(span.row)];
    row.spans.push_back(out_.spans.size());
    row.latest_end_ns = std::max(row.latest_end_ns, span.end_ns);
    out_.spans.push_back(span);
  }

  bool fits(const TimelineSpan& span) const {
    const Placed& row = placed_[static_cast<size_t>(span.row)];
    if (row.spans.empty() || row.latest_end_ns <= span.begin_ns) return true;
    return std::all_of(row.spans.begin(), row.spans.end(), [&](size_t i) { return nest(out_.spans[i], span); });
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

  /// What stands on a row.
  struct Placed {
    std::vector<size_t> spans;  // in `out_`
    int64_t latest_end_ns = INT64_MIN;
  };

  const RunRecord& record_;
  std::unordered_map<std::string_view, const PartSpans*> parts_;  // by the id of their sum
  std::vector<Placed> placed_;                                    // by row
  Timeline out_;
};

}  // namespace

std::string TimelineSpan::id() const { return number > 1 ? fmt::format("{}#{}", stage->id, number) : stage->id; }

Timeline timeline_of(const RunRecord& record, const SpanSet* spans) { return Layout(record, spans).apply(); }

}  // namespace wan
