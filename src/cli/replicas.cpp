#include "cli/replicas.h"

#include <poll.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "analysis/replicas.h"
#include "base/file.h"
#include "base/flags.h"
#include "base/log.h"
#include "base/subprocess.h"
#include "base/terminal.h"
#include "cli/columns.h"
#include "cli/own_words.h"
#include "cli/report_files.h"
#include "cli/signals.h"
#include "cli/suite_options.h"
#include "measure/gpu.h"
#include "results/store.h"

namespace wan::cli {
namespace {

namespace fs = std::filesystem;

constexpr double kSecondsAnHour = 3600;

/// Without the options that each replica has of its own, however they are written.
std::vector<std::string> words_of_a_replica(const std::string& device, const fs::path& output) {
  std::vector<std::string> words;
  const std::vector<std::string> own = own_words();
  for (size_t i = 0; i < own.size(); ++i) {
    const auto is = [&](std::string_view flag) {
      return own[i] == flag || (own[i].starts_with(flag) && own[i][flag.size()] == '=');
    };
    if (!is("--replicas") && !is(flags::kDevice) && !is(flags::kOutput))
      words.push_back(own[i]);
    else if (own[i].find('=') == std::string::npos)
      ++i;
  }
  words.front() = fs::read_symlink("/proc/self/exe").string();
  words.insert(words.end(), {flags::kDevice, device, flags::kOutput, output.string()});
  return words;
}

struct Replica {
  fs::path folder;
  std::unique_ptr<Subprocess> process;
  std::string said, output;  // not yet a whole line; of standard output
  std::optional<ExitState> ended;
};

/// Passes on what was said since.
void pass_on(Replica& replica, const std::string& name) {
  read_available(replica.process->out(), replica.output);
  read_available(replica.process->err(), replica.said);
  for (const std::string& line : take_lines(replica.said)) log::info(fmt::format("{}: {}", name, line));
}

std::vector<Replica> start(const std::vector<std::string>& devices, const fs::path& output) {
  std::vector<Replica> replicas;
  for (size_t i = 0; i < devices.size(); ++i) {
    Replica& replica = replicas.emplace_back();
    replica.folder = output / fmt::format("replica-{}", i);
    SpawnOptions options;
    options.argv = words_of_a_replica(devices[i], replica.folder);
    replica.process = std::make_unique<Subprocess>(options);
  }
  return replicas;
}

void wait_for(std::vector<Replica>& replicas, const StopSource& stop) {
  constexpr int kLookMs = 100;
  bool was_told = false;
  const auto is_over = [](const Replica& replica) { return replica.ended.has_value(); };
  while (!std::ranges::all_of(replicas, is_over)) {
    ::poll(nullptr, 0, kLookMs);
    if (stop.stop_requested() && !was_told) {
      for (const Replica& replica : replicas)
        if (!replica.ended) replica.process->signal_group(SIGINT);
      was_told = true;
    }
    for (size_t i = 0; i < replicas.size(); ++i) {
      if (!replicas[i].ended) replicas[i].ended = replicas[i].process->poll();
      pass_on(replicas[i], fmt::format("replica {}", i));
    }
  }
}

/// Names of cases in the order of their first record.
std::vector<std::string> case_names(const std::vector<Collection>& found) {
  std::vector<std::string> names;
  for (const Collection& collection : found)
    for (const StoredRecord& stored : collection.records)
      if (std::ranges::find(names, stored.record.run_case.name) == names.end())
        names.push_back(stored.record.run_case.name);
  return names;
}

void tell_rates(const std::vector<Replica>& replicas) {
  std::vector<Collection> found;
  for (const Replica& replica : replicas) found.push_back(load_collection(replica.folder, Parts::kSummedUp));
  for (const std::string& name : case_names(found)) {
    std::vector<std::vector<MadeVideo>> videos;
    for (const Collection& collection : found) {
      std::vector<const RunRecord*> runs;
      for (const StoredRecord& stored : collection.records) runs.push_back(&stored.record);
      videos.push_back(made_videos(runs, name));
    }
    const std::optional<RateTogether> rate = rate_together(videos);
    if (!rate) {
      print("{}", wrapped(fmt::format("{}: no videos an hour: the replicas were never all at work", name), 0));
      continue;
    }
    std::string each;
    for (const double one : rate->each_per_s)
      each += fmt::format("{}{:.1f}", each.empty() ? "" : " + ", one * kSecondsAnHour);
    print("{}",
          wrapped(
              fmt::format("{}: {:.1f} videos an hour of {} replicas ({}), over the {:.1f} s in which all were at work",
                          name, rate->per_s * kSecondsAnHour, replicas.size(), each, rate->window_s),
              0));
  }
}

}  // namespace

std::vector<std::string> replica_devices(int64_t replicas, const std::vector<std::string>& asked) {
  const std::string device = asked.empty() ? "" : asked.front();
  require(asked.size() <= 1 && (device.empty() || device == "cpu" || device == "cuda"),
          fmt::format("--replicas {} takes the first cards: with it {} is cpu or cuda, or is left out", replicas,
                      flags::kDevice),
          ErrorKind::kUsage);
  const measure::GpuSet gpus = measure::open_gpus();
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const auto is_there = [&](const std::string& card) {
    return measure::find_gpu(gpus, card, visible != nullptr ? visible : "") != nullptr;
  };
  const bool is_on_cards = device == "cuda" || (device.empty() && takes_cards(gpus));
  std::vector<std::string> devices;
  for (int64_t i = 0; i < replicas; ++i) {
    devices.push_back(is_on_cards ? fmt::format("cuda:{}", i) : "cpu");
    require(!is_on_cards || is_there(devices.back()),
            fmt::format("--replicas {}: there is no {}{}", replicas, devices.back(),
                        gpus.gpus.empty() ? " (" + gpus.reason + ")" : ""),
            ErrorKind::kUsage);
  }
  return devices;
}

ExitCode run_replicas(const std::vector<std::string>& devices, const fs::path& output) {
  const StopSource& stop = stop_on_signals({.tells = true, .patience = std::nullopt});
  require_writable(output, 0);
  std::vector<Replica> replicas = start(devices, output);
  wait_for(replicas, stop);
  ExitCode code = ExitCode::kSuccess;
  for (size_t i = 0; i < replicas.size(); ++i) {
    write_atomically(output / fmt::format("replica-{}.txt", i), replicas[i].output);
    const ExitState& ended = *replicas[i].ended;
    if (ended.exit_code == 0 && ended.signal == 0) continue;
    log::error(fmt::format("replica {} ended with {} {}", i, ended.signal != 0 ? "signal" : "exit code",
                           ended.signal != 0 ? ended.signal : ended.exit_code));
    code = ended.signal == 0 && ended.exit_code == static_cast<int>(ExitCode::kUsage) ? ExitCode::kUsage
                                                                                      : ExitCode::kFailure;
  }
  if (stop.stop_requested()) throw Error(ErrorKind::kInterrupted, "interrupted; the runs that were over are kept");
  if (code == ExitCode::kUsage) return code;
  tell_rates(replicas);
  for (const fs::path& file : write_reports(output)) print("wrote {}\n", file.string());
  return code;
}

}  // namespace wan::cli
