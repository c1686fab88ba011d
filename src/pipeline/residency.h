// Where the weights of a stack of layers live while it runs.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "base/enum_names.h"
#include "pipeline/request.h"

namespace wan {

enum class Residency {
  kResident,  // every layer stays on the device
  kStream,    // layers live in page-locked host memory in the compute type and flow through a few device slots, pass
              // after pass
  kMapped,    // the same, but converted from the mapped file in every pass: for hosts that cannot hold them page-locked
  kOnce,      // layers pass through a few device slots a single time, straight from the file
};

/// Of those that a request can ask for.
template <>
struct EnumNames<Residency> {
  static constexpr std::array<std::pair<Residency, std::string_view>, 3> kTable{{
      {Residency::kResident, "resident"},
      {Residency::kStream, "stream"},
      {Residency::kMapped, "mapped"},
  }};
};

/// What asks for it.
constexpr Offload offload_of(Residency residency) {
  if (residency == Residency::kResident) return Offload::kNone;
  return residency == Residency::kMapped ? Offload::kMapped : Offload::kStream;
}

}  // namespace wan
