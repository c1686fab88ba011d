// Reads the list of architectures and applies NVIDIA's rules.
#include "backend/card_code.h"

#include <charconv>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace wan {
namespace {

/// One entry: 80, 90a, 100f, 80-real, 80-virtual.
struct Code {
  int major = 0, minor = 0;
  char suffix = 0;   // a: that version alone; f: its family
  bool ptx = false;  // translated by the driver
};

Code parse_code(std::string_view entry) {
  const auto none = [&] {
    return Error(fmt::format("the CUDA module says that it has code for '{}': expected 80, 90a or 80-virtual", entry));
  };
  Code code;
  int number = 0;
  const auto [end, problem] = std::from_chars(entry.data(), entry.data() + entry.size(), number);
  if (problem != std::errc{} || number < 10) throw none();
  code.major = number / 10, code.minor = number % 10;
  std::string_view rest = entry.substr(static_cast<size_t>(end - entry.data()));
  if (!rest.empty() && (rest[0] == 'a' || rest[0] == 'f')) {
    code.suffix = rest[0];
    rest.remove_prefix(1);
  }
  code.ptx = rest == "-virtual";
  if (!rest.empty() && !code.ptx && rest != "-real") throw none();
  return code;
}

std::vector<Code> parse_codes(std::string_view architectures) {
  std::vector<Code> codes;
  for (size_t begin = 0; begin <= architectures.size();) {
    const size_t end = std::min(architectures.find(',', begin), architectures.size());
    codes.push_back(parse_code(architectures.substr(begin, end - begin)));
    begin = end + 1;
  }
  return codes;
}

bool runs(const Code& code, const Card& card) {
  const bool later_minor = code.major == card.major && code.minor <= card.minor;
  if (code.suffix == 'a') return code.major == card.major && code.minor == card.minor;
  if (code.suffix == 'f' || !code.ptx) return later_minor;
  return later_minor || code.major < card.major;
}

std::string words(const Code& code) {
  const std::string number =
      fmt::format("{}{}", 10 * code.major + code.minor, code.suffix == 0 ? "" : std::string(1, code.suffix));
  return code.ptx ? fmt::format("compute_{} (PTX)", number) : "sm_" + number;
}

}  // namespace

std::string code_in_words(std::string_view architectures) {
  std::vector<std::string> all;
  for (const Code& code : parse_codes(architectures)) all.push_back(words(code));
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string architecture_of(const Card& card) {
  return fmt::format("{}{}", 10 * card.major + card.minor, card.major == 9 && card.minor == 0 ? "a" : "");
}

std::optional<std::string> why_no_code(std::string_view architectures, const Card& card) {
  for (const Code& code : parse_codes(architectures))
    if (runs(code, card)) return std::nullopt;
  return fmt::format("built for {}, this card is sm_{}{} ({}): rebuild with -DCMAKE_CUDA_ARCHITECTURES={}",
                     code_in_words(architectures), card.major, card.minor, card.name, architecture_of(card));
}

}  // namespace wan
