// Reading the peak-rate and price tables, and the two divisions made with them.
#include "analysis/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json_parse.h"

namespace wan {
namespace {

using Json = nlohmann::json;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

bool matches(const std::string& words, const std::string& device_name) {
  const std::string name = lower(device_name);
  std::istringstream stream(lower(words));
  bool any = false;
  for (std::string word; stream >> word;) {
    if (name.find(word) == std::string::npos) return false;
    any = true;
  }
  return any;
}

template <class Entry>
const Entry* find(const std::vector<Entry>& table, const std::string& device_name) {
  for (const Entry& entry : table) {
    if (matches(entry.match, device_name)) return &entry;
  }
  return nullptr;
}

std::optional<double> number_or_null(const Json& card, const char* key) {
  const Json& value = card.at(key);
  return value.is_null() ? std::nullopt : std::optional<double>(value.get<double>());
}

/// Parses a table and hands each card to `add`; turns any complaint about a key into one about the file.
template <class Add>
void read_table(const std::filesystem::path& file, const std::string& schema, Add add) {
  try {
    const Json json = parse_json(read_text(file, uint64_t{1} << 20), file.string());
    const Json& head = json.at("schema");
    if (head.at("name") != schema || head.at("major") != 1) {
      throw Error(ErrorKind::kInput,
                  fmt::format("{}: expected a {} table of version 1, found {}", file.string(), schema, head.dump()));
    }
    for (const Json& card : json.at("cards")) add(json, card);
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::kInput, fmt::format("{}: not a usable {} table: {}", file.string(), schema, error.what()));
  }
}

}  // namespace

std::vector<CardPeak> load_peaks(const std::filesystem::path& file) {
  std::vector<CardPeak> out;
  read_table(file, "wanbench.peaks", [&](const Json&, const Json& card) {
    CardPeak peak;
    peak.match = card.at("match").get<std::string>();
    peak.sm_count = card.at("sm_count").get<int64_t>();
    peak.peak_clock_mhz = card.at("peak_clock_mhz").get<double>();
    peak.bf16_tflops = number_or_null(card, "bf16_tflops");
    peak.tf32_tflops = number_or_null(card, "tf32_tflops");
    peak.fp8_tflops = number_or_null(card, "fp8_tflops");
    peak.memory_bandwidth_gb_per_s = number_or_null(card, "memory_bandwidth_gb_per_s");
    peak.source = card.at("source").get<std::string>();
    out.push_back(std::move(peak));
  });
  return out;
}

std::vector<CardPrice> load_prices(const std::filesystem::path& file) {
  std::vector<CardPrice> out;
  read_table(file, "wanbench.prices", [&](const Json& table, const Json& card) {
    out.push_back({card.at("match").get<std::string>(), number_or_null(card, "per_gpu_hour"),
                   table.at("currency").get<std::string>(), card.at("date").get<std::string>(),
                   card.at("source").get<std::string>()});
  });
  return out;
}

const CardPeak* find_peak(const std::vector<CardPeak>& table, const std::string& device_name) {
  return find(table, device_name);
}

const CardPrice* find_price(const std::vector<CardPrice>& table, const std::string& device_name) {
  return find(table, device_name);
}

std::optional<double> dense_peak_tflops(const CardPeak& card, const Workload& workload) {
  const auto found = workload.dtypes.find("dit");
  if (found == workload.dtypes.end()) return std::nullopt;
  if (found->second == "bf16" || found->second == "fp16" || found->second == "fp32-autocast-bf16")
    return card.bf16_tflops;
  if (found->second == "fp32" || found->second == "tf32") return card.tf32_tflops;
  if (found->second.starts_with("fp8")) return card.fp8_tflops;
  return std::nullopt;
}

std::optional<Utilisation> flop_utilisation(double achieved_tflops, const CardPeak& card, const Workload& workload,
                                            std::optional<double> sm_clock_mhz) {
  const auto peak = dense_peak_tflops(card, workload);
  if (!peak || *peak <= 0) return std::nullopt;
  Utilisation out;
  out.at_peak_percent = 100 * achieved_tflops / *peak;
  if (sm_clock_mhz && *sm_clock_mhz > 0 && card.peak_clock_mhz > 0) {
    out.at_clock_percent = out.at_peak_percent * card.peak_clock_mhz / *sm_clock_mhz;
  }
  return out;
}

Cost cost_of(double seconds, int64_t gpus, const CardPrice& price) {
  return {seconds / 3600 * static_cast<double>(gpus) * price.per_gpu_hour.value_or(0), price.currency, price.source};
}

}  // namespace wan
