#include "serve/job.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "base/error.h"

namespace wan::serve {
namespace {

constexpr std::string_view kIdPrefix = "video_";
constexpr size_t kIdBytes = 16;

}  // namespace

JobState after_kill(int attempts, bool cancel_requested) {
  if (cancel_requested) return JobState::kCancelled;
  return attempts < kMostAttempts ? JobState::kQueued : JobState::kFailed;
}

JobError killed_too_often(int attempts) {
  return {"worker_killed",
          fmt::format("the process that made this video was killed from outside in each of {} attempts", attempts),
          "look for what kills it, such as the kernel where memory runs out (dmesg), and ask for the video again"};
}

std::vector<std::string> outlived(std::vector<Kept> finished, const Retention& retention, int64_t now_ms) {
  std::ranges::sort(
      finished, [](const Kept& a, const Kept& b) { return std::pair(a.ended_ms, a.id) < std::pair(b.ended_ms, b.id); });
  uint64_t bytes = 0;
  for (const Kept& one : finished) bytes += one.bytes;
  std::vector<std::string> gone;
  for (const Kept& one : finished) {
    const bool is_old = retention.age_ms && now_ms - one.ended_ms >= *retention.age_ms;
    const bool is_too_much = retention.bytes && bytes > *retention.bytes;
    if (!is_old && !is_too_much) break;  // those behind it are younger
    bytes -= one.bytes;
    gone.push_back(one.id);
  }
  return gone;
}

std::optional<int64_t> expires_ms(int64_t ended_ms, const Retention& retention) {
  if (!retention.age_ms) return std::nullopt;
  return ended_ms + *retention.age_ms;
}

std::string new_job_id() {
  std::array<unsigned char, kIdBytes> random{};
  for (size_t have = 0; have < random.size();) {
    const ssize_t count = ::getrandom(random.data() + have, random.size() - have, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Error("the system gives no random numbers (getrandom)");
    have += static_cast<size_t>(count);
  }
  std::string id(kIdPrefix);
  for (const unsigned char byte : random) id += fmt::format("{:02x}", byte);
  return id;
}

bool is_job_id(std::string_view text) {
  if (!text.starts_with(kIdPrefix) || text.size() != kIdPrefix.size() + 2 * kIdBytes) return false;
  return text.find_first_not_of("0123456789abcdef", kIdPrefix.size()) == std::string_view::npos;
}

}  // namespace wan::serve
