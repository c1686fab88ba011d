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
#include "base/json_reader.h"

namespace wan {
namespace {

using Json = nlohmann::json;

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// Whether `name` has the word, with neither a letter nor a digit beside it: an A1000 is no A100, a GH200 no H200.
bool has_word(const std::string& name, const std::string& word) {
  const auto is_part = [&](size_t at) {
    return at < name.size() && std::isalnum(static_cast<unsigned char>(name[at]));
  };
  for (size_t at = name.find(word); at != std::string::npos; at = name.find(word, at + 1))
    if ((at == 0 || !is_part(at - 1)) && !is_part(at + word.size())) return true;
  return false;
}

/// A part of a card (MIG) is another device than the card.
bool matches(const std::string& words, const std::string& device_name) {
  const std::string name = lower(device_name);
  if (has_word(name, "mig") && !has_word(lower(words), "mig")) return false;
  std::istringstream stream(lower(words));
  bool any = false;
  for (std::string word; stream >> word;) {
    if (!has_word(name, word)) return false;
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

/// The members of one card, all of which must be there.
class CardReader {
 public:
  CardReader(const Json& card, const std::string& where) : reader_(card, where) {}

  template <class T, class... Limits>
  T get(const char* key, const Limits&... limits) {
    T value{};
    if (reader_.find(key) == nullptr) throw reader_.error(fmt::format("field '{}' is missing", key));
    reader_.read(key, value, limits...);
    return value;
  }
  std::string text(const char* key) { return get<std::string>(key); }
  std::optional<double> number_or_null(const char* key) {
    const Json* found = reader_.find(key);
    if (found != nullptr && found->is_null()) return std::nullopt;
    return get<double>(key, kAmount);
  }
  std::string text_or_empty(const char* key) { return reader_.find(key) == nullptr ? std::string() : text(key); }
  std::optional<double> number_or_absent(const char* key) {
    return reader_.find(key) == nullptr ? std::nullopt : number_or_null(key);
  }

 private:
  static constexpr Bounds<double> kAmount{0, 1e9};
  JsonReader reader_;
};

/// Parses a table and hands the whole and each card to `add`.
template <class Add>
void read_table(const std::filesystem::path& file, const std::string& schema, Add add) {
  const std::string where = file.string();
  const Json json = parse_json(read_text(file, uint64_t{1} << 20), where);
  CardReader table(json, where);
  const Json head = table.get<Json>("schema"), cards = table.get<Json>("cards");
  CardReader version(head, where + ": schema");
  if (version.text("name") != schema || version.get<int64_t>("major") != 1)
    throw Error(ErrorKind::kInput, fmt::format("{}: expected a {} table of version 1, found {} {}", where, schema,
                                               version.text("name"), version.get<int64_t>("major")));
  require(cards.is_array(), fmt::format("{}: field 'cards' must be a list", where));
  for (size_t i = 0; i < cards.size(); ++i) {
    CardReader card(cards[i], fmt::format("{}: card {}", where, i + 1));
    add(table, card);
  }
}

}  // namespace

std::vector<CardPeak> load_peaks(const std::filesystem::path& file) {
  constexpr Bounds<int64_t> kUnits{0, 1'000'000};
  constexpr Bounds<double> kClockMhz{0, 1e6};
  std::vector<CardPeak> out;
  read_table(file, "wanbench.peaks", [&](CardReader&, CardReader& card) {
    CardPeak peak;
    peak.match = card.text("match");
    peak.sm_count = card.get<int64_t>("sm_count", kUnits);
    peak.peak_clock_mhz = card.get<double>("peak_clock_mhz", kClockMhz);
    peak.bf16_tflops = card.number_or_null("bf16_tflops");
    peak.tf32_tflops = card.number_or_null("tf32_tflops");
    peak.fp8_tflops = card.number_or_null("fp8_tflops");
    peak.memory_bandwidth_gb_per_s = card.number_or_null("memory_bandwidth_gb_per_s");
    peak.memory_gib = card.number_or_absent("memory_gib");
    peak.compute_capability = card.text_or_empty("compute_capability");
    peak.source = card.text("source");
    out.push_back(std::move(peak));
  });
  return out;
}

std::vector<CardPrice> load_prices(const std::filesystem::path& file) {
  std::vector<CardPrice> out;
  read_table(file, "wanbench.prices", [&](CardReader& table, CardReader& card) {
    out.push_back({card.text("match"), card.number_or_null("per_gpu_hour"), table.text("currency"), card.text("date"),
                   card.text("source")});
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
