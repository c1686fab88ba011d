#include "cli/expected.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "base/duration.h"
#include "base/error.h"
#include "cli/columns.h"
#include "cli/video_maker.h"
#include "pipeline/recipe_names.h"

namespace wan::cli {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;

double seconds_of(const ExpectedVideos& one) {
  return one.expectation.time.total_s() * static_cast<double>(one.videos);
}

double cpu_seconds(const std::vector<ExpectedVideos>& videos) {
  double seconds = 0;
  for (const ExpectedVideos& one : videos)
    if (one.expectation.device_kind == "cpu") seconds += seconds_of(one);
  return seconds;
}

/// A step may be short.
std::string step_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.2f} s", seconds) : duration_text(seconds);
}

std::string line_of(const ExpectedVideos& one) {
  const Expectation& e = one.expectation;
  const std::string many = one.videos > 1 ? fmt::format(" for {} videos", one.videos) : "";
  return fmt::format("{}expected: about {}{} ({}{} step{} of {}, VAE {}), {:.1f} GiB of {} memory",
                     one.name.empty() ? "" : one.name + ": ", duration_text(seconds_of(one)), many,
                     is_official(e.recipe) ? "" : e.recipe + ": ", e.steps, e.steps == 1 ? "" : "s",
                     step_text(e.time.step_s), duration_text(e.time.vae_s), static_cast<double>(e.peak_bytes) / kGiB,
                     e.device_kind == "cpu" ? "host" : "GPU");
}

/// The answer of a person; nothing where a stop was asked for first or the input ended.
bool answered_yes(const StopSource& stop) {
  constexpr int kLookMs = 100;
  std::string answer;
  while (answer.find('\n') == std::string::npos) {
    if (stop.stop_requested()) throw Error(ErrorKind::kInterrupted, "interrupted; nothing was begun");
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, kLookMs) <= 0) continue;
    std::array<char, 256> bytes{};
    const ssize_t count = ::read(STDIN_FILENO, bytes.data(), bytes.size());
    if (count <= 0) return false;
    answer.append(bytes.data(), static_cast<size_t>(count));
  }
  return answer[0] == 'y' || answer[0] == 'Y';
}

}  // namespace

std::vector<std::string> expectation_lines(const std::vector<ExpectedVideos>& videos) {
  std::vector<std::string> lines;
  for (const ExpectedVideos& one : videos) lines.push_back(line_of(one));
  if (!videos.empty())
    lines.push_back(fmt::format("time: {}; memory: every tensor of the plan", videos.front().expectation.time_basis()));
  return lines;
}

void tell_expected(const std::vector<ExpectedVideos>& videos) {
  for (const std::string& line : expectation_lines(videos)) fmt::print(stderr, "{}", wrapped(line, 0).text);
}

void require_agreement(const std::vector<ExpectedVideos>& videos, Agreement agreement, const StopSource& stop) {
  const double seconds = cpu_seconds(videos);
  if (seconds <= kLongSeconds || agreement == Agreement::kGiven) return;
  const std::string long_wait = fmt::format("about {} on the CPU", duration_text(seconds));
  const bool terminal = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1;
  require(terminal, long_wait + ": say --yes to go on, or ask for a smaller size, fewer frames or fewer steps",
          ErrorKind::kUsage);
  fmt::print(stderr, "{}. Go on? [y/N] ", long_wait);
  require(answered_yes(stop), "not begun: it would have taken " + long_wait, ErrorKind::kUsage);
}

void expect_videos(VideoMaker& maker, const std::vector<const Request*>& requests, Agreement agreement, bool is_quiet) {
  std::map<std::string, ExpectedVideos> by_size;
  for (const Request* request : requests) {
    const Expectation expectation = maker.expect(*request);
    const std::string recipe = is_official(expectation.recipe) ? "" : " of " + expectation.recipe;
    const std::string size = fmt::format("{}x{}, {} frames, {} steps{}", expectation.width, expectation.height,
                                         expectation.num_frames, expectation.steps, recipe);
    ExpectedVideos& videos = by_size.try_emplace(size, ExpectedVideos{size, expectation, 0}).first->second;
    ++videos.videos;
  }
  std::vector<ExpectedVideos> all;
  for (auto& [size, videos] : by_size) all.push_back(std::move(videos));
  if (all.size() == 1) all.front().name.clear();
  if (!is_quiet) tell_expected(all);
  require_agreement(all, agreement, maker.stop());
}

}  // namespace wan::cli
