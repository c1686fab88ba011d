// What a process is to find out of a setting's fidelity: the setting, its reference, and the noise floor beside it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/request.h"
#include "results/fidelity.h"

namespace wan::suite {

/// A request, and what it is called beside others.
struct Setting {
  std::string name;
  Request request;
  PrecisionClass precision_class = PrecisionClass::kUnknown;
  std::string recipe;
};

struct SettingPair {
  Setting reference, test;
  std::string why_not_replayed;  // empty: the test can begin its steps with the reference's latents
};

/// A video that a timed run left behind for those that compare it: its frames, and what its last step left.
struct KeptVideo {
  std::filesystem::path frames, latent;
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  std::string sha256;  // of the frames
};
/// Where the run of a case's key leaves them, below `folder`.
inline std::filesystem::path kept_frames(const std::filesystem::path& folder, const std::string& key) {
  return folder / (key + ".rgb");
}
inline std::filesystem::path kept_latent(const std::filesystem::path& folder, const std::string& key) {
  return folder / (key + ".safetensors");
}

/// Both sides of a pair that timed runs made: nothing of them is made again.
struct KeptPair {
  KeptVideo reference, test;
};

struct FidelityTask {
  SettingPair pair;
  std::string reference_key;          // FidelityComparison::reference_key
  std::filesystem::path test_video;   // made by another program; empty: the test's request makes it
  std::optional<double> bound;        // FidelityRecord::velocity_bound
  std::string kept_reference;         // key of the case whose run is the reference, where both were kept; else empty
  std::optional<KeptPair> kept;       // of it, once both runs have ended
  std::vector<SettingPair> floor;     // pairs of the noise floor
  std::string why_no_floor;           // empty: there is one
  std::filesystem::path folder;       // of this case's stills and, while it is at work, of frames and latents
  std::filesystem::path stills_from;  // stills are named relative to this folder
};

/// What is in it goes with the process that works on the task.
inline std::filesystem::path scratch_folder(const FidelityTask& task) { return task.folder / "scratch"; }
/// A table of kernels that chooses none. It is there while the process works.
inline std::filesystem::path empty_table(const FidelityTask& task) { return scratch_folder(task) / "no_table.tsv"; }

/// One line of JSON, for the process.
std::string to_json(const FidelityTask& task);

/// Inverse of it. Throws Error(kInput) naming the field.
FidelityTask fidelity_task_from_json(const std::string& text);

}  // namespace wan::suite
