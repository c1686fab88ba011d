// libcupti of the CUDA toolkit, loaded at run time: a machine without it measures everything else and says why.
#pragma once

#include <string>

namespace wan::measure {

/// Stays loaded until the process ends: CUPTI has threads of its own that may still run. Loading it observes nothing
/// yet.
class CuptiLibrary {
 public:
  /// Looks for libcupti.so.`cuda_major` where the system's loader looks, then in the toolkit's usual
  /// places. Never throws: `reason` says why nothing could be loaded.
  explicit CuptiLibrary(int cuda_major);

  bool loaded() const { return handle_ != nullptr; }
  const std::string& reason() const { return reason_; }

  /// The function of that name, or nullptr when this version lacks it or nothing is loaded.
  template <class Signature>
  Signature* function(const char* name) const {
    return reinterpret_cast<Signature*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;
  void* handle_ = nullptr;
  std::string reason_;
};

}  // namespace wan::measure
