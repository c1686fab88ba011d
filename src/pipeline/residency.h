// Where the weights of a stack of layers live while it runs.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "base/enum_names.h"
#include "pipeline/request.h"

namespace wan {

enum class Residency {
  kResident,      // every layer stays on the device in the compute type
  kPacked,        // every layer stays on the device in the form of its file, and is expanded into a few slots, pass
                  // after pass
  kStream,        // layers live in page-locked host memory in the compute type and flow through a few device slots,
                  // pass after pass
  kPackedStream,  // layers live in page-locked host memory in the form of their file, flow to the device so, and are
                  // expanded there
  kMapped,        // as kStream, but converted from the mapped file in every pass: for hosts that cannot hold them
                  // page-locked
  kOnce,          // layers pass through a few device slots a single time, straight from the file
};

/// Of those that a request can ask for.
template <>
struct EnumNames<Residency> {
  static constexpr std::array<std::pair<Residency, std::string_view>, 5> kTable{{
      {Residency::kResident, "resident"},
      {Residency::kPacked, "packed"},
      {Residency::kStream, "stream"},
      {Residency::kPackedStream, "packed-stream"},
      {Residency::kMapped, "mapped"},
  }};
};

/// Whether layers keep the form of their file.
constexpr bool is_packed(Residency residency) {
  return residency == Residency::kPacked || residency == Residency::kPackedStream;
}

/// Whether layers are page-locked, and their slots given back before a video is decoded.
constexpr bool is_streamed(Residency residency) {
  return residency == Residency::kStream || residency == Residency::kPackedStream;
}

/// What asks for it.
constexpr Offload offload_of(Residency residency) {
  switch (residency) {
    case Residency::kResident: return Offload::kNone;
    case Residency::kPacked: return Offload::kPacked;
    case Residency::kPackedStream: return Offload::kPackedStream;
    case Residency::kMapped: return Offload::kMapped;
    case Residency::kStream:
    case Residency::kOnce: break;
  }
  return Offload::kStream;
}

}  // namespace wan
