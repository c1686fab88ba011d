#include "pipeline/rank_fault.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "base/checked_number.h"
#include "base/error.h"
#include "comm/local.h"

namespace wan {
namespace {

constexpr const char* kVariable = "WANBENCH_RANK_FAULT";

[[noreturn]] void refuse(std::string_view value) {
  throw Error(
      ErrorKind::kUsage,
      fmt::format("{}={}: expected KIND,RANK,NUMBER with a KIND of throw, sleep, leave or exit", kVariable, value));
}

[[noreturn]] void fail(std::string_view kind) {
  constexpr int kCode = 9;
  if (kind == "throw") throw Error(fmt::format("made to fail by {}", kVariable));
  if (kind == "leave") throw RankLeaves{};
  if (kind == "exit") _exit(kCode);
  for (;;) ::pause();
}

}  // namespace

std::function<void(int rank, uint64_t number, const char* name)> rank_fault() {
  const char* const set = std::getenv(kVariable);
  if (set == nullptr) return {};
  const std::string_view value = set;
  const size_t first = std::min(value.find(','), value.size()),
               second = std::min(value.find(',', first + 1), value.size());
  if (second == value.size()) refuse(value);
  const std::string kind(value.substr(0, first));
  const auto rank = checked_number(value.substr(first + 1, second - first - 1), Bounds<int>{0, 63});
  const auto number = checked_number(value.substr(second + 1), Bounds<int64_t>{1, 1'000'000'000});
  const bool is_kind = kind == "throw" || kind == "sleep" || kind == "leave" || kind == "exit";
  if (!is_kind || !rank || !number) refuse(value);
  return [kind, rank = *rank, number = static_cast<uint64_t>(*number)](int of, uint64_t at, const char*) {
    if (of == rank && at == number) fail(kind);
  };
}

}  // namespace wan
