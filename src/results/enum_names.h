// The word each enum value is written as. Words never change meaning within a major version.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "base/enum_names.h"
#include "results/record.h"

namespace wan {

template <>
struct EnumNames<PrecisionClass> {
  static constexpr std::array<std::pair<PrecisionClass, std::string_view>, 5> kTable{{
      {PrecisionClass::kExact, "exact"},
      {PrecisionClass::kRounding, "rounding"},
      {PrecisionClass::kDrift, "drift"},
      {PrecisionClass::kAltered, "altered"},
      {PrecisionClass::kUnknown, "unknown"},
  }};
};

template <>
struct EnumNames<RunScope> {
  static constexpr std::array<std::pair<RunScope, std::string_view>, 3> kTable{{
      {RunScope::kCold, "cold"},
      {RunScope::kWarm, "warm"},
      {RunScope::kUnknown, "unknown"},
  }};
};

template <>
struct EnumNames<PageCache> {
  static constexpr std::array<std::pair<PageCache, std::string_view>, 3> kTable{{
      {PageCache::kHot, "hot"},
      {PageCache::kEvicted, "evicted"},
      {PageCache::kUnknown, "unknown"},
  }};
};

template <>
struct EnumNames<EngineKind> {
  static constexpr std::array<std::pair<EngineKind, std::string_view>, 3> kTable{{
      {EngineKind::kNative, "native"},
      {EngineKind::kExternal, "external"},
      {EngineKind::kImported, "imported"},
  }};
};

template <>
struct EnumNames<RunStatus> {
  static constexpr std::array<std::pair<RunStatus, std::string_view>, 8> kTable{{
      {RunStatus::kOk, "ok"},
      {RunStatus::kOutOfMemory, "oom"},
      {RunStatus::kTimeout, "timeout"},
      {RunStatus::kCrash, "crash"},
      {RunStatus::kInvalid, "invalid"},
      {RunStatus::kSkipped, "skipped"},
      {RunStatus::kInterrupted, "interrupted"},
      {RunStatus::kQualityFail, "quality_fail"},
  }};
};

template <>
struct EnumNames<StageRole> {
  static constexpr std::array<std::pair<StageRole, std::string_view>, 12> kTable{{
      {StageRole::kInitialization, "initialization"},
      {StageRole::kPreprocess, "preprocess"},
      {StageRole::kTextEncoding, "text_encoding"},
      {StageRole::kAudioEncoding, "audio_encoding"},
      {StageRole::kImageEncoding, "image_encoding"},
      {StageRole::kFaceEncoding, "face_encoding"},
      {StageRole::kVaeEncoding, "vae_encoding"},
      {StageRole::kStepLoading, "step_loading"},
      {StageRole::kStepInference, "step_inference"},
      {StageRole::kVaeDecoding, "vae_decoding"},
      {StageRole::kOutputEncoding, "output_encoding"},
      {StageRole::kOther, "other"},
  }};
};

template <>
struct EnumNames<StageKind> {
  static constexpr std::array<std::pair<StageKind, std::string_view>, 4> kTable{{
      {StageKind::kLeaf, "leaf"},
      {StageKind::kParent, "parent"},
      {StageKind::kHidden, "hidden"},
      {StageKind::kComponent, "component"},
  }};
};

template <>
struct EnumNames<KernelKind> {
  static constexpr std::array<std::pair<KernelKind, std::string_view>, 6> kTable{{
      {KernelKind::kGemm, "gemm"},
      {KernelKind::kAttention, "attention"},
      {KernelKind::kConvolution, "convolution"},
      {KernelKind::kElementwise, "elementwise"},
      {KernelKind::kCopy, "copy"},
      {KernelKind::kOther, "other"},
  }};
};

}  // namespace wan
