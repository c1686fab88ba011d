// Hardware counters of a card from a DCGM host engine that runs beside: it has the right to count where this user has
// none, also on cards before Hopper. They are counted for the whole card, whoever uses it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "measure/dcgm_library.h"
#include "measure/dcgm_windows.h"

namespace wan::measure {

/// Lets the engine on this machine count from its making to its end; never starts an engine. One at a time in a
/// process.
class DcgmSampler {
 public:
  /// Never throws: where there is no library, no engine, no such card or no right, `reason` says so.
  explicit DcgmSampler(const std::string& uuid, const DcgmLibrary& library = DcgmLibrary());
  ~DcgmSampler();
  DcgmSampler(const DcgmSampler&) = delete;
  DcgmSampler& operator=(const DcgmSampler&) = delete;

  /// Why nothing is counted (any more); empty: all is well.
  const std::string& reason() const { return reason_; }
  /// The windows that ended since the last call. To be called every second or sooner.
  std::vector<ActivityReading> read();

 private:
  /// Each returns why it failed; empty: it did not.
  std::string open(const std::string& uuid);
  std::string find_gpu(const std::string& uuid);
  std::string watch();
  std::string because(const char* what, int result) const;

  DcgmLibrary library_;
  bool initialized_ = false, watching_ = false;
  std::optional<DcgmHandle> connection_, group_, fields_;
  unsigned int gpu_ = 0;
  long long since_us_ = 0;
  std::optional<int64_t> counted_to_ns_;
  std::string reason_;
};

}  // namespace wan::measure
