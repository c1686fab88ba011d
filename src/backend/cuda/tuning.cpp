#include "backend/cuda/tuning.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/split.h"

namespace wan::cuda {
namespace {

constexpr size_t kColumns = 11;
constexpr std::array<std::string_view, 3> kActivationNames = {"none", "gelu_tanh", "silu"};

struct Line {
  std::string_view text;
  size_t number;

  [[noreturn]] void fail(std::string_view what, std::string_view found) const {
    throw Error(ErrorKind::kInput, fmt::format("tuning table, line {}: expected {}, found '{}'", number, what, found));
  }
  template <typename T>
  T integer(std::string_view part, const char* what, int base = 10) const {
    T value{};
    const auto result = std::from_chars(part.data(), part.data() + part.size(), value, base);
    if (result.ec != std::errc{} || result.ptr != part.data() + part.size()) fail(what, part);
    return value;
  }
  DType dtype(std::string_view part) const {
    if (part == name_of(DType::kBF16)) return DType::kBF16;
    if (part == name_of(DType::kF32)) return DType::kF32;
    fail("BF16 or F32", part);
  }
  Activation activation(std::string_view part) const {
    for (size_t i = 0; i < kActivationNames.size(); ++i) {
      if (part == kActivationNames[i]) return static_cast<Activation>(i);
    }
    fail("none, gelu_tanh or silu", part);
  }
};

TuningRow parse_row(const Line& line, const std::vector<std::string_view>& part) {
  TuningRow row;
  row.key.in = line.dtype(part[2]);
  row.key.out = line.dtype(part[3]);
  row.key.activation = line.activation(part[4]);
  row.key.bias = line.integer<int>(part[5], "0 or 1") != 0;
  row.key.m = line.integer<int64_t>(part[6], "M");
  row.key.n = line.integer<int64_t>(part[7], "N");
  row.key.k = line.integer<int64_t>(part[8], "K");
  if (row.key.m <= 0 || row.key.n <= 0 || row.key.k <= 0) line.fail("positive M, N and K", line.text);
  if (part[9].size() != 16 * row.algorithm.size()) line.fail("128 hexadecimal digits", part[9]);
  for (size_t i = 0; i < row.algorithm.size(); ++i) {
    row.algorithm[i] = line.integer<uint64_t>(part[9].substr(16 * i, 16), "hexadecimal digits", 16);
  }
  return row;
}

}  // namespace

TuningTable::TuningTable(std::string_view text, const std::string& card, size_t version) {
  const std::string own_version = fmt::format("{}", version);
  size_t number = 0;
  for (const std::string_view content : split(text, '\n')) {
    const Line line{content, ++number};
    if (content.empty() || content.front() == '#') continue;
    const auto parts = split(content, '\t');
    if (parts.size() != kColumns) line.fail(fmt::format("{} columns separated by tabs", kColumns), content);
    if (parts[0] == card && parts[1] == own_version) rows_.push_back(parse_row(line, parts));
  }
}

const TuningRow* TuningTable::find(const TuningKey& key) const {
  const TuningRow* best = nullptr;
  double best_distance = std::log(2.0);
  for (const TuningRow& row : rows_) {
    const TuningKey& k = row.key;
    if (k.in != key.in || k.out != key.out || k.activation != key.activation || k.bias != key.bias || k.n != key.n ||
        k.k != key.k) {
      continue;
    }
    const double distance = std::abs(std::log(static_cast<double>(k.m) / static_cast<double>(key.m)));
    if (distance > best_distance || (best != nullptr && distance == best_distance)) continue;
    best = &row;
    best_distance = distance;
  }
  return best;
}

std::string format_row(const std::string& card, size_t version, const TuningRow& row) {
  std::string algorithm;
  for (const uint64_t word : row.algorithm) algorithm += fmt::format("{:016x}", word);
  const TuningKey& key = row.key;
  return fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{:.1f}", card, version, name_of(key.in), name_of(key.out),
                     kActivationNames[static_cast<size_t>(key.activation)], key.bias ? 1 : 0, key.m, key.n, key.k,
                     algorithm, row.tflops);
}

}  // namespace wan::cuda
