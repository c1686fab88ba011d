// The suite journal: JSON lines, each in one write and synced.
#include "results/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"

namespace wan {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kStateWords[] = {"planned", "started", "recorded"};

Error failure(const std::filesystem::path& file, std::string_view doing) {
  return Error(fmt::format("{}: cannot {} the journal: {}", file.string(), doing, std::strerror(errno)));
}

JournalState state_of(const std::string& word) {
  for (size_t i = 0; i < std::size(kStateWords); ++i) {
    if (word == kStateWords[i]) return static_cast<JournalState>(i);
  }
  throw Error(ErrorKind::kInput, fmt::format("state '{}' is none of planned, started, recorded", word));
}

std::string line_of(const JournalEntry& entry) {
  const Json json = {{"utc", entry.utc},
                     {"case_key", entry.case_key},
                     {"case", entry.case_name},
                     {"repeat", entry.repeat},
                     {"arm", entry.arm},
                     {"scope", entry.scope},
                     {"state", kStateWords[static_cast<size_t>(entry.state)]},
                     {"record_file", entry.record_file},
                     {"status", entry.status},
                     {"note", entry.note}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

JournalEntry entry_of(std::string_view line) {
  const Json json = Json::parse(line);
  JournalEntry entry;
  entry.utc = json.at("utc").get<std::string>();
  entry.case_key = json.at("case_key").get<std::string>();
  entry.case_name = json.at("case").get<std::string>();
  entry.repeat = json.at("repeat").get<int64_t>();
  entry.arm = json.at("arm").get<std::string>();
  entry.scope = json.at("scope").get<std::string>();
  entry.state = state_of(json.at("state").get<std::string>());
  entry.record_file = json.at("record_file").get<std::string>();
  entry.status = json.at("status").get<std::string>();
  entry.note = json.at("note").get<std::string>();
  return entry;
}

/// Whether the lock could be had. A suite that was killed while it started a process leaves it held for a moment, by
/// the child that has not yet reached its program.
bool locked(int descriptor) {
  constexpr std::chrono::milliseconds kPatience{2000}, kBetween{10};
  for (std::chrono::milliseconds waited{0}; ::flock(descriptor, LOCK_EX | LOCK_NB) != 0; waited += kBetween) {
    if (errno != EWOULDBLOCK || waited >= kPatience) return false;
    std::this_thread::sleep_for(kBetween);
  }
  return true;
}

}  // namespace

JournalContent read_journal(const std::filesystem::path& file) {
  JournalContent content;
  if (!std::filesystem::exists(file)) return content;
  std::string text = read_text(file);
  content.torn_tail = !text.empty() && text.back() != '\n';
  int number = 0;
  for (const std::string& line : take_lines(text)) {
    ++number;
    try {
      content.entries.push_back(entry_of(line));
    } catch (const std::exception& error) {  // Json::exception or Error: this line is unreadable, the others are not
      content.damaged.push_back(fmt::format("{}:{}: {}", file.string(), number, error.what()));
    }
  }
  return content;
}

Journal::Journal(const std::filesystem::path& file) : file_(file) {
  descriptor_ = Descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!descriptor_.open()) throw failure(file, "open");
  if (!locked(descriptor_.get())) {
    if (errno != EWOULDBLOCK) throw failure(file, "lock");
    throw Error(ErrorKind::kUsage, fmt::format("{}: another wanbench is running in this folder; wait for it to end or "
                                               "choose another --output",
                                               file.string()));
  }
  const std::string text = read_text(file);
  const size_t whole = text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1;
  if (whole != text.size() && ::ftruncate(descriptor_.get(), static_cast<off_t>(whole)) != 0) {
    throw failure(file, "repair");
  }
}

void Journal::append(JournalEntry entry) {
  if (entry.utc.empty()) entry.utc = utc_now();
  const std::string line = line_of(entry);
  const ssize_t written = ::write(descriptor_.get(), line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) throw failure(file_, "append to");
  if (::fsync(descriptor_.get()) != 0) throw failure(file_, "sync");
}

}  // namespace wan
