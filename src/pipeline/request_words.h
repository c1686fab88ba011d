// The words that a request's choices are written as, on the command line, in suites, in records and in videos.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/enum_names.h"
#include "pipeline/request.h"

namespace wan {

template <>
struct EnumNames<Precision> {
  static constexpr std::array<std::pair<Precision, std::string_view>, 4> kTable{{
      {Precision::kF32, "fp32"},
      {Precision::kBF16, "bf16"},
      {Precision::kInt8, "int8"},
      {Precision::k8Bit, "8bit"},
  }};
};

template <>
struct EnumNames<Offload> {
  static constexpr std::array<std::pair<Offload, std::string_view>, 6> kTable{{
      {Offload::kAuto, "auto"},
      {Offload::kNone, "none"},
      {Offload::kPacked, "packed"},
      {Offload::kStream, "stream"},
      {Offload::kPackedStream, "packed-stream"},
      {Offload::kMapped, "mapped"},
  }};
};

template <>
struct EnumNames<StoredAs> {
  static constexpr std::array<std::pair<StoredAs, std::string_view>, 6> kTable{{
      {StoredAs::kF32, "f32"},
      {StoredAs::kBF16, "bf16"},
      {StoredAs::kFp8Scaled, "fp8_scaled"},
      {StoredAs::kQ8_0, "q8_0"},
      {StoredAs::kQ5KM, "q5_k_m"},
      {StoredAs::kQ4KM, "q4_k_m"},
  }};
};

template <>
struct EnumNames<Solver> {
  static constexpr std::array<std::pair<Solver, std::string_view>, 4> kTable{{
      {Solver::kUniPC, "unipc"},
      {Solver::kDpmPlusPlus, "dpm++"},
      {Solver::kEuler, "euler"},
      {Solver::kLcm, "lcm"},
  }};
};

template <>
struct EnumNames<StepCache> {
  static constexpr std::array<std::pair<StepCache, std::string_view>, 3> kTable{{
      {StepCache::kOff, "off"},
      {StepCache::kMagCache, "magcache"},
      {StepCache::kEasyCache, "easycache"},
  }};
};

template <>
struct EnumNames<Overlap> {
  static constexpr std::array<std::pair<Overlap, std::string_view>, 2> kTable{{
      {Overlap::kOn, "on"},
      {Overlap::kOff, "off"},
  }};
};

template <>
struct EnumNames<DumpLevel> {
  static constexpr std::array<std::pair<DumpLevel, std::string_view>, 3> kTable{{
      {DumpLevel::kLatent, "latent"},
      {DumpLevel::kStages, "stages"},
      {DumpLevel::kBlocks, "blocks"},
  }};
};

}  // namespace wan
