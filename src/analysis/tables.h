// The editable tables: peak rates of cards and prices of an hour. Data with sources, not constants.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "results/record.h"

namespace wan {

/// Dense peaks of one card at `peak_clock_mhz`.
struct CardPeak {
  std::string match;  // words that must all occur in the device name
  int64_t sm_count = 0;
  double peak_clock_mhz = 0;
  std::optional<double> bf16_tflops, tf32_tflops, fp8_tflops;
  std::optional<double> memory_bandwidth_gb_per_s;
  std::optional<double> memory_gib;  // all of it; nothing in tables before 1.1
  std::string compute_capability;    // "9.0"; empty in tables before 1.1
  std::string source;
};

struct CardPrice {
  std::string match;
  std::optional<double> per_gpu_hour;
  std::string currency, date, source;
};

/// Reads suites/peaks.json or a file like it. Throws Error(kInput) naming the file and the key.
std::vector<CardPeak> load_peaks(const std::filesystem::path& file);
std::vector<CardPrice> load_prices(const std::filesystem::path& file);

/// First entry all of whose words occur in the device name, ignoring case; nullptr if none.
const CardPeak* find_peak(const std::vector<CardPeak>& table, const std::string& device_name);
const CardPrice* find_price(const std::vector<CardPrice>& table, const std::string& device_name);

/// Dense peak in TFLOP/s of the arithmetic the DiT ran in: bf16, tf32 for fp32 weights under autocast or TF32, fp8.
/// Nothing when the card or the dtype is not in the table.
std::optional<double> dense_peak_tflops(const CardPeak& card, const Workload& workload);

/// Model FLOP utilisation in percent: achieved over the dense peak, at the stated clock and at the measured one.
struct Utilisation {
  double at_peak_percent = 0;
  std::optional<double> at_clock_percent;
};
std::optional<Utilisation> flop_utilisation(double achieved_tflops, const CardPeak& card, const Workload& workload,
                                            std::optional<double> sm_clock_mhz);

/// What one video costs.
struct Cost {
  double money = 0;
  std::string currency, source;
};
/// GPU-hours times price, for `gpus` cards held over `seconds`.
Cost cost_of(double seconds, int64_t gpus, const CardPrice& price);

}  // namespace wan
