#include "suite/pipe_log.h"

#include <fmt/format.h>

#include "base/error.h"

namespace wan::suite {
namespace {

/// The two keys with a meaning become fields; the rest is for people.
void keep_fact(VideoLog& video, const Fact& fact) {
  constexpr std::string_view kVersion = "version.";
  if (fact.key.starts_with(kVersion))
    video.versions[fact.key.substr(kVersion.size())] = fact.value;
  else if (fact.key == "shim_clock")
    video.shim_clock = fact.value == "cuda_event" ? "cuda_event" : "host";
  else
    video.facts[fact.key] = fact.value;
}

}  // namespace

void PipeLog::take(std::string_view fresh, const std::function<void(const Message&)>& on_message) {
  for (const std::string& line : lines_.take(fresh)) {
    try {
      const Message message = decode(line);
      keep(message);
      on_message(message);
    } catch (const Error& failure) {
      if (seen_.broken_line.empty()) seen_.broken_line = failure.what();
    }
  }
}

void PipeLog::finish() {
  note_left_out(lines_.left_out());
  if (videos_too_many_ > 0) note_left_out(fmt::format("{} videos more than were asked for", videos_too_many_));
}

void PipeLog::keep(const Message& message) {
  if (const auto* next = std::get_if<NextVideo>(&message)) {
    if (seen_.videos.size() >= most_videos_) {
      ++videos_too_many_;
      return;
    }
    seen_.videos.emplace_back();
    seen_.videos.back().next = *next;
  }
  VideoLog& video = seen_.videos.back();
  if (const auto* begin = std::get_if<Begin>(&message)) video.begins.push_back(*begin);
  if (const auto* span = std::get_if<StageSpan>(&message)) video.spans.push_back(*span);
  if (const auto* range = std::get_if<Range>(&message)) video.ranges.push_back(*range);
  if (const auto* memory = std::get_if<Memory>(&message)) video.memory.push_back(*memory);
  if (const auto* decided = std::get_if<Decided>(&message)) video.decided = *decided;
  if (const auto* clock = std::get_if<ClockTied>(&message)) video.clock = *clock;
  if (const auto* fact = std::get_if<Fact>(&message)) keep_fact(video, *fact);
  if (const auto* kernels = std::get_if<Kernels>(&message)) video.kernels = *kernels;
  if (const auto* finished = std::get_if<Finished>(&message)) video.finished = *finished;
  if (const auto* fidelity = std::get_if<Fidelity>(&message)) seen_.fidelity = fidelity->found;
  if (const auto* failure = std::get_if<Failure>(&message)) seen_.failure = *failure;
}

void PipeLog::note_left_out(std::string_view what) {
  if (what.empty()) return;
  seen_.left_out += seen_.left_out.empty() ? "" : "; ";
  seen_.left_out += what;
}

}  // namespace wan::suite
