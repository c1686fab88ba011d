// libcupti of the CUDA toolkit, loaded at run time: a machine without it measures everything else and says why.
#pragma once

#include <string>

#include "base/nvidia_libraries.h"

namespace wan::measure {

/// Stays loaded until the process ends: CUPTI has threads of its own that may still run. Loading it observes nothing
/// yet.
class CuptiLibrary {
 public:
  /// Loads libcupti.so.`cuda_major` as base/nvidia_libraries.h finds it. Never throws: `reason` says why nothing could
  /// be loaded.
  explicit CuptiLibrary(int cuda_major);

  bool loaded() const { return library_.loaded(); }
  const std::string& reason() const { return reason_; }

  /// The function of that name, or nullptr when this version lacks it or nothing is loaded.
  template <class Signature>
  Signature* function(const char* name) const {
    return library_.function<Signature>(name);
  }

 private:
  NvidiaLibrary library_;
  std::string reason_;  // without the folders, which are this machine's own: it goes into records
};

}  // namespace wan::measure
