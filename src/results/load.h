// A load test: what was asked of a server, when, and what became of each request. load.json of its folder; every number
// that a report shows is worked out from it (analysis/load.h).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/enum_names.h"

namespace wan {

inline constexpr std::string_view kLoadSchema = "wanbench.load";
inline constexpr int kLoadMajor = 1, kLoadMinor = 1;
inline constexpr const char* kLoadFile = "load.json";

inline constexpr size_t kMostLoadLevels = 100;
inline constexpr size_t kMostLoadRequests = 100'000;  // of a level
inline constexpr size_t kMostLoadReadings = 100'000;  // likewise
inline constexpr uint64_t kMostLoadBytes = uint64_t{512} << 20;

/// How the moments of sending were decided.
enum class LoadMode {
  kPoisson,  // at a rate, whatever the server does
  kTrace,    // as a file has them, likewise
  kClosed,   // one when another ends: so many are under way at a time
};

/// MLPerf Inference's names of two closed loads; both send each video with one seed.
enum class LoadScenario {
  kSingleStream,  // one after another
  kOffline,       // all are queued at once
};

enum class LoadEnd {
  kCompleted,
  kRefused,      // the server would not take it
  kFailed,       // it took it and then failed
  kCancelled,    // by somebody else
  kTimedOut,     // not over within its limit
  kUnreachable,  // no connection, or it broke
  kBadAnswer,    // an answer that cannot be read
};

/// By what it is known when a video was begun.
enum class StartKnown {
  kNot,
  kEvents,  // the server said so when it happened
  kServer,  // by the time that the server says it took
  kPolls,   // by the first answer that said so: as sharp as the interval of asking
};

struct LoadStage {
  std::string name;
  double seconds = 0;
  bool operator==(const LoadStage&) const = default;
};

/// Times are seconds since the level's begin, by the client's clock.
struct LoadRequest {
  double intended_s = 0;  // when it was to be sent: latency counts from here
  double sent_s = 0;      // when it was sent
  std::optional<double> accepted_s, started_s, ended_s;
  LoadEnd end = LoadEnd::kCompleted;
  std::string detail;  // of one that was not completed: the server's code, the status, what is wrong
  StartKnown start_known = StartKnown::kNot;
  bool warm_up = false;
  int64_t prompt = 0;  // which of the prompts, from 0
  // The server's own words; nothing where it has none.
  std::optional<int64_t> queue_position;  // when it was accepted; 1 is next
  std::optional<double> inference_s, expected_s, energy_j, price;
  std::vector<LoadStage> stages;
  bool operator==(const LoadRequest&) const = default;

  bool completed() const { return end == LoadEnd::kCompleted && ended_s.has_value(); }
};

/// What the server's cards take together.
struct PowerReading {
  double at_s = 0, watts = 0;
  bool operator==(const PowerReading&) const = default;
};

/// One rate, or one number of requests at a time.
struct LoadLevel {
  LoadMode mode = LoadMode::kPoisson;
  std::optional<double> rate;            // requests a second that were to be sent; of a trace what it comes to
  std::optional<int64_t> concurrency;    // of a closed one
  std::optional<LoadScenario> scenario;  // of a closed one that was asked for by that name
  std::vector<LoadRequest> requests;     // in the order in which they were to be sent
  std::vector<PowerReading> power;
  bool operator==(const LoadLevel&) const = default;
};

struct LoadTest {
  std::string created_utc, tool_version, tool_revision;
  std::string url, adapter;
  std::string adapter_tried;  // on what servers this adapter was run, or that it never was on a real one
  std::string model, server;  // what the server calls its model and its device; empty: it does not say
  std::map<std::string, std::string> settings;  // of the requests: "size", "num_frames", "steps", ...
  int64_t prompts = 0;
  std::string prompts_sha256;  // of the prompts in their order, a line feed behind each; empty before 1.1
  uint64_t seed = 0;
  bool has_one_seed = false;  // all videos have `seed`, as in a scenario; else each has one of its own, from `seed` on
  double poll_s = 0;          // how often a server that pushes nothing was asked
  std::optional<double> objective_multiple;           // of what the server expects of that very request
  std::optional<double> objective_s;                  // or seconds, of all
  std::string currency, why_no_energy, why_no_price;  // reasons where no request has the value
  std::vector<PowerReading> idle_power;               // before the first request
  std::string why_no_power;                           // where there are no readings
  std::vector<LoadLevel> levels;
  bool operator==(const LoadTest&) const = default;
};

std::string to_json(const LoadTest& test);

/// Inverse of it. Throws Error(kInput) that begins with `where` for another schema, a newer major version, a wrong
/// field, times out of order, or more than the bounds above.
LoadTest load_test_from_json(const std::string& text, const std::string& where);

}  // namespace wan

template <>
struct wan::EnumNames<wan::LoadMode> {
  static constexpr std::array<std::pair<wan::LoadMode, std::string_view>, 3> kTable{{
      {wan::LoadMode::kPoisson, "poisson"},
      {wan::LoadMode::kTrace, "trace"},
      {wan::LoadMode::kClosed, "closed"},
  }};
};
template <>
struct wan::EnumNames<wan::LoadScenario> {
  static constexpr std::array<std::pair<wan::LoadScenario, std::string_view>, 2> kTable{{
      {wan::LoadScenario::kSingleStream, "SingleStream"},
      {wan::LoadScenario::kOffline, "Offline"},
  }};
};
template <>
struct wan::EnumNames<wan::LoadEnd> {
  static constexpr std::array<std::pair<wan::LoadEnd, std::string_view>, 7> kTable{{
      {wan::LoadEnd::kCompleted, "completed"},
      {wan::LoadEnd::kRefused, "refused"},
      {wan::LoadEnd::kFailed, "failed"},
      {wan::LoadEnd::kCancelled, "cancelled"},
      {wan::LoadEnd::kTimedOut, "timed_out"},
      {wan::LoadEnd::kUnreachable, "unreachable"},
      {wan::LoadEnd::kBadAnswer, "bad_answer"},
  }};
};
template <>
struct wan::EnumNames<wan::StartKnown> {
  static constexpr std::array<std::pair<wan::StartKnown, std::string_view>, 4> kTable{{
      {wan::StartKnown::kNot, "not"},
      {wan::StartKnown::kEvents, "events"},
      {wan::StartKnown::kServer, "server"},
      {wan::StartKnown::kPolls, "polls"},
  }};
};
