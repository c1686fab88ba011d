// How near each kind of work comes to what the card can do: achieved operations a second, operations a byte, limits.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/summary.h"
#include "analysis/tables.h"

namespace wan {

/// One kind of leaf with recorded operations: the steady steps together, VAE decoding, ...
struct RooflinePoint {
  std::string name;
  double seconds = 0;  // device time, else wall time
  double tflops = 0;   // achieved
  /// Operations per byte of device memory traffic. Traffic is DRAM activity times the card's bandwidth times time, so
  /// there is none without the counter and the table's bandwidth.
  std::optional<double> flops_per_byte;
  std::string no_intensity_reason;
  std::optional<double> sm_clock_mhz;
  std::optional<Utilisation> mfu;
  std::optional<double> sm_percent, tensor_percent, dram_percent, occupancy_percent;  // weighted by time
};

struct Roofline {
  std::vector<RooflinePoint> points;
  std::optional<double> peak_tflops;           // dense, of the dtype, at the stated clock
  std::optional<double> peak_tflops_at_clock;  // scaled to the steady steps' measured clock
  std::optional<double> bandwidth_tb_per_s;
  std::optional<double> ridge_flops_per_byte;  // where the memory limit meets the peak
  std::string reason;                          // why there are no points or no limits
};

/// `peak` is the card's entry of the table, or nullptr.
Roofline roofline(const CaseSummary& summary, const CardPeak* peak);

}  // namespace wan
