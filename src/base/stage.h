// The stages of a run and spans of time in them: one identity for the engine that makes them, the pipe that carries
// them, the readings that are shared out over them, and the record that keeps them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wan {

/// What a leaf is, whatever its model or step number; in order. Leaves tile Total_Execution: each ends where the next
/// begins.
enum class StageRole {
  kInitialization,  // start of the process (or of the engine) until text encoding can start
  kPreprocess,      // sizes, noise, image reading; named after the model: TI2V_Preprocess
  kTextEncoding,    // T5_Encoding: prompt text in hand -> both embeddings on the device
  kAudioEncoding,   // sound in hand -> its features, of models that speech drives
  kImageEncoding,   // picture in hand -> its tokens, of models that attend to a picture
  kFaceEncoding,    // frames of a face in hand -> its motion, of models that a face drives
  kVaeEncoding,     // image-to-video only
  kStepLoading,     // Step_i_Loading: exposed wait for the weights of step i
  kStepInference,   // Step_i_Inference: first kernel -> sampler update done
  kVaeDecoding,     // latents final -> frames in host memory; the wait for VAE weights belongs here
  kOutputEncoding,  // frames ready -> file closed; only what decoding did not hide
  kOther,           // an external program's own stage
};

/// Which stage: equal wherever the same stage is meant.
struct StageId {
  StageRole role = StageRole::kOther;
  int index = -1;        // step from 0; -1 where there is none
  std::string expert{};  // of a step: its expert's name; empty for a single model
  std::string name{};    // as published, or as an external program calls it; empty inside the engine
  int clip = -1;         // from 0, of a model that makes its video in clips; -1 for others and outside clips
  bool operator==(const StageId&) const = default;
};

inline bool is_step(StageRole role) { return role == StageRole::kStepLoading || role == StageRole::kStepInference; }

/// The published name: "Model_Initialization", "Step_3_Inference"; `model` begins that of preprocessing: "TI2V". Of a
/// clip: "Clip_1_Step_3_Inference". Empty for kOther, whose name is its program's.
std::string published_name(StageRole role, int index, std::string_view model, int clip = -1);

/// The stage that a text from outside means: a message of an external program, an older record, an imported report.
/// "Step_3_Inference" is step 3, "Clip_1_Step_3_Inference" that of clip 1, "T2V_Preprocess" is kPreprocess; other
/// texts, and numbers above 99999, are kOther. The text stays the name.
StageId stage_from_name(std::string name);

/// One closed interval of CLOCK_MONOTONIC. A leaf is critical-path time; a hidden span overlaps leaves and is never
/// summed.
struct StageSpan {
  StageId stage;
  std::string component{};  // empty for a leaf; else the part or hidden work: "h2d", "convert", "cond", "uncond", ...
  bool hidden = false;      // overlapped with a leaf
  int64_t begin_ns = 0;
  int64_t end_ns = 0;
  uint64_t bytes = 0;  // moved, where that is what the span did
  double flops = 0;    // floating-point operations of this leaf by the analytic cost model; 0 when it computes nothing
  // Of a leaf whose two edges are events of a GPU; absent elsewhere:
  std::optional<int64_t> gpu_ns{};           // between those events
  std::optional<int64_t> exposed_copy_ns{};  // of it, in which the compute queue waited for weights
  std::optional<int64_t> hidden_copy_ns{};  // weights were copied for it, or by it for what follows, and nothing waited
  bool cut_off = false;                     // the run ended inside it

  bool is_leaf() const { return component.empty() && !hidden; }
  int64_t length_ns() const { return end_ns - begin_ns; }
};

}  // namespace wan
