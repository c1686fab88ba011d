#include "measure/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "base/clock.h"

namespace wan::measure {
namespace {

std::string_view next_word(std::string_view& text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string_view::npos) return text = {};
  const size_t end = std::min(text.find_first_of(" \t\n", begin), text.size());
  const std::string_view word = text.substr(begin, end - begin);
  text.remove_prefix(end);
  return word;
}

uint64_t number(std::string_view word) {
  uint64_t value = 0;
  std::from_chars(word.data(), word.data() + word.size(), value);
  return value;
}

/// The number after `key` at the start of a line; 0 when the key is not there.
uint64_t field(std::string_view text, std::string_view key) {
  for (size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
    if (at != 0 && text[at - 1] != '\n') continue;
    std::string_view rest = text.substr(at + key.size());
    return number(next_word(rest));
  }
  return 0;
}

int64_t tick_ns() { return 1'000'000'000 / ::sysconf(_SC_CLK_TCK); }

/// CPU time of any process in nanoseconds, finer than the ticks of /proc/PID/stat.
int64_t cpu_time_ns(pid_t pid) {
  clockid_t clock;
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) return 0;
  return int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

/// Children are listed under the thread that started them.
std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> children;
  const std::string folder = fmt::format("/proc/{}/task", pid);
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) return children;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const std::string text = read_pseudo_file(fmt::format("{}/{}/children", folder, entry->d_name));
    std::string_view rest = text;
    for (auto word = next_word(rest); !word.empty(); word = next_word(rest))
      children.push_back(static_cast<pid_t>(number(word)));
  }
  ::closedir(directory);
  return children;
}

void add_process(pid_t pid, TreeReading& tree) {
  const std::string folder = fmt::format("/proc/{}/", pid);
  const std::string status = read_pseudo_file(folder + "status");
  if (status.empty()) return;
  const MemoryReading memory = parse_status(status);
  const StatFields stat = parse_stat(read_pseudo_file(folder + "stat"));
  const IoFields io = parse_io(read_pseudo_file(folder + "io"));
  tree.cpu_ns += cpu_time_ns(pid) + int64_t(stat.child_ticks) * tick_ns();
  tree.memory.anonymous += memory.anonymous;
  tree.memory.file += memory.file;
  tree.memory.shared += memory.shared;
  tree.memory.swapped += memory.swapped;
  tree.memory.high_water += memory.high_water;
  tree.disk_read_bytes += io.disk_read_bytes;
  tree.read_bytes += io.read_bytes;
  tree.major_faults += stat.major_faults;
  tree.stopped += stat.stopped ? 1 : 0;
  ++tree.processes;
  tree.pids.push_back(pid);
}

}  // namespace

std::string read_pseudo_file(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::string text;
  std::array<char, 8192> chunk;
  for (ssize_t count; (count = ::read(descriptor, chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<size_t>(count));
  ::close(descriptor);
  return text;
}

MemoryReading parse_status(std::string_view text) {
  constexpr uint64_t kKiB = 1024;
  MemoryReading memory;
  memory.anonymous = field(text, "RssAnon:") * kKiB;
  memory.file = field(text, "RssFile:") * kKiB;
  memory.shared = field(text, "RssShmem:") * kKiB;
  memory.swapped = field(text, "VmSwap:") * kKiB;
  memory.high_water = field(text, "VmHWM:") * kKiB;
  return memory;
}

StatFields parse_stat(std::string_view text) {
  StatFields fields;
  const size_t name_end = text.rfind(')');
  if (name_end == std::string_view::npos) return fields;
  std::string_view rest = text.substr(name_end + 1);
  // Numbered as in proc(5), where the state after the name is field 3.
  for (int index = 3; index <= 17; ++index) {
    const std::string_view word = next_word(rest);
    if (index == 3) fields.stopped = word == "T" || word == "t";
    if (index == 12) fields.major_faults = number(word);
    if (index == 16 || index == 17) fields.child_ticks += number(word);
  }
  return fields;
}

IoFields parse_io(std::string_view text) { return {field(text, "read_bytes:"), field(text, "rchar:")}; }

void parse_machine_stat(std::string_view text, int64_t tick, MachineReading& into) {
  std::string_view rest = text.substr(0, text.find('\n'));
  if (next_word(rest) != "cpu") return;
  // user nice system idle iowait irq softirq steal; guest times are part of user and nice.
  std::array<uint64_t, 8> ticks{};
  for (uint64_t& value : ticks) value = number(next_word(rest));
  into.busy_ns = int64_t(ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) * tick;
  into.steal_ns = int64_t(ticks[7]) * tick;
}

void parse_meminfo(std::string_view text, MachineReading& into) {
  constexpr uint64_t kKiB = 1024;
  into.total_bytes = field(text, "MemTotal:") * kKiB;
  into.used_bytes = into.total_bytes - field(text, "MemAvailable:") * kKiB;
  into.page_cache_bytes = field(text, "Cached:") * kKiB;
  into.swap_used_bytes = (field(text, "SwapTotal:") - field(text, "SwapFree:")) * kKiB;
}

void parse_vmstat(std::string_view text, MachineReading& into) {
  into.swap_in_pages = field(text, "pswpin ");
  into.swap_out_pages = field(text, "pswpout ");
}

TreeReading read_tree(pid_t root) {
  TreeReading tree;
  tree.at_ns = monotonic_ns();
  std::vector<pid_t> pending{root};
  for (size_t i = 0; i < pending.size(); ++i) {
    add_process(pending[i], tree);
    for (pid_t child : children_of(pending[i])) pending.push_back(child);
  }
  return tree;
}

TreeReading read_own_and_reset_peak() {
  TreeReading own;
  own.processes = 1;
  own.memory = parse_status(read_pseudo_file("/proc/self/status"));
  const IoFields io = parse_io(read_pseudo_file("/proc/self/io"));
  own.disk_read_bytes = io.disk_read_bytes;
  own.read_bytes = io.read_bytes;
  own.major_faults = parse_stat(read_pseudo_file("/proc/self/stat")).major_faults;
  const int peak = ::open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
  if (peak >= 0) {
    [[maybe_unused]] const ssize_t written = ::write(peak, "5", 1);
    ::close(peak);
  }
  own.cpu_ns = cpu_time_ns(::getpid());
  own.at_ns = monotonic_ns();
  return own;
}

MachineReading read_machine() {
  MachineReading machine;
  machine.at_ns = monotonic_ns();
  parse_machine_stat(read_pseudo_file("/proc/stat"), tick_ns(), machine);
  parse_meminfo(read_pseudo_file("/proc/meminfo"), machine);
  parse_vmstat(read_pseudo_file("/proc/vmstat"), machine);
  return machine;
}

}  // namespace wan::measure
