// What an mp4 says of how it was made, in its comment: enough to make it again and to see what is another. The document
// is described in docs/formats.md. It names no folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/input_file.h"
#include "pipeline/plan.h"
#include "pipeline/request.h"
#include "pipeline/weight_files.h"

namespace wan {

inline constexpr std::string_view kVideoSchema = "wanbench.video";
inline constexpr int kVideoMajor = 1;
/// Minor 1: `recipe`, `split_step`; 2: `last_image`, LoRAs among the weights, with `strength`; 3: `step_cache` and what
/// goes with it, `cfg_gate`, `cache_curve`; 4: `audio` and `pose_video` among the files, and what goes with them;
/// 5: `animate_inputs` likewise; 6: `dit_precision` and what goes with it.
inline constexpr int kVideoMinor = 6;

struct VideoMetadata {
  Request request;  // every option that decides the pixels, defaults filled in; no path and no device
  std::optional<InputFile> image, last_image, initial_latent;
  std::optional<InputFile> audio, pose_video;  // of a model that a sound drives
  std::optional<InputFile> animate_inputs;     // of one that a driving video moves
  std::optional<InputFile> cache_curve;        // that the step cache went by; without a name the program's own
  std::string task, model;                     // as Decisions has them
  std::vector<WeightIdentity> weights;         // as identify_weights; empty but for LoRAs: random ones, or not known
  std::string version, git_commit;             // of this program
  bool git_dirty = false;
  std::string device;        // cpu or cuda
  std::string device_name;   // of the card or the processor
  std::string kernel_table;  // digest of the table that chose the kernels; empty: there was none
  int64_t width = 0, height = 0, num_frames = 0;
  double fps = 0;
  std::string frames_sha256;  // of the RGB frames, in order

  bool operator==(const VideoMetadata&) const = default;
};

/// Of a request whose plan is complete. Reads the ends of the weight files; those that cannot be read any more are not
/// known. `image`, `last_image` and `initial_latent`: as `input_file` saw them.
VideoMetadata video_metadata(const Request& request, const Plan& plan, std::optional<InputFile> image,
                             std::optional<InputFile> last_image, std::optional<InputFile> initial_latent,
                             std::string frames_sha256);

/// On one line. A text that is no UTF-8 is written with replacement characters.
std::string to_json(const VideoMetadata& metadata);

/// Inverse of `to_json`. The text may come from anybody: what it asks for is checked as a request's options are, and it
/// cannot name a file, an output or a device. Keys of a newer minor version are ignored, except in `request`. Throws
/// Error(kInput) that begins with `where`.
VideoMetadata video_metadata_from_json(std::string_view text, const std::string& where);

}  // namespace wan
