#include "cli/checkpoint_progress.h"

#include <csignal>

#include <unistd.h>

#include <fmt/format.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/terminal.h"
#include "cli/signals.h"

namespace wan::cli {
namespace {

constexpr int64_t kShowEveryNs = 200'000'000;

double gigabytes(uint64_t bytes) { return static_cast<double>(bytes) * 1e-9; }

}  // namespace

ExitCode write_with_progress(const std::filesystem::path& target,
                             const std::function<void(const WriteOptions& options)>& write) {
  stop_on_signals({.patience = std::nullopt});  // a folder of large files takes its time to remove
  const bool terminal = isatty(STDERR_FILENO) == 1;
  const int64_t start_ns = monotonic_ns();
  int64_t shown_ns = 0;
  uint64_t total = 0;
  WriteOptions options;
  options.progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    total = total_bytes;
    if (received_signal() != 0) throw Error(ErrorKind::kInterrupted, "interrupted; no unfinished file is left");
    const int64_t now = monotonic_ns();
    if (!terminal || (now - shown_ns < kShowEveryNs && done_bytes < total_bytes)) return;
    shown_ns = now;
    fmt::print(stderr, "\r\033[K[{:6.1f} s] {:.1f} of {:.1f} GB{}", seconds_from_ns(now - start_ns).value,
               gigabytes(done_bytes), gigabytes(total_bytes), done_bytes == total_bytes ? "\n" : "");
  };
  try {
    write(options);
  } catch (const Error& problem) {
    if (terminal && shown_ns > 0) fmt::print(stderr, "\n");
    if (problem.kind() != ErrorKind::kInterrupted) throw;
    log::warning(problem.what());
    return received_signal() == SIGTERM ? ExitCode::kTerminated : ExitCode::kInterrupted;
  }
  print("wrote {}: {:.1f} GB in {:.1f} s\n", target.string(), gigabytes(total),
        seconds_from_ns(monotonic_ns() - start_ns).value);
  return ExitCode::kSuccess;
}

}  // namespace wan::cli
