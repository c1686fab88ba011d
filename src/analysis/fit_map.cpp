#include "analysis/fit_map.h"

#include <algorithm>
#include <tuple>

#include "analysis/memory.h"

namespace wan {
namespace {

/// A case's answer where it ran.
struct Answer {
  const CaseSummary* summary = nullptr;
  FitSize size;
  int64_t frames = 0;
  bool ran = false;                  // else it ran out of memory
  std::optional<double> peak_bytes;  // of what ran
  std::optional<double> capacity_bytes;
  std::optional<double> limit_bytes;  // that it was to keep to: running out of that says nothing of the whole card

  const std::string& device() const { return summary->group.device; }
  std::optional<Headroom> room_on(const std::optional<double>& capacity) const {
    if (!peak_bytes || !capacity) return std::nullopt;
    return headroom(*capacity, *peak_bytes);
  }
};

auto way_of(const CaseSummary& summary) {
  const Workload& work = summary.example->workload;
  return std::tie(summary.group.engine, work.model, work.dtypes, work.offload, work.text_encoder_device);
}

bool any_run(const CaseSummary& summary, RunStatus status) {
  return std::any_of(summary.group.runs.begin(), summary.group.runs.end(),
                     [&](const RunRecord* run) { return run->status == status; });
}

std::optional<Answer> answer_of(const CaseSummary& summary) {
  const RunRecord& run = *summary.example;
  const Workload& work = run.workload;
  if (run.system.gpus.empty() || run.engine.device == "cpu") return std::nullopt;
  if (!work.width || !work.height || !work.num_frames) return std::nullopt;
  Answer answer{&summary, {*work.width, *work.height}, *work.num_frames, any_run(summary, RunStatus::kOk), {}, {}, {}};
  if (!answer.ran && !any_run(summary, RunStatus::kOutOfMemory)) return std::nullopt;
  if (answer.ran && summary.peak_device_bytes.has()) answer.peak_bytes = summary.peak_device_bytes.median();
  const Measured<uint64_t>& memory = run.system.gpus[0].memory_bytes;
  if (memory.has()) answer.capacity_bytes = static_cast<double>(*memory.value);
  if (const auto limit = gpu_memory_limit(run)) answer.limit_bytes = static_cast<double>(limit->bytes);
  return answer;
}

bool covers(const Answer& large, FitSize size, int64_t frames) {
  return large.size.width * large.size.height >= size.width * size.height && large.frames >= frames;
}

bool is_covered(const Answer& small, FitSize size, int64_t frames) {
  return small.size.width * small.size.height <= size.width * size.height && small.frames <= frames;
}

/// Whether `a` says more than `b` of a card: the room that is left, where both tell it.
bool says_more(const FitCell& a, const FitCell& b) {
  if (b.basis == nullptr || a.fit != b.fit) return b.basis == nullptr;
  return a.room && (!b.room || a.room->free_bytes > b.room->free_bytes);
}

/// What ran at this very size on this card.
FitCell measured_cell(const std::vector<Answer>& answers, const FitMap& map, FitSize size, int64_t frames) {
  FitCell ran, ran_out;
  for (const Answer& answer : answers) {
    if (answer.device() != map.device || answer.size != size || answer.frames != frames) continue;
    if (!answer.ran && answer.limit_bytes) continue;
    FitCell& into = answer.ran ? ran : ran_out;
    const FitCell cell{answer.ran ? Fit::kFits : Fit::kOutOfMemory, answer.room_on(map.capacity_bytes), answer.summary};
    if (says_more(cell, into)) into = cell;
  }
  return ran.basis != nullptr ? ran : ran_out;
}

/// What follows from other sizes and other cards.
FitCell derived_cell(const std::vector<Answer>& answers, const FitMap& map, FitSize size, int64_t frames) {
  FitCell fits, does_not;
  for (const Answer& answer : answers) {
    const bool here = answer.device() == map.device;
    const std::optional<Headroom> room = answer.room_on(map.capacity_bytes);
    if (answer.ran && covers(answer, size, frames) && (here || (room && room->free_bytes >= 0))) {
      const FitCell cell{Fit::kShouldFit, room, answer.summary};
      if (says_more(cell, fits)) fits = cell;
    }
    const std::optional<double>& had = answer.limit_bytes ? answer.limit_bytes : answer.capacity_bytes;
    const bool as_large = (here && !answer.limit_bytes) || (had && map.capacity_bytes && *had >= *map.capacity_bytes);
    if (!answer.ran && as_large && is_covered(answer, size, frames) && does_not.basis == nullptr)
      does_not = {Fit::kShouldNot, std::nullopt, answer.summary};
  }
  return fits.basis != nullptr ? fits : does_not;
}

template <class T, class Less>
void add_sorted(std::vector<T>& values, const T& value, Less less) {
  if (std::find(values.begin(), values.end(), value) != values.end()) return;
  values.insert(std::upper_bound(values.begin(), values.end(), value, less), value);
}

/// The maps of one way, one for each card.
void add_maps(std::vector<FitMap>& out, const std::vector<Answer>& answers) {
  FitMap axes;
  for (const Answer& answer : answers) {
    add_sorted(axes.sizes, answer.size, [](FitSize a, FitSize b) {
      return std::pair(a.width * a.height, a.width) < std::pair(b.width * b.height, b.width);
    });
    add_sorted(axes.frames, answer.frames, std::less<>());
  }
  const size_t first = out.size();
  for (const Answer& answer : answers) {
    const auto same = [&](const FitMap& map) { return map.device == answer.device(); };
    if (std::any_of(out.begin() + static_cast<ptrdiff_t>(first), out.end(), same)) continue;
    FitMap map = axes;
    map.device = answer.device();
    map.example = answer.summary;
    map.capacity_bytes = answer.capacity_bytes;
    for (const FitSize size : map.sizes) {
      std::vector<FitCell>& row = map.cells.emplace_back();
      for (const int64_t frames : map.frames) {
        const FitCell cell = measured_cell(answers, map, size, frames);
        row.push_back(cell.basis != nullptr ? cell : derived_cell(answers, map, size, frames));
      }
    }
    out.push_back(std::move(map));
  }
}

}  // namespace

std::string_view to_string(Fit fit) {
  switch (fit) {
    case Fit::kFits: return "fits";
    case Fit::kOutOfMemory: return "out of memory";
    case Fit::kShouldFit: return "should fit";
    case Fit::kShouldNot: return "should not fit";
    case Fit::kNotKnown: break;
  }
  return "not known";
}

std::vector<FitMap> fit_maps(const std::vector<const CaseSummary*>& summaries) {
  std::vector<std::vector<Answer>> ways;
  for (const CaseSummary* summary : summaries) {
    const std::optional<Answer> answer = answer_of(*summary);
    if (!answer) continue;
    const auto way = std::find_if(ways.begin(), ways.end(), [&](const std::vector<Answer>& each) {
      return way_of(*each.front().summary) == way_of(*summary);
    });
    (way == ways.end() ? ways.emplace_back() : *way).push_back(*answer);
  }
  std::vector<FitMap> out;
  for (const std::vector<Answer>& answers : ways) add_maps(out, answers);
  return out;
}

}  // namespace wan
