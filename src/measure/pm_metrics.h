// Which counters of a chip are sampled, and raw counts turned into shares. Inner part of pm_sampler.h.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "measure/counter_clock.h"
#include "measure/pm_functions.h"

namespace wan::measure {

/// Owns CUPTI's host object, which knows the chip's formulas.
class PmMetrics {
 public:
  /// Takes on as many counters as one pass holds, the most wanted first. `availability` is CUPTI's image of what this
  /// machine can count; it must outlive this object.
  PmMetrics(const PmFunctions& functions, const char* chip, const std::vector<uint8_t>& availability);
  ~PmMetrics();
  PmMetrics(const PmMetrics&) = delete;
  PmMetrics& operator=(const PmMetrics&) = delete;

  /// Why nothing can be counted; empty: something can.
  const std::string& reason() const { return reason_; }
  /// Names in use, and for each quantity without one, that it has none.
  const std::string& text() const { return text_; }
  std::vector<const char*>& names() { return names_; }
  const std::vector<uint8_t>& config() const { return config_; }

  /// The values of sample `index` of a counter data image; its times are left 0.
  CounterSample evaluate(std::span<const uint8_t> image, size_t index);

 private:
  struct Quantity {
    const char* title;
    std::optional<double> CounterSample::*member;
    std::vector<std::vector<const char*>> candidates;  // each a list of counters whose sum it is
  };
  struct Chosen {
    std::optional<double> CounterSample::*member;
    size_t first, count;  // of names_
  };
  static const std::vector<Quantity>& quantities();

  /// A host object and configuration for these counters instead of the present ones. False when the chip lacks one, or
  /// they need more than one pass; then everything stays as it was.
  bool configure(std::vector<const char*> names);
  CUpti_Profiler_Host_Object* make_host();
  void release(CUpti_Profiler_Host_Object* host) const;

  const PmFunctions& functions_;
  const char* chip_;
  const std::vector<uint8_t>& availability_;
  CUpti_Profiler_Host_Object* host_ = nullptr;
  std::vector<const char*> names_;
  std::vector<Chosen> chosen_;
  std::vector<uint8_t> config_;
  std::vector<double> values_;
  std::string reason_, text_;
};

}  // namespace wan::measure
