// The one list of a case's fields and the words its enums are written as, in files and on the command line: reading and
// writing both walk it.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipeline/request.h"

namespace wan::suite {

inline constexpr std::array<std::pair<Precision, std::string_view>, 2> kPrecisionWords{
    {{Precision::kF32, "fp32"}, {Precision::kBF16, "bf16"}}};
inline constexpr std::array<std::pair<Offload, std::string_view>, 4> kOffloadWords{
    {{Offload::kAuto, "auto"}, {Offload::kNone, "none"}, {Offload::kStream, "stream"}, {Offload::kMapped, "mapped"}}};
inline constexpr std::array<std::pair<Solver, std::string_view>, 3> kSolverWords{
    {{Solver::kUniPC, "unipc"}, {Solver::kDpmPlusPlus, "dpm++"}, {Solver::kEuler, "euler"}}};
inline constexpr std::array<std::pair<Overlap, std::string_view>, 2> kOverlapWords{
    {{Overlap::kOn, "on"}, {Overlap::kOff, "off"}}};
inline constexpr std::array<std::pair<DumpLevel, std::string_view>, 2> kDumpLevelWords{
    {{DumpLevel::kStages, "stages"}, {DumpLevel::kBlocks, "blocks"}}};

template <class E, size_t N>
constexpr std::string_view word_of(const std::array<std::pair<E, std::string_view>, N>& words, E value) {
  for (const auto& [key, word] : words)
    if (key == value) return word;
  return "?";
}

/// Absent when it is none of the words.
template <class E, size_t N>
constexpr std::optional<E> value_of(const std::array<std::pair<E, std::string_view>, N>& words,
                                    std::string_view wanted) {
  for (const auto& [key, word] : words)
    if (word == wanted) return key;
  return std::nullopt;
}

/// All of them, in order.
template <class E, size_t N>
std::vector<std::string> list_of(const std::array<std::pair<E, std::string_view>, N>& words) {
  std::vector<std::string> all;
  for (const auto& [key, word] : words) all.emplace_back(word);
  return all;
}

/// Calls `visit(key, member)` for plain members and `visit(key, member, words)` for enums, in the order of the file.
template <class Visitor, class R>
void request_fields(Visitor& visit, R& request) {
  visit("checkpoint", request.checkpoint);
  visit("model", request.model);
  visit("random_weights", request.random_weights);
  visit("prompt", request.prompt);
  visit("negative_prompt", request.negative_prompt);
  visit("image", request.image);
  visit("width", request.width);
  visit("height", request.height);
  visit("num_frames", request.num_frames);
  visit("steps", request.steps);
  visit("shift", request.shift);
  visit("guidance_low", request.guidance_low);
  visit("guidance_high", request.guidance_high);
  visit("boundary", request.boundary);
  visit("solver", request.solver, kSolverWords);
  visit("seed", request.seed);
  visit("initial_latent", request.initial_latent);
  visit("device", request.device);
  visit("precision", request.precision, kPrecisionWords);
  visit("vae_precision", request.vae_precision, kPrecisionWords);
  visit("text_encoder_device", request.text_encoder_device);
  visit("offload", request.offload, kOffloadWords);
  visit("overlap", request.overlap, kOverlapWords);
  visit("vae_chunk", request.vae_chunk);
  visit("vae_slice", request.vae_slice);
  visit("tuning_table", request.tuning_table);
  visit("output", request.output);
  visit("frames", request.frames);
  visit("dump", request.dump);
  visit("dump_level", request.dump_level, kDumpLevelWords);
}

}  // namespace wan::suite
